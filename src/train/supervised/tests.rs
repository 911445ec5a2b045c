use std::collections::HashMap;

use candle_core::Device;

use super::*;
use crate::model::{Config, Kernels};
use crate::train::optim::Decay;

fn tiny() -> Decoder {
    decoder(2)
}

fn decoder(layers: usize) -> Decoder {
    let config = Config {
        vocab_size: 12,
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: layers,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        max_position_embeddings: 32,
        rope_theta: 10_000.0,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: true,
        bos_token_id: None,
        eos_token_id: Some(0),
    };
    Decoder::new(&config, Seed::new(1), &Device::Cpu, Kernels::best(&Device::Cpu)).unwrap()
}

/// Pool `p` of `count` examples; the prompt tells which example it is, the response whose.
fn pool(name: &str, weight: f64, count: u32) -> ExamplePool {
    let example = |i| Example { prompt: vec![1 + i % 11, 1 + i / 11], response: vec![name.len() as u32, 0] };
    ExamplePool { name: name.into(), weight, examples: (0..count).map(example).collect() }
}

fn four() -> Mixture {
    let example =
        |prompt: [u32; 2], response: &[u32]| Example { prompt: prompt.into(), response: response.into() };
    let examples = vec![
        example([1, 2], &[3, 4, 5, 0]),
        example([2, 1], &[6, 0]),
        example([1, 3], &[7, 7, 7, 8, 9, 0]),
        example([3, 1], &[2, 3, 0]),
    ];
    Mixture::new(vec![ExamplePool { name: "four".into(), weight: 1.0, examples }]).unwrap()
}

fn settings() -> SupervisedConfig {
    let optimizer = AdamWConfig { weight_decay: 0.0, ..pretraining(0).optimizer };
    SupervisedConfig {
        batch_size: 4,
        learning_rate: LearningRate::constant(1e-2, 5),
        optimizer,
        ..pretraining(0)
    }
}

fn pretraining(total_steps: usize) -> SupervisedConfig {
    let decay = Decay::Cosine;
    SupervisedConfig {
        batch_size: 48,
        tokens_per_microbatch: 4096,
        learning_rate: LearningRate { peak: 2e-3, warmup_steps: 50, decay, total_steps, floor: 0.1 },
        optimizer: AdamWConfig { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1, clip_norm: 1.0 },
    }
}

/// SFT on `data`, as the study runs it.
fn train(
    model: &Decoder,
    optimizer: &mut AdamW,
    data: &Mixture,
    config: &SupervisedConfig,
    seed: Seed,
    steps: Range<usize>,
    observe: &mut dyn FnMut(&SupervisedStep) -> Result<()>,
) -> Result<()> {
    let batch = |_, seed| Ok(data.batch(config.batch_size, seed));
    train_supervised(model, optimizer, &batch, config, seed, steps, observe)
}

#[test]
fn four_examples_are_learned_by_heart() {
    let model = tiny();
    let config = settings();
    let mut optimizer = AdamW::new(model.variables(), config.optimizer.clone()).unwrap();
    let mut losses = Vec::new();
    train(&model, &mut optimizer, &four(), &config, Seed::new(3), 0..80, &mut |step| {
        // All four, once each: 15 response tokens; 8 prompt tokens; 4 last tokens are not read.
        assert_eq!((step.examples, step.tokens_predicted, step.tokens_trained), (4, 15, 19));
        losses.push(step.loss);
        Ok(())
    })
    .unwrap();
    assert!((losses[0] - 12f64.ln()).abs() < 0.2, "{}", losses[0]);
    assert!(losses[79] < 0.02, "{}", losses[79]);
}

#[test]
fn the_prompt_is_not_learned() {
    // A prompt token that is never a response token: its probability after the prompt's first
    // token must not rise, as it would if prompts were predicted too.
    let log_prob = |model: &Decoder| {
        let batch = crate::model::Batch::pack(&[[10u32]], &Device::Cpu).unwrap();
        let hidden = model.hidden(&batch).unwrap();
        model.log_probs(&hidden, &[0], &[11]).unwrap().to_vec1::<f32>().unwrap()[0]
    };
    let examples = vec![Example { prompt: vec![10, 11], response: vec![4, 0] }];
    let data = Mixture::new(vec![ExamplePool { name: "one".into(), weight: 1.0, examples }]).unwrap();
    let (model, config) = (tiny(), settings());
    let before = log_prob(&model);
    let mut optimizer = AdamW::new(model.variables(), config.optimizer.clone()).unwrap();
    train(&model, &mut optimizer, &data, &config, Seed::new(3), 0..40, &mut |_| Ok(())).unwrap();
    assert!(log_prob(&model) < before);
}

#[test]
fn resume_equals_uninterrupted() {
    let (data, config, seed) = (four(), settings(), Seed::new(4));
    let whole = tiny();
    let mut optimizer = AdamW::new(whole.variables(), config.optimizer.clone()).unwrap();
    let mut losses = Vec::new();
    train(&whole, &mut optimizer, &data, &config, seed, 0..6, &mut |step| {
        losses.push(step.loss);
        Ok(())
    })
    .unwrap();

    let dir = tempfile::tempdir().unwrap();
    let first = tiny();
    let mut optimizer = AdamW::new(first.variables(), config.optimizer.clone()).unwrap();
    train(&first, &mut optimizer, &data, &config, seed, 0..3, &mut |_| Ok(())).unwrap();
    first.save(dir.path()).unwrap();
    optimizer.save(&dir.path().join("optimizer.safetensors")).unwrap();

    let second = Decoder::load(dir.path(), &Device::Cpu, Kernels::best(&Device::Cpu)).unwrap();
    let mut optimizer = AdamW::new(second.variables(), config.optimizer.clone()).unwrap();
    optimizer.load(&dir.path().join("optimizer.safetensors")).unwrap();
    train(&second, &mut optimizer, &data, &config, seed, 3..6, &mut |step| {
        assert_eq!(step.loss, losses[step.step]);
        Ok(())
    })
    .unwrap();
    assert_eq!(second.weights_hash().unwrap(), whole.weights_hash().unwrap());
}

