//! The arithmetic of one AdamW update, in place and on all threads on the CPU, in candle operations
//! elsewhere.

use candle_core::{CpuStorage, InplaceOp3, Layout, Result, Tensor, Var};
use rayon::prelude::*;

use super::instructions::vectorized;
use super::operation::{cpu_slice, with_cpu};

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
        let constants = [self.keep, self.step_size, 1.0 / self.second_scale, self.eps].map(|x| x as f32);
        let [beta1, beta2, clip] = [self.beta1 as f32, self.beta2 as f32, self.clip as f32];
        let moment = |beta, square| InPlace(move |m, g, _| moment_step(m, g, beta, clip, square));
        first.inplace_op3(&gradient, &gradient, &moment(beta1, false))?;
        second.inplace_op3(&gradient, &gradient, &moment(beta2, true))?;
        var.inplace_op3(first, second, &InPlace(|w, m, v| weight_step(w, m, v, constants)))
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

/// Changes the first of three tensors, chunk by chunk on all threads.
struct InPlace<F: Fn(&mut [f32], &[f32], &[f32])>(F);

impl<F: Fn(&mut [f32], &[f32], &[f32]) + Sync> InplaceOp3 for InPlace<F> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(
        &self,
        changed: &mut CpuStorage,
        layout: &Layout,
        one: &CpuStorage,
        one_layout: &Layout,
        other: &CpuStorage,
        other_layout: &Layout,
    ) -> Result<()> {
        let (CpuStorage::F32(changed), Some((start, end))) = (changed, layout.contiguous_offsets()) else {
            candle_core::bail!("an optimizer step needs contiguous f32 tensors")
        };
        let (one, other) = (cpu_slice(one, one_layout)?, cpu_slice(other, other_layout)?);
        changed[start..end]
            .par_chunks_mut(CHUNK)
            .zip(one.par_chunks(CHUNK).zip(other.par_chunks(CHUNK)))
            .for_each(|(changed, (one, other))| (self.0)(changed, one, other));
        Ok(())
    }
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

    /// `moment = beta * moment + (1 - beta) * g`, where `g` is the clipped gradient or its square.
    fn moment_step(moment: &mut [f32], gradient: &[f32], beta: f32, clip: f32, square: bool) {
        let fresh = 1.0 - beta;
        for (m, &g) in moment.iter_mut().zip(gradient) {
            let g = g * clip;
            let g = if square { g * g } else { g };
            *m = *m * beta + g * fresh;
        }
    }

    fn weight_step(weights: &mut [f32], first: &[f32], second: &[f32], constants: [f32; 4]) {
        let [keep, step_size, inverse_scale, eps] = constants;
        for ((w, &m), &v) in weights.iter_mut().zip(first).zip(second) {
            *w = *w * keep - step_size * m / (v.sqrt() * inverse_scale + eps);
        }
    }
}
