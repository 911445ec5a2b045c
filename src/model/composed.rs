//! The network in candle's own operations: runs on any device, and is what the fused kernels are
//! held against. The projections work on packed tokens; only attention pads.

use candle_core::{D, Device, Tensor};

use super::{Batch, Config, Decoder, log_softmax};
use crate::Result;

/// See [`Decoder::hidden`].
pub(super) fn hidden(model: &Decoder, batch: &Batch) -> Result<Tensor> {
    let config = model.config();
    let padding = Padding::new(batch)?;
    let rotary = Rotary::new(config, &batch.positions(), batch.device())?;
    let mut x = model.embed(batch.ids())?; // (tokens, hidden)
    for layer in 0..config.num_hidden_layers {
        x = block(model, layer, &x, |q, k, v| {
            let (q, k) = (rotary.apply(&q)?, rotary.apply(&k)?);
            padding.unpad(&attend(
                config,
                &padding.pad(&q)?,
                &padding.pad(&k)?,
                &padding.pad(&v)?,
                &padding.causal_mask,
            )?)
        })?;
    }
    model.final_norm(&x)
}

/// One transformer block on packed tokens. `attention` gets `q (tokens, heads, head_dim)` and
/// `k`, `v (tokens, kv_heads, head_dim)` before rotation, and returns `(tokens, hidden)`.
pub(crate) fn block(
    model: &Decoder,
    layer: usize,
    x: &Tensor,
    attention: impl FnOnce(Tensor, Tensor, Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let config = model.config();
    let weight = |part: &str| model.layer_weight(layer, part);
    let (tokens, head_dim) = (x.dim(0)?, config.head_dim());
    let heads = |x: Tensor, heads: usize| x.reshape((tokens, heads, head_dim));

    let normed = rms_norm(x, &weight("input_layernorm"), config.rms_norm_eps)?;
    let q = heads(linear(&normed, &weight("self_attn.q_proj"))?, config.num_attention_heads)?;
    let k = heads(linear(&normed, &weight("self_attn.k_proj"))?, config.num_key_value_heads)?;
    let v = heads(linear(&normed, &weight("self_attn.v_proj"))?, config.num_key_value_heads)?;
    let x = (x + linear(&attention(q, k, v)?, &weight("self_attn.o_proj"))?)?;

    let normed = rms_norm(&x, &weight("post_attention_layernorm"), config.rms_norm_eps)?;
    let gate = linear(&normed, &weight("mlp.gate_proj"))?.silu()?; // (tokens, intermediate)
    let up = linear(&normed, &weight("mlp.up_proj"))?;
    Ok((x + linear(&(gate * up)?, &weight("mlp.down_proj"))?)?)
}

/// Softmax attention; query heads share key-value heads in groups.
///
/// # Shapes
/// `q (batch, heads, queries, head_dim)`, `k`, `v (batch, kv_heads, keys, head_dim)`, `mask`
/// broadcasts to `(batch, heads, queries, keys)`; returns `(batch, queries, hidden)`
pub(crate) fn attend(config: &Config, q: &Tensor, k: &Tensor, v: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let (batch, heads, queries, head_dim) = q.dims4()?;
    let keys = k.dim(2)?;
    let groups = heads / config.num_key_value_heads;
    let repeat = |x: &Tensor| {
        let spread = x.unsqueeze(2)?.expand((batch, heads / groups, groups, keys, head_dim))?;
        spread.contiguous()?.reshape((batch, heads, keys, head_dim))
    };
    let scores = (q.contiguous()?.matmul(&repeat(k)?.t()?)? / (head_dim as f64).sqrt())?;
    let weights = log_softmax(&scores.broadcast_add(mask)?)?.exp()?;
    let mixed = weights.matmul(&repeat(v)?)?; // (batch, heads, queries, head_dim)
    Ok(mixed.transpose(1, 2)?.contiguous()?.reshape((batch, queries, heads * head_dim))?)
}

/// See [`Decoder::log_probs_and_entropy`].
pub(super) fn log_probs_and_entropy(
    model: &Decoder,
    hidden: &Tensor,
    rows: &[u32],
    targets: &[u32],
) -> Result<(Tensor, Tensor)> {
    let device = hidden.device();
    let rows = Tensor::from_slice(rows, rows.len(), device)?;
    let targets = Tensor::from_slice(targets, (targets.len(), 1), device)?;
    let log_probs = log_softmax(&model.logits(&hidden.index_select(&rows, 0)?)?)?; // (rows, vocab)
    let detached = log_probs.detach();
    let entropy = (detached.exp()? * &detached)?.sum(D::Minus1)?.neg()?; // (rows,)
    Ok((log_probs.gather(&targets, 1)?.squeeze(1)?, entropy))
}

/// `x @ weight^T`: `x (rows, in)`, `weight (out, in)`, as PyTorch's `Linear` stores it.
pub(crate) fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    Ok(x.matmul(&weight.t()?)?)
}

