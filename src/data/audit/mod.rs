//! Audits of the data itself: does a training part tell of a test part ([`leak_audit`]), does the corpus
//! ([`corpus_audit`]), and do the hidden cases refuse wrong programs ([`hidden_case_audit`])?

mod corpus;
mod hidden;
mod leak;
mod mutants;

pub use corpus::{CorpusHit, CorpusReport, corpus_audit};
pub use hidden::{HiddenCaseConfig, HiddenCaseReport, hidden_case_audit};
pub use leak::{Leak, LeakKind, LeakReport, PairSummary, leak_audit};
pub use mutants::{MutantConfig, MutantReport, OperatorCounts, Survivor};
