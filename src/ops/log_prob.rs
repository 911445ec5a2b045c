//! Log-probabilities of chosen tokens from hidden states: last projection, softmax and selection in
//! one, tile by tile. Scores of the whole vocabulary exist for one tile at a time only; the backward
//! pass computes them again, which costs less than keeping them.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::block::{TILE, groups, outer, reduce};
use super::gemm::{Matrix, Panels, Store, gemm};
use super::simd::{dot, exp, exp_shifted, max, sum, vectorized};
use super::{cpu_slice, missing_forward, split_rows, with_cpu};

/// `(hidden states (tokens, hidden), projection (vocab, hidden)) -> (2, rows)`: the log-probability
/// of each target, then the entropy of each row. Gradients flow through the first half only.
pub(crate) struct LogProb {
    rows: Vec<u32>,
    targets: Vec<u32>,
    /// Logarithm of each row's softmax sum, for the backward pass.
    log_sums: Mutex<Option<Vec<f32>>>,
}

impl LogProb {
    pub(crate) fn new(rows: &[u32], targets: &[u32]) -> LogProb {
        LogProb { rows: rows.to_vec(), targets: targets.to_vec(), log_sums: Mutex::new(None) }
    }
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
    fn logits(&mut self, states: &[f32], width: usize, rows: &[u32], projection_t: &Panels, vocab: usize) {
        self.hidden.clear();
        for &row in rows {
            self.hidden.extend_from_slice(&states[row as usize * width..][..width]);
        }
        self.logits.resize(rows.len() * vocab, 0.0);
        let hidden = Matrix::rows(&self.hidden, width);
        gemm(
            rows.len(),
            vocab,
            0..width,
            hidden,
            projection_t.view(),
            &mut self.logits,
            vocab,
            Store::Overwrite,
        );
    }
}

vectorized! {
    /// The logarithm of the softmax sum of `logits` and the entropy. The logits are overwritten.
    fn softmax_statistics(logits: &mut [f32], scratch: &mut [f32]) -> (f32, f32) {
        let max = max(logits);
        let weights = &mut scratch[..logits.len()];
        weights.copy_from_slice(logits);
        exp_shifted::<FMA>(weights, max);
        let total = sum(weights);
        let log_sum = max + total.ln();
        (log_sum, log_sum - dot(weights, logits) / total)
    }
}

vectorized! {
    /// Turns the logits of one row into the gradient of `log p(target)` with respect to them, times
    /// `gradient`: `gradient * (onehot - p)`.
    fn logits_gradient(logits: &mut [f32], log_sum: f32, target: usize, gradient: f32) {
        for logit in logits.iter_mut() {
            *logit = -gradient * exp::<FMA>(*logit - log_sum);
        }
        logits[target] += gradient;
    }
}

impl CustomOp2 for LogProb {
    fn name(&self) -> &'static str {
        "log-prob"
    }

    fn cpu_fwd(
        &self,
        states: &CpuStorage,
        states_layout: &Layout,
        projection: &CpuStorage,
        projection_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (states, projection) =
            (cpu_slice(states, states_layout)?, cpu_slice(projection, projection_layout)?);
        let (vocab, width) = projection_layout.shape().dims2()?;
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
                    tile.logits(states, width, rows, &projection_t, vocab);
                    for (i, logits) in tile.logits.chunks_exact_mut(vocab).enumerate() {
                        (log_sums[i], entropies[i]) = softmax_statistics(logits, scratch);
                        log_probs[i] = logits[targets[i] as usize] - log_sums[i];
                    }
                },
            );
        *self.log_sums.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(log_sums);
        Ok((CpuStorage::F32(result), Shape::from((2, count))))
    }

    fn bwd(
        &self,
        states: &Tensor,
        projection: &Tensor,
        _result: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let log_sums = self.log_sums.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let log_sums = log_sums.ok_or_else(|| missing_forward(self.name()))?;
        let (vocab, width) = projection.dims2()?;
        let (dstates, dprojection) =
            with_cpu([states, projection, gradient], |[states, weights, gradient]| {
                let weights = Matrix::rows(weights, width);
                let projection_t = Panels::packed(weights.transposed(), width, vocab);
                let projection = Panels::packed(weights, vocab, width);
                let bounds = groups(self.rows.len());
                let mut dprojection = vec![vec![0.0; vocab * width]; bounds.len() - 1];
                let mut dhidden = vec![0.0; self.rows.len() * width];
                split_rows(&mut dhidden, &bounds, width)
                    .into_par_iter()
                    .zip(&mut dprojection)
                    .enumerate()
                    .for_each_init(Tile::default, |tile, (group, (dhidden, dprojection))| {
                        for (index, dhidden) in dhidden.chunks_mut(TILE * width).enumerate() {
                            let first = bounds[group] + index * TILE;
                            let count = dhidden.len() / width;
                            tile.logits(
                                states,
                                width,
                                &self.rows[first..first + count],
                                &projection_t,
                                vocab,
                            );
                            for (i, logits) in tile.logits.chunks_exact_mut(vocab).enumerate() {
                                let (row, target) = (first + i, self.targets[first + i] as usize);
                                logits_gradient(logits, log_sums[row], target, gradient[row]);
                            }
                            let dlogits = Matrix::rows(&tile.logits, vocab);
                            gemm(
                                count,
                                width,
                                0..vocab,
                                dlogits,
                                projection.view(),
                                dhidden,
                                width,
                                Store::Overwrite,
                            );
                            tile.panels.pack(Matrix::rows(&tile.hidden, width), count, width);
                            outer((tile.panels.view(), width), dlogits, count, dprojection);
                        }
                    });
                // A row may be asked for twice.
                let mut dstates = vec![0.0; states.len()];
                for (&row, dhidden) in self.rows.iter().zip(dhidden.chunks_exact(width)) {
                    super::simd::add_assign(&mut dstates[row as usize * width..][..width], dhidden);
                }
                (dstates, reduce(dprojection))
            })?;
        let dstates = Tensor::from_vec(dstates, states.shape(), states.device())?;
        Ok((Some(dstates), Some(Tensor::from_vec(dprojection, projection.shape(), projection.device())?)))
    }
}
