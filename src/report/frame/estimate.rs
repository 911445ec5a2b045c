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

    /// Its value where `rate` says what each pass rate is.
    fn evaluate<'a>(&'a self, rate: &mut impl FnMut(&'a Cell) -> f64) -> f64 {
        match self {
            Quantity::Constant(value) => *value,
            Quantity::Rate(cell) => rate(cell),
            Quantity::Difference(left, right) => left.evaluate(rate) - right.evaluate(rate),
            Quantity::Scaled(factor, inner) => factor * inner.evaluate(rate),
            Quantity::Extreme(which, parts) => {
                let best = if *which == Extreme::Min { f64::min } else { f64::max };
                // NaN must stay NaN, which f64::min and f64::max would drop.
                let best = |a: f64, b: f64| if a.is_nan() || b.is_nan() { f64::NAN } else { best(a, b) };
                parts.iter().map(|part| part.evaluate(rate)).reduce(best).unwrap_or(f64::NAN)
            }
        }
    }

    /// All cells that its value depends on.
    fn cells(&self) -> BTreeSet<&Cell> {
        let mut cells = BTreeSet::new();
        self.evaluate(&mut |cell| f64::from(u8::from(cells.insert(cell))));
        cells
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
        let (n_seeds, n_problems) = (sample.seeds.len(), sample.problems.len());
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
    /// Cell -> for each shared seed, (index into `problems`, score).
    cells: BTreeMap<&'a Cell, Vec<Vec<(usize, f64)>>>,
    /// Seeds and how often each was drawn.
    seeds: Vec<(u64, u32)>,
    /// The same of problems, of which the set is kept; those of one set stand together.
    problems: Vec<(Set, u32)>,
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
            seeds: shared.into_iter().map(|seed| (seed, 1)).collect(),
            problems: problems.into_iter().map(|(set, _)| (set, 1)).collect(),
        })
    }

    /// Draws seeds (if there are several) and, among those of a set, problems with replacement.
    fn draw(&mut self, rng: &mut impl Rng) {
        if self.seeds.len() > 1 {
            redraw(&mut self.seeds, rng);
        }
        for pool in self.problems.chunk_by_mut(|a, b| a.0 == b.0) {
            redraw(pool, rng);
        }
    }

    /// mean +- t * s / sqrt(n) over the quantity's value at each seed.
    fn t_interval(&mut self, quantity: &Quantity, level: f64) -> Option<(f64, f64)> {
        let n = self.seeds.len();
        let t = StudentsT::new(0.0, 1.0, n.checked_sub(1)? as f64).ok()?.inverse_cdf((1.0 + level) / 2.0);
        let values = (0..n).map(|alone| {
            (0..n).for_each(|seed| self.seeds[seed].1 = u32::from(seed == alone));
            self.evaluate(quantity)
        });
        let values: Vec<f64> = values.collect();
        self.seeds.iter_mut().for_each(|(_, weight)| *weight = 1);
        let (mean, half) = (values.iter().mean(), t * values.iter().std_dev() / (n as f64).sqrt());
        Some((mean - half, mean + half))
    }

    fn evaluate(&self, quantity: &Quantity) -> f64 {
        quantity.evaluate(&mut |cell| self.rate(cell))
    }

    /// Mean over the drawn seeds of the mean score over the drawn problems.
    fn rate(&self, cell: &Cell) -> f64 {
        let (mut total, mut weight) = (0.0, 0.0);
        let drawn = self.seeds.iter().map(|(_, seed_weight)| f64::from(*seed_weight));
        for (seed_weight, rows) in drawn.zip(&self.cells[cell]).filter(|(seed_weight, _)| *seed_weight > 0.0)
        {
            let (mut score, mut count) = (0.0, 0.0);
            for (problem, value) in rows {
                let drawn = f64::from(self.problems[*problem].1);
                score += drawn * value;
                count += drawn;
            }
            if count > 0.0 {
                total += seed_weight * score / count;
                weight += seed_weight;
            }
        }
        total / weight
    }
}

fn redraw<Key>(weights: &mut [(Key, u32)], rng: &mut impl Rng) {
    weights.iter_mut().for_each(|(_, weight)| *weight = 0);
    for _ in 0..weights.len() {
        weights[rng.random_range(0..weights.len())].1 += 1;
    }
}
