//! One transformer block as one custom operation with a hand-written backward pass.
//!
//! Why a whole block: candle's autograd allocates a zeroed gradient and adds to it, on one thread,
//! for every operation of the graph, and its element-wise kernels are single-threaded. One node a
//! block leaves that cost to the residual stream alone. The block's weights come in as one flat
//! tensor (a `cat` in the graph), because a custom operation has at most three inputs; candle itself
//! carries the gradient back to the separate weights.
//!
//! The work is cut into tiles of rows (attention: into sequences) that threads take in any order:
//! each writes its own rows. Weight gradients are summed per group of tiles and then over the groups
//! in order; both cuts depend on the batch only, so the number of threads changes no bit.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::attention::{self, Heads, RotaryTable, attention, attention_backward};
use super::gemm::{Matrix, PanelView, Panels, Store, gemm};
use super::norm::{rms_norm, rms_norm_backward};
use super::simd::add_assign;
use super::swiglu::{swiglu, swiglu_backward};
use super::{cpu_slice, missing_forward, split_rows, with_cpu};

/// Rows of a tile: its activations stay in the second-level cache.
pub(crate) const TILE: usize = 96;
/// Most partial sums of the weight gradients: the widest that the backward pass can spread.
const MOST_GROUPS: usize = 8;

/// Sizes of a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BlockSizes {
    pub hidden: usize,
    pub inner: usize,
    pub heads: Heads,
    pub eps: f32,
}

/// The weights of a block, in the order of [`BlockWeights::PARTS`], inside one flat slice.
pub(crate) struct BlockWeights<T> {
    pub input_norm: T,
    pub qkv: T,
    pub out: T,
    pub inner_norm: T,
    pub gate_up: T,
    pub down: T,
}

/// Names of the weights in the order of the flat tensor.
pub(crate) const PARTS: [&str; 9] = [
    "input_layernorm",
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "post_attention_layernorm",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
];

impl BlockSizes {
    /// Where each weight lies in the flat tensor.
    fn ranges(&self) -> BlockWeights<Range<usize>> {
        let mut start = 0;
        let mut take = |size: usize| {
            start += size;
            start - size..start
        };
        let (hidden, inner, q_size) = (self.hidden, self.inner, self.heads.q_size());
        BlockWeights {
            input_norm: take(hidden),
            qkv: take(self.heads.qkv_size() * hidden),
            out: take(hidden * q_size),
            inner_norm: take(hidden),
            gate_up: take(2 * inner * hidden),
            down: take(hidden * inner),
        }
    }

    pub(crate) fn weights<'a>(&self, flat: &'a [f32]) -> BlockWeights<&'a [f32]> {
        let ranges = self.ranges();
        BlockWeights {
            input_norm: &flat[ranges.input_norm],
            qkv: &flat[ranges.qkv],
            out: &flat[ranges.out],
            inner_norm: &flat[ranges.inner_norm],
            gate_up: &flat[ranges.gate_up],
            down: &flat[ranges.down],
        }
    }

    /// The matrices as right-hand sides of `x @ weight^T`: `qkv`, `out`, `gate_up`, `down`.
    pub(crate) fn pack_transposed(&self, weights: &BlockWeights<&[f32]>) -> [Panels; 4] {
        let (hidden, inner, heads) = (self.hidden, self.inner, self.heads);
        let (qkv_size, q_size) = (heads.qkv_size(), heads.q_size());
        pack_all([
            (Matrix::rows(weights.qkv, hidden).transposed(), hidden, qkv_size),
            (Matrix::rows(weights.out, q_size).transposed(), q_size, hidden),
            (Matrix::rows(weights.gate_up, hidden).transposed(), hidden, 2 * inner),
            (Matrix::rows(weights.down, inner).transposed(), inner, hidden),
        ])
    }

    fn weights_mut<'a>(&self, flat: &'a mut [f32]) -> BlockWeights<&'a mut [f32]> {
        let ranges = self.ranges();
        let (input_norm, flat) = flat.split_at_mut(ranges.input_norm.len());
        let (qkv, flat) = flat.split_at_mut(ranges.qkv.len());
        let (out, flat) = flat.split_at_mut(ranges.out.len());
        let (inner_norm, flat) = flat.split_at_mut(ranges.inner_norm.len());
        let (gate_up, down) = flat.split_at_mut(ranges.gate_up.len());
        BlockWeights { input_norm, qkv, out, inner_norm, gate_up, down }
    }
}

/// How the rows of a batch fall into sequences; shared by all blocks of a pass.
pub(crate) struct Rows {
    pub offsets: Vec<usize>,
    pub positions: Vec<u32>,
    pub rotary: RotaryTable,
}

