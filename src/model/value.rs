//! The value head of PPO: one linear layer on the hidden states.

use std::path::Path;

use candle_core::{Device, Tensor, Var};

use super::{DTYPE, read_tensors, write_tensors};
use crate::Result;

const WEIGHT: &str = "value_head.weight";
const BIAS: &str = "value_head.bias";

/// `value = w . hidden + b`.
pub struct ValueHead {
    weight: Var,
    bias: Var,
}

impl ValueHead {
    /// All zeros: a critic that expects nothing, so that the first advantages are the rewards and not
    /// its noise (*lm-human-preferences*, Ziegler et al. 2019: the policy's `scalar_head`, `std=0`).
    pub fn new(hidden_size: usize, device: &Device) -> Result<ValueHead> {
        Ok(ValueHead {
            weight: Var::zeros((1, hidden_size), DTYPE, device)?,
            bias: Var::zeros(1, DTYPE, device)?,
        })
    }

    /// What it expects where its weights say nothing.
    pub(crate) fn set_bias(&self, bias: f32) -> Result<()> {
        Ok(self.bias.set(&Tensor::new(&[bias], self.bias.device())?)?)
    }

    /// # Shapes
    /// `hidden (rows, hidden)`; returns `(rows,)`
    pub fn forward(&self, hidden: &Tensor) -> Result<Tensor> {
        Ok(kernels::linear_unit(hidden, &self.weight, &self.bias)?)
    }

    /// Weight `(hidden,)` and bias.
    pub(crate) fn to_slices(&self) -> Result<(Vec<f32>, f32)> {
        let bias = self.bias.as_tensor().to_vec1::<f32>()?;
        Ok((self.weight.flatten_all()?.to_vec1::<f32>()?, bias[0]))
    }

    /// Weight and bias by name, sorted.
    pub fn variables(&self) -> Vec<(String, Var)> {
        vec![(BIAS.into(), self.bias.clone()), (WEIGHT.into(), self.weight.clone())]
    }

    /// Writes one safetensors file.
    pub fn save(&self, path: &Path) -> Result<()> {
        let tensors = self.variables().into_iter().map(|(name, var)| (name, var.as_tensor().clone()));
        write_tensors(path, tensors)
    }

    /// Reads what [`ValueHead::save`] wrote.
    pub fn load(path: &Path, hidden_size: usize, device: &Device) -> Result<ValueHead> {
        let shapes = [(WEIGHT.into(), vec![1, hidden_size]), (BIAS.into(), vec![1])];
        let found = read_tensors(path, shapes, device)?;
        Ok(ValueHead { weight: Var::from_tensor(&found[WEIGHT])?, bias: Var::from_tensor(&found[BIAS])? })
    }
}
