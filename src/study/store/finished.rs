//! Reading complete runs: every byte is checked against the record before it is believed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{MetricRow, OutcomeRow, RunFacts, RunSpec, SCHEMA_VERSION};
use crate::base::error::{Error, Result};
use crate::base::files::{canonical_json, hash_bytes, hash_file, parse_json, parse_lines, read_json};

pub(super) const CONFIG: &str = "config.json";
pub(super) const METRICS: &str = "metrics.jsonl";
pub(super) const OUTCOMES: &str = "outcomes.jsonl";
pub(super) const RECORD: &str = "record.json";
pub(super) const MODEL: &str = "model";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    pub sha256: String,
    pub bytes: u64,
}

/// The content of `record.json`: who made what, at which cost, and a digest of each file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub schema: u32,
    pub arm: String,
    pub seed: u64,
    pub tier: String,
    /// [`RunSpec::hash`]; children of this run name it as their parent.
    pub hash: String,
    pub parent: Option<String>,
    /// Seconds since 1970 when the run was completed.
    pub finished_at: u64,
    #[serde(flatten)]
    pub facts: RunFacts,
    /// Path inside the run's folder -> digest. `model/...` may be left out of an export.
    pub files: BTreeMap<String, FileDigest>,
    /// SHA-256 of this record without this field.
    pub seal: String,
}

impl Record {
    /// What [`Record::seal`] has to be.
    pub(super) fn expected_seal(&self) -> Result<String> {
        let mut value = serde_json::to_value(self)?;
        if let Some(fields) = value.as_object_mut() {
            fields.remove("seal");
        }
        Ok(hash_bytes(canonical_json(value)))
    }
}

/// A complete run on disk.
#[derive(Debug, Clone)]
pub struct FinishedRun {
    folder: PathBuf,
    pub spec: RunSpec,
    pub record: Record,
}

impl FinishedRun {
    /// `None` where the folder has no record yet: the run is not complete.
    pub(super) fn open(folder: &Path) -> Result<Option<FinishedRun>> {
        let path = folder.join(RECORD);
        if !path.exists() {
            return Ok(None);
        }
        let record: Record = read_json(&path)?;
        if record.schema != SCHEMA_VERSION {
            let message =
                format!("written with schema {}, this program reads {SCHEMA_VERSION}", record.schema);
            return Err(Error::damaged(path, message));
        }
        if record.seal != record.expected_seal()? {
            return Err(damaged(&path));
        }
        let mut run = FinishedRun {
            folder: folder.to_path_buf(),
            spec: RunSpec {
                arm: record.arm.clone(),
                seed: record.seed,
                tier: record.tier.clone(),
                config: serde_json::Value::Null,
                data_hash: String::new(),
                parent: record.parent.clone(),
            },
            record,
        };
        run.spec = run.read_config()?;
        let named = run.spec.folder_name();
        if run.spec.hash() != run.record.hash || !folder.ends_with(&named) {
            let message =
                format!("does not belong in this folder: its settings give {}/{named}", run.spec.arm);
            return Err(Error::RunStore { path: folder.join(CONFIG), message });
        }
        Ok(Some(run))
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn metrics(&self) -> Result<Vec<MetricRow>> {
        self.read_rows(METRICS)
    }

    pub fn outcomes(&self) -> Result<Vec<OutcomeRow>> {
        self.read_rows(OUTCOMES)
    }

    /// The trained model's folder; `None` in a run that was exported without it.
    pub fn model_dir(&self) -> Option<PathBuf> {
        let folder = self.folder.join(MODEL);
        folder.is_dir().then_some(folder)
    }

    /// Checks every file the record lists. The model may be absent as a whole (an export leaves
    /// it out), but not in part.
    pub fn verify(&self) -> Result<()> {
        for (name, digest) in &self.record.files {
            if name.starts_with("model/") && self.model_dir().is_none() {
                continue;
            }
            let path = self.folder.join(name);
            let (sha256, bytes) = hash_file(&path)?;
            if (FileDigest { sha256, bytes }) != *digest {
                return Err(damaged(&path));
            }
        }
        Ok(())
    }

    fn read_config(&self) -> Result<RunSpec> {
        parse_json(&self.folder.join(CONFIG), &self.read_verified(CONFIG)?)
    }

    fn read_rows<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<T>> {
        parse_lines(&self.folder.join(name), &self.read_verified(name)?)
    }

    fn read_verified(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.folder.join(name);
        let bytes = fs::read(&path).map_err(Error::io(&path))?;
        match self.record.files.get(name) {
            Some(digest) if digest.sha256 == hash_bytes(&bytes) => Ok(bytes),
            _ => Err(damaged(&path)),
        }
    }
}

fn damaged(path: &Path) -> Error {
    Error::RunStore {
        path: path.to_path_buf(),
        message: "the file is not what was written: it is damaged or was edited. \
                  Remove the run's folder to run it again, or restore the file"
            .to_owned(),
    }
}
