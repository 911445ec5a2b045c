//! From the catalog of atoms to problems in their splits, the corpus and the tokenizer.

pub mod value;
pub mod probe;
pub mod python;
pub mod problem;
pub mod catalog;
pub mod synth;
pub mod split;
pub mod corpus;
pub mod tokenizer;
pub mod audit;
