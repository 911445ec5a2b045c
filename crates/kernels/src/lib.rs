//! Fused CPU kernels behind candle's custom operations, with hand-written backward passes.
//!
//! | file | operation | composed reference |
//! |---|---|---|
//! | `trunk.rs` | embedding, transformer blocks, last norm: `Decoder::hidden` | `model::composed::hidden` |
//! | `log_prob.rs` | projection, softmax and selection: `Decoder::log_probs_and_entropy` | `model::composed` |
//! | `pointwise.rs` | exponential, the value head's linear unit | candle's own |
//! | `adam.rs` | gradient norm, AdamW update | `AdamUpdate::composed` |
//!
//! `operation.rs` puts them into candle's graph. Beneath them, on plain slices: `block.rs`, `attention.rs`, `layers.rs` (norm, SwiGLU), `gemm`,
//! `families.rs` (sequences that share their start), `groups.rs` (how work is cut), `simd.rs` (sums, exponentials), `lanes.rs` (registers) and
//! `instructions.rs` (which vector instructions are used). `decode.rs` has the forward pass of one new
//! token a row, with a key-value cache, and `generate.rs` the queue of rows that are sampled with it.
//!
//! Invariants: nothing here knows about models, files or random numbers; no result depends on the
//! number of threads or on the CPU's vector instructions; the only `unsafe` is in `instructions.rs`
//! (calling a function compiled for instructions that the CPU was seen to have), in `lanes.rs` and in
//! the innermost loop of `gemm`.

#![deny(missing_docs)]

mod adam;
mod attention;
mod block;
mod decode;
mod families;
mod gemm;
mod generate;
mod groups;
mod instructions;
mod lanes;
mod layers;
mod log_prob;
mod operation;
mod pointwise;
mod simd;
mod trunk;

pub use adam::{AdamUpdate, square_sum};
pub use attention::{Heads, RotaryTable};
pub use block::{BlockSizes, PARTS};
pub use families::{Rows, Sequence};
pub use generate::{ROWS_TOGETHER, Weights, generate};
pub use groups::groups;
pub use instructions::InstructionSet;
pub use log_prob::log_prob;
pub use pointwise::{exp, linear_unit};
pub use simd::{dot, exponentials, max, sum};
pub use trunk::{Buffers, hidden_states};

/// For the kernels' tests.
#[cfg(test)]
mod testing {
    /// `n` numbers in about `[-1, 1]`, without pattern.
    pub fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 + seed * 104_729 + i * i * 31) % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    /// `gradient` is that of `sum(dy * f(x))` with respect to `x`: checked against central differences
    /// along three directions.
    pub fn assert_gradient(x: &[f32], gradient: &[f32], dy: &[f32], f: impl Fn(&[f32]) -> Vec<f32>) {
        const STEP: f32 = 4e-3;
        for seed in 11..14 {
            let direction = numbers(x.len(), seed);
            let at = |step: f32| -> f64 {
                let moved: Vec<f32> = x.iter().zip(&direction).map(|(x, d)| x + step * d).collect();
                f(&moved).iter().zip(dy).map(|(&y, &dy)| f64::from(y) * f64::from(dy)).sum()
            };
            let measured = (at(STEP) - at(-STEP)) / f64::from(2.0 * STEP);
            let computed: f64 =
                gradient.iter().zip(&direction).map(|(&g, &d)| f64::from(g) * f64::from(d)).sum();
            let size: f64 = gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
            let tolerance = 2e-3 * size.max(1.0);
            assert!((measured - computed).abs() < tolerance, "measured {measured}, computed {computed}");
        }
    }
}
