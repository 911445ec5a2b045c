//! The network through the fused operations of the crate `kernels`, on the CPU.

use candle_core::Tensor;

use super::{Batch, Config, Decoder, config};
use crate::Result;
use kernels::{BlockSizes, Heads, PARTS, RotaryTable, Rows, hidden_states};

/// See [`Decoder::hidden`].
pub(super) fn hidden(model: &Decoder, batch: &Batch) -> Result<Tensor> {
    let config = model.config();
    let rotary = RotaryTable::new(config.rope_theta, config.head_dim(), batch.longest());
    let rows = Rows::new(batch.sequences().to_vec(), rotary);
    let (embedding, flat, keep) = (&model.embedding(), &flat_weights(model)?, !model.frozen);
    Ok(hidden_states(embedding, flat, sizes(config), batch.ids(), rows, &model.buffers, keep)?)
}

pub(crate) fn sizes(config: &Config) -> BlockSizes {
    BlockSizes {
        hidden: config.hidden_size,
        inner: config.intermediate_size,
        heads: Heads {
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
            head_dim: config.head_dim(),
        },
        eps: config.rms_norm_eps as f32,
    }
}

/// All weights but the embedding and the head, one after another, as `hidden_states` takes them.
pub(crate) fn flat_weights(model: &Decoder) -> Result<Tensor> {
    let mut parts = Vec::new();
    for layer in 0..model.config().num_hidden_layers {
        for part in PARTS {
            parts.push(model.layer_weight(layer, part).flatten_all()?);
        }
    }
    parts.push(model.weight(config::FINAL_NORM));
    Ok(Tensor::cat(&parts, 0)?)
}
