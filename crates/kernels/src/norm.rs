//! RMSNorm: `y = x / sqrt(mean(x^2) + eps) * w`, row by row.

use super::instructions::vectorized;
use super::simd::dot;

vectorized! {
    /// Normalizes rows of `weight.len()` from `x` into `y`.
    pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, y: &mut [f32]) {
        let dim = weight.len();
        for (x, y) in x.chunks_exact(dim).zip(y.chunks_exact_mut(dim)) {
            let inverse = inverse_rms(x, eps);
            for ((y, &x), &w) in y.iter_mut().zip(x).zip(weight) {
                *y = x * inverse * w;
            }
        }
    }
}

vectorized! {
    /// Adds the gradient of the input to `dx` and that of the weight to `dweight`, given that of the
    /// output, `dy`. With `n = x * inverse`:
    /// `dx = inverse * (dy * w - n * mean(dy * w * n))`, `dweight = sum over rows of dy * n`.
    pub fn rms_norm_backward(x: &[f32], weight: &[f32], eps: f32, dy: &[f32], dx: &mut [f32], dweight: &mut [f32]) {
        let dim = weight.len();
        let dweight = &mut dweight[..dim];
        for ((x, dy), dx) in x.chunks_exact(dim).zip(dy.chunks_exact(dim)).zip(dx.chunks_exact_mut(dim)) {
            let inverse = inverse_rms(x, eps);
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
    }
}

#[inline(always)]
fn inverse_rms(x: &[f32], eps: f32) -> f32 {
    1.0 / (dot(x, x) / x.len() as f32 + eps).sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_gradient, numbers};
    use super::*;

    #[test]
    fn rms_norm_of_a_row() {
        let mut y = [0.0; 2];
        rms_norm(&[3.0, 4.0], &[1.0, 2.0], 0.0, &mut y);
        let rms = 12.5f32.sqrt();
        assert!((y[0] - 3.0 / rms).abs() < 1e-6 && (y[1] - 8.0 / rms).abs() < 1e-6);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for dim in [1, 7, 16, 37] {
            let (rows, eps) = (3, 1e-3);
            let (x, weight, dy) = (numbers(rows * dim, 1), numbers(dim, 2), numbers(rows * dim, 3));
            let output = |x: &[f32], weight: &[f32]| {
                let mut y = vec![0.0; x.len()];
                rms_norm(x, weight, eps, &mut y);
                y
            };
            let (mut dx, mut dweight) = (vec![0.0; x.len()], vec![0.0; dim]);
            rms_norm_backward(&x, &weight, eps, &dy, &mut dx, &mut dweight);
            assert_gradient(&x, &dx, &dy, |x| output(x, &weight));
            assert_gradient(&weight, &dweight, &dy, |weight| output(&x, weight));
        }
    }
}
