//! The study's data sets: Atom_base, Composite_A (train and held out), Composite_B, Composite_C,
//! and deeper chains.
//!
//! No two chains of different sets have the same key or the same behavior, because all of them
//! are picked by one [`Synthesizer`], which passes over a chain that behaves like one it has taken
//! (or like an atom). [`crate::data::audit`] checks this again, on other and more inputs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::error::{Error, Result};
use crate::base::files::write_atomically;
use crate::base::seed::Seed;
use crate::data::catalog::Catalog;
use crate::data::problem::{Problem, Set};
use crate::data::python::MAX_DEPTH;
use crate::data::synth::{self, Candidate, Chain, Rejection, Rules, Synthesizer, Topics, Usage};
use crate::sandbox::Sandbox;

/// Changes whenever the same config and seed would give other problems.
pub const FORMAT: u32 = 3;

/// Number of chains by depth.
pub type Sizes = BTreeMap<usize, usize>;

/// How many chains each set has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitConfig {
    pub a_train: Sizes,
    /// Made of atoms that chains of `a_train` contain, so that only the composition is new.
    pub a_held_out: Sizes,
    pub b: Sizes,
    pub c: Sizes,
    /// Depths 4 and 5 over the source topics.
    pub deep: Sizes,
    pub rules: Rules,
}

impl SplitConfig {
    /// Sizes of the quick tier (ours; the paper's are not known).
    pub fn quick() -> Self {
        SplitConfig {
            a_train: Sizes::from([(2, 200), (3, 200)]),
            a_held_out: Sizes::from([(2, 60), (3, 60)]),
            b: Sizes::from([(2, 60), (3, 60)]),
            c: Sizes::from([(2, 60), (3, 60)]),
            deep: Sizes::from([(4, 30), (5, 30)]),
            rules: Rules::STANDARD,
        }
    }

    /// A few chains a set, for tests and for a run that only shows that everything works.
    pub fn smoke() -> Self {
        SplitConfig {
            a_train: Sizes::from([(2, 16), (3, 8)]),
            a_held_out: Sizes::from([(2, 4), (3, 2)]),
            b: Sizes::from([(2, 4), (3, 2)]),
            c: Sizes::from([(2, 4), (3, 2)]),
            deep: Sizes::from([(4, 2), (5, 2)]),
            rules: Rules::STANDARD,
        }
    }

    fn check(&self) -> Result<()> {
        let sets = [
            ("a_train", &self.a_train),
            ("a_held_out", &self.a_held_out),
            ("b", &self.b),
            ("c", &self.c),
            ("deep", &self.deep),
        ];
        for (field, sizes) in sets {
            if let Some(depth) = sizes.keys().find(|depth| !(2..=MAX_DEPTH).contains(*depth)) {
                let message = format!("depth {depth} is not within 2..{}", MAX_DEPTH);
                return Err(Error::config(format!("split.{field}"), message));
            }
        }
        Ok(())
    }
}

/// Where the problems came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    pub format: u32,
    pub seed: u64,
    pub config: SplitConfig,
    /// Candidate chains that were looked at, and why some were not kept.
    pub considered: usize,
    pub rejected: BTreeMap<Rejection, usize>,
}

