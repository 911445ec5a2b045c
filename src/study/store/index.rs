//! Opening a store, beginning a run, listing and exporting complete ones.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use itertools::Itertools;

use super::RunSpec;
use super::finished::FinishedRun;
use super::handle::{RunHandle, lock};
use crate::base::entries;
use crate::base::{Error, Result};

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

    fn folder_of(&self, spec: &RunSpec) -> PathBuf {
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
        spec.check()?;
        let folder = self.folder_of(spec);
        fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        // Whether it is complete is asked under the lock: the process that held it a moment ago may have
        // completed it.
        let lock = lock(&folder)?;
        match FinishedRun::open(&folder)? {
            Some(run) => Ok(Begin::Complete(Box::new(run))),
            None => Ok(Begin::Ready(Box::new(RunHandle::resume(folder, spec.clone(), lock)?))),
        }
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

    /// Complete runs of a tier that belong together, sorted by arm and seed, one for each. Where an arm
    /// and seed was run under several configurations, the one completed last counts; but a run that
    /// started from a model which has since been replaced is stale and does not count, so that two
    /// regimes never meet in one figure. Nor do two versions of the study.
    pub fn runs(&self, tier: &str) -> Result<Vec<FinishedRun>> {
        let mut all = self.all_runs()?;
        all.retain(|run| run.record.tier == tier);
        let newest = all.iter().map(|run| run.record.schema).max();
        all.retain(|run| Some(run.record.schema) == newest);
        let parents: HashMap<String, Option<String>> =
            all.iter().map(|run| (run.record.hash.clone(), run.record.parent.clone())).collect();
        // How many of a run's ancestors are here. A parent's number is lower, so it is chosen first.
        let generation = |run: &FinishedRun| {
            std::iter::successors(Some(&run.record.hash), |hash| parents.get(*hash)?.as_ref()).count()
        };
        let key = |run: &FinishedRun| (generation(run), run.record.arm.clone(), run.record.seed);
        let mut chosen: BTreeMap<(String, u64), FinishedRun> = BTreeMap::new();
        for run in all.into_iter().sorted_by_cached_key(|run| (key(run), run.record.finished_at)) {
            let stale = run.record.parent.as_ref().is_some_and(|parent| {
                parents.contains_key(parent) && !chosen.values().any(|run| run.record.hash == *parent)
            });
            if !stale {
                chosen.insert((run.record.arm.clone(), run.record.seed), run);
            }
        }
        Ok(chosen.into_values().collect())
    }

    /// Every complete run in the store, whatever its tier and configuration.
    pub fn all_runs(&self) -> Result<Vec<FinishedRun>> {
        let mut runs = Vec::new();
        for arm in entries(&self.root)?.iter().filter(|arm| arm.is_dir()) {
            for folder in entries(arm)? {
                runs.extend(FinishedRun::open(&folder)?);
            }
        }
        Ok(runs)
    }
}
