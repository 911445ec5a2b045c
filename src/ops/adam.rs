//! The arithmetic of one AdamW update.

use candle_core::{Tensor, Var};

use crate::Result;

/// Sum of the squares of all elements, in `f64`.
pub(crate) fn square_sum(x: &Tensor) -> Result<f64> {
    let values = x.flatten_all()?.to_vec1::<f32>()?;
    Ok(values.iter().map(|&value| f64::from(value) * f64::from(value)).sum())
}

/// Constants of one step for one variable, as `torch.optim.AdamW` orders the arithmetic.
pub(crate) struct AdamUpdate {
    /// Gradients are multiplied by this first.
    pub clip: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    /// `lr / (1 - beta1^t)`
    pub step_size: f64,
    /// `sqrt(1 - beta2^t)`
    pub second_scale: f64,
    /// Weight decay: what is kept of the weight, `1 - lr * decay`.
    pub keep: f64,
}

impl AdamUpdate {
    /// `first`, `second`: the moments. All tensors have the shape of `var`.
    pub(crate) fn apply(
        &self,
        var: &Var,
        first: &mut Tensor,
        second: &mut Tensor,
        gradient: &Tensor,
    ) -> Result<()> {
        let gradient = (gradient * self.clip)?;
        *first = ((&*first * self.beta1)? + (&gradient * (1.0 - self.beta1))?)?;
        *second = ((&*second * self.beta2)? + (gradient.sqr()? * (1.0 - self.beta2))?)?;
        let scale = ((second.sqrt()? / self.second_scale)? + self.eps)?;
        let step = ((&*first / scale)? * self.step_size)?;
        var.set(&((var.as_detached_tensor() * self.keep)? - step)?)?;
        Ok(())
    }
}
