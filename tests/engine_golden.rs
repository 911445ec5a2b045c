//! The decoder and the optimizer against PyTorch and Hugging Face transformers. The folders under
//! `tests/golden/engine_*` are as `save_pretrained` left them, and `engine.json` holds what
//! `LlamaForCausalLM` and `torch.optim.AdamW` computed from them; `tests/golden/make_engine.py` made
//! all of it.

// A test that unwraps an error has failed, and says why.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde::Deserialize;
use sft_vs_rl::{AdamW, AdamWConfig, Batch, Decoder, Gradients, Kernels, Sampling, Seed, sample};

#[derive(Deserialize)]
struct Golden {
    sequences: Vec<Vec<u32>>,
    /// Of the third sequence.
    logits_last: Vec<Vec<f32>>,
    log_probs: Vec<f32>,
    entropies: Vec<f32>,
    /// Twelve tokens after the first sequence, or fewer where the end token came.
    greedy: Vec<u32>,
    loss: f64,
    gradient_norms: BTreeMap<String, f64>,
    adamw: Trajectory,
}

#[derive(Deserialize)]
struct Trajectory {
    losses: Vec<f64>,
    norms: Vec<f64>,
    weight_norms: BTreeMap<String, f64>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Every variant with both kinds of kernels.
fn cases() -> Vec<(String, Golden, Decoder)> {
    let text = std::fs::read_to_string(folder().join("engine.json")).unwrap();
    let mut cases = Vec::new();
    for kernels in [Kernels::Fused, Kernels::Composed] {
        let all: BTreeMap<String, Golden> = serde_json::from_str(&text).unwrap();
        for (name, golden) in all {
            let dir = folder().join(format!("engine_{name}"));
            let model = Decoder::load(&dir, &Device::Cpu, kernels).unwrap();
            cases.push((format!("{name}, {kernels:?}"), golden, model));
        }
    }
    cases
}

fn close(case: &str, what: &str, found: f64, expected: f64, tolerance: f64) {
    let allowed = tolerance * expected.abs().max(1.0);
    assert!((found - expected).abs() < allowed, "{case}: {what} is {found}, PyTorch has {expected}");
}

/// Log-probability of every next token, and the entropies.
fn next_tokens(model: &Decoder, sequences: &[Vec<u32>]) -> (Tensor, Tensor) {
    let batch = Batch::pack(sequences, &Device::Cpu).unwrap();
    let (mut rows, mut targets) = (vec![], vec![]);
    for sequence in batch.sequences() {
        for row in sequence.own.clone().skip(1) {
            rows.push(row as u32 - 1);
            targets.push(batch.ids()[row]);
        }
    }
    model.log_probs_and_entropy(&model.hidden(&batch).unwrap(), &rows, &targets).unwrap()
}

fn loss(model: &Decoder, sequences: &[Vec<u32>]) -> Tensor {
    next_tokens(model, sequences).0.mean_all().unwrap().neg().unwrap()
}

fn value(x: &Tensor) -> f64 {
    f64::from(x.to_scalar::<f32>().unwrap())
}

fn norm(x: &Tensor) -> f64 {
    value(&x.sqr().unwrap().sum_all().unwrap()).sqrt()
}

#[test]
fn logits_log_probs_and_entropies_agree() {
    for (case, golden, model) in cases() {
        let batch = Batch::pack(&[&golden.sequences[2]], &Device::Cpu).unwrap();
        let logits = model.logits(&model.hidden(&batch).unwrap()).unwrap().to_vec2::<f32>().unwrap();
        for (found, expected) in logits.iter().flatten().zip(golden.logits_last.iter().flatten()) {
            close(&case, "a logit", f64::from(*found), f64::from(*expected), 1e-4);
        }
        let (log_probs, entropies) = next_tokens(&model, &golden.sequences);
        for (found, expected) in [(log_probs, &golden.log_probs), (entropies, &golden.entropies)] {
            let found = found.to_vec1::<f32>().unwrap();
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                close(&case, "a log-probability or entropy", f64::from(*found), f64::from(*expected), 1e-4);
            }
        }
    }
}

#[test]
fn loss_and_gradients_agree() {
    for (case, golden, model) in cases() {
        let loss = loss(&model, &golden.sequences);
        close(&case, "the loss", value(&loss), golden.loss, 1e-5);
        let store = loss.backward().unwrap();
        assert_eq!(model.variables().len(), golden.gradient_norms.len());
        for (name, var) in model.variables() {
            let found = norm(store.get(&var).unwrap());
            close(&case, &format!("the gradient norm of {name}"), found, golden.gradient_norms[&name], 1e-4);
        }
    }
}

#[test]
fn adamw_takes_the_same_steps() {
    for (case, golden, model) in cases() {
        let config = AdamWConfig { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1, clip_norm: 1.0 };
        let mut optimizer = AdamW::new(model.variables(), config).unwrap();
        let Trajectory { losses, norms, weight_norms } = &golden.adamw;
        for (step, (expected_loss, expected_norm)) in losses.iter().zip(norms).enumerate() {
            let loss = loss(&model, &golden.sequences);
            close(&case, &format!("loss {step}"), value(&loss), *expected_loss, 1e-4);
            let mut gradients = Gradients::default();
            gradients.add(&optimizer.variables(), &loss.backward().unwrap()).unwrap();
            let norm = optimizer.step(&gradients, 1e-2).unwrap();
            close(&case, &format!("gradient norm {step}"), norm, *expected_norm, 1e-3);
        }
        close(
            &case,
            "the last loss",
            value(&loss(&model, &golden.sequences)),
            losses[losses.len() - 1],
            1e-4,
        );
        for (name, var) in model.variables() {
            close(&case, &format!("the norm of {name}"), norm(&var), weight_norms[&name], 1e-4);
        }
    }
}

#[test]
fn greedy_decoding_agrees_with_generate() {
    for (case, golden, model) in cases() {
        let sampling = Sampling { temperature: 0.0, max_new_tokens: 12, end_token: 2 };
        let completions = sample(&model, None, &golden.sequences[..1], &sampling, Seed::new(0)).unwrap();
        assert_eq!(completions[0].tokens, golden.greedy, "{case}");
    }
}
