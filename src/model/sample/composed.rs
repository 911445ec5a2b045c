//! Decoding with the network as candle-nn builds it, on any device: all rows a token at a time.

use candle_core::Tensor;
use candle_nn::kv_cache::ConcatKvCache;

use super::{Completion, Row, Sampling};
use crate::Result;
use crate::base::Seed;
use crate::model::{Batch, Decoder, Grid, Kernels, ValueHead};

pub(super) fn sample(
    model: &Decoder,
    critic: Option<&ValueHead>,
    prompts: &[Vec<u32>],
    sampling: &Sampling,
    seed: Seed,
) -> Result<Vec<Completion>> {
    let (config, network) = (model.config(), model.with_kernels(Kernels::Composed).freeze().network()?);
    let batch = Batch::pack(prompts, model.device())?;
    let mut rows: Vec<Row> = (0..prompts.len()).map(|index| Row::new(seed, index)).collect();
    let mut caches = vec![ConcatKvCache::new(2); config.num_hidden_layers]; // along the keys
    let all = network.forward(batch.ids(), &Grid::of_sequences(config, &batch)?, Some(&mut caches))?;
    let last: Vec<u32> = batch.sequences().iter().map(|prompt| prompt.own.end as u32 - 1).collect();
    let mut hidden = all.index_select(&Tensor::new(last, model.device())?, 0)?; // (rows, hidden)
    for written in 0.. {
        let mut logits = model.logits(&hidden)?.to_vec2::<f32>()?;
        let values = critic.map(|critic| critic.forward(&hidden)).transpose()?;
        let values = values.map(|values| values.to_vec1::<f32>()).transpose()?;
        let mut next = Vec::with_capacity(rows.len());
        for (index, (row, logits)) in rows.iter_mut().zip(&mut logits).enumerate() {
            if row.done(sampling) {
                next.push(sampling.end_token); // read by nobody
                continue;
            }
            row.completion.values.extend(values.as_ref().map(|values| values[index]));
            next.push(row.draw(logits, sampling));
        }
        if rows.iter().all(|row| row.done(sampling)) {
            break;
        }
        let grid = Grid::of_next_tokens(config, &batch, written)?;
        hidden = network.forward(&next, &grid, Some(&mut caches))?;
    }
    Ok(rows.into_iter().map(|row| row.completion).collect())
}
