//! SwiGLU (Shazeer 2020): `silu(gate) * up`, where `silu(x) = x * sigmoid(x)`.

use super::simd::{exp, vectorized};

vectorized! {
    /// Each row of `gate_up` holds `inner` gates, then `inner` ups; `y` gets rows of `inner`.
    pub(crate) fn swiglu(gate_up: &[f32], inner: usize, y: &mut [f32]) {
        for (row, y) in gate_up.chunks_exact(2 * inner).zip(y.chunks_exact_mut(inner)) {
            let (gate, up) = row.split_at(inner);
            for ((y, &g), &u) in y.iter_mut().zip(gate).zip(up) {
                *y = g * u / (1.0 + exp::<FMA>(-g));
            }
        }
    }
}

vectorized! {
    /// From `dy`, the gradient of the output: writes the output `y` again (cheaper than keeping it)
    /// and puts the gradients of gates and ups in the place of `gate_up`.
    pub(crate) fn swiglu_backward(gate_up: &mut [f32], inner: usize, dy: &[f32], y: &mut [f32]) {
        let rows = gate_up.chunks_exact_mut(2 * inner).zip(dy.chunks_exact(inner)).zip(y.chunks_exact_mut(inner));
        for ((row, dy), y) in rows {
            let (gate, up) = row.split_at_mut(inner);
            for (((g, u), &dy), y) in gate.iter_mut().zip(up).zip(dy).zip(y) {
                let (gate, up) = (*g, *u);
                let sigmoid = 1.0 / (1.0 + exp::<FMA>(-gate));
                let silu = gate * sigmoid;
                *y = silu * up;
                // silu' = sigmoid * (1 + gate * (1 - sigmoid))
                *g = dy * up * (sigmoid + silu * (1.0 - sigmoid));
                *u = dy * silu;
            }
        }
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
