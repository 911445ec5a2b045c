//! One new token a row, with a key-value cache: the forward pass of sampling. One thread; no
//! allocation in a step. Every row's result is the same in any company of rows.
//!
//! A row's cache has two segments: that of its prompt, shared by all rows with the same prompt, and
//! its own. Keys are kept transposed and both in the panels that `gemm` reads.

use std::ops::Range;

use super::attention::{Heads, RotaryTable, softmax_row};
use super::block::{Activations, BlockSizes, Packed, Tile};
use super::gemm::{Matrix, Panels, Store, gemm, linear, mix};
use super::layers::rms_norm;
use super::simd::gather;

/// The network's weights, packed.
pub struct Network<'a> {
    pub sizes: BlockSizes,
    /// `(vocab, hidden)`
    pub embedding: &'a [f32],
    pub blocks: Vec<Packed<'a>>,
    pub norm: &'a [f32],
    /// The output projection, transposed: `(hidden, vocab)`.
    pub head: Panels,
    pub rotary: RotaryTable,
}

impl Network<'_> {
    /// From what the blocks made of some rows, `x (rows, hidden)`, the last hidden states
    /// `(rows, hidden)` and the scores of the vocabulary `(rows, vocab)`.
    pub fn logits(&self, x: &[f32], states: &mut Vec<f32>, logits: &mut Vec<f32>) {
        states.resize(x.len(), 0.0);
        logits.resize(x.len() / self.sizes.hidden * self.head.columns(), 0.0);
        rms_norm(x, self.norm, self.sizes.eps, states);
        linear(states, &self.head, logits, Store::Overwrite);
    }
}

/// Keys and values of some segments, each of all layers and key-value heads and of at most as many
/// positions.
pub struct Cache {
    heads: Heads,
    layers: usize,
    /// Keys `(head_dim, positions)` and values `(positions, head_dim)` by segment, layer and head.
    panels: Vec<[Panels; 2]>,
}

impl Cache {
    pub fn new(heads: Heads, layers: usize, segments: usize, positions: usize) -> Cache {
        let panels = |_| [Panels::zeros(heads.head_dim, positions), Panels::zeros(positions, heads.head_dim)];
        Cache { heads, layers, panels: (0..segments * layers * heads.kv_heads).map(panels).collect() }
    }

    /// Where the heads of one layer lie.
    fn heads_of(&self, segment: usize, layer: usize) -> Range<usize> {
        let first = (segment * self.layers + layer) * self.heads.kv_heads;
        first..first + self.heads.kv_heads
    }

    /// Stores keys and values of one position, from a row `(qkv,)` after rotation.
    pub fn write(&mut self, segment: usize, layer: usize, position: usize, qkv: &[f32]) {
        let (range, head_dim) = (self.heads_of(segment, layer), self.heads.head_dim);
        let (keys, values) = qkv[self.heads.q_size()..].split_at(self.heads.kv_size());
        let heads = keys.chunks_exact(head_dim).zip(values.chunks_exact(head_dim));
        for ([all_keys, all_values], (key, value)) in self.panels[range].iter_mut().zip(heads) {
            all_keys.set_column(position, key);
            all_values.set_row(position, value);
        }
    }

    /// Copies the first `positions` of a segment to another one.
    pub fn copy(&mut self, from: usize, to: usize, positions: usize) {
        let (from, to) = (self.heads_of(from, 0).start, self.heads_of(to, 0).start);
        for index in 0..self.layers * self.heads.kv_heads {
            let [keys, values] = std::mem::take(&mut self.panels[from + index]);
            let copy = &mut self.panels[to + index];
            copy[0].copy_from(&keys, self.heads.head_dim, positions);
            copy[1].copy_from(&values, positions, self.heads.head_dim);
            self.panels[from + index] = [keys, values];
        }
    }
}

/// A row being written, or several that are equal so far: its last token, where it finds its keys and
/// values, and where it puts the new ones.
#[derive(Clone, Copy)]
pub struct Place {
    pub token: u32,
    /// Segment of the prompt in the prompts' cache, and the prompt's length.
    pub prompt: usize,
    pub prompt_len: usize,
    /// Segment in the rows' own cache, and how many positions of it are filled.
    pub own: usize,
    pub filled: usize,
}

/// Working memory of a decoding step, reused from step to step.
#[derive(Default)]
pub struct Step {
    /// After a step, the last hidden states `(rows, hidden)`.
    pub states: Vec<f32>,
    /// After a step, the scores of the vocabulary `(rows, vocab)`.
    pub logits: Vec<f32>,
    positions: Vec<u32>,
    activations: Activations,
    tile: Tile,
    scores: Vec<f32>,
}

impl Step {
    /// Carries the tokens of `places` through the network; the rows' own cache gains one position a row.
    pub fn forward(&mut self, network: &Network, places: &[Place], prompts: &Cache, own: &mut Cache) {
        let BlockSizes { hidden, heads, .. } = network.sizes;
        let (qkv_size, q_size) = (heads.qkv_size(), heads.q_size());
        self.positions.clear();
        self.positions.extend(places.iter().map(|place| (place.prompt_len + place.filled) as u32));
        self.activations.resize(network.sizes, places.len());
        let Activations { x, qkv, mixed, middle, gate_up, .. } = &mut self.activations;
        gather(network.embedding, hidden, places.iter().map(|place| place.token), x);
        for (layer, block) in network.blocks.iter().enumerate() {
            block.project(x, &self.positions, &network.rotary, qkv, &mut self.tile);
            let rows = qkv.chunks_exact(qkv_size).zip(mixed.chunks_exact_mut(q_size));
            for (place, (qkv, mixed)) in places.iter().zip(rows) {
                own.write(place.own, layer, place.filled, qkv);
                attend(layer, *place, qkv, prompts, own, mixed, &mut self.scores);
            }
            block.finish(x, mixed, middle, gate_up, &mut self.tile);
        }
        network.logits(x, &mut self.states, &mut self.logits);
    }
}

/// Attention of one row's new token to its prompt, its earlier tokens and itself.
fn attend(
    layer: usize,
    place: Place,
    qkv: &[f32],
    prompts: &Cache,
    own: &Cache,
    mixed: &mut [f32],
    scores: &mut Vec<f32>,
) {
    let Heads { heads, kv_heads, head_dim } = own.heads;
    let (group, prompt_len, own_len) = (heads / kv_heads, place.prompt_len, place.filled + 1);
    let length = prompt_len + own_len;
    scores.resize(group * length, 0.0);
    let prompts = &prompts.panels[prompts.heads_of(place.prompt, layer)];
    let owns = &own.panels[own.heads_of(place.own, layer)];
    let width = group * head_dim; // of the query heads that share keys and values
    let heads = qkv.chunks_exact(width).zip(mixed.chunks_exact_mut(width));
    for (([prompt_keys, prompt_values], [own_keys, own_values]), (q, out)) in
        prompts.iter().zip(owns).zip(heads)
    {
        let q = Matrix::rows(q, head_dim);
        gemm(group, prompt_len, 0..head_dim, q, prompt_keys, scores, length, Store::Overwrite);
        gemm(group, own_len, 0..head_dim, q, own_keys, &mut scores[prompt_len..], length, Store::Overwrite);
        for row in scores.chunks_exact_mut(length) {
            softmax_row(row, own.heads.scale());
        }
        for (out, weights) in out.chunks_exact_mut(head_dim).zip(scores.chunks_exact(length)) {
            mix(&weights[..prompt_len], prompt_values, out, Store::Overwrite);
            mix(&weights[prompt_len..], own_values, out, Store::Add);
        }
    }
}
