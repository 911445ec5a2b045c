//! What one step of PPO measured. `docs/ppo.md` has the same list as a table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Measurements of one step. "Tokens" without more are response tokens of the rollouts that were
/// learned from; logarithms are natural.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PpoStep {
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
    /// Share of *sampled* rollouts by what became of them: a case word, `no_end` (no end token) or
    /// `infra` (the sandbox itself failed).
    pub words: BTreeMap<String, f64>,
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
    /// Largest `|ratio - 1|` in the first minibatch, before any update: how well sampling and
    /// training agree about the same weights. Rounding only, unless something is wrong.
    pub ratio_error: f64,
    pub policy_loss: f64,
    /// Zero under `Baseline::Group`.
    pub value_loss: f64,
    /// Of the values the advantages were computed with: 1 is a perfect critic, 0 a constant one.
    /// Zero where the returns do not vary, and under `Baseline::Group`.
    pub explained_variance: f64,
    /// Mean of those values.
    pub value_mean: f64,
    /// Standard deviation of the advantages before whitening.
    pub advantage_deviation: f64,
    /// Norm of the policy's gradient before clipping, mean over the minibatches that were applied.
    pub grad_norm: f64,
    /// The same of the value head.
    pub value_grad_norm: f64,
    pub learning_rate: f64,
    /// Minibatches applied to the policy.
    pub updates: usize,
    /// 1 if `target_kl` ended the update early, else 0.
    pub stopped_by_kl: f64,

    // ---- Cost
    /// Response tokens sampled.
    pub tokens_sampled: usize,
    /// Tokens that went forward only, through the policy (for values) or the reference.
    pub tokens_scored: usize,
    /// Tokens that went forward and backward, prompts included, counted once an epoch.
    pub tokens_trained: usize,
    /// Programs sent to the verifier.
    pub verifier_calls: usize,
    /// Wall-clock seconds by phase.
    pub seconds_sample: f64,
    pub seconds_verify: f64,
    pub seconds_score: f64,
    pub seconds_update: f64,
}

impl PpoStep {
    /// The numbers of a metrics row; the share of word `w` is called `share_w`.
    pub fn values(&self) -> Vec<(String, f64)> {
        let named = [
            ("rollouts", self.rollouts as f64),
            ("reward_mean", self.reward_mean),
            ("reward_deviation", self.reward_deviation),
            ("pass_rate", self.pass_rate),
            ("mixed_prompts", self.mixed_prompts),
            ("response_tokens", self.response_tokens),
            ("finished", self.finished),
            ("kl_to_reference", self.kl_to_reference),
            ("kl_per_rollout", self.kl_per_rollout),
            ("entropy", self.entropy),
            ("approx_kl", self.approx_kl),
            ("clip_fraction", self.clip_fraction),
            ("ratio_error", self.ratio_error),
            ("policy_loss", self.policy_loss),
            ("value_loss", self.value_loss),
            ("explained_variance", self.explained_variance),
            ("value_mean", self.value_mean),
            ("advantage_deviation", self.advantage_deviation),
            ("grad_norm", self.grad_norm),
            ("value_grad_norm", self.value_grad_norm),
            ("learning_rate", self.learning_rate),
            ("updates", self.updates as f64),
            ("stopped_by_kl", self.stopped_by_kl),
            ("tokens_sampled", self.tokens_sampled as f64),
            ("tokens_scored", self.tokens_scored as f64),
            ("tokens_trained", self.tokens_trained as f64),
            ("verifier_calls", self.verifier_calls as f64),
            ("seconds_sample", self.seconds_sample),
            ("seconds_verify", self.seconds_verify),
            ("seconds_score", self.seconds_score),
            ("seconds_update", self.seconds_update),
        ];
        let words = self.words.iter().map(|(word, share)| (format!("share_{word}"), *share));
        named.into_iter().map(|(name, value)| (name.to_string(), value)).chain(words).collect()
    }
}
