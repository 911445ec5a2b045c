//! The network through the fused operations of `crate::ops`, on the CPU.

use std::sync::Arc;

use candle_core::Tensor;

use super::{Batch, Config, Decoder, composed, config};
use crate::Result;
use crate::ops::{Block, BlockSizes, Embed, Heads, LogProb, PARTS, RmsNorm, RotaryTable, Rows};

/// See [`Decoder::hidden`].
pub(super) fn hidden(model: &Decoder, batch: &Batch) -> Result<Tensor> {
    let config = model.config();
    let sizes = sizes(config);
    let rows = Arc::new(Rows {
        offsets: batch.offsets().to_vec(),
        positions: batch.positions(),
        rotary: RotaryTable::new(&composed::frequencies(config), batch.longest()),
    });
    let embed = Embed { ids: batch.ids().to_vec(), hidden: config.hidden_size };
    let mut x = model.weight(config::EMBEDDING).apply_op1(embed)?; // (tokens, hidden)
    for layer in 0..config.num_hidden_layers {
        let block = Block::new(sizes, rows.clone(), !model.frozen);
        x = x.apply_op2(&flat_weights(model, layer)?, block)?;
    }
    let norm = RmsNorm { eps: sizes.eps };
    Ok(x.apply_op2(&model.weight(config::FINAL_NORM), norm)?)
}

/// See [`Decoder::log_probs_and_entropy`].
pub(super) fn log_probs_and_entropy(
    model: &Decoder,
    hidden: &Tensor,
    rows: &[u32],
    targets: &[u32],
) -> Result<(Tensor, Tensor)> {
    let both = hidden.contiguous()?.apply_op2(&model.head(), LogProb::new(rows, targets))?; // (2, rows)
    Ok((both.get(0)?, both.get(1)?.detach()))
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

/// All weights of a layer one after another, as `Block` takes them.
pub(crate) fn flat_weights(model: &Decoder, layer: usize) -> Result<Tensor> {
    let mut parts = Vec::with_capacity(PARTS.len());
    for part in PARTS {
        parts.push(model.layer_weight(layer, part).flatten_all()?);
    }
    Ok(Tensor::cat(&parts, 0)?)
}
