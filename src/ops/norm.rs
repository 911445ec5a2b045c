//! RMSNorm: `y = x / sqrt(mean(x^2) + eps) * w`, row by row.

use super::simd::{dot, vectorized};

vectorized! {
    /// Normalizes rows of `weight.len()` from `x` into `y`.
    pub(crate) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, y: &mut [f32]) {
        let dim = weight.len();
        for (x, y) in x.chunks_exact(dim).zip(y.chunks_exact_mut(dim)) {
            let inverse = inverse_rms(x, eps);
            for ((y, &x), &w) in y.iter_mut().zip(x).zip(weight) {
                *y = x * inverse * w;
            }
        }
        let _ = FMA;
    }
}

vectorized! {
    /// Adds the gradient of the input to `dx` and that of the weight to `dweight`, given that of the
    /// output, `dy`. With `n = x * inverse`:
    /// `dx = inverse * (dy * w - n * mean(dy * w * n))`, `dweight = sum over rows of dy * n`.
    pub(crate) fn rms_norm_backward(x: &[f32], weight: &[f32], eps: f32, dy: &[f32], dx: &mut [f32], dweight: &mut [f32]) {
        let dim = weight.len();
        let dweight = &mut dweight[..dim];
        for ((x, dy), dx) in x.chunks_exact(dim).zip(dy.chunks_exact(dim)).zip(dx.chunks_exact_mut(dim)) {
            let inverse = inverse_rms(x, eps);
            // `dx` is being added to: the product `dy * w` goes through `dweight`'s sum first.
            let mut projection = 0.0;
            let mut start = 0;
            while start < dim {
                let end = (start + 16).min(dim);
                let mut lanes = [0f32; 16];
                for (lane, i) in (start..end).enumerate() {
                    let product = dy[i] * x[i] * inverse;
                    dweight[i] += product;
                    lanes[lane] = product * weight[i];
                }
                for lane in lanes {
                    projection += lane;
                }
                start = end;
            }
            let mean = projection / dim as f32;
            for (((dx, &x), &dy), &w) in dx.iter_mut().zip(x).zip(dy).zip(weight) {
                *dx += inverse * (dy * w - x * inverse * mean);
            }
        }
        let _ = FMA;
    }
}

#[inline(always)]
fn inverse_rms(x: &[f32], eps: f32) -> f32 {
    1.0 / (dot(x, x) / x.len() as f32 + eps).sqrt()
}
