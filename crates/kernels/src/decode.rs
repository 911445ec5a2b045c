//! One new token a row, with a key-value cache: the forward pass of sampling. One thread; no
//! allocation in a step. Every row's result is the same in any company of rows.
//!
//! A row's cache has two segments: that of its prompt, shared by all rows with the same prompt, and
//! its own. Keys are kept transposed and both in the panels that `gemm` reads.

use std::ops::Range;

use super::attention::{Heads, RotaryTable, softmax_row};
use super::block::{BlockSizes, BlockWeights};
use super::gemm::{Matrix, PanelView, Panels, Store, gemm, linear, mix, panel_size, set_column, set_row};
use super::norm::rms_norm;
use super::swiglu::swiglu;

/// Keys and values of `slots` segments, each of all layers and key-value heads and of at most
/// `capacity` positions.
pub struct Cache {
    heads: Heads,
    layers: usize,
    capacity: usize,
    /// Elements of one head's keys in a segment, and of its values.
    sizes: [usize; 2],
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Cache {
    pub fn new(heads: Heads, layers: usize, slots: usize, capacity: usize) -> Cache {
        let each = slots * layers * heads.kv_heads;
        let sizes = [panel_size(heads.head_dim, capacity), panel_size(capacity, heads.head_dim)];
        let [keys, values] = sizes.map(|size| vec![0.0; each * size]);
        Cache { heads, layers, capacity, sizes, keys, values }
    }

    /// Where the keys of one head lie, and its values.
    fn ranges(&self, slot: usize, layer: usize, kv_head: usize) -> [Range<usize>; 2] {
        let index = (slot * self.layers + layer) * self.heads.kv_heads + kv_head;
        self.sizes.map(|size| index * size..(index + 1) * size)
    }

    /// Stores keys and values of one position, from a row `(qkv,)` after rotation.
    pub fn write(&mut self, slot: usize, layer: usize, position: usize, qkv: &[f32]) {
        let (head_dim, (_, kv)) = (self.heads.head_dim, qkv.split_at(self.heads.q_size()));
        let (keys, values) = kv.split_at(self.heads.kv_size());
        let heads = keys.chunks_exact(head_dim).zip(values.chunks_exact(head_dim));
        for (kv_head, (key, value)) in heads.enumerate() {
            let [key_range, value_range] = self.ranges(slot, layer, kv_head);
            set_column(&mut self.keys[key_range], position, key);
            set_row(&mut self.values[value_range], self.capacity, position, value);
        }
    }

    /// Keys `(head_dim, capacity)` and values `(capacity, head_dim)` of one head.
    fn views(&self, slot: usize, layer: usize, kv_head: usize) -> (PanelView<'_>, PanelView<'_>) {
        let ([keys, values], head_dim) = (self.ranges(slot, layer, kv_head), self.heads.head_dim);
        (
            PanelView::new(&self.keys[keys], head_dim, self.capacity),
            PanelView::new(&self.values[values], self.capacity, head_dim),
        )
    }
}

/// The weights of a block, packed for decoding.
pub struct DecodeBlock {
    sizes: BlockSizes,
    input_norm: Vec<f32>,
    inner_norm: Vec<f32>,
    /// `qkv`, `out`, `gate_up`, `down`
    panels: [Panels; 4],
}

impl DecodeBlock {
    pub fn new(sizes: BlockSizes, flat: &[f32]) -> DecodeBlock {
        let weights: BlockWeights<&[f32]> = sizes.weights(flat);
        DecodeBlock {
            sizes,
            input_norm: weights.input_norm.to_vec(),
            inner_norm: weights.inner_norm.to_vec(),
            panels: sizes.pack_transposed(&weights),
        }
    }
}

/// The last norm and the projection to the vocabulary.
pub struct Projection {
    norm: Vec<f32>,
    panels: Panels,
    vocab: usize,
    eps: f32,
}

impl Projection {
    /// `weight (vocab, hidden)`
    pub fn new(norm: &[f32], weight: &[f32], eps: f32) -> Projection {
        let hidden = norm.len();
        let vocab = weight.len() / hidden;
        let panels = Panels::packed(Matrix::rows(weight, hidden).transposed(), hidden, vocab);
        Projection { norm: norm.to_vec(), panels, vocab, eps }
    }
}

/// Where a row finds its keys and values, and where it puts the new ones.
#[derive(Clone, Copy)]
pub struct Place {
    /// Segment of the prompt in the prompts' cache, and the prompt's length.
    pub prompt_slot: usize,
    pub prompt_len: usize,
    /// Segment in the rows' own cache, and how many positions of it are filled.
    pub slot: usize,
    pub filled: usize,
}

/// Working memory of a decoding step, reused from step to step.
#[derive(Default)]
pub struct Step {
    /// The residual stream `(rows, hidden)`: filled by the caller with embeddings.
    pub x: Vec<f32>,
    pub places: Vec<Place>,
    positions: Vec<u32>,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    mixed: Vec<f32>,
    gate_up: Vec<f32>,
    inner: Vec<f32>,
    scores: Vec<f32>,
    logits: Vec<f32>,
}

impl Step {
    /// Carries `x` through all blocks; the rows' own cache gains one position a row.
    pub fn forward(
        &mut self,
        blocks: &[DecodeBlock],
        rotary: &RotaryTable,
        prompts: &Cache,
        own: &mut Cache,
    ) {
        let rows = self.places.len();
        self.positions.clear();
        self.positions.extend(self.places.iter().map(|place| (place.prompt_len + place.filled) as u32));
        for (layer, block) in blocks.iter().enumerate() {
            let BlockSizes { hidden, inner, heads, eps } = block.sizes;
            let [qkv_t, out_t, gate_up_t, down_t] = &block.panels;
            let (qkv_size, q_size) = (heads.qkv_size(), heads.q_size());
            self.normed.resize(rows * hidden, 0.0);
            self.qkv.resize(rows * qkv_size, 0.0);
            self.mixed.resize(rows * q_size, 0.0);
            self.gate_up.resize(rows * 2 * inner, 0.0);
            self.inner.resize(rows * inner, 0.0);

            rms_norm(&self.x, &block.input_norm, eps, &mut self.normed);
            let normed = Matrix::rows(&self.normed, hidden);
            linear(rows, normed, qkv_t, &mut self.qkv, Store::Overwrite);
            rotary.rotate(heads, &mut self.qkv, &self.positions, 1.0);
            for (row, place) in self.places.iter().enumerate() {
                let qkv = &self.qkv[row * qkv_size..][..qkv_size];
                own.write(place.slot, layer, place.filled, qkv);
                let mixed = &mut self.mixed[row * q_size..][..q_size];
                attend(heads, layer, *place, qkv, prompts, own, mixed, &mut self.scores);
            }
            let mixed = Matrix::rows(&self.mixed, q_size);
            linear(rows, mixed, out_t, &mut self.x, Store::Add);

            rms_norm(&self.x, &block.inner_norm, eps, &mut self.normed);
            let normed = Matrix::rows(&self.normed, hidden);
            linear(rows, normed, gate_up_t, &mut self.gate_up, Store::Overwrite);
            swiglu(&self.gate_up, inner, &mut self.inner);
            let inner_rows = Matrix::rows(&self.inner, inner);
            linear(rows, inner_rows, down_t, &mut self.x, Store::Add);
        }
    }

