//! Decoding in candle operations, on any device. Prompts are padded on the left, so that all rows
//! write the same column of the cache; rotary positions are relative, so a key mask is all it needs.

use candle_core::Tensor;

use super::{Completion, Row, Sampling};
use crate::Result;
use crate::base::Seed;
use crate::model::{Decoder, ValueHead, composed};

/// Keys and values of one layer, `(rows, kv_heads, columns, head_dim)`.
type Cache = Option<(Tensor, Tensor)>;

pub(super) fn sample(
    model: &Decoder,
    critic: Option<&ValueHead>,
    prompts: &[Vec<u32>],
    sampling: &Sampling,
    seed: Seed,
) -> Result<Vec<Completion>> {
    let model = &model.with_kernels(model.kernels()).freeze();
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
    let padding: Vec<usize> = prompts.iter().map(|prompt| longest - prompt.len()).collect();
    let mut rows: Vec<Row> =
        (0..prompts.len()).map(|index| Row::new(seed, index, sampling.max_new_tokens)).collect();
    let mut caches: Vec<Cache> = vec![None; model.config().num_hidden_layers];

    let mut next: Vec<u32> = Vec::new();
    for (prompt, &padding) in prompts.iter().zip(&padding) {
        next.extend(std::iter::repeat_n(0, padding).chain(prompt.iter().copied()));
    }
    let mut column = 0;
    loop {
        let width = next.len() / prompts.len();
        let hidden = forward(model, &next, column, &padding, &mut caches)?; // (rows, hidden)
        let mut logits = model.logits(&hidden)?.to_vec2::<f32>()?;
        let values = match critic {
            Some(critic) => Some(critic.forward(&hidden)?.to_vec1::<f32>()?),
            None => None,
        };
        column += width;
        next.clear();
        for (index, (row, logits)) in rows.iter_mut().zip(&mut logits).enumerate() {
            let done = row.done(sampling);
            if let (false, Some(values)) = (done, &values) {
                row.completion.values.push(values[index]);
            }
            next.push(if done { sampling.end_token } else { row.draw(logits, sampling) });
        }
        if rows.iter().all(|row| row.done(sampling)) {
            return Ok(rows.into_iter().map(|row| row.completion).collect());
        }
    }
}

/// Hidden states after the last of `tokens (rows * width,)`, which go to columns
/// `column..column + width`.
///
/// # Shapes
/// returns `(rows, hidden)`
fn forward(
    model: &Decoder,
    tokens: &[u32],
    column: usize,
    padding: &[usize],
    caches: &mut [Cache],
) -> Result<Tensor> {
    let (config, device) = (model.config(), model.device());
    let rows = padding.len();
    let width = tokens.len() / rows;
    let columns = column + width;
    let (head_dim, hidden) = (config.head_dim(), config.hidden_size);

    let mut positions = Vec::with_capacity(tokens.len());
    let mut mask = Vec::with_capacity(tokens.len() * columns);
    for &padding in padding {
        for query in column..columns {
            positions.push(query.saturating_sub(padding) as u32);
            // Padding sees itself only, so that no row of the softmax is empty.
            let visible = |key: usize| key == query || (key >= padding && key < query);
            mask.extend((0..columns).map(|key| if visible(key) { 0.0 } else { f32::NEG_INFINITY }));
        }
    }
    let mask = Tensor::from_vec(mask, (rows, 1, width, columns), device)?;
    let rotary = composed::Rotary::new(config, &positions, device)?;

    let mut x = model.embed(tokens)?; // (rows * width, hidden)
    for (layer, cache) in caches.iter_mut().enumerate() {
        x = composed::block(model, layer, &x, |q, k, v| {
            // (rows * width, heads, head_dim) to (rows, heads, width, head_dim)
            let columns_last = |x: &Tensor| {
                let heads = x.dim(1)?;
                x.reshape((rows, width, heads, head_dim))?.transpose(1, 2)?.contiguous()
            };
            let q = columns_last(&rotary.apply(&q)?)?;
            let (mut k, mut v) = (columns_last(&rotary.apply(&k)?)?, columns_last(&v)?);
            if let Some((old_k, old_v)) = cache.take() {
                (k, v) = (Tensor::cat(&[&old_k, &k], 2)?, Tensor::cat(&[&old_v, &v], 2)?);
            }
            let mixed = composed::attend(config, &q, &k, &v, &mask)?; // (rows, width, hidden)
            *cache = Some((k, v));
            Ok(mixed.reshape((rows * width, hidden))?)
        })?;
    }
    let last = x.reshape((rows, width, hidden))?.narrow(1, width - 1, 1)?.squeeze(1)?.contiguous()?;
    model.final_norm(&last)
}
