//! Proximal policy optimization (PPO) against a verifier, written out from top to bottom.
//!
//! Paper: "RL ... PPO, rewarded by unit tests in a sandbox" (findings 2 and 3); every other detail
//! is ours. An *episode* is one response: the state is the prompt and the tokens so far, the action
//! the next token. The numbers in the code refer to this list; the short names of sources are
//! explained in `objectives.rs`.
//!
//!  1. Prompts come without replacement, in epochs, each shuffled anew (37 details 6 does the same
//!     for minibatches). Which prompts step `n` gets is a function of (seed, n) alone.
//!  2. Sampling is at temperature 1, and the log-probabilities of sampling are kept as the *old*
//!     ones of the ratio, and so are the critic's values; lm-human-preferences computes both again
//!     in a forward pass of its own.
//!  3. The score (pass = 1, else 0) arrives at the last token. A response without the end token
//!     scores 0 and is never run (lm-human-preferences: the "truncate token" filter), or its length
//!     drifts. A rollout the sandbox could not judge is left out: a failure is not a zero.
//!  4. Every token costs `kl_coefficient * (log p_policy - log p_reference)` (lm-human-preferences,
//!     `non_score_reward`): the KL is a part of the reward, where its gradient is exact, and not of
//!     the loss. The coefficient is constant.
//!  5. Reference log-probabilities come from a forward pass without a graph. The value of a state is
//!     read at the position that predicts the next token.
//!  6. After the last token the value is 0, also where the length limit cut the response: cut
//!     responses have failed, there is nothing left to come (37 details 5 would bootstrap).
//!  7. Advantages by GAE with gamma 1 (lm-human-preferences; GAE) and, in `quick`, lambda 1.
//!  8. Advantages are whitened over the whole batch, but not scaled up where they do not spread.
//!  9. Each epoch shuffles the rollouts into minibatches (37 details 6). Losses are means over the
//!     tokens of a minibatch, so a long response weighs more than a short one.
//! 10. Clipped surrogate (PPO, equation 7; 37 details 8). No entropy bonus (lm-human-preferences).
//! 11. Clipped value loss (37 details 9). The value head has its own optimizer and learning rate; by
//!     default its loss stops at the hidden states, so that critic and policy do not pull at the
//!     same weights (37 details 13 discusses shared against separate networks).
//! 12. The value head learns alone for the first steps.
//! 13. A minibatch that finds the policy too far from where it was sampled is not applied and ends
//!     the step (CleanRL's `target_kl`, which looks once an epoch and after the update).
//! 14. Global gradient clipping (37 details 11) and AdamW's epsilon (37 details 3) are the
//!     optimizer's.
//!
//! A run's state is (policy, value head, both optimizers, next step): resume equals uninterrupted.

mod config;
mod loss;
mod metrics;
mod rollouts;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::time::Instant;

use rand::seq::SliceRandom;

use crate::base::error::{Error, Result};
use crate::base::seed::Seed;
use crate::model::sample::{self, Sampling};
use crate::model::{Decoder, ValueHead};
use crate::train::loss::{explained_variance, gae, kl_k1, kl_k3, mean_and_deviation, whiten};
use crate::train::optim::{AdamW, Gradients};
use crate::train::packing::{self, Microbatch, Passage};

pub use config::{Baseline, PpoConfig};
use loss::{Kept, Sums, loss};
pub use metrics::PpoStep;
pub use rollouts::{Judgement, Task, Verifier};
use rollouts::{Rollout, choose_tasks, group_means, judge, mixed_groups};

/// Everything that takes part in PPO and outlives a step.
pub struct Learner<'a> {
    pub policy: &'a Decoder,
    /// The frozen start: what the KL penalty holds the policy to.
    pub reference: &'a Decoder,
    pub value: &'a ValueHead,
    pub policy_optimizer: &'a mut AdamW,
    pub value_optimizer: &'a mut AdamW,
}

