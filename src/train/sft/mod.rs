//! Supervised fine-tuning (SFT): next-token loss on the response, given the prompt.
//!
//! Paper: finding 1 compares SFT on atoms, on composites and on both. The data of an arm is a
//! [`Mixture`] of pools with weights, so that 100 atoms and `n` composites stay in balance as `n`
//! grows: with weights 1 and 1, half of every batch is atoms for `n = 4` and for `n = 256`.
//!
//! Step `n` draws its batch from `seed.child_index(n)` and nothing else, so the state of a run is
//! (model, optimizer, next step).

use std::ops::Range;
use std::time::Instant;

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result};
use crate::base::seed::Seed;
use crate::model::Decoder;
use crate::train::loss::LearningRate;
use crate::train::optim::{AdamW, AdamWConfig, Gradients};
use crate::train::packing::{self, Microbatch, Passage};

/// A prompt and the response that SFT teaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    pub prompt: Vec<u32>,
    /// The end token included.
    pub response: Vec<u32>,
}

/// Examples that are drawn with the same probability.
#[derive(Debug, Clone)]
pub struct Pool {
    /// For messages: "atoms", "composites".
    pub name: String,
    /// Share of a batch, relative to the other pools' weights.
    pub weight: f64,
    pub examples: Vec<Example>,
}

/// The data of one SFT arm.
#[derive(Debug, Clone)]
pub struct Mixture {
    pools: Vec<Pool>,
}

impl Mixture {
    /// Pools of weight 0 or without examples are left out.
    ///
    /// # Errors
    /// `Error::Data` where a weight is negative or not finite, or nothing is left.
    pub fn new(pools: Vec<Pool>) -> Result<Mixture> {
        for pool in &pools {
            if !(pool.weight.is_finite() && pool.weight >= 0.0) {
                let Pool { name, weight, .. } = pool;
                return Err(Error::Data(format!("pool `{name}` has weight {weight}; it must be 0 or more")));
            }
        }
        let pools: Vec<Pool> =
            pools.into_iter().filter(|pool| pool.weight > 0.0 && !pool.examples.is_empty()).collect();
        if pools.is_empty() {
            return Err(Error::Data(
                "an SFT mixture needs one pool with examples and a weight over 0".into(),
            ));
        }
        Ok(Mixture { pools })
    }

    /// Examples of all pools.
    pub fn len(&self) -> usize {
        self.pools.iter().map(|pool| pool.examples.len()).sum()
    }

    /// Never true: a mixture without examples cannot be made.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `size` examples, a pure function of the mixture and the seed.
    ///
    /// The batch is divided among the pools by systematic sampling: each gets its exact share,
    /// rounded up or down at random so that it is right on average. Within a pool, no example comes
    /// twice before each has come once.
    pub fn batch(&self, size: usize, seed: Seed) -> Vec<&Example> {
        let total: f64 = self.pools.iter().map(|pool| pool.weight).sum();
        let offset: f64 = seed.stream("shares").random();
        let mut batch = Vec::with_capacity(size);
        let mut cumulative = 0.0;
        for (index, pool) in self.pools.iter().enumerate() {
            cumulative += pool.weight;
            // Points (i + offset) / size fall into this pool's part of the unit interval.
            let last = index + 1 == self.pools.len();
            let end = if last { size } else { (cumulative / total * size as f64 - offset).ceil() as usize };
            let mut random = seed.child_index(index as u64).stream("examples");
            let mut order: Vec<&Example> = Vec::new();
            while batch.len() < end.min(size) {
                if order.is_empty() {
                    order = pool.examples.iter().collect();
                    order.shuffle(&mut random);
                }
                batch.extend(order.pop());
            }
        }
        batch
    }
}

/// Settings of SFT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SftConfig {
    /// Examples in one step.
    pub batch_size: usize,
    /// Most tokens in one forward and backward pass: bounds the memory of activations and changes
    /// nothing else than rounding.
    pub tokens_per_microbatch: usize,
    pub learning_rate: LearningRate,
    pub optimizer: AdamWConfig,
}

