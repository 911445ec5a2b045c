//! Supervised training: next-token loss on responses, given their prompts. Pretraining and SFT.
//!
//! Paper: finding 1 compares SFT on atoms, on composites and on both. Its models start from a
//! pretrained code model; this kit makes its own, small one (which base it is decides what the later
//! stages can show, see `docs/regime.md`). The two stages are one loop and differ in where the
//! examples of a step come from:
//!
//! - *SFT* draws them from a [`Mixture`] of pools with weights, so that 100 atoms and `n` composites
//!   stay in balance as `n` grows: with weights 1 and 1, half of every batch is atoms for `n = 4` and
//!   for `n = 256`.
//! - *Pretraining* reads whole documents: an [`Example::document`] has one token for a prompt.
//!
//! Either way step `n` has a function of (`n`, `seed.child_index(n)`) and nothing else, so the state
//! of a run is (model, optimizer, next step).

use std::ops::Range;
use std::time::Instant;

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::optim::{AdamW, AdamWConfig, Gradients, LearningRate};
use super::packing::{self, Microbatch, Passage};
use crate::base::Seed;
use crate::model::Decoder;
use crate::{Error, Result};

/// A prompt and the response that is taught.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Example {
    /// Read, not predicted. Not empty.
    pub prompt: Vec<u32>,
    /// The end token included.
    pub response: Vec<u32>,
}

impl Example {
    /// A whole document: its first token is read only, every other one predicted. None for a document
    /// of fewer than two tokens, which teaches nothing.
    pub fn document(tokens: &[u32]) -> Option<Example> {
        let (first, rest) = tokens.split_first()?;
        (!rest.is_empty()).then(|| Example { prompt: vec![*first], response: rest.to_vec() })
    }
}

/// Examples that are drawn with the same probability.
#[derive(Debug, Clone)]
pub struct ExamplePool {
    /// For messages: "atoms", "composites".
    pub name: String,
    /// Share of a batch, relative to the other pools' weights.
    pub weight: f64,
    /// A pool without examples takes no part.
    pub examples: Vec<Example>,
}

/// The data of one SFT arm.
#[derive(Debug, Clone)]
pub struct Mixture {
    pools: Vec<ExamplePool>,
}

impl Mixture {
    /// Pools of weight 0 or without examples are left out.
    ///
    /// # Errors
    /// `Error::Config` naming a pool whose weight is negative or not finite, `Error::Empty` where
    /// nothing is left.
    pub fn new(mut pools: Vec<ExamplePool>) -> Result<Mixture> {
        if let Some(ExamplePool { name, weight, .. }) =
            pools.iter().find(|pool| !(pool.weight.is_finite() && pool.weight >= 0.0))
        {
            return Err(Error::config("weight", format!("pool `{name}` has {weight}; it must be 0 or more")));
        }
        pools.retain(|pool| pool.weight > 0.0 && !pool.examples.is_empty());
        if pools.is_empty() {
            let needed = "it needs one pool with examples and a weight over 0";
            return Err(Error::Empty { what: "an SFT mixture".into(), needed });
        }
        Ok(Mixture { pools })
    }

    /// `size` examples, a pure function of the mixture and the seed.
    ///
    /// The batch is divided among the pools by systematic sampling: each gets its exact share,
    /// rounded up or down at random so that it is right on average. Within a pool, no example comes
    /// twice before each has come once.
    pub fn batch(&self, size: usize, seed: Seed) -> Vec<Example> {
        let total: f64 = self.pools.iter().map(|pool| pool.weight).sum();
        let offset: f64 = seed.stream("shares").random();
        let mut batch: Vec<Example> = Vec::with_capacity(size);
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
                batch.extend(order.pop().cloned());
            }
        }
        batch
    }
}

/// Settings of pretraining or of SFT; those of the study are in `data/tiers.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupervisedConfig {
    /// Examples (documents, in pretraining) in one step.
    pub batch_size: usize,
    /// Most tokens in one forward and backward pass: bounds the memory of activations and changes
    /// nothing else than rounding.
    pub tokens_per_microbatch: usize,
    /// A function of the step.
    pub learning_rate: LearningRate,
    /// Of all weights.
    pub optimizer: AdamWConfig,
}

/// What one step measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SupervisedStep {
    /// Counted from 0; not a metric.
    #[serde(skip)]
    pub step: usize,
    /// Mean negative log-likelihood of the predicted tokens, in nats.
    pub loss: f64,
    /// Examples in the step.
    pub examples: usize,
    /// Tokens that went forward and backward, prompts included.
    pub tokens_trained: usize,
    /// Response tokens, the ones the loss is taken over.
    pub tokens_predicted: usize,
    /// Norm of the gradient before clipping.
    pub grad_norm: f64,
    /// Of this step.
    pub learning_rate: f64,
    /// Wall-clock seconds of the step.
    pub seconds: f64,
}

/// Runs the steps `steps`; `observe` sees each one's measurements right after its update.
///
/// `examples(step, seed)` gives the examples of a step and must be a pure function of both; the seed
/// is the step's own.
///
/// # Errors
/// `Error::Empty` for a step without examples, `Error::NotFinite` for a gradient that is not finite.
pub fn train_supervised(
    model: &Decoder,
    optimizer: &mut AdamW,
    examples: &dyn Fn(usize, Seed) -> Result<Vec<Example>>,
    config: &SupervisedConfig,
    seed: Seed,
    steps: Range<usize>,
    observe: &mut dyn FnMut(&SupervisedStep) -> Result<()>,
) -> Result<()> {
    let variables = optimizer.variables();
    for step in steps {
        let started = Instant::now();

        // ---- The step's batch. The prompt is read, the response is predicted.
        let examples = examples(step, seed.child_index(step as u64))?;
        let passages: Vec<Passage> =
            examples.iter().map(|Example { prompt, response }| Passage { prompt, response }).collect();
        let tokens_predicted: usize = passages.iter().map(|passage| passage.response.len()).sum();
        if tokens_predicted == 0 {
            let needed = "`batch_size` must be 1 or more, and a document needs two tokens";
            return Err(Error::Empty { what: format!("the batch of training step {step}"), needed });
        }

        // ---- The gradient of the mean over all response tokens, one microbatch at a time. A long
        //      response weighs more than a short one: the mean is over tokens, not over examples.
        let mut gradients = Gradients::default();
        let mut loss_sum = 0.0;
        for members in packing::split(passages.chunks(1), config.tokens_per_microbatch) {
            let packed = Microbatch::pack(&passages[members], model.device())?;
            let hidden = model.hidden(&packed.batch)?; // (tokens, hidden)
            let log_probs = model.log_probs(&hidden, &packed.rows, &packed.targets)?; // (rows,)
            let loss = (log_probs.sum_all()?.neg()? / tokens_predicted as f64)?;
            gradients.add(&variables, &loss.backward()?)?;
            // Not `loss`: candle's sum depends on the instruction set (its gradient does not).
            loss_sum -= log_probs.to_vec1::<f32>()?.into_iter().map(f64::from).sum::<f64>();
        }

        // ---- One update.
        let learning_rate = config.learning_rate.at(step);
        let grad_norm = optimizer.step(&gradients, learning_rate)?;

        observe(&SupervisedStep {
            step,
            loss: loss_sum / tokens_predicted as f64,
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
