//! The decoder against its oracles: PyTorch + transformers (golden values, made by
//! `tests/golden/make_engine.py`), the composed path, finite differences, and itself after a resume.

// A test that unwraps an error has failed, and says why.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor, Var};
use sft_vs_rl::{
    AdamW, AdamWConfig, Batch, Config, Decoder, Error, Gradients, Kernels, Microbatch, Passage, Sampling,
    Seed, ValueHead, sample,
};

fn config(tied: bool, kv_heads: usize) -> Config {
    Config {
        vocab_size: 37,
        hidden_size: 24,
        intermediate_size: 40,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: kv_heads,
        max_position_embeddings: 64,
        rope_theta: 10_000.0,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: tied,
        bos_token_id: Some(1),
        eos_token_id: Some(2),
    }
}

fn decoder(tied: bool, kv_heads: usize, kernels: Kernels) -> Decoder {
    Decoder::new(&config(tied, kv_heads), Seed::new(5), &Device::Cpu, kernels).unwrap()
}

/// Token sequences of odd lengths, the shortest of one token.
fn sequences() -> Vec<Vec<u32>> {
    let token = |i: u32, j: u32| (i * 7 + j * 5 + 3) % 37;
    [9u32, 1, 17, 5].iter().enumerate().map(|(i, &n)| (0..n).map(|j| token(i as u32, j)).collect()).collect()
}

/// Mean negative log-probability of the next tokens.
fn loss(model: &Decoder, sequences: &[Vec<u32>]) -> Tensor {
    let batch = Batch::pack(sequences, &Device::Cpu).unwrap();
    let (mut rows, mut targets) = (vec![], vec![]);
    for sequence in batch.sequences() {
        for row in sequence.own.clone().skip(1) {
            rows.push(row as u32 - 1);
            targets.push(batch.ids()[row]);
        }
    }
    let hidden = model.hidden(&batch).unwrap();
    model.log_probs(&hidden, &rows, &targets).unwrap().mean_all().unwrap().neg().unwrap()
}

fn scalar(x: &Tensor) -> f64 {
    f64::from(x.to_dtype(DType::F32).unwrap().to_scalar::<f32>().unwrap())
}

fn adamw() -> AdamWConfig {
    AdamWConfig { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1, clip_norm: 1.0 }
}

fn train(model: &Decoder, optimizer: &mut AdamW, steps: usize) {
    for _ in 0..steps {
        let mut gradients = Gradients::default();
        let store = loss(model, &sequences()).backward().unwrap();
        gradients.add(&optimizer.variables(), &store).unwrap();
        optimizer.step(&gradients, 1e-2).unwrap();
    }
}

