//! Type-compatible sequences of atoms, before anything is run.

use std::collections::HashSet;

use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use strum::VariantNames;

use crate::base::error::Error;
use crate::data::catalog::{Atom, Side};
use crate::data::problem::Set;
use crate::data::python::MAX_DEPTH;

/// Which topics the atoms of a chain may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case", parse_err_ty = Error, parse_err_fn = unknown_topics)]
pub enum Topics {
    /// All atoms from source topics.
    Source,
    /// All atoms from target topics.
    Target,
    /// At least one atom of each side.
    Mixed,
}

fn unknown_topics(name: &str) -> Error {
    Error::Unknown { kind: "topics", name: name.to_owned(), known: Topics::VARIANTS.join(", ") }
}

impl Topics {
    /// The set that a chain of this depth over these topics belongs to (source chains that are
    /// held out get their set from the split).
    pub fn set(self, depth: usize) -> Set {
        match self {
            Topics::Source if depth > 3 => Set::Deep,
            Topics::Source => Set::CompositeATrain,
            Topics::Target => Set::CompositeB,
            Topics::Mixed => Set::CompositeC,
        }
    }

    fn admits(self, sides: impl Iterator<Item = Side>) -> bool {
        let (mut source, mut target) = (false, false);
        for side in sides {
            match side {
                Side::Source => source = true,
                Side::Target => target = true,
            }
        }
        match self {
            Topics::Source => source && !target,
            Topics::Target => target && !source,
            Topics::Mixed => source && target,
        }
    }
}

/// Places of atoms in the catalog, in order of application.
pub type Chain = Vec<usize>;

/// Which atom may follow which.
pub struct TypeGraph<'a> {
    atoms: &'a [Atom],
}

impl<'a> TypeGraph<'a> {
    pub fn new(atoms: &'a [Atom]) -> Self {
        TypeGraph { atoms }
    }

    /// Whether each step takes what the step before it returns.
    pub fn fits(&self, chain: &[usize]) -> bool {
        chain.windows(2).all(|pair| self.atoms[pair[0]].output == self.atoms[pair[1]].input)
    }

    fn admits(&self, topics: Topics, chain: &[usize]) -> bool {
        topics.admits(chain.iter().map(|&place| self.atoms[place].side))
    }

    /// Every chain of two different atoms over `topics`, in catalog order.
    pub fn pairs(&self, topics: Option<Topics>) -> Vec<Chain> {
        let places = 0..self.atoms.len();
        places
            .clone()
            .flat_map(|first| places.clone().map(move |second| vec![first, second]))
            .filter(|chain| chain[0] != chain[1] && self.fits(chain))
            .filter(|chain| topics.is_none_or(|topics| self.admits(topics, chain)))
            .collect()
    }

    /// `count` distinct chains of `depth` over `topics` that `seen` does not hold yet, which it
    /// does afterwards. Fewer where so many tries in a row find nothing new.
    pub fn draw(
        &self,
        topics: Topics,
        depth: usize,
        count: usize,
        seen: &mut HashSet<Chain>,
        rng: &mut impl Rng,
    ) -> Vec<Chain> {
        const TRIES: usize = 2_000;
        debug_assert!(depth <= MAX_DEPTH);
        if depth == 2 {
            let mut pairs = self.pairs(Some(topics));
            pairs.shuffle(rng);
            pairs.retain(|pair| seen.insert(pair.clone()));
            return pairs;
        }
        let places: Vec<usize> = (0..self.atoms.len())
            .filter(|&place| topics == Topics::Mixed || self.admits(topics, &[place]))
            .collect();
        let mut drawn = Vec::new();
        let mut tries = 0;
        while drawn.len() < count && tries < TRIES {
            tries += 1;
            let Some(chain) = self.walk(&places, depth, rng) else { continue };
            if self.admits(topics, &chain) && seen.insert(chain.clone()) {
                drawn.push(chain);
                tries = 0;
            }
        }
        drawn
    }

    /// A random walk of `depth` atoms among `places`, no atom twice in a row; `None` where it
    /// meets a dead end.
    fn walk(&self, places: &[usize], depth: usize, rng: &mut impl Rng) -> Option<Chain> {
        let mut chain = vec![*places.choose(rng)?];
        while chain.len() < depth {
            let last = chain[chain.len() - 1];
            let follows = |place: usize| place != last && self.atoms[place].input == self.atoms[last].output;
            let next: Vec<usize> = places.iter().copied().filter(|&place| follows(place)).collect();
            chain.push(*next.choose(rng)?);
        }
        Some(chain)
    }

    /// The chain with one step left out, for each step where the types allow it. A valid chain
    /// differs from all of them.
    pub fn shortened(&self, chain: &[usize]) -> Vec<Chain> {
        let dropped = (0..chain.len()).map(|place| {
            let mut shorter = chain.to_vec();
            shorter.remove(place);
            shorter
        });
        let callable = |shorter: &Chain| {
            let first = shorter.first();
            first.is_some_and(|&first| self.atoms[first].input == self.atoms[chain[0]].input)
                && self.fits(shorter)
        };
        dropped.filter(callable).collect()
    }

    /// The chain with two neighbors swapped, for each two where the types allow it.
    pub fn swapped(&self, chain: &[usize]) -> Vec<Chain> {
        let swap = |place: usize| {
            let mut other = chain.to_vec();
            other.swap(place, place + 1);
            other
        };
        let input = |chain: &[usize]| self.atoms[chain[0]].input;
        let output = |chain: &[usize]| self.atoms[chain[chain.len() - 1]].output;
        (0..chain.len().saturating_sub(1))
            .map(swap)
            .filter(|other| {
                self.fits(other) && input(other) == input(chain) && output(other) == output(chain)
            })
            .collect()
    }
}
