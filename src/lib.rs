//! `sft-vs-rl`: re-execute what arXiv 2406.10305 found about supervised fine-tuning (SFT) and
//! reinforcement learning (RL) for code models, on models trained on the reader's own machine.
//!
//! The modules are listed in reading order; data flows down this list and never back up.

pub mod base;
pub mod sandbox;
pub mod data;
pub mod model;
pub mod train;
pub mod study;
pub mod report;

pub use base::error::{Error, Result};

/// For notebooks, which name this crate as their only dependency.
pub use {candle_core, plotters, polars};
