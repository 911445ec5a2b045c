//! PPO without Python: closures judge the answers of a tiny model.

mod critic;
mod mathematics;
mod peer;

use candle_core::Device;

use super::*;
use crate::model::Completion;
use crate::model::{Config, Kernels};
use crate::sandbox::CaseWord;
use crate::train::metric_values;
use crate::train::optim::{AdamWConfig, Decay, LearningRate};
use crate::train::reward::Judgement;

const END: u32 = 0;

fn tiny(kernels: Kernels) -> Decoder {
    let config = Config {
        vocab_size: 6,
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        max_position_embeddings: 32,
        rope_theta: 10_000.0,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: false,
        bos_token_id: None,
        eos_token_id: Some(END),
    };
    Decoder::new(&config, Seed::new(1), &Device::Cpu, kernels).unwrap()
}

/// Prompts `[p, 1]` for p in 1..=5; `problem` is p.
fn tasks() -> Vec<Task> {
    (1..=5).map(|p| Task { prompt: vec![p, 1], problem: p as usize }).collect()
}

fn settings() -> PpoConfig {
    let optimizer = AdamWConfig { beta1: 0.9, beta2: 0.999, eps: 1e-5, weight_decay: 0.0, clip_norm: 1.0 };
    PpoConfig {
        prompts_per_step: 8,
        samples_per_prompt: 8,
        max_new_tokens: 12,
        baseline: Baseline::Head,
        // So weak that the policy may move far within these few steps.
        kl_coefficient: 0.02,
        gamma: 1.0,
        // Below 1, so that the critic's part in the advantages is tested too.
        lambda: 0.95,
        smallest_deviation: 0.1,
        epochs: 2,
        minibatches: 2,
        tokens_per_microbatch: 4096,
        clip: 0.2,
        value_clip: 0.2,
        value_trunk_coefficient: 0.0,
        value_warmup_steps: 2,
        target_kl: 1.0,
        learning_rate: LearningRate {
            peak: 3e-3,
            warmup_steps: 2,
            decay: Decay::Linear,
            total_steps: 50,
            floor: 0.1,
        },
        optimizer: optimizer.clone(),
        value_learning_rate: LearningRate::constant(2e-2, 0),
        value_optimizer: optimizer,
    }
}

/// 1 for answers that start with token 3.
fn starts_with_three(answers: &[(usize, &Completion)]) -> Result<Vec<Judgement>> {
    Ok(answers
        .iter()
        .map(|(_, completion)| {
            assert!(completion.finished && completion.tokens.last() == Some(&END));
            let right = completion.tokens[0] == 3;
            Judgement::of_word(Some(if right { CaseWord::Pass } else { CaseWord::WrongAnswer }))
        })
        .collect())
}

impl Learner {
    fn tiny(config: &PpoConfig) -> Learner {
        let kernels = Kernels::best(&Device::Cpu);
        Learner::new(tiny(kernels), tiny(kernels), config, None).unwrap()
    }

    fn run(
        &mut self,
        verifier: &mut dyn Verifier,
        config: &PpoConfig,
        steps: Range<usize>,
    ) -> Result<Vec<PpoStep>> {
        let mut measured = Vec::new();
        let mut observe = |step: &PpoStep| {
            measured.push(step.clone());
            Ok(())
        };
        train_ppo(self, &tasks(), verifier, config, Seed::new(3), steps, &mut observe)?;
        Ok(measured)
    }

    /// Weights of policy and critic.
    fn weights(&self) -> Vec<Vec<f32>> {
        let variables = self.policy.variables().into_iter().chain(self.critic.variables());
        variables.map(|(_, var)| var.flatten_all().unwrap().to_vec1().unwrap()).collect()
    }
}

/// The mean of the last ten.
fn late(steps: &[PpoStep], metric: impl Fn(&PpoStep) -> f64) -> f64 {
    let last = &steps[steps.len() - 10..];
    last.iter().map(metric).sum::<f64>() / last.len() as f64
}

#[test]
fn a_rewarded_token_becomes_the_rule_with_any_baseline() {
    use Baseline::{Batch, Group, Head, LeaveOneOut, None, Surprise, Trunk};
    for baseline in [Surprise, Head, Trunk, Group, LeaveOneOut, Batch, None] {
        let config = PpoConfig { baseline, ..settings() };
        let steps = Learner::tiny(&config).run(&mut starts_with_three, &config, 0..50).unwrap();
        assert!(steps[0].reward_mean < 0.35, "{baseline:?} starts at {}", steps[0].reward_mean);
        let end = late(&steps, |step| step.reward_mean);
        assert!(end > 0.9, "{baseline:?} ends at {end}");
        assert!(steps[49].kl_to_reference > 0.05, "the policy has moved");
    }
}

