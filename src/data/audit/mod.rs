//! Audits of the data itself: does a training part tell of a test part ([`leak_audit`]), and do
//! the hidden cases refuse wrong programs ([`hidden_case_audit`])?

mod hidden;
mod leak;
mod mutants;

pub use hidden::{HiddenCaseConfig, HiddenCaseReport, hidden_case_audit};
pub use leak::{Leak, LeakKind, LeakReport, PairSummary, leak_audit};
pub use mutants::{MutantConfig, MutantReport, OperatorCounts, Survivor};
