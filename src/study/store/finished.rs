//! Reading complete runs: every byte is checked against the record before it is believed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::outcomes::unpack;
use super::version1::{MetricRow1, OutcomeRow1, Record1, RunSpec1};
use super::{AnswerRow, MetricRow, OutcomeRow, RunFacts, RunSpec, SCHEMA_VERSION, folder_name};
use crate::base::{self, Error, Result, decompress, hash_bytes, parse_json, parse_lines, read_json};

pub(super) const CONFIG: &str = "config.json";
pub(super) const METRICS: &str = "metrics.jsonl";
pub(super) const OUTCOMES: &str = "outcomes.jsonl";
/// Of a run that keeps its answers.
pub(super) const ANSWERS: &str = "answers.jsonl";
/// Ends the name of a log in a complete run.
pub(super) const COMPRESSED: &str = ".gz";
pub(super) const RECORD: &str = "record.json";
pub(super) const MODEL: &str = "model";

/// What a file was when it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// In lower-case hexadecimal.
    pub sha256: String,
    /// Length of the file.
    pub bytes: u64,
}

impl FileDigest {
    pub(super) fn of(path: &Path) -> Result<FileDigest> {
        let (sha256, bytes) = base::hash_file(path)?;
        Ok(FileDigest { sha256, bytes })
    }

    /// Is the file still what it was?
    pub(super) fn check(&self, path: &Path) -> Result<()> {
        if FileDigest::of(path)? == *self { Ok(()) } else { Err(damaged(path)) }
    }
}

/// The content of `record.json`: who made what, at which cost, and a digest of each file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The version of the format.
    pub schema: u32,
    /// As in the spec, and so are the next two.
    pub arm: String,
    /// See `arm`.
    pub seed: u64,
    /// See `arm`.
    pub tier: String,
    /// The hash of the spec; children of this run name it as their parent.
    pub hash: String,
    /// The hash of the run it started from.
    pub parent: Option<String>,
    /// Seconds since 1970 when the run was completed.
    pub finished_at: u64,
    /// What the run took, on what, and gave.
    #[serde(flatten)]
    pub facts: RunFacts,
    /// Path inside the run's folder -> digest. `model/...` may be left out of an export.
    pub files: BTreeMap<String, FileDigest>,
    /// SHA-256 of this record without this field.
    pub seal: String,
}

/// What the seal of a record must be: SHA-256 of its JSON without the seal, keys sorted.
pub(super) fn seal_of(mut record: Value) -> String {
    if let Some(fields) = record.as_object_mut() {
        fields.remove("seal");
    }
    hash_bytes(base::canonical_json(record))
}

/// A complete run on disk.
#[derive(Debug, Clone)]
pub struct FinishedRun {
    pub(super) folder: PathBuf,
    /// What determines its content.
    pub spec: RunSpec,
    /// Who made it, at which cost, with which files.
    pub record: Record,
}

impl FinishedRun {
    /// `None` where the folder has no record yet: the run is not complete.
    pub(super) fn open(folder: &Path) -> Result<Option<FinishedRun>> {
        let path = folder.join(RECORD);
        if !path.exists() {
            return Ok(None);
        }
        let value: Value = read_json(&path)?;
        if value["seal"] != seal_of(value.clone()) {
            return Err(damaged(&path));
        }
        let record = match value["schema"].as_u64() {
            Some(1) => Record1::deserialize(value),
            Some(2 | 3) => Record::deserialize(value),
            other => {
                let found = other.map_or("none".to_owned(), |schema| schema.to_string());
                let message =
                    format!("written with schema {found}, this program reads 1 to {SCHEMA_VERSION}");
                return Err(Error::damaged(path, message));
            }
        };
        let record = record.map_err(|error| Error::damaged(&path, error))?;
        let (config, bytes) = read_verified(folder, CONFIG, &record)?;
        let value: Value = parse_json(&config, &bytes)?;
        let spec =
            if record.schema == 1 { RunSpec1::deserialize(value) } else { RunSpec::deserialize(value) };
        let spec = spec.map_err(|error| Error::damaged(&config, error))?;
        let hash = spec.hash_in(record.schema);
        let named = folder_name(&spec.arm, spec.seed, &hash);
        if hash != record.hash || !folder.ends_with(&named) {
            let message = format!("does not belong in this folder: its settings give {}", named.display());
            return Err(Error::RunStore { path: config, message });
        }
        Ok(Some(FinishedRun { folder: folder.to_path_buf(), spec, record }))
    }

