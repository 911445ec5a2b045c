//! Writing on from prompts, many rows at once.
//!
//! Rows never meet: each row's numbers come from its own prompt and draws in one fixed order of
//! arithmetic. So threads decode their own rows from start to end without waiting for each other,
//! take the next row from a queue when one of theirs ends, and the result is still the same, bit for
//! bit, for any number of threads and any batch. Equal prompts are read once and share their cache.

use std::sync::Mutex;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::attention::RotaryTable;
use super::block::{self, Activations, BlockSizes, Packed};
use super::decode::{Cache, Network, Place, Step};
use super::families::{Rows, Sequence};
use super::gemm::{Matrix, Panels};
use super::operation::{lock, with_cpu};
use super::simd::gather;

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
    /// Blocks and last norm, as [`hidden_states`](super::hidden_states) takes them.
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
        let blocks = blocks.chunks_exact(sizes.weights_len());
        let positions = prompts.iter().map(Vec::len).max().unwrap_or(0) + longest;
        let network = Network {
            sizes,
            embedding,
            blocks: blocks.map(|flat| Packed::new(sizes, flat, true)).collect(),
            norm,
            head: Panels::packed(
                Matrix::rows(head, sizes.hidden).transposed(),
                sizes.hidden,
                head.len() / sizes.hidden,
            ),
            rotary: RotaryTable::new(weights.rope_theta, sizes.heads.head_dim, positions),
        };
        // Rows with the same prompt are taken together.
        let mut order: Vec<usize> = (0..prompts.len()).collect();
        order.sort_by_key(|&row| &prompts[row]);
        let same: Vec<&[usize]> = order.chunk_by(|&a, &b| prompts[a] == prompts[b]).collect();
        let distinct: Vec<&[u32]> = same.iter().map(|rows| prompts[rows[0]].as_slice()).collect();
        let prompts = Prompts::read(&network, &distinct);
        let queue =
            same.iter().enumerate().flat_map(|(prompt, rows)| rows.iter().map(move |&row| (prompt, row)));
        let queue = Mutex::new(queue);
        let take = || lock(&queue).next();
        let threads = rayon::current_num_threads();
        let slots = order.len().div_ceil(threads).min(ROWS_TOGETHER);
        let workers = (0..threads).into_par_iter().with_max_len(1);
        let mut finished: Vec<(usize, R)> = workers
            .flat_map_iter(|_| decode(&network, &prompts, [slots, longest], take, &start, &next))
            .collect();
        finished.sort_by_key(|(index, _)| *index);
        finished.into_iter().map(|(_, row)| row).collect()
    })
}

/// The distinct prompts after their forward pass.
struct Prompts {
    lengths: Vec<usize>,
    cache: Cache,
    /// The hidden states after the last token, `(prompts, hidden)`, and the logits, `(prompts, vocab)`.
    states: Vec<f32>,
    logits: Vec<f32>,
}

impl Prompts {
    /// Runs the distinct prompts through the network, packed, and keeps their keys and values.
    fn read(network: &Network, prompts: &[&[u32]]) -> Prompts {
        let lengths: Vec<usize> = prompts.iter().map(|prompt| prompt.len()).collect();
        let mut end = 0;
        let alone = lengths.iter().map(|&length| {
            end += length;
            Sequence { family: end - length, shared: 0, own: end - length..end }
        });
        let sequences: Vec<Sequence> = alone.collect();
        let rows = Rows::new(sequences.clone(), network.rotary.clone());

        let BlockSizes { hidden, heads, .. } = network.sizes;
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut cache = Cache::new(heads, network.blocks.len(), lengths.len(), longest);
        let (mut x, mut activations) = (Vec::new(), Activations::default());
        gather(network.embedding, hidden, prompts.concat(), &mut x);
        for (layer, block) in network.blocks.iter().enumerate() {
            block::forward(block, &rows, &mut activations, &mut x);
            for (prompt, Sequence { own, .. }) in sequences.iter().enumerate() {
                let sequence = activations.qkv.chunks_exact(heads.qkv_size()).skip(own.start).take(own.len());
                sequence.enumerate().for_each(|(position, qkv)| cache.write(prompt, layer, position, qkv));
            }
        }
        let (mut last, mut states, mut logits) = (Vec::new(), Vec::new(), Vec::new());
        gather(&x, hidden, sequences.iter().map(|sequence| sequence.own.end as u32 - 1), &mut last);
        network.logits(&last, &mut states, &mut logits);
        Prompts { lengths, cache, states, logits }
    }
}

/// One thread: decodes rows that it takes from the queue, as numbers of their prompt and of their own,
/// until that is empty. At most `slots` rows are decoded together, each `longest` tokens.
fn decode<R>(
    network: &Network,
    prompts: &Prompts,
    [slots, longest]: [usize; 2],
    take: impl Fn() -> Option<(usize, usize)>,
    start: impl Fn(usize) -> R,
    next: impl Fn(&mut R, &[f32], &mut [f32]) -> Option<u32>,
) -> Vec<(usize, R)> {
    let (hidden, vocab) = (network.sizes.hidden, network.head.columns());
    let mut own_cache = Cache::new(network.sizes.heads, network.blocks.len(), slots, longest);
    let mut free: Vec<usize> = (0..slots).rev().collect();
    let (mut places, mut active, mut finished) = (Vec::new(), Vec::new(), Vec::new());
    let mut step = Step::default();
    loop {
        // Rows that ended are replaced.
        while let Some(&own) = free.last() {
            let Some((prompt, index)) = take() else { break };
            let state = &prompts.states[prompt * hidden..][..hidden];
            let mut logits = prompts.logits[prompt * vocab..][..vocab].to_vec();
            let mut row = start(index);
            let Some(token) = next(&mut row, state, &mut logits) else {
                finished.push((index, row));
                continue;
            };
            free.pop();
            active.push((index, row));
            places.push(Place { token, prompt, prompt_len: prompts.lengths[prompt], own, filled: 0 });
        }
        if active.is_empty() {
            return finished;
        }
        step.forward(network, &places, &prompts.cache, &mut own_cache);
        let scores = step.states.chunks_exact(hidden).zip(step.logits.chunks_exact_mut(vocab));
        let rows = active.iter_mut().zip(scores);
        let drawn: Vec<_> = rows.map(|((_, row), (state, logits))| next(row, state, logits)).collect();
        for (index, token) in drawn.into_iter().enumerate().rev() {
            places[index].filled += 1;
            match token {
                Some(token) => places[index].token = token,
                None => {
                    free.push(places.swap_remove(index).own);
                    finished.push(active.swap_remove(index));
                }
            }
        }
    }
}
