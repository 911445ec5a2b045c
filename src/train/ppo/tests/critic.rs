//! The critic that is fit in closed form: what it must find, where it can be known.

use rand::Rng;

use super::*;
use crate::study::Tier;
use crate::train::ppo::critic::Surprise;
use crate::train::statistics::explained_variance;

const TOKENS: usize = 30;

/// Chance that an answer to this problem is still right, given how many of its tokens were unsure.
fn chance(problem: usize, unsure: usize, t: usize) -> f64 {
    // What is left of the response brings another unsure token with a chance of .03 each.
    let rest = (1.0 - 0.03 * 0.9f64).powi((TOKENS - t) as i32);
    (if problem == 1 { 0.95 } else { 0.5 }) * 0.1f64.powi(unsure as i32) * rest
}

/// Answers whose tokens are sure (.99) or, one in thirty, not (.3); each of those makes a pass ten times less
/// likely. With their returns, and what is truly expected of each state.
fn simulated(tasks: &[Task], rng: &mut impl Rng) -> (Vec<Completion>, Vec<f32>, Vec<f32>) {
    let (mut completions, mut returns, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    for task in tasks {
        let mut unsure = 0;
        let mut log_probs = Vec::new();
        for t in 0..TOKENS {
            expected.push(chance(task.problem, unsure, t) as f32);
            let is_unsure = rng.random_bool(0.03);
            unsure += usize::from(is_unsure);
            log_probs.push(if is_unsure { 0.3f32 } else { 0.99 }.ln());
        }
        let passed = rng.random_bool(chance(task.problem, unsure, TOKENS));
        returns.extend(repeat_n(f32::from(u8::from(passed)), TOKENS));
        let (tokens, values) = (vec![1; TOKENS], Vec::new());
        completions.push(Completion { tokens, log_probs, values, finished: true });
    }
    (completions, returns, expected)
}

fn rollouts<'a>(tasks: &'a [Task], completions: Vec<Completion>) -> Vec<Rollout<'a>> {
    let of = |(row, (task, completion)): (usize, (&'a Task, Completion))| Rollout {
        task,
        completion,
        group: row / 4,
        score: 0.0,
        tokens: row * TOKENS..(row + 1) * TOKENS,
    };
    tasks.iter().zip(completions).enumerate().map(of).collect()
}

#[test]
fn it_explains_most_of_what_can_be_explained() {
    let tasks: Vec<Task> = (0..256).map(|row| Task { prompt: vec![1], problem: 1 + (row / 4) % 2 }).collect();
    let mut rng = Seed::new(1).stream("answers");
    let mut critic = Surprise::default();
    let (mut found, mut possible, mut first) = (vec![], vec![], vec![]);
    for step in 0..30 {
        let (completions, returns, expected) = simulated(&tasks, &mut rng);
        let rollouts = rollouts(&tasks, completions);
        match critic.values(&rollouts) {
            None => assert_eq!(step, 0),
            Some(values) if step >= 15 => {
                found.push(explained_variance(&values, &returns).unwrap());
                possible.push(explained_variance(&expected, &returns).unwrap());
                let at = |list: &[f32]| list.iter().copied().step_by(TOKENS).collect::<Vec<f32>>();
                first.push(explained_variance(&at(&values), &at(&returns)).unwrap());
            }
            Some(_) => {}
        }
        critic.learn(&rollouts, &returns);
        // A checkpoint keeps all of it.
        let text = serde_json::to_string(&critic).unwrap();
        critic = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&critic).unwrap(), text);
    }
    let mean = |list: &[f64]| list.iter().sum::<f64>() / list.len() as f64;
    let (found, possible, first) = (mean(&found), mean(&possible), mean(&first));
    assert!(possible > 0.15, "the test is too hard: {possible}");
    // Chances multiply here, and a line only adds.
    assert!(found > 0.5 * possible && found < possible + 0.01, "{found} of {possible}");
    assert!(first > 0.01, "the problem is known at the first token: {first}");
}

/// The line of least squares, where there is no noise and the ridge is small: the value is the return.
#[test]
fn what_is_linear_it_finds() {
    let tasks = [Task { prompt: vec![1], problem: 1 }, Task { prompt: vec![1], problem: 1 }];
    let completion = |log_prob: f32| Completion {
        tokens: vec![1; TOKENS],
        log_probs: vec![log_prob; TOKENS],
        values: Vec::new(),
        finished: true,
    };
    let rollouts = rollouts(&tasks, vec![completion(-0.5), completion(-0.5)]);
    let returns: Vec<f32> = (0..2 * TOKENS).map(|token| 2.0 - 0.03 * (token % TOKENS) as f32).collect();
    let mut critic = Surprise::default();
    critic.learn(&rollouts, &returns);
    let values = critic.values(&rollouts).unwrap();
    for (value, wanted) in values.iter().zip(&returns) {
        assert!((value - wanted).abs() < 0.02, "{value} for {wanted}");
    }
}

/// The settings of the study, not easier ones, on a model that can learn: the bars of docs/ppo.md.
#[test]
fn at_the_settings_of_the_study_it_is_better_than_none() {
    let mut config = Tier::named("quick").unwrap().ppo;
    assert_eq!(config.baseline, Baseline::Surprise);
    (config.max_new_tokens, config.prompts_per_step) = (12, 32);
    config.learning_rate.peak = 3e-3; // of a model that has learned nothing yet
    config.target_kl = 1.0;
    let steps = Learner::tiny(&config).run(&mut starts_with_three, &config, 0..30).unwrap();
    let second_half = &steps[15..];
    let mean = |of: fn(&PpoStep) -> f64| second_half.iter().map(of).sum::<f64>() / 15.0;
    let explained = mean(|step| step.explained_variance);
    assert!(explained > 0.15, "explains {explained}");
    assert!(mean(|step| step.advantage_deviation) < mean(|step| step.return_deviation));
    assert_eq!(steps[0].updates, config.epochs * config.minibatches, "it learns from the first step on");
}
