//! The loss of one microbatch, and the sums that its metrics are made of.

use candle_core::Tensor;

use super::{Baseline, PpoConfig, PpoStep};
use crate::base::error::Result;
use crate::model::{Decoder, ValueHead};
use crate::train::loss::{clipped_policy_loss, clipped_value_loss, kl_k3};
use crate::train::packing::Microbatch;

/// What was kept of each response token of a microbatch since it was sampled, in the order of the
/// packed rows. Each `(rows,)`.
pub(super) struct Kept {
    pub old_log_probs: Vec<f32>,
    /// Whitened.
    pub advantages: Vec<f32>,
    pub old_values: Vec<f32>,
    pub returns: Vec<f32>,
}

/// A microbatch's share of its minibatch's loss, with a graph, and its metrics.
pub(super) struct Loss {
    /// What to call `backward` on.
    pub total: Tensor,
    pub sums: Sums,
}

/// Details 10 and 11 of `ppo.rs`. `minibatch_tokens` are the response tokens of the whole
/// minibatch, so that the losses of its microbatches add up to the mean over its tokens.
pub(super) fn loss(
    policy: &Decoder,
    value: &ValueHead,
    packed: &Microbatch,
    kept: &Kept,
    minibatch_tokens: usize,
    config: &PpoConfig,
) -> Result<Loss> {
    let column = |numbers: &[f32]| Tensor::new(numbers, policy.device()); // (rows,)
    let hidden = policy.hidden(&packed.batch)?; // (tokens, hidden)
    let (new_log_probs, entropy) = policy.log_probs_and_entropy(&hidden, &packed.rows, &packed.targets)?; // (rows,) twice

    let policy_loss = clipped_policy_loss(
        &new_log_probs,
        &column(&kept.old_log_probs)?,
        &column(&kept.advantages)?,
        config.clip,
    )?
    .sum_all()?;
    let mut sums = Sums {
        tokens: kept.old_log_probs.len(),
        policy_loss: f64::from(policy_loss.to_scalar::<f32>()?),
        entropy: entropy.to_vec1::<f32>()?.into_iter().map(f64::from).sum(),
        ..Sums::default()
    };
    sums.compare(&kept.old_log_probs, &new_log_probs.to_vec1()?, config.clip);

    let mut total = policy_loss;
    if config.baseline == Baseline::Critic {
        let reaches_trunk = config.value_trunk_coefficient > 0.0;
        let read = if reaches_trunk { hidden } else { hidden.detach() };
        let value_loss = clipped_value_loss(
            &value.forward(&packed.select(&read)?)?,
            &column(&kept.old_values)?,
            &column(&kept.returns)?,
            config.value_clip,
        )?
        .sum_all()?;
        sums.value_loss = f64::from(value_loss.to_scalar::<f32>()?);
        let weight = if reaches_trunk { config.value_trunk_coefficient } else { 1.0 };
        total = (total + (value_loss * weight)?)?;
    }
    Ok(Loss { total: (total / minibatch_tokens as f64)?, sums })
}

/// Sums over response tokens; divided once, at the end.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub tokens: usize,
    policy_loss: f64,
    value_loss: f64,
    entropy: f64,
    approx_kl: f64,
    clipped: usize,
    /// Not a sum: the largest `|ratio - 1|`.
    pub ratio_error: f64,
}

impl Sums {
    /// Old against new log-probabilities of the same tokens (37 details 12: `approx_kl`, `clipfrac`).
    fn compare(&mut self, old: &[f32], new: &[f32], clip: f64) {
        for (old, new) in old.iter().zip(new) {
            let distance = f64::from((new - old).exp_m1().abs()); // |ratio - 1|
            self.approx_kl += f64::from(kl_k3(*old, *new));
            self.clipped += usize::from(distance > clip);
            self.ratio_error = self.ratio_error.max(distance);
        }
    }

    pub fn add(&mut self, other: &Sums) {
        self.tokens += other.tokens;
        self.policy_loss += other.policy_loss;
        self.value_loss += other.value_loss;
        self.entropy += other.entropy;
        self.approx_kl += other.approx_kl;
        self.clipped += other.clipped;
        self.ratio_error = self.ratio_error.max(other.ratio_error);
    }

    /// `KL(sampling policy || current policy)`, nats per token.
    pub fn approx_kl(&self) -> f64 {
        self.approx_kl / self.tokens.max(1) as f64
    }

    pub fn report(&self, m: &mut PpoStep) {
        let tokens = self.tokens.max(1) as f64;
        m.policy_loss = self.policy_loss / tokens;
        m.value_loss = self.value_loss / tokens;
        m.entropy = self.entropy / tokens;
        m.approx_kl = self.approx_kl();
        m.clip_fraction = self.clipped as f64 / tokens;
    }
}
