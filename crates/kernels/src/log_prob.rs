//! Log-probabilities of chosen tokens from hidden states: last projection, softmax and selection in
//! one, tile by tile. Scores of the whole vocabulary exist for one tile at a time only; the backward
//! pass computes them again, which costs less than keeping them.

use std::sync::Mutex;

use candle_core::{Result, Shape, Tensor};
use rayon::prelude::*;

use super::gemm::{Matrix, Panels, Store, linear, outer};
use super::groups::{TILE, groups, reduce, split_rows};
use super::instructions::vectorized;
use super::operation::{self, Operation, lock};
use super::simd::{add_assign, dot, exp, exp_shifted, gather, max, sum};

/// The log-probability of each of `targets` at `rows` of the hidden states, differentiable, and the
/// entropy of each row, without a graph.
///
/// # Shapes
/// `states (tokens, hidden)`, `projection (vocab, hidden)`; returns `(rows,)` twice
pub fn log_prob(
    states: &Tensor,
    projection: &Tensor,
    rows: &[u32],
    targets: &[u32],
) -> Result<(Tensor, Tensor)> {
    let (vocab, width) = projection.dims2()?;
    let (rows, targets) = (rows.to_vec(), targets.to_vec());
    let operation = LogProb { rows, targets, vocab, width, log_sums: Mutex::new(None) };
    let both = operation::apply(operation, states, projection)?; // (2, rows)
    Ok((both.get(0)?, both.get(1)?.detach()))
}

struct LogProb {
    rows: Vec<u32>,
    targets: Vec<u32>,
    vocab: usize,
    width: usize,
    /// Logarithm of each row's softmax sum, for the backward pass.
    log_sums: Mutex<Option<Vec<f32>>>,
}

/// Working memory of one tile.
#[derive(Default)]
struct Tile {
    hidden: Vec<f32>, // (rows, hidden)
    logits: Vec<f32>, // (rows, vocab)
    panels: Panels,
}

impl Tile {
    /// Collects the hidden states of `rows` and computes their logits.
    fn logits(&mut self, states: &[f32], width: usize, rows: &[u32], projection_t: &Panels) {
        gather(states, width, rows.iter().copied(), &mut self.hidden);
        self.logits.resize(rows.len() * projection_t.columns(), 0.0);
        linear(&self.hidden, projection_t, &mut self.logits, Store::Overwrite);
    }
}

vectorized! {
    /// The logarithm of the softmax sum of `logits` and the entropy. The logits are overwritten.
    fn softmax_statistics(logits: &mut [f32], scratch: &mut [f32]) -> (f32, f32) {
        let max = max(logits);
        let weights = &mut scratch[..logits.len()];
        weights.copy_from_slice(logits);
        exp_shifted(weights, max);
        let total = sum(weights);
        let log_sum = max + libm::logf(total);
        (log_sum, log_sum - dot(weights, logits) / total)
    }

    /// Turns the logits of one row into the gradient of `log p(target)` with respect to them, times
    /// `gradient`: `gradient * (onehot - p)`.
    fn logits_gradient(logits: &mut [f32], log_sum: f32, target: usize, gradient: f32) {
        for logit in logits.iter_mut() {
            *logit = -gradient * exp(*logit - log_sum);
        }
        logits[target] += gradient;
    }
}

impl Operation for LogProb {
    const NAME: &'static str = "log-prob";

    /// `(2, rows)`: log-probabilities, then entropies.
    fn forward(&self, states: &[f32], projection: &[f32]) -> (Vec<f32>, Shape) {
        let (vocab, width) = (self.vocab, self.width);
        let projection_t = Panels::packed(Matrix::rows(projection, width).transposed(), width, vocab);
        let count = self.rows.len();
        let mut result = vec![0.0; 2 * count];
        let mut log_sums = vec![0.0; count];
        let (log_probs, entropies) = result.split_at_mut(count);
        log_probs
            .par_chunks_mut(TILE)
            .zip(entropies.par_chunks_mut(TILE))
            .zip(log_sums.par_chunks_mut(TILE))
            .zip(self.rows.par_chunks(TILE).zip(self.targets.par_chunks(TILE)))
            .for_each_init(
                || (Tile::default(), vec![0.0; vocab]),
                |(tile, scratch), (((log_probs, entropies), log_sums), (rows, targets))| {
                    tile.logits(states, width, rows, &projection_t);
                    for (i, logits) in tile.logits.chunks_exact_mut(vocab).enumerate() {
                        (log_sums[i], entropies[i]) = softmax_statistics(logits, scratch);
                        log_probs[i] = logits[targets[i] as usize] - log_sums[i];
                    }
                },
            );
        *lock(&self.log_sums) = Some(log_sums);
        (result, Shape::from((2, count)))
    }

