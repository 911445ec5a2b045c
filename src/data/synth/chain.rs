//! Type-compatible sequences of atoms, before anything is run.

use std::collections::HashSet;

use itertools::Itertools;
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use strum::VariantNames;

use crate::base::Error;
use crate::data::catalog::{Catalog, Side};
use crate::data::problem::Set;

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
}

/// Places of atoms in the catalog, in order of application.
pub type Chain = Vec<usize>;

/// Which atom may follow which.
impl Catalog {
    /// Whether each step takes what the step before it returns.
    fn fits(&self, chain: &[usize]) -> bool {
        chain.windows(2).all(|pair| self.atoms()[pair[0]].output == self.atoms()[pair[1]].input)
    }

    fn admits(&self, topics: Topics, chain: &[usize]) -> bool {
        let has = |side| chain.iter().any(|&place| self.atoms()[place].side == side);
        match topics {
            Topics::Source => !has(Side::Target),
            Topics::Target => !has(Side::Source),
            Topics::Mixed => has(Side::Source) && has(Side::Target),
        }
    }

    /// Every chain of two different atoms, in catalog order.
    pub(super) fn pairs(&self) -> Vec<Chain> {
        let pairs = (0..self.atoms().len()).permutations(2);
        pairs.filter(|pair| self.fits(pair)).collect()
    }

    /// `count` distinct chains of `depth` over `topics` that `seen` does not hold yet, which it
    /// does afterwards. Fewer where so many tries in a row find nothing new.
    pub(super) fn draw(
        &self,
        topics: Topics,
        depth: usize,
        count: usize,
        seen: &mut HashSet<Chain>,
        rng: &mut impl Rng,
    ) -> Vec<Chain> {
        const TRIES: usize = 2_000;
        if depth == 2 {
            let mut pairs = self.pairs();
            pairs.retain(|pair| self.admits(topics, pair));
            pairs.shuffle(rng);
            pairs.retain(|pair| seen.insert(pair.clone()));
            return pairs;
        }
        let admitted = |place: &usize| topics == Topics::Mixed || self.admits(topics, &[*place]);
        let places: Vec<usize> = (0..self.atoms().len()).filter(admitted).collect();
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
            let follows = |place: &usize| *place != last && self.fits(&[last, *place]);
            let next: Vec<usize> = places.iter().copied().filter(follows).collect();
            chain.push(*next.choose(rng)?);
        }
        Some(chain)
    }

    /// The chain with one step left out, for each step where the types allow it. A valid chain
    /// differs from all of them.
    pub(super) fn shortened(&self, chain: &[usize]) -> Vec<Chain> {
        let input = |chain: &[usize]| chain.first().map(|&place| self.atoms()[place].input);
        let drop = |place: usize| [&chain[..place], &chain[place + 1..]].concat();
        let callable = |shorter: &Chain| input(shorter) == input(chain) && self.fits(shorter);
        (0..chain.len()).map(drop).filter(callable).collect()
    }

    /// The chain with two neighbors swapped, for each two where the types allow it.
    pub(super) fn swapped(&self, chain: &[usize]) -> Vec<Chain> {
        let swap = |place: usize| {
            let mut other = chain.to_vec();
            other.swap(place - 1, place);
            other
        };
        (1..chain.len()).map(swap).filter(|other| self.fits(other)).collect()
    }
}
