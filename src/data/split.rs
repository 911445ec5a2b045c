//! The study's data sets: Atom_base, Composite_A (train and held out), Composite_B, Composite_C,
//! and deeper chains.
//!
//! No two chains of different sets have the same key or the same behavior, because all of them
//! are picked by one [`Synthesizer`], which passes over a chain that behaves like one it has taken
//! (or like an atom). [`crate::data::audit`] checks this again, on other and more inputs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use itertools::Itertools;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, Seed, hash_bytes, parse_json, to_lines, write_atomically};
use crate::data::catalog::Catalog;
use crate::data::problem::{Problem, Set, parse_problems};
use crate::data::python::MAX_DEPTH;
use crate::data::synth::{Chain, Fingerprint, Oracle, Rejection, Rules, Sizes, Synthesizer, Topics};
use crate::sandbox::Sandbox;

/// Changes whenever the same config and seed would give other problems.
pub const FORMAT: u32 = 4;

/// Inputs a type that problems are compared on after they were made, from another stream than those they were
/// made with.
pub const N_AUDIT_PROBES: usize = 128;

/// How many chains each set has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitConfig {
    /// Training chains over the source topics.
    pub a_train: Sizes,
    /// Made of atoms that chains of `a_train` contain, so that only the composition is new.
    pub a_held_out: Sizes,
    /// Chains over the target topics.
    pub b: Sizes,
    /// Chains that mix both.
    pub c: Sizes,
    /// Depths 4 and 5 over the source topics.
    pub deep: Sizes,
    /// Which chains are valid.
    pub rules: Rules,
}

impl SplitConfig {
    fn check(&self) -> Result<()> {
        let SplitConfig { a_train, a_held_out, b, c, deep, rules: _ } = self;
        let sets = [("a_train", a_train), ("a_held_out", a_held_out), ("b", b), ("c", c), ("deep", deep)];
        for (field, sizes) in sets {
            if let Some(depth) = sizes.keys().find(|depth| !(2..=MAX_DEPTH).contains(*depth)) {
                let message = format!("depth {depth} is not within 2..{MAX_DEPTH}");
                return Err(Error::config(format!("splits.{field}"), message));
            }
        }
        Ok(())
    }
}

/// Where the problems came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of the way problems are made and written.
    pub format: u32,
    /// The seed they were drawn from.
    pub seed: u64,
    /// What was asked for.
    pub config: SplitConfig,
    /// Candidate chains that were looked at, and why some were not kept.
    pub considered: usize,
    /// Candidates that were not kept, by reason.
    pub rejected: BTreeMap<Rejection, usize>,
}

/// The first line of a saved file.
#[derive(Serialize, Deserialize)]
struct Header {
    provenance: Provenance,
    content_hash: String,
}

/// The problems of all sets.
#[derive(Debug, Clone, PartialEq)]
pub struct Splits {
    /// Written into the first line of the file.
    pub provenance: Provenance,
    /// Every set has an entry.
    pub sets: BTreeMap<Set, Vec<Problem>>,
}

/// Spreads the depths, one after another in `chains`, evenly over the list, so that its first n chains
/// are a small version of the whole: the arms of finding 1 train on the first 4, 16, 64, ... chains.
fn interleave(chains: &[Chain]) -> Vec<Chain> {
    let of_one_depth = chains.chunk_by(|a, b| a.len() == b.len());
    let ranked = of_one_depth.flat_map(|chains| {
        let rank = |place: usize| (place as f64 + 0.5) / chains.len() as f64;
        chains.iter().enumerate().map(move |(place, chain)| (rank(place), chain.clone()))
    });
    ranked.sorted_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, chain)| chain).collect()
}

impl Splits {
    /// Builds all sets. Takes some tens of seconds at quick size; [`Splits::save`] what it returns.
    pub fn build(catalog: &Catalog, sandbox: &Sandbox, config: &SplitConfig, seed: Seed) -> Result<Splits> {
        config.check()?;
        let mut synthesizer = Synthesizer::new(catalog, sandbox, config.rules, seed)?;

        // Training chains first, at all depths: only then is it known which atoms they contain.
        let mut sizes = config.a_train.clone();
        config.a_held_out.iter().for_each(|(depth, count)| *sizes.entry(*depth).or_default() += count);
        let mut candidates = synthesizer.candidates(Topics::Source, &sizes)?;
        let a_train = synthesizer.pick(&mut candidates, &config.a_train, |_| true)?;
        let trained: BTreeSet<usize> = a_train.iter().flatten().copied().collect();
        let known = |chain: &Chain| chain.iter().all(|atom| trained.contains(atom));
        let atoms = (0..catalog.atoms().len()).map(|atom| vec![atom]).collect();
        let mut chains = vec![
            (Set::AtomBase, atoms),
            (Set::CompositeATrain, interleave(&a_train)),
            (Set::CompositeAHeldOut, synthesizer.pick(&mut candidates, &config.a_held_out, known)?),
        ];
        for (set, topics, sizes) in [
            (Set::CompositeB, Topics::Target, &config.b),
            (Set::CompositeC, Topics::Mixed, &config.c),
            (Set::Deep, Topics::Source, &config.deep),
        ] {
            let mut candidates = synthesizer.candidates(topics, sizes)?;
            let allowed = |chain: &Chain| topics != Topics::Source || known(chain);
            chains.push((set, synthesizer.pick(&mut candidates, sizes, allowed)?));
        }
        let problems = |(set, chains): (Set, Vec<Chain>)| Ok((set, synthesizer.problems(&chains, set)?));
        let sets = chains.into_iter().map(problems).collect::<Result<_>>()?;
        let provenance = Provenance {
            format: FORMAT,
            seed: seed.value(),
            config: config.clone(),
            considered: synthesizer.considered,
            rejected: synthesizer.rejected,
        };
        Ok(Splits { provenance, sets })
    }

