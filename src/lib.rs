//! `sft-vs-rl`: re-execute what arXiv 2406.10305 found about supervised fine-tuning (SFT) and
//! reinforcement learning (RL) for code models, on models trained on the reader's own machine.
//!
//! # From the paper to the code
//!
//! | the paper | here |
//! |---|---|
//! | 100 hand-made *atomic functions* over ten topics | `data/catalog`, read by [`Catalog`], checked by [`check_catalog`] |
//! | a pipeline chains them into *synthetic functions* and keeps what runs, is never `None` and varies | [`synthesize`] |
//! | Atom_base, Composite_A, B and C; train and test sets stay distinct | [`Splits`], [`leak_audit`] |
//! | a code model that was pretrained | [`Decoder`], pretrained on a [`Corpus`] by [`train_supervised`] |
//! | SFT on chosen mixes | [`train_supervised`] on a [`Mixture`] |
//! | RL: PPO, rewarded by unit tests in a sandbox | [`train_ppo`], rewarded by a [`Judge`] through a [`Sandbox`] |
//! | the ablations of findings 1 to 3 | `data/arms.toml`, trained by [`Study`] with the settings of `data/tiers.toml` |
//! | "we find that ..." | `data/claims.toml`, judged by [`Claims`]; figures and tables of [`Runs`] |
//!
//! # Data flows down this list of rooms and never back up
//!
//! | room | what it is for |
//! |---|---|
//! | crate `kernels` | CPU kernels of the decoder, forward, backward and one token at a time, and AdamW |
//! | `base` | errors, files that are whole or absent, named random streams, progress, the device |
//! | `sandbox` | a program and its inputs in, a verdict out |
//! | `data` | catalog, chains, problems in their splits, corpus, tokenizer, audits |
//! | `model` | the decoder, its checkpoints, sampling |
//! | `train` | optimizer, pretraining and SFT (`supervised`), PPO (`ppo`), the reward |
//! | `study` | arms, tiers, one run from its first step to its record, the run store |
//! | `report` | frames of runs, claims, figures, tables |
//! | `lesson` | what cells of the notebooks do with one model and a few problems |
//! | `src/bin/sft-vs-rl` | the command line |
//!
//! # Invariants
//!
//! - Only `sandbox` starts processes, and only through `duct`. Nothing else knows how a program is run.
//! - Only the run store writes below `data/runs`; a file there is whole or absent.
//! - `unsafe` is in `kernels` and in `sandbox` and nowhere else.
//! - No global random state: every random number comes from a stream named by its place in the run ([`Seed`]).
//! - No result depends on the number of threads, on when a run was interrupted, or on the CPU's instruction set
//!   (`tests/same_bits.rs`).
//! - A failure of the kit never becomes a reward, an outcome or a verdict on a claim.
//! - `model` knows nothing of Python, `sandbox` nothing of tensors, `train` nothing of tiers and arms.
//!
//! # One example
//!
//! The catalog of the paper's atoms, and two of them chained:
//!
//! ```
//! use sft_vs_rl::{Catalog, ChainRequest, Sandbox, SandboxConfig, Seed, project_root, synthesize};
//! # fn main() -> sft_vs_rl::Result<()> {
//! let catalog = Catalog::load(&project_root().join("data/catalog"))?;
//! assert_eq!(catalog.atoms().len(), 100);
//! let sandbox = Sandbox::start(&SandboxConfig::for_this_machine())?;
//! let request = ChainRequest { topics: "source".parse()?, depth: [2, 2], count: 1 };
//! let problems = synthesize(&catalog, &sandbox, &request, Seed::new(1))?;
//! println!("{}", problems[0].show(3)); // prompt, reference program, three hidden cases
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]

mod base;
mod sandbox;
mod data;
mod model;
mod train;
mod study;
mod report;
mod lesson;

pub use base::{Error, Progress, Result, Seed, device, read_json, write_atomically};
pub use data::{
    Atom, AtomCheck, Case, Catalog, ChainRequest, CheckReport, Codec, Corpus, CorpusConfig, CorpusHit,
    CorpusReport, Document, Domain, HiddenCaseConfig, HiddenCaseReport, Leak, LeakKind, LeakReport,
    MutantConfig, MutantReport, Operator, OperatorCounts, PairSummary, Problem, Provenance, Rejection, Rules,
    Set, Side, Sizes, SplitConfig, Splits, Survivor, Topics, Value, ValueType, check_catalog, connective,
    hidden_case_audit, leak_audit, read_problems, synthesize, write_problems,
};
pub use lesson::{Answer, Answers, TokenLosses, predict};
pub use model::{Batch, Completion, Config, Decoder, Kernels, Sampling, ValueHead, sample};
pub use report::{
    Claims, ClaimsReport, Components, Contributions, Interval, JudgedClause, JudgedFinding, Labeled,
    Measured, Ruling, SetComponents, Spread, Svg, Table, arms_table, dataset_figure, ledger, local_figures,
    mutant_figure, panel, pass_at_k, style,
};
pub use sandbox::{
    Canary, CaseOutput, CaseWord, Isolation, IsolationLevel, Job, Limits, PyValue, Python, Sandbox,
    SandboxConfig, Verdict, serve_jsonl,
};
pub use study::{
    AnswerRow, AnswerWord, Arm, Arms, Atoms, Chains, Comparison, Connective, Cost, Dataset, Drift,
    EvalConfig, FINAL_STAGE, FinishedRun, Length, MetricRow, Options, OutcomeRow, PlannedRun, Pool, Prompts,
    Question, Recipe, Record, RunFacts, Runs, Shape, StageMemory, Study, StudyPlan, Tier, evaluate,
    project_root,
};
pub use train::{
    AdamW, AdamWConfig, Baseline, Court, Decay, Example, ExamplePool, Gradients, Judge, Judgement,
    KnownVerdicts, Learner, LearningRate, Microbatch, Mixture, Passage, PpoConfig, PpoStep, Reward,
    SupervisedConfig, SupervisedStep, Task, Verifier, clipped_policy_loss, clipped_value_loss,
    explained_variance, gae, kl_k1, kl_k3, mean_and_deviation, train_ppo, train_supervised, whiten,
};

/// For notebooks, which name this crate as their only dependency.
pub use {candle_core, plotters, polars};
