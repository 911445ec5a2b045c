//! One transformer block, forward and backward, on plain slices.
//!
//! The work is cut into tiles of rows (attention: into families) that threads take in any order:
//! each writes its own rows. Weight gradients are summed per group of tiles and then over the groups
//! in order; both cuts depend on the batch only, so the number of threads changes no bit.

use rayon::prelude::*;

use super::attention::{self, Heads, RotaryTable, attention, attention_backward};
use super::families::Rows;
use super::gemm::{Matrix, Panels, Store, linear, outer};
use super::groups::{TILE, groups, reduce, split_rows};
use super::layers::{rms_norm, rms_norm_backward, swiglu, swiglu_backward};

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
    /// Rows and columns of the weights in the flat tensor: the first norm; queries, keys and values as
    /// one matrix; the output projection; the second norm; gates and ups as one matrix; downs.
    fn shapes(&self) -> [(usize, usize); 6] {
        let (hidden, inner, q_size) = (self.hidden, self.inner, self.heads.q_size());
        let qkv = (self.heads.qkv_size(), hidden);
        [(1, hidden), qkv, (hidden, q_size), (1, hidden), (2 * inner, hidden), (hidden, inner)]
    }

    /// Elements of the flat tensor.
    pub fn weights_len(&self) -> usize {
        self.shapes().iter().map(|(rows, columns)| rows * columns).sum()
    }

    /// Cuts the flat tensor, with `split_at` or `split_at_mut`.
    fn cut<T: Default>(&self, mut flat: T, split: impl Fn(T, usize) -> (T, T)) -> [T; 6] {
        self.shapes().map(|(rows, columns)| {
            let (part, rest) = split(std::mem::take(&mut flat), rows * columns);
            flat = rest;
            part
        })
    }
}

/// The weights of a block, packed: the matrices as right-hand sides of `x @ weight` or, transposed, of
/// `x @ weight^T`.
pub struct Packed<'a> {
    sizes: BlockSizes,
    input_norm: &'a [f32],
    inner_norm: &'a [f32],
    qkv: Panels,
    out: Panels,
    gate_up: Panels,
    down: Panels,
}

