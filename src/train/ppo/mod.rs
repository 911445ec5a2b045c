//! Proximal policy optimization (PPO) against a verifier, written out from top to bottom.
//!
//! Paper: "RL ... PPO, rewarded by unit tests in a sandbox" (findings 2 and 3); every other detail
//! is ours. An *episode* is one response: the state is the prompt and the tokens so far, the action
//! the next token. The numbers in the code refer to this list.
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
//!     what is expected before its token is sampled; `critic.rs` says by whom.
//!  6. After the last token the value is 0, also where the length limit cut the response: cut
//!     responses have failed, there is nothing left to come (37 details 5 would bootstrap).
//!  7. Advantages by GAE with gamma 1 (lm-human-preferences; GAE) and, in `quick`, lambda 1.
//!  8. Advantages are whitened over the whole batch, but not scaled up where they do not spread.
//!  9. Each epoch shuffles the groups into minibatches (37 details 6 shuffles transitions): what the
//!     rollouts of a group share, the prompt first, is read once. Losses are means over the tokens of a
//!     minibatch, so a long response weighs more than a short one.
//! 10. Clipped surrogate (PPO, equation 7; 37 details 8). No entropy bonus (lm-human-preferences).
//! 11. A critic that learns by gradient has a clipped value loss (37 details 9), its own optimizer and
//!     learning rate, and starts at the first step's mean return. A value head's loss stops at the
//!     policy's hidden states, so that both do not pull at the same weights (37 details 13 discusses
//!     shared against separate networks). The study's critic is fit in closed form after each step.
//! 12. A critic that learns by gradient learns alone for the first steps.
//! 13. A minibatch that finds the policy too far from where it was sampled is not applied and ends
//!     the step (CleanRL's `target_kl`, which looks once an epoch and after the update).
//! 14. Global gradient clipping (37 details 11) and AdamW's epsilon (37 details 3) are the
//!     optimizer's.
//!
//! Sources. *PPO*: Schulman et al., arXiv 1707.06347. *GAE*: Schulman et al., arXiv 1506.02438. *37
//! details n*: Huang et al., "The 37 Implementation Details of Proximal Policy Optimization", ICLR
//! blog track 2022, core detail n; code in CleanRL's `ppo.py`. *lm-human-preferences*: Ziegler et
//! al., arXiv 1909.08593, as in `vwxyzjn/lm-human-preference-details`,
//! `train_policy_accelerate.py`. *KL approx*: Schulman, joschu.net/blog/kl-approx.html.
//!
//! A run's state is (policy, critic, their optimizers, next step): resume equals uninterrupted.

mod config;
pub mod critic;
mod learner;
mod metrics;
mod rollouts;
#[cfg(test)]
mod tests;

use std::iter::repeat_n;
use std::ops::Range;
use std::time::Instant;

use candle_core::Tensor;
use rand::seq::SliceRandom;

use super::optim::Gradients;
use super::packing::{self, Microbatch, Passage};
use super::reward::Verifier;
use super::statistics::{explained_variance, kl_k1, kl_k3, mean_and_deviation, shift_and_scale};
use crate::base::Seed;
use crate::model::{Decoder, Sampling, sample};
use crate::{Error, Result};

pub use config::{Baseline, PpoConfig};
use critic::Critic;
pub use learner::Learner;
pub use metrics::PpoStep;
pub use rollouts::Task;
pub(super) use rollouts::choose_tasks;
use rollouts::{Rollout, score};

/// Log-probability under which a token was sampled "open": .95.
const OPEN: f32 = -0.051_293_3;

