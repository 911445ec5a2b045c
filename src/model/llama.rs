//! The network, built on candle-nn as its users build one: it runs on any device, and is what the
//! fused kernels are held against (`tests/engine.rs`). candle-nn's own fused norm, rotation and
//! softmax have no backward pass, so their differentiable variants are used.
//!
//! The projections work on packed tokens; only attention pads, to a [`Grid`].

use candle_core::{D, Device, Tensor};
use candle_nn::kv_cache::ConcatKvCache;
use candle_nn::{Embedding, Linear, Module, RmsNorm, VarBuilder, linear_no_bias, ops, rms_norm, rotary_emb};

use super::{Batch, Config, Decoder};
use crate::Result;
use kernels::RotaryTable;

/// Embedding, blocks and last norm: everything below the output projection.
pub(crate) struct Llama {
    embedding: Embedding,
    blocks: Vec<Block>,
    norm: RmsNorm,
}

struct Block {
    heads: usize,
    kv_heads: usize,
    input_norm: RmsNorm,
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    inner_norm: RmsNorm,
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Llama {
    /// Takes its weights from `weights` by the names that Hugging Face gives them.
    pub(crate) fn new(config: &Config, weights: VarBuilder) -> Result<Llama> {
        let (hidden, eps) = (config.hidden_size, config.rms_norm_eps);
        let weights = weights.pp("model");
        let layers =
            (0..config.num_hidden_layers).map(|layer| Block::new(config, weights.pp("layers").pp(layer)));
        Ok(Llama {
            embedding: candle_nn::embedding(config.vocab_size, hidden, weights.pp("embed_tokens"))?,
            blocks: layers.collect::<Result<_>>()?,
            norm: rms_norm(hidden, eps, weights.pp("norm"))?,
        })
    }

    /// The hidden states after the last norm of packed `tokens`, which lie in `grid`. With `caches`,
    /// one a layer, tokens also see the columns that earlier calls left there, and no graph is kept.
    ///
    /// # Shapes
    /// returns `(tokens, hidden)`
    pub(crate) fn forward(
        &self,
        tokens: &[u32],
        grid: &Grid,
        mut caches: Option<&mut [ConcatKvCache]>,
    ) -> Result<Tensor> {
        let mut x = self.embedding.forward(&Tensor::new(tokens, grid.mask.device())?)?; // (tokens, hidden)
        for (layer, block) in self.blocks.iter().enumerate() {
            x = block.forward(&x, grid, caches.as_mut().map(|caches| &mut caches[layer]))?;
        }
        Ok(self.norm.forward_diff(&x)?)
    }
}

impl Block {
    fn new(config: &Config, weights: VarBuilder) -> Result<Block> {
        let (hidden, inner, kv) = (config.hidden_size, config.intermediate_size, config.kv_size());
        let (attention, mlp) = (weights.pp("self_attn"), weights.pp("mlp"));
        let norm = |name: &str| rms_norm(hidden, config.rms_norm_eps, weights.pp(name));
        Ok(Block {
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
            input_norm: norm("input_layernorm")?,
            q: linear_no_bias(hidden, hidden, attention.pp("q_proj"))?,
            k: linear_no_bias(hidden, kv, attention.pp("k_proj"))?,
            v: linear_no_bias(hidden, kv, attention.pp("v_proj"))?,
            o: linear_no_bias(hidden, hidden, attention.pp("o_proj"))?,
            inner_norm: norm("post_attention_layernorm")?,
            gate: linear_no_bias(hidden, inner, mlp.pp("gate_proj"))?,
            up: linear_no_bias(hidden, inner, mlp.pp("up_proj"))?,
            down: linear_no_bias(inner, hidden, mlp.pp("down_proj"))?,
        })
    }

