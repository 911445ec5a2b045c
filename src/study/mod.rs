//! The study: every arm of a tier at a seed, trained where its record is missing, evaluated, kept.
//!
//! ```no_run
//! # fn main() -> sft_vs_rl::Result<()> {
//! use sft_vs_rl::Study;
//! let study = Study::open("quick")?; // the project around the current folder, the best device
//! let runs = study.train("finding2", 0..3)?; // reads finished runs, trains missing ones
//! println!("{}", runs.source());
//! # Ok(())
//! # }
//! ```

mod arms;
mod dataset;
mod drift;
mod evaluate;
mod fan_out;
mod memory;
mod plan;
mod run;
mod runs;
mod store;
mod tier;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use candle_core::Device;
use itertools::Itertools;

use crate::base::{Error, Result, device};
use crate::data::Catalog;
use crate::model::{Decoder, Kernels};
use crate::sandbox::{Sandbox, SandboxConfig};
use crate::study::store::{Begin, RunSpec, RunStore};
use crate::train::{Court, KnownVerdicts};

pub use arms::{Arm, Arms, Atoms, Chains, Length, Pool, Recipe};
pub use dataset::Dataset;
pub use evaluate::{EvalConfig, Question, evaluate};
pub use memory::StageMemory;
pub use plan::{PlannedRun, StudyPlan};
pub use runs::{Comparison, Runs};
pub use store::{
    AnswerRow, AnswerWord, Connective, Cost, Drift, FINAL_STAGE, FinishedRun, MetricRow, OutcomeRow, Prompts,
    Record, RunFacts,
};
pub use tier::{Shape, Tier};

/// How long a run waits for another process that works on the same run.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// What a study is opened with.
pub struct Options {
    /// The project's folder: `data/` is below it.
    pub root: PathBuf,
    /// Every size and setting.
    pub tier: Tier,
    /// Where the networks are computed.
    pub device: Device,
    /// And by which implementation.
    pub kernels: Kernels,
    /// What programs that a model wrote are judged in.
    pub sandbox: SandboxConfig,
}

impl Options {
    /// The project around the current folder (or, failing that, the one this was built in), the
    /// best device, the strictest sandbox.
    pub fn here(tier: &str) -> Result<Options> {
        let device = device::choose("auto")?;
        Ok(Options {
            root: project_root(),
            tier: Tier::named(tier)?,
            kernels: Kernels::best(&device),
            device,
            sandbox: SandboxConfig::for_this_machine(),
        })
    }
}

/// The nearest folder, from the current one upwards, that holds `data/catalog`.
pub fn project_root() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let found = here.ancestors().find(|folder| folder.join("data/catalog").is_dir());
    found.unwrap_or(Path::new(env!("CARGO_MANIFEST_DIR"))).to_path_buf()
}

/// A tier of a project, open: its design, its data, its runs.
pub struct Study {
    /// Every size and setting.
    pub tier: Tier,
    /// The project's folder.
    pub root: PathBuf,
    /// The design.
    pub arms: Arms,
    /// The atoms that problems and corpus are made of.
    pub catalog: Catalog,
    /// Problems and tokenizer.
    pub dataset: Dataset,
    /// What judges programs.
    pub sandbox: Sandbox,
    /// What a custom tier was made from, where both have the same data.
    plain: Option<Tier>,
    store: RunStore,
    known: KnownVerdicts,
    device: Device,
    kernels: Kernels,
}

impl Study {
    /// The study of a tier in the project around the current folder.
    pub fn open(tier: &str) -> Result<Study> {
        Study::with(Options::here(tier)?)
    }

    /// Opens design, catalog, sandbox, data (built if missing) and run store.
    pub fn with(options: Options) -> Result<Study> {
        device::instructions()?;
        let Options { root, tier, device, kernels, sandbox } = options;
        Study::assemble(root, tier, device, kernels, Sandbox::start(&sandbox)?)
    }

    /// This study with another tier.
    pub(crate) fn of_tier(self, tier: Tier) -> Result<Study> {
        Study::assemble(self.root, tier, self.device, self.kernels, self.sandbox)
    }

    fn assemble(
        root: PathBuf,
        tier: Tier,
        device: Device,
        kernels: Kernels,
        sandbox: Sandbox,
    ) -> Result<Study> {
        let arms = Arms::load(&root)?;
        let catalog = tier.catalog(&root)?;
        let dataset = Dataset::open(&root, &tier, &catalog, &sandbox)?;
        let data = |tier: &Tier| dataset::settings_hash(tier, &tier.catalog(&root)?);
        let plain = match tier.plain.as_deref() {
            Some(plain) if data(plain)? == data(&tier)? => Some(plain.clone()),
            _ => None,
        };
        let store = RunStore::new(root.join("data/runs"));
        let known = KnownVerdicts::default();
        Ok(Study { tier, root, arms, catalog, dataset, sandbox, plain, store, known, device, kernels })
    }