/// Runs the steps `steps`; `observe` sees each one's measurements right after its update.
///
/// # Errors
/// `Error::Config` for settings that cannot work, `Error::Sandbox` for a step of which no rollout
/// could be judged, `Error::NotFinite` for a gradient that is not finite.
pub fn train_ppo(
    learner: &mut Learner,
    tasks: &[Task],
    verifier: &mut dyn Verifier,
    config: &PpoConfig,
    seed: Seed,
    steps: Range<usize>,
    observe: &mut dyn FnMut(&PpoStep) -> Result<()>,
) -> Result<()> {
    config.check()?;
    let Learner { policy, reference, critic, policy_optimizer } = learner;
    let device = policy.device().clone();
    let end_token = policy.config().eos_token_id.ok_or_else(|| {
        Error::config("eos_token_id", "PPO needs a model whose config.json names the end token")
    })?;
    let sampling = Sampling { temperature: 1.0, max_new_tokens: config.max_new_tokens, end_token }; // (2)
    let variables = [policy_optimizer.variables(), critic.variables()].concat();

    for step in steps {
        let step_seed = seed.child_index(step as u64);
        let mut m = PpoStep { step, ..PpoStep::default() };

        // ---- Rollouts (1, 2): `samples_per_prompt` rows in a row share a prompt, and are a group.
        let started = Instant::now();
        let chosen = choose_tasks(tasks, config.prompts_per_step, step, seed)?;
        let rows: Vec<&Task> =
            chosen.iter().flat_map(|task| repeat_n(*task, config.samples_per_prompt)).collect();
        let prompts: Vec<Vec<u32>> = rows.iter().map(|task| task.prompt.clone()).collect();
        let head = if let Critic::Head(head, _) = &*critic { Some(head) } else { None };
        let completions = sample(policy, head, &prompts, &sampling, step_seed.child("sample"))?;
        m.tokens_sampled = completions.iter().map(|completion| completion.tokens.len()).sum();
        m.seconds_sample = started.elapsed().as_secs_f64();

        // ---- Scores (3).
        let started = Instant::now();
        let rollouts = score(verifier, &rows, completions, config.samples_per_prompt, &mut m)?;
        m.seconds_verify = started.elapsed().as_secs_f64();
        if rollouts.is_empty() {
            let message = format!("could not judge a single rollout of PPO step {step}");
            return Err(Error::Sandbox(message));
        }
        let scores: Vec<f32> = rollouts.iter().map(|rollout| rollout.score).collect();
        (m.reward_mean, m.reward_deviation) = mean_and_deviation(&scores);
        let groups: Vec<&[Rollout]> = rollouts.chunk_by(|a, b| a.group == b.group).collect();
        let mixed = groups.iter().filter(|group| group.iter().any(|rollout| rollout.score != group[0].score));
        m.mixed_prompts = mixed.count() as f64 / groups.len() as f64;

        // ---- Reference log-probabilities, without a graph, and values (5).
        let started = Instant::now();
        let passages: Vec<Vec<Passage>> =
            groups.iter().map(|group| group.iter().map(Rollout::passage).collect()).collect();
        let passages: Vec<&[Passage]> = passages.iter().map(Vec::as_slice).collect(); // group after group
        let mut reference_log_probs: Vec<f32> = Vec::new(); // rollout after rollout
        for members in packing::split(passages.iter().copied(), config.tokens_per_microbatch) {
            let packed = Microbatch::pack_groups(passages[members].iter().copied(), &device)?;
            let hidden = reference.hidden(&packed.batch)?; // (tokens, hidden)
            let log_probs = reference.log_probs(&hidden, &packed.rows, &packed.targets)?; // (rows,)
            reference_log_probs.extend(log_probs.to_vec1::<f32>()?);
        }
        let group_tokens: Vec<usize> = passages.iter().map(|group| packing::group_tokens(group)).collect();
        m.tokens_scored = group_tokens.iter().sum();

        // ---- Rewards of the tokens (3, 4, 6), what came after each, the values (5), advantages (7, 8).
        let old_log_probs: Vec<f32> =
            rollouts.iter().flat_map(|rollout| rollout.completion.log_probs.iter().copied()).collect();
        let mut rewards: Vec<f32> = Vec::with_capacity(old_log_probs.len());
        for rollout in &rollouts {
            for token in rollout.tokens.clone() {
                let (old, reference) = (old_log_probs[token], reference_log_probs[token]);
                rewards.push(-(config.kl_coefficient as f32) * kl_k1(old, reference));
                m.kl_per_rollout += f64::from(kl_k1(old, reference));
                m.kl_to_reference += f64::from(kl_k3(old, reference));
            }
            if let Some(last) = rewards.last_mut() {
                *last += rollout.score; // no response is empty
            }
        }
        let gamma = config.gamma as f32;
        let of_rollouts = |values: &[f32], lambda: f32| {
            let (mut advantages, mut returns) = (Vec::new(), Vec::new());
            for rollout in &rollouts {
                let tokens = rollout.tokens.clone();
                let (of_tokens, to_fit) = gae(&rewards[tokens.clone()], &values[tokens], gamma, lambda);
                advantages.extend(of_tokens);
                returns.extend(to_fit);
            }
            (advantages, returns)
        };
        let (received, _) = of_rollouts(&vec![0.0; rewards.len()], 1.0);
        let old_values = critic.values(&rollouts, &passages, &received, step, config)?;
        let lambda = if config.baseline.is_critic() { config.lambda as f32 } else { 1.0 };
        let (mut advantages, returns) = of_rollouts(&old_values, lambda);
        critic.learn(&rollouts, &received, step)?;
        (_, m.advantage_deviation) = mean_and_deviation(&advantages);
        (_, m.return_deviation) = mean_and_deviation(&returns);
        shift_and_scale(&mut advantages, config.smallest_deviation, config.baseline != Baseline::None);
        m.kl_per_rollout /= rollouts.len() as f64;
        m.kl_to_reference /= old_log_probs.len() as f64;
        (m.value_mean, _) = mean_and_deviation(&old_values);
        if config.baseline.is_critic() {
            let first = |of_tokens: &[f32]| -> Vec<f32> {
                rollouts.iter().map(|rollout| of_tokens[rollout.tokens.start]).collect()
            };
            let explained =
                |values: &[f32], returns: &[f32]| explained_variance(values, returns).unwrap_or(0.0);
            m.explained_variance = explained(&old_values, &returns);
            m.explained_variance_first = explained(&first(&old_values), &first(&returns));
        }
        let sampled = Sampled { old_log_probs, old_values, advantages, returns };
        m.seconds_score = started.elapsed().as_secs_f64();

        // ---- Update (9 to 14).
        let started = Instant::now();
        m.learning_rate = config.learning_rate.at(step);
        let policy_learns = !config.baseline.has_gradient() || step >= config.value_warmup_steps; // (12)
        let (mut tokens_computed, mut value_updates) = (0, 0);
        'update: for epoch in 0..config.epochs {
            let mut order: Vec<usize> = (0..groups.len()).collect();
            order.shuffle(&mut step_seed.child_index(epoch as u64).stream("minibatches"));
            for minibatch in order.chunks(groups.len().div_ceil(config.minibatches)) {
                let members: Vec<&[Passage]> = minibatch.iter().map(|group| passages[*group]).collect();
                let minibatch_tokens: usize =
                    members.iter().copied().flatten().map(|passage| passage.response.len()).sum();
                let mut gradients = Gradients::default();
                let mut approx_kl = 0.0;
                for part in packing::split(members.iter().copied(), config.tokens_per_microbatch) {
                    let packed = Microbatch::pack_groups(members[part.clone()].iter().copied(), &device)?;
                    let rollouts = minibatch[part].iter().flat_map(|group| groups[*group]);
                    let tokens: Vec<usize> = rollouts.flat_map(|rollout| rollout.tokens.clone()).collect();
                    let (loss, new_log_probs) =
                        loss(policy, critic, &packed, &sampled, &tokens, config, &mut m)?; // (10, 11)
                    let share = (loss / minibatch_tokens as f64)?; // the mean is over the whole minibatch
                    gradients.add(&variables, &share.backward()?)?;
                    for (token, new) in tokens.into_iter().zip(new_log_probs) {
                        let old = sampled.old_log_probs[token];
                        let distance = f64::from(libm::expm1f(new - old).abs()); // |ratio - 1|
                        approx_kl += f64::from(kl_k3(old, new));
                        let (clipped, open) = (distance > config.clip, old < OPEN);
                        m.clip_fraction += f64::from(u8::from(clipped));
                        m.clip_fraction_open += f64::from(u8::from(clipped && open));
                        m.open_tokens += f64::from(u8::from(open));
                        if tokens_computed == 0 {
                            m.ratio_error = m.ratio_error.max(distance);
                        }
                    }
                }
                m.tokens_trained += minibatch.iter().map(|group| group_tokens[*group]).sum::<usize>();
                tokens_computed += minibatch_tokens;
                m.approx_kl += approx_kl;
                if approx_kl / minibatch_tokens as f64 > config.target_kl {
                    m.stopped_by_kl = 1.0; // (13)
                    break 'update;
                }
                if let Critic::Head(_, optimizer) | Critic::Trunk(_, _, optimizer) = critic {
                    m.value_grad_norm += optimizer.step(&gradients, config.value_learning_rate.at(step))?; // (14)
                    value_updates += 1;
                }
                if policy_learns {
                    m.grad_norm += policy_optimizer.step(&gradients, m.learning_rate)?; // (14)
                    m.updates += 1;
                }
            }
        }
        m.grad_norm /= m.updates.max(1) as f64;
        m.value_grad_norm /= value_updates.max(1) as f64;
        m.clip_fraction_open /= m.open_tokens.max(1.0);
        let losses = [&mut m.policy_loss, &mut m.value_loss, &mut m.entropy];
        for sum in losses.into_iter().chain([&mut m.approx_kl, &mut m.clip_fraction, &mut m.open_tokens]) {
            *sum /= tokens_computed as f64; // one rollout is there at least, and no response is empty
        }
        m.seconds_update = started.elapsed().as_secs_f64();

        observe(&m)?;
    }
    Ok(())
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
/// use sft_vs_rl::gae;
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

