//! Writing on from prompts, many rows at once.
//!
//! Rows never meet: each row's numbers come from its own prompt and draws in one fixed order of
//! arithmetic. So threads decode their own rows from start to end without waiting for each other,
//! take the next row from a queue when one of theirs ends, and the result is still the same, bit for
//! bit, for any number of threads and any batch. Equal prompts are read once and share their cache, and
//! their rows are decoded as one until they draw different tokens.

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

/// Most rows that one thread decodes together.
pub const ROWS_TOGETHER: usize = 2 * PLACES;
/// A thread takes more rows while it has fewer different ones than this: enough to use the weights well
/// while they are in cache, few enough that keys and values stay in the caches as well.
const PLACES: usize = 16;

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
        let threads = rayon::current_num_threads();
        let slots = order.len().div_ceil(threads).min(ROWS_TOGETHER);
        let together = slots.clamp(1, PLACES);
        let parts = |(prompt, rows): (usize, &&'_ [usize])| -> Vec<(usize, Vec<usize>)> {
            rows.chunks(together).map(|rows| (prompt, rows.to_vec())).collect()
        };
        let queue = Mutex::new(same.iter().enumerate().flat_map(parts).peekable());
        let take = |most: usize| lock(&queue).next_if(|(_, rows)| rows.len() <= most);
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

/// Rows with their indices.
type Numbered<R> = Vec<(usize, R)>;

/// One thread: decodes rows that it takes from the queue, as a prompt's number and the indices of rows
/// that start from it. At most `slots` rows are decoded together, each `longest` tokens.
fn decode<R>(
    network: &Network,
    prompts: &Prompts,
    [slots, longest]: [usize; 2],
    take: impl Fn(usize) -> Option<(usize, Vec<usize>)>,
    start: impl Fn(usize) -> R,
    next: impl Fn(&mut R, &[f32], &mut [f32]) -> Option<u32>,
) -> Numbered<R> {
    let (hidden, vocab) = (network.sizes.hidden, network.head.columns());
    let mut own_cache = Cache::new(network.sizes.heads, network.blocks.len(), slots, longest);
    let mut free: Vec<usize> = (0..slots).rev().collect();
    // The rows of each place, and the places.
    let (mut active, mut places): (Vec<Numbered<R>>, Vec<Place>) = (Vec::new(), Vec::new());
    let (mut finished, mut scratch, mut step) = (Vec::new(), Vec::new(), Step::default());
    // Rows draw from the same scores: those that go on, by the token they drew.
    let mut draw = |rows: Numbered<R>, state: &[f32], logits: &[f32], finished: &mut Numbered<R>| {
        let mut parts: Vec<(u32, Numbered<R>)> = Vec::new();
        for (index, mut row) in rows {
            scratch.clear();
            scratch.extend_from_slice(logits);
            let Some(token) = next(&mut row, state, &mut scratch) else {
                finished.push((index, row));
                continue;
            };
            match parts.iter_mut().find(|(other, _)| *other == token) {
                Some((_, rows)) => rows.push((index, row)),
                None => parts.push((token, vec![(index, row)])),
            }
        }
        parts
    };
    loop {
        // Rows that ended are replaced. A row may part from its company at any time: it has a segment.
        while places.len() < PLACES {
            let Some((prompt, rows)) = take(slots - active.iter().map(Vec::len).sum::<usize>()) else {
                break;
            };
            let rows = rows.into_iter().map(|index| (index, start(index))).collect();
            let state = &prompts.states[prompt * hidden..][..hidden];
            let logits = &prompts.logits[prompt * vocab..][..vocab];
            let prompt_len = prompts.lengths[prompt];
            for (token, rows) in draw(rows, state, logits, &mut finished) {
                let own = free.pop().expect("a segment for each row");
                places.push(Place { token, prompt, prompt_len, own, filled: 0 });
                active.push(rows);
            }
        }
        if places.is_empty() {
            return finished;
        }
        step.forward(network, &places, &prompts.cache, &mut own_cache);
        for index in (0..places.len()).rev() {
            places[index].filled += 1;
            let place = places[index];
            let state = &step.states[index * hidden..][..hidden];
            let logits = &step.logits[index * vocab..][..vocab];
            let mut parts =
                draw(std::mem::take(&mut active[index]), state, logits, &mut finished).into_iter();
            match parts.next() {
                Some((token, rows)) => (places[index].token, active[index]) = (token, rows),
                None => {
                    free.push(places.swap_remove(index).own);
                    active.swap_remove(index);
                }
            }
            for (token, rows) in parts {
                let own = free.pop().expect("a segment for each row");
                own_cache.copy(place.own, own, place.filled);
                places.push(Place { token, own, ..place });
                active.push(rows);
            }
        }
    }
}
