//! The mathematics: golden numbers from `tests/golden/make_ppo.py`, analytic limits, and the slope of
//! the whole loss.

use candle_core::{Device, Tensor, Var};
use serde_json::Value;

use super::{settings, tiny};
use crate::base::Seed;
use crate::model::Kernels;
use crate::train::ppo::critic::Critic;
use crate::train::ppo::{PpoConfig, PpoStep, Sampled, loss};
use crate::train::{
    Microbatch, Passage, clipped_policy_loss, clipped_value_loss, explained_variance, gae, kl_k1, kl_k3,
    whiten,
};

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../../tests/golden/ppo.json")).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| number(x) as f32).collect()
}

fn tensor(value: &Value) -> Tensor {
    Tensor::new(numbers(value), &Device::Cpu).unwrap()
}

/// Equal to `tolerance`, relative for numbers over 1.
#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= tolerance * expected.abs().max(1.0),
            "at {i}: {found} is not {expected}"
        );
    }
}

#[test]
fn gae_whitening_and_explained_variance_agree_with_pytorch() {
    for case in golden()["gae"].as_array().unwrap() {
        let (gamma, lambda) = (number(&case["gamma"]) as f32, number(&case["lam"]) as f32);
        let values = numbers(&case["values"]);
        let (mut advantages, returns) = gae(&numbers(&case["rewards"]), &values, gamma, lambda);
        assert_close(&advantages, &numbers(&case["advantages"]), 1e-6);
        assert_close(&returns, &numbers(&case["returns"]), 1e-6);
        whiten(&mut advantages, 0.0);
        assert_close(&advantages, &numbers(&case["whitened"]), 1e-5);
        let explained = explained_variance(&values, &returns).unwrap();
        assert!((explained - number(&case["explained_variance"])).abs() < 1e-5);
    }
}

#[test]
fn gae_at_its_limits() {
    let (rewards, values) = ([0.0, 0.5, 1.0], [0.3, 0.2, 0.9]);
    // lambda 1: what was received from here on, less the value.
    let (advantages, returns) = gae(&rewards, &values, 1.0, 1.0);
    assert_close(&advantages, &[1.2, 1.3, 0.1], 1e-6);
    assert_close(&returns, &[1.5, 1.5, 1.0], 1e-6);
    // lambda 0: the next reward and the next value, less the value.
    let (advantages, _) = gae(&rewards, &values, 1.0, 0.0);
    assert_close(&advantages, &[-0.1, 1.2, 0.1], 1e-6);
    assert_eq!(gae(&[], &[], 1.0, 0.95), (vec![], vec![]));
}

#[test]
fn clipped_policy_loss_and_its_gradient_agree_with_pytorch() {
    let case = &golden()["policy_loss"];
    let new = Var::from_tensor(&tensor(&case["new"])).unwrap();
    let clip = number(&case["clip"]);
    let losses =
        clipped_policy_loss(&new, &tensor(&case["old"]), &tensor(&case["advantages"]), clip).unwrap();
    assert_close(&losses.to_vec1().unwrap(), &numbers(&case["losses"]), 1e-5);
    let store = losses.mean_all().unwrap().backward().unwrap();
    let gradient = store.get(&new).unwrap().to_vec1::<f32>().unwrap();
    assert_close(&gradient, &numbers(&case["gradient_of_mean"]), 1e-6);
    // The golden case reaches both sides of the clip: some gradients are zero, some are not.
    assert!(
        gradient.contains(&0.0) && gradient.iter().any(|g| *g > 0.0) && gradient.iter().any(|g| *g < 0.0)
    );

    let (new, old) = (numbers(&case["new"]), numbers(&case["old"]));
    let approx_kl = old.iter().zip(&new).map(|(old, new)| kl_k3(*old, *new)).sum::<f32>() / old.len() as f32;
    assert!((f64::from(approx_kl) - number(&case["approx_kl"])).abs() < 1e-6);
}

#[test]
fn clipped_value_loss_and_its_gradient_agree_with_pytorch() {
    let case = &golden()["value_loss"];
    let values = Var::from_tensor(&tensor(&case["values"])).unwrap();
    let (old, returns) = (tensor(&case["old_values"]), tensor(&case["returns"]));
    let losses = clipped_value_loss(&values, &old, &returns, number(&case["clip"])).unwrap();
    assert_close(&losses.to_vec1().unwrap(), &numbers(&case["losses"]), 1e-5);
    let store = losses.mean_all().unwrap().backward().unwrap();
    let gradient = store.get(&values).unwrap().to_vec1::<f32>().unwrap();
    assert_close(&gradient, &numbers(&case["gradient_of_mean"]), 1e-6);
    assert!(gradient.contains(&0.0));
}

#[test]
fn at_ratio_one_the_policy_gradient_is_the_plain_one() {
    let new = Var::new(&[-1.0f32, -2.0], &Device::Cpu).unwrap();
    let old = Tensor::new(&[-1.0f32, -2.0], &Device::Cpu).unwrap();
    let advantages = Tensor::new(&[0.5f32, -3.0], &Device::Cpu).unwrap();
    let losses = clipped_policy_loss(&new, &old, &advantages, 0.2).unwrap();
    let store = losses.sum_all().unwrap().backward().unwrap();
    assert_eq!(store.get(&new).unwrap().to_vec1::<f32>().unwrap(), [-0.5, 3.0]);
}