    /// Where the run lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What training logged, step by step.
    pub fn metrics(&self) -> Result<Vec<MetricRow>> {
        let version1 = self.record.schema == 1;
        if version1 { self.rows::<MetricRow1, _>(METRICS) } else { self.rows::<MetricRow, _>(METRICS) }
    }

    /// Every evaluation, question by question.
    pub fn outcomes(&self) -> Result<Vec<OutcomeRow>> {
        if self.record.schema < 3 {
            return self.rows::<OutcomeRow1, _>(OUTCOMES);
        }
        self.log(OUTCOMES).and_then(|(path, bytes)| unpack(&path, &bytes))
    }

    /// What the model answered in its last evaluation, question by question; nothing where that was not
    /// kept (`eval.keep_answers`).
    pub fn answers(&self) -> Result<Vec<AnswerRow>> {
        let kept = self.record.files.contains_key(&format!("{ANSWERS}{COMPRESSED}"));
        if kept { self.rows::<AnswerRow, _>(ANSWERS) } else { Ok(Vec::new()) }
    }

    /// The lines of a log, each read as a `Line`.
    fn rows<Line: DeserializeOwned, Row: From<Line>>(&self, name: &str) -> Result<Vec<Row>> {
        let (path, bytes) = self.log(name)?;
        Ok(parse_lines::<Line>(&path, &bytes)?.into_iter().map(Row::from).collect())
    }

    /// Path and content of a log.
    fn log(&self, name: &str) -> Result<(PathBuf, Vec<u8>)> {
        if self.record.schema < 3 {
            return read_verified(&self.folder, name, &self.record);
        }
        let (path, bytes) = read_verified(&self.folder, &format!("{name}{COMPRESSED}"), &self.record)?;
        let bytes = decompress(&path, &bytes)?;
        Ok((path, bytes))
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
            digest.check(&self.folder.join(name))?;
        }
        Ok(())
    }

    /// Copies the run to `to`, a folder of runs, without model, checkpoint and lock.
    pub(in crate::study) fn export(&self, to: &Path) -> Result<()> {
        self.verify()?;
        let target = to.join(folder_name(&self.spec.arm, self.spec.seed, &self.record.hash));
        let kept = self.record.files.keys().map(String::as_str).filter(|name| !name.starts_with("model/"));
        // The record last: an export that is cut short does not read as complete.
        for name in kept.chain([RECORD]) {
            let from = self.folder.join(name);
            base::write_atomically(&target.join(name), &fs::read(&from).map_err(Error::io(&from))?)?;
        }
        Ok(())
    }
}

/// Path and bytes of a file that the record lists.
fn read_verified(folder: &Path, name: &str, record: &Record) -> Result<(PathBuf, Vec<u8>)> {
    let path = folder.join(name);
    let bytes = fs::read(&path).map_err(Error::io(&path))?;
    match record.files.get(name) {
        Some(digest) if digest.sha256 == hash_bytes(&bytes) => Ok((path, bytes)),
        _ => Err(damaged(&path)),
    }
}

pub(super) fn damaged(path: &Path) -> Error {
    Error::RunStore {
        path: path.to_path_buf(),
        message: "the file is not what was written: it is damaged or was edited. \
                  Remove the run's folder to run it again, or restore the file"
            .to_owned(),
    }
}
