//! `sft-vs-rl`: re-execute what arXiv 2406.10305 found about supervised fine-tuning (SFT) and
//! reinforcement learning (RL) for code models, on models trained on the reader's own machine.
//!
//! The modules are listed in reading order; data flows down this list and never back up.

pub mod error;
pub mod seed;
pub mod value;
pub mod problem;
pub mod sandbox;
pub mod catalog;
pub mod synth;
pub mod split;
pub mod audit;
pub mod corpus;
pub mod token;
pub mod ops;
pub mod model;
pub mod optim;
pub mod rollout;
pub mod objectives;
pub mod packing;
pub mod pretrain;
pub mod sft;
pub mod ppo;
pub mod runs;
pub mod reward;
pub mod evaluate;
pub mod device;
pub mod arms;
pub mod tier;
pub mod memory;
pub mod progress;
pub mod frame;
pub mod claims;
pub mod figure;
pub mod report;
pub mod study;

pub use error::{Error, Result};

/// For notebooks, which name this crate as their only dependency.
pub use {candle_core, plotters, polars};