    /// The finished runs of `what` (see [`Arms::select`]) at `seeds`: this machine's, else committed
    /// records with the same settings and data, else trained now.
    pub fn train(&self, what: &str, seeds: impl IntoIterator<Item = u64>) -> Result<Runs> {
        let arms = self.arms.select(what)?;
        let mut runs = Vec::new();
        for (seed, arm) in seeds.into_iter().cartesian_product(arms) {
            let spec = self.spec(arm, seed)?;
            let own = self.store.find(&spec)?;
            let found = own.map_or_else(|| self.committed(&spec), |own| Ok(Some(own)))?;
            runs.push(found.map_or_else(|| self.run(arm, seed), Ok)?);
        }
        runs.sort_by_key(|run| (run.record.arm.clone(), run.record.seed));
        Ok(Runs { root: self.root.clone(), tier: self.tier.name.clone(), runs })
    }

    /// The finished run of `arm` at `seed` on this machine: from the store, or trained now (its parents
    /// first).
    pub fn run(&self, arm: &Arm, seed: u64) -> Result<FinishedRun> {
        self.run_as(arm, seed, &arm.name)
    }

    /// [`Study::run`] with progress told under the name `label`.
    fn run_as(&self, arm: &Arm, seed: u64, label: &str) -> Result<FinishedRun> {
        let spec = self.spec(arm, seed)?;
        if let Some(run) = self.store.find(&spec)? {
            return Ok(run);
        }
        arm.parent.as_ref().map(|name| self.origin(self.arms.arm(name)?, seed)).transpose()?;
        match self.store.begin(&spec, PATIENCE)? {
            Begin::Complete(run) => Ok(*run),
            Begin::Ready(handle) => self.train_run(arm, seed, label, *handle),
        }
    }

    /// The finished run of `arm` at `seed` with its model, for another that starts from it: this machine's, else a
    /// committed record that has its model, else trained now.
    fn origin(&self, arm: &Arm, seed: u64) -> Result<FinishedRun> {
        let spec = self.spec(arm, seed)?;
        if let Some(own) = self.store.find(&spec)? {
            return Ok(own);
        }
        match self.committed(&spec)?.filter(|run| run.model_dir().is_some()) {
            Some(committed) => committed.verify().map(|()| committed),
            None => self.run(arm, seed),
        }
    }

    /// The record that the project ships of the run.
    fn committed(&self, spec: &RunSpec) -> Result<Option<FinishedRun>> {
        RunStore::new(self.root.join("data/records").join(&spec.tier)).find(spec)
    }

    /// The model of `arm` at `seed`, trained now if it is neither in the store nor committed.
    pub fn model(&self, arm: &str, seed: u64) -> Result<Decoder> {
        self.load_model(&self.origin(self.arms.arm(arm)?, seed)?)
    }

    /// Everything that decides the content of a run. What the settings of a custom tier do not touch is a run of the
    /// tier that it was made from.
    fn spec(&self, arm: &Arm, seed: u64) -> Result<RunSpec> {
        let parent = arm.parent.as_ref().map(|name| self.spec(self.arms.arm(name)?, seed)).transpose()?;
        let config = self.config_in(&self.tier, arm, seed);
        let untouched = |plain: &&Tier| {
            config == self.config_in(plain, arm, seed)
                && parent.as_ref().is_none_or(|parent| parent.tier == plain.name)
        };
        let tier = self.plain.as_ref().filter(untouched).unwrap_or(&self.tier).name.clone();
        Ok(RunSpec {
            arm: arm.name.clone(),
            seed,
            tier,
            config,
            data_hash: self.dataset.hash.clone(),
            parent: parent.map(|spec| spec.hash()),
        })
    }

    /// An arm's whole configuration.
    fn config_in(&self, tier: &Tier, arm: &Arm, seed: u64) -> serde_json::Value {
        let plan = self.plan_in(tier, arm);
        let mut eval = serde_json::json!(tier.eval);
        // Which other seeds keep their answers is no setting of this run.
        eval["keep_answers"] = tier.eval.keep_answers.contains(&seed).into();
        // Where it is 1, runs were made before there was this setting.
        if let Some(eval) = eval.as_object_mut().filter(|_| tier.eval.temperature == 1.0) {
            eval.remove("temperature");
        }
        serde_json::json!({
            "recipe": arm.recipe,
            "training": plan.settings,
            "eval": eval,
            "stages": plan.stages.keys().collect_vec(),
            "kernels": <&str>::from(self.kernels),
        })
    }

    /// What judges answers to this data set.
    pub fn court(&self) -> Court<'_> {
        Court { sandbox: &self.sandbox, codec: &self.dataset.codec, known: &self.known }
    }

    /// The trained model of a finished run.
    pub fn load_model(&self, run: &FinishedRun) -> Result<Decoder> {
        let folder = run.model_dir().ok_or_else(|| Error::RunStore {
            path: run.folder().to_path_buf(),
            message: "has no model (it is an exported record); train the arm to get one".to_owned(),
        })?;
        Decoder::load(&folder, &self.device, self.kernels)
    }

    /// What results were made with and on, for the record.
    fn environment(&self) -> Result<BTreeMap<String, String>> {
        let facts = [
            ("sft-vs-rl", env!("CARGO_PKG_VERSION").to_owned()),
            ("candle", "0.11.1".to_owned()),
            ("device", device::describe(&self.device)),
            ("instructions", device::instructions()?.to_string()),
            ("threads", rayon::current_num_threads().to_string()),
        ];
        Ok(facts.map(|(name, fact)| (name.to_owned(), fact)).into())
    }
}
