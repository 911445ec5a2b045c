//! Pretraining: next-token loss over whole documents, the stage that gives the kit its base model.
//!
//! The paper starts from a pretrained code model; this kit makes its own, small one, from the
//! generated corpus of `corpus.rs`. Which base it is decides what the later stages can show (see
//! `docs/regime.md`).
//!
//! Step `n` takes its documents from `documents(n, seed.child_index(n))` and nothing else, so the
//! state of a run is (model, optimizer, next step).

use std::ops::Range;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result};
use crate::base::seed::Seed;
use crate::model::Decoder;
use crate::train::loss::{Decay, LearningRate};
use crate::train::optim::{AdamW, AdamWConfig, Gradients};
use crate::train::packing::{self, Microbatch, Passage};

/// Settings of pretraining. How many documents a step has is the document source's choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PretrainConfig {
    /// Most tokens in one forward and backward pass: bounds the memory of activations and changes
    /// nothing else than rounding.
    pub tokens_per_microbatch: usize,
    pub learning_rate: LearningRate,
    pub optimizer: AdamWConfig,
}

impl PretrainConfig {
    /// A model of about a million parameters on two cores. `total_steps` is the length of the
    /// cosine schedule.
    pub fn quick(total_steps: usize) -> Self {
        Self {
            tokens_per_microbatch: 4096,
            // Chosen for this kit; several times a large model's rate, as usual for a small one.
            learning_rate: LearningRate {
                peak: 2e-3,
                warmup_steps: 50,
                decay: Decay::Cosine,
                total_steps,
                floor: 0.1,
            },
            // GPT-3 (arXiv 2005.14165, appendix B).
            optimizer: AdamWConfig {
                lr: 2e-3,
                beta1: 0.9,
                beta2: 0.95,
                eps: 1e-8,
                weight_decay: 0.1,
                clip_norm: 1.0,
            },
        }
    }
}

/// What one step of pretraining measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PretrainStep {
    pub step: usize,
    /// Mean negative log-likelihood of the predicted tokens, in nats.
    pub loss: f64,
    /// Documents in the step.
    pub documents: usize,
    /// Tokens that went forward and backward.
    pub tokens_trained: usize,
    /// Norm of the gradient before clipping.
    pub grad_norm: f64,
    pub learning_rate: f64,
    /// Wall-clock seconds of the step.
    pub seconds: f64,
}

impl PretrainStep {
    /// The numbers of a metrics row.
    pub fn values(&self) -> Vec<(String, f64)> {
        vec![
            ("loss".into(), self.loss),
            ("documents".into(), self.documents as f64),
            ("tokens_trained".into(), self.tokens_trained as f64),
            ("grad_norm".into(), self.grad_norm),
            ("learning_rate".into(), self.learning_rate),
            ("seconds".into(), self.seconds),
        ]
    }
}

/// Runs the steps `steps`. `documents(step, seed)` gives the documents of one step and must be a
/// pure function of both; documents of fewer than two tokens teach nothing and are skipped.
pub fn train(
    model: &Decoder,
    optimizer: &mut AdamW,
    documents: &dyn Fn(usize, Seed) -> Result<Vec<Vec<u32>>>,
    config: &PretrainConfig,
    seed: Seed,
    steps: Range<usize>,
    observe: &mut dyn FnMut(&PretrainStep) -> Result<()>,
) -> Result<()> {
    let variables = optimizer.variables();
    for step in steps {
        let started = Instant::now();

        // ---- The step's documents: the first token is read only, every other one predicted.
        let documents = documents(step, seed.child_index(step as u64))?;
        let passages: Vec<Passage> = documents
            .iter()
            .filter(|document| document.len() >= 2)
            .map(|document| Passage { prompt: &document[..1], response: &document[1..] })
            .collect();
        let tokens_trained: usize = passages.iter().map(Passage::read_tokens).sum();
        if tokens_trained == 0 {
            return Err(Error::Data(format!(
                "pretraining step {step} has no document of two tokens or more"
            )));
        }

        // ---- The gradient of the mean over all predicted tokens, one microbatch at a time.
        let mut gradients = Gradients::new();
        let mut loss_sum = 0.0;
        for run in packing::split(&passages, config.tokens_per_microbatch) {
            let packed = Microbatch::pack(&passages[run], model.device())?;
            let hidden = model.hidden(&packed.batch)?; // (tokens, hidden)
            let log_probs = model.log_probs(&hidden, &packed.rows, &packed.targets)?; // (rows,)
            let loss = (log_probs.sum_all()?.neg()? / tokens_trained as f64)?;
            gradients.add(&variables, &loss.backward()?)?;
            loss_sum += f64::from(loss.to_scalar::<f32>()?);
        }

        // ---- One update.
        let learning_rate = config.learning_rate.at(step);
        let grad_norm = optimizer.step(&gradients, learning_rate)?;

        observe(&PretrainStep {
            step,
            loss: loss_sum,
            documents: passages.len(),
            tokens_trained,
            grad_norm,
            learning_rate,
            seconds: started.elapsed().as_secs_f64(),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
