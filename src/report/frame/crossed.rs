//! How far a mean over seeds x problems may be from the truth: a two-way crossed random-effects model.
//!
//! A quantity that is linear in pass rates is a sum of one mean a problem set over what each seed and
//! problem contributes, `d[k][s][p] = mu[k] + a[k][s] + b[k][p] + e[k][s][p]`. Seeds are shared by all
//! sets, and their effects may be correlated from set to set; problems belong to one set. Every effect
//! is random: the question is what *other* seeds and problems would give. `docs/statistics.md` derives
//! what is computed here and shows how often its intervals hold the truth.

use itertools::Itertools;
use rand::Rng;
use rand_distr::StandardNormal;
use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::statistics::Statistics;

use super::resample::{Block, Resample};

/// What each seed and problem contributes to a quantity, complete: every problem of a set at every seed.
///
/// ```
/// use sft_vs_rl::Contributions;
/// // Two seeds, one set of three problems that differ by problem only.
/// let only_problems = Contributions { n_seeds: 2, sets: vec![vec![0.0, 0.0, 0.5, 0.5, 1.0, 1.0]] };
/// let spread = only_problems.spread();
/// assert!((spread.standard_error - 0.5 / 3f64.sqrt()).abs() < 1e-12); // deviation 0.5 of 3 problems
/// assert!((spread.freedom - 2.0).abs() < 1e-9);
/// ```
#[derive(Debug, Clone)]
pub struct Contributions {
    /// At least one.
    pub n_seeds: usize,
    /// (problems, seeds), row by row, of each set.
    pub sets: Vec<Vec<f64>>,
}

/// The variances of the model's effects: unbiased estimates, which may be below 0, or true ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Components {
    /// Of the sum over sets of a seed's effects.
    pub seed: f64,
    /// One a set.
    pub sets: Vec<SetComponents>,
}

/// The part of [`Components`] that belongs to one set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SetComponents {
    /// How many problems the set has.
    pub n_problems: usize,
    /// Variance of a problem's effect.
    pub problem: f64,
    /// Variance of what is left: seed x problem and the draw of answers.
    pub residual: f64,
}

/// How a quantity's estimate is spread around the truth: like Student's t.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Infinite where a set has a single problem, which says nothing of another.
    pub standard_error: f64,
    /// Satterthwaite's degrees of freedom; infinite where nothing varies.
    pub freedom: f64,
}

impl Spread {
    /// Lower and upper end of the interval of `level` around `value`.
    pub fn interval(&self, value: f64, level: f64) -> (f64, f64) {
        let t = match StudentsT::new(0.0, 1.0, self.freedom) {
            _ if self.standard_error == 0.0 => return (value, value),
            Ok(t) if self.standard_error.is_finite() && self.freedom.is_finite() => t,
            _ => return (f64::NEG_INFINITY, f64::INFINITY),
        };
        let half = t.inverse_cdf((1.0 + level) / 2.0) * self.standard_error;
        (value - half, value + half)
    }

    /// One-sided: the probability of an estimate that exceeds the truth by `excess` or more.
    pub fn p_value(&self, excess: f64) -> f64 {
        match (StudentsT::new(0.0, 1.0, self.freedom), excess / self.standard_error) {
            (Ok(t), ratio) if !ratio.is_nan() => t.sf(ratio),
            _ => 0.5, // 0 / 0: on the threshold, and nothing varies
        }
    }
}

impl Contributions {
    /// The value at each seed, summed over sets; their mean is the quantity.
    pub fn by_seed(&self) -> Vec<f64> {
        let n_seeds = self.n_seeds;
        let mut totals = vec![0.0; n_seeds];
        for set in &self.sets {
            let n_problems = (set.len() / n_seeds) as f64;
            for row in set.chunks_exact(n_seeds) {
                totals.iter_mut().zip(row).for_each(|(total, number)| *total += number / n_problems);
            }
        }
        totals
    }

    /// Analysis of variance: the unbiased estimates, which are REML's where none is below 0.
    /// Not a number where there is one seed only.
    pub fn components(&self) -> Components {
        let seeds = self.n_seeds as f64;
        let of_set = |set: &Vec<f64>| {
            let n_problems = set.len() / self.n_seeds;
            let by_problem = set.chunks_exact(self.n_seeds).map(|row| row.mean()).collect_vec();
            let alone = Contributions { n_seeds: self.n_seeds, sets: vec![set.clone()] };
            let (by_seed, mean) = (alone.by_seed(), by_problem.iter().mean());
            let squares = set.iter().enumerate().map(|(index, number)| {
                let (problem, seed) = (index / self.n_seeds, index % self.n_seeds);
                (number - by_problem[problem] - by_seed[seed] + mean).powi(2)
            });
            let residual = squares.sum::<f64>() / ((n_problems as f64 - 1.0) * (seeds - 1.0));
            SetComponents { n_problems, problem: by_problem.variance() - residual / seeds, residual }
        };
        let sets = self.sets.iter().map(of_set).collect_vec();
        let within: f64 = sets.iter().map(|set| set.residual / set.n_problems as f64).sum();
        Components { seed: self.by_seed().variance() - within, sets }
    }