impl<'a> Packed<'a> {
    pub fn new(sizes: BlockSizes, flat: &'a [f32], transposed: bool) -> Packed<'a> {
        let parts = sizes.cut(flat, <[f32]>::split_at);
        let pack = |index: usize| {
            let (rows, columns) = sizes.shapes()[index];
            let matrix = Matrix::rows(parts[index], columns);
            match transposed {
                true => Panels::packed(matrix.transposed(), columns, rows),
                false => Panels::packed(matrix, rows, columns),
            }
        };
        let ((qkv, out), (gate_up, down)) =
            rayon::join(|| rayon::join(|| pack(1), || pack(2)), || rayon::join(|| pack(4), || pack(5)));
        Packed { sizes, input_norm: parts[0], inner_norm: parts[3], qkv, out, gate_up, down }
    }

    /// Queries, keys and values of rows `x (rows, hidden)`, rotated by the angles of their positions.
    pub fn project(
        &self,
        x: &[f32],
        positions: &[u32],
        rotary: &RotaryTable,
        qkv: &mut [f32],
        tile: &mut Tile,
    ) {
        tile.normed.resize(x.len(), 0.0);
        rms_norm(x, self.input_norm, self.sizes.eps, &mut tile.normed);
        linear(&tile.normed, &self.qkv, qkv, Store::Overwrite);
        rotary.rotate(self.sizes.heads, qkv, positions, 1.0);
    }

    /// Adds to the residual stream `x (rows, hidden)` what attention returned and then what SwiGLU makes
    /// of the sum. `middle` and `gate_up`: see [`Activations`].
    pub fn finish(
        &self,
        x: &mut [f32],
        mixed: &[f32],
        middle: &mut [f32],
        gate_up: &mut [f32],
        tile: &mut Tile,
    ) {
        tile.resize(self.sizes, x.len() / self.sizes.hidden);
        linear(mixed, &self.out, x, Store::Add);
        middle.copy_from_slice(x);
        rms_norm(middle, self.inner_norm, self.sizes.eps, &mut tile.normed);
        linear(&tile.normed, &self.gate_up, gate_up, Store::Overwrite);
        swiglu(gate_up, self.sizes.inner, &mut tile.inner);
        linear(&tile.inner, &self.down, x, Store::Add);
    }
}

/// What a block computes on the way and its backward pass needs again. Kept from step to step, so
/// that the memory is touched for the first time once.
#[derive(Default)]
pub struct Activations {
    pub x: Vec<f32>,       // (tokens, hidden), the input
    pub qkv: Vec<f32>,     // (tokens, qkv), rotated
    pub mixed: Vec<f32>,   // (tokens, heads * head_dim), what attention returned
    log_sums: Vec<f32>,    // (tokens, heads)
    pub middle: Vec<f32>,  // (tokens, hidden), the residual stream between attention and SwiGLU
    pub gate_up: Vec<f32>, // (tokens, 2 * inner), before the activation
}

impl Activations {
    /// All but the input.
    pub fn resize(&mut self, sizes: BlockSizes, tokens: usize) {
        let BlockSizes { hidden, inner, heads, .. } = sizes;
        self.qkv.resize(tokens * heads.qkv_size(), 0.0);
        self.mixed.resize(tokens * heads.q_size(), 0.0);
        self.log_sums.resize(tokens * heads.heads, 0.0);
        self.middle.resize(tokens * hidden, 0.0);
        self.gate_up.resize(tokens * 2 * inner, 0.0);
    }
}

/// Gradients that a backward pass needs on the way.
#[derive(Default)]
pub struct Gradients {
    dmixed: Vec<f32>,        // (tokens, heads * head_dim)
    dqkv: Vec<f32>,          // (tokens, qkv)
    dweights: Vec<Vec<f32>>, // one flat gradient a group
}

/// Carries `x (tokens, hidden)` through a block; `activations` keep it as it was.
pub fn forward(block: &Packed, rows: &Rows, activations: &mut Activations, x: &mut Vec<f32>) {
    let BlockSizes { hidden, inner, heads, .. } = block.sizes;
    let (qkv_size, q_size) = (heads.qkv_size(), heads.q_size());
    std::mem::swap(&mut activations.x, x);
    x.resize(activations.x.len(), 0.0);
    activations.resize(block.sizes, rows.positions.len());
    let (y, Activations { x, qkv, mixed, log_sums, middle, gate_up }) = (x, activations);

    // Queries, keys and values, rotated.
    qkv.par_chunks_mut(TILE * qkv_size)
        .zip(x.par_chunks(TILE * hidden))
        .zip(rows.positions.par_chunks(TILE))
        .for_each_init(Tile::default, |tile, ((qkv, x), positions)| {
            block.project(x, positions, &rows.rotary, qkv, tile);
        });

    // Attention, family by family.
    let (families, bounds) = rows.families();
    split_rows(mixed, &bounds, q_size)
        .into_par_iter()
        .zip(split_rows(log_sums, &bounds, heads.heads))
        .zip(families)
        .for_each_init(attention::Scratch::default, |scratch, ((mixed, log_sums), family)| {
            attention(heads, family, &qkv[family[0].family * qkv_size..], mixed, log_sums, scratch);
        });

    // The residual stream and SwiGLU.
    y.par_chunks_mut(TILE * hidden)
        .zip(middle.par_chunks_mut(TILE * hidden))
        .zip(gate_up.par_chunks_mut(TILE * 2 * inner))
        .zip(x.par_chunks(TILE * hidden))
        .zip(mixed.par_chunks(TILE * q_size))
        .for_each_init(Tile::default, |tile, ((((y, middle), gate_up), x), mixed)| {
            y.copy_from_slice(x);
            block.finish(y, mixed, middle, gate_up, tile);
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
    let weights = Packed::new(sizes, flat, false);
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
            let [_, _, dout, dnorm, dgate_up, ddown] = sizes.cut(&mut dweights[..], <[f32]>::split_at_mut);
            dnorm.fill(0.0);
            for (index, gate_up) in gate_up.chunks_mut(TILE * 2 * inner).enumerate() {
                let (count, store) = (gate_up.len() / (2 * inner), store(index));
                let first = bounds[group] + index * TILE;
                let middle = &middle[first * hidden..][..count * hidden];
                let mixed = &mixed[first * q_size..][..count * q_size];
                let dx = &mut dx[index * TILE * hidden..][..count * hidden];
                let dmixed = &mut dmixed[index * TILE * q_size..][..count * q_size];
                tile.resize(sizes, count);
                let Tile { normed, inner: activated, dinner, panels } = &mut *tile;

                linear(dx, &weights.down, dinner, Store::Overwrite);
                swiglu_backward(gate_up, inner, dinner, activated);
                outer(dx, activated, inner, panels, ddown, store);

                rms_norm(middle, weights.inner_norm, eps, normed);
                outer(gate_up, normed, hidden, panels, dgate_up, store);
                linear(gate_up, &weights.gate_up, normed, Store::Overwrite);
                rms_norm_backward(middle, weights.inner_norm, eps, normed, dx, dnorm);

                linear(dx, &weights.out, dmixed, Store::Overwrite);
                outer(dx, mixed, q_size, panels, dout, store);
            }
        });

    // Back through attention, family by family.
    let (families, offsets) = rows.families();
    split_rows(dqkv, &offsets, qkv_size).into_par_iter().zip(families).enumerate().for_each_init(
        attention::Scratch::default,
        |scratch, (index, (dqkv, family))| {
            let tokens = offsets[index]..offsets[index + 1];
            let of = |width: usize| tokens.start * width..tokens.end * width;
            let (qkv, mixed, dmixed) = (&qkv[of(qkv_size)], &mixed[of(q_size)], &dmixed[of(q_size)]);
            let log_sums = &log_sums[of(heads.heads)];
            attention_backward(heads, family, qkv, [mixed, dmixed], log_sums, dqkv, scratch);
            rows.rotary.rotate(heads, dqkv, &rows.positions[tokens], -1.0);
        },
    );

    // Back through the first projections.
    split_rows(dx, &bounds, hidden).into_par_iter().zip(&mut *dweights).enumerate().for_each_init(
        Tile::default,
        |tile, (group, (dx, dweights))| {
            let [dnorm, dqkv_weight, ..] = sizes.cut(&mut dweights[..], <[f32]>::split_at_mut);
            dnorm.fill(0.0);
            for (index, dx) in dx.chunks_mut(TILE * hidden).enumerate() {
                let count = dx.len() / hidden;
                let first = bounds[group] + index * TILE;
                let x = &x[first * hidden..][..count * hidden];
                let dqkv = &dqkv[first * qkv_size..][..count * qkv_size];
                tile.resize(sizes, count);
                let Tile { normed, panels, .. } = &mut *tile;
                rms_norm(x, weights.input_norm, eps, normed);
                outer(dqkv, normed, hidden, panels, dqkv_weight, store(index));
                linear(dqkv, &weights.qkv, normed, Store::Overwrite);
                rms_norm_backward(x, weights.input_norm, eps, normed, dx, dnorm);
            }
        },
    );
    reduce(dweights, dflat);
}

/// Working memory of one tile.
#[derive(Default)]
pub struct Tile {
    normed: Vec<f32>, // (rows, hidden)
    inner: Vec<f32>,  // (rows, inner)
    dinner: Vec<f32>, // (rows, inner)
    panels: Panels,
}

impl Tile {
    fn resize(&mut self, sizes: BlockSizes, rows: usize) {
        self.normed.resize(rows * sizes.hidden, 0.0);
        self.inner.resize(rows * sizes.inner, 0.0);
        self.dinner.resize(rows * sizes.inner, 0.0);
    }
}
