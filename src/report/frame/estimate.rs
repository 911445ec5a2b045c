//! Quantities built from pass rates, and three intervals side by side.
//!
//! - **Crossed** (`low`, `high`): the two-way random-effects interval of [`super::crossed`], which
//!   decides. Quantities that are not linear in pass rates are linearized at the estimate (the delta
//!   method): a seed and problem contributes its scores times the derivatives with respect to their rates.
//! - **Bootstrap**: the hierarchical bootstrap of [`super::resample`]. It decided version 1's claims.
//! - **Seeds alone**: Student's t of the seeds' values, for the problems that were asked.
//!
//! With one seed the first two are over problems only and say nothing about another seed;
//! [`Interval::n_seeds`] tells.

use std::collections::{BTreeMap, BTreeSet};

use itertools::Itertools;

use super::crossed::{Contributions, Spread};
use super::quantity::Quantity;
use super::resample::{Block, Resample};
use super::scores::{BySeed, Cell, Scores};
use crate::base::Seed;
use crate::base::{Error, Result};
use crate::data::Set;

/// How intervals are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    pub draws: usize,
    /// Of all three intervals.
    pub level: f64,
}

impl Bootstrap {
    /// 95% intervals; the bootstrap's from 2,000 draws: its ends move by about 0.001 with other draws.
    pub fn standard() -> Bootstrap {
        Bootstrap { draws: 2000, level: 0.95 }
    }
}

/// A quantity and how well it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Of all seeds and problems, each once.
    pub value: f64,
    /// Lower end of the crossed random-effects interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// What `low` and `high` come from.
    pub spread: Spread,
    /// The hierarchical bootstrap's interval.
    pub bootstrap: (f64, f64),
    /// Student's t interval of the seeds' values, for these problems: what the seeds alone say.
    /// None with fewer than two seeds.
    pub seeds_alone: Option<(f64, f64)>,
    /// Seeds that have every rate the quantity needs. 1: the interval covers problems only.
    pub n_seeds: usize,
    /// Different problems behind the quantity.
    pub n_problems: usize,
    /// Problems left out because the sandbox could not judge them in every rate at every seed.
    pub n_dropped: usize,
    /// The end of a path stands in for a training level that it never had.
    pub off_path: bool,
}

impl Scores {
    /// Estimates `quantity` over the seeds that have all of it.
    ///
    /// # Errors
    /// `Error::MissingRuns` where there is no such seed.
    pub fn interval(&self, quantity: &Quantity, bootstrap: &Bootstrap) -> Result<Interval> {
        let sample = Sample::new(self, quantity)?;
        let means = sample.scores.means();
        let value = sample.evaluate(&means);
        let contributions = sample.contributions(&means);
        let spread = contributions.spread();
        let (low, high) = spread.interval(value, bootstrap.level);
        let mut rng = Seed::new(2406).child("bootstrap").stream("draws");
        let replicate = |means: &[f64]| sample.evaluate(means);
        Ok(Interval {
            value,
            low,
            high,
            spread,
            bootstrap: sample.scores.interval(bootstrap.draws, bootstrap.level, &mut rng, replicate),
            seeds_alone: contributions.seeds_alone(value, bootstrap.level),
            n_seeds: sample.scores.n_seeds,
            n_problems: sample.scores.n_problems().sum(),
            n_dropped: sample.n_dropped,
            off_path: quantity.off_path(&|cell| means[sample.place[cell]]),
        })
    }

    /// [`Scores::interval`], and `None` where no seed has all of the quantity.
    pub fn if_run(&self, quantity: &Quantity, bootstrap: &Bootstrap) -> Result<Option<Interval>> {
        match self.interval(quantity, bootstrap) {
            Err(Error::MissingRuns { .. }) => Ok(None),
            found => found.map(Some),
        }
    }

    /// What each seed and problem contributes to `quantity`, linearized at its estimate.
    ///
    /// # Errors
    /// `Error::MissingRuns` where no seed has all of the quantity.
    pub fn contributions(&self, quantity: &Quantity) -> Result<Contributions> {
        let sample = Sample::new(self, quantity)?;
        Ok(sample.contributions(&sample.scores.means()))
    }
}