#[test]
fn a_packed_sequence_does_not_see_its_neighbors() {
    for kernels in [Kernels::Fused, Kernels::Composed] {
        let model = decoder(true, 2, kernels);
        let together = Batch::pack(&sequences(), &Device::Cpu).unwrap();
        let hidden = model.hidden(&together).unwrap();
        for (index, sequence) in sequences().iter().enumerate() {
            let alone = model.hidden(&Batch::pack(&[sequence], &Device::Cpu).unwrap()).unwrap();
            let range = together.sequences()[index].own.clone();
            let packed = hidden.narrow(0, range.start, range.len()).unwrap();
            assert!(distance(&alone, &packed) < 1e-5, "{kernels:?}, sequence {index}");
        }
    }
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    scalar(&(a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap())
}

#[test]
fn gradients_agree_with_finite_differences() {
    for (tied, kv_heads) in [(true, 4), (false, 2)] {
        for kernels in [Kernels::Fused, Kernels::Composed] {
            let model = decoder(tied, kv_heads, kernels);
            let store = loss(&model, &sequences()).backward().unwrap();
            for (name, var) in model.variables() {
                let gradient = store.get(&var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                // The derivative along a fixed direction, by central differences.
                let direction: Vec<f32> =
                    (0..gradient.len()).map(|i| ((i * 37 + 11) % 17) as f32 / 17.0 - 0.45).collect();
                let expected: f64 =
                    gradient.iter().zip(&direction).map(|(&g, &d)| f64::from(g) * f64::from(d)).sum();
                let direction = Tensor::from_vec(direction, var.dims(), &Device::Cpu).unwrap();
                let start = var.as_detached_tensor().copy().unwrap();
                let step = 3e-3 / f64::from(var.elem_count() as u32).sqrt();
                let at = |scale: f64| {
                    var.set(&(&start + (&direction * scale).unwrap()).unwrap()).unwrap();
                    scalar(&loss(&model, &sequences()))
                };
                let measured = (at(step * 4.0) - at(-step * 4.0)) / (8.0 * step);
                var.set(&start).unwrap();
                let tolerance = 2e-3 + 0.02 * expected.abs();
                assert!(
                    (measured - expected).abs() < tolerance,
                    "{kernels:?} {name}: measured {measured}, computed {expected}"
                );
            }
        }
    }
}

#[test]
fn fused_equals_composed_forward_and_backward() {
    for (tied, kv_heads) in [(true, 4), (false, 2), (true, 1)] {
        let composed = decoder(tied, kv_heads, Kernels::Composed);
        let fused = composed.with_kernels(Kernels::Fused);
        let (a, b) = (loss(&composed, &sequences()), loss(&fused, &sequences()));
        assert!((scalar(&a) - scalar(&b)).abs() < 1e-5);
        let (a, b) = (a.backward().unwrap(), b.backward().unwrap());
        for (name, var) in composed.variables() {
            let (a, b) = (a.get(&var).unwrap(), b.get(&var).unwrap());
            assert!(distance(a, b) < 2e-6, "{name}: {}", distance(a, b));
        }
    }
}

/// Loss and gradients, of groups that share prompts and more: as without sharing, on both paths. The
/// gradients of the latter are held to finite differences above.
#[test]
fn what_passages_share_changes_no_loss_and_no_gradient() {
    let prompts: [&[u32]; 3] = [&[3, 8, 1, 30], &[6], &[3, 8]];
    let responses: [&[&[u32]]; 3] = [
        &[&[5, 9, 9, 14, 2], &[5, 9, 2], &[7, 2], &[2], &[5, 9, 9, 14, 2], &[5, 9, 9, 14, 20, 21, 2]],
        &[&[2], &[4, 4, 2]],
        &[&[11, 12, 13, 2]],
    ];
    let groups: Vec<Vec<Passage>> = prompts
        .iter()
        .zip(responses)
        .map(|(prompt, of)| of.iter().map(|response| Passage { prompt, response }).collect())
        .collect();
    let shared = Microbatch::pack_groups(groups.iter().map(Vec::as_slice), &Device::Cpu).unwrap();
    let plain = Microbatch::pack(&groups.concat(), &Device::Cpu).unwrap();
    assert_eq!((shared.batch.tokens(), plain.batch.tokens()), (19, 50));
    assert_eq!(shared.targets, plain.targets);
    for (tied, kv_heads) in [(true, 4), (false, 2), (true, 1)] {
        for kernels in [Kernels::Fused, Kernels::Composed] {
            let model = decoder(tied, kv_heads, kernels);
            let value = ValueHead::new(24, &Device::Cpu).unwrap();
            let weight = Tensor::arange(0f32, 24.0, &Device::Cpu).unwrap().reshape((1, 24)).unwrap();
            value.variables()[1].1.set(&(weight / 24.0).unwrap()).unwrap();
            let loss = |packed: &Microbatch| {
                let hidden = model.hidden(&packed.batch).unwrap();
                let log_probs = model.log_probs(&hidden, &packed.rows, &packed.targets).unwrap();
                let values = value.forward(&packed.select(&hidden).unwrap()).unwrap();
                let count = packed.rows.len();
                let weights: Vec<f32> = (0..count).map(|i| (i * 5 % 7) as f32 / 7.0 - 0.3).collect();
                let weights = Tensor::from_vec(weights, count, &Device::Cpu).unwrap();
                ((log_probs + values).unwrap() * weights).unwrap().mean_all().unwrap()
            };
            let (a, b) = (loss(&shared), loss(&plain));
            assert!((scalar(&a) - scalar(&b)).abs() < 1e-5, "{kernels:?}");
            let (a, b) = (a.backward().unwrap(), b.backward().unwrap());
            for (name, var) in model.variables() {
                let (a, b) = (a.get(&var).unwrap(), b.get(&var).unwrap());
                assert!(distance(a, b) < 2e-6, "{kernels:?} {name}: {}", distance(a, b));
            }
        }
    }
}

/// Both paths, and candle-nn's own loss over the logits.
#[test]
fn the_loss_is_the_cross_entropy_of_candle_nn() {
    for kernels in [Kernels::Fused, Kernels::Composed] {
        let model = decoder(false, 2, kernels);
        let sequence = &sequences()[..1];
        let hidden = model.hidden(&Batch::pack(sequence, &Device::Cpu).unwrap()).unwrap();
        let logits = model.logits(&hidden.narrow(0, 0, 8).unwrap()).unwrap();
        let targets = Tensor::new(&sequence[0][1..], &Device::Cpu).unwrap();
        let expected = scalar(&candle_nn::loss::cross_entropy(&logits, &targets).unwrap());
        assert!((scalar(&loss(&model, sequence)) - expected).abs() < 1e-5, "{kernels:?}");
    }
}

#[test]
fn a_checkpoint_comes_back_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let model = decoder(false, 2, Kernels::Fused);
    model.save(dir.path()).unwrap();
    let loaded = Decoder::load(dir.path(), &Device::Cpu, Kernels::Fused).unwrap();
    assert_eq!(loaded.config(), model.config());
    assert_eq!(loaded.weights_hash().unwrap(), model.weights_hash().unwrap());
}

#[test]
fn a_copy_is_independent() {
    let model = decoder(true, 4, Kernels::Fused);
    let copy = model.copy().unwrap().freeze();
    let before = model.weights_hash().unwrap();
    let mut optimizer = AdamW::new(model.variables(), adamw()).unwrap();
    train(&model, &mut optimizer, 1);
    assert_eq!(copy.weights_hash().unwrap(), before);
    assert_ne!(model.weights_hash().unwrap(), before);
}

#[test]
fn damaged_checkpoints_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let load = || Decoder::load(dir.path(), &Device::Cpu, Kernels::Fused).err().unwrap();
    assert!(matches!(load(), Error::Io { .. }));
    decoder(true, 4, Kernels::Fused).save(dir.path()).unwrap();
    let config_path = dir.path().join("config.json");
    let weights_path = dir.path().join("model.safetensors");
    let text = std::fs::read_to_string(&config_path).unwrap();

    // Other sizes than the tensors have.
    std::fs::write(&config_path, text.replace("\"vocab_size\": 37", "\"vocab_size\": 38")).unwrap();
    match load() {
        Error::Shape { tensor, expected, found, .. } => {
            assert_eq!(
                (tensor.as_str(), expected, found),
                ("model.embed_tokens.weight", vec![38, 24], vec![37, 24])
            );
        }
        other => panic!("{other}"),
    }
    // A tensor that is not there.
    std::fs::write(
        &config_path,
        text.replace("\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false"),
    )
    .unwrap();
    assert!(load().to_string().contains("`lm_head.weight` is missing"));
    // Something this decoder does not compute.
    std::fs::write(&config_path, text.replace("silu", "gelu")).unwrap();
    assert!(load().to_string().contains("hidden_act `gelu`"));
    // Half a file.
    std::fs::write(&config_path, &text).unwrap();
    let bytes = std::fs::read(&weights_path).unwrap();
    std::fs::write(&weights_path, &bytes[..bytes.len() / 2]).unwrap();
    let message = load().to_string();
    assert!(message.contains("model.safetensors") && message.contains("not a readable"), "{message}");
}

