//! Quantities built from pass rates, and their bootstrap intervals.
//!
//! One replicate draws seeds with replacement and, independently, problems with replacement, and
//! recomputes the whole quantity from the cells (seed, problem) that were drawn. The same drawn
//! seeds and problems serve every rate in the quantity: arms are compared *paired*, on the same
//! problems and seeds. Crossing both draws (rather than drawing problems anew inside each seed)
//! keeps the part of the spread that all seeds share because they answer the same problems; it
//! errs on the wide side (Owen 2007, "The pigeonhole bootstrap").
//!
//! With one seed only problems are drawn, and [`Estimate::n_seeds`] says so: such an interval
//! says nothing about another seed. With two to four seeds the drawn seeds understate the spread
//! between seeds (by a factor of sqrt((n-1)/n) for the mean): read such intervals as optimistic.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rand::Rng;

use super::scores::{BySeed, Cell, Scores};
use crate::base::error::Error;
use crate::base::seed::Seed;
use crate::data::problem::Set;

/// An expression over pass rates.
#[derive(Debug, Clone, PartialEq)]
pub enum Quantity {
    Constant(f64),
    Rate(Cell),
    /// First minus second.
    Difference(Box<Quantity>, Box<Quantity>),
    Scaled(f64, Box<Quantity>),
    /// The worst of several arms.
    Min(Vec<Quantity>),
    /// The best of several arms.
    Max(Vec<Quantity>),
}

impl Quantity {
    pub fn minus(self, other: Quantity) -> Quantity {
        Quantity::Difference(Box::new(self), Box::new(other))
    }

    /// Generalization gap: the rate of `cell` on `train`, minus its rate on `test`.
    pub fn gap(cell: &Cell, train: Set, test: Set) -> Quantity {
        let on = |set| Quantity::Rate(Cell { set, ..cell.clone() });
        on(train).minus(on(test))
    }
}

/// How intervals are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    pub draws: usize,
    /// Share of the draws inside the interval.
    pub level: f64,
    pub seed: Seed,
}

impl Bootstrap {
    /// 95% intervals from 2,000 draws: ends move by about 0.001 with other draws.
    pub fn standard() -> Bootstrap {
        Bootstrap { draws: 2000, level: 0.95, seed: Seed::new(2406).child("bootstrap") }
    }
}

/// A quantity with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    /// Seeds that have every rate the quantity needs. 1: the interval covers problems only.
    pub n_seeds: usize,
    /// Different problems behind the quantity.
    pub n_problems: usize,
}

/// Why a quantity has no estimate: what was not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MissingData(pub String);

impl From<MissingData> for Error {
    fn from(missing: MissingData) -> Error {
        Error::Data(missing.0)
    }
}

impl Scores {
    /// Estimates `quantity` over the seeds that have all of it.
    pub fn estimate(&self, quantity: &Quantity, bootstrap: &Bootstrap) -> Result<Estimate, MissingData> {
        let mut plan = Plan::new(self, quantity)?;
        let value = plan.evaluate(quantity);
        if plan.cells.is_empty() {
            return Ok(Estimate { value, low: value, high: value, n_seeds: 0, n_problems: 0 });
        }
        let mut rng = bootstrap.seed.stream("draws");
        let mut replicates = Vec::with_capacity(bootstrap.draws);
        while replicates.len() < bootstrap.draws {
            plan.draw(&mut rng);
            let replicate = plan.evaluate(quantity);
            // NaN: a rate was left without any problem. Rare (a handful of problems), and drawn
            // again; the point estimate above is never NaN, so this ends.
            if replicate.is_finite() {
                replicates.push(replicate);
            }
        }
        replicates.sort_by(f64::total_cmp);
        let tail = (1.0 - bootstrap.level) / 2.0;
        Ok(Estimate {
            value,
            low: quantile(&replicates, tail),
            high: quantile(&replicates, 1.0 - tail),
            n_seeds: plan.seed_weights.len(),
            n_problems: plan.problem_weights.len(),
        })
    }
}

/// The cells a quantity needs on the seeds that all of them share, and the current draw.
struct Plan {
    /// Cell -> for each shared seed, (index into `problem_weights`, score).
    cells: HashMap<Cell, Vec<Vec<(usize, f64)>>>,
    /// How often each shared seed was drawn.
    seed_weights: Vec<u32>,
    /// How often each problem was drawn.
    problem_weights: Vec<u32>,
    /// Problems of one set are drawn among themselves: ranges into `problem_weights`.
    pools: Vec<std::ops::Range<usize>>,
}

