//! Decoding on the CPU with the kernels of the crate `kernels`.
//!
//! Rows never meet: each row's numbers come from its own prompt and noise in one fixed order of
//! arithmetic. So threads decode their own rows from start to end without waiting for each other,
//! take the next row from a queue when one of theirs ends, and the result is still the same, bit for
//! bit, for any number of threads and any batch. Equal prompts are read once and share their cache.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::Tensor;
use rayon::prelude::*;

use super::{Completion, Row, Sampling};
use crate::Result;
use crate::base::Seed;
use crate::model::{Batch, Decoder, ValueHead, fused};
use kernels::{
    Activations, BlockSizes, Cache, DecodeBlock, Place, Projection, RotaryTable, Rows, Step, block_forward,
    dot,
};

/// Rows that one thread decodes together: enough to use the weights well while they are in cache, few
/// enough that the rows' keys and values stay in the caches as well (64 rows took a third longer).
pub(crate) const TOGETHER: usize = 16;

/// What all threads read.
struct Shared<'a> {
    sampling: &'a Sampling,
    seed: Seed,
    vocab: usize,
    hidden: usize,
    embedding: Vec<f32>, // (vocab, hidden)
    blocks: Vec<DecodeBlock>,
    projection: Projection,
    /// Weight `(hidden,)` and bias of the value head.
    critic: Option<(Vec<f32>, f32)>,
    rotary: RotaryTable,
    prompts: Prompts,
    /// Rows in the order they are taken: those of one prompt together.
    order: Vec<usize>,
    next: AtomicUsize,
}

impl Shared<'_> {
    /// What the value head says of a hidden state `(hidden,)`; `None` without a value head.
    fn value(&self, state: &[f32]) -> Option<f32> {
        self.critic.as_ref().map(|(weight, bias)| dot(state, weight) + bias)
    }
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

pub(super) fn sample(
    model: &Decoder,
    critic: Option<&ValueHead>,
    prompts: &[Vec<u32>],
    sampling: &Sampling,
    seed: Seed,
) -> Result<Vec<Completion>> {
    let config = model.config();
    let sizes = fused::sizes(config);
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
    let rotary = RotaryTable::new(config.rope_theta, config.head_dim(), longest + sampling.max_new_tokens);
    let embedding = values(&model.embedding())?;
    let flat = values(&fused::flat_weights(model)?)?;
    let (blocks, norm) = flat.split_at(config.num_hidden_layers * sizes.weights_len());
    let projection = Projection::new(norm, &values(&model.head())?, sizes.eps);
    let prompts = read_prompts(prompts, sizes, &embedding, blocks, &projection, &rotary)?;
    let mut order: Vec<usize> = (0..prompts.of_row.len()).collect();
    order.sort_by_key(|&row| prompts.of_row[row]);
    let shared = Shared {
        sampling,
        seed,
        vocab: config.vocab_size,
        hidden: config.hidden_size,
        embedding,
        blocks: blocks.chunks_exact(sizes.weights_len()).map(|flat| DecodeBlock::new(sizes, flat)).collect(),
        projection,
        critic: critic.map(ValueHead::to_slices).transpose()?,
        rotary,
        prompts,
        order,
        next: AtomicUsize::new(0),
    };
    let threads = rayon::current_num_threads();
    let slots = shared.order.len().div_ceil(threads).min(TOGETHER);
    let finished: Vec<Vec<(usize, Completion)>> =
        (0..threads).into_par_iter().with_max_len(1).map(|_| decode(&shared, sizes, slots)).collect();
    let mut completions: Vec<(usize, Completion)> = finished.into_iter().flatten().collect();
    completions.sort_by_key(|(row, _)| *row);
    Ok(completions.into_iter().map(|(_, completion)| completion).collect())
}

fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.flatten_all()?.to_vec1::<f32>()?)
}

