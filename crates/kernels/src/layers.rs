//! What a block does to each row beside its products and attention, forward and backward:
//! RMSNorm (Zhang and Sennrich 2019), `y = x / sqrt(mean(x^2) + eps) * w`, and SwiGLU (Shazeer 2020),
//! `silu(gate) * up` with `silu(x) = x * sigmoid(x)`.

use super::instructions::vectorized;
use super::lanes::LANES;
use super::simd::{dot, exp};

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
                let end = (start + LANES).min(dim);
                let mut lanes = [0f32; LANES];
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

    /// Each row of `gate_up` holds `inner` gates, then `inner` ups; `y` gets rows of `inner`.
    pub fn swiglu(gate_up: &[f32], inner: usize, y: &mut [f32]) {
        for (row, y) in gate_up.chunks_exact(2 * inner).zip(y.chunks_exact_mut(inner)) {
            let (gate, up) = row.split_at(inner);
            for ((y, &g), &u) in y.iter_mut().zip(gate).zip(up) {
                *y = g * u / (1.0 + exp(-g));
            }
        }
    }

    /// From `dy`, the gradient of the output: writes the output `y` again (cheaper than keeping it)
    /// and puts the gradients of gates and ups in the place of `gate_up`.
    pub fn swiglu_backward(gate_up: &mut [f32], inner: usize, dy: &[f32], y: &mut [f32]) {
        let rows = gate_up.chunks_exact_mut(2 * inner).zip(dy.chunks_exact(inner)).zip(y.chunks_exact_mut(inner));
        for ((row, dy), y) in rows {
            let (gate, up) = row.split_at_mut(inner);
            let (gates, gate) = gate.as_chunks_mut::<LANES>();
            let (ups, up) = up.as_chunks_mut::<LANES>();
            let (dys, dy) = dy.as_chunks::<LANES>();
            let (ys, y) = y.as_chunks_mut::<LANES>();
            for (((gate, up), dy), y) in gates.iter_mut().zip(ups).zip(dys).zip(ys) {
                swiglu_gradients(gate, up, dy, y);
            }
            for (((g, u), &dy), y) in gate.iter_mut().zip(up).zip(dy).zip(y) {
                let (mut gate, mut up, mut activated) = ([*g], [*u], [0.0]);
                swiglu_gradients(&mut gate, &mut up, &[dy], &mut activated);
                ([*g], [*u], [*y]) = (gate, up, activated);
            }
        }
    }
}

#[inline(always)]
fn inverse_rms(x: &[f32], eps: f32) -> f32 {
    1.0 / (dot(x, x) / x.len() as f32 + eps).sqrt()
}

/// Gradients of SwiGLU, `N` elements in a pass of the loop: arrays of a fixed length, or the compiler,
/// which has to reckon with four slices that overlap, gives up on vector code.
#[inline(always)]
fn swiglu_gradients<const N: usize>(gate: &mut [f32; N], up: &mut [f32; N], dy: &[f32; N], y: &mut [f32; N]) {
    let (gates, ups, dy) = (*gate, *up, *dy);
    for i in 0..N {
        let sigmoid = 1.0 / (1.0 + exp(-gates[i]));
        let silu = gates[i] * sigmoid;
        y[i] = silu * ups[i];
        // silu' = sigmoid * (1 + gate * (1 - sigmoid))
        gate[i] = dy[i] * ups[i] * (sigmoid + silu * (1.0 - sigmoid));
        up[i] = dy[i] * silu;
    }
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
    fn gradients_of_the_norm_agree_with_finite_differences() {
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

    #[test]
    fn gradients_of_swiglu_agree_with_finite_differences() {
        for inner in [1, 5, 16, 19] {
            let (gate_up, dy) = (numbers(2 * 2 * inner, 1), numbers(2 * inner, 2));
            let output = |gate_up: &[f32]| {
                let mut y = vec![0.0; gate_up.len() / 2];
                swiglu(gate_up, inner, &mut y);
                y
            };
            let (mut gradient, mut y) = (gate_up.clone(), vec![0.0; 2 * inner]);
            swiglu_backward(&mut gradient, inner, &dy, &mut y);
            let expected = output(&gate_up);
            assert!(y.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6));
            assert_gradient(&gate_up, &gradient, &dy, output);
        }
    }

    #[test]
    fn large_inputs_stay_finite() {
        let mut y = [0.0; 2];
        swiglu(&[200.0, -200.0, 1.0, 1.0], 2, &mut y);
        assert!((y[0] - 200.0).abs() < 1e-3 && y[1].abs() < 1e-30);
    }
}
