//! The hierarchical bootstrap, on complete tables.
//!
//! One replicate draws seeds with replacement and, independently, problems with replacement, and
//! recomputes the whole quantity. The same drawn seeds and problems serve every rate in the quantity:
//! arms are compared *paired*. Crossing both draws (rather than drawing problems anew inside each seed)
//! keeps the part of the spread that all seeds share because they answer the same problems; it errs on
//! the wide side (Owen 2007, "The pigeonhole bootstrap"). With one seed only problems are drawn. With
//! two to four the drawn seeds understate the spread between seeds, by sqrt((n-1)/n) for the mean.

use itertools::Itertools;
use rand::Rng;

/// The scores of cells that ask one set.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub n_cells: usize,
    /// (problems, cells, seeds), row by row.
    pub numbers: Vec<f64>,
}

/// The scores behind a quantity.
#[derive(Debug, Clone)]
pub(super) struct Resample {
    pub n_seeds: usize,
    pub blocks: Vec<Block>,
}

impl Resample {
    /// Problems of each block.
    pub fn n_problems(&self) -> impl Iterator<Item = usize> {
        self.blocks.iter().map(|block| block.numbers.len() / (block.n_cells * self.n_seeds))
    }

    /// The mean score of every cell, block by block, where each seed and problem counts once.
    pub fn means(&self) -> Vec<f64> {
        let problems = self.n_problems().map(|n_problems| vec![1.0; n_problems]).collect_vec();
        self.weighted(&vec![1.0; self.n_seeds], &problems)
    }

    fn weighted(&self, seeds: &[f64], problems: &[Vec<f64>]) -> Vec<f64> {
        let mut means = Vec::new();
        for (block, weights) in self.blocks.iter().zip(problems) {
            let width = block.n_cells * self.n_seeds;
            let mut sums = vec![0.0; width];
            for (row, weight) in block.numbers.chunks_exact(width).zip(weights).filter(|row| *row.1 > 0.0) {
                sums.iter_mut().zip(row).for_each(|(sum, score)| *sum += weight * score);
            }
            let total = (self.n_seeds * weights.len()) as f64;
            let mean = |sums: &[f64]| sums.iter().zip(seeds).map(|(sum, weight)| sum * weight).sum::<f64>();
            means.extend(sums.chunks_exact(self.n_seeds).map(|sums| mean(sums) / total));
        }
        means
    }

    /// The middle `level` of what `quantity` makes of the cells' means in `draws` replicates. Those
    /// that are no number (a share of a gain of 0) are left out.
    pub fn interval(
        &self,
        draws: usize,
        level: f64,
        rng: &mut impl Rng,
        mut quantity: impl FnMut(&[f64]) -> f64,
    ) -> (f64, f64) {
        let mut seeds = vec![1.0; self.n_seeds];
        let mut problems = self.n_problems().map(|n_problems| vec![1.0; n_problems]).collect_vec();
        let mut replicates = Vec::with_capacity(draws);
        for _ in 0..draws {
            if self.n_seeds > 1 {
                redraw(&mut seeds, rng);
            }
            problems.iter_mut().for_each(|weights| redraw(weights, rng));
            replicates.push(quantity(&self.weighted(&seeds, &problems)));
        }
        replicates.retain(|replicate| replicate.is_finite());
        replicates.sort_by(f64::total_cmp);
        let tail = (1.0 - level) / 2.0;
        let ends = (quantile(&replicates, tail), quantile(&replicates, 1.0 - tail));
        (ends.0.unwrap_or(f64::NEG_INFINITY), ends.1.unwrap_or(f64::INFINITY))
    }
}

/// Each counts as often as it is drawn, with replacement.
fn redraw(weights: &mut [f64], rng: &mut impl Rng) {
    weights.fill(0.0);
    for _ in 0..weights.len() {
        weights[rng.random_range(0..weights.len())] += 1.0;
    }
}

/// Of ascending numbers, linear between neighbors; `None` of none.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = share * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(low + (at - at.floor()) * (high - low))
}
