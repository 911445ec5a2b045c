//! Whole trainings, through the loops that the study runs: the fused and the composed kernels follow
//! the same loss curve, and the weights at the end are the same bits for 1 thread and for 2, with and
//! without a stop in the middle.

// A test that unwraps an error has failed, and says why.
#![allow(clippy::unwrap_used)]

use std::marker::PhantomData;
use std::ops::Range;
use std::path::Path;

use candle_core::Device;
use sft_vs_rl::{
    AdamW, AdamWConfig, CaseWord, Completion, Config, Decoder, Example, ExamplePool, Judgement, Kernels,
    Learner, LearningRate, Mixture, PpoConfig, Seed, SupervisedConfig, Task, Tier, train_ppo,
    train_supervised,
};

const END: u32 = 1;
const CPU: Device = Device::Cpu;

/// Sizes that fill neither tiles nor vector registers; grouped attention.
fn model(kernels: Kernels) -> Decoder {
    let config = Config {
        vocab_size: 37,
        hidden_size: 36,
        intermediate_size: 50,
        num_hidden_layers: 3,
        num_attention_heads: 6,
        num_key_value_heads: 2,
        max_position_embeddings: 80,
        rope_theta: 10_000.0,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: true,
        bos_token_id: None,
        eos_token_id: Some(END),
    };
    Decoder::new(&config, Seed::new(1), &CPU, kernels).unwrap()
}

/// Settings that a loop starts from.
fn quick() -> Tier {
    Tier::named("quick").unwrap()
}

/// `count` tokens, never the end token: counting in steps that depend on `index`.
fn tokens(index: usize, count: usize) -> Vec<u32> {
    (0..count).map(|i| 2 + ((index + i * (1 + index % 3)) % 35) as u32).collect()
}

// ---- The three trainings, each over `steps`, with a state that can be saved.

trait Training {
    fn new(kernels: Kernels) -> Self;
    /// The losses.
    fn run(&mut self, steps: Range<usize>) -> Vec<f64>;
    fn save(&self, dir: &Path);
    fn load(dir: &Path) -> Self;
    fn hash(&self) -> String;
}

/// What SFT and pretraining share: a model, its optimizer, and a loop that changes both.
struct Supervised<L> {
    model: Decoder,
    optimizer: AdamW,
    of: PhantomData<L>,
}

trait Loop: Send {
    fn optimizer() -> AdamWConfig;
    fn run(model: &Decoder, optimizer: &mut AdamW, steps: Range<usize>) -> Vec<f64>;
}

impl<L: Loop> Supervised<L> {
    fn of(model: Decoder) -> Self {
        let optimizer = AdamW::new(model.variables(), L::optimizer()).unwrap();
        Supervised { model, optimizer, of: PhantomData }
    }
}

impl<L: Loop> Training for Supervised<L> {
    fn new(kernels: Kernels) -> Self {
        Self::of(model(kernels))
    }

    fn run(&mut self, steps: Range<usize>) -> Vec<f64> {
        L::run(&self.model, &mut self.optimizer, steps)
    }

    fn save(&self, dir: &Path) {
        self.model.save(dir).unwrap();
        self.optimizer.save(&dir.join("optimizer.safetensors")).unwrap();
    }

    fn load(dir: &Path) -> Self {
        let mut loaded = Self::of(Decoder::load(dir, &CPU, Kernels::Fused).unwrap());
        loaded.optimizer.load(&dir.join("optimizer.safetensors")).unwrap();
        loaded
    }

    fn hash(&self) -> String {
        self.model.weights_hash().unwrap()
    }
}

struct Sft;

impl Loop for Sft {
    fn optimizer() -> AdamWConfig {
        quick().sft.optimizer
    }

    fn run(model: &Decoder, optimizer: &mut AdamW, steps: Range<usize>) -> Vec<f64> {
        let pool = |name: &str, prompt: usize| ExamplePool {
            name: name.into(),
            weight: 1.0,
            examples: (0..20)
                .map(|i| Example {
                    prompt: tokens(i, prompt),
                    response: [tokens(i + prompt, 10 + i), vec![END]].concat(),
                })
                .collect(),
        };
        let data = Mixture::new(vec![pool("short", 5), pool("long", 9)]).unwrap();
        let config = SupervisedConfig {
            // Two microbatches a step; each of several tiles, the last of them not full.
            batch_size: 24,
            tokens_per_microbatch: 500,
            learning_rate: LearningRate::constant(3e-3, 5),
            ..quick().sft
        };
        let mut losses = vec![];
        let batch = |_, seed| Ok(data.batch(config.batch_size, seed));
        train_supervised(model, optimizer, &batch, &config, Seed::new(2), steps, &mut |step| {
            losses.push(step.loss);
            Ok(())
        })
        .unwrap();
        losses
    }
}

struct Pretrain;

/// The schedule ends with the run.
fn pretraining() -> SupervisedConfig {
    let mut config = quick().pretrain;
    config.learning_rate.total_steps = 20;
    config
}

