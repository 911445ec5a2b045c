//! The value head of PPO: one linear layer on the hidden states.

use std::path::Path;

use candle_core::{Device, Tensor, Var};

use super::{normal, read_tensors, write_tensors};
use crate::seed::Seed;
use crate::{Error, Result};

const WEIGHT: &str = "value_head.weight";
const BIAS: &str = "value_head.bias";

/// `value = w . hidden + b`.
pub struct ValueHead {
    weight: Var,
    bias: Var,
}

impl ValueHead {
    /// Weights normal with deviation `1 / sqrt(hidden + 1)`, bias zero
    /// (as in *lm-human-preferences*: Ziegler et al. 2019).
    pub fn new(hidden_size: usize, seed: Seed, device: &Device) -> Result<ValueHead> {
        let deviation = 1.0 / (hidden_size as f64 + 1.0).sqrt();
        let weight = normal(seed, WEIGHT, hidden_size, deviation);
        Ok(ValueHead {
            weight: Var::from_vec(weight, (1, hidden_size), device)?,
            bias: Var::from_vec(vec![0f32], 1, device)?,
        })
    }

    /// # Shapes
    /// `hidden (rows, hidden)`; returns `(rows,)`
    pub fn forward(&self, hidden: &Tensor) -> Result<Tensor> {
        let values = hidden.matmul(&self.weight.t()?)?.squeeze(1)?; // (rows,)
        Ok(values.broadcast_add(self.bias.as_tensor())?)
    }

    /// Weight and bias by name, sorted.
    pub fn variables(&self) -> Vec<(String, Var)> {
        vec![(BIAS.into(), self.bias.clone()), (WEIGHT.into(), self.weight.clone())]
    }

    /// Writes one safetensors file.
    pub fn save(&self, path: &Path) -> Result<()> {
        let tensors = self.variables().into_iter().map(|(name, var)| (name, var.as_tensor().clone()));
        write_tensors(path, &tensors.collect::<Vec<_>>())
    }

    pub fn load(path: &Path, hidden_size: usize, device: &Device) -> Result<ValueHead> {
        let mut found = read_tensors(path, device)?;
        let mut take = |name: &str, expected: Vec<usize>| {
            let tensor = found
                .remove(name)
                .ok_or_else(|| Error::parse(path, 0, format!("tensor `{name}` is missing")))?;
            if tensor.dims() != expected {
                let found = tensor.dims().to_vec();
                return Err(Error::Shape { path: path.into(), tensor: name.into(), expected, found });
            }
            Ok(Var::from_tensor(&tensor)?)
        };
        Ok(ValueHead { weight: take(WEIGHT, vec![1, hidden_size])?, bias: take(BIAS, vec![1])? })
    }
}