    /// # Shapes
    /// `x (tokens, hidden)`, returned changed
    fn forward(&self, x: &Tensor, grid: &Grid, cache: Option<&mut ConcatKvCache>) -> Result<Tensor> {
        let normed = self.input_norm.forward_diff(x)?;
        let q = grid.rotate(&split(&self.q.forward(&normed)?, self.heads)?)?;
        let k = grid.rotate(&split(&self.k.forward(&normed)?, self.kv_heads)?)?;
        let v = split(&self.v.forward(&normed)?, self.kv_heads)?;
        let (q, mut k, mut v) = (grid.pad(&q)?, grid.pad(&k)?, grid.pad(&v)?);
        if let Some(cache) = cache {
            (k, v) = cache.append(&k, &v)?;
        }
        let mixed = grid.unpad(&self.attend(&q, &k, &v, &grid.mask)?)?; // (tokens, hidden)
        let x = (x + self.o.forward(&mixed)?)?;

        let normed = self.inner_norm.forward_diff(&x)?;
        let inner = (self.gate.forward(&normed)?.silu()? * self.up.forward(&normed)?)?; // (tokens, intermediate)
        Ok((x + self.down.forward(&inner)?)?)
    }

    /// Softmax attention; query heads share key-value heads in groups.
    ///
    /// # Shapes
    /// `q (rows, heads, queries, head_dim)`, `k`, `v (rows, kv_heads, keys, head_dim)`, `mask`
    /// broadcasts to `(rows, heads, queries, keys)`; returns `(rows, queries, hidden)`
    fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let (rows, kv_heads, keys, head_dim) = k.dims4()?;
        let (queries, groups) = (q.dim(2)?, self.heads / kv_heads);
        let repeat = |x: &Tensor| {
            let spread = x.unsqueeze(2)?.expand((rows, kv_heads, groups, keys, head_dim))?;
            spread.contiguous()?.reshape((rows, self.heads, keys, head_dim))
        };
        let scores = (q.matmul(&repeat(k)?.t()?)? / (head_dim as f64).sqrt())?;
        let weights = ops::softmax(&scores.broadcast_add(mask)?, D::Minus1)?;
        let mixed = weights.matmul(&repeat(v)?)?; // (rows, heads, queries, head_dim)
        Ok(mixed.transpose(1, 2)?.contiguous()?.reshape((rows, queries, self.heads * head_dim))?)
    }
}

/// `(tokens, heads * head_dim)` to `(heads, tokens, head_dim)`.
fn split(x: &Tensor, heads: usize) -> Result<Tensor> {
    Ok(x.reshape((x.dim(0)?, heads, ()))?.transpose(0, 1)?.contiguous()?)
}

/// Where packed tokens lie in the rows and columns in which attention works, a sequence a row, padded
/// on the right.
pub(crate) struct Grid {
    rows: usize,
    width: usize,
    /// Token at each cell; cells of padding repeat token 0 and are never read back.
    tokens: Tensor, // (rows * width,)
    /// Cell of each token.
    cells: Tensor, // (tokens,)
    /// Zero where a query sees a key, else minus infinity.
    mask: Tensor, // (1 or rows, 1, width, keys)
    cos: Tensor, // (tokens, head_dim / 2)
    sin: Tensor, // (tokens, head_dim / 2)
}

impl Grid {
    /// Whole sequences. A causal mask is all they need: no real query sees the padding after it. Tokens
    /// that sequences share stand in the row of each, and are read back from the first.
    pub(crate) fn of_sequences(config: &Config, batch: &Batch) -> Result<Grid> {
        let (rows, width) = (batch.sequences().len(), batch.longest());
        let mut tokens = vec![0u32; rows * width];
        let mut cells = Vec::with_capacity(batch.tokens());
        for (row, sequence) in batch.sequences().iter().enumerate() {
            for column in 0..sequence.len() {
                tokens[row * width + column] = sequence.row(column) as u32;
            }
            cells.extend((sequence.shared..sequence.len()).map(|column| (row * width + column) as u32));
        }
        let mask = mask([1, width, width], |_, query, key| key <= query, batch.device())?;
        Grid::new(config, [rows, width], &tokens, &cells, mask, &batch.positions())
    }

