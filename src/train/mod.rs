//! How a model learns: pretraining and SFT, PPO, with what they share.
//!
//! | file | what it holds |
//! |---|---|
//! | `optim.rs` | learning rates, gradients over microbatches, AdamW with a state that can be saved |
//! | `packing.rs` | prompts and responses into microbatches of a bounded number of tokens |
//! | `supervised/` | the loop of pretraining and SFT, and the mixture that SFT draws from |
//! | `reward.rs` | the verifier: answers in, judgements out, through the sandbox or a control |
//! | `statistics.rs` | whitening, estimators of the KL, explained variance |
//! | `ppo/` | the loop of PPO with its numbered details, its settings and its metrics |
//! | `rft.rs` | SFT on the model's own passing answers |
//! | `cooled.rs` | no training: a model at a lower temperature |
//! | `method.rs` | a loop with its data, settings and state, as a study stops it and takes it up again |
//!
//! A loop is written out from top to bottom and shares only leaf mathematics with the others. Each is
//! a function of data, settings, a seed and a range of steps, and hands what a step measured to its
//! `observe`; step `n` draws from `seed.child_index(n)` alone, so the state of a run is what the
//! optimizers change and the next step. A new method is one file of that form,
//! with an `impl Method`, and one more arm of the `match` in `study/run.rs`.

mod cooled;
mod method;
mod optim;
mod packing;
mod ppo;
mod reward;
mod rft;
mod statistics;
mod supervised;

pub use cooled::Cooled;
pub use method::{Method, Ppo, Supervised};
pub use optim::{AdamW, AdamWConfig, Decay, Gradients, LearningRate};
pub use packing::{Microbatch, Passage};
pub use ppo::{
    Baseline, Learner, PpoConfig, PpoStep, Task, clipped_policy_loss, clipped_value_loss, gae, train_ppo,
};
pub use reward::{Court, Judge, Judgement, KnownVerdicts, Reward, Verifier};
pub use rft::Rft;
pub use statistics::{explained_variance, kl_k1, kl_k3, mean_and_deviation, whiten};
pub use supervised::{Example, ExamplePool, Mixture, SupervisedConfig, SupervisedStep, train_supervised};

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Error, Result};

/// What a step measured, by name: the fields of its struct, each of them a number. This is the one
/// place where a field becomes a metric.
///
/// # Errors
/// `Error::NotFinite` naming a measurement that is not a number.
pub fn metric_values(step: usize, measured: &impl Serialize) -> Result<BTreeMap<String, f64>> {
    // JSON has no infinities: they arrive as nothing.
    let values: BTreeMap<String, Option<f64>> = serde_json::from_value(serde_json::to_value(measured)?)?;
    let finite = |(what, value): (String, Option<f64>)| match value {
        Some(value) => Ok((what, value)),
        None => Err(Error::NotFinite { what, step, value: f64::NAN }),
    };
    values.into_iter().map(finite).collect()
}
