//! The leaf mathematics of the training loops: nothing here knows about models or data.
//!
//! Plain slices where no gradient is needed (advantages, whitening, metrics), tensors where one is
//! (the two clipped losses). Golden numbers, gradients included, come from PyTorch's autograd
//! through `tests/golden/make_ppo.py`.
//!
//! Sources, by the short names used in comments here and in `ppo.rs`:
//! - *PPO*: Schulman et al., arXiv 1707.06347. *GAE*: Schulman et al., arXiv 1506.02438.
//! - *37 details n*: Huang et al., "The 37 Implementation Details of Proximal Policy Optimization",
//!   ICLR blog track 2022, core detail n; code in CleanRL's `ppo.py`.
//! - *lm-human-preferences*: Ziegler et al., arXiv 1909.08593, as re-implemented in
//!   `vwxyzjn/lm-human-preference-details`, `train_policy_accelerate.py`.
//! - *KL approx*: Schulman, "Approximating KL Divergence", joschu.net/blog/kl-approx.html.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::base::error::Result;

/// How the learning rate moves after its warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    Constant,
    Linear,
    Cosine,
}

/// Learning rate as a pure function of the step: a linear warm-up, then a decay to a floor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearningRate {
    /// The rate at the end of the warm-up.
    pub peak: f64,
    /// Steps of warm-up. Step `n` of them runs at `peak * (n + 1) / warmup_steps`, so the first
    /// step is not wasted on a rate of zero.
    pub warmup_steps: usize,
    pub decay: Decay,
    /// Steps of the whole schedule, warm-up included. Later steps stay at the floor.
    pub total_steps: usize,
    /// Where the decay ends, as a share of `peak`.
    pub floor: f64,
}

impl LearningRate {
    /// `peak` after `warmup_steps`, and no decay: for runs that others continue.
    pub fn constant(peak: f64, warmup_steps: usize) -> Self {
        Self { peak, warmup_steps, decay: Decay::Constant, total_steps: 0, floor: 1.0 }
    }

    /// The rate of step `step` (0-based).
    ///
    /// ```
    /// use sft_vs_rl::train::loss::{Decay, LearningRate};
    /// let rate = LearningRate { peak: 1.0, warmup_steps: 4, decay: Decay::Linear, total_steps: 14, floor: 0.1 };
    /// assert_eq!([rate.at(0), rate.at(3), rate.at(4), rate.at(14)], [0.25, 1.0, 1.0, 0.1]);
    /// ```
    pub fn at(&self, step: usize) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let decaying_steps = self.total_steps.saturating_sub(self.warmup_steps).max(1);
        let progress = ((step - self.warmup_steps) as f64 / decaying_steps as f64).min(1.0);
        let share = match self.decay {
            Decay::Constant => return self.peak,
            Decay::Linear => 1.0 - progress,
            Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
        };
        self.peak * (self.floor + (1.0 - self.floor) * share)
    }
}

/// Generalized advantage estimation over one finished episode (GAE, equation 16; 37 details 5).
///
/// `delta_t = r_t + gamma V_{t+1} - V_t`, `A_t = delta_t + gamma lambda A_{t+1}`, with `V = 0`
/// after the last token. Returns the advantages and the returns `A_t + V_t` the critic is fit to.
///
/// # Shapes
/// `rewards`, `values`: one number a token of the episode; both results as well.
///
/// ```
/// use sft_vs_rl::train::loss::gae;
/// let (advantages, returns) = gae(&[0.0, 1.0], &[0.5, 0.25], 1.0, 0.5);
/// assert_eq!(advantages, [0.125, 0.75]); // (0 + .25 - .5) + .5 * .75, 1 - .25
/// assert_eq!(returns, [0.625, 1.0]);
/// ```
pub fn gae(rewards: &[f32], values: &[f32], gamma: f32, lambda: f32) -> (Vec<f32>, Vec<f32>) {
    assert_eq!(rewards.len(), values.len(), "one value for each reward");
    let mut advantages = vec![0.0; rewards.len()];
    let (mut next_value, mut next_advantage) = (0.0, 0.0);
    for t in (0..rewards.len()).rev() {
        let delta = rewards[t] + gamma * next_value - values[t];
        next_advantage = delta + gamma * lambda * next_advantage;
        advantages[t] = next_advantage;
        next_value = values[t];
    }
    let returns = advantages.iter().zip(values).map(|(advantage, value)| advantage + value).collect();
    (advantages, returns)
}