/// The first line of a saved file.
#[derive(Serialize, Deserialize)]
struct Header {
    provenance: Provenance,
    content_hash: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Splits {
    pub provenance: Provenance,
    pub atoms: Vec<Problem>,
    pub a_train: Vec<Problem>,
    pub a_held_out: Vec<Problem>,
    pub b: Vec<Problem>,
    pub c: Vec<Problem>,
    pub deep: Vec<Problem>,
}

/// Builds all sets. Takes some tens of seconds at quick size; [`Splits::save`] what it returns.
pub fn build(catalog: &Catalog, sandbox: &Sandbox, config: &SplitConfig, seed: Seed) -> Result<Splits> {
    config.check()?;
    let mut synthesizer = Synthesizer::new(catalog, sandbox, config.rules, seed)?;
    let mut left: BTreeMap<usize, Vec<Candidate>> = BTreeMap::new();

    // Training chains first, at all depths: only then is it known which atoms they contain.
    let mut usage = Usage::default();
    let mut a_train = Vec::new();
    for (&depth, &count) in &config.a_train {
        let held_out = config.a_held_out.get(&depth).copied().unwrap_or(0);
        let pool = synthesizer.pool(Topics::Source, depth, count + held_out)?;
        let (picked, rest) = synthesizer.pick(pool, count, &mut usage, |_| true)?;
        a_train.extend(picked);
        left.insert(depth, rest);
    }
    let trained: BTreeSet<usize> = a_train.iter().flatten().copied().collect();
    let known = |chain: &Chain| chain.iter().all(|atom| trained.contains(atom));

    let mut a_held_out = Vec::new();
    let mut usage = Usage::default();
    for (&depth, &count) in &config.a_held_out {
        let pool = match left.remove(&depth) {
            Some(rest) => rest,
            None => synthesizer.pool(Topics::Source, depth, count)?,
        };
        a_held_out.extend(synthesizer.pick(pool, count, &mut usage, known)?.0);
    }

    let mut set = |topics: Topics, sizes: &Sizes, allowed: &dyn Fn(&Chain) -> bool| -> Result<Vec<Chain>> {
        let mut usage = Usage::default();
        let mut chains = Vec::new();
        for (&depth, &count) in sizes {
            let pool = synthesizer.pool(topics, depth, count)?;
            chains.extend(synthesizer.pick(pool, count, &mut usage, allowed)?.0);
        }
        Ok(chains)
    };
    let b = set(Topics::Target, &config.b, &|_| true)?;
    let c = set(Topics::Mixed, &config.c, &|_| true)?;
    let deep = set(Topics::Source, &config.deep, &known)?;

    let a_train = interleave(a_train);
    let alone: Vec<Chain> = (0..catalog.atoms().len()).map(|atom| vec![atom]).collect();
    Ok(Splits {
        atoms: synthesizer.problems(&alone, Set::AtomBase)?,
        a_train: synthesizer.problems(&a_train, Set::CompositeATrain)?,
        a_held_out: synthesizer.problems(&a_held_out, Set::CompositeAHeldOut)?,
        b: synthesizer.problems(&b, Set::CompositeB)?,
        c: synthesizer.problems(&c, Set::CompositeC)?,
        deep: synthesizer.problems(&deep, Set::Deep)?,
        provenance: Provenance {
            format: FORMAT,
            seed: seed.value(),
            config: config.clone(),
            considered: synthesizer.considered,
            rejected: synthesizer.rejected,
        },
    })
}

/// Spreads the depths evenly over the list, so that its first n chains are a small version of
/// the whole: the arms of finding 1 train on the first 4, 16, 64, ... chains.
fn interleave(chains: Vec<Chain>) -> Vec<Chain> {
    let mut totals: BTreeMap<usize, usize> = BTreeMap::new();
    for chain in &chains {
        *totals.entry(chain.len()).or_default() += 1;
    }
    let mut placed: BTreeMap<usize, usize> = BTreeMap::new();
    let mut ranked: Vec<(f64, Chain)> = Vec::with_capacity(chains.len());
    for chain in chains {
        let rank = placed.entry(chain.len()).or_default();
        ranked.push(((*rank as f64 + 0.5) / totals[&chain.len()] as f64, chain));
        *rank += 1;
    }
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    ranked.into_iter().map(|(_, chain)| chain).collect()
}

impl Splits {
    pub fn get(&self, set: Set) -> &[Problem] {
        match set {
            Set::AtomBase => &self.atoms,
            Set::CompositeATrain => &self.a_train,
            Set::CompositeAHeldOut => &self.a_held_out,
            Set::CompositeB => &self.b,
            Set::CompositeC => &self.c,
            Set::Deep => &self.deep,
        }
    }

    /// All problems, set by set in the order of [`Set::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        Set::ALL.into_iter().flat_map(|set| self.get(set))
    }

    /// The keys of all chains, whatever their set.
    pub fn chain_keys(&self) -> BTreeSet<String> {
        self.iter().filter(|problem| problem.depth > 1).map(|problem| problem.key.clone()).collect()
    }

    pub fn find(&self, key: &str) -> Option<&Problem> {
        self.iter().find(|problem| problem.key == key)
    }

    /// SHA-256 of the problems, as hex: changes with any prompt, program or case.
    pub fn content_hash(&self) -> Result<String> {
        let problems: Vec<&Problem> = self.iter().collect();
        let bytes = synth::to_lines(Path::new("splits"), &problems)?;
        Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// JSON lines: the provenance, then one problem a line. Written whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        let header = Header { provenance: self.provenance.clone(), content_hash: self.content_hash()? };
        let mut bytes = synth::to_lines(path, &[header])?;
        bytes.extend(synth::to_lines(path, &self.iter().collect::<Vec<_>>())?);
        write_atomically(path, &bytes)
    }

