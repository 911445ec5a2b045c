//! A run in progress: its lock, its two logs, its checkpoint, and how it ends.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::finished::{
    ANSWERS, COMPRESSED, CONFIG, FileDigest, FinishedRun, METRICS, MODEL, OUTCOMES, RECORD, Record, seal_of,
};
use super::outcomes::pack;
use super::{AnswerRow, MetricRow, OutcomeRow, RunFacts, RunSpec, SCHEMA_VERSION};
use crate::base::{self, Error, Result, read_json, remove_if_there, remove_unfinished, write_json};

const CHECKPOINT: &str = "checkpoint";
const LOCK: &str = "lock";
const SEAL: &str = "seal.json";

/// Takes the operating-system lock on a run's folder. It ends with the process, however that ends; the
/// file stays, since removing it would let two processes lock two files of the same name.
pub(super) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let mut file = open(&path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
            let pid = if pid.is_empty() { "(starting)".to_owned() } else { pid };
            return Err(Error::Locked { path: folder.to_path_buf(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(Error::Io { path, source }),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(Error::io(&path))?;
    Ok(file)
}

/// For writing at its end, whatever is cut off; made if it is not there.
fn open(path: &Path) -> Result<File> {
    OpenOptions::new().create(true).append(true).open(path).map_err(Error::io(path))
}

/// What makes a checkpoint whole: a digest of each of its files, and where the logs stood.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointSeal {
    step: usize,
    files: BTreeMap<String, FileDigest>,
    metrics: FileDigest,
    outcomes: FileDigest,
}

/// An append-only file of JSON lines. `length` is the end of the last whole line.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Log {
    /// Opens the log and cuts it back to what `seal` says, or to nothing.
    fn open(path: PathBuf, seal: Option<&FileDigest>) -> Result<Log> {
        let length = seal.map_or(0, |seal| seal.bytes);
        let file = open(&path)?;
        if file.metadata().map_err(Error::io(&path))?.len() > length {
            file.set_len(length).map_err(Error::io(&path))?;
        }
        seal.map_or(Ok(()), |seal| seal.check(&path))?;
        Ok(Log { path, file, length })
    }

    /// Appends whole lines. On an error (a full disk) the part that was written is cut off again.
    fn append<T: Serialize>(&mut self, rows: &[T]) -> Result<()> {
        let text = base::to_lines(rows)?;
        if let Err(source) = self.file.write_all(&text) {
            // Best effort: if cutting fails too, the next process cuts at the checkpoint.
            let _ = self.file.set_len(self.length);
            return Err(Error::io(&self.path)(source));
        }
        self.length += text.len() as u64;
        Ok(())
    }

    /// All whole lines.
    fn read(&self) -> Result<Vec<u8>> {
        fs::read(&self.path).map_err(Error::io(&self.path))
    }

    fn synced_digest(&self) -> Result<FileDigest> {
        self.file.sync_all().map_err(Error::io(&self.path))?;
        FileDigest::of(&self.path)
    }
}

/// A run that this process alone may write to, until the handle is dropped.
#[derive(Debug)]
pub struct RunHandle {
    pub(super) folder: PathBuf,
    pub(super) spec: RunSpec,
    metrics: Log,
    outcomes: Log,
    /// Of the last whole one its step and its folder, `checkpoint/<step>`: the earlier one stays until
    /// it is there.
    checkpoint: Option<(usize, PathBuf)>,
    /// Held for its lock, which closing releases.
    _lock: File,
}

impl RunHandle {
    /// Removes what an earlier process left half done, checks the last checkpoint and cuts the logs back
    /// to it.
    pub(super) fn resume(folder: PathBuf, spec: RunSpec, lock: File) -> Result<RunHandle> {
        remove_unfinished(&folder)?;
        remove_unfinished(&folder.join(CHECKPOINT))?;
        remove_if_there(&folder.join(MODEL))?;
        write_json(&folder.join(CONFIG), &spec)?;
        let (checkpoint, seal) = newest_checkpoint(&folder.join(CHECKPOINT))?.unzip();
        let metrics = Log::open(folder.join(METRICS), seal.as_ref().map(|seal| &seal.metrics))?;
        let outcomes = Log::open(folder.join(OUTCOMES), seal.as_ref().map(|seal| &seal.outcomes))?;
        Ok(RunHandle { folder, spec, metrics, outcomes, checkpoint, _lock: lock })
    }

    /// Step and folder of the checkpoint to resume from.
    pub fn latest_checkpoint(&self) -> Option<(usize, PathBuf)> {
        self.checkpoint.clone()
    }

    /// Adds what one training step measured.
    pub fn metric(&mut self, row: &MetricRow) -> Result<()> {
        self.metrics.append(std::slice::from_ref(row))
    }

    /// Adds outcomes of an evaluation that is not the last one; they are kept by the next
    /// checkpoint.
    pub fn outcomes(&mut self, rows: &[OutcomeRow]) -> Result<()> {
        self.outcomes.append(rows)
    }

    /// Saves the state after `step` steps: `write` fills an empty folder, which replaces the
    /// earlier checkpoint only once it is whole and on the disk.
    pub fn checkpoint(&mut self, step: usize, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let path = self.folder.join(CHECKPOINT).join(format!("{step:08}"));
        let (metrics, outcomes) = (self.metrics.synced_digest()?, self.outcomes.synced_digest()?);
        base::write_folder_atomically(&path, |folder| {
            write(folder)?;
            let seal = CheckpointSeal { step, files: digests_below(folder, "")?, metrics, outcomes };
            write_json(&folder.join(SEAL), &seal)
        })?;
        let earlier = self.checkpoint.replace((step, path.clone()));
        earlier.filter(|(_, earlier)| *earlier != path).map_or(Ok(()), |(_, path)| remove_if_there(&path))
    }

    /// Completes the run: the last outcomes, the answers behind them if they are kept, the model
    /// (`write_model` fills an empty folder), the logs compressed, and at the very end the record. The
    /// checkpoint and the plain logs are then no longer needed.
    pub fn finish(
        self,
        facts: RunFacts,
        outcomes: &[OutcomeRow],
        answers: &[AnswerRow],
        write_model: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<FinishedRun> {
        let mut rows: Vec<OutcomeRow> = base::parse_lines(&self.outcomes.path, &self.outcomes.read()?)?;
        rows.extend_from_slice(outcomes);
        base::write_folder_atomically(&self.folder.join(MODEL), write_model)?;
        let mut files = digests_below(&self.folder.join(MODEL), "model/")?;
        let answers = if answers.is_empty() { None } else { Some((ANSWERS, base::to_lines(answers)?)) };
        let logs = [(METRICS, self.metrics.read()?), (OUTCOMES, pack(&rows)?)];
        for (name, bytes) in logs.into_iter().chain(answers) {
            let (name, packed) = (format!("{name}{COMPRESSED}"), base::compress(&bytes)?);
            base::write_atomically(&self.folder.join(&name), &packed)?;
            files.insert(name.clone(), FileDigest::of(&self.folder.join(name))?);
        }
        files.insert(CONFIG.to_owned(), FileDigest::of(&self.folder.join(CONFIG))?);
        let mut record = Record {
            schema: SCHEMA_VERSION,
            arm: self.spec.arm.clone(),
            seed: self.spec.seed,
            tier: self.spec.tier.clone(),
            hash: self.spec.hash(),
            parent: self.spec.parent.clone(),
            finished_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            facts,
            files,
            seal: String::new(),
        };
        record.seal = seal_of(serde_json::to_value(&record)?);
        write_json(&self.folder.join(RECORD), &record)?;
        let needless = [CHECKPOINT, METRICS, OUTCOMES];
        needless.iter().try_for_each(|name| remove_if_there(&self.folder.join(name)))?;
        Ok(FinishedRun { folder: self.folder, spec: self.spec, record })
    }
}

/// Step and folder of the last whole checkpoint, every file of it checked, and its seal.
fn newest_checkpoint(parent: &Path) -> Result<Option<((usize, PathBuf), CheckpointSeal)>> {
    let mut found = base::entries(parent)?;
    let Some(path) = found.pop() else { return Ok(None) };
    // A kill between "new one in place" and "old one removed" leaves both.
    found.iter().try_for_each(|older| remove_if_there(older))?;
    let seal: CheckpointSeal = read_json(&path.join(SEAL))?;
    seal.files.iter().try_for_each(|(name, digest)| digest.check(&path.join(name)))?;
    Ok(Some(((seal.step, path), seal)))
}

fn digests_below(folder: &Path, prefix: &str) -> Result<BTreeMap<String, FileDigest>> {
    let digest = |name: String| Ok((format!("{prefix}{name}"), FileDigest::of(&folder.join(name))?));
    base::files_below(folder)?.into_iter().map(digest).collect()
}