#[test]
fn pools_keep_their_shares_whatever_their_size() {
    let mixture = Mixture::new(vec![
        pool("atoms", 1.0, 100),
        pool("none", 1.0, 0),
        pool("off", 0.0, 50),
        pool("composites", 2.0, 4),
    ])
    .unwrap();
    assert_eq!(mixture.pools.iter().map(|pool| pool.examples.len()).sum::<usize>(), 104);
    let atoms = &mixture.pools[0].examples;
    let mut from_atoms = 0;
    for step in 0..300 {
        let batch = mixture.batch(32, Seed::new(5).child_index(step));
        assert_eq!(batch.len(), 32);
        let here = batch.iter().filter(|example| atoms.contains(example)).count();
        assert!((10..=11).contains(&here), "a third of 32 is 10 or 11, not {here}");
        from_atoms += here;
    }
    assert!((from_atoms as f64 / (300.0 * 32.0) - 1.0 / 3.0).abs() < 0.003);
}

#[test]
fn a_batch_repeats_nothing_before_everything_came_and_is_a_function_of_its_seed() {
    let mixture = Mixture::new(vec![pool("four", 1.0, 4)]).unwrap();
    let mut counts: HashMap<Vec<u32>, usize> = HashMap::new();
    for example in mixture.batch(10, Seed::new(6)) {
        *counts.entry(example.prompt).or_default() += 1;
    }
    assert!(counts.len() == 4 && counts.values().all(|count| (2..=3).contains(count)));
    assert_eq!(mixture.batch(10, Seed::new(6)), mixture.batch(10, Seed::new(6)));
    assert_ne!(mixture.batch(10, Seed::new(6)), mixture.batch(10, Seed::new(7)));
}

#[test]
fn a_mixture_of_nothing_is_refused() {
    assert!(matches!(Mixture::new(vec![]), Err(Error::Empty { .. })));
    assert!(matches!(Mixture::new(vec![pool("off", 0.0, 5)]), Err(Error::Empty { .. })));
    for weight in [-1.0, f64::NAN, f64::INFINITY] {
        let message = Mixture::new(vec![pool("bad", weight, 5)]).unwrap_err().to_string();
        assert!(message.contains("`bad`"), "{message}");
    }
}

/// Counting documents: `n, n + 1, n + 2, ...` modulo 12, of different lengths; and one too short.
fn count(_: usize, seed: Seed) -> Result<Vec<Example>> {
    use rand::Rng;
    let mut random = seed.stream("count");
    let mut documents: Vec<Vec<u32>> = vec![vec![3]];
    for _ in 0..8 {
        let (start, length) = (random.random_range(0..12), random.random_range(2..9));
        documents.push((0..length).map(|i| (start + i) % 12).collect());
    }
    Ok(documents.iter().filter_map(|tokens| Example::document(tokens)).collect())
}

#[test]
fn counting_is_learned_and_what_was_measured_adds_up() {
    let model = decoder(1);
    let mut config = pretraining(100);
    config.learning_rate.peak = 1e-2;
    config.learning_rate.warmup_steps = 5;
    let mut optimizer = AdamW::new(model.variables(), config.optimizer.clone()).unwrap();
    let mut losses = Vec::new();
    train_supervised(&model, &mut optimizer, &count, &config, Seed::new(2), 0..100, &mut |step| {
        assert_eq!((step.step, step.examples), (losses.len(), 8));
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
        let model = decoder(1);
        let config = SupervisedConfig { tokens_per_microbatch, ..pretraining(10) };
        let mut optimizer = AdamW::new(model.variables(), config.optimizer.clone()).unwrap();
        let mut measured = Vec::new();
        train_supervised(&model, &mut optimizer, &count, &config, Seed::new(2), 0..3, &mut |step| {
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
    let model = decoder(1);
    let config = pretraining(10);
    let mut optimizer = AdamW::new(model.variables(), config.optimizer.clone()).unwrap();
    let short = |_: usize, _: Seed| Ok(Example::document(&[3]).into_iter().collect());
    let result =
        train_supervised(&model, &mut optimizer, &short, &config, Seed::new(2), 0..1, &mut |_| Ok(()));
    assert!(matches!(result, Err(Error::Empty { .. })));
}

/// Names in `metrics.jsonl`; times and steps are not among what a figure compares.
#[test]
fn what_was_measured_is_logged_by_its_name() {
    let step = SupervisedStep {
        step: 3,
        loss: 0.5,
        examples: 2,
        tokens_trained: 9,
        tokens_predicted: 7,
        grad_norm: 1.5,
        learning_rate: 1e-3,
        seconds: 0.25,
    };
    let values = crate::train::metric_values(3, &step).unwrap();
    let names: Vec<&str> = values.keys().map(String::as_str).collect();
    let all =
        ["examples", "grad_norm", "learning_rate", "loss", "seconds", "tokens_predicted", "tokens_trained"];
    assert_eq!(names, all);
    assert_eq!((values["loss"], values["tokens_trained"]), (0.5, 9.0));

    let lost = crate::train::metric_values(3, &SupervisedStep { loss: f64::NAN, ..step }).unwrap_err();
    assert!(matches!(&lost, Error::NotFinite { what, step: 3, .. } if what == "loss"), "{lost}");
}
