//! The run store: the only writer of `data/runs`.
//!
//! A *run* is one arm at one seed. Its folder is named by what determines its content:
//!
//! ```text
//! data/runs/<arm>/<seed>-<hash12>/
//!     lock             held by the process that trains; its id is inside
//!     config.json      written before the first step
//!     metrics.jsonl    one [`MetricRow`] a line, appended while training
//!     outcomes.jsonl   one [`OutcomeRow`] a line: one question in one evaluation
//!     checkpoint/      the last good checkpoint, whole or absent
//!     model/           the trained model
//!     record.json      written last: the run is complete exactly when this is there
//! ```
//!
//! A complete run has the two logs compressed (`zcat` shows them) and, if it keeps them, its answers:
//!
//! ```text
//!     metrics.jsonl.gz    as above
//!     outcomes.jsonl.gz   packed (`outcomes.rs`)
//!     answers.jsonl.gz    one [`AnswerRow`] a line: the texts of the last evaluation
//! ```
//!
//! Invariants:
//! - the hash covers arm, seed, tier, configuration, data-set content, parent run and
//!   [`SCHEMA_VERSION`]: another configuration is another folder, never an overwritten one;
//! - files appear under their final names whole and synced, or not at all; a kill at any moment
//!   loses at most the steps since the last checkpoint;
//! - resuming cuts the two logs back to where they stood at the checkpoint, so that a resumed run
//!   leaves the same bytes as an uninterrupted one;
//! - every file of a complete run is listed in `record.json` with its SHA-256, the record seals
//!   itself, and readers check both. Seals are of the JSON that was written, not of today's structs:
//!   a field that is added later, with a default, voids no record;
//! - records of schemas 1 (version 1 of the study) and 2 have plain logs with a row a question that counts
//!   passes; they are read by types of their own (`version1.rs`), for as long as they are kept.

mod finished;
mod handle;
mod index;
mod outcomes;
#[cfg(test)]
mod tests;
mod version1;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use strum::{EnumString, IntoStaticStr};

use crate::base::{self, Error, Result};

pub use finished::{FileDigest, FinishedRun, Record};
pub use handle::RunHandle;
pub use index::{Begin, RunStore};
pub use outcomes::{AnswerRow, AnswerWord, Connective, OutcomeRow};

/// Part of every run's hash: raise it when the meaning of a stored field changes.
pub const SCHEMA_VERSION: u32 = 3;

/// The stage of an arm's last evaluation.
pub const FINAL_STAGE: &str = "final";

/// Everything that determines a run's content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// Lower-case letters, digits and hyphens: `sft-mix-64`.
    pub arm: String,
    /// Everything random follows from it.
    pub seed: u64,
    /// `quick`, `full` or `llm`.
    pub tier: String,
    /// The arm's whole configuration. The order of its keys does not matter.
    pub config: Value,
    /// A digest of the data set the run trains and is evaluated on.
    pub data_hash: String,
    /// [`RunSpec::hash`] of the run whose model this one starts from.
    pub parent: Option<String>,
}

impl RunSpec {
    /// SHA-256 (hex) of the canonical JSON of the spec and [`SCHEMA_VERSION`].
    pub fn hash(&self) -> String {
        self.hash_in(SCHEMA_VERSION)
    }

    fn hash_in(&self, schema: u32) -> String {
        let mut covered = serde_json::json!(self); // cannot fail: every key is a string
        covered["schema"] = schema.into();
        base::hash_bytes(base::canonical_json(covered))
    }

    /// The run's folder in a store: `<arm>/<seed>-<first 12 digits of the hash>`.
    ///
    /// # Errors
    /// `Error::Config` for a name that is not fit for a folder.
    pub fn folder(&self, store: &Path) -> Result<PathBuf> {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        for (field, name) in [("arm", &self.arm), ("tier", &self.tier)] {
            if name.is_empty() || name.starts_with('-') || !name.chars().all(fine) {
                let message = format!("`{name}` must be made of lower-case letters, digits and hyphens");
                return Err(Error::config(field, message));
            }
        }
        Ok(store.join(folder_name(&self.arm, self.seed, &self.hash())))
    }
}

fn folder_name(arm: &str, seed: u64, hash: &str) -> PathBuf {
    Path::new(arm).join(format!("{seed}-{}", &hash[..12]))
}

/// Which paraphrases of its problems an evaluation asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(IntoStaticStr, EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum Prompts {
    /// The prompts that training may use.
    Train,
    /// Paraphrases that no training prompt contains.
    HeldOut,
}

impl Prompts {
    /// As records and claims name it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What was measured at one training step. Values that are not finite are stored as `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricRow {
    /// `pretrain`, `sft` or `rl`.
    pub stage: String,
    /// Counted from 0.
    pub step: usize,
    /// By name; `docs/ppo.md` has the table of RL's.
    #[serde(deserialize_with = "nan_for_null")]
    pub values: BTreeMap<String, f64>,
}

/// What a run took, so that arms can be compared at equal budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Tokens that a gradient flowed through, repeats counted.
    pub tokens_trained: u64,
    /// Tokens the model generated, in rollouts and evaluations.
    pub tokens_sampled: u64,
    /// Programs given to the sandbox.
    pub verifier_calls: u64,
    /// Estimated floating-point operations of the model, forward and backward.
    pub flops: f64,
    /// Wall-clock seconds, summed over the processes that worked on the run.
    pub seconds: f64,
}

/// How far a run's model is from the base model, in nats a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// KL from the model to the base, on the model's answers to training prompts.
    pub kl_to_base: f64,
    /// KL from the base to the model, on the base's answers to the same prompts.
    pub kl_from_base: f64,
    /// Cross-entropy of wild documents that nothing was trained on; what it is above the base model's was
    /// forgotten.
    pub wild_loss: f64,
}

/// What the caller knows at the end of a run; the store adds the rest of the [`Record`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    /// What training took.
    pub cost: Cost,
    /// What its evaluations took; nothing where a record does not tell them apart.
    #[serde(default)]
    pub evaluation: Cost,
    /// How far the model has moved.
    #[serde(default)]
    pub drift: Option<Drift>,
    /// How well the sandbox was isolated, as it describes itself.
    pub isolation: Value,
    /// What it was made with and on: versions of this crate and of candle, device, threads, instruction
    /// set. Facts, not settings: none of them is in the hash.
    pub environment: BTreeMap<String, String>,
    /// `Decoder::weights_hash` of the trained model.
    pub weights_hash: String,
}

impl RunFacts {
    /// Wall-clock seconds of training and evaluations.
    pub fn seconds(&self) -> f64 {
        self.cost.seconds + self.evaluation.seconds
    }
}

/// JSON has no NaN: values that are not finite are written as `null` and come back as NaN.
fn nan_for_null<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let values = BTreeMap::<String, Option<f64>>::deserialize(from)?;
    Ok(values.into_iter().map(|(name, value)| (name, value.unwrap_or(f64::NAN))).collect())
}
