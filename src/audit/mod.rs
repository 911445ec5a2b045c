//! Audits of the data itself: does a training part tell of a test part ([`leak_audit`]), and do
//! the hidden cases refuse wrong programs ([`mutant_audit`])?

mod leak;
mod mutants;

pub use leak::{Leak, LeakKind, LeakReport, PairSummary, leak_audit};
pub use mutants::{MutantConfig, MutantReport, OperatorCounts, Survivor, mutant_audit};
