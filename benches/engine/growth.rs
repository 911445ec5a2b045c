//! One point of the growth curve: SFT steps of a model and a batch of given sizes, their seconds and
//! the peak memory of this process, which does nothing else. `benches/engine_growth.py` asks for many.

use std::time::Instant;

use candle_core::Device;
use serde::Deserialize;
use serde_json::{Value, json};
use sft_vs_rl::{
    AdamW, Config, Decoder, Error, Example, ExamplePool, Kernels, Mixture, Result, Seed, Shape, StageMemory,
    SupervisedConfig, Tier, train_supervised,
};

use super::worker::peak_mib;

#[derive(Deserialize)]
struct Point {
    vocabulary: usize,
    #[serde(flatten)]
    shape: Shape,
    /// Sequences of one step, each `shape.context` tokens long.
    batch: usize,
    tokens_per_microbatch: usize,
    steps: usize,
}

pub fn point(text: &str) -> Result<Value> {
    let point: Point = serde_json::from_str(text).map_err(|error| Error::parse("growth", 1, error))?;
    let start = peak_mib()?;
    let config: Config = point.shape.config(point.vocabulary, 1);
    let tokens = point.batch * point.shape.context;
    let microbatch = point.tokens_per_microbatch.max(point.shape.context).min(tokens);
    let estimate = StageMemory::of_training("training", &config, microbatch);

    let model = Decoder::new(&config, Seed::new(1), &Device::Cpu, Kernels::Fused)?;
    let token = |i: usize, j: usize| ((i * 7919 + j * 104_729) % point.vocabulary) as u32;
    let examples = (0..point.batch)
        .map(|i| Example {
            prompt: vec![token(i, 0)],
            response: (1..=point.shape.context).map(|j| token(i, j)).collect(),
        })
        .collect();
    let mixture = Mixture::new(vec![ExamplePool { name: "growth".into(), weight: 1.0, examples }])?;
    let settings = SupervisedConfig {
        batch_size: point.batch,
        tokens_per_microbatch: point.tokens_per_microbatch,
        ..Tier::named("quick")?.sft
    };
    let mut optimizer = AdamW::new(model.variables(), settings.optimizer.clone())?;
    let mut seconds = vec![];
    let mut last = Instant::now();
    let batch = |_, seed| Ok(mixture.batch(settings.batch_size, seed));
    train_supervised(&model, &mut optimizer, &batch, &settings, Seed::new(2), 0..point.steps, &mut |_| {
        seconds.push(last.elapsed().as_secs_f64());
        last = Instant::now();
        Ok(())
    })?;
    Ok(json!({
        "parameters": config.parameters(),
        "tokens": tokens,
        "seconds": seconds,
        "start_mib": start,
        "peak_mib": peak_mib()?,
        "estimate_mib": start + estimate.total() as f64 / f64::from(1 << 20),
        "estimate": estimate,
    }))
}
