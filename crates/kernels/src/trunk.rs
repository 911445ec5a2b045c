//! The whole network below the output projection (embedding, blocks, last norm) as one custom
//! operation with a hand-written backward pass.
//!
//! Why not an operation a kernel: for every node of its graph, candle's autograd makes a zeroed
//! gradient and adds to it, and between kernels each activation goes to memory and back. Here the
//! graph has one node; activations stay in buffers that are kept from step to step. The weights come
//! in as one flat tensor (a `cat` in the graph), because a custom operation has at most three inputs;
//! candle itself carries the gradient back to the separate weights.

use std::sync::{Arc, Mutex, MutexGuard};

use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::block::{self, Activations, BlockSizes, Gradients, Rows};
use super::groups::{TILE, groups, reduce, split_rows};
use super::norm::{rms_norm, rms_norm_backward};
use super::simd::add_assign;
use super::{cpu_slice, missing_forward, with_cpu};

/// Buffers of one pass.
#[derive(Default)]
pub struct Workspace {
    /// One a layer, or one for all layers where no backward pass follows.
    layers: Vec<Activations>,
    /// Input of the last norm, `(tokens, hidden)`.
    last: Vec<f32>,
    gradients: Gradients,
}

/// Workspaces that are not in use; a model has one pool. As many are made as passes are alive at
/// the same time: one, as a rule.
pub type Pool = Arc<Mutex<Vec<Workspace>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves nothing half-done here: buffers are written before they are read.
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The operation: `(embedding (vocab, hidden), flat weights) -> hidden states (tokens, hidden)`.
/// The flat weights are those of each block, then the last norm's.
pub struct Trunk {
    ids: Vec<u32>,
    layers: usize,
    sizes: BlockSizes,
    rows: Rows,
    pool: Pool,
    /// Filled by the forward pass, emptied by the backward pass.
    saved: Mutex<Option<Workspace>>,
    keep: bool,
}

impl Trunk {
    /// `keep`: a backward pass will follow.
    pub fn new(ids: Vec<u32>, layers: usize, sizes: BlockSizes, rows: Rows, pool: Pool, keep: bool) -> Trunk {
        Trunk { ids, layers, sizes, rows, pool, saved: Mutex::new(None), keep }
    }

    fn forward(&self, table: &[f32], flat: &[f32]) -> Vec<f32> {
        let hidden = self.sizes.hidden;
        let mut workspace = lock(&self.pool).pop().unwrap_or_default();
        let Workspace { layers, last, .. } = &mut workspace;
        layers.resize_with(if self.keep { self.layers } else { 1 }, Activations::default);
        last.resize(self.ids.len() * hidden, 0.0);
        for (x, &id) in last.chunks_exact_mut(hidden).zip(&self.ids) {
            x.copy_from_slice(&table[id as usize * hidden..][..hidden]);
        }
        let (blocks, norm) = flat.split_at(self.layers * self.sizes.weights_len());
        for (layer, flat) in blocks.chunks_exact(self.sizes.weights_len()).enumerate() {
            let activations = &mut layers[if self.keep { layer } else { 0 }];
            std::mem::swap(&mut activations.x, last);
            last.resize(self.ids.len() * hidden, 0.0);
            block::forward(self.sizes, &self.rows, flat, activations, last);
        }
        let mut y = vec![0.0; last.len()];
        y.par_chunks_mut(TILE * hidden)
            .zip(last.par_chunks(TILE * hidden))
            .for_each(|(y, x)| rms_norm(x, norm, self.sizes.eps, y));
        if self.keep {
            *lock(&self.saved) = Some(workspace);
        } else {
            lock(&self.pool).push(workspace);
        }
        y
    }

    /// Gradients of the table and of the flat weights.
    fn backward(
        &self,
        table_len: usize,
        flat: &[f32],
        dy: &[f32],
        workspace: &mut Workspace,
    ) -> (Vec<f32>, Vec<f32>) {
        let hidden = self.sizes.hidden;
        let mut dflat = vec![0.0; flat.len()];
        let (blocks, norm) = flat.split_at(self.layers * self.sizes.weights_len());
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
            block::backward(
                self.sizes,
                &self.rows,
                flat,
                activations,
                &mut dx,
                dflat,
                &mut workspace.gradients,
            );
        }

        let mut dtable = vec![0.0; table_len];
        for (&id, dx) in self.ids.iter().zip(dx.chunks_exact(hidden)) {
            add_assign(&mut dtable[id as usize * hidden..][..hidden], dx);
        }
        (dtable, dflat)
    }
}

impl Drop for Trunk {
    /// A graph that ends without a backward pass gives its workspace back.
    fn drop(&mut self) {
        if let Some(workspace) = lock(&self.saved).take() {
            lock(&self.pool).push(workspace);
        }
    }
}

impl CustomOp2 for Trunk {
    fn name(&self) -> &'static str {
        "trunk"
    }

    fn cpu_fwd(
        &self,
        table: &CpuStorage,
        table_layout: &Layout,
        flat: &CpuStorage,
        flat_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (table, flat) = (cpu_slice(table, table_layout)?, cpu_slice(flat, flat_layout)?);
        let y = self.forward(table, flat);
        Ok((CpuStorage::F32(y), Shape::from((self.ids.len(), self.sizes.hidden))))
    }

    fn bwd(
        &self,
        table: &Tensor,
        flat: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let saved = lock(&self.saved).take();
        let mut workspace = saved.ok_or_else(|| missing_forward(self.name()))?;
        let (dtable, dflat) =
            with_cpu([flat, dy], |[flat, dy]| self.backward(table.elem_count(), flat, dy, &mut workspace))?;
        lock(&self.pool).push(workspace);
        let dtable = Tensor::from_vec(dtable, table.shape(), table.device())?;
        Ok((Some(dtable), Some(Tensor::from_vec(dflat, flat.shape(), flat.device())?)))
    }
}
