//! What one step of PPO measured. `docs/ppo.md` has the same list as a table. A metric is called what
//! its field is called here.

use std::collections::BTreeMap;

use serde::Serialize;

/// Measurements of one step. "Tokens" without more are response tokens of the rollouts that were
/// learned from; logarithms are natural.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PpoStep {
    /// Counted from 0; not a metric.
    #[serde(skip)]
    pub step: usize,

    // ---- Rollouts and their scores
    /// Rollouts learned from: all that were sampled, less those the sandbox could not judge.
    pub rollouts: usize,
    /// Mean score (before the KL penalty).
    pub reward_mean: f64,
    /// Population standard deviation of the scores.
    pub reward_deviation: f64,
    /// Share of rollouts with the word `pass`.
    pub pass_rate: f64,
    /// Share of prompts whose samples did not all get the same score: those that teach something
    /// whatever the critic knows.
    pub mixed_prompts: f64,
    /// `share_<word>`: share of *sampled* rollouts by what became of them: a case word, `no_end` (no
    /// end token) or `infra` (the sandbox itself failed).
    #[serde(flatten)]
    pub shares: BTreeMap<String, f64>,
    /// Mean response length in tokens, end token included.
    pub response_tokens: f64,
    /// Share of rollouts that reached the end token.
    pub finished: f64,

    // ---- Where the policy is
    /// `KL(policy || reference)` in nats per token, estimator k3.
    pub kl_to_reference: f64,
    /// `log p_policy - log p_reference` summed over a rollout, mean over rollouts: what the
    /// penalty is taken on (estimator k1).
    pub kl_per_rollout: f64,
    /// Mean entropy of the next-token distribution at the sampled positions, in nats.
    pub entropy: f64,

    // ---- The update; means over the tokens of all minibatches that were computed
    /// `KL(sampling policy || current policy)` in nats per token, estimator k3.
    pub approx_kl: f64,
    /// Share of tokens whose ratio lies outside the clip range.
    pub clip_fraction: f64,
    /// The same among tokens that were sampled with a probability under .95; those above can hardly leave
    /// the range upwards, and are nearly all.
    pub clip_fraction_open: f64,
    /// Share of tokens that were sampled with a probability under .95.
    pub open_tokens: f64,
    /// Largest `|ratio - 1|` in the first minibatch, before any update: how well sampling and
    /// training agree about the same weights. Rounding only, unless something is wrong.
    pub ratio_error: f64,
    /// Clipped surrogate.
    pub policy_loss: f64,
    /// Clipped squared error, halved. Zero of critics that do not learn by gradient.
    pub value_loss: f64,
    /// Of the values the advantages were computed with: 1 is a perfect critic, 0 a constant one.
    /// Zero where the returns do not vary, and of baselines that are no critics.
    pub explained_variance: f64,
    /// The same over the first tokens of the responses: what is known of the prompt alone.
    pub explained_variance_first: f64,
    /// Mean of those values.
    pub value_mean: f64,
    /// Standard deviation of the advantages before whitening.
    pub advantage_deviation: f64,
    /// Standard deviation of the returns.
    pub return_deviation: f64,
    /// Norm of the policy's gradient before clipping, mean over the minibatches that were applied.
    pub grad_norm: f64,
    /// The same of a critic that learns by gradient.
    pub value_grad_norm: f64,
    /// Of the policy.
    pub learning_rate: f64,
    /// Minibatches applied to the policy.
    pub updates: usize,
    /// 1 if `target_kl` ended the update early, else 0.
    pub stopped_by_kl: f64,

    // ---- Cost
    /// Response tokens sampled.
    pub tokens_sampled: usize,
    /// Tokens that went forward only, through the reference; what a group shares counts once.
    pub tokens_scored: usize,
    /// Tokens that went forward and backward, prompts included, counted once an epoch; what a group
    /// shares counts once.
    pub tokens_trained: usize,
    /// Programs sent to the verifier.
    pub verifier_calls: usize,
    /// Wall-clock seconds of sampling,
    pub seconds_sample: f64,
    /// of the verifier,
    pub seconds_verify: f64,
    /// of the reference and the advantages,
    pub seconds_score: f64,
    /// and of forward, backward and optimizer.
    pub seconds_update: f64,
}
