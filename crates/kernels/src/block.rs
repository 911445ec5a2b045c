//! One transformer block, forward and backward, on plain slices.
//!
//! The work is cut into tiles of rows (attention: into sequences) that threads take in any order:
//! each writes its own rows. Weight gradients are summed per group of tiles and then over the groups
//! in order; both cuts depend on the batch only, so the number of threads changes no bit.

use rayon::prelude::*;

use super::attention::{self, Heads, RotaryTable, attention, attention_backward};
use super::gemm::{Matrix, Panels, Store, linear};
use super::groups::{TILE, groups, outer, reduce, split_rows};
use super::norm::{rms_norm, rms_norm_backward};
use super::swiglu::{swiglu, swiglu_backward};

/// Sizes of a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockSizes {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the SwiGLU layer.
    pub inner: usize,
    /// Those of attention.
    pub heads: Heads,
    /// Added to the mean square before its root is taken.
    pub eps: f32,
}

/// The weights of a block, in the order of [`PARTS`], inside one flat slice.
pub struct BlockWeights<T> {
    pub input_norm: T,
    pub qkv: T,
    pub out: T,
    pub inner_norm: T,
    pub gate_up: T,
    pub down: T,
}

/// Names of the weights in the order of the flat tensor.
pub const PARTS: [&str; 9] = [
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
    /// Elements of the flat tensor.
    pub fn weights_len(&self) -> usize {
        (2 + self.heads.qkv_size() + self.heads.q_size() + 3 * self.inner) * self.hidden
    }

    /// Cuts the flat tensor, with `split_at` or `split_at_mut`.
    fn cut<T>(&self, flat: T, split: impl Fn(T, usize) -> (T, T)) -> BlockWeights<T> {
        let (hidden, inner, heads) = (self.hidden, self.inner, self.heads);
        let (input_norm, rest) = split(flat, hidden);
        let (qkv, rest) = split(rest, heads.qkv_size() * hidden);
        let (out, rest) = split(rest, hidden * heads.q_size());
        let (inner_norm, rest) = split(rest, hidden);
        let (gate_up, down) = split(rest, 2 * inner * hidden);
        BlockWeights { input_norm, qkv, out, inner_norm, gate_up, down }
    }

    /// The parts of the flat tensor.
    pub fn weights<'a>(&self, flat: &'a [f32]) -> BlockWeights<&'a [f32]> {
        self.cut(flat, <[f32]>::split_at)
    }

    fn weights_mut<'a>(&self, flat: &'a mut [f32]) -> BlockWeights<&'a mut [f32]> {
        self.cut(flat, <[f32]>::split_at_mut)
    }

    /// The matrices as right-hand sides of `x @ weight^T`: `qkv`, `out`, `gate_up`, `down`.
    pub fn pack_transposed(&self, weights: &BlockWeights<&[f32]>) -> [Panels; 4] {
        let (hidden, inner, heads) = (self.hidden, self.inner, self.heads);
        let (qkv_size, q_size) = (heads.qkv_size(), heads.q_size());
        pack_all([
            (Matrix::rows(weights.qkv, hidden).transposed(), hidden, qkv_size),
            (Matrix::rows(weights.out, q_size).transposed(), q_size, hidden),
            (Matrix::rows(weights.gate_up, hidden).transposed(), hidden, 2 * inner),
            (Matrix::rows(weights.down, inner).transposed(), inner, hidden),
        ])
    }
}

/// How the rows of a batch fall into sequences; shared by all blocks of a pass.
pub struct Rows {
    /// Start of each sequence, and the end of the last one.
    pub offsets: Vec<usize>,
    /// Position of each token in its own sequence.
    pub positions: Vec<u32>,
    /// Angles of at least those positions.
    pub rotary: RotaryTable,
}

/// What a block computes on the way and its backward pass needs again. Kept from step to step, so
/// that the memory is touched for the first time once.
#[derive(Default)]
pub struct Activations {
    pub x: Vec<f32>,    // (tokens, hidden), the input
    pub qkv: Vec<f32>,  // (tokens, qkv), rotated
    mixed: Vec<f32>,    // (tokens, heads * head_dim), what attention returned
    log_sums: Vec<f32>, // (tokens, heads)
    middle: Vec<f32>,   // (tokens, hidden), the residual stream between attention and SwiGLU
    gate_up: Vec<f32>,  // (tokens, 2 * inner), before the activation
}

/// Gradients that a backward pass needs on the way.
#[derive(Default)]
pub struct Gradients {
    dmixed: Vec<f32>,        // (tokens, heads * head_dim)
    dqkv: Vec<f32>,          // (tokens, qkv)
    dweights: Vec<Vec<f32>>, // one flat gradient a group
}