impl SftConfig {
    /// A model of about a million parameters on two cores.
    pub fn quick() -> Self {
        Self {
            // Batch and peak rate: the trials of docs/regime.md.
            batch_size: 32,
            tokens_per_microbatch: 4096,
            // No decay, so that a run can be continued (arms `sft-more`, `sft-more`) and every
            // earlier stage of it is a run in its own right.
            learning_rate: LearningRate::constant(3e-4, 10),
            // As in pretraining, but nothing pulls the weights towards zero: the start is a good one.
            optimizer: AdamWConfig {
                lr: 3e-4,
                beta1: 0.9,
                beta2: 0.95,
                eps: 1e-8,
                weight_decay: 0.0,
                clip_norm: 1.0,
            },
        }
    }
}

/// What one step of SFT measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SftStep {
    pub step: usize,
    /// Mean negative log-likelihood of the response tokens, in nats.
    pub loss: f64,
    /// Examples in the step.
    pub examples: usize,
    /// Tokens that went forward and backward, prompts included.
    pub tokens_trained: usize,
    /// Response tokens, the ones the loss is taken over.
    pub tokens_predicted: usize,
    /// Norm of the gradient before clipping.
    pub grad_norm: f64,
    pub learning_rate: f64,
    /// Wall-clock seconds of the step.
    pub seconds: f64,
}

impl SftStep {
    /// The numbers of a metrics row.
    pub fn values(&self) -> Vec<(String, f64)> {
        vec![
            ("loss".into(), self.loss),
            ("examples".into(), self.examples as f64),
            ("tokens_trained".into(), self.tokens_trained as f64),
            ("tokens_predicted".into(), self.tokens_predicted as f64),
            ("grad_norm".into(), self.grad_norm),
            ("learning_rate".into(), self.learning_rate),
            ("seconds".into(), self.seconds),
        ]
    }
}

/// Runs the steps `steps`; `observe` sees each one's measurements right after its update.
pub fn train(
    model: &Decoder,
    optimizer: &mut AdamW,
    data: &Mixture,
    config: &SftConfig,
    seed: Seed,
    steps: Range<usize>,
    observe: &mut dyn FnMut(&SftStep) -> Result<()>,
) -> Result<()> {
    if config.batch_size == 0 {
        return Err(Error::config("sft.batch_size", "must be 1 or more"));
    }
    let variables = optimizer.variables();
    for step in steps {
        let started = Instant::now();

        // ---- The step's batch. The prompt is read, the response is predicted.
        let examples = data.batch(config.batch_size, seed.child_index(step as u64));
        let passages: Vec<Passage> = examples
            .iter()
            .map(|example| Passage { prompt: &example.prompt, response: &example.response })
            .collect();
        let tokens_predicted: usize = passages.iter().map(|passage| passage.response.len()).sum();

        // ---- The gradient of the mean over all response tokens, one microbatch at a time. A long
        //      response weighs more than a short one: the mean is over tokens, not over examples.
        let mut gradients = Gradients::new();
        let mut loss_sum = 0.0;
        for run in packing::split(&passages, config.tokens_per_microbatch) {
            let packed = Microbatch::pack(&passages[run], model.device())?;
            let hidden = model.hidden(&packed.batch)?; // (tokens, hidden)
            let log_probs = model.log_probs(&hidden, &packed.rows, &packed.targets)?; // (rows,)
            let loss = (log_probs.sum_all()?.neg()? / tokens_predicted as f64)?;
            gradients.add(&variables, &loss.backward()?)?;
            loss_sum += f64::from(loss.to_scalar::<f32>()?);
        }

        // ---- One update.
        let learning_rate = config.learning_rate.at(step);
        let grad_norm = optimizer.step(&gradients, learning_rate)?;

        observe(&SftStep {
            step,
            loss: loss_sum,
            examples: passages.len(),
            tokens_trained: passages.iter().map(Passage::read_tokens).sum(),
            tokens_predicted,
            grad_norm,
            learning_rate,
            seconds: started.elapsed().as_secs_f64(),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