    pub fn load(path: &Path) -> Result<Splits> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let first = text.lines().next().unwrap_or_default();
        let Header { provenance, content_hash } =
            serde_json::from_str(first).map_err(|error| Error::parse(path, 1, error))?;
        if provenance.format != FORMAT {
            let message =
                format!("format {}, but this version reads {FORMAT}; build it anew", provenance.format);
            return Err(Error::parse(path, 1, message));
        }
        let mut by_set: BTreeMap<Set, Vec<Problem>> = BTreeMap::new();
        for problem in synth::read_problem_lines(path, 1)? {
            by_set.entry(problem.set).or_default().push(problem);
        }
        let mut take = |set| by_set.remove(&set).unwrap_or_default();
        let splits = Splits {
            provenance,
            atoms: take(Set::AtomBase),
            a_train: take(Set::CompositeATrain),
            a_held_out: take(Set::CompositeAHeldOut),
            b: take(Set::CompositeB),
            c: take(Set::CompositeC),
            deep: take(Set::Deep),
        };
        if splits.content_hash()? != content_hash {
            return Err(Error::damaged(path, "the problems are not those it was saved with; build it anew"));
        }
        Ok(splits)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::sandbox::SandboxConfig;

    /// The splits of seed 1 at smoke size, built once for all tests that only look at them.
    pub(crate) static SMOKE: LazyLock<Splits> = LazyLock::new(|| smoke(1));

    fn smoke(seed: u64) -> Splits {
        let catalog = Catalog::load(&Catalog::default_dir()).unwrap();
        let sandbox = Sandbox::start(&SandboxConfig::for_this_machine()).unwrap();
        build(&catalog, &sandbox, &SplitConfig::smoke(), Seed::new(seed)).unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_they_survive_a_file() {
        let (splits, again) = (&*SMOKE, smoke(1));
        assert_eq!(*splits, again);
        assert_ne!(splits.content_hash().unwrap(), smoke(2).content_hash().unwrap());

        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one.jsonl"), folder.path().join("two.jsonl"));
        splits.save(&one).unwrap();
        again.save(&two).unwrap();
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
        assert_eq!(Splits::load(&one).unwrap(), *splits);

        let text = std::fs::read_to_string(&one).unwrap();
        std::fs::write(&one, text.replacen("return", "retur", 1)).unwrap();
        let error = Splits::load(&one).unwrap_err().to_string();
        assert!(error.contains("one.jsonl"), "{error}");
    }

    #[test]
    fn sets_have_the_sizes_and_sides_asked_for() {
        let splits = &*SMOKE;
        let config = SplitConfig::smoke();
        let sizes = |problems: &[Problem]| {
            problems.iter().fold(Sizes::new(), |mut sizes, problem| {
                *sizes.entry(problem.depth).or_default() += 1;
                sizes
            })
        };
        assert_eq!(splits.atoms.len(), 100);
        assert_eq!(sizes(&splits.a_train), config.a_train);
        assert_eq!(sizes(&splits.a_held_out), config.a_held_out);
        assert_eq!(sizes(&splits.b), config.b);
        assert_eq!(sizes(&splits.c), config.c);
        assert_eq!(sizes(&splits.deep), config.deep);

        let trained: BTreeSet<&String> = splits.a_train.iter().flat_map(|problem| &problem.atoms).collect();
        assert!(
            splits.a_held_out.iter().flat_map(|problem| &problem.atoms).all(|atom| trained.contains(atom))
        );
        let keys: BTreeSet<&String> = splits.iter().map(|problem| &problem.key).collect();
        assert_eq!(keys.len(), splits.iter().count());
        for problem in splits.iter() {
            assert!(problem.cases.len() >= 10, "{} has {} cases", problem.key, problem.cases.len());
            assert!(problem.held_out_prompts.iter().all(|prompt| !problem.prompts.contains(prompt)));
        }
    }

    #[test]
    fn the_first_training_chains_are_a_small_version_of_all() {
        let chains = vec![vec![1, 2], vec![1, 3], vec![1, 4], vec![1, 5], vec![1, 2, 3], vec![1, 2, 4]];
        let depths: Vec<usize> = interleave(chains).iter().map(Vec::len).collect();
        assert_eq!(depths, [2, 3, 2, 2, 3, 2]);
    }
}
