//! A run in progress: its lock, its two logs, its checkpoint, and how it ends.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::disk;
use super::finished::{CONFIG, FileDigest, FinishedRun, METRICS, MODEL, OUTCOMES, RECORD, Record, seal_of};
use super::{MetricRow, OutcomeRow, RunFacts, RunSpec, SCHEMA_VERSION};
use crate::base::error::{Error, Result};
use crate::base::files::{UNFINISHED, folder_of, hash_file, read_json, sync, to_lines, write_json};

pub(super) const CHECKPOINT: &str = "checkpoint";
const LOCK: &str = "lock";
const SEAL: &str = "seal.json";

/// An operating-system lock on the run's folder. It ends with the process, however that ends; the
/// file stays, since removing it would let two processes lock two files of the same name.
#[derive(Debug)]
pub(super) struct RunLock(#[expect(dead_code, reason = "held for its lock, which closing releases")] File);

impl RunLock {
    pub(super) fn acquire(folder: &Path) -> Result<RunLock> {
        let path = folder.join(LOCK);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(Error::io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
                let pid = if pid.is_empty() { "(starting)".to_owned() } else { pid };
                return Err(Error::Locked { path: folder.to_path_buf(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(Error::Io { path, source }),
        }
        file.set_len(0)
            .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()))
            .map_err(Error::io(&path))?;
        Ok(RunLock(file))
    }
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
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(Error::io(&path))?;
        let length = seal.map_or(0, |seal| seal.bytes);
        let present = file.metadata().map_err(Error::io(&path))?.len();
        if present >= length {
            file.set_len(length).map_err(Error::io(&path))?;
            file.seek(SeekFrom::End(0)).map_err(Error::io(&path))?;
        }
        if let Some(seal) = seal
            && (present < length || hash_file(&path)?.0 != seal.sha256)
        {
            return Err(broken_checkpoint(&path));
        }
        Ok(Log { path, file, length })
    }

    /// Appends whole lines. On an error (a full disk) the part that was written is cut off again.
    fn append<T: Serialize>(&mut self, rows: &[T]) -> Result<()> {
        let text = to_lines(rows)?;
        if let Err(source) = self.file.write_all(&text) {
            // Best effort: if cutting fails too, the next process cuts at the checkpoint.
            let _ = self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::End(0)));
            return Err(Error::Io { path: self.path.clone(), source });
        }
        self.length += text.len() as u64;
        Ok(())
    }

    fn synced_digest(&self) -> Result<FileDigest> {
        self.file.sync_all().map_err(Error::io(&self.path))?;
        digest(&self.path)
    }
}

/// `checkpoint/step-<step>-<again>`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Checkpoint {
    step: usize,
    again: usize,
    path: PathBuf,
}

/// A run that this process alone may write to, until the handle is dropped.
#[derive(Debug)]
pub struct RunHandle {
    folder: PathBuf,
    spec: RunSpec,
    metrics: Log,
    outcomes: Log,
    checkpoint: Option<Checkpoint>,
    _lock: RunLock,
}

impl RunHandle {
    /// Checks the last checkpoint and cuts the logs back to it.
    pub(super) fn resume(folder: PathBuf, spec: RunSpec, lock: RunLock) -> Result<RunHandle> {
        let checkpoint = newest_checkpoint(&folder.join(CHECKPOINT))?;
        let seal = match &checkpoint {
            Some(checkpoint) => Some(verified_seal(checkpoint)?),
            None => None,
        };
        let metrics = Log::open(folder.join(METRICS), seal.as_ref().map(|seal| &seal.metrics))?;
        let outcomes = Log::open(folder.join(OUTCOMES), seal.as_ref().map(|seal| &seal.outcomes))?;
        disk::remove_if_there(&folder.join(MODEL))?;
        Ok(RunHandle { folder, spec, metrics, outcomes, checkpoint, _lock: lock })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn spec(&self) -> &RunSpec {
        &self.spec
    }

    /// Step and folder of the checkpoint to resume from.
    pub fn latest_checkpoint(&self) -> Option<(usize, PathBuf)> {
        self.checkpoint.as_ref().map(|checkpoint| (checkpoint.step, checkpoint.path.clone()))
    }

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
        let parent = self.folder.join(CHECKPOINT);
        // A second checkpoint at one step (after an evaluation, say) gets a name of its own, so
        // that the first stays whole until the second is.
        let again = match &self.checkpoint {
            Some(earlier) if earlier.step == step => earlier.again + 1,
            _ => 0,
        };
        let path = parent.join(format!("step-{step:08}-{again}"));
        let metrics = self.metrics.synced_digest()?;
        let outcomes = self.outcomes.synced_digest()?;
        write_folder(&path, |folder| {
            write(folder)?;
            let seal = CheckpointSeal { step, files: digests_below(folder)?, metrics, outcomes };
            write_json(&folder.join(SEAL), &seal)
        })?;
        match self.checkpoint.replace(Checkpoint { step, again, path }) {
            Some(earlier) => disk::remove_if_there(&earlier.path),
            None => Ok(()),
        }
    }

