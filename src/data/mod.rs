//! From the catalog of atoms to problems in their splits, the corpus and the tokenizer.
//!
//! Reading order: typed values, the inputs that functions are compared on, programs as text, tables, problems;
//! then the catalog of atoms, the synthesis of chains, the study's splits, the corpus of the base model,
//! the tokenizer, and the audits of all this.
//!
//! Invariant: nothing here knows a tensor; programs are run by [`crate::sandbox`] alone.

mod value;
mod probe;
mod python;
mod table;
mod problem;
mod catalog;
mod fault;
mod synth;
mod split;
mod corpus;
mod tokenizer;
mod audit;

pub use audit::{
    CorpusHit, CorpusReport, HiddenCaseConfig, HiddenCaseReport, Leak, LeakKind, LeakReport, MutantConfig,
    MutantReport, OperatorCounts, PairSummary, Survivor, corpus_audit, hidden_case_audit, leak_audit,
};
pub use catalog::{Atom, AtomCheck, Catalog, CheckReport, Side, check_catalog};
pub use corpus::{Corpus, CorpusConfig, Document, withheld};
pub use fault::{Fault, Steps};
pub use problem::{Case, Problem, Set, read_problems, write_problems};
pub use split::{Provenance, SplitConfig, Splits};
pub(crate) use synth::CONNECTIVES;
pub use synth::{ChainRequest, Operator, Rejection, Rules, Sizes, Topics, connective, synthesize};
pub(crate) use table::table as text_table;
pub use tokenizer::Codec;
pub use value::{Domain, Value, ValueType};
