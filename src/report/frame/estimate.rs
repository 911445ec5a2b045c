//! Quantities built from pass rates, and their bootstrap intervals.
//!
//! One replicate draws seeds with replacement and, independently, problems with replacement, and
//! recomputes the whole quantity from the cells (seed, problem) that were drawn. The same drawn
//! seeds and problems serve every rate in the quantity: arms are compared *paired*, on the same
//! problems and seeds. Crossing both draws (rather than drawing problems anew inside each seed)
//! keeps the part of the spread that all seeds share because they answer the same problems; it
//! errs on the wide side (Owen 2007, "The pigeonhole bootstrap").
//!
//! With one seed only problems are drawn, and [`Interval::n_seeds`] says so: such an interval
//! says nothing about another seed. With two to four seeds the drawn seeds understate the spread
//! between seeds (by a factor of sqrt((n-1)/n) for the mean): read such intervals as optimistic.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use itertools::Itertools;
use polars::prelude::{ChunkQuantile, Float64Chunked, QuantileMethod};
use rand::Rng;
use serde::Deserialize;
use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::statistics::Statistics;

use super::scores::{BySeed, Cell, Scores};
use crate::base::Seed;
use crate::base::{Error, Result};
use crate::data::Set;

/// An expression over pass rates.
#[derive(Debug, Clone, PartialEq)]
pub enum Quantity {
    Constant(f64),
    Rate(Cell),
    /// First minus second.
    Difference(Box<Quantity>, Box<Quantity>),
    Scaled(f64, Box<Quantity>),
    /// The worst or the best of several arms.
    Extreme(Extreme, Vec<Quantity>),
}

/// Which of several arms counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extreme {
    Min,
    Max,
}

impl Quantity {
    /// `self - other`.
    pub fn minus(self, other: Quantity) -> Quantity {
        Quantity::Difference(Box::new(self), Box::new(other))
    }

    /// Generalization gap: the rate of `cell` on `train`, minus its rate on `test`.
    pub fn gap(cell: &Cell, train: Set, test: Set) -> Quantity {
        let on = |set| Quantity::Rate(Cell { set, ..cell.clone() });
        on(train).minus(on(test))
    }

    fn cells(&self) -> BTreeSet<&Cell> {
        match self {
            Quantity::Constant(_) => BTreeSet::new(),
            Quantity::Rate(cell) => BTreeSet::from([cell]),
            Quantity::Difference(left, right) => &left.cells() | &right.cells(),
            Quantity::Scaled(_, inner) => inner.cells(),
            Quantity::Extreme(_, parts) => parts.iter().flat_map(Quantity::cells).collect(),
        }
    }
}

/// How intervals are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    pub draws: usize,
    /// Share of the draws inside the interval.
    pub level: f64,
}

impl Bootstrap {
    /// 95% intervals from 2,000 draws: ends move by about 0.001 with other draws.
    pub fn standard() -> Bootstrap {
        Bootstrap { draws: 2000, level: 0.95 }
    }
}

/// A quantity and how well it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Of all seeds and problems, each once.
    pub value: f64,
    /// Lower end of the bootstrap interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Student's t interval of the seeds' values, for these problems: what the seeds alone say.
    /// None with fewer than two seeds.
    pub seeds_alone: Option<(f64, f64)>,
    /// Seeds that have every rate the quantity needs. 1: the interval covers problems only.
    pub n_seeds: usize,
    /// Different problems behind the quantity.
    pub n_problems: usize,
}

impl Scores {
    /// Estimates `quantity` over the seeds that have all of it.
    ///
    /// # Errors
    /// `Error::MissingRuns` where there is no such seed.
    pub fn interval(&self, quantity: &Quantity, bootstrap: &Bootstrap) -> Result<Interval> {
        let mut sample = Resample::new(self, quantity)?;
        let value = sample.evaluate(quantity);
        let (n_seeds, n_problems) = (sample.seed_weights.len(), sample.problem_weights.len());
        let seeds_alone = sample.t_interval(quantity, bootstrap.level);
        let mut rng = Seed::new(2406).child("bootstrap").stream("draws");
        let mut replicates = Vec::with_capacity(bootstrap.draws);
        while replicates.len() < bootstrap.draws {
            sample.draw(&mut rng);
            let replicate = sample.evaluate(quantity);
            // NaN: a rate was left without any problem. Rare (a handful of problems), and drawn
            // again; the point estimate above is never NaN, so this ends.
            if replicate.is_finite() {
                replicates.push(replicate);
            }
        }
        let replicates = Float64Chunked::from_vec("replicates".into(), replicates);
        let tail = (1.0 - bootstrap.level) / 2.0;
        let quantile = |share| replicates.quantile(share, QuantileMethod::Linear);
        // None: there are no draws.
        let (low, high) = (quantile(tail)?.unwrap_or(f64::NAN), quantile(1.0 - tail)?.unwrap_or(f64::NAN));
        Ok(Interval { value, low, high, seeds_alone, n_seeds, n_problems })
    }

    /// [`Scores::interval`], and `None` where no seed has all of the quantity.
    pub fn if_run(&self, quantity: &Quantity, bootstrap: &Bootstrap) -> Result<Option<Interval>> {
        match self.interval(quantity, bootstrap) {
            Err(Error::MissingRuns { .. }) => Ok(None),
            found => found.map(Some),
        }
    }
}

