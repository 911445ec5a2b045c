//! Sizes of a model, as Hugging Face's `config.json` names them, and the tensors they imply.

use std::path::Path;

use itertools::iproduct;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{parse_json, write_atomically};
use crate::{Error, Result};

pub(crate) const EMBEDDING: &str = "model.embed_tokens.weight";
pub(crate) const FINAL_NORM: &str = "model.norm.weight";
pub(crate) const HEAD: &str = "lm_head.weight";

/// Sizes of a Llama-architecture decoder. Field names are those of `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the SwiGLU layer.
    pub intermediate_size: usize,
    /// Transformer blocks.
    pub num_hidden_layers: usize,
    /// Query heads of a block.
    pub num_attention_heads: usize,
    /// Fewer than `num_attention_heads` is grouped-query attention.
    pub num_key_value_heads: usize,
    /// Longest sequence in tokens.
    pub max_position_embeddings: usize,
    /// Base of the rotary frequencies.
    #[serde(default = "default_rope_theta")]
    pub rope_theta: f64,
    /// Added to the mean square before its root is taken.
    pub rms_norm_eps: f64,
    /// The output projection is the embedding.
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// The token that begins a text, where the tokenizer has one.
    pub bos_token_id: Option<u32>,
    /// The token that ends a text: sampling stops there.
    pub eos_token_id: Option<u32>,
}

fn default_rope_theta() -> f64 {
    10_000.0
}

/// What `config.json` says beside the sizes, of an architecture that this decoder computes.
fn architecture() -> [(&'static str, Value); 4] {
    [
        ("model_type", "llama".into()),
        ("hidden_act", "silu".into()),
        ("attention_bias", false.into()),
        ("mlp_bias", false.into()),
    ]
}

impl Config {
    /// Width of one attention head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// Width of all key heads together (and of all value heads).
    pub fn kv_size(&self) -> usize {
        self.head_dim() * self.num_key_value_heads
    }

    /// Number of weights.
    pub fn parameters(&self) -> usize {
        self.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// Name and shape of every tensor of the model.
    pub(crate) fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (hidden, inner, kv) = (self.hidden_size, self.intermediate_size, self.kv_size());
        let block = [
            ("input_layernorm", vec![hidden]),
            ("self_attn.q_proj", vec![hidden, hidden]),
            ("self_attn.k_proj", vec![kv, hidden]),
            ("self_attn.v_proj", vec![kv, hidden]),
            ("self_attn.o_proj", vec![hidden, hidden]),
            ("post_attention_layernorm", vec![hidden]),
            ("mlp.gate_proj", vec![inner, hidden]),
            ("mlp.up_proj", vec![inner, hidden]),
            ("mlp.down_proj", vec![hidden, inner]),
        ];
        let mut tensors =
            vec![(EMBEDDING.into(), vec![self.vocab_size, hidden]), (FINAL_NORM.into(), vec![hidden])];
        if !self.tie_word_embeddings {
            tensors.push((HEAD.into(), vec![self.vocab_size, hidden]));
        }
        for (layer, (part, shape)) in iproduct!(0..self.num_hidden_layers, block) {
            tensors.push((format!("model.layers.{layer}.{part}.weight"), shape));
        }
        tensors
    }

    /// Sizes that fit together, or an error that names the field.
    pub fn check(&self) -> Result<()> {
        let positive = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        for (field, value) in positive {
            if value == 0 {
                return Err(Error::config(field, "must be at least 1"));
            }
        }
        if !self.hidden_size.is_multiple_of(2 * self.num_attention_heads) {
            let message = format!(
                "{} does not split into {} heads of even width",
                self.hidden_size, self.num_attention_heads
            );
            return Err(Error::config("hidden_size", message));
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return Err(Error::config("num_key_value_heads", "must divide num_attention_heads"));
        }
        Ok(())
    }

    /// Refuses tokens outside of the vocabulary; `place` says where they stand.
    pub(crate) fn check_tokens(&self, place: impl Into<String>, tokens: &[u32]) -> Result<()> {
        let vocabulary = self.vocab_size;
        match tokens.iter().find(|&&token| token as usize >= vocabulary) {
            Some(&token) => Err(Error::Token { place: place.into(), token, vocabulary }),
            None => Ok(()),
        }
    }

    /// Reads `config.json`, and refuses an architecture that this decoder does not compute.
    pub fn load(path: &Path) -> Result<Config> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let mut config: Config = parse_json(path, &bytes)?;
        let json: Value = parse_json(path, &bytes)?;
        // `transformers` 5 writes the rotary settings here instead of at the top.
        let rope = &json["rope_parameters"];
        config.rope_theta = rope["rope_theta"].as_f64().unwrap_or(config.rope_theta);
        config.check()?;
        let beside = [
            ("rope_scaling", &json["rope_scaling"], Value::Null),
            ("rope_type", &rope["rope_type"], "default".into()),
            ("head_dim", &json["head_dim"], config.head_dim().into()),
        ];
        let named = architecture().map(|(key, computed)| (key, &json[key], computed));
        for (key, found, computed) in named.into_iter().chain(beside) {
            if !found.is_null() && *found != computed {
                let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let (found, computed) = (shown(found), shown(&computed));
                let message = format!("{key} `{found}` is not supported; only `{computed}` is");
                return Err(Error::damaged(path, message));
            }
        }
        Ok(config)
    }

    /// Writes `config.json` so that `transformers` opens the folder as `LlamaForCausalLM`.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut json = serde_json::to_value(self).map_err(|error| Error::damaged(path, error))?;
        json["architectures"] = serde_json::json!(["LlamaForCausalLM"]);
        for (key, value) in architecture() {
            json[key] = value;
        }
        json["torch_dtype"] = "float32".into();
        write_atomically(path, format!("{json:#}\n").as_bytes())
    }
}
