//! SwiGLU (Shazeer 2020): `silu(gate) * up`, where `silu(x) = x * sigmoid(x)`.

use super::instructions::vectorized;
use super::simd::exp;

vectorized! {
    /// Each row of `gate_up` holds `inner` gates, then `inner` ups; `y` gets rows of `inner`.
    pub fn swiglu(gate_up: &[f32], inner: usize, y: &mut [f32]) {
        for (row, y) in gate_up.chunks_exact(2 * inner).zip(y.chunks_exact_mut(inner)) {
            let (gate, up) = row.split_at(inner);
            for ((y, &g), &u) in y.iter_mut().zip(gate).zip(up) {
                *y = g * u / (1.0 + exp(-g));
            }
        }
    }
}

vectorized! {
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
                backward(gate, up, dy, y);
            }
            for (((g, u), &dy), y) in gate.iter_mut().zip(up).zip(dy).zip(y) {
                let (mut gate, mut up, mut activated) = ([*g], [*u], [0.0]);
                backward(&mut gate, &mut up, &[dy], &mut activated);
                ([*g], [*u], [*y]) = (gate, up, activated);
            }
        }
    }
}

/// Elements that one pass of the loop takes: arrays of a fixed length, or the compiler, which has to
/// reckon with four slices that overlap, gives up on vector code.
const LANES: usize = 16;

#[inline(always)]
fn backward<const N: usize>(gate: &mut [f32; N], up: &mut [f32; N], dy: &[f32; N], y: &mut [f32; N]) {
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
    fn gradients_agree_with_finite_differences() {
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