/// What the backward pass needs of the forward pass, beside the input and the weights.
pub(crate) struct Saved {
    pub qkv: Vec<f32>,  // (tokens, qkv), rotated
    mixed: Vec<f32>,    // (tokens, heads * head_dim), what attention returned
    log_sums: Vec<f32>, // (tokens, heads)
    middle: Vec<f32>,   // (tokens, hidden), the residual stream between attention and SwiGLU
    gate_up: Vec<f32>,  // (tokens, 2 * inner), before the activation
}

/// The operation: `(x (tokens, hidden), flat weights) -> (tokens, hidden)`.
pub(crate) struct Block {
    sizes: BlockSizes,
    rows: Arc<Rows>,
    /// Filled by the forward pass, emptied by the backward pass.
    saved: Mutex<Option<Saved>>,
    keep: bool,
}

impl Block {
    /// `keep`: a backward pass will follow.
    pub(crate) fn new(sizes: BlockSizes, rows: Arc<Rows>, keep: bool) -> Block {
        Block { sizes, rows, saved: Mutex::new(None), keep }
    }

    /// The output, and what the backward pass needs.
    pub(crate) fn forward(&self, x: &[f32], flat: &[f32]) -> (Vec<f32>, Saved) {
        let BlockSizes { hidden, inner, heads, eps } = self.sizes;
        let (tokens, qkv_size, q_size) = (x.len() / hidden, heads.qkv_size(), heads.q_size());
        let weights = self.sizes.weights(flat);
        let [qkv_t, out_t, gate_up_t, down_t] = &self.sizes.pack_transposed(&weights);
        let mut saved = Saved {
            qkv: vec![0.0; tokens * qkv_size],
            mixed: vec![0.0; tokens * q_size],
            log_sums: vec![0.0; tokens * heads.heads],
            middle: vec![0.0; tokens * hidden],
            gate_up: vec![0.0; tokens * 2 * inner],
        };
        let mut y = vec![0.0; tokens * hidden];

        // Queries, keys and values, rotated.
        saved
            .qkv
            .par_chunks_mut(TILE * qkv_size)
            .zip(x.par_chunks(TILE * hidden))
            .zip(self.rows.positions.par_chunks(TILE))
            .for_each_init(Vec::new, |normed, ((qkv, x), positions)| {
                normed.resize(x.len(), 0.0);
                rms_norm(x, weights.input_norm, eps, normed);
                let normed = Matrix::rows(normed, hidden);
                gemm(
                    positions.len(),
                    qkv_size,
                    0..hidden,
                    normed,
                    qkv_t.view(),
                    qkv,
                    qkv_size,
                    Store::Overwrite,
                );
                self.rows.rotary.rotate(heads, qkv, positions, 1.0);
            });

        // Attention, sequence by sequence.
        let offsets = &self.rows.offsets;
        split_rows(&mut saved.mixed, offsets, q_size)
            .into_par_iter()
            .zip(split_rows(&mut saved.log_sums, offsets, heads.heads))
            .enumerate()
            .for_each_init(attention::Scratch::default, |scratch, (index, (mixed, log_sums))| {
                let qkv = &saved.qkv[offsets[index] * qkv_size..offsets[index + 1] * qkv_size];
                attention(heads, qkv, mixed, log_sums, scratch);
            });

        // The residual stream and SwiGLU.
        y.par_chunks_mut(TILE * hidden)
            .zip(saved.middle.par_chunks_mut(TILE * hidden))
            .zip(saved.gate_up.par_chunks_mut(TILE * 2 * inner))
            .zip(x.par_chunks(TILE * hidden))
            .zip(saved.mixed.par_chunks(TILE * q_size))
            .for_each_init(Tile::default, |tile, ((((y, middle), gate_up), x), mixed)| {
                let rows = x.len() / hidden;
                tile.resize(rows, hidden, inner);
                middle.copy_from_slice(x);
                gemm(
                    rows,
                    hidden,
                    0..q_size,
                    Matrix::rows(mixed, q_size),
                    out_t.view(),
                    middle,
                    hidden,
                    Store::Add,
                );
                rms_norm(middle, weights.inner_norm, eps, &mut tile.normed);
                let normed = Matrix::rows(&tile.normed, hidden);
                gemm(
                    rows,
                    2 * inner,
                    0..hidden,
                    normed,
                    gate_up_t.view(),
                    gate_up,
                    2 * inner,
                    Store::Overwrite,
                );
                swiglu(gate_up, inner, &mut tile.inner);
                y.copy_from_slice(middle);
                let inner_rows = Matrix::rows(&tile.inner, inner);
                gemm(rows, hidden, 0..inner, inner_rows, down_t.view(), y, hidden, Store::Add);
            });
        (y, saved)
    }

