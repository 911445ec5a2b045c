//! The decoder: Llama architecture (RMSNorm, rotary positions, grouped-query attention, SwiGLU,
//! tied or untied head), the same code for the kit's own small model and for a real pretrained one.
//!
//! A checkpoint is a folder that Hugging Face `transformers` opens (`config.json`,
//! `model.safetensors`; the tokenizer writes its own file), and the logits agree with its
//! `LlamaForCausalLM` to 1e-4 (`tests/engine.rs`, golden values from `tests/golden/make_engine.py`).
//!
//! | file | what it holds |
//! |---|---|
//! | `config.rs` | sizes, `config.json`, the list of tensors a model of these sizes has |
//! | `batch.rs` | sequences packed one after another, without padding |
//! | `llama.rs` | the network in layers of candle-nn, for any device |
//! | `fused.rs` | the same network through the CPU kernels of the crate `kernels` |
//! | `file.rs` | reading and writing `safetensors` |
//! | `value.rs` | the value head of PPO |
//!
//! Both paths compute the same function; `tests/engine.rs` holds them equal, forward and backward.

mod batch;
mod config;
mod file;
mod fused;
mod llama;
mod sample;
mod value;

pub use batch::Batch;
pub(crate) use batch::common_start;
pub use config::Config;
pub use file::{read_tensors, write_tensors};
use llama::{Grid, Llama};
pub use sample::{Completion, Sampling, sample};
pub use value::ValueHead;

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;
use rand::Rng;
use rand_distr::StandardNormal;
use sha2::{Digest, Sha256};

use crate::base::Seed;
use crate::{Error, Result};
use kernels::Buffers;

/// Name of the weights inside a checkpoint folder.
const WEIGHTS_FILE: &str = "model.safetensors";
/// Name of the sizes inside a checkpoint folder.
const CONFIG_FILE: &str = "config.json";

/// Which implementation computes the network. Both give the same function. Hashes of runs cover the names
/// that strum gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Kernels {
    /// Hand-written CPU kernels (the crate `kernels`). On other devices `Composed` is used instead.
    Fused,
    /// candle-nn's layers, on any device.
    Composed,
}

impl Kernels {
    /// The faster of the two that runs on `device`.
    pub fn best(device: &Device) -> Kernels {
        if device.is_cpu() { Kernels::Fused } else { Kernels::Composed }
    }
}

/// A decoder-only language model. Weights are `f32`.
pub struct Decoder {
    config: Config,
    device: Device,
    kernels: Kernels,
    frozen: bool,
    /// All weights by their Hugging Face name; a `BTreeMap`, so that every loop over them has one order.
    weights: BTreeMap<String, Var>,
    /// Buffers of the fused passes.
    buffers: Buffers,
}

impl Decoder {
    /// A model with random weights: normal with standard deviation 0.02, the projections that write
    /// to the residual stream scaled by `1 / sqrt(2 * layers)` (as GPT-2 does), norms at one. Each
    /// tensor draws from its own named stream, so adding a layer changes no other tensor.
    pub fn new(config: &Config, seed: Seed, device: &Device, kernels: Kernels) -> Result<Decoder> {
        config.check()?;
        let residual = 0.02 / (2.0 * config.num_hidden_layers as f64).sqrt();
        let mut weights = BTreeMap::new();
        for (name, shape) in config.tensors() {
            let count: usize = shape.iter().product();
            let writes_to_residual = name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight");
            let deviation = if writes_to_residual { residual } else { 0.02 };
            let is_norm = shape.len() == 1;
            let values = if is_norm { vec![1.0; count] } else { normal(seed, &name, count, deviation) };
            weights.insert(name, Var::from_vec(values, shape, device)?);
        }
        Ok(Decoder::assemble(config.clone(), device, kernels, weights))
    }