    /// Completes the run: the last outcomes, the model (`write_model` fills an empty folder), and
    /// at the very end the record. The checkpoint is then no longer needed.
    pub fn finish(
        mut self,
        facts: RunFacts,
        outcomes: &[OutcomeRow],
        write_model: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<FinishedRun> {
        self.outcomes.append(outcomes)?;
        write_folder(&self.folder.join(MODEL), write_model)?;
        let mut files = BTreeMap::from([
            (METRICS.to_owned(), self.metrics.synced_digest()?),
            (OUTCOMES.to_owned(), self.outcomes.synced_digest()?),
            (CONFIG.to_owned(), digest(&self.folder.join(CONFIG))?),
        ]);
        for (name, digest) in digests_below(&self.folder.join(MODEL))? {
            files.insert(format!("{MODEL}/{name}"), digest);
        }
        let path = self.folder.join(RECORD);
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
        write_json(&path, &record)?;
        disk::remove_if_there(&self.folder.join(CHECKPOINT))?;
        FinishedRun::open(&self.folder)?.ok_or_else(|| Error::RunStore {
            path: self.folder.clone(),
            message: "the record vanished right after it was written".to_owned(),
        })
    }
}

/// Fills a folder under a temporary name, syncs it, renames it over `path`.
fn write_folder(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    let temporary = PathBuf::from(name);
    disk::remove_if_there(&temporary)?;
    fs::create_dir_all(&temporary).map_err(Error::io(&temporary))?;
    let filled = fill(&temporary).and_then(|()| disk::sync_tree(&temporary));
    let renamed = filled.and_then(|()| {
        disk::remove_if_there(path)?;
        fs::rename(&temporary, path).map_err(Error::io(path))
    });
    if renamed.is_err() {
        // Best effort: the error that matters is the one being reported.
        let _ = fs::remove_dir_all(&temporary);
    }
    renamed.and_then(|()| sync(folder_of(path)))
}

fn newest_checkpoint(parent: &Path) -> Result<Option<Checkpoint>> {
    if !parent.is_dir() {
        return Ok(None);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(parent).map_err(Error::io(parent))? {
        let path = entry.map_err(Error::io(parent))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let numbers = name.strip_prefix("step-").and_then(|numbers| numbers.split_once('-'));
        if let Some((step, again)) = numbers
            && let (Ok(step), Ok(again)) = (step.parse(), again.parse())
        {
            found.push(Checkpoint { step, again, path });
        }
    }
    found.sort();
    let newest = found.pop();
    // A kill between "new one in place" and "old one removed" leaves both.
    for older in found {
        disk::remove_if_there(&older.path)?;
    }
    Ok(newest)
}

fn verified_seal(checkpoint: &Checkpoint) -> Result<CheckpointSeal> {
    let path = checkpoint.path.join(SEAL);
    let seal: CheckpointSeal = read_json(&path)?;
    if seal.step != checkpoint.step {
        return Err(broken_checkpoint(&path));
    }
    for (name, expected) in &seal.files {
        let path = checkpoint.path.join(name);
        if digest(&path)? != *expected {
            return Err(broken_checkpoint(&path));
        }
    }
    Ok(seal)
}

fn digest(path: &Path) -> Result<FileDigest> {
    let (sha256, bytes) = hash_file(path)?;
    Ok(FileDigest { sha256, bytes })
}

fn digests_below(folder: &Path) -> Result<BTreeMap<String, FileDigest>> {
    disk::files_below(folder)?
        .into_iter()
        .map(|name| digest(&folder.join(&name)).map(|digest| (name, digest)))
        .collect()
}

fn broken_checkpoint(path: &Path) -> Error {
    Error::RunStore {
        path: path.to_path_buf(),
        message: "the file is not what the checkpoint says: it is damaged or was edited. \
                  Remove the run's folder to start the run again"
            .to_owned(),
    }
}
