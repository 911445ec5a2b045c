//! Settings of PPO. The numbered details they belong to are listed in `mod.rs`.

use serde::{Deserialize, Serialize};

use crate::train::optim::{AdamWConfig, LearningRate};
use crate::{Error, Result};

/// What a reward is compared with before it becomes an advantage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// A value for each token, from a regression on how unlikely the tokens so far were and on how the
    /// problem was solved before, through GAE: the study's PPO.
    Surprise,
    /// The same from a linear layer on the policy's hidden states: PPO as it is usually written down.
    Head,
    /// The same from a linear layer on a decoder of its own, which starts as a copy of the policy.
    Trunk,
    /// The mean score of the samples of the same prompt in the same step (as in GRPO, arXiv
    /// 2402.03300, before its division by the group's deviation). Nothing is learned.
    Group,
    /// The mean score of the *other* samples of the same prompt (RLOO, arXiv 2402.14740).
    LeaveOneOut,
    /// The mean return of the step.
    Batch,
    /// Nothing: advantages are the returns, scaled but not centered.
    None,
}

impl Baseline {
    /// Whether it gives each token a value of its own that was learned in earlier steps.
    pub fn is_critic(self) -> bool {
        matches!(self, Baseline::Surprise | Baseline::Head | Baseline::Trunk)
    }

    /// Whether what gives the values learns by gradient, with an optimizer of its own.
    pub fn has_gradient(self) -> bool {
        matches!(self, Baseline::Head | Baseline::Trunk)
    }
}

/// Settings of PPO, all of them: there is no `Default`. Those of the study are in `data/tiers.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PpoConfig {
    // ---- Rollouts (details 1 and 2)
    /// Prompts in one step.
    pub prompts_per_step: usize,
    /// Completions sampled for each of them, at temperature 1.
    pub samples_per_prompt: usize,
    /// Tokens after which a completion counts as unfinished.
    pub max_new_tokens: usize,

    // ---- Rewards and advantages (details 4 to 8)
    /// What a reward is compared with.
    pub baseline: Baseline,
    /// Reward taken off for each nat of `log p_policy - log p_reference` of a sampled token.
    pub kl_coefficient: f64,
    /// Discount per token.
    pub gamma: f64,
    /// GAE's lambda: 1 trusts only what was received, 0 only what the critic says of the next
    /// token. Baselines that are no critics have no per-token values to trust and always use 1.
    pub lambda: f64,
    /// Advantages that spread less than this are not scaled up to a deviation of 1, in units of
    /// reward (detail 8).
    pub smallest_deviation: f64,

    // ---- Update (details 9 to 13)
    /// Passes over the rollouts of a step.
    pub epochs: usize,
    /// Parts the prompts' groups of rollouts are split into in each pass; one optimizer step a part.
    pub minibatches: usize,
    /// Most tokens in one forward and backward pass: bounds the memory of activations and changes
    /// nothing else than rounding.
    pub tokens_per_microbatch: usize,
    /// The probability ratio is clipped to `1 - clip ..= 1 + clip`.
    pub clip: f64,
    /// A value may move this far from what it was at sampling time, in units of reward.
    pub value_clip: f64,
    /// Weight of the value loss in what the policy itself learns under `Baseline::Head`. With 0 the value
    /// head reads the hidden states without changing them (detail 11).
    pub value_trunk_coefficient: f64,
    /// Steps at the start in which only a critic that learns by gradient does (detail 12).
    pub value_warmup_steps: usize,
    /// A minibatch whose approximate KL between the sampling policy and the current one (nats per
    /// token) is above this is not applied, and ends the step's update (detail 13).
    pub target_kl: f64,
    /// Of the policy.
    pub learning_rate: LearningRate,
    /// Of the policy.
    pub optimizer: AdamWConfig,
    /// Of a critic that learns by gradient, which has an optimizer of its own.
    pub value_learning_rate: LearningRate,
    /// Of such a critic.
    pub value_optimizer: AdamWConfig,
}

impl PpoConfig {
    /// Rollouts in one step, the ones that the sandbox cannot judge included.
    pub fn rollouts_per_step(&self) -> usize {
        self.prompts_per_step * self.samples_per_prompt
    }

    /// # Errors
    /// `Error::Config` naming the first field that cannot work.
    pub fn check(&self) -> Result<()> {
        let any = f64::INFINITY;
        let grouped = matches!(self.baseline, Baseline::Group | Baseline::LeaveOneOut);
        let samples = if grouped { 2.0 } else { 1.0 }; // a group is more than one
        let limits = [
            ("prompts_per_step", self.prompts_per_step as f64, 1.0, any),
            ("samples_per_prompt", self.samples_per_prompt as f64, samples, any),
            ("max_new_tokens", self.max_new_tokens as f64, 1.0, any),
            ("epochs", self.epochs as f64, 1.0, any),
            ("minibatches", self.minibatches as f64, 1.0, any),
            ("gamma", self.gamma, 0.0, 1.0),
            ("lambda", self.lambda, 0.0, 1.0),
            ("kl_coefficient", self.kl_coefficient, 0.0, any),
            ("smallest_deviation", self.smallest_deviation, 0.0, any),
            ("clip", self.clip, 0.0, any),
            ("value_clip", self.value_clip, 0.0, any),
            ("value_trunk_coefficient", self.value_trunk_coefficient, 0.0, any),
            ("target_kl", self.target_kl, 0.0, any),
        ];
        for (field, value, least, most) in limits {
            if !(least..=most).contains(&value) {
                let allowed =
                    if most == any { format!("{least} or more") } else { format!("{least} to {most}") };
                let message = format!("must be {allowed}, is {value}");
                return Err(Error::config(format!("ppo.{field}"), message));
            }
        }
        Ok(())
    }
}