    /// Gradients of the input and of the flat weights.
    fn backward(&self, x: &[f32], flat: &[f32], dy: &[f32], mut saved: Saved) -> (Vec<f32>, Vec<f32>) {
        let BlockSizes { hidden, inner, heads, eps } = self.sizes;
        let (tokens, qkv_size, q_size) = (x.len() / hidden, heads.qkv_size(), heads.q_size());
        let weights = self.sizes.weights(flat);
        let [qkv_w, out_w, gate_up_w, down_w] = pack_all([
            (Matrix::rows(weights.qkv, hidden), qkv_size, hidden),
            (Matrix::rows(weights.out, q_size), hidden, q_size),
            (Matrix::rows(weights.gate_up, hidden), 2 * inner, hidden),
            (Matrix::rows(weights.down, inner), hidden, inner),
        ]);
        let bounds = groups(tokens);
        let mut dweights: Vec<Vec<f32>> = vec![vec![0.0; flat.len()]; bounds.len() - 1];
        let mut dx = vec![0.0; tokens * hidden];
        let mut dmixed = vec![0.0; tokens * q_size];

        // Back through SwiGLU and the output projection. `dx` holds the gradient of the middle of
        // the residual stream until the last phase.
        split_rows(&mut dx, &bounds, hidden)
            .into_par_iter()
            .zip(split_rows(&mut dmixed, &bounds, q_size))
            .zip(split_rows(&mut saved.gate_up, &bounds, 2 * inner))
            .zip(&mut dweights)
            .enumerate()
            .for_each_init(Tile::default, |tile, (group, (((dmiddle, dmixed), gate_up), dweights))| {
                let dweights = self.sizes.weights_mut(dweights);
                for (index, gate_up) in gate_up.chunks_mut(TILE * 2 * inner).enumerate() {
                    let rows = gate_up.len() / (2 * inner);
                    let first = bounds[group] + index * TILE;
                    let dy = &dy[first * hidden..][..rows * hidden];
                    let middle = &saved.middle[first * hidden..][..rows * hidden];
                    let mixed = &saved.mixed[first * q_size..][..rows * q_size];
                    let dmiddle = &mut dmiddle[index * TILE * hidden..][..rows * hidden];
                    let dmixed = &mut dmixed[index * TILE * q_size..][..rows * q_size];
                    tile.resize(rows, hidden, inner);

                    let dy_rows = Matrix::rows(dy, hidden);
                    gemm(
                        rows,
                        inner,
                        0..hidden,
                        dy_rows,
                        down_w.view(),
                        &mut tile.dinner,
                        inner,
                        Store::Overwrite,
                    );
                    swiglu_backward(gate_up, inner, &tile.dinner, &mut tile.inner);
                    let dgate_up = Matrix::rows(gate_up, 2 * inner);
                    outer(tile_panels(&mut tile.panels, &tile.inner, inner), dy_rows, rows, dweights.down);

                    rms_norm(middle, weights.inner_norm, eps, &mut tile.normed);
                    outer(
                        tile_panels(&mut tile.panels, &tile.normed, hidden),
                        dgate_up,
                        rows,
                        dweights.gate_up,
                    );
                    gemm(
                        rows,
                        hidden,
                        0..2 * inner,
                        dgate_up,
                        gate_up_w.view(),
                        &mut tile.normed,
                        hidden,
                        Store::Overwrite,
                    );
                    dmiddle.copy_from_slice(dy);
                    rms_norm_backward(
                        middle,
                        weights.inner_norm,
                        eps,
                        &tile.normed,
                        dmiddle,
                        dweights.inner_norm,
                    );

                    let dmiddle = Matrix::rows(dmiddle, hidden);
                    gemm(rows, q_size, 0..hidden, dmiddle, out_w.view(), dmixed, q_size, Store::Overwrite);
                    outer(tile_panels(&mut tile.panels, mixed, q_size), dmiddle, rows, dweights.out);
                }
            });

        // Back through attention, sequence by sequence.
        let mut dqkv = vec![0.0; tokens * qkv_size];
        let offsets = &self.rows.offsets;
        split_rows(&mut dqkv, offsets, qkv_size).into_par_iter().enumerate().for_each_init(
            attention::Scratch::default,
            |scratch, (index, dqkv)| {
                let rows = offsets[index]..offsets[index + 1];
                let of = |width: usize| rows.start * width..rows.end * width;
                let (qkv, mixed) = (&saved.qkv[of(qkv_size)], &saved.mixed[of(q_size)]);
                let log_sums = &saved.log_sums[of(heads.heads)];
                attention_backward(heads, qkv, mixed, log_sums, &dmixed[of(q_size)], dqkv, scratch);
                self.rows.rotary.rotate(heads, dqkv, &self.rows.positions[rows], -1.0);
            },
        );

        // Back through the first projections.
        split_rows(&mut dx, &bounds, hidden).into_par_iter().zip(&mut dweights).enumerate().for_each_init(
            Tile::default,
            |tile, (group, (dx, dweights))| {
                let dweights = self.sizes.weights_mut(dweights);
                for (index, dx) in dx.chunks_mut(TILE * hidden).enumerate() {
                    let rows = dx.len() / hidden;
                    let first = bounds[group] + index * TILE;
                    let x = &x[first * hidden..][..rows * hidden];
                    let dqkv = Matrix::rows(&dqkv[first * qkv_size..][..rows * qkv_size], qkv_size);
                    tile.resize(rows, hidden, inner);
                    rms_norm(x, weights.input_norm, eps, &mut tile.normed);
                    outer(tile_panels(&mut tile.panels, &tile.normed, hidden), dqkv, rows, dweights.qkv);
                    gemm(
                        rows,
                        hidden,
                        0..qkv_size,
                        dqkv,
                        qkv_w.view(),
                        &mut tile.normed,
                        hidden,
                        Store::Overwrite,
                    );
                    rms_norm_backward(x, weights.input_norm, eps, &tile.normed, dx, dweights.input_norm);
                }
            },
        );
        (dx, reduce(dweights))
    }
}