/// Runs the steps `steps`; `observe` sees each one's measurements right after its update.
pub fn train(
    learner: &mut Learner,
    tasks: &[Task],
    verifier: &mut dyn Verifier,
    config: &PpoConfig,
    seed: Seed,
    steps: Range<usize>,
    observe: &mut dyn FnMut(&PpoStep) -> Result<()>,
) -> Result<()> {
    config.check()?;
    let Learner { policy, reference, value, policy_optimizer, value_optimizer } = learner;
    let device = policy.device().clone();
    let reference = reference.with_kernels(reference.kernels()).freeze();
    let end_token = policy.config().eos_token_id.ok_or_else(|| {
        Error::config("eos_token_id", "PPO needs a model whose config.json names the end token")
    })?;
    let sampling = Sampling {
        temperature: 1.0, // (2)
        max_new_tokens: config.max_new_tokens,
        end_token,
    };

    for step in steps {
        let step_seed = seed.child_index(step as u64);
        let mut m = PpoStep { step, ..PpoStep::default() };

        // ---- Rollouts (1, 2): `samples_per_prompt` rows in a row share a prompt, and are a group.
        let started = Instant::now();
        let chosen = choose_tasks(tasks, config.prompts_per_step, step, seed)?;
        let rows: Vec<&Task> =
            chosen.iter().flat_map(|task| std::iter::repeat_n(*task, config.samples_per_prompt)).collect();
        let prompts: Vec<Vec<u32>> = rows.iter().map(|task| task.prompt.clone()).collect();
        let sample_seed = step_seed.child("sample");
        let completions = match config.baseline {
            Baseline::Critic => sample::sample_with_values(policy, value, &prompts, &sampling, sample_seed)?,
            Baseline::Group => sample::sample(policy, &prompts, &sampling, sample_seed)?,
        };
        m.tokens_sampled = completions.iter().map(|completion| completion.tokens.len()).sum();
        m.seconds_sample = started.elapsed().as_secs_f64();

        // ---- Scores (3).
        let started = Instant::now();
        let rollouts = judge(verifier, &rows, completions, config.samples_per_prompt, &mut m)?;
        m.seconds_verify = started.elapsed().as_secs_f64();
        if rollouts.is_empty() {
            let message = format!("could not judge a single rollout of PPO step {step}");
            return Err(Error::Sandbox(message));
        }
        let scores: Vec<f32> = rollouts.iter().map(|rollout| rollout.score).collect();
        (m.reward_mean, m.reward_deviation) = mean_and_deviation(&scores);
        m.mixed_prompts = mixed_groups(&rollouts);

        // ---- Reference log-probabilities, without a graph, and values (5).
        let started = Instant::now();
        let passages: Vec<Passage> = rollouts.iter().map(Rollout::passage).collect();
        let read_tokens: usize = passages.iter().map(Passage::read_tokens).sum();
        let mut reference_log_probs: Vec<f32> = Vec::new(); // rollout after rollout
        for run in packing::split(&passages, config.tokens_per_microbatch) {
            let packed = Microbatch::pack(&passages[run], &device)?;
            let hidden = reference.hidden(&packed.batch)?; // (tokens, hidden)
            let log_probs = reference.log_probs(&hidden, &packed.rows, &packed.targets)?; // (rows,)
            reference_log_probs.extend(log_probs.to_vec1::<f32>()?);
        }
        m.tokens_scored = read_tokens;
        let (old_values, lambda): (Vec<f32>, f32) = match config.baseline {
            Baseline::Critic => {
                let values = rollouts.iter().flat_map(|rollout| rollout.old_values().iter().copied());
                (values.collect(), config.lambda as f32)
            }
            Baseline::Group => {
                // A constant value along the episode: with lambda 1, GAE is the return less that value.
                let means = group_means(&rollouts);
                let of_tokens = |(rollout, mean): (&Rollout, &f32)| vec![*mean; rollout.tokens.len()];
                (rollouts.iter().zip(&means).flat_map(of_tokens).collect(), 1.0)
            }
        };

        // ---- Rewards of the tokens (3, 4, 6) and their advantages (7, 8).
        let old_log_probs: Vec<f32> =
            rollouts.iter().flat_map(|rollout| rollout.old_log_probs().to_vec()).collect();
        let (mut advantages, mut returns) = (Vec::new(), Vec::new());
        let (mut kl_k1_sum, mut kl_k3_sum) = (0.0, 0.0);
        for rollout in &rollouts {
            let mut rewards = Vec::with_capacity(rollout.tokens.len());
            for token in rollout.tokens.clone() {
                let (old, reference) = (old_log_probs[token], reference_log_probs[token]);
                rewards.push(-(config.kl_coefficient as f32) * kl_k1(old, reference));
                kl_k1_sum += f64::from(kl_k1(old, reference));
                kl_k3_sum += f64::from(kl_k3(old, reference));
            }
            if let Some(last) = rewards.last_mut() {
                *last += rollout.score;
            }
            let values = &old_values[rollout.tokens.clone()];
            let (of_tokens, to_fit) = gae(&rewards, values, config.gamma as f32, lambda);
            advantages.extend(of_tokens);
            returns.extend(to_fit);
        }
        (_, m.advantage_deviation) = mean_and_deviation(&advantages);
        whiten(&mut advantages, config.smallest_deviation);
        m.kl_to_reference = kl_k3_sum / old_log_probs.len() as f64;
        m.kl_per_rollout = kl_k1_sum / rollouts.len() as f64;
        (m.value_mean, _) = mean_and_deviation(&old_values);
        if config.baseline == Baseline::Critic {
            m.explained_variance = explained_variance(&old_values, &returns).unwrap_or(0.0);
        }
        m.seconds_score = started.elapsed().as_secs_f64();

        // ---- Update (9 to 14).
        let started = Instant::now();
        m.learning_rate = config.learning_rate.at(step);
        let policy_learns = config.baseline == Baseline::Group || step >= config.value_warmup_steps; // (12)
        let policy_variables = policy_optimizer.variables();
        let value_variables = value_optimizer.variables();
        let mut computed = Sums::default();
        let mut value_updates = 0;
        'update: for epoch in 0..config.epochs {
            let mut order: Vec<usize> = (0..rollouts.len()).collect();
            order.shuffle(&mut step_seed.child_index(epoch as u64).stream("minibatches"));
            for minibatch in order.chunks(rollouts.len().div_ceil(config.minibatches)) {
                let passages: Vec<Passage> = minibatch.iter().map(|i| rollouts[*i].passage()).collect();
                let minibatch_tokens = passages.iter().map(|passage| passage.response.len()).sum();
                let mut policy_gradients = Gradients::new();
                let mut value_gradients = Gradients::new();
                let mut sums = Sums::default();

                for run in packing::split(&passages, config.tokens_per_microbatch) {
                    let members = &minibatch[run.clone()];
                    let gather = |numbers: &[f32]| -> Vec<f32> {
                        members.iter().flat_map(|i| numbers[rollouts[*i].tokens.clone()].to_vec()).collect()
                    };
                    let kept = Kept {
                        old_log_probs: gather(&old_log_probs),
                        advantages: gather(&advantages),
                        old_values: gather(&old_values),
                        returns: gather(&returns),
                    };
                    let packed = Microbatch::pack(&passages[run], &device)?;
                    let loss = loss(policy, value, &packed, &kept, minibatch_tokens, config)?; // (10, 11)
                    let store = loss.total.backward()?;
                    policy_gradients.add(&policy_variables, &store)?;
                    value_gradients.add(&value_variables, &store)?;
                    sums.add(&loss.sums);
                }

                if computed.tokens == 0 {
                    m.ratio_error = sums.ratio_error;
                }
                m.tokens_trained += passages.iter().map(Passage::read_tokens).sum::<usize>();
                computed.add(&sums);
                if sums.approx_kl() > config.target_kl {
                    m.stopped_by_kl = 1.0; // (13)
                    break 'update;
                }
                if config.baseline == Baseline::Critic {
                    let rate = config.value_learning_rate.at(step);
                    m.value_grad_norm += value_optimizer.step(&value_gradients, rate)?; // (14)
                    value_updates += 1;
                }
                if policy_learns {
                    m.grad_norm += policy_optimizer.step(&policy_gradients, m.learning_rate)?; // (14)
                    m.updates += 1;
                }
            }
        }
        m.grad_norm /= m.updates.max(1) as f64;
        m.value_grad_norm /= value_updates.max(1) as f64;
        computed.report(&mut m);
        m.seconds_update = started.elapsed().as_secs_f64();

        observe(&m)?;
    }
    Ok(())
}
