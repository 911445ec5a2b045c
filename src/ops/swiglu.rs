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