/// The scores of a quantity's cells at the seeds that all of them share.
struct Sample<'a> {
    quantity: &'a Quantity,
    /// Where the mean of a cell stands among those of all blocks.
    place: BTreeMap<&'a Cell, usize>,
    /// One block a set.
    scores: Resample,
    n_dropped: usize,
}

impl<'a> Sample<'a> {
    fn new(scores: &Scores, quantity: &'a Quantity) -> Result<Sample<'a>> {
        let cells = quantity.parts().into_iter().filter_map(|part| match part {
            Quantity::Rate(cell) => Some(cell),
            _ => None,
        });
        let mut found: BTreeMap<Set, BTreeMap<&Cell, BySeed<'_>>> = BTreeMap::new();
        for cell in cells.unique() {
            found.entry(cell.set).or_default().insert(cell, scores.of(cell)?);
        }
        let all = || found.values().flatten();
        let seeds = all().map(|(_, by_seed)| by_seed.keys().copied().collect::<BTreeSet<u64>>());
        let shared = seeds.reduce(|all, seeds| &all & &seeds).unwrap_or_default();
        let n_seeds = shared.len().max(usize::from(found.is_empty())); // a constant needs no seed
        if n_seeds == 0 {
            let arms = all().map(|(cell, _)| &cell.arm).unique().sorted().join(", ");
            return Err(Error::MissingRuns { what: format!("of one seed in all of: {arms}") });
        }
        let (mut blocks, mut n_dropped) = (Vec::new(), 0);
        for (set, cells) in &found {
            // Problem -> (cells, seeds), NaN where there is no score.
            let mut rows: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
            for (column, (by_seed, seed)) in cells.values().cartesian_product(&shared).enumerate() {
                for (problem, score) in &by_seed[seed] {
                    let row = rows.entry(problem).or_insert_with(|| vec![f64::NAN; cells.len() * n_seeds]);
                    row[column] = *score;
                }
            }
            let n_asked = rows.len();
            rows.retain(|_, row| row.iter().all(|score| score.is_finite()));
            n_dropped += n_asked - rows.len();
            if rows.is_empty() {
                let what = format!("has a problem of `{}` that was judged in every rate", set.name());
                return Err(Error::MissingRuns { what });
            }
            blocks.push(Block { n_cells: cells.len(), numbers: rows.into_values().flatten().collect() });
        }
        let place = found.values().flat_map(BTreeMap::keys).copied().zip(0..).collect();
        Ok(Sample { quantity, place, scores: Resample { n_seeds, blocks }, n_dropped })
    }

    fn evaluate(&self, means: &[f64]) -> f64 {
        self.quantity.evaluate(&|cell| means[self.place[cell]])
    }

    /// Central differences: exact to rounding for linear quantities. Where a quantity has a kink (the
    /// best of two arms that are level) the two sides are averaged.
    fn derivatives(&self, means: &[f64]) -> Vec<f64> {
        const STEP: f64 = 1e-5;
        let moved = |at: usize, by: f64| {
            let mut means = means.to_vec();
            means[at] += by;
            self.evaluate(&means)
        };
        (0..means.len()).map(|at| (moved(at, STEP) - moved(at, -STEP)) / (2.0 * STEP)).collect()
    }

    fn contributions(&self, means: &[f64]) -> Contributions {
        let Resample { n_seeds, blocks } = &self.scores;
        let derivatives = self.derivatives(means);
        let mut rest = derivatives.as_slice();
        let of_block = |block: &Block| {
            let (own, others) = rest.split_at(block.n_cells);
            rest = others;
            let at = |row: &[f64], seed: usize| -> f64 {
                own.iter().zip(row.chunks_exact(*n_seeds)).map(|(slope, scores)| slope * scores[seed]).sum()
            };
            let rows = block.numbers.chunks_exact(block.n_cells * n_seeds);
            rows.flat_map(|row| (0..*n_seeds).map(move |seed| at(row, seed))).collect()
        };
        Contributions { n_seeds: *n_seeds, sets: blocks.iter().map(of_block).collect() }
    }
}
