//! From the catalog of atoms to problems in their splits, the corpus and the tokenizer.

pub mod audit;
pub mod catalog;
pub mod corpus;
pub mod problem;
pub mod split;
pub mod synth;
pub mod tokenizer;
pub mod value;
