//! AdamW (Loshchilov & Hutter, arXiv 1711.05101) with gradient clipping, and a state that can be
//! saved: a training resumed from `save`/`load` equals one that was never interrupted, bit for bit.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use serde::{Deserialize, Serialize};

use crate::model::{read_tensors, write_tensors};
use crate::{Error, Result};

/// Gradients by variable name, summed over microbatches.
#[derive(Default)]
pub struct Gradients {
    by_name: BTreeMap<String, Tensor>,
}

impl Gradients {
    /// Adds what one backward pass left in `store`. A variable that the loss does not depend on has
    /// no gradient there and is left out.
    pub fn add(&mut self, variables: &[(String, Var)], store: &GradStore) -> Result<()> {
        for (name, var) in variables {
            let Some(gradient) = store.get(var) else { continue };
            let gradient = gradient.detach();
            let before = self.by_name.remove(name);
            let total = before.map_or(Ok(gradient.clone()), |before| before + gradient)?;
            self.by_name.insert(name.clone(), total);
        }
        Ok(())
    }
}

/// How the learning rate moves after its warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// None.
    Constant,
    /// In a straight line to the floor.
    Linear,
    /// Along half a period of the cosine to the floor.
    Cosine,
}

/// Learning rate as a pure function of the step: a linear warm-up, then a decay to a floor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearningRate {
    /// The rate at the end of the warm-up.
    pub peak: f64,
    /// Steps of warm-up. Step `n` of them runs at `peak * (n + 1) / warmup_steps`, so the first
    /// step is not wasted on a rate of zero.
    pub warmup_steps: usize,
    /// What comes after the warm-up.
    pub decay: Decay,
    /// Steps of the whole schedule, warm-up included. Later steps stay at the floor.
    pub total_steps: usize,
    /// Where the decay ends, as a share of `peak`.
    pub floor: f64,
}

impl LearningRate {
    /// `peak` after `warmup_steps`, and no decay: for runs that others continue.
    pub fn constant(peak: f64, warmup_steps: usize) -> Self {
        Self { peak, warmup_steps, decay: Decay::Constant, total_steps: 0, floor: 1.0 }
    }

    /// The rate of step `step` (0-based).
    ///
    /// ```
    /// use sft_vs_rl::{Decay, LearningRate};
    /// let rate = LearningRate { peak: 1.0, warmup_steps: 4, decay: Decay::Linear, total_steps: 14, floor: 0.1 };
    /// assert_eq!([rate.at(0), rate.at(3), rate.at(4), rate.at(14)], [0.25, 1.0, 1.0, 0.1]);
    /// ```
    pub fn at(&self, step: usize) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let decaying_steps = self.total_steps.saturating_sub(self.warmup_steps).max(1);
        let progress = ((step - self.warmup_steps) as f64 / decaying_steps as f64).min(1.0);
        let share = match self.decay {
            Decay::Constant => return self.peak,
            Decay::Linear => 1.0 - progress,
            Decay::Cosine => 0.5 * (1.0 + libm::cos(std::f64::consts::PI * progress)),
        };
        self.peak * (self.floor + (1.0 - self.floor) * share)
    }
}

/// Settings of [`AdamW`]. There is no default: each training writes down its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamWConfig {
    /// Share of the old first moment that a step keeps.
    pub beta1: f64,
    /// Share of the old second moment that a step keeps.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay, applied to matrices only: norms and biases are left alone.
    pub weight_decay: f64,
    /// Gradients longer than this are scaled down to it. Infinity turns clipping off.
    pub clip_norm: f64,
}

/// One variable and its two moments.
struct Slot {
    var: Var,
    first: Tensor,
    second: Tensor,
}

/// The optimizer: variables, moments and the number of steps taken.
pub struct AdamW {
    config: AdamWConfig,
    slots: BTreeMap<String, Slot>,
    steps: usize,
}

/// Name of the step counter in a saved state.
const STEPS: &str = "steps";

impl AdamW {
    /// The name its state has in a checkpoint.
    pub(super) const FILE: &'static str = "optimizer.safetensors";

    /// An optimizer for `variables`, whose names must differ (a policy and its value head go in
    /// together, one after the other).
    pub fn new(variables: Vec<(String, Var)>, config: AdamWConfig) -> Result<AdamW> {
        let mut slots = BTreeMap::new(); // one order, whatever the caller's
        for (name, var) in variables {
            let (first, second) = (var.zeros_like()?, var.zeros_like()?);
            if slots.insert(name.clone(), Slot { var, first, second }).is_some() {
                return Err(Error::config("optimizer", format!("two variables are named `{name}`")));
            }
        }
        Ok(AdamW { config, slots, steps: 0 })
    }

