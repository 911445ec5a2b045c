//! Writing on from prompts, many rows at once.
//!
//! Rows never meet: each row's numbers come from its own prompt and draws in one fixed order of
//! arithmetic. So threads decode their own rows from start to end without waiting for each other,
//! take the next row from a queue when one of theirs ends, and the result is still the same, bit for
//! bit, for any number of threads and any batch. Equal prompts are read once and share their cache.

use std::collections::BTreeMap;
use std::sync::Mutex;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::attention::RotaryTable;
use super::block::{self, Activations, BlockSizes, Rows};
use super::decode::{Cache, DecodeBlock, Place, Projection, Step};
use super::operation::{lock, with_cpu};

/// Rows that one thread decodes together: enough to use the weights well while they are in cache, few
/// enough that the rows' keys and values stay in the caches as well (64 rows took a third longer).
pub const ROWS_TOGETHER: usize = 16;

/// The network's weights.
pub struct Weights<'a> {
    /// Sizes of every block.
    pub sizes: BlockSizes,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// `(vocab, hidden)`
    pub embedding: &'a Tensor,
    /// Blocks and last norm, as [`Trunk`](super::Trunk) takes them.
    pub flat: &'a Tensor,
    /// The output projection, `(vocab, hidden)`.
    pub head: &'a Tensor,
}

/// Writes at most `longest` tokens after each of `prompts`, none of them empty. `start` begins the row
/// of a prompt's index; `next` gets a row, the hidden state and the scores of the vocabulary after its
/// last token, and draws a token, or ends the row.
pub fn generate<R: Send>(
    weights: &Weights,
    prompts: &[Vec<u32>],
    longest: usize,
    start: impl Fn(usize) -> R + Sync,
    next: impl Fn(&mut R, &[f32], &mut [f32]) -> Option<u32> + Sync,
) -> Result<Vec<R>> {
    let sizes = weights.sizes;
    with_cpu([weights.embedding, weights.flat, weights.head], |[embedding, flat, head]| {
        let (blocks, norm) = flat.split_at(flat.len() - sizes.hidden);
        let blocks: Vec<&[f32]> = blocks.chunks_exact(sizes.weights_len()).collect();
        let positions = prompts.iter().map(Vec::len).max().unwrap_or(0) + longest;
        let rotary = RotaryTable::new(weights.rope_theta, sizes.heads.head_dim, positions);
        let projection = Projection::new(norm, head, sizes.eps);
        let prompts = Prompts::read(prompts, sizes, embedding, &blocks, &projection, &rotary);
        // Rows of one prompt are taken together.
        let mut order: Vec<usize> = (0..prompts.of_row.len()).collect();
        order.sort_by_key(|&row| prompts.of_row[row]);
        let threads = rayon::current_num_threads();
        let slots = order.len().div_ceil(threads).min(ROWS_TOGETHER);
        let queue = Mutex::new(order.into_iter());
        let blocks: Vec<_> = blocks.iter().map(|flat| DecodeBlock::new(sizes, flat)).collect();
        let worker = Worker { sizes, slots, longest, embedding, blocks, projection, rotary, prompts };
        let take = || lock(&queue).next();
        let workers = (0..threads).into_par_iter().with_max_len(1);
        let mut finished: Vec<(usize, R)> =
            workers.flat_map_iter(|_| worker.decode(take, &start, &next)).collect();
        finished.sort_by_key(|(index, _)| *index);
        finished.into_iter().map(|(_, row)| row).collect()
    })
}

/// The distinct prompts after their forward pass.
struct Prompts {
    /// Which distinct prompt each row has.
    of_row: Vec<usize>,
    lengths: Vec<usize>,
    cache: Cache,
    /// Logits after the last token, `(distinct prompts, vocab)`, and the hidden states they come from,
    /// `(distinct prompts, hidden)`.
    logits: Vec<f32>,
    states: Vec<f32>,
}