/// The cells a quantity needs on the seeds that all of them share, and how often each seed and
/// problem counts in the current draw.
struct Resample<'a> {
    /// Cell -> for each shared seed, (index into `problem_weights`, score).
    cells: BTreeMap<&'a Cell, Vec<Vec<(usize, f64)>>>,
    seed_weights: Vec<u32>,
    problem_weights: Vec<u32>,
    /// Problems of one set are drawn among themselves: how many each set has, in order.
    pools: Vec<usize>,
}

impl<'a> Resample<'a> {
    /// Each seed and each problem once.
    fn new(scores: &Scores, quantity: &'a Quantity) -> Result<Resample<'a>> {
        let cells = quantity.cells().into_iter();
        let found: BTreeMap<&Cell, BySeed<'_>> =
            cells.map(|cell| Ok((cell, scores.of(cell)?))).collect::<Result<_>>()?;
        let seeds = found.values().map(|by_seed| by_seed.keys().copied().collect::<BTreeSet<u64>>());
        let shared = seeds.reduce(|all, seeds| &all & &seeds).unwrap_or_default();
        if shared.is_empty() && !found.is_empty() {
            let arms = found.keys().map(|cell| &cell.arm).dedup().join(", ");
            return Err(Error::MissingRuns { what: format!("of one seed in all of: {arms}") });
        }
        // In order of set, then key: the problems of a set stand together.
        let mut problems: BTreeSet<(Set, &str)> = BTreeSet::new();
        for (cell, by_seed) in &found {
            let rows = shared.iter().flat_map(|seed| &by_seed[seed]);
            problems.extend(rows.map(|(problem, _)| (cell.set, *problem)));
        }
        let places: HashMap<(Set, &str), usize> = problems.iter().copied().zip(0..).collect();
        let cells = found.iter().map(|(cell, by_seed)| {
            let place = |(problem, score): &(&str, f64)| (places[&(cell.set, *problem)], *score);
            (*cell, shared.iter().map(|seed| by_seed[seed].iter().map(place).collect()).collect())
        });
        Ok(Resample {
            cells: cells.collect(),
            seed_weights: vec![1; shared.len()],
            problem_weights: vec![1; problems.len()],
            pools: problems.iter().dedup_by_with_count(|a, b| a.0 == b.0).map(|(size, _)| size).collect(),
        })
    }

    /// Draws seeds (if there are several) and problems with replacement.
    fn draw(&mut self, rng: &mut impl Rng) {
        if self.seed_weights.len() > 1 {
            redraw(&mut self.seed_weights, rng);
        }
        let mut rest = self.problem_weights.as_mut_slice();
        for size in &self.pools {
            let (pool, others) = rest.split_at_mut(*size);
            redraw(pool, rng);
            rest = others;
        }
    }

    /// mean +- t * s / sqrt(n) over the quantity's value at each seed.
    fn t_interval(&mut self, quantity: &Quantity, level: f64) -> Option<(f64, f64)> {
        let n = self.seed_weights.len();
        let t = StudentsT::new(0.0, 1.0, n.checked_sub(1)? as f64).ok()?.inverse_cdf((1.0 + level) / 2.0);
        let mut at_seed = |seed: usize| {
            self.seed_weights.fill(0);
            self.seed_weights[seed] = 1;
            self.evaluate(quantity)
        };
        let values: Vec<f64> = (0..n).map(&mut at_seed).collect();
        self.seed_weights.fill(1);
        let (mean, half) = (values.iter().mean(), t * values.iter().std_dev() / (n as f64).sqrt());
        Some((mean - half, mean + half))
    }

    fn evaluate(&self, quantity: &Quantity) -> f64 {
        match quantity {
            Quantity::Constant(value) => *value,
            Quantity::Rate(cell) => self.rate(cell),
            Quantity::Difference(left, right) => self.evaluate(left) - self.evaluate(right),
            Quantity::Scaled(factor, inner) => factor * self.evaluate(inner),
            Quantity::Extreme(which, parts) => {
                let best = if *which == Extreme::Min { f64::min } else { f64::max };
                // NaN must stay NaN, which f64::min and f64::max would drop.
                let best = |a: f64, b: f64| if a.is_nan() || b.is_nan() { f64::NAN } else { best(a, b) };
                parts.iter().map(|part| self.evaluate(part)).reduce(best).unwrap_or(f64::NAN)
            }
        }
    }

    /// Mean over the drawn seeds of the mean score over the drawn problems.
    fn rate(&self, cell: &Cell) -> f64 {
        let (mut total, mut weight) = (0.0, 0.0);
        for (seed_weight, rows) in self.seed_weights.iter().zip(&self.cells[cell]).filter(|(n, _)| **n > 0) {
            let (mut score, mut count) = (0.0, 0.0);
            for (problem, value) in rows {
                let drawn = f64::from(self.problem_weights[*problem]);
                score += drawn * value;
                count += drawn;
            }
            if count > 0.0 {
                total += f64::from(*seed_weight) * score / count;
                weight += f64::from(*seed_weight);
            }
        }
        total / weight
    }
}

fn redraw(weights: &mut [u32], rng: &mut impl Rng) {
    weights.fill(0);
    for _ in 0..weights.len() {
        weights[rng.random_range(0..weights.len())] += 1;
    }
}
