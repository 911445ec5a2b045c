//! The whole network below the output projection (embedding, blocks, last norm) as one custom
//! operation with a hand-written backward pass.
//!
//! Why not an operation a kernel: for every node of its graph, candle's autograd makes a zeroed
//! gradient and adds to it, and between kernels each activation goes to memory and back. Here the
//! graph has one node; activations stay in buffers that are kept from step to step. The weights come
//! in as one flat tensor (a `cat` in the graph), because a custom operation has at most three inputs;
//! candle itself carries the gradient back to the separate weights.

use std::sync::{Arc, Mutex};

use candle_core::{Result, Shape, Tensor};
use rayon::prelude::*;

use super::block::{self, Activations, BlockSizes, Gradients, Packed};
use super::families::Rows;
use super::groups::{TILE, groups, reduce, split_rows};
use super::layers::{rms_norm, rms_norm_backward};
use super::operation::{self, Operation, lock};
use super::simd::{add_assign, gather};

/// Buffers of one pass.
#[derive(Default)]
pub struct Workspace {
    /// One a layer, or one for all layers where no backward pass follows.
    layers: Vec<Activations>,
    /// Input of the last norm, `(tokens, hidden)`.
    last: Vec<f32>,
    gradients: Gradients,
}

/// Workspaces that are not in use; a model has its own. As many are made as passes are alive at
/// the same time: one, as a rule.
pub type Buffers = Arc<Mutex<Vec<Workspace>>>;

/// The hidden states after the last norm, differentiable. `keep`: a backward pass will follow.
///
/// # Shapes
/// `embedding (vocab, hidden)`; `flat`: the weights of each block, then the last norm's; `ids` and `rows`
/// of as many tokens; returns `(tokens, hidden)`
pub fn hidden_states(
    embedding: &Tensor,
    flat: &Tensor,
    sizes: BlockSizes,
    ids: &[u32],
    rows: Rows,
    buffers: &Buffers,
    keep: bool,
) -> Result<Tensor> {
    let (ids, buffers) = (ids.to_vec(), buffers.clone());
    operation::apply(Trunk { ids, sizes, rows, buffers, keep, saved: Mutex::new(None) }, embedding, flat)
}

struct Trunk {
    ids: Vec<u32>,
    sizes: BlockSizes,
    rows: Rows,
    buffers: Buffers,
    keep: bool,
    /// Filled by the forward pass, emptied by the backward pass.
    saved: Mutex<Option<Workspace>>,
}

impl Operation for Trunk {
    const NAME: &'static str = "trunk";

    fn forward(&self, table: &[f32], flat: &[f32]) -> (Vec<f32>, Shape) {
        let hidden = self.sizes.hidden;
        let mut workspace = lock(&self.buffers).pop().unwrap_or_default();
        let Workspace { layers, last, .. } = &mut workspace;
        gather(table, hidden, self.ids.iter().copied(), last);
        let (blocks, norm) = flat.split_at(flat.len() - hidden);
        let blocks = blocks.chunks_exact(self.sizes.weights_len());
        layers.resize_with(if self.keep { blocks.len() } else { 1 }, Activations::default);
        for (layer, flat) in blocks.enumerate() {
            let activations = &mut layers[if self.keep { layer } else { 0 }];
            block::forward(&Packed::new(self.sizes, flat, true), &self.rows, activations, last);
        }
        let mut y = vec![0.0; last.len()];
        y.par_chunks_mut(TILE * hidden)
            .zip(last.par_chunks(TILE * hidden))
            .for_each(|(y, x)| rms_norm(x, norm, self.sizes.eps, y));
        if self.keep {
            *lock(&self.saved) = Some(workspace);
        } else {
            lock(&self.buffers).push(workspace);
        }
        (y, Shape::from((self.ids.len(), hidden)))
    }

    fn backward(&self, table: &[f32], flat: &[f32], dy: &[f32]) -> Option<(Vec<f32>, Vec<f32>)> {
        let mut workspace = lock(&self.saved).take()?;
        let hidden = self.sizes.hidden;
        let mut dflat = vec![0.0; flat.len()];
        let (blocks, norm) = flat.split_at(flat.len() - hidden);
        let (dblocks, dnorm) = dflat.split_at_mut(blocks.len());

        // Back through the last norm.
        let bounds = groups(self.ids.len());
        let mut dx = vec![0.0; dy.len()];
        let mut dnorms = vec![vec![0.0; hidden]; bounds.len() - 1];
        let last = &workspace.last;
        split_rows(&mut dx, &bounds, hidden).into_par_iter().zip(&mut dnorms).enumerate().for_each(
            |(group, (dx, dnorm))| {
                let rows = bounds[group] * hidden..bounds[group + 1] * hidden;
                rms_norm_backward(&last[rows.clone()], norm, self.sizes.eps, &dy[rows], dx, dnorm);
            },
        );
        reduce(&dnorms, dnorm);

        let size = self.sizes.weights_len();
        let parts = blocks.chunks_exact(size).zip(dblocks.chunks_exact_mut(size)).zip(&mut workspace.layers);
        for ((flat, dflat), activations) in parts.rev() {
            let work = &mut workspace.gradients;
            block::backward(self.sizes, &self.rows, flat, activations, &mut dx, dflat, work);
        }

        let mut dtable = vec![0.0; table.len()];
        for (&id, dx) in self.ids.iter().zip(dx.chunks_exact(hidden)) {
            add_assign(&mut dtable[id as usize * hidden..][..hidden], dx);
        }
        lock(&self.buffers).push(workspace);
        Some((dtable, dflat))
    }
}

impl Drop for Trunk {
    /// A graph that ends without a backward pass gives its workspace back.
    fn drop(&mut self) {
        if let Some(workspace) = lock(&self.saved).take() {
            lock(&self.buffers).push(workspace);
        }
    }
}