    /// Reads a checkpoint folder. A tensor that is missing or has another shape than `config.json`
    /// asks for is an error that names the file and the tensor. Half-precision weights become `f32`.
    pub fn load(dir: &Path, device: &Device, kernels: Kernels) -> Result<Decoder> {
        let config = Config::load(&dir.join(CONFIG_FILE))?;
        let mut weights = BTreeMap::new();
        for (name, tensor) in read_tensors(&dir.join(WEIGHTS_FILE), config.tensors(), device)? {
            weights.insert(name, Var::from_tensor(&tensor)?);
        }
        Ok(Decoder::assemble(config, device, kernels, weights))
    }

    /// Writes `config.json` and `model.safetensors` into `dir`, each under a temporary name first.
    /// `tokenizer.json` is the caller's.
    pub fn save(&self, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
        self.config.save(&dir.join(CONFIG_FILE))?;
        let tensors = self.weights.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone()));
        write_tensors(&dir.join(WEIGHTS_FILE), tensors)
    }

    /// A copy with its own storage: training one leaves the other as it was.
    pub fn copy(&self) -> Result<Decoder> {
        let mut weights = BTreeMap::new();
        for (name, var) in &self.weights {
            weights.insert(name.clone(), Var::from_tensor(&var.as_detached_tensor().copy()?)?);
        }
        Ok(Decoder::assemble(self.config.clone(), &self.device, self.kernels, weights))
    }

    /// A copy whose answers at temperature 1 are this one's at `temperature`: logits are linear in the gain of the
    /// last norm, which is divided by it.
    pub fn at_temperature(&self, temperature: f64) -> Result<Decoder> {
        let cooled = self.copy()?;
        if let Some(gain) = cooled.weights.get(config::FINAL_NORM) {
            gain.set(&(gain.as_tensor() / temperature)?)?;
        }
        Ok(cooled)
    }

    /// The same model without gradients: its outputs have no graph, which saves the memory of the
    /// activations. For the frozen reference of PPO and for evaluation.
    pub fn freeze(mut self) -> Decoder {
        self.frozen = true;
        self
    }

    /// The hidden states after the last norm, of every token of the batch.
    ///
    /// # Shapes
    /// returns `(tokens, hidden)`
    pub fn hidden(&self, batch: &Batch) -> Result<Tensor> {
        self.config.check_tokens("batch", batch.ids())?;
        match self.kernels {
            Kernels::Fused => fused::hidden(self, batch),
            Kernels::Composed => {
                let grid = Grid::of_sequences(&self.config, batch)?;
                self.network()?.forward(batch.ids(), &grid, None)
            }
        }
    }

    /// `log p(targets[i] | everything up to and including token rows[i])`, differentiable.
    ///
    /// # Shapes
    /// `hidden (tokens, hidden)`; `rows`, `targets` of one length; returns `(rows,)`
    pub fn log_probs(&self, hidden: &Tensor, rows: &[u32], targets: &[u32]) -> Result<Tensor> {
        Ok(self.log_probs_and_entropy(hidden, rows, targets)?.0)
    }

    /// As [`Decoder::log_probs`], and the entropy in nats of the whole distribution at each row
    /// (without a graph: it is reported, not trained on).
    ///
    /// # Shapes
    /// returns `(rows,)` twice
    pub fn log_probs_and_entropy(
        &self,
        hidden: &Tensor,
        rows: &[u32],
        targets: &[u32],
    ) -> Result<(Tensor, Tensor)> {
        self.check_rows(hidden, rows, targets)?;
        match self.kernels {
            Kernels::Fused => Ok(kernels::log_prob(hidden, &self.head(), rows, targets)?),
            Kernels::Composed => llama::log_probs_and_entropy(self, hidden, rows, targets),
        }
    }

    /// Scores of every vocabulary entry.
    ///
    /// # Shapes
    /// `hidden (rows, hidden)`; returns `(rows, vocab)`
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        Ok(hidden.matmul(&self.head().t()?)?)
    }

    /// The weights by name, sorted.
    pub fn variables(&self) -> Vec<(String, Var)> {
        self.weights.iter().map(|(name, var)| (name.clone(), var.clone())).collect()
    }

    /// SHA-256 over names, shapes and bits of all weights: equal if and only if the models are.
    pub fn weights_hash(&self) -> Result<String> {
        let mut hasher = Sha256::new();
        for (name, var) in &self.weights {
            hasher.update(name.as_bytes());
            hasher.update(format!("{:?}", var.dims()).as_bytes());
            for value in var.flatten_all()?.to_vec1::<f32>()? {
                hasher.update(value.to_bits().to_le_bytes());
            }
        }
        Ok(format!("{:x}", hasher.finalize()))
    }

    /// Its sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where its weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What computes it.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// The same weights (shared, not copied) computed by the other kernels.
    pub fn with_kernels(&self, kernels: Kernels) -> Decoder {
        Decoder::assemble(self.config.clone(), &self.device, kernels, self.weights.clone())
    }

    fn assemble(
        config: Config,
        device: &Device,
        kernels: Kernels,
        weights: BTreeMap<String, Var>,
    ) -> Decoder {
        let kernels = if device.is_cpu() { kernels } else { Kernels::Composed };
        Decoder {
            config,
            device: device.clone(),
            kernels,
            frozen: false,
            weights,
            buffers: Buffers::default(),
        }
    }

    /// A weight as the network uses it: part of the graph, unless the model is frozen.
    pub(crate) fn weight(&self, name: &str) -> Tensor {
        // The map was built from `Config::tensors`, the one list of names there is.
        let var = &self.weights[name];
        if self.frozen { var.as_detached_tensor() } else { var.as_tensor().clone() }
    }

    /// The network over these weights.
    fn network(&self) -> Result<Llama> {
        let tensors = self.weights.keys().map(|name| (name.clone(), self.weight(name))).collect();
        Llama::new(&self.config, VarBuilder::from_tensors(tensors, DTYPE, &self.device))
    }

    /// The weight `part` of layer `layer`, for example `self_attn.q_proj`.
    pub(crate) fn layer_weight(&self, layer: usize, part: &str) -> Tensor {
        self.weight(&format!("model.layers.{layer}.{part}.weight"))
    }

    /// The output projection: the embedding itself where the two are tied.
    pub(crate) fn head(&self) -> Tensor {
        self.weight(if self.config.tie_word_embeddings { config::EMBEDDING } else { config::HEAD })
    }

    /// `(vocab, hidden)`
    pub(crate) fn embedding(&self) -> Tensor {
        self.weight(config::EMBEDDING)
    }

    fn check_rows(&self, hidden: &Tensor, rows: &[u32], targets: &[u32]) -> Result<()> {
        let count = |what: String, expected, found| Err(Error::Count { what, expected, found });
        if rows.len() != targets.len() {
            return count("targets of the rows".into(), rows.len(), targets.len());
        }
        let tokens = hidden.dim(0)?;
        if let Some(row) = rows.iter().find(|&&row| row as usize >= tokens) {
            return count(format!("tokens of a batch that row {row} lies in"), *row as usize + 1, tokens);
        }
        self.config.check_tokens("targets", targets)
    }
}

/// `count` normal numbers from the stream `name`. Their bits do not depend on the CPU but for a chance
/// in many millions: the ziggurat method multiplies numbers from tables, and takes a logarithm or an
/// exponential in `f64` only to decide on a draw, or for one in four thousand.
pub(crate) fn normal(seed: Seed, name: &str, count: usize, deviation: f64) -> Vec<f32> {
    let numbers = seed.stream(name).sample_iter::<f64, _>(StandardNormal);
    numbers.take(count).map(|number| (number * deviation) as f32).collect()
}

/// All weights are `f32`, whatever a file holds.
pub(crate) const DTYPE: DType = DType::F32;