    /// The problems of one set.
    pub fn get(&self, set: Set) -> &[Problem] {
        self.sets.get(&set).map_or(&[], Vec::as_slice)
    }

    /// All problems, set by set in the order of [`Set::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.sets.values().flatten()
    }

    /// Of the probes of audits.
    pub fn audit_seed(&self) -> Seed {
        Seed::new(self.provenance.seed).child("audit")
    }

    /// What the reference programs do, each as a whole, on the first `count` probes of audits. In the order of
    /// [`Splits::iter`].
    pub fn behaviors(&self, oracle: &mut Oracle<'_>, count: usize) -> Result<Vec<Fingerprint>> {
        let whole = |problem: &Problem| vec![oracle.add(&problem.reference, (problem.input, problem.output))];
        let programs: Vec<Chain> = self.iter().map(whole).collect();
        oracle.fingerprints(&programs, count, self.audit_seed())
    }

    fn lines(&self) -> Result<Vec<u8>> {
        to_lines(&self.iter().collect::<Vec<_>>())
    }

    /// SHA-256 of the problems, as hex: changes with any prompt, program or case.
    pub fn content_hash(&self) -> Result<String> {
        self.lines().map(hash_bytes)
    }

    /// JSON lines: the provenance, then one problem a line. Written whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        let header = Header { provenance: self.provenance.clone(), content_hash: self.content_hash()? };
        write_atomically(path, &[to_lines(&[header])?, self.lines()?].concat())
    }

    /// Reads what [`Splits::save`] wrote.
    ///
    /// # Errors
    /// `Error::Parse` for a file of another format, or whose problems are not those that were saved.
    pub fn load(path: &Path) -> Result<Splits> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let (first, rest) =
            bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1));
        let Header { provenance, content_hash } = parse_json(path, first)?;
        if provenance.format != FORMAT {
            let message =
                format!("format {}, but this version reads {FORMAT}; build it anew", provenance.format);
            return Err(Error::parse(path, 1, message));
        }
        if hash_bytes(rest) != content_hash {
            return Err(Error::damaged(path, "the problems are not those it was saved with; build it anew"));
        }
        let mut sets = BTreeMap::from(Set::ALL.map(|set| (set, Vec::new())));
        for problem in parse_problems(path, rest)? {
            sets.entry(problem.set).or_default().push(problem);
        }
        Ok(Splits { provenance, sets })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::sandbox::SandboxConfig;

    static SMALL: LazyLock<Splits> = LazyLock::new(|| smoke(1));

    impl Splits {
        /// The splits of seed 1 at smoke size, built once for all tests that only look at them.
        pub(crate) fn small() -> &'static Splits {
            &SMALL
        }
    }

    /// As `data/tiers.toml` has them.
    fn smoke_sizes() -> SplitConfig {
        let [a_train, a_held_out, b, c] =
            [(16, 8), (4, 2), (4, 2), (4, 2)].map(|(n2, n3)| [(2, n2), (3, n3)].into());
        SplitConfig { a_train, a_held_out, b, c, deep: [(4, 2), (5, 2)].into(), rules: Rules::STANDARD }
    }

    fn smoke(seed: u64) -> Splits {
        let catalog = Catalog::shipped();
        let sandbox = Sandbox::start(&SandboxConfig::for_this_machine()).unwrap();
        Splits::build(&catalog, &sandbox, &smoke_sizes(), Seed::new(seed)).unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_they_survive_a_file() {
        let (splits, again) = (Splits::small(), smoke(1));
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
        let splits = Splits::small();
        let config = smoke_sizes();
        let sizes = |set| -> Sizes {
            splits.get(set).iter().map(|problem| problem.depth).counts().into_iter().collect()
        };
        assert_eq!(splits.get(Set::AtomBase).len(), 100);
        assert_eq!(sizes(Set::CompositeATrain), config.a_train);
        assert_eq!(sizes(Set::CompositeAHeldOut), config.a_held_out);
        assert_eq!(sizes(Set::CompositeB), config.b);
        assert_eq!(sizes(Set::CompositeC), config.c);
        assert_eq!(sizes(Set::Deep), config.deep);

        let atoms = |set| splits.get(set).iter().flat_map(|problem| &problem.atoms);
        let trained: BTreeSet<&String> = atoms(Set::CompositeATrain).collect();
        assert!(atoms(Set::CompositeAHeldOut).all(|atom| trained.contains(atom)));
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
        let depths: Vec<usize> = interleave(&chains).iter().map(Vec::len).collect();
        assert_eq!(depths, [2, 3, 2, 2, 3, 2]);
    }
}