    /// Of the quantity's estimate. A variance estimated below 0 counts as 0, so the standard error is
    /// never below the one that the residuals alone give. With one seed: over problems only.
    pub fn spread(&self) -> Spread {
        let (n_seeds, found) = (self.n_seeds as f64, self.components());
        // (a mean square's part of the variance of the estimate, its degrees of freedom)
        let mut terms = Vec::new();
        let varies = |component: f64| f64::from(u8::from(component > 0.0));
        let seeds = varies(found.seed);
        if seeds > 0.0 {
            terms.push((self.by_seed().variance() / n_seeds, n_seeds - 1.0));
        }
        for (set, numbers) in found.sets.iter().zip(&self.sets) {
            let n_problems = set.n_problems as f64;
            if set.n_problems < 2 {
                return Spread { standard_error: f64::INFINITY, freedom: 1.0 };
            }
            if self.n_seeds == 1 {
                terms.push((numbers.variance() / n_problems, n_problems - 1.0));
                continue;
            }
            let (residual, problems) = (set.residual / (n_seeds * n_problems), varies(set.problem));
            terms.push((problems * (set.problem / n_problems + residual), n_problems - 1.0));
            // Each of the other mean squares holds the residual once; the estimate's variance does, too.
            let times = 1.0 - seeds - problems;
            terms.push((times * residual, (n_problems - 1.0) * (n_seeds - 1.0)));
        }
        let variance: f64 = terms.iter().map(|(part, _)| part).sum();
        let of_variance: f64 = terms.iter().map(|(part, freedom)| part.powi(2) / freedom).sum();
        let freedom = if of_variance > 0.0 { variance.powi(2) / of_variance } else { f64::INFINITY };
        // Not a number: a quantity that is none (a share of no gain). Nothing is known of it.
        let standard_error = if variance.is_nan() { f64::INFINITY } else { variance.max(0.0).sqrt() };
        Spread { standard_error, freedom }
    }

    /// The hierarchical bootstrap's interval of the quantity: seeds and problems drawn anew, crossed.
    pub fn bootstrap(&self, draws: usize, level: f64, rng: &mut impl Rng) -> (f64, f64) {
        let block = |set: &Vec<f64>| Block { n_cells: 1, numbers: set.clone() };
        let sample = Resample { n_seeds: self.n_seeds, blocks: self.sets.iter().map(block).collect() };
        sample.interval(draws, level, rng, |means| means.iter().sum())
    }

    /// Student's t interval of the seeds' values around `value`, for these problems. `None` with one seed.
    pub fn seeds_alone(&self, value: f64, level: f64) -> Option<(f64, f64)> {
        let freedom = self.n_seeds.checked_sub(2)? as f64 + 1.0;
        let standard_error = self.by_seed().std_dev() / (self.n_seeds as f64).sqrt();
        Some(Spread { standard_error, freedom }.interval(value, level))
    }
}

impl Components {
    /// A study of `n_seeds` seeds with normal effects of these variances (0 for one below 0) and no effect.
    pub fn simulate(&self, n_seeds: usize, rng: &mut impl Rng) -> Contributions {
        let mut normal = |variance: f64| variance.max(0.0).sqrt() * rng.sample::<f64, _>(StandardNormal);
        // Only their sum over sets matters, so the first set has all of it.
        let seeds = (0..n_seeds).map(|_| normal(self.seed)).collect_vec();
        let sets = self.sets.iter().enumerate().map(|(at, set)| {
            let mut numbers = Vec::with_capacity(set.n_problems * n_seeds);
            for _ in 0..set.n_problems {
                let problem = normal(set.problem);
                let seed = |seed: usize| if at == 0 { seeds[seed] } else { 0.0 };
                numbers.extend((0..n_seeds).map(|s| problem + seed(s) + normal(set.residual)));
            }
            numbers
        });
        Contributions { n_seeds, sets: sets.collect() }
    }

    /// The upper ends of the intervals of `studies` simulated studies without effect, ascending. The share
    /// of them below a margin is the power to refute "the effect is at least that margin".
    pub fn upper_ends(&self, n_seeds: usize, level: f64, studies: usize, rng: &mut impl Rng) -> Vec<f64> {
        let upper_end = |_| {
            let study = self.simulate(n_seeds, rng);
            study.spread().interval(study.by_seed().mean(), level).1
        };
        (0..studies).map(upper_end).sorted_by(f64::total_cmp).collect()
    }
}