#[test]
fn a_resumed_training_equals_an_uninterrupted_one() {
    let straight = decoder(true, 2, Kernels::Fused);
    let mut optimizer = AdamW::new(straight.variables(), adamw()).unwrap();
    train(&straight, &mut optimizer, 4);

    let dir = tempfile::tempdir().unwrap();
    let first = decoder(true, 2, Kernels::Fused);
    let mut optimizer = AdamW::new(first.variables(), adamw()).unwrap();
    train(&first, &mut optimizer, 2);
    first.save(dir.path()).unwrap();
    optimizer.save(&dir.path().join("optimizer.safetensors")).unwrap();

    let second = Decoder::load(dir.path(), &Device::Cpu, Kernels::Fused).unwrap();
    let mut optimizer = AdamW::new(second.variables(), adamw()).unwrap();
    optimizer.load(&dir.path().join("optimizer.safetensors")).unwrap();
    assert_eq!(optimizer.steps(), 2);
    train(&second, &mut optimizer, 2);
    assert_eq!(second.weights_hash().unwrap(), straight.weights_hash().unwrap());
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let model = decoder(true, 2, Kernels::Fused);
            let mut optimizer = AdamW::new(model.variables(), adamw()).unwrap();
            train(&model, &mut optimizer, 3);
            let completions = sample(&model, None, &sequences(), &sampling(1.0), Seed::new(3)).unwrap();
            (model.weights_hash().unwrap(), completions)
        })
    };
    assert_eq!(run(1), run(2));
}

/// Rows with the same prompt are decoded as one until they part: each is what it is among other prompts.
#[test]
fn a_row_does_not_depend_on_rows_with_the_same_prompt() {
    let model = decoder(true, 2, Kernels::Fused);
    for temperature in [0.0, 0.2, 1.0] {
        let draw = |prompts: &[Vec<u32>]| {
            sample(&model, None, prompts, &sampling(temperature), Seed::new(3)).unwrap()
        };
        let same = draw(&vec![vec![3, 8, 1]; 40]);
        for row in [0, 7, 39] {
            let mut prompts: Vec<Vec<u32>> = (0..40).map(|other| vec![other % 37, 5]).collect();
            prompts[row] = vec![3, 8, 1];
            assert_eq!(draw(&prompts)[row], same[row], "row {row} at {temperature}");
        }
    }
}

