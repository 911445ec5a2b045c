//! Opening a store, beginning a run, listing and exporting complete ones.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use itertools::Itertools;

use super::RunSpec;
use super::finished::FinishedRun;
use super::handle::{RunHandle, lock};
use crate::base::{Error, Result, entries};

/// A folder of runs: `data/runs`, or committed records under `data/records/<tier>`.
#[derive(Debug, Clone)]
pub struct RunStore {
    root: PathBuf,
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
    /// The runs in the folder `root`, which is made by the first that begins. Nothing else writes there.
    pub fn new(root: impl Into<PathBuf>) -> RunStore {
        RunStore { root: root.into() }
    }

    /// The run with exactly this spec, if it is complete.
    pub fn find(&self, spec: &RunSpec) -> Result<Option<FinishedRun>> {
        FinishedRun::open(&spec.folder(&self.root)?)
    }

    /// Claims a run, waiting up to `patience` for another process that works on it to let go.
    ///
    /// # Errors
    /// `Error::Locked` where it does not.
    pub fn begin(&self, spec: &RunSpec, patience: Duration) -> Result<Begin> {
        let folder = spec.folder(&self.root)?;
        fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        let started = Instant::now();
        let lock = loop {
            match lock(&folder) {
                Err(Error::Locked { .. }) if started.elapsed() < patience => {
                    std::thread::sleep(Duration::from_millis(200));
                }
                other => break other?,
            }
        };
        // Asked under the lock: the process that held it a moment ago may have completed the run.
        match FinishedRun::open(&folder)? {
            Some(run) => Ok(Begin::Complete(Box::new(run))),
            None => Ok(Begin::Ready(Box::new(RunHandle::resume(folder, spec.clone(), lock)?))),
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