/// Carries `activations.x` through a block, into `y (tokens, hidden)`.
pub fn forward(sizes: BlockSizes, rows: &Rows, flat: &[f32], activations: &mut Activations, y: &mut [f32]) {
    let BlockSizes { hidden, inner, heads, eps } = sizes;
    let Activations { x, qkv, mixed, log_sums, middle, gate_up } = activations;
    let (tokens, qkv_size, q_size) = (rows.positions.len(), heads.qkv_size(), heads.q_size());
    let weights = sizes.weights(flat);
    let [qkv_t, out_t, gate_up_t, down_t] = &sizes.pack_transposed(&weights);
    qkv.resize(tokens * qkv_size, 0.0);
    mixed.resize(tokens * q_size, 0.0);
    log_sums.resize(tokens * heads.heads, 0.0);
    middle.resize(tokens * hidden, 0.0);
    gate_up.resize(tokens * 2 * inner, 0.0);

    // Queries, keys and values, rotated.
    qkv.par_chunks_mut(TILE * qkv_size)
        .zip(x.par_chunks(TILE * hidden))
        .zip(rows.positions.par_chunks(TILE))
        .for_each_init(Vec::new, |normed, ((qkv, x), positions)| {
            normed.resize(x.len(), 0.0);
            rms_norm(x, weights.input_norm, eps, normed);
            linear(positions.len(), Matrix::rows(normed, hidden), qkv_t, qkv, Store::Overwrite);
            rows.rotary.rotate(heads, qkv, positions, 1.0);
        });

    // Attention, sequence by sequence.
    let offsets = &rows.offsets;
    split_rows(mixed, offsets, q_size)
        .into_par_iter()
        .zip(split_rows(log_sums, offsets, heads.heads))
        .enumerate()
        .for_each_init(attention::Scratch::default, |scratch, (index, (mixed, log_sums))| {
            let qkv = &qkv[offsets[index] * qkv_size..offsets[index + 1] * qkv_size];
            attention(heads, qkv, mixed, log_sums, scratch);
        });

    // The residual stream and SwiGLU.
    y.par_chunks_mut(TILE * hidden)
        .zip(middle.par_chunks_mut(TILE * hidden))
        .zip(gate_up.par_chunks_mut(TILE * 2 * inner))
        .zip(x.par_chunks(TILE * hidden))
        .zip(mixed.par_chunks(TILE * q_size))
        .for_each_init(Tile::default, |tile, ((((y, middle), gate_up), x), mixed)| {
            let count = x.len() / hidden;
            tile.resize(count, hidden, inner);
            middle.copy_from_slice(x);
            linear(count, Matrix::rows(mixed, q_size), out_t, middle, Store::Add);
            rms_norm(middle, weights.inner_norm, eps, &mut tile.normed);
            linear(count, Matrix::rows(&tile.normed, hidden), gate_up_t, gate_up, Store::Overwrite);
            swiglu(gate_up, inner, &mut tile.inner);
            y.copy_from_slice(middle);
            linear(count, Matrix::rows(&tile.inner, inner), down_t, y, Store::Add);
        });
}

