//! Decoding on the CPU with the kernels of the crate `kernels`.

use super::{Completion, Row, Sampling};
use crate::Result;
use crate::base::Seed;
use crate::model::{Decoder, ValueHead, fused};
use kernels::{Weights, dot, generate};

pub(super) fn sample(
    model: &Decoder,
    critic: Option<&ValueHead>,
    prompts: &[Vec<u32>],
    sampling: &Sampling,
    seed: Seed,
) -> Result<Vec<Completion>> {
    let critic = critic.map(ValueHead::to_slices).transpose()?;
    let (embedding, flat, head) = (&model.embedding(), &fused::flat_weights(model)?, &model.head());
    let (sizes, rope_theta) = (fused::sizes(model.config()), model.config().rope_theta);
    let weights = Weights { sizes, rope_theta, embedding, flat, head };
    let start = |index| Row::new(seed, index);
    let next = |row: &mut Row, state: &[f32], logits: &mut [f32]| {
        row.completion.values.extend(critic.as_ref().map(|(weight, bias)| dot(state, weight) + bias));
        let token = row.draw(logits, sampling);
        (!row.done(sampling)).then_some(token)
    };
    let rows = generate(&weights, prompts, sampling.max_new_tokens, start, next)?;
    Ok(rows.into_iter().map(|row| row.completion).collect())
}
