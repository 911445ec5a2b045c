//! The atoms: hand-written Python functions, one file of `data/catalog` a topic.
//!
//! The paper's *atomic functions* (arXiv 2406.10305, section on data synthesis): small, typed,
//! described in natural language, joined later into composites. Each topic says its side: *source*
//! topics, whose composites are trained on, or *target* topics, whose composites never are.
//!
//! An atom has one parameter `x`, is pure, deterministic and total over its input type, and returns
//! its declared output type: `sort_unique` takes `[2, 1, 2]` to `[1, 2]`. [`Catalog::load`] refuses a
//! file that breaks the format; [`check_catalog`] runs every atom to see that the rest holds.
//!
//! Invariant: nothing here starts a process. Only `check` runs programs, through the sandbox.

mod check;
mod load;

use std::path::Path;

use itertools::Itertools;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use check::{AtomCheck, CheckReport, check_catalog};

use crate::base::{Result, Seed, canonical_json, hash_bytes};
use crate::data::probe::distinct;
use crate::data::value::{Domain, Value, ValueType};

/// Which half of the study a topic belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Hash, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Side {
    /// Composites over these topics are trained on (Composite_A).
    #[default]
    Source,
    /// The target domain (Composite_B): only single atoms are ever trained on.
    Target,
}

/// English descriptions of an atom; the last is the held-out paraphrase.
pub const ENGLISH: usize = 5;
/// Chinese descriptions of an atom (the paper's prompts are Chinese).
pub const CHINESE: usize = 2;

/// One hand-written Python function and what is said about it: an entry of its topic's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Atom {
    /// Unique in the catalog; also the name of the function in `source`, where it occurs once.
    pub id: String,
    /// The name of its file.
    #[serde(skip_deserializing)]
    pub topic: String,
    /// The side of its topic.
    #[serde(skip_deserializing)]
    pub side: Side,
    /// Type of the argument; no atom takes a `bool`.
    pub input: ValueType,
    /// Type of what it returns.
    pub output: ValueType,
    /// `def <id>(x):` and an indented body, without a trailing newline.
    pub source: String,
    /// Five imperative phrases, in the language that is asked; the fifth is kept for held-out prompts.
    pub en: Vec<String>,
    /// Two Chinese phrases.
    pub zh: Vec<String>,
    /// Where random inputs come from, and the inputs to always try (of type `input`).
    pub domain: Domain,
}

impl Atom {
    /// `list[int] -> int`, for tables and messages.
    pub fn signature(&self) -> String {
        format!("{} -> {}", self.input, self.output)
    }

    /// The edge cases of the domain, then draws from it: `count` distinct inputs, fewer where the
    /// domain has no more. Each atom has draws of its own.
    pub fn probes(&self, count: usize, seed: Seed) -> Vec<Value> {
        let mut rng = seed.child(&self.id).stream("domain probes");
        distinct(self.domain.edges.clone(), count, self.input, std::slice::from_ref(&self.domain), &mut rng)
    }
}

/// All atoms: topics by name, atoms in the order of their file.
#[derive(Debug, Clone)]
pub struct Catalog {
    atoms: Vec<Atom>,
}

impl Catalog {
    /// Reads and validates the `.toml` files of `dir`, each of them a topic with any number of atoms.
    ///
    /// # Errors
    /// `Error::Io` for what cannot be read, `Error::Parse` (with a line where there is one) for TOML
    /// that does not have the format, `Error::Catalog` (file, line, atom, field) for an atom that
    /// breaks a rule, `Error::Empty` for a folder without topics.
    pub fn load(dir: &Path) -> Result<Catalog> {
        Ok(Catalog { atoms: load::read_dir(dir)? })
    }

    /// The same with other topics on the two sides, as many of each, dealt by `seed`.
    #[must_use]
    pub fn with_dealt_sides(mut self, seed: Seed) -> Catalog {
        let mut topics = self.atoms.iter().map(|atom| (atom.topic.clone(), atom.side)).unique().collect_vec();
        let mut sides = topics.iter().map(|(_, side)| *side).collect_vec();
        sides.shuffle(&mut seed.stream("sides"));
        topics.iter_mut().zip(sides).for_each(|((_, old), side)| *old = side);
        for atom in &mut self.atoms {
            let dealt = topics.iter().find(|(topic, _)| *topic == atom.topic);
            atom.side = dealt.map_or(atom.side, |(_, side)| *side);
        }
        self
    }

    /// The same described in Chinese, the language of the paper's prompts: the first Chinese phrase in four forms for
    /// training, the second one held out.
    #[must_use]
    pub fn in_chinese(mut self) -> Catalog {
        for atom in &mut self.atoms {
            let [said, held_out] = [&atom.zh[0], &atom.zh[1]];
            let forms = ["", "请", "需要", "要求"].map(|before| format!("{before}{said}"));
            atom.en = forms.into_iter().chain([held_out.clone()]).collect();
        }
        self
    }

    /// In catalog order; chains name an atom by its place here.
    pub fn atoms(&self) -> &[Atom] {
        &self.atoms
    }

    /// The place of an atom in [`Catalog::atoms`].
    pub fn position(&self, id: &str) -> Option<usize> {
        self.atoms.iter().position(|atom| atom.id == id)
    }

    /// The atom of this id.
    pub fn get(&self, id: &str) -> Option<&Atom> {
        self.position(id).map(|place| &self.atoms[place])
    }

    /// SHA-256 (hex) over what the atoms say, in catalog order. Comments and layout of the files
    /// do not enter it. Part of every data-set hash.
    pub fn content_hash(&self) -> String {
        hash_bytes(canonical_json(json!(self.atoms)))
    }
}

#[cfg(test)]
mod tests;