/// `x / sqrt(mean(x^2) + eps) * weight` over the last dimension.
pub(crate) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    let mean_square = x.sqr()?.mean_keepdim(D::Minus1)?;
    let normed = x.broadcast_div(&(mean_square + eps)?.sqrt()?)?;
    Ok(normed.broadcast_mul(weight)?)
}

/// Rotary position embedding, in the half-split order of Hugging Face's Llama.
pub(crate) struct Rotary {
    cos: Tensor, // (tokens, 1, head_dim / 2)
    sin: Tensor, // (tokens, 1, head_dim / 2)
}

impl Rotary {
    pub(crate) fn new(config: &Config, positions: &[u32], device: &Device) -> Result<Rotary> {
        let half = config.head_dim() / 2;
        let mut cos = Vec::with_capacity(positions.len() * half);
        let mut sin = Vec::with_capacity(positions.len() * half);
        let frequencies = frequencies(config);
        for &position in positions {
            for &frequency in &frequencies {
                let angle = f64::from(position as f32 * frequency);
                cos.push(libm::cos(angle) as f32);
                sin.push(libm::sin(angle) as f32);
            }
        }
        let shape = (positions.len(), 1, half);
        Ok(Rotary { cos: Tensor::from_vec(cos, shape, device)?, sin: Tensor::from_vec(sin, shape, device)? })
    }

    /// # Shapes
    /// `x (tokens, heads, head_dim)`, returned rotated
    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let half = x.dim(2)? / 2;
        let (first, second) = (x.narrow(2, 0, half)?, x.narrow(2, half, half)?);
        let rotated_first = (first.broadcast_mul(&self.cos)? - second.broadcast_mul(&self.sin)?)?;
        let rotated_second = (second.broadcast_mul(&self.cos)? + first.broadcast_mul(&self.sin)?)?;
        Ok(Tensor::cat(&[rotated_first, rotated_second], 2)?)
    }
}

/// `rope_theta^(-2i / head_dim)`, in `f32` as PyTorch computes it.
pub(crate) fn frequencies(config: &Config) -> Vec<f32> {
    let head_dim = config.head_dim() as f64;
    (0..config.head_dim() / 2)
        .map(|i| (1.0 / libm::pow(config.rope_theta, 2.0 * i as f64 / head_dim)) as f32)
        .collect()
}

/// Index tables between packed tokens and a `(sequences, longest)` grid, padded on the right.
/// A causal mask is all it needs: no real query sees the padding after it.
struct Padding {
    sequences: usize,
    longest: usize,
    /// Token at each grid cell; cells of padding repeat token 0 and are never read back.
    grid: Tensor, // (sequences * longest,)
    /// Grid cell of each token.
    cells: Tensor, // (tokens,)
    causal_mask: Tensor, // (1, 1, longest, longest)
}

impl Padding {
    fn new(batch: &Batch) -> Result<Padding> {
        let (sequences, longest) = (batch.sequences(), batch.longest());
        let mut grid = vec![0u32; sequences * longest];
        let mut cells = Vec::with_capacity(batch.tokens());
        for sequence in 0..sequences {
            for (position, token) in batch.range(sequence).enumerate() {
                grid[sequence * longest + position] = token as u32;
                cells.push((sequence * longest + position) as u32);
            }
        }
        let mask: Vec<f32> = (0..longest * longest)
            .map(|cell| if cell % longest > cell / longest { f32::NEG_INFINITY } else { 0.0 })
            .collect();
        let device = batch.device();
        Ok(Padding {
            sequences,
            longest,
            grid: Tensor::from_vec(grid, sequences * longest, device)?,
            cells: Tensor::from_vec(cells, batch.tokens(), device)?,
            causal_mask: Tensor::from_vec(mask, (1, 1, longest, longest), device)?,
        })
    }

    /// `(tokens, heads, head_dim)` to `(sequences, heads, longest, head_dim)`.
    fn pad(&self, x: &Tensor) -> Result<Tensor> {
        let (_, heads, head_dim) = x.dims3()?;
        let grid = x.contiguous()?.index_select(&self.grid, 0)?;
        let grid = grid.reshape((self.sequences, self.longest, heads, head_dim))?;
        Ok(grid.transpose(1, 2)?.contiguous()?)
    }

    /// `(sequences, longest, hidden)` to `(tokens, hidden)`.
    fn unpad(&self, x: &Tensor) -> Result<Tensor> {
        let hidden = x.dim(2)?;
        Ok(x.reshape((self.sequences * self.longest, hidden))?.index_select(&self.cells, 0)?)
    }
}
