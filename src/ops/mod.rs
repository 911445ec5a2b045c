//! Fused CPU kernels behind candle's custom operations, with hand-written backward passes.
//!
//! | file | operation | composed reference |
//! |---|---|---|
//! | `embed.rs` | embedding lookup | `index_select` |
//! | `block.rs` | one transformer block | `model::composed::block` |
//! | `final_norm.rs` | RMSNorm | `model::composed::rms_norm` |
//! | `log_prob.rs` | projection, softmax and selection of log-probabilities | `model::composed::log_probs_and_entropy` |
//! | `adam.rs` | gradient norm, AdamW update | `adam.rs`, `AdamUpdate::composed` |
//!
//! `decode.rs` has the forward pass of one new token a row, with a key-value cache, for sampling.
//! Beneath them, on plain slices: `gemm.rs`, `attention.rs`, `norm.rs`, `swiglu.rs`, `simd.rs`.
//!
//! Invariants: nothing here knows about models, files or random numbers; no result depends on the
//! number of threads; the only `unsafe` is in `simd.rs` (calling a function compiled for the
//! instruction set that was just detected) and in the innermost loop of `gemm.rs`.

mod adam;
mod attention;
mod block;
mod decode;
mod embed;
mod final_norm;
mod gemm;
mod log_prob;
mod norm;
pub(crate) mod simd;
mod swiglu;

pub(crate) use adam::{AdamUpdate, square_sum};
pub(crate) use attention::{Heads, RotaryTable};
pub(crate) use block::{Block, BlockSizes, PARTS, Rows};
pub(crate) use decode::{Cache, DecodeBlock, Place, Projection, Step};
pub(crate) use embed::Embed;
pub(crate) use final_norm::RmsNorm;
pub(crate) use log_prob::LogProb;

use candle_core::{CpuStorage, Layout, Storage, Tensor};

/// The elements of a contiguous `f32` tensor.
fn cpu_slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("a fused operation needs contiguous inputs"),
    }
}

/// Calls `f` with the elements of `tensors`, which lie on the CPU.
fn with_cpu<const N: usize, R>(
    tensors: [&Tensor; N],
    f: impl FnOnce([&[f32]; N]) -> R,
) -> candle_core::Result<R> {
    let mut contiguous = Vec::with_capacity(N);
    for tensor in tensors {
        contiguous.push(tensor.contiguous()?);
    }
    let guards: Vec<_> = contiguous.iter().map(|tensor| tensor.storage_and_layout()).collect();
    let mut slices = [&[][..]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&guards) {
        match &**storage {
            Storage::Cpu(storage) => *slice = cpu_slice(storage, layout)?,
            _ => candle_core::bail!("a fused operation runs on the CPU only"),
        }
    }
    Ok(f(slices))
}

/// Cuts `data`, rows of `width`, at the row boundaries `bounds` (first zero, last the end).
fn split_rows<'a>(data: &'a mut [f32], bounds: &[usize], width: usize) -> Vec<&'a mut [f32]> {
    let mut rest = data;
    let mut parts = Vec::with_capacity(bounds.len());
    for pair in bounds.windows(2) {
        let (part, tail) = rest.split_at_mut((pair[1] - pair[0]) * width);
        parts.push(part);
        rest = tail;
    }
    parts
}

fn missing_forward(name: &str) -> candle_core::Error {
    let message =
        format!("{name}: nothing kept for a backward pass (frozen model, or a second backward pass)");
    candle_core::Error::Msg(message)
}
