//! What the machine can do at most: matrix products and memory traffic.

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use serde_json::{Value, json};
use sft_vs_rl::Result;

const SIDE: usize = 2048;
/// Of each of three arrays: 64 MiB, more than any cache.
const ELEMENTS: usize = 16 << 20;

/// Best of several: the `gemm` crate on square `f32` matrices, and the triad `a = b + s * c` of STREAM
/// (McCalpin), which counts three arrays of traffic.
pub fn measure() -> Result<Value> {
    let a = Tensor::ones((SIDE, SIDE), DType::F32, &Device::Cpu)?;
    let product = best(6, || a.matmul(&a).map(|_| ()))?;
    let (mut x, y, z) = (vec![0f32; ELEMENTS], vec![1f32; ELEMENTS], vec![2f32; ELEMENTS]);
    let triad = best(8, || {
        let chunk = ELEMENTS / rayon::current_num_threads();
        x.par_chunks_mut(chunk).zip(y.par_chunks(chunk)).zip(z.par_chunks(chunk)).for_each(|((x, y), z)| {
            x.iter_mut().zip(y).zip(z).for_each(|((x, y), z)| *x = y + 3.0 * z);
        });
        Ok(())
    })?;
    Ok(json!({
        "threads": rayon::current_num_threads(),
        "gemm_gflops": 2.0 * (SIDE as f64).powi(3) / product * 1e-9,
        "triad_gb_per_second": 3.0 * 4.0 * ELEMENTS as f64 / triad * 1e-9,
    }))
}

fn best(runs: usize, mut work: impl FnMut() -> candle_core::Result<()>) -> Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..runs {
        let start = Instant::now();
        work()?;
        least = least.min(start.elapsed().as_secs_f64());
    }
    Ok(least)
}