    /// Steps taken so far.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The variables that `step` changes, sorted by name: what [`Gradients::add`] asks for.
    pub fn variables(&self) -> Vec<(String, Var)> {
        self.slots.iter().map(|(name, slot)| (name.clone(), slot.var.clone())).collect()
    }

    /// One update with learning rate `lr`, from those of `gradients` that belong to this optimizer's
    /// variables. Returns their norm before clipping.
    ///
    /// # Errors
    /// `Error::NotFinite` for gradients that are not finite; nothing is changed then.
    pub fn step(&mut self, gradients: &Gradients, lr: f64) -> Result<f64> {
        // The Euclidean norm over all gradients together.
        let mine = self.slots.keys().filter_map(|name| gradients.by_name.get(name));
        let norm = mine.map(kernels::square_sum).sum::<candle_core::Result<f64>>()?.sqrt();
        if !norm.is_finite() {
            let what = "the gradient norm".to_owned();
            return Err(Error::NotFinite { what, step: self.steps + 1, value: norm });
        }
        // As torch.nn.utils.clip_grad_norm_.
        let clip = (self.config.clip_norm / (norm + 1e-6)).min(1.0);
        self.steps += 1;
        let AdamWConfig { beta1, beta2, eps, weight_decay, .. } = self.config;
        let correction1 = 1.0 - beta1.powi(self.steps as i32);
        let correction2 = 1.0 - beta2.powi(self.steps as i32);
        for (name, slot) in &mut self.slots {
            let Some(gradient) = gradients.by_name.get(name) else { continue };
            let update = kernels::AdamUpdate {
                clip,
                beta1,
                beta2,
                eps,
                step_size: lr / correction1,
                second_scale: correction2.sqrt(),
                keep: if slot.var.rank() >= 2 { 1.0 - lr * weight_decay } else { 1.0 },
            };
            update.apply(&slot.var, &mut slot.first, &mut slot.second, gradient)?;
        }
        Ok(norm)
    }

    /// Writes both moments of every variable and the step counter, as one safetensors file.
    pub fn save(&self, path: &Path) -> Result<()> {
        let moments = |(name, slot): (&String, &Slot)| {
            [(format!("first.{name}"), slot.first.clone()), (format!("second.{name}"), slot.second.clone())]
        };
        let mut tensors: Vec<(String, Tensor)> = self.slots.iter().flat_map(moments).collect();
        // Two halves, because an `f32` counts exactly only to 2^24.
        let halves = [(self.steps >> 16) as f32, (self.steps & 0xffff) as f32];
        tensors.push((STEPS.into(), Tensor::new(&halves, &Device::Cpu)?));
        write_tensors(path, tensors)
    }

    /// Takes moments and step counter from a file that [`AdamW::save`] wrote for the same variables.
    ///
    /// # Errors
    /// Naming the tensor that is missing or has another shape; nothing is changed then.
    pub fn load(&mut self, path: &Path) -> Result<()> {
        let of_slot = |(name, slot): (&String, &Slot)| {
            ["first", "second"].map(|moment| (format!("{moment}.{name}"), slot.var.dims().to_vec()))
        };
        let expected = self.slots.iter().flat_map(of_slot).chain([(STEPS.into(), vec![2])]);
        let found = read_tensors(path, expected, &Device::Cpu)?; // all of them
        for (name, Slot { var, first, second }) in &mut self.slots {
            *first = found[&format!("first.{name}")].to_device(var.device())?;
            *second = found[&format!("second.{name}")].to_device(var.device())?;
        }
        let halves = found[STEPS].to_vec1::<f32>()?;
        self.steps = ((halves[0] as usize) << 16) | halves[1] as usize;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learning_rates_warm_up_and_decay() {
        let rate = |decay| LearningRate { peak: 2.0, warmup_steps: 4, decay, total_steps: 12, floor: 0.5 };
        for decay in [Decay::Constant, Decay::Linear, Decay::Cosine] {
            let warm_up: Vec<f64> = (0..5).map(|step| rate(decay).at(step)).collect();
            assert_eq!(warm_up, [0.5, 1.0, 1.5, 2.0, 2.0]);
        }
        assert_eq!(rate(Decay::Constant).at(1000), 2.0);
        for decay in [Decay::Linear, Decay::Cosine] {
            assert!((rate(decay).at(8) - 1.5).abs() < 1e-12, "half way");
            assert_eq!([rate(decay).at(12), rate(decay).at(1000)], [1.0, 1.0]);
        }
        assert_eq!(LearningRate::constant(0.1, 0).at(0), 0.1);
    }
}
