//! Speed of the engine. `make bench-engine` compares it with PyTorch: `benches/engine_compare.py`
//! drives this program and `benches/torch_engine.py` by turns. See `docs/performance.md`.
//!
//! - `cargo bench --profile dev --bench engine`: the kit alone, one line of JSON a measurement
//! - `... -- setup DIR`: weights and batches for both engines
//! - `... -- worker DIR [--composed]`: tasks from standard input, see `worker.rs`
//! - `... -- growth JSON`: one point of the growth curve, see `growth.rs`
//! - `... -- draw`: figures/bench_*.svg from data/records/bench, what there is of it
//!
//! `RAYON_NUM_THREADS` sets the number of threads.

mod figure;
mod growth;
mod hardware;
mod parts;
mod worker;
mod workload;

use std::path::Path;

use figure::{EngineBench, GrowthBench, engine_figure, growth_figure};
use sft_vs_rl::{Error, Kernels, Result, read_json};
use worker::Worker;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let composed = words.iter().any(|word| word == "--composed");
    let kernels = if composed { Kernels::Composed } else { Kernels::Fused };
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    match words[..] {
        [] => alone(kernels),
        ["setup", dir] => workload::write(Path::new(dir)),
        ["worker", dir] => Worker::new(Path::new(dir), kernels)?.serve(),
        ["growth", point] => {
            println!("{}", growth::point(point)?);
            Ok(())
        }
        ["draw"] => draw(),
        _ => {
            let known = "expected nothing, `setup DIR`, `worker DIR`, `growth JSON` or `draw`";
            Err(Error::config("arguments", known))
        }
    }
}

fn draw() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (engine, growth) =
        (root.join("data/records/bench/engine.json"), root.join("data/records/bench/growth.json"));
    if engine.exists() {
        let bench: EngineBench = read_json(&engine)?;
        engine_figure(&bench)?.save(root.join("figures/bench_engine.svg"))?;
    }
    if growth.exists() {
        let bench: GrowthBench = read_json(&growth)?;
        growth_figure(&bench)?.save(root.join("figures/bench_growth.svg"))?;
    }
    Ok(())
}

/// The kit's numbers without PyTorch's.
fn alone(kernels: Kernels) -> Result<()> {
    let dir = tempfile::tempdir().map_err(Error::io("temporary folder"))?;
    workload::write(dir.path())?;
    let mut worker = Worker::new(dir.path(), kernels)?;
    for task in [
        r#"{"task": "hardware"}"#,
        r#"{"task": "loss"}"#,
        r#"{"task": "sft", "repeats": 10}"#,
        r#"{"task": "rollout", "rows": 64, "repeats": 5}"#,
        r#"{"task": "rollout", "rows": 128, "repeats": 5}"#,
        r#"{"task": "rollout", "rows": 256, "repeats": 5}"#,
        r#"{"task": "ppo", "repeats": 4}"#,
        r#"{"task": "parts", "repeats": 10}"#,
        r#"{"task": "memory"}"#,
    ] {
        println!("{task} -> {}", worker.answer(task)?);
    }
    Ok(())
}