    fn backward(&self, states: &[f32], weights: &[f32], gradient: &[f32]) -> Option<(Vec<f32>, Vec<f32>)> {
        let log_sums = lock(&self.log_sums).take()?;
        let (vocab, width) = (self.vocab, self.width);
        let weights = Matrix::rows(weights, width);
        let projection_t = Panels::packed(weights.transposed(), width, vocab);
        let projection = Panels::packed(weights, vocab, width);
        let bounds = groups(self.rows.len());
        let mut dprojections = vec![vec![0.0; vocab * width]; bounds.len() - 1];
        let mut dhidden = vec![0.0; self.rows.len() * width];
        split_rows(&mut dhidden, &bounds, width)
            .into_par_iter()
            .zip(&mut dprojections)
            .enumerate()
            .for_each_init(Tile::default, |tile, (group, (dhidden, dprojection))| {
                for (index, dhidden) in dhidden.chunks_mut(TILE * width).enumerate() {
                    let first = bounds[group] + index * TILE;
                    let rows = &self.rows[first..][..dhidden.len() / width];
                    tile.logits(states, width, rows, &projection_t);
                    for (i, logits) in tile.logits.chunks_exact_mut(vocab).enumerate() {
                        let (row, target) = (first + i, self.targets[first + i] as usize);
                        logits_gradient(logits, log_sums[row], target, gradient[row]);
                    }
                    linear(&tile.logits, &projection, dhidden, Store::Overwrite);
                    outer(&tile.logits, &tile.hidden, width, &mut tile.panels, dprojection, Store::Add);
                }
            });
        // A row may be asked for twice.
        let mut dstates = vec![0.0; states.len()];
        for (&row, dhidden) in self.rows.iter().zip(dhidden.chunks_exact(width)) {
            add_assign(&mut dstates[row as usize * width..][..width], dhidden);
        }
        let mut dprojection = vec![0.0; vocab * width];
        reduce(&dprojections, &mut dprojection);
        Some((dstates, dprojection))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::super::testing::{assert_gradient, numbers};
    use super::*;

    fn run(states: &Tensor, projection: &Tensor, rows: &[u32], targets: &[u32]) -> (Tensor, Tensor) {
        log_prob(states, projection, rows, targets).unwrap()
    }

    #[test]
    fn a_uniform_distribution_has_the_entropy_of_its_size() {
        let states = Tensor::new(&[[1f32, 2.0]], &Device::Cpu).unwrap();
        let projection = Tensor::new(&[[1f32, 1.0]; 5], &Device::Cpu).unwrap();
        let result = run(&states, &projection, &[0], &[3]);
        let [log_prob, entropy] = [result.0, result.1].map(|x| x.to_vec1::<f32>().unwrap()[0]);
        assert!((log_prob + 5f32.ln()).abs() < 1e-6 && (entropy - 5f32.ln()).abs() < 1e-6);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        // More rows than a tile, an odd vocabulary, a row asked for twice.
        for (tokens, width, vocab) in [(3, 5, 19), (2, 16, 33), (100, 3, 7)] {
            let var = |shape: (usize, usize), seed| {
                Var::from_vec(numbers(shape.0 * shape.1, seed), shape, &Device::Cpu).unwrap()
            };
            let (states, projection) = (var((tokens, width), 1), var((vocab, width), 2));
            let mut rows: Vec<u32> = (0..tokens as u32).collect();
            rows.push(1);
            let targets: Vec<u32> = rows.iter().map(|row| (row * 5 + 2) % vocab as u32).collect();
            let weights = numbers(rows.len(), 3);
            let log_probs = run(&states, &projection, &rows, &targets).0;
            let weighted =
                (log_probs * Tensor::from_vec(weights.clone(), rows.len(), &Device::Cpu).unwrap()).unwrap();
            let store = weighted.sum_all().unwrap().backward().unwrap();
            for var in [&states, &projection] {
                let values = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let start = values(var);
                let gradient = values(store.get(var).unwrap());
                assert_gradient(&start, &gradient, &weights, |at| {
                    let at = Tensor::from_slice(at, var.shape(), &Device::Cpu).unwrap();
                    let is_states = var.dims() == states.dims();
                    let result = if is_states {
                        run(&at, projection.as_tensor(), &rows, &targets)
                    } else {
                        run(states.as_tensor(), &at, &rows, &targets)
                    };
                    result.0.to_vec1().unwrap()
                });
            }
        }
    }
}