    /// One token more of each sequence of `prompts`, of which `written` were added before: columns
    /// after the longest prompt.
    pub(crate) fn of_next_tokens(config: &Config, prompts: &Batch, written: usize) -> Result<Grid> {
        let (rows, longest) = (prompts.sequences().len(), prompts.longest());
        let length = |row: usize| prompts.sequences()[row].len();
        let seen = |row: usize, _, key: usize| key < length(row) || key >= longest;
        let mask = mask([rows, 1, longest + written + 1], seen, prompts.device())?;
        let cells: Vec<u32> = (0..rows as u32).collect();
        let positions: Vec<u32> = (0..rows).map(|row| (length(row) + written) as u32).collect();
        Grid::new(config, [rows, 1], &cells, &cells, mask, &positions)
    }

    fn new(
        config: &Config,
        [rows, width]: [usize; 2],
        tokens: &[u32],
        cells: &[u32],
        mask: Tensor,
        positions: &[u32],
    ) -> Result<Grid> {
        let device = mask.device();
        let longest = positions.iter().max().map_or(0, |&last| last as usize + 1);
        let table = RotaryTable::new(config.rope_theta, config.head_dim(), longest);
        let positions = Tensor::new(positions, device)?;
        let at_positions = |values: &[f32]| {
            Tensor::from_slice(values, (longest, config.head_dim() / 2), device)?.index_select(&positions, 0)
        };
        let (cos, sin) = (at_positions(&table.cos)?, at_positions(&table.sin)?);
        let (tokens, cells) = (Tensor::new(tokens, device)?, Tensor::new(cells, device)?);
        Ok(Grid { rows, width, tokens, cells, mask, cos, sin })
    }

    /// Rotary position embedding, in the half-split order of Hugging Face's Llama.
    ///
    /// # Shapes
    /// `x (heads, tokens, head_dim)`, returned rotated
    fn rotate(&self, x: &Tensor) -> Result<Tensor> {
        Ok(rotary_emb::rope_slow(&x.unsqueeze(0)?, &self.cos, &self.sin)?.squeeze(0)?)
    }

    /// `(heads, tokens, head_dim)` to `(rows, heads, width, head_dim)`.
    fn pad(&self, x: &Tensor) -> Result<Tensor> {
        let (heads, _, head_dim) = x.dims3()?;
        let grid = x.contiguous()?.index_select(&self.tokens, 1)?;
        Ok(grid.reshape((heads, self.rows, self.width, head_dim))?.transpose(0, 1)?.contiguous()?)
    }

    /// `(rows, width, hidden)` to `(tokens, hidden)`.
    fn unpad(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.flatten(0, 1)?.index_select(&self.cells, 0)?)
    }
}

/// # Shapes
/// returns `(rows, 1, queries, keys)`
fn mask(
    [rows, queries, keys]: [usize; 3],
    seen: impl Fn(usize, usize, usize) -> bool,
    device: &Device,
) -> Result<Tensor> {
    let cells = itertools::iproduct!(0..rows, 0..queries, 0..keys);
    let mask: Vec<f32> =
        cells.map(|(row, query, key)| if seen(row, query, key) { 0.0 } else { f32::NEG_INFINITY }).collect();
    Ok(Tensor::from_vec(mask, (rows, 1, queries, keys), device)?)
}

/// See [`Decoder::log_probs_and_entropy`].
pub(super) fn log_probs_and_entropy(
    model: &Decoder,
    hidden: &Tensor,
    rows: &[u32],
    targets: &[u32],
) -> Result<(Tensor, Tensor)> {
    let device = hidden.device();
    let rows = Tensor::new(rows, device)?;
    let targets = Tensor::new(targets, device)?.unsqueeze(1)?;
    let log_probs = ops::log_softmax(&model.logits(&hidden.index_select(&rows, 0)?)?, D::Minus1)?; // (rows, vocab)
    let detached = log_probs.detach();
    let entropy = (detached.exp()? * &detached)?.sum(D::Minus1)?.neg()?; // (rows,)
    Ok((log_probs.gather(&targets, 1)?.squeeze(1)?, entropy))
}
