use candle_core::Device;

use super::*;
use crate::model::{Config, Kernels};

fn tiny() -> Config {
    Config {
        vocab_size: 12,
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        max_position_embeddings: 32,
        rope_theta: 10_000.0,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: true,
        bos_token_id: None,
        eos_token_id: Some(0),
    }
}

/// Counting documents: `n, n + 1, n + 2, ...` modulo 12, of different lengths; and one too short.
fn count(_: usize, seed: Seed) -> Result<Vec<Vec<u32>>> {
    use rand::Rng;
    let mut random = seed.stream("count");
    let mut documents = vec![vec![3]];
    for _ in 0..8 {
        let (start, length) = (random.random_range(0..12), random.random_range(2..9));
        documents.push((0..length).map(|i| (start + i) % 12).collect());
    }
    Ok(documents)
}

#[test]
fn counting_is_learned_and_what_was_measured_adds_up() {
    let model = Decoder::new(&tiny(), Seed::new(1), &Device::Cpu, Kernels::best(&Device::Cpu)).unwrap();
    let mut config = PretrainConfig::quick(100);
    config.learning_rate.peak = 1e-2;
    config.learning_rate.warmup_steps = 5;
    let mut optimizer = AdamW::new(model.variables(), config.optimizer.clone()).unwrap();
    let mut losses = Vec::new();
    train(&model, &mut optimizer, &count, &config, Seed::new(2), 0..100, &mut |step| {
        assert_eq!((step.step, step.documents), (losses.len(), 8));
        assert_eq!(step.learning_rate, config.learning_rate.at(step.step));
        assert!(step.grad_norm > 0.0 && step.tokens_trained >= 8);
        losses.push(step.loss);
        Ok(())
    })
    .unwrap();
    // An untrained model knows nothing: about log 12 nats.
    assert!((losses[0] - 12f64.ln()).abs() < 0.2, "{}", losses[0]);
    assert!(losses[99] < 0.2, "{}", losses[99]);
}

#[test]
fn microbatches_change_nothing_but_rounding() {
    let after = |tokens_per_microbatch| {
        let model = Decoder::new(&tiny(), Seed::new(1), &Device::Cpu, Kernels::best(&Device::Cpu)).unwrap();
        let config = PretrainConfig { tokens_per_microbatch, ..PretrainConfig::quick(10) };
        let mut optimizer = AdamW::new(model.variables(), config.optimizer.clone()).unwrap();
        let mut measured = Vec::new();
        train(&model, &mut optimizer, &count, &config, Seed::new(2), 0..3, &mut |step| {
            measured.push((step.loss, step.grad_norm));
            Ok(())
        })
        .unwrap();
        measured
    };
    for ((loss, norm), (other_loss, other_norm)) in after(4096).into_iter().zip(after(7)) {
        assert!((loss - other_loss).abs() < 1e-4 && (norm - other_norm).abs() < 1e-3 * norm);
    }
}

#[test]
fn a_step_without_documents_is_an_error() {
    let model = Decoder::new(&tiny(), Seed::new(1), &Device::Cpu, Kernels::best(&Device::Cpu)).unwrap();
    let config = PretrainConfig::quick(10);
    let mut optimizer = AdamW::new(model.variables(), config.optimizer.clone()).unwrap();
    let short = |_: usize, _: Seed| Ok(vec![vec![3]]);
    let result = train(&model, &mut optimizer, &short, &config, Seed::new(2), 0..1, &mut |_| Ok(()));
    assert!(matches!(result, Err(Error::Data(_))));
}