/// PPO's clipped surrogate as a loss, one number a token, not yet averaged (PPO, equation 7; 37
/// details 8): `max(-A r, -A clip(r, 1 - clip, 1 + clip))` with `r = exp(new - old)`.
///
/// # Shapes
/// All arguments and the result: `(rows,)`. Only `new_log_probs` carries a gradient.
///
/// ```
/// # fn main() -> sft_vs_rl::Result<()> {
/// use sft_vs_rl::candle_core::{Device, Tensor};
/// use sft_vs_rl::clipped_policy_loss;
/// let column = |numbers: [f32; 2]| Tensor::new(&numbers, &Device::Cpu);
/// // Twice as likely as when it was sampled: the clip acts where that was good, and only there.
/// let (new, old) = (column([2f32.ln(), 2f32.ln()])?, column([0.0, 0.0])?);
/// let losses = clipped_policy_loss(&new, &old, &column([1.0, -1.0])?, 0.5)?;
/// assert_eq!(losses.to_vec1::<f32>()?, [-1.5, 2.0]);
/// # Ok(())
/// # }
/// ```
pub fn clipped_policy_loss(
    new_log_probs: &Tensor,
    old_log_probs: &Tensor,
    advantages: &Tensor,
    clip: f64,
) -> Result<Tensor> {
    let ratio = kernels::exp(&(new_log_probs - old_log_probs)?)?;
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

/// What is kept of a step's response tokens since they were sampled, rollout after rollout.
struct Sampled {
    old_log_probs: Vec<f32>,
    old_values: Vec<f32>,
    /// Whitened.
    advantages: Vec<f32>,
    /// What the critic is fit to.
    returns: Vec<f32>,
}

/// Details 10 and 11: the loss of a microbatch, summed over its response tokens, and their new
/// log-probabilities. `tokens` are the places of the packed rows in `sampled`. What the loss was made of
/// is added to `m` as sums over tokens.
fn loss(
    policy: &Decoder,
    critic: &Critic,
    packed: &Microbatch,
    sampled: &Sampled,
    tokens: &[usize],
    config: &PpoConfig,
    m: &mut PpoStep,
) -> Result<(Tensor, Vec<f32>)> {
    let column = |of_step: &[f32]| {
        let numbers: Vec<f32> = tokens.iter().map(|token| of_step[*token]).collect();
        Tensor::new(numbers, policy.device()) // (rows,)
    };
    // In one order: candle's own sum depends on the instruction set (its gradient does not).
    let sum = |rows: &Tensor| -> Result<f64> { Ok(rows.to_vec1::<f32>()?.into_iter().map(f64::from).sum()) };

    let hidden = policy.hidden(&packed.batch)?; // (tokens, hidden)
    let (new_log_probs, entropy) = policy.log_probs_and_entropy(&hidden, &packed.rows, &packed.targets)?; // (rows,) twice
    let (old_log_probs, advantages) = (column(&sampled.old_log_probs)?, column(&sampled.advantages)?);
    let losses = clipped_policy_loss(&new_log_probs, &old_log_probs, &advantages, config.clip)?;
    m.policy_loss += sum(&losses)?;
    m.entropy += sum(&entropy)?;
    let mut total = losses.sum_all()?;

    let read = match critic {
        Critic::Head(head, _) if config.value_trunk_coefficient > 0.0 => {
            Some((head, hidden, config.value_trunk_coefficient))
        }
        Critic::Head(head, _) => Some((head, hidden.detach(), 1.0)),
        Critic::Trunk(trunk, head, _) => Some((head, trunk.hidden(&packed.batch)?, 1.0)),
        Critic::Surprise(_) | Critic::None => None,
    };
    if let Some((head, hidden, weight)) = read {
        let values = head.forward(&packed.select(&hidden)?)?; // (rows,)
        let (old_values, returns) = (column(&sampled.old_values)?, column(&sampled.returns)?);
        let losses = clipped_value_loss(&values, &old_values, &returns, config.value_clip)?;
        m.value_loss += sum(&losses)?;
        total = (total + (losses.sum_all()? * weight)?)?;
    }
    Ok((total, new_log_probs.to_vec1()?))
}