#[test]
fn the_answer_may_depend_on_the_prompt() {
    // Right is the prompt's own first token.
    let mut copies = |answers: &[(usize, &Completion)]| {
        let judge = |(problem, completion): &(usize, &Completion)| {
            let right = completion.tokens[0] as usize == *problem;
            Judgement::of_word(Some(if right { CaseWord::Pass } else { CaseWord::WrongAnswer }))
        };
        Ok(answers.iter().map(judge).collect())
    };
    let mut config = settings();
    config.learning_rate.total_steps = 120;
    let steps = Learner::tiny(&config).run(&mut copies, &config, 0..120).unwrap();
    let end = late(&steps, |step| step.reward_mean);
    assert!(end > 0.8, "ends at {end}");
}

#[test]
fn at_the_first_step_nothing_has_moved() {
    let config = settings();
    let first = &Learner::tiny(&config).run(&mut starts_with_three, &config, 0..1).unwrap()[0];
    assert!(first.kl_to_reference.abs() < 1e-6 && first.kl_per_rollout.abs() < 1e-4);
    assert!(first.ratio_error < 1e-4, "sampling and training differ by {}", first.ratio_error);
    assert!((first.entropy - 6f64.ln()).abs() < 0.1);
    assert_eq!((first.rollouts, first.stopped_by_kl), (64, 0.0));
    let words: f64 = first.shares.values().sum();
    assert!(
        (words - 1.0).abs() < 1e-9
            && first.shares["share_infra"] == 0.0
            && first.shares["share_no_end"] > 0.0
    );
    assert_eq!(first.verifier_calls as f64, (64.0 * first.finished).round());
    assert_eq!(first.pass_rate, first.reward_mean);
    assert!(metric_values(0, first).unwrap().values().all(|value| value.is_finite()));
}

#[test]
fn what_a_group_shares_is_read_once() {
    let config = settings();
    let step = &Learner::tiny(&config).run(&mut starts_with_three, &config, 0..1).unwrap()[0];
    // Eight prompts of two tokens and all responses but their last tokens, if no two began alike.
    assert!(step.tokens_scored < step.tokens_sampled - 64 + 8 * 2, "{} tokens", step.tokens_scored);
    // Groups stay whole in minibatches.
    assert_eq!(step.tokens_trained, config.epochs * step.tokens_scored);
}

#[test]
fn the_critic_learns_which_prompts_pay() {
    // Problems 1 and 2 always pass, whatever the answer: all there is to learn is that.
    let mut verifier = |answers: &[(usize, &Completion)]| {
        let judge = |(problem, _): &(usize, &Completion)| {
            Judgement::of_word(Some(if *problem <= 2 { CaseWord::Pass } else { CaseWord::Exception }))
        };
        Ok(answers.iter().map(judge).collect())
    };
    let mut config = settings();
    config.max_new_tokens = 28;
    config.lambda = 1.0;
    // The features of an untrained decoder hardly know the prompt: the trunk has to learn it too.
    config.value_trunk_coefficient = 1.0;
    let steps = Learner::tiny(&config).run(&mut verifier, &config, 0..40).unwrap();
    let end = late(&steps, |step| step.explained_variance);
    assert!(end > 0.6, "explains {end}");
    assert!(late(&steps, |step| step.value_loss) < 0.5 * steps[0].value_loss);
}

#[test]
fn the_value_head_learns_alone_at_first() {
    let config = PpoConfig { value_warmup_steps: 2, ..settings() };
    let mut parts = Learner::tiny(&config);
    let (before, value_before) = (parts.policy.weights_hash().unwrap(), parts.weights());
    let steps = parts.run(&mut starts_with_three, &config, 0..2).unwrap();
    assert_eq!(parts.policy.weights_hash().unwrap(), before);
    assert_ne!(parts.weights(), value_before);
    assert!(steps.iter().all(|step| step.updates == 0 && step.value_grad_norm > 0.0));
    let steps = parts.run(&mut starts_with_three, &config, 2..3).unwrap();
    assert_eq!(steps[0].updates, config.epochs * config.minibatches);
    assert_ne!(parts.policy.weights_hash().unwrap(), before);
}

#[test]
fn too_much_kl_ends_the_update() {
    let config = PpoConfig { value_warmup_steps: 0, target_kl: 1e-3, epochs: 8, ..settings() };
    let mut parts = Learner::tiny(&config);
    let step = &parts.run(&mut starts_with_three, &config, 5..6).unwrap()[0];
    assert_eq!(step.stopped_by_kl, 1.0);
    assert!((1..16).contains(&step.updates), "{} updates", step.updates);
}