impl Prompts {
    /// Runs the distinct prompts through the network, packed, and keeps their keys and values.
    fn read(
        prompts: &[Vec<u32>],
        sizes: BlockSizes,
        embedding: &[f32],
        blocks: &[&[f32]],
        projection: &Projection,
        rotary: &RotaryTable,
    ) -> Prompts {
        let mut index_of = BTreeMap::new();
        let mut distinct: Vec<&[u32]> = Vec::new();
        let mut number = |prompt| {
            *index_of.entry(prompt).or_insert_with(|| {
                distinct.push(prompt);
                distinct.len() - 1
            })
        };
        let of_row = prompts.iter().map(|prompt| number(prompt)).collect();
        let lengths: Vec<usize> = distinct.iter().map(|prompt| prompt.len()).collect();
        let mut offsets = vec![0];
        lengths.iter().for_each(|length| offsets.push(offsets[offsets.len() - 1] + length));
        let positions = lengths.iter().flat_map(|&length| 0..length as u32).collect();
        let rows = Rows { offsets, positions, rotary: rotary.clone() };

        let (hidden, qkv_size) = (sizes.hidden, sizes.heads.qkv_size());
        let capacity = lengths.iter().copied().max().unwrap_or(0);
        let mut cache = Cache::new(sizes.heads, blocks.len(), lengths.len(), capacity);
        let mut x: Vec<f32> = Vec::with_capacity(rows.positions.len() * hidden);
        for &id in distinct.concat().iter() {
            x.extend_from_slice(&embedding[id as usize * hidden..][..hidden]);
        }
        let mut activations = Activations::default();
        for (layer, flat) in blocks.iter().enumerate() {
            std::mem::swap(&mut activations.x, &mut x);
            x.resize(rows.positions.len() * hidden, 0.0);
            block::forward(sizes, &rows, flat, &mut activations, &mut x);
            for (slot, (&start, &length)) in rows.offsets.iter().zip(&lengths).enumerate() {
                let sequence = &activations.qkv[start * qkv_size..][..length * qkv_size];
                for (position, qkv) in sequence.chunks_exact(qkv_size).enumerate() {
                    cache.write(slot, layer, position, qkv);
                }
            }
        }
        let mut last = Step::default();
        for end in &rows.offsets[1..] {
            last.x.extend_from_slice(&x[(end - 1) * hidden..][..hidden]);
        }
        let (states, logits) = last.logits(projection);
        Prompts { of_row, lengths, cache, logits: logits.to_vec(), states: states.to_vec() }
    }
}

/// What all threads read.
struct Worker<'a> {
    sizes: BlockSizes,
    /// Rows decoded together.
    slots: usize,
    longest: usize,
    embedding: &'a [f32],
    blocks: Vec<DecodeBlock>,
    projection: Projection,
    rotary: RotaryTable,
    prompts: Prompts,
}

/// A row that is being written.
struct Active<R> {
    row: R,
    index: usize,
    token: u32,
}

impl Worker<'_> {
    /// One thread: decodes rows that it takes from the queue until that is empty.
    fn decode<R>(
        &self,
        take: impl Fn() -> Option<usize>,
        start: impl Fn(usize) -> R,
        next: impl Fn(&mut R, &[f32], &mut [f32]) -> Option<u32>,
    ) -> Vec<(usize, R)> {
        let (hidden, vocab) = (self.sizes.hidden, self.embedding.len() / self.sizes.hidden);
        let prompts = &self.prompts;
        let mut own = Cache::new(self.sizes.heads, self.blocks.len(), self.slots, self.longest);
        let mut free: Vec<usize> = (0..self.slots).rev().collect();
        let mut active: Vec<Active<R>> = Vec::with_capacity(self.slots);
        let mut finished = Vec::new();
        let mut step = Step::default();
        loop {
            // Rows that ended are replaced.
            while let Some(&slot) = free.last() {
                let Some(index) = take() else { break };
                let prompt_slot = prompts.of_row[index];
                let state = &prompts.states[prompt_slot * hidden..][..hidden];
                let mut logits = prompts.logits[prompt_slot * vocab..][..vocab].to_vec();
                let mut row = start(index);
                let Some(token) = next(&mut row, state, &mut logits) else {
                    finished.push((index, row));
                    continue;
                };
                free.pop();
                active.push(Active { row, index, token });
                let prompt_len = prompts.lengths[prompt_slot];
                step.places.push(Place { prompt_slot, prompt_len, slot, filled: 0 });
            }
            if active.is_empty() {
                return finished;
            }
            step.x.clear();
            for Active { token, .. } in &active {
                step.x.extend_from_slice(&self.embedding[*token as usize * hidden..][..hidden]);
            }
            step.forward(&self.blocks, &self.rotary, &prompts.cache, &mut own);
            let (states, logits) = step.logits(&self.projection);
            let drawn: Vec<Option<u32>> = active
                .iter_mut()
                .zip(states.chunks_exact(hidden).zip(logits.chunks_exact_mut(vocab)))
                .map(|(active, (state, logits))| next(&mut active.row, state, logits))
                .collect();
            for (index, token) in drawn.into_iter().enumerate().rev() {
                step.places[index].filled += 1;
                match token {
                    Some(token) => active[index].token = token,
                    None => {
                        free.push(step.places.swap_remove(index).slot);
                        let ended = active.swap_remove(index);
                        finished.push((ended.index, ended.row));
                    }
                }
            }
        }
    }
}
