//! The functions that documents are made of: the atoms, and filler from outside the catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use itertools::{Itertools, iproduct};
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::base::{ChaCha8Rng, Result};
use crate::data::catalog::{Atom, Catalog};
use crate::data::probe::{N_COMMON, shared_probes};
use crate::data::problem::{Case, chain_key};
use crate::data::split::{N_AUDIT_PROBES, Splits};
use crate::data::synth::{Chain, Oracle, Types, solvers};
use crate::data::value::{Value, ValueType};
use crate::sandbox::Sandbox;

/// One function that a document may describe or hold.
#[derive(Debug, Clone)]
pub struct Part {
    /// The id of an atom; of filler, its description. What keys of chains are made of.
    pub name: String,
    /// What documents say that it does.
    pub descriptions: Vec<String>,
    pub source: String,
    pub types: Types,
}

/// Of each type three functions: what they do, and the expression that does it.
static FILLER: LazyLock<BTreeMap<ValueType, [[String; 2]; 3]>> = LazyLock::new(|| {
    // Compiled in, and read by every test that makes documents.
    toml::from_str(include_str!("../../../data/filler.toml"))
        .expect("data/filler.toml holds twelve functions")
});

/// The types of [`FILLER`], in the order they are drawn from.
pub const FILLER_TYPES: [ValueType; 4] =
    [ValueType::Int, ValueType::ListInt, ValueType::Str, ValueType::ListStr];

/// What stands for `{n}` and `{m}`, and for `{word}`.
const NUMBERS: std::ops::Range<u8> = 3..10;
const WORDS: [&str; 5] = ["a", "ok", "end", "x", "no"];

fn fill(kind: ValueType, template: &[String; 2], n: u8, m: u8, word: &str) -> Part {
    let fill = |text: &String| {
        text.replace("{n}", &n.to_string()).replace("{m}", &m.to_string()).replace("{word}", word)
    };
    let [name, expression] = template.each_ref().map(fill);
    let source = format!("def g(x):\n    return {expression}\n");
    Part { descriptions: vec![name.clone()], name, source, types: (kind, kind) }
}

/// A filler function: simple, parametrized by a random constant or word.
pub fn filler(kind: ValueType, rng: &mut ChaCha8Rng) -> Part {
    let [n, m] = std::array::from_fn(|_| rng.random_range(NUMBERS));
    let word = WORDS.choose(rng).copied().unwrap_or(WORDS[0]);
    fill(kind, &FILLER[&kind][usize::from(rng.random_range(0..3u8))], n, m, word)
}

/// Everything that documents can be made of: all atoms at their places in the catalog, then all filler.
pub fn parts(catalog: &Catalog) -> Vec<Part> {
    let atom = |atom: &Atom| Part {
        name: atom.id.clone(),
        descriptions: atom.en.clone(),
        source: atom.source.clone(),
        types: (atom.input, atom.output),
    };
    let templates =
        FILLER.iter().flat_map(|(kind, of_kind)| of_kind.iter().map(|template| (*kind, template)));
    let filler = iproduct!(templates, NUMBERS, NUMBERS, WORDS)
        .map(|((kind, template), n, m, word)| fill(kind, template, n, m, word));
    catalog.atoms().iter().map(atom).chain(filler.unique_by(|part| part.name.clone())).collect()
}

/// The keys of all chains that no document may hold: those of the composite problems, and all that documents
/// could be made of and that behave like one: their outputs are the reference's on all hidden cases, or on all
/// probes of audits. A chain that holds a shorter one of these is not named.
///
/// # Errors
/// `Error::Sandbox` where the search fails.
pub fn withheld(catalog: &Catalog, sandbox: &Sandbox, splits: &Splits) -> Result<BTreeSet<String>> {
    let behaviors = splits.behaviors(&mut Oracle::new(catalog, sandbox), N_AUDIT_PROBES)?;
    let composites = splits.iter().zip(behaviors).filter(|(problem, _)| problem.depth > 1).collect_vec();
    let mut exams = Vec::new();
    for (problem, does) in &composites {
        let probes = shared_probes(problem.input, N_AUDIT_PROBES, splits.audit_seed());
        let case = |(input, expected): (_, &Option<Value>)| Some(Case { input, expected: expected.clone()? });
        let probes = probes.into_iter().zip(&does.outputs).filter_map(case);
        let common = problem.cases.iter().take(N_COMMON).cloned();
        exams.push((does.types, problem.cases.clone()));
        exams.push((does.types, common.chain(probes).collect()));
    }
    let parts = parts(catalog);
    let functions = parts.iter().map(|part| (part.source.as_str(), part.types)).collect_vec();
    let found: BTreeSet<Chain> = solvers(&functions, &exams, sandbox)?.into_iter().collect();
    let is_shortest =
        |chain: &&Chain| (1..chain.len()).all(|length| chain.windows(length).all(|run| !found.contains(run)));
    let key = |chain: &Chain| chain_key(chain.iter().map(|&place| &parts[place].name));
    Ok(found
        .iter()
        .filter(is_shortest)
        .map(key)
        .chain(composites.iter().map(|(problem, _)| problem.key.clone()))
        .collect())
}
