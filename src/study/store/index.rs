//! Opening a store, beginning a run, listing and exporting complete ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::RunSpec;
use super::disk;
use super::finished::{CONFIG, FinishedRun, RECORD};
use super::handle::{RunHandle, RunLock};
use crate::base::error::{Error, Result};
use crate::base::files::{UNFINISHED, read_json, write_atomically, write_json};

/// A folder of runs: `data/runs`, or committed records under `data/records/<tier>`.
#[derive(Debug, Clone)]
pub struct RunStore {
    root: PathBuf,
    writable: bool,
}

/// What [`RunStore::begin`] found.
#[derive(Debug)]
pub enum Begin {
    /// The run was completed earlier; nothing to do.
    Complete(Box<FinishedRun>),
    /// The run is ours, from the start or from its last checkpoint.
    Ready(Box<RunHandle>),
}

impl RunStore {
    /// Opens a store for reading and writing; creates its folder.
    pub fn open(root: impl AsRef<Path>) -> Result<RunStore> {
        let root = root.as_ref();
        fs::create_dir_all(root).map_err(Error::io(root))?;
        Ok(RunStore { root: root.to_path_buf(), writable: true })
    }

    /// Opens a store that nothing will be written to. A folder that does not exist has no runs.
    pub fn read_only(root: impl AsRef<Path>) -> RunStore {
        RunStore { root: root.as_ref().to_path_buf(), writable: false }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn folder_of(&self, spec: &RunSpec) -> PathBuf {
        self.root.join(&spec.arm).join(spec.folder_name())
    }

    /// The run with exactly this spec, if it is complete.
    pub fn find(&self, spec: &RunSpec) -> Result<Option<FinishedRun>> {
        spec.check()?;
        FinishedRun::open(&self.folder_of(spec))
    }

    /// Claims a run. [`Error::Locked`] where another process works on it.
    pub fn begin(&self, spec: &RunSpec) -> Result<Begin> {
        if !self.writable {
            let message = "this store is open for reading only".to_owned();
            return Err(Error::RunStore { path: self.root.clone(), message });
        }
        if let Some(run) = self.find(spec)? {
            return Ok(Begin::Complete(Box::new(run)));
        }
        let folder = self.folder_of(spec);
        fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        let lock = RunLock::acquire(&folder)?;
        // The process that held the lock a moment ago may have completed the run.
        if let Some(run) = self.find(spec)? {
            return Ok(Begin::Complete(Box::new(run)));
        }
        remove_unfinished(&folder)?;
        write_config(&folder.join(CONFIG), spec)?;
        Ok(Begin::Ready(Box::new(RunHandle::resume(folder, spec.clone(), lock)?)))
    }

    /// [`RunStore::begin`], waiting up to `patience` for another process to let go.
    pub fn begin_waiting(&self, spec: &RunSpec, patience: Duration) -> Result<Begin> {
        let started = Instant::now();
        loop {
            match self.begin(spec) {
                Err(Error::Locked { .. }) if started.elapsed() < patience => {
                    std::thread::sleep(Duration::from_millis(200));
                }
                other => return other,
            }
        }
    }

    /// Complete runs of a tier that belong together, sorted by arm and seed: see [`gather`].
    pub fn runs(&self, tier: &str) -> Result<Vec<FinishedRun>> {
        gather(std::slice::from_ref(self), tier)
    }

    /// Every complete run in the store, whatever its tier and configuration.
    pub fn all_runs(&self) -> Result<Vec<FinishedRun>> {
        let mut runs = Vec::new();
        for arm in folders_in(&self.root)? {
            for folder in folders_in(&arm)? {
                runs.extend(FinishedRun::open(&folder)?);
            }
        }
        Ok(runs)
    }

    /// Copies complete runs of `tier` to the root `to`, without models, checkpoints and locks:
    /// what a reader needs to redraw every figure and judge every claim. Returns how many.
    pub fn export(&self, tier: &str, to: impl AsRef<Path>) -> Result<usize> {
        let runs = self.runs(tier)?;
        for run in &runs {
            export_run(run, to.as_ref())?;
        }
        Ok(runs.len())
    }
}

/// Complete runs of a tier from several stores (one's own runs, committed records), sorted by arm
/// and seed, one for each. Where an arm and seed was run under several configurations, the one
/// completed last counts; but a run that started from a model which has since been replaced is
/// stale and does not count, so that two regimes never meet in one figure.
pub fn gather(stores: &[RunStore], tier: &str) -> Result<Vec<FinishedRun>> {
    let mut all = Vec::new();
    for store in stores {
        all.extend(store.all_runs()?.into_iter().filter(|run| run.record.tier == tier));
    }
    // Nor do two versions of the study meet.
    let newest = all.iter().map(|run| run.record.schema).max();
    all.retain(|run| Some(run.record.schema) == newest);
    let known: BTreeSet<&str> = all.iter().map(|run| run.record.hash.as_str()).collect();
    let mut chosen: BTreeMap<(&str, u64), &FinishedRun> = BTreeMap::new();
    // Each pass settles one more generation: the base, what starts from it, and so on.
    for _ in 0..all.len() {
        let hashes: BTreeSet<&str> = chosen.values().map(|run| run.record.hash.as_str()).collect();
        let mut next: BTreeMap<(&str, u64), &FinishedRun> = BTreeMap::new();
        for run in &all {
            let parent = run.record.parent.as_deref();
            if parent.is_some_and(|parent| known.contains(parent) && !hashes.contains(parent)) {
                continue;
            }
            let newest = next.entry((&run.record.arm, run.record.seed)).or_insert(run);
            if newest.record.finished_at < run.record.finished_at {
                *newest = run;
            }
        }
        let settled = next.len() == chosen.len()
            && next.values().zip(chosen.values()).all(|(a, b)| a.record.hash == b.record.hash);
        chosen = next;
        if settled {
            break;
        }
    }
    Ok(chosen.into_values().cloned().collect())
}

fn export_run(run: &FinishedRun, to: &Path) -> Result<()> {
    run.verify()?;
    let target = to.join(&run.spec.arm).join(run.spec.folder_name());
    fs::create_dir_all(&target).map_err(Error::io(&target))?;
    let kept = run.record.files.keys().filter(|name| !name.starts_with("model/")).map(String::as_str);
    // The record last: an export that is cut short does not read as complete.
    for name in kept.chain([RECORD]) {
        let from = run.folder().join(name);
        let bytes = fs::read(&from).map_err(Error::io(&from))?;
        write_atomically(&target.join(name), &bytes)?;
    }
    Ok(())
}

/// The config is written before training. One that is already there must say the same.
fn write_config(path: &Path, spec: &RunSpec) -> Result<()> {
    if path.exists() {
        let found: RunSpec = read_json(path)?;
        if found == *spec || found.hash() == spec.hash() {
            return Ok(());
        }
        let message = "holds other settings than its folder's name; remove the folder".to_owned();
        return Err(Error::RunStore { path: path.to_path_buf(), message });
    }
    write_json(path, spec)
}

/// Removes what an earlier process was killed in the middle of writing.
fn remove_unfinished(folder: &Path) -> Result<()> {
    for parent in [folder.to_path_buf(), folder.join(super::handle::CHECKPOINT)] {
        if !parent.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&parent).map_err(Error::io(&parent))? {
            let entry = entry.map_err(Error::io(&parent))?;
            if entry.file_name().to_string_lossy().ends_with(UNFINISHED) {
                disk::remove_if_there(&entry.path())?;
            }
        }
    }
    Ok(())
}

/// Sorted sub-folders; none where `parent` does not exist.
fn folders_in(parent: &Path) -> Result<Vec<PathBuf>> {
    if !parent.exists() {
        return Ok(Vec::new());
    }
    let mut folders = Vec::new();
    for entry in fs::read_dir(parent).map_err(Error::io(parent))? {
        let path = entry.map_err(Error::io(parent))?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}