#[test]
fn kl_estimators_average_to_the_exact_kl() {
    let case = &golden()["kl"];
    let (log_p, log_q) = (numbers(&case["log_p"]), numbers(&case["log_q"]));
    let estimates = |estimator: fn(f32, f32) -> f32| -> Vec<f32> {
        log_p.iter().zip(&log_q).map(|(p, q)| estimator(*p, *q)).collect()
    };
    assert_close(&estimates(kl_k1), &numbers(&case["k1"]), 1e-6);
    assert_close(&estimates(kl_k3), &numbers(&case["k3"]), 1e-6);
    for estimator in [kl_k1, kl_k3] {
        let mean: f32 = estimates(estimator).iter().zip(&log_p).map(|(k, p)| k * p.exp()).sum();
        assert!((f64::from(mean) - number(&case["exact"])).abs() < 1e-6);
    }
    assert!(estimates(kl_k3).iter().all(|k| *k >= 0.0) && estimates(kl_k1).iter().any(|k| *k < 0.0));
}

#[test]
fn whitening_does_not_blow_up_noise() {
    let mut advantages = [0.001, -0.001, 0.002, -0.002];
    whiten(&mut advantages, 0.1);
    assert_close(&advantages, &[0.01, -0.01, 0.02, -0.02], 1e-6);
    let mut equal = [0.25; 3];
    whiten(&mut equal, 0.0);
    assert_eq!(equal, [0.0; 3]);
    whiten(&mut [], 0.1);
}

#[test]
fn explained_variance_at_its_limits() {
    assert_eq!(explained_variance(&[0.0, 1.0], &[0.0, 1.0]), Some(1.0));
    assert_eq!(explained_variance(&[0.5, 0.5], &[0.0, 1.0]), Some(0.0));
    assert_eq!(explained_variance(&[1.0, 0.0], &[0.0, 1.0]), Some(-3.0));
    assert_eq!(explained_variance(&[0.1, 0.9], &[1.0, 1.0]), None);
}

/// The whole loss, model and value head included, against central differences.
#[test]
fn the_gradient_of_the_loss_is_its_slope() {
    for kernels in [Kernels::Composed, Kernels::Fused] {
        let policy = tiny(kernels);
        let config = PpoConfig { value_trunk_coefficient: 0.3, ..settings() };
        let critic = Critic::new(&policy, &config, None).unwrap();
        let Critic::Head(value, _) = &critic else { panic!("the settings ask for a head") };
        // A value head and norms that are not trivial, so that every path carries a gradient.
        for (i, (_, var)) in value.variables().iter().chain(&policy.variables()).enumerate() {
            let shift = crate::model::normal(Seed::new(7), &i.to_string(), var.elem_count(), 0.2);
            let shift = Tensor::from_vec(shift, var.dims(), &Device::Cpu).unwrap();
            var.set(&(var.as_tensor() + shift).unwrap()).unwrap();
        }
        let passages = [
            Passage { prompt: &[1, 2], response: &[3, 4, 0] },
            Passage { prompt: &[5], response: &[2, 0] },
            Passage { prompt: &[4, 4, 1], response: &[1, 5, 5, 0] },
        ];
        let packed = Microbatch::pack(&passages, &Device::Cpu).unwrap();
        let hidden = policy.hidden(&packed.batch).unwrap();
        let now = policy.log_probs(&hidden, &packed.rows, &packed.targets).unwrap().to_vec1::<f32>().unwrap();
        let values: Vec<f32> = value.forward(&packed.select(&hidden).unwrap()).unwrap().to_vec1().unwrap();
        // Ratios inside and outside of the clip, values as well, none of them near a corner.
        let shifts = [0.05, -0.5, 0.4, -0.08, 0.6, 0.1, -0.4, 0.02, -0.1];
        let advantages = [1.0, -0.5, 0.7, -1.2, -0.9, 0.3, 1.5, 0.8, -0.2];
        let with = |numbers: &[f32], shift: &dyn Fn(usize) -> f32| -> Vec<f32> {
            (0..9).map(|i| numbers[i] + shift(i)).collect()
        };
        let kept = Sampled {
            old_log_probs: with(&now, &|i| -shifts[i]),
            old_values: with(&values, &|i| shifts[i]),
            advantages: advantages.to_vec(),
            returns: with(&values, &|i| 2.0 * shifts[8 - i]),
        };
        let tokens: Vec<usize> = (0..9).collect();
        let mut m = PpoStep::default();
        let mut total = || {
            let (sum, _) = loss(&policy, &critic, &packed, &kept, &tokens, &config, &mut m).unwrap();
            (sum / 9.0).unwrap()
        };
        let store = total().backward().unwrap();
        let mut number = || f64::from(total().to_scalar::<f32>().unwrap());

        for (name, var) in policy.variables().into_iter().chain(value.variables()) {
            let gradient: Vec<f32> = store.get(&var).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            let steepest =
                (0..gradient.len()).max_by(|a, b| gradient[*a].abs().total_cmp(&gradient[*b].abs()));
            let index = steepest.unwrap();
            let slope = slope(&var, index, &mut number);
            let error = (f64::from(gradient[index]) - slope).abs() / slope.abs().max(0.01);
            assert!(error < 0.03, "{kernels:?} {name}[{index}]: {} against {slope}", gradient[index]);
        }
    }
}

/// Central difference of `f` in one weight.
fn slope(var: &Var, index: usize, f: &mut dyn FnMut() -> f64) -> f64 {
    let original: Vec<f32> = var.flatten_all().unwrap().to_vec1().unwrap();
    let mut at = |shift: f32| {
        let mut moved = original.clone();
        moved[index] += shift;
        var.set(&Tensor::from_vec(moved, var.dims(), &Device::Cpu).unwrap()).unwrap();
        f()
    };
    let h = 2e-3;
    let slope = (at(h) - at(-h)) / f64::from(2.0 * h);
    at(0.0);
    slope
}