impl Loop for Pretrain {
    fn optimizer() -> AdamWConfig {
        pretraining().optimizer
    }

    fn run(model: &Decoder, optimizer: &mut AdamW, steps: Range<usize>) -> Vec<f64> {
        let documents = |step: usize, _: Seed| {
            Ok((0..16).filter_map(|i| Example::document(&tokens(step * 16 + i, 20 + 3 * i))).collect())
        };
        let config = SupervisedConfig { tokens_per_microbatch: 300, ..pretraining() };
        let mut losses = vec![];
        train_supervised(model, optimizer, &documents, &config, Seed::new(3), steps, &mut |step| {
            losses.push(step.loss);
            Ok(())
        })
        .unwrap();
        losses
    }
}

struct Ppo(Learner);

impl Ppo {
    fn config() -> PpoConfig {
        PpoConfig {
            prompts_per_step: 10,
            samples_per_prompt: 4,
            max_new_tokens: 40,
            tokens_per_microbatch: 300,
            value_warmup_steps: 1,
            target_kl: 1.0,
            ..quick().ppo
        }
    }
}

impl Training for Ppo {
    fn new(kernels: Kernels) -> Ppo {
        Ppo(Learner::new(model(kernels), model(kernels), &Ppo::config(), None).unwrap())
    }

    fn run(&mut self, steps: Range<usize>) -> Vec<f64> {
        let tasks: Vec<Task> =
            (0..15).map(|problem| Task { prompt: tokens(problem, 4 + problem % 5), problem }).collect();
        let mut verifier = |answers: &[(usize, &Completion)]| {
            let word =
                |tokens: usize| if tokens.is_multiple_of(2) { CaseWord::Pass } else { CaseWord::WrongAnswer };
            Ok(answers
                .iter()
                .map(|(_, answer)| Judgement::of_word(Some(word(answer.tokens.len()))))
                .collect())
        };
        let mut losses = vec![];
        let config = Ppo::config();
        train_ppo(&mut self.0, &tasks, &mut verifier, &config, Seed::new(4), steps, &mut |step| {
            losses.push(step.policy_loss);
            Ok(())
        })
        .unwrap();
        losses
    }

    fn save(&self, dir: &Path) {
        self.0.policy.save(dir).unwrap();
        self.0.save(dir).unwrap();
    }

    fn load(dir: &Path) -> Ppo {
        let policy = Decoder::load(dir, &CPU, Kernels::Fused).unwrap();
        Ppo(Learner::new(policy, model(Kernels::Fused), &Ppo::config(), Some(dir)).unwrap())
    }

    fn hash(&self) -> String {
        self.0.policy.weights_hash().unwrap()
    }
}

/// Runs `work` with that many threads.
fn with_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// The hash after four steps with 1 thread, with 2, and with a stop after two steps whose second half
/// has another number of threads than its first.
fn assert_same_bits<T: Training>() {
    let straight = |threads| {
        with_threads(threads, || {
            let mut training = T::new(Kernels::Fused);
            let start = training.hash();
            training.run(0..4);
            assert_ne!(training.hash(), start, "nothing was learned");
            training.hash()
        })
    };
    let expected = straight(1);
    assert_eq!(straight(2), expected, "two threads");
    for (first, second) in [(2, 2), (1, 2), (2, 1)] {
        let dir = tempfile::tempdir().unwrap();
        with_threads(first, || {
            let mut training = T::new(Kernels::Fused);
            training.run(0..2);
            training.save(dir.path());
        });
        let resumed = with_threads(second, || {
            let mut training = T::load(dir.path());
            training.run(2..4);
            training.hash()
        });
        assert_eq!(resumed, expected, "stopped with {first} threads, resumed with {second}");
    }
}

#[test]
fn pretraining_ends_with_the_same_bits() {
    assert_same_bits::<Supervised<Pretrain>>();
}

#[test]
fn sft_ends_with_the_same_bits() {
    assert_same_bits::<Supervised<Sft>>();
}

#[test]
fn ppo_ends_with_the_same_bits() {
    assert_same_bits::<Ppo>();
}

fn assert_same_curve<T: Training>(steps: usize) {
    let fused = T::new(Kernels::Fused).run(0..steps);
    let composed = T::new(Kernels::Composed).run(0..steps);
    assert!(fused[0] - fused[steps - 1] > 0.2, "hardly anything was learned: {fused:?}");
    for (step, (fused, composed)) in fused.iter().zip(&composed).enumerate() {
        assert!((fused - composed).abs() < 1e-4, "step {step}: fused {fused}, composed {composed}");
    }
}

#[test]
fn sft_has_the_same_curve_with_the_composed_kernels() {
    assert_same_curve::<Supervised<Sft>>(20);
}

#[test]
fn pretraining_has_the_same_curve_with_the_composed_kernels() {
    assert_same_curve::<Supervised<Pretrain>>(20);
}