    /// The last hidden states `(rows, hidden)` and, computed from them, the scores of the vocabulary
    /// `(rows, vocab)`, for every row of `x`.
    pub fn logits(&mut self, projection: &Projection) -> (&[f32], &mut [f32]) {
        let hidden = projection.norm.len();
        let (rows, vocab) = (self.x.len() / hidden, projection.vocab);
        self.normed.resize(rows * hidden, 0.0);
        self.logits.resize(rows * vocab, 0.0);
        rms_norm(&self.x, &projection.norm, projection.eps, &mut self.normed);
        let normed = Matrix::rows(&self.normed, hidden);
        linear(rows, normed, &projection.panels, &mut self.logits, Store::Overwrite);
        (&self.normed, &mut self.logits)
    }
}

/// Attention of one row's new token to its prompt, its earlier tokens and itself.
#[allow(clippy::too_many_arguments)]
fn attend(
    heads: Heads,
    layer: usize,
    place: Place,
    qkv: &[f32],
    prompts: &Cache,
    own: &Cache,
    mixed: &mut [f32],
    scores: &mut Vec<f32>,
) {
    let Place { prompt_slot, prompt_len, slot, filled } = place;
    let (head_dim, group) = (heads.head_dim, heads.heads / heads.kv_heads);
    let own_len = filled + 1;
    let length = prompt_len + own_len;
    scores.resize(group * length, 0.0);
    for kv_head in 0..heads.kv_heads {
        let (prompt_keys, prompt_values) = prompts.views(prompt_slot, layer, kv_head);
        let (own_keys, own_values) = own.views(slot, layer, kv_head);
        let first = kv_head * group * head_dim;
        let q = Matrix::rows(&qkv[first..], head_dim);
        gemm(group, prompt_len, 0..head_dim, q, prompt_keys, scores, length, Store::Overwrite);
        gemm(group, own_len, 0..head_dim, q, own_keys, &mut scores[prompt_len..], length, Store::Overwrite);
        for row in scores.chunks_exact_mut(length) {
            softmax_row(row, heads.scale());
        }
        let out = &mut mixed[first..][..group * head_dim];
        for (out, weights) in out.chunks_exact_mut(head_dim).zip(scores.chunks_exact(length)) {
            mix(&weights[..prompt_len], prompt_values, out, Store::Overwrite);
            mix(&weights[prompt_len..], own_values, out, Store::Add);
        }
    }
}
