//! Rewards, advantages and losses of one step against verl's (`tests/golden/make_ppo_peer.py`).

use candle_core::{Device, Tensor, Var};
use serde::Deserialize;

use super::*;
use crate::train::statistics::whiten;

type Rows = Vec<Vec<f32>>;

#[derive(Deserialize)]
struct Golden {
    clip: f64,
    gamma: f32,
    lambda: f32,
    kl_coefficient: f32,
    passed: Vec<f32>,
    groups: Vec<usize>,
    old: Rows,
    new: Rows,
    reference: Rows,
    values: Rows,
    new_values: Rows,
    kl_k1: Rows,
    kl_k3: Rows,
    rewards: Rows,
    whitened_advantages: Rows,
    returns: Rows,
    policy_loss: f32,
    policy_gradient: Rows,
    value_loss: f32,
    value_gradient: Rows,
    group_advantages: Rows,
    leave_one_out_advantages: Rows,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../../tests/golden/ppo_peer.json")).unwrap()
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < 2e-6, "at {i}: {found} is not {expected}");
    }
}

fn column(rows: &Rows) -> Tensor {
    Tensor::new(rows.concat(), &Device::Cpu).unwrap()
}

#[test]
fn rewards_advantages_and_losses_are_those_of_verl() {
    let golden = golden();
    let pairs = golden.old.concat().into_iter().zip(golden.reference.concat());
    let (k1, k3): (Vec<f32>, Vec<f32>) = pairs.map(|(p, q)| (kl_k1(p, q), kl_k3(p, q))).unzip();
    assert_close(&k1, &golden.kl_k1.concat());
    assert_close(&k3, &golden.kl_k3.concat());

    let (mut advantages, mut returns, mut at) = (Vec::new(), Vec::new(), 0);
    for (row, values) in golden.values.iter().enumerate() {
        let mut rewards: Vec<f32> =
            k1[at..at + values.len()].iter().map(|kl| -golden.kl_coefficient * kl).collect();
        *rewards.last_mut().unwrap() += golden.passed[row];
        at += values.len();
        assert_close(&rewards, &golden.rewards[row]);
        let (of_tokens, to_fit) = gae(&rewards, values, golden.gamma, golden.lambda);
        advantages.extend(of_tokens);
        returns.extend(to_fit);
    }
    assert_close(&returns, &golden.returns.concat());
    whiten(&mut advantages, 0.0);
    let n = advantages.len() as f32;
    let wanted = golden.whitened_advantages.concat();
    let as_verl: Vec<f32> = advantages.iter().map(|of_token| of_token * ((n - 1.0) / n).sqrt()).collect();
    assert_close(&as_verl, &wanted);

    let mean_and_gradient = |losses: Tensor, var: &Var| {
        let mean = (losses.sum_all().unwrap() / f64::from(n)).unwrap();
        let gradient = mean.backward().unwrap().get(var).unwrap().to_vec1::<f32>().unwrap();
        (mean.to_scalar::<f32>().unwrap(), gradient)
    };
    let new = Var::from_tensor(&column(&golden.new)).unwrap();
    let advantages = Tensor::new(wanted, &Device::Cpu).unwrap();
    let losses = clipped_policy_loss(&new, &column(&golden.old), &advantages, golden.clip).unwrap();
    let (mean, gradient) = mean_and_gradient(losses, &new);
    assert_close(&[mean], &[golden.policy_loss]);
    assert_close(&gradient, &golden.policy_gradient.concat());

    let values = Var::from_tensor(&column(&golden.new_values)).unwrap();
    let (old, returns) = (column(&golden.values), column(&golden.returns));
    let losses = clipped_value_loss(&values, &old, &returns, golden.clip).unwrap();
    let (mean, gradient) = mean_and_gradient(losses, &values);
    assert_close(&[mean], &[golden.value_loss]);
    assert_close(&gradient, &golden.value_gradient.concat());
}

/// Group baselines: the advantage of a passing or failing answer without the KL.
#[test]
fn group_baselines_are_those_of_verl() {
    let golden = golden();
    let tasks: Vec<Task> = golden.groups.iter().map(|of| Task { prompt: vec![1], problem: *of }).collect();
    let mut start = 0;
    let rollouts: Vec<Rollout> = (0..tasks.len())
        .map(|row| {
            let log_probs = golden.old[row].clone();
            let tokens = start..start + log_probs.len();
            start = tokens.end;
            let completion =
                Completion { tokens: vec![1; log_probs.len()], log_probs, values: vec![], finished: true };
            Rollout {
                task: &tasks[row],
                completion,
                group: golden.groups[row],
                score: golden.passed[row],
                tokens,
            }
        })
        .collect();
    let scores: Vec<f32> =
        rollouts.iter().flat_map(|rollout| repeat_n(rollout.score, rollout.tokens.len())).collect();
    for (baseline, wanted) in [
        (Baseline::Group, &golden.group_advantages),
        (Baseline::LeaveOneOut, &golden.leave_one_out_advantages),
    ] {
        let config = PpoConfig { baseline, ..settings() };
        let values = Critic::None.values(&rollouts, &[], &scores, 3, &config).unwrap();
        let advantages: Vec<f32> = scores.iter().zip(&values).map(|(score, value)| score - value).collect();
        assert_close(&advantages, &wanted.concat());
    }
}
