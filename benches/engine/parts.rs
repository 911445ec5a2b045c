//! The parts of a training step one by one, each by the fused kernels or by candle's operations: what do
//! the fused kernels earn?

use std::time::Instant;

use candle_core::{Device, Var};
use candle_nn::optim::{self, Optimizer, ParamsAdamW};
use serde_json::{Value, json};
use sft_vs_rl::{AdamW, Decoder, Gradients, Kernels, Microbatch, Passage, Result};

use super::workload::{Tokens, Workload};

/// Seconds of each repetition of each part, on the batch of an SFT step. `load` gives a fresh copy of the
/// model, whose kernels say which of the two is measured.
pub fn measure(load: &dyn Fn() -> Result<Decoder>, workload: &Workload, repeats: usize) -> Result<Value> {
    let passages: Vec<Passage> =
        workload.sft.iter().map(|Tokens { prompt, response }| Passage { prompt, response }).collect();
    let packed = Microbatch::pack(&passages, &Device::Cpu)?;
    let (model, frozen) = (load()?, load()?.freeze());
    let hidden = Var::from_tensor(&frozen.hidden(&packed.batch)?)?;
    let gradients = model.hidden(&packed.batch)?.sqr()?.mean_all()?.backward()?;

    let forward = lap(repeats, || frozen.hidden(&packed.batch).map(drop))?;
    let network = lap(repeats, || {
        model.hidden(&packed.batch)?.mean_all()?.backward()?;
        Ok(())
    })?;
    let log_probs = lap(repeats, || {
        model.log_probs(hidden.as_tensor(), &packed.rows, &packed.targets)?.mean_all()?.backward()?;
        Ok(())
    })?;
    let optimizer = workload.sft_config.optimizer.clone();
    let update = match model.kernels() {
        Kernels::Fused => {
            let mut mine = Gradients::default();
            mine.add(&model.variables(), &gradients)?;
            let mut adam = AdamW::new(model.variables(), optimizer)?;
            lap(repeats, || adam.step(&mine, 1e-6).map(drop))?
        }
        // candle-nn's optimizer; it does not clip, and so is spared a pass over the gradients.
        Kernels::Composed => {
            let variables = model.variables().into_iter().map(|(_, var)| var).collect();
            let settings = ParamsAdamW {
                lr: 1e-6,
                beta1: optimizer.beta1,
                beta2: optimizer.beta2,
                eps: optimizer.eps,
                weight_decay: optimizer.weight_decay,
            };
            let mut adam = optim::AdamW::new(variables, settings)?;
            lap(repeats, || Ok(adam.step(&gradients)?))?
        }
    };
    Ok(json!({ "forward": forward, "network": network, "log_probs": log_probs, "update": update }))
}

/// Seconds of each call of `work`, after one that is not counted.
fn lap(repeats: usize, mut work: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    work()?;
    let timed = |_| {
        let start = Instant::now();
        work().map(|()| start.elapsed().as_secs_f64())
    };
    (0..repeats).map(timed).collect()
}