/// Shifts to mean 0 and scales to standard deviation 1 (lm-human-preferences, `whiten`: over the
/// whole rollout batch, population variance; 37 details 7 does it per minibatch).
///
/// Ours: a deviation below `smallest_deviation` counts as `smallest_deviation`. Where all rollouts
/// of a batch pass, or all fail, the advantages are the critic's noise and nothing else; scaling
/// them up to 1 would turn that noise into a full-sized update.
pub fn whiten(numbers: &mut [f32], smallest_deviation: f64) {
    let (mean, deviation) = mean_and_deviation(numbers);
    let scale = 1.0 / deviation.max(smallest_deviation).max(1e-8);
    for number in numbers {
        *number = ((f64::from(*number) - mean) * scale) as f32;
    }
}

/// Mean and population standard deviation, summed in `f64`; zeros for no numbers.
pub fn mean_and_deviation(numbers: &[f32]) -> (f64, f64) {
    if numbers.is_empty() {
        return (0.0, 0.0);
    }
    let count = numbers.len() as f64;
    let mean = numbers.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
    let variance = numbers.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

/// Estimator `k1` of `KL(p || q)` from one token drawn from `p`: unbiased, can be negative.
/// Its gradient through the reward is the exact policy gradient of the KL, which is why the reward
/// uses this one (KL approx).
pub fn kl_k1(log_p: f32, log_q: f32) -> f32 {
    log_p - log_q
}

/// Estimator `k3` of `KL(p || q)` from one token drawn from `p`: unbiased, never negative, low in
/// variance; the one to log (KL approx). `(q/p - 1) - log(q/p)`.
pub fn kl_k3(log_p: f32, log_q: f32) -> f32 {
    let log_ratio = log_q - log_p;
    log_ratio.exp_m1() - log_ratio
}

/// PPO's clipped surrogate as a loss, one number a token, not yet averaged (PPO, equation 7; 37
/// details 8): `max(-A r, -A clip(r, 1 - clip, 1 + clip))` with `r = exp(new - old)`.
///
/// # Shapes
/// All arguments and the result: `(rows,)`. Only `new_log_probs` carries a gradient.
pub fn clipped_policy_loss(
    new_log_probs: &Tensor,
    old_log_probs: &Tensor,
    advantages: &Tensor,
    clip: f64,
) -> Result<Tensor> {
    let ratio = (new_log_probs - old_log_probs)?.exp()?;
    let unclipped = (&ratio * advantages)?;
    let clipped = (ratio.clamp(1.0 - clip, 1.0 + clip)? * advantages)?;
    Ok(unclipped.minimum(&clipped)?.neg()?)
}

/// The critic's clipped squared error, one number a token (37 details 9; lm-human-preferences):
/// `max((V - R)^2, (V_old + clip(V - V_old, -c, c) - R)^2) / 2`.
///
/// # Shapes
/// All arguments and the result: `(rows,)`. Only `values` carries a gradient.
pub fn clipped_value_loss(
    values: &Tensor,
    old_values: &Tensor,
    returns: &Tensor,
    clip: f64,
) -> Result<Tensor> {
    let unclipped = (values - returns)?.sqr()?;
    let step = (values - old_values)?.clamp(-clip, clip)?;
    let clipped = ((old_values + step)? - returns)?.sqr()?;
    Ok((unclipped.maximum(&clipped)? * 0.5)?)
}

/// `1 - Var(returns - values) / Var(returns)`: 1 is a perfect critic, 0 one that knows only the
/// mean, negative one that is worse than that (37 details 12). `None` where all returns are equal.
pub fn explained_variance(values: &[f32], returns: &[f32]) -> Option<f64> {
    let errors: Vec<f32> = returns.iter().zip(values).map(|(ret, value)| ret - value).collect();
    let (_, error_deviation) = mean_and_deviation(&errors);
    let (_, return_deviation) = mean_and_deviation(returns);
    (return_deviation > 0.0).then(|| 1.0 - (error_deviation / return_deviation).powi(2))
}

#[cfg(test)]
mod tests;