/// Working memory of one tile.
#[derive(Default)]
struct Tile {
    normed: Vec<f32>, // (rows, hidden)
    inner: Vec<f32>,  // (rows, inner)
    dinner: Vec<f32>, // (rows, inner)
    panels: Panels,
}

impl Tile {
    fn resize(&mut self, rows: usize, hidden: usize, inner: usize) {
        self.normed.resize(rows * hidden, 0.0);
        self.inner.resize(rows * inner, 0.0);
        self.dinner.resize(rows * inner, 0.0);
    }
}

/// Packs the rows of a tile as the right-hand side of [`outer`].
fn tile_panels<'a>(panels: &'a mut Panels, x: &[f32], width: usize) -> (PanelView<'a>, usize) {
    panels.pack(Matrix::rows(x, width), x.len() / width, width);
    (panels.view(), width)
}

/// The gradient of a linear layer's weight: `dweight (out, in) += dy^T @ x`.
pub(super) fn outer((x, width): (PanelView, usize), dy: Matrix, rows: usize, dweight: &mut [f32]) {
    let out = dweight.len() / width;
    gemm(out, width, 0..rows, dy.transposed(), x, dweight, width, Store::Add);
}

/// Packs several matrices at once, one thread each.
fn pack_all<const N: usize>(matrices: [(Matrix, usize, usize); N]) -> [Panels; N] {
    let mut panels = std::array::from_fn(|_| Panels::default());
    panels
        .par_iter_mut()
        .zip(matrices)
        .for_each(|(panels, (matrix, inner, columns))| panels.pack(matrix, inner, columns));
    panels
}

/// Boundaries of the groups of tiles that sum weight gradients together: a function of the number
/// of rows and of nothing else.
pub(super) fn groups(rows: usize) -> Vec<usize> {
    let tiles = rows.div_ceil(TILE);
    let count = tiles.clamp(1, MOST_GROUPS);
    (0..=count).map(|group| (tiles * group / count * TILE).min(rows)).collect()
}

/// Sums the groups' gradients, in the order of the groups.
pub(super) fn reduce(groups: Vec<Vec<f32>>) -> Vec<f32> {
    const CHUNK: usize = 4096;
    let mut groups = groups.into_iter();
    let mut total = groups.next().unwrap_or_default();
    let rest: Vec<Vec<f32>> = groups.collect();
    total.par_chunks_mut(CHUNK).enumerate().for_each(|(index, total)| {
        for group in &rest {
            add_assign(total, &group[index * CHUNK..][..total.len()]);
        }
    });
    total
}

impl CustomOp2 for Block {
    fn name(&self) -> &'static str {
        "transformer-block"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (x, weights) = (cpu_slice(x, x_layout)?, cpu_slice(weights, weights_layout)?);
        let (y, saved) = self.forward(x, weights);
        if self.keep {
            *self.saved.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(saved);
        }
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weights: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let saved = self.saved.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let saved = saved.ok_or_else(|| missing_forward(self.name()))?;
        let (dx, dweights) =
            with_cpu([x, weights, dy], |[x, weights, dy]| self.backward(x, weights, dy, saved))?;
        let dx = Tensor::from_vec(dx, x.shape(), x.device())?;
        Ok((Some(dx), Some(Tensor::from_vec(dweights, weights.shape(), weights.device())?)))
    }
}