/// Carries `dx`, which comes in as the gradient of the output, back to the input, and writes the
/// gradient of the flat weights. `activations` are used up.
pub fn backward(
    sizes: BlockSizes,
    rows: &Rows,
    flat: &[f32],
    activations: &mut Activations,
    dx: &mut [f32],
    dflat: &mut [f32],
    work: &mut Gradients,
) {
    let BlockSizes { hidden, inner, heads, eps } = sizes;
    let Activations { x, qkv, mixed, log_sums, middle, gate_up } = activations;
    let (tokens, qkv_size, q_size) = (rows.positions.len(), heads.qkv_size(), heads.q_size());
    let weights = sizes.weights(flat);
    let [qkv_w, out_w, gate_up_w, down_w] = &pack_all([
        (Matrix::rows(weights.qkv, hidden), qkv_size, hidden),
        (Matrix::rows(weights.out, q_size), hidden, q_size),
        (Matrix::rows(weights.gate_up, hidden), 2 * inner, hidden),
        (Matrix::rows(weights.down, inner), hidden, inner),
    ]);
    let bounds = groups(tokens);
    let Gradients { dmixed, dqkv, dweights } = work;
    dmixed.resize(tokens * q_size, 0.0);
    dqkv.resize(tokens * qkv_size, 0.0);
    dweights.resize_with(bounds.len() - 1, Vec::new);
    dweights.iter_mut().for_each(|group| group.resize(flat.len(), 0.0));
    // A group's first tile overwrites what an earlier block left; the others add.
    let store = |index: usize| if index == 0 { Store::Overwrite } else { Store::Add };

    // Back through SwiGLU and the output projection: `dx` becomes the gradient of `middle`.
    split_rows(dx, &bounds, hidden)
        .into_par_iter()
        .zip(split_rows(dmixed, &bounds, q_size))
        .zip(split_rows(gate_up, &bounds, 2 * inner))
        .zip(&mut *dweights)
        .enumerate()
        .for_each_init(Tile::default, |tile, (group, (((dx, dmixed), gate_up), dweights))| {
            let dweights = sizes.weights_mut(dweights);
            dweights.inner_norm.fill(0.0);
            for (index, gate_up) in gate_up.chunks_mut(TILE * 2 * inner).enumerate() {
                let (count, store) = (gate_up.len() / (2 * inner), store(index));
                let first = bounds[group] + index * TILE;
                let middle = &middle[first * hidden..][..count * hidden];
                let mixed = &mixed[first * q_size..][..count * q_size];
                let dx = &mut dx[index * TILE * hidden..][..count * hidden];
                let dmixed = &mut dmixed[index * TILE * q_size..][..count * q_size];
                tile.resize(count, hidden, inner);
                let Tile { normed, inner: activated, dinner, panels } = &mut *tile;

                linear(count, Matrix::rows(dx, hidden), down_w, dinner, Store::Overwrite);
                swiglu_backward(gate_up, inner, dinner, activated);
                panels.pack(Matrix::rows(activated, inner), count, inner);
                outer(Matrix::rows(dx, hidden), panels, dweights.down, store);

                let dgate_up = Matrix::rows(gate_up, 2 * inner);
                rms_norm(middle, weights.inner_norm, eps, normed);
                panels.pack(Matrix::rows(normed, hidden), count, hidden);
                outer(dgate_up, panels, dweights.gate_up, store);
                linear(count, dgate_up, gate_up_w, normed, Store::Overwrite);
                rms_norm_backward(middle, weights.inner_norm, eps, normed, dx, dweights.inner_norm);

                let dmiddle = Matrix::rows(dx, hidden);
                linear(count, dmiddle, out_w, dmixed, Store::Overwrite);
                panels.pack(Matrix::rows(mixed, q_size), count, q_size);
                outer(dmiddle, panels, dweights.out, store);
            }
        });

    // Back through attention, sequence by sequence.
    let offsets = &rows.offsets;
    split_rows(dqkv, offsets, qkv_size).into_par_iter().enumerate().for_each_init(
        attention::Scratch::default,
        |scratch, (index, dqkv)| {
            let sequence = offsets[index]..offsets[index + 1];
            let of = |width: usize| sequence.start * width..sequence.end * width;
            let (qkv, mixed, dmixed) = (&qkv[of(qkv_size)], &mixed[of(q_size)], &dmixed[of(q_size)]);
            attention_backward(heads, qkv, mixed, &log_sums[of(heads.heads)], dmixed, dqkv, scratch);
            rows.rotary.rotate(heads, dqkv, &rows.positions[sequence], -1.0);
        },
    );

    // Back through the first projections.
    split_rows(dx, &bounds, hidden).into_par_iter().zip(&mut *dweights).enumerate().for_each_init(
        Tile::default,
        |tile, (group, (dx, dweights))| {
            let dweights = sizes.weights_mut(dweights);
            dweights.input_norm.fill(0.0);
            for (index, dx) in dx.chunks_mut(TILE * hidden).enumerate() {
                let count = dx.len() / hidden;
                let first = bounds[group] + index * TILE;
                let x = &x[first * hidden..][..count * hidden];
                let dqkv = Matrix::rows(&dqkv[first * qkv_size..][..count * qkv_size], qkv_size);
                tile.resize(count, hidden, inner);
                let Tile { normed, panels, .. } = &mut *tile;
                rms_norm(x, weights.input_norm, eps, normed);
                panels.pack(Matrix::rows(normed, hidden), count, hidden);
                outer(dqkv, panels, dweights.qkv, store(index));
                linear(count, dqkv, qkv_w, normed, Store::Overwrite);
                rms_norm_backward(x, weights.input_norm, eps, normed, dx, dweights.input_norm);
            }
        },
    );
    reduce(dweights, dflat);
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

/// Packs several matrices at once, one thread each.
fn pack_all<const N: usize>(matrices: [(Matrix, usize, usize); N]) -> [Panels; N] {
    let mut panels = std::array::from_fn(|_| Panels::default());
    panels
        .par_iter_mut()
        .zip(matrices)
        .for_each(|(panels, (matrix, inner, columns))| panels.pack(matrix, inner, columns));
    panels
}
