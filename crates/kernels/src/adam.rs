//! The arithmetic of one AdamW update, in place and on all threads on the CPU, in candle operations
//! elsewhere.

use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Tensor, Var};
use rayon::prelude::*;

use super::instructions::vectorized;
use super::operation::{cpu_slice, with_cpu};
use candle_core::Result;

/// Elements that a thread takes at a time.
const CHUNK: usize = 16_384;

/// Sum of the squares of all elements, in `f64`.
pub fn square_sum(x: &Tensor) -> Result<f64> {
    if !x.device().is_cpu() {
        return Ok(f64::from(x.sqr()?.sum_all()?.to_scalar::<f32>()?));
    }
    let partial: Vec<f64> = with_cpu([x], |[x]| x.par_chunks(CHUNK).map(squares).collect())?;
    Ok(partial.iter().sum())
}

vectorized! {
    fn squares(x: &[f32]) -> f64 {
        let mut lanes = [0f64; 8];
        let (chunks, rest) = x.as_chunks::<8>();
        for chunk in chunks {
            for (lane, &value) in lanes.iter_mut().zip(chunk) {
                *lane += f64::from(value) * f64::from(value);
            }
        }
        lanes.iter().sum::<f64>() + rest.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>()
    }
}

/// Constants of one step for one variable, as `torch.optim.AdamW` orders the arithmetic.
pub struct AdamUpdate {
    /// Gradients are multiplied by this first.
    pub clip: f64,
    /// Share of the old first moment that is kept.
    pub beta1: f64,
    /// Share of the old second moment that is kept.
    pub beta2: f64,
    /// Added to the root of the second moment.
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
    pub fn apply(&self, var: &Var, first: &mut Tensor, second: &mut Tensor, gradient: &Tensor) -> Result<()> {
        if !var.device().is_cpu() {
            return self.composed(var, first, second, gradient);
        }
        let gradient = gradient.contiguous()?;
        let [beta1, beta2, clip] = [self.beta1 as f32, self.beta2 as f32, self.clip as f32];
        first.inplace_op2(&gradient, &Moment { beta: beta1, clip, square: false })?;
        second.inplace_op2(&gradient, &Moment { beta: beta2, clip, square: true })?;
        var.inplace_op3(first, second, self)?;
        Ok(())
    }

    fn composed(&self, var: &Var, first: &mut Tensor, second: &mut Tensor, gradient: &Tensor) -> Result<()> {
        let gradient = (gradient * self.clip)?;
        *first = ((&*first * self.beta1)? + (&gradient * (1.0 - self.beta1))?)?;
        *second = ((&*second * self.beta2)? + (gradient.sqr()? * (1.0 - self.beta2))?)?;
        let scale = ((second.sqrt()? / self.second_scale)? + self.eps)?;
        let step = ((&*first / scale)? * self.step_size)?;
        var.set(&((var.as_detached_tensor() * self.keep)? - step)?)?;
        Ok(())
    }
}

/// `moment = beta * moment + (1 - beta) * g`, where `g` is the clipped gradient or its square.
struct Moment {
    beta: f32,
    clip: f32,
    square: bool,
}

impl InplaceOp2 for Moment {
    fn name(&self) -> &'static str {
        "adam-moment"
    }

    fn cpu_fwd(
        &self,
        moment: &mut CpuStorage,
        layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let gradient = cpu_slice(gradient, gradient_layout)?;
        cpu_slice_mut(moment, layout)?
            .par_chunks_mut(CHUNK)
            .zip(gradient.par_chunks(CHUNK))
            .for_each(|(moment, gradient)| moment_step(moment, gradient, self.beta, self.clip, self.square));
        Ok(())
    }
}

impl InplaceOp3 for AdamUpdate {
    fn name(&self) -> &'static str {
        "adam-update"
    }

    fn cpu_fwd(
        &self,
        weights: &mut CpuStorage,
        layout: &Layout,
        first: &CpuStorage,
        first_layout: &Layout,
        second: &CpuStorage,
        second_layout: &Layout,
    ) -> Result<()> {
        let (first, second) = (cpu_slice(first, first_layout)?, cpu_slice(second, second_layout)?);
        let constants = [self.keep, self.step_size, 1.0 / self.second_scale, self.eps].map(|x| x as f32);
        cpu_slice_mut(weights, layout)?
            .par_chunks_mut(CHUNK)
            .zip(first.par_chunks(CHUNK).zip(second.par_chunks(CHUNK)))
            .for_each(|(weights, (first, second))| weight_step(weights, first, second, constants));
        Ok(())
    }
}

vectorized! {
    fn moment_step(moment: &mut [f32], gradient: &[f32], beta: f32, clip: f32, square: bool) {
        let fresh = 1.0 - beta;
        for (m, &g) in moment.iter_mut().zip(gradient) {
            let g = g * clip;
            let g = if square { g * g } else { g };
            *m = *m * beta + g * fresh;
        }
    }
}

vectorized! {
    fn weight_step(weights: &mut [f32], first: &[f32], second: &[f32], constants: [f32; 4]) {
        let [keep, step_size, inverse_scale, eps] = constants;
        for ((w, &m), &v) in weights.iter_mut().zip(first).zip(second) {
            *w = *w * keep - step_size * m / (v.sqrt() * inverse_scale + eps);
        }
    }
}

fn cpu_slice_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&mut values[start..end]),
        _ => candle_core::bail!("an optimizer step needs contiguous f32 tensors"),
    }
}