#[test]
fn what_the_sandbox_could_not_judge_is_left_out() {
    let mut calls = 0;
    let mut unreliable = |answers: &[(usize, &Completion)]| {
        let mut judgements = starts_with_three(answers)?;
        for judgement in judgements.iter_mut().step_by(2) {
            *judgement = Judgement::of_word(None);
            calls += 1;
        }
        Ok(judgements)
    };
    let config = settings();
    let step = &Learner::tiny(&config).run(&mut unreliable, &config, 0..1).unwrap()[0];
    assert_eq!(step.rollouts, 64 - calls);
    assert_eq!(step.shares["share_infra"], calls as f64 / 64.0);

    let mut down = |answers: &[(usize, &Completion)]| Ok(vec![Judgement::of_word(None); answers.len()]);
    let config = PpoConfig { max_new_tokens: 28, prompts_per_step: 1, samples_per_prompt: 2, ..settings() };
    let mut parts = Learner::tiny(&config);
    let before = parts.weights();
    assert!(matches!(parts.run(&mut down, &config, 0..1), Err(Error::Sandbox(_))));
    assert_eq!(parts.weights(), before);

    let mut short = |_: &[(usize, &Completion)]| Ok(vec![]);
    assert!(matches!(parts.run(&mut short, &config, 0..1), Err(Error::Count { .. })));
}

#[test]
fn prompts_come_once_an_epoch_in_an_order_of_their_own() {
    let (tasks, seed) = (tasks(), Seed::new(9));
    let drawn: Vec<usize> = (0..5)
        .flat_map(|step| choose_tasks(&tasks, 3, step, seed).unwrap())
        .map(|task| task.problem)
        .collect();
    let epochs: Vec<&[usize]> = drawn.chunks(5).collect();
    for epoch in &epochs {
        let mut sorted = epoch.to_vec();
        sorted.sort();
        assert_eq!(sorted, [1, 2, 3, 4, 5]);
    }
    assert!(epochs.iter().any(|epoch| epoch != &epochs[0]));
    // More than there are, in one step.
    assert_eq!(choose_tasks(&tasks, 12, 0, seed).unwrap().len(), 12);
    assert!(matches!(choose_tasks(&[], 1, 0, seed), Err(Error::Empty { .. })));
}

#[test]
fn resume_equals_uninterrupted() {
    for baseline in [Baseline::Surprise, Baseline::Head, Baseline::Trunk] {
        resumes(&PpoConfig { baseline, ..settings() });
    }
}

fn resumes(config: &PpoConfig) {
    let mut whole = Learner::tiny(config);
    let measured = whole.run(&mut starts_with_three, config, 0..6).unwrap();

    let dir = tempfile::tempdir().unwrap();
    let mut first = Learner::tiny(config);
    first.run(&mut starts_with_three, config, 0..3).unwrap();
    first.policy.save(&dir.path().join("policy")).unwrap();
    first.save(dir.path()).unwrap();

    let kernels = Kernels::best(&Device::Cpu);
    let policy = Decoder::load(&dir.path().join("policy"), &Device::Cpu, kernels).unwrap();
    let mut second = Learner::new(policy, tiny(kernels), config, Some(dir.path())).unwrap();
    let resumed = second.run(&mut starts_with_three, config, 3..6).unwrap();

    assert_eq!(second.weights(), whole.weights());
    for (resumed, whole) in resumed.iter().zip(&measured[3..]) {
        let timeless = |step: &PpoStep| -> Vec<(String, f64)> {
            metric_values(step.step, step)
                .unwrap()
                .into_iter()
                .filter(|(name, _)| !name.starts_with("seconds"))
                .collect()
        };
        assert_eq!(timeless(resumed), timeless(whole));
    }
}

/// Prints the hash that the next test compares; run by it in processes of their own, because the
/// number of threads is fixed at a process's start.
#[test]
#[ignore = "a part of the test below"]
fn print_weights_hash() {
    let config = settings();
    let mut parts = Learner::tiny(&config);
    parts.run(&mut starts_with_three, &config, 0..4).unwrap();
    println!("hash {}", parts.policy.weights_hash().unwrap());
}

#[test]
fn one_thread_and_two_give_the_same_weights() {
    let hash = |threads: &str| {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "train::ppo::tests::print_weights_hash", "--ignored", "--nocapture"])
            .env("RAYON_NUM_THREADS", threads)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.split("hash ").nth(1).map(str::to_string));
        line.unwrap_or_else(|| panic!("no hash in {text}"))
    };
    assert_eq!(hash("1"), hash("2"));
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    let broken = [
        ("ppo.epochs", PpoConfig { epochs: 0, ..settings() }),
        ("ppo.lambda", PpoConfig { lambda: 1.5, ..settings() }),
        ("ppo.clip", PpoConfig { clip: f64::NAN, ..settings() }),
        (
            "ppo.samples_per_prompt",
            PpoConfig { baseline: Baseline::Group, samples_per_prompt: 1, ..settings() },
        ),
    ];
    for (field, config) in broken {
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
    settings().check().unwrap();
}