fn sampling(temperature: f64) -> Sampling {
    Sampling { temperature, max_new_tokens: 12, end_token: 2 }
}

#[test]
fn sampled_log_probs_are_those_of_the_model() {
    for kernels in [Kernels::Fused, Kernels::Composed] {
        let model = decoder(true, 2, kernels);
        let prompts = sequences();
        for temperature in [0.0, 0.7, 1.0] {
            let completions = sample(&model, None, &prompts, &sampling(temperature), Seed::new(1)).unwrap();
            for (prompt, completion) in prompts.iter().zip(&completions) {
                assert_eq!(completion.finished, completion.tokens.last() == Some(&2));
                assert!(completion.finished || completion.tokens.len() == 12);
                let whole: Vec<u32> = prompt.iter().chain(&completion.tokens).copied().collect();
                let hidden = model.hidden(&Batch::pack(&[&whole], &Device::Cpu).unwrap()).unwrap();
                let start = prompt.len() as u32 - 1;
                let rows: Vec<u32> = (start..start + completion.tokens.len() as u32).collect();
                let log_probs = model.log_probs(&hidden, &rows, &completion.tokens).unwrap();
                for (a, b) in log_probs.to_vec1::<f32>().unwrap().iter().zip(&completion.log_probs) {
                    assert!((a - b).abs() < 1e-4, "{kernels:?}: {a} {b}");
                }
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_the_rest_of_the_batch() {
    let model = decoder(true, 2, Kernels::Fused);
    let prompts: Vec<Vec<u32>> = (0..21).map(|i| sequences()[i % 4].clone()).collect();
    let all = sample(&model, None, &prompts, &sampling(1.0), Seed::new(9)).unwrap();
    for n in [1, 2, 7] {
        assert_eq!(sample(&model, None, &prompts[..n], &sampling(1.0), Seed::new(9)).unwrap(), all[..n]);
    }
}

#[test]
fn both_samplers_write_the_same() {
    let composed = decoder(false, 2, Kernels::Composed);
    let fused = composed.with_kernels(Kernels::Fused);
    for temperature in [0.0, 1.0] {
        let a = sample(&composed, None, &sequences(), &sampling(temperature), Seed::new(4)).unwrap();
        let b = sample(&fused, None, &sequences(), &sampling(temperature), Seed::new(4)).unwrap();
        for (a, b) in a.iter().zip(&b) {
            assert_eq!(a.tokens, b.tokens);
            assert!(a.log_probs.iter().zip(&b.log_probs).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }
}

/// The values that sampling brings along are those of a forward pass over what was sampled.
#[test]
fn values_of_sampling_are_those_of_a_forward_pass() {
    for kernels in [Kernels::Fused, Kernels::Composed] {
        let model = decoder(true, 2, kernels);
        let head = ValueHead::new(24, &Device::Cpu).unwrap();
        for (_, var) in head.variables() {
            let numbers: Vec<f32> = (0..var.elem_count()).map(|i| (i as f32 * 0.7 + 0.3).sin()).collect();
            var.set(&Tensor::from_vec(numbers, var.dims(), &Device::Cpu).unwrap()).unwrap();
        }
        let prompts = sequences();
        let completions = sample(&model, Some(&head), &prompts, &sampling(1.0), Seed::new(3)).unwrap();
        let plain = sample(&model, None, &prompts, &sampling(1.0), Seed::new(3)).unwrap();
        for ((prompt, completion), plain) in prompts.iter().zip(&completions).zip(&plain) {
            assert_eq!((&completion.tokens, &completion.log_probs), (&plain.tokens, &plain.log_probs));
            assert!(plain.values.is_empty());
            let whole = [&prompt[..], &completion.tokens].concat();
            let hidden = model.hidden(&Batch::pack(&[whole], &Device::Cpu).unwrap()).unwrap();
            let states = hidden.narrow(0, prompt.len() - 1, completion.tokens.len()).unwrap();
            let expected = head.forward(&states).unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(completion.values.len(), expected.len());
            assert!(
                completion.values.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4),
                "{kernels:?}"
            );
        }
    }
}

#[test]
fn the_value_head_is_a_linear_layer_that_can_be_saved() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("value.safetensors");
    let head = ValueHead::new(24, &Device::Cpu).unwrap();
    head.save(&path).unwrap();
    let loaded = ValueHead::load(&path, 24, &Device::Cpu).unwrap();
    let hidden = Var::ones((3, 24), DType::F32, &Device::Cpu).unwrap();
    let values = head.forward(&hidden).unwrap();
    assert_eq!(values.dims(), [3]);
    assert_eq!(distance(&values, &loaded.forward(&hidden).unwrap()), 0.0);
    assert!(matches!(ValueHead::load(&path, 25, &Device::Cpu), Err(Error::Shape { .. })));
}