impl Plan {
    fn new(scores: &Scores, quantity: &Quantity) -> Result<Plan, MissingData> {
        let mut needed = BTreeSet::new();
        collect_cells(quantity, &mut needed);
        let mut by_seed: BTreeMap<&Cell, BySeed> = BTreeMap::new();
        let mut shared: Option<BTreeSet<u64>> = None;
        for cell in &needed {
            let found = scores.of(cell);
            if found.is_empty() {
                return Err(MissingData(format!("no outcomes for {cell}")));
            }
            let seeds: BTreeSet<u64> = found.keys().copied().collect();
            shared = Some(shared.map_or(seeds.clone(), |shared| &shared & &seeds));
            by_seed.insert(cell, found);
        }
        let shared = shared.unwrap_or_default();
        if shared.is_empty() && !needed.is_empty() {
            let arms: BTreeSet<&str> = needed.iter().map(|cell| cell.arm.as_str()).collect();
            let arms = arms.into_iter().collect::<Vec<_>>().join(", ");
            return Err(MissingData(format!("no seed was run in all of: {arms}")));
        }
        // Number the problems set by set, so that each set is one contiguous pool.
        let mut members: BTreeMap<Set, BTreeSet<usize>> = BTreeMap::new();
        for (cell, found) in &by_seed {
            let pool = members.entry(cell.set).or_default();
            pool.extend(shared.iter().flat_map(|seed| &found[seed]).map(|(problem, _)| *problem));
        }
        let mut numbers: HashMap<(Set, usize), usize> = HashMap::new();
        let mut pools = Vec::new();
        for (set, problems) in members {
            let first = numbers.len();
            for problem in problems {
                let next = numbers.len();
                numbers.insert((set, problem), next);
            }
            pools.push(first..numbers.len());
        }
        let cells = by_seed
            .into_iter()
            .map(|(cell, found)| {
                let renumber = |(problem, score): &(usize, f64)| (numbers[&(cell.set, *problem)], *score);
                let rows = shared.iter().map(|seed| found[seed].iter().map(renumber).collect()).collect();
                (cell.clone(), rows)
            })
            .collect();
        Ok(Plan {
            cells,
            seed_weights: vec![1; shared.len()],
            problem_weights: vec![1; numbers.len()],
            pools,
        })
    }

    /// Draws seeds (if there are several) and problems with replacement.
    fn draw(&mut self, rng: &mut impl Rng) {
        if self.seed_weights.len() > 1 {
            redraw(&mut self.seed_weights, rng);
        }
        for pool in &self.pools {
            redraw(&mut self.problem_weights[pool.clone()], rng);
        }
    }

    fn evaluate(&self, quantity: &Quantity) -> f64 {
        let each = |quantities: &[Quantity], best: fn(f64, f64) -> f64| {
            // NaN must stay NaN, which f64::min and f64::max would drop.
            quantities
                .iter()
                .map(|quantity| self.evaluate(quantity))
                .reduce(|a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { best(a, b) })
        };
        match quantity {
            Quantity::Constant(value) => *value,
            Quantity::Rate(cell) => self.rate(cell),
            Quantity::Difference(left, right) => self.evaluate(left) - self.evaluate(right),
            Quantity::Scaled(factor, inner) => factor * self.evaluate(inner),
            Quantity::Min(parts) => each(parts, f64::min).unwrap_or(f64::NAN),
            Quantity::Max(parts) => each(parts, f64::max).unwrap_or(f64::NAN),
        }
    }

    /// Mean over the drawn seeds of the mean score over the drawn problems.
    fn rate(&self, cell: &Cell) -> f64 {
        let (mut total, mut weight) = (0.0, 0.0);
        for (seed_weight, rows) in self.seed_weights.iter().zip(&self.cells[cell]) {
            if *seed_weight == 0 {
                continue;
            }
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

fn collect_cells(quantity: &Quantity, into: &mut BTreeSet<Cell>) {
    match quantity {
        Quantity::Constant(_) => {}
        Quantity::Rate(cell) => {
            into.insert(cell.clone());
        }
        Quantity::Difference(left, right) => {
            collect_cells(left, into);
            collect_cells(right, into);
        }
        Quantity::Scaled(_, inner) => collect_cells(inner, into),
        Quantity::Min(parts) | Quantity::Max(parts) => {
            parts.iter().for_each(|part| collect_cells(part, into));
        }
    }
}

/// Quantile of sorted values, linear between neighbors.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let position = share * last as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}
