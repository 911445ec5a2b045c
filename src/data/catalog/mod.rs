//! The atoms: 100 hand-written Python functions over ten topics, read from `data/catalog`.
//!
//! The paper's *atomic functions* (arXiv 2406.10305, section on data synthesis): small, typed,
//! described in natural language, joined later into composites. Five topics are the *source*
//! domain, whose composites are trained on; five are the *target* domain, whose composites never are.
//!
//! An atom has one parameter `x`, is pure, deterministic and total over its input type, and returns
//! its declared output type: `sort_unique` takes `[2, 1, 2]` to `[1, 2]`. [`load`] refuses a file
//! that breaks the format; [`check`](check::check) runs every atom to see that the rest holds.
//!
//! Invariant: nothing here starts a process. Only `check` runs programs, through the sandbox.

pub mod check;
mod load;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::error::Result;
use crate::data::value::{Domain, ValueType};

/// Which half of the study a topic belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Composites over these topics are trained on (Composite_A).
    Source,
    /// The target domain (Composite_B): only single atoms are ever trained on.
    Target,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Side::Source => "source",
            Side::Target => "target",
        })
    }
}

/// The ten topics in catalog order, one file each: `data/catalog/<topic>.toml`.
pub const TOPICS: [(&str, Side); 10] = [
    ("sorting", Side::Source),
    ("mapping", Side::Source),
    ("reducing", Side::Source),
    ("arithmetic", Side::Source),
    ("strings", Side::Source),
    ("filtering", Side::Target),
    ("windows", Side::Target),
    ("digits", Side::Target),
    ("words", Side::Target),
    ("predicates", Side::Target),
];

pub const ATOMS_PER_TOPIC: usize = 10;
/// English descriptions of an atom; the last is the held-out paraphrase.
pub const ENGLISH: usize = 5;
/// Chinese descriptions of an atom (the paper's prompts are Chinese).
pub const CHINESE: usize = 2;

/// Names an atom must not use: chains call their helpers `p`, `q`, `u`, `k`, `z` and the entry `f`.
pub const RESERVED_NAMES: [&str; 6] = ["f", "p", "q", "u", "k", "z"];

/// One hand-written Python function and what is said about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Atom {
    /// Unique in the catalog; also the name of the function in `source`, where it occurs once.
    pub id: String,
    pub topic: String,
    pub side: Side,
    pub input: ValueType,
    pub output: ValueType,
    /// `def <id>(x):` and an indented body, without a trailing newline.
    pub source: String,
    /// Five imperative phrases; the fifth is kept for held-out prompts.
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
}

/// All atoms, in the order of [`TOPICS`] and, within a topic, of its file.
#[derive(Debug, Clone)]
pub struct Catalog {
    atoms: Vec<Atom>,
    by_id: HashMap<String, usize>,
    content_hash: String,
}

impl Catalog {
    /// Reads and validates the ten files of `dir`.
    ///
    /// # Errors
    /// `Error::Io` for a missing file, `Error::Parse` (with a line where there is one) for TOML that
    /// does not have the format, `Error::Catalog` (file, atom, field) for an atom that breaks a rule.
    pub fn load(dir: &Path) -> Result<Catalog> {
        load::read_dir(dir).map(Catalog::from_atoms)
    }

    /// `data/catalog` under the current directory or, failing that, in this crate's source tree.
    pub fn default_dir() -> PathBuf {
        let here = PathBuf::from("data/catalog");
        if here.is_dir() { here } else { Path::new(env!("CARGO_MANIFEST_DIR")).join("data/catalog") }
    }

    fn from_atoms(atoms: Vec<Atom>) -> Catalog {
        let by_id = atoms.iter().enumerate().map(|(index, atom)| (atom.id.clone(), index)).collect();
        let content_hash = content_hash(&atoms);
        Catalog { atoms, by_id, content_hash }
    }

    pub fn atoms(&self) -> &[Atom] {
        &self.atoms
    }

    pub fn get(&self, id: &str) -> Option<&Atom> {
        self.by_id.get(id).map(|&index| &self.atoms[index])
    }

    /// SHA-256 (hex) over what the atoms say, in catalog order. Comments and layout of the files
    /// do not enter it. Part of every data-set hash.
    pub fn content_hash(&self) -> &str {
        &self.content_hash
    }
}

/// One JSON line an atom; the fields come in declaration order, so the text is canonical.
fn content_hash(atoms: &[Atom]) -> String {
    let mut hasher = Sha256::new();
    for atom in atoms {
        let line = serde_json::json!([
            atom.id,
            atom.topic,
            atom.side,
            atom.input,
            atom.output,
            atom.source,
            atom.en,
            atom.zh,
            atom.domain.range,
            atom.domain.length,
            atom.domain.edges
        ]);
        hasher.update(line.to_string());
        hasher.update(b"\n");
    }
    format!("{:x}", hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::value::Value;

    #[test]
    fn the_catalog_has_ten_topics_of_ten_atoms() {
        let catalog = Catalog::load(&Catalog::default_dir()).unwrap();
        assert_eq!(catalog.atoms().len(), 100);
        for (topic, side) in TOPICS {
            let atoms: Vec<&Atom> = catalog.atoms().iter().filter(|atom| atom.topic == topic).collect();
            assert_eq!(atoms.len(), ATOMS_PER_TOPIC, "{topic}");
            assert!(atoms.iter().all(|atom| atom.side == side), "{topic}");
        }
        let unique = catalog.get("sort_unique").unwrap();
        assert_eq!(unique.source, "def sort_unique(x):\n    return sorted(set(x))");
        assert_eq!(unique.signature(), "list[int] -> list[int]");
        assert!(catalog.get("sort_nothing").is_none());
    }

    /// A chain ends at a `bool`, so only a few atoms may return one.
    #[test]
    fn few_atoms_end_a_chain() {
        let catalog = Catalog::load(&Catalog::default_dir()).unwrap();
        let ends = catalog.atoms().iter().filter(|atom| atom.output == ValueType::Bool).count();
        assert!(ends <= 7, "{ends}");
    }

    #[test]
    fn edges_have_the_type_of_the_input() {
        let catalog = Catalog::load(&Catalog::default_dir()).unwrap();
        // TOML cannot tell the two empty lists apart; the loader can, from the declared type.
        let words = catalog.get("sort_by_length").unwrap();
        assert_eq!(words.domain.edges[0], Value::ListStr(Vec::new()));
        let numbers = catalog.get("sort_ascending").unwrap();
        assert_eq!(numbers.domain.edges[0], Value::ListInt(Vec::new()));
    }

    #[test]
    fn the_hash_sees_content_and_nothing_else() {
        let catalog = Catalog::load(&Catalog::default_dir()).unwrap();
        let mut atoms = catalog.atoms().to_vec();
        assert_eq!(content_hash(&atoms), catalog.content_hash());
        atoms[99].domain.edges.pop();
        assert_ne!(content_hash(&atoms), catalog.content_hash());
    }
}