/// Runs the distinct prompts through the network, packed, and keeps their keys and values.
fn read_prompts(
    prompts: &[Vec<u32>],
    sizes: BlockSizes,
    embedding: &[f32],
    blocks: &[f32],
    projection: &Projection,
    rotary: &RotaryTable,
) -> Result<Prompts> {
    let mut index_of = BTreeMap::new();
    let mut distinct: Vec<&Vec<u32>> = Vec::new();
    let of_row: Vec<usize> = prompts
        .iter()
        .map(|prompt| {
            *index_of.entry(prompt).or_insert_with(|| {
                distinct.push(prompt);
                distinct.len() - 1
            })
        })
        .collect();
    let batch = Batch::pack(&distinct, &candle_core::Device::Cpu)?;
    let (hidden, qkv_size) = (sizes.hidden, sizes.heads.qkv_size());
    let mut cache =
        Cache::new(sizes.heads, blocks.len() / sizes.weights_len(), distinct.len(), batch.longest());
    let rows =
        Rows { offsets: batch.offsets().to_vec(), positions: batch.positions(), rotary: rotary.clone() };
    let mut x: Vec<f32> = Vec::with_capacity(batch.tokens() * hidden);
    for &id in batch.ids() {
        x.extend_from_slice(&embedding[id as usize * hidden..][..hidden]);
    }
    let mut activations = Activations::default();
    for (layer, flat) in blocks.chunks_exact(sizes.weights_len()).enumerate() {
        std::mem::swap(&mut activations.x, &mut x);
        x.resize(batch.tokens() * hidden, 0.0);
        block_forward(sizes, &rows, flat, &mut activations, &mut x);
        for slot in 0..distinct.len() {
            for (position, row) in batch.range(slot).enumerate() {
                cache.write(slot, layer, position, &activations.qkv[row * qkv_size..][..qkv_size]);
            }
        }
    }
    let mut last = Step::default();
    for slot in 0..distinct.len() {
        last.x.extend_from_slice(&x[(batch.range(slot).end - 1) * hidden..][..hidden]);
    }
    let (states, logits) = last.logits(projection);
    let lengths = distinct.iter().map(|prompt| prompt.len()).collect();
    Ok(Prompts { of_row, lengths, cache, logits: logits.to_vec(), states: states.to_vec() })
}

/// A row that is being written.
struct Active {
    row: Row,
    index: usize,
    token: u32,
}

/// One thread: decodes rows from the queue until it is empty.
fn decode(shared: &Shared, sizes: BlockSizes, slots: usize) -> Vec<(usize, Completion)> {
    let capacity = shared.sampling.max_new_tokens;
    let mut own = Cache::new(sizes.heads, shared.blocks.len(), slots, capacity);
    let mut free: Vec<usize> = (0..slots).rev().collect();
    let mut active: Vec<Active> = Vec::with_capacity(slots);
    let mut finished = Vec::new();
    let mut step = Step::default();
    loop {
        // Rows that ended are replaced.
        while let Some(&slot) = free.last() {
            let Some(&index) = shared.order.get(shared.next.fetch_add(1, Ordering::Relaxed)) else { break };
            let prompt_slot = shared.prompts.of_row[index];
            let logits = &shared.prompts.logits[prompt_slot * shared.vocab..][..shared.vocab];
            let mut row = Row::new(shared.seed, index, capacity);
            let state = &shared.prompts.states[prompt_slot * shared.hidden..][..shared.hidden];
            row.completion.values.extend(shared.value(state));
            let token = row.draw(&mut logits.to_vec(), shared.sampling);
            if row.done(shared.sampling) {
                finished.push((index, row.completion));
                continue;
            }
            free.pop();
            active.push(Active { row, index, token });
            let prompt_len = shared.prompts.lengths[prompt_slot];
            step.places.push(Place { prompt_slot, prompt_len, slot, filled: 0 });
        }
        if active.is_empty() {
            return finished;
        }
        step.x.clear();
        for Active { token, .. } in &active {
            step.x.extend_from_slice(&shared.embedding[*token as usize * shared.hidden..][..shared.hidden]);
        }
        step.forward(&shared.blocks, &shared.rotary, &shared.prompts.cache, &mut own);
        let (states, logits) = step.logits(&shared.projection);
        let rows = states.chunks_exact(shared.hidden).zip(logits.chunks_exact_mut(shared.vocab));
        for (active, (state, logits)) in active.iter_mut().zip(rows) {
            active.row.completion.values.extend(shared.value(state));
            active.token = active.row.draw(logits, shared.sampling);
        }
        for index in (0..active.len()).rev() {
            step.places[index].filled += 1;
            if active[index].row.done(shared.sampling) {
                free.push(step.places.swap_remove(index).slot);
                let ended = active.swap_remove(index);
                finished.push((ended.index, ended.row.completion));
            }
        }
    }
}
