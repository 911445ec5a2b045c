//! AdamW (Loshchilov & Hutter 2019) with gradient clipping, and a state that can be saved: a
//! training resumed from `save`/`load` equals one that was never interrupted, bit for bit.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};

use crate::model::{read_tensors, write_tensors};
use crate::{Error, Result};

/// Gradients by variable name, summed over microbatches.
#[derive(Default)]
pub struct Gradients {
    by_name: BTreeMap<String, Tensor>,
}

impl Gradients {
    pub fn new() -> Gradients {
        Gradients::default()
    }

    /// Adds what one backward pass left in `store`. A variable that the loss does not depend on has
    /// no gradient there and is left out.
    pub fn add(&mut self, variables: &[(String, Var)], store: &GradStore) -> Result<()> {
        for (name, var) in variables {
            let Some(gradient) = store.get(var) else { continue };
            let gradient = gradient.detach();
            let total = match self.by_name.remove(name) {
                Some(total) => (total + gradient)?,
                None => gradient,
            };
            self.by_name.insert(name.clone(), total);
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.by_name.get(name)
    }

    /// The Euclidean norm over all gradients together.
    pub fn norm(&self) -> Result<f64> {
        let mut total = 0.0;
        for gradient in self.by_name.values() {
            total += kernels::square_sum(gradient)?;
        }
        Ok(total.sqrt())
    }
}

/// Settings of [`AdamW`]. There is no default: each training writes down its own.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AdamWConfig {
    /// Learning rate where the caller of `step` has no schedule of its own.
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    /// Decoupled weight decay, applied to matrices only: norms and biases are left alone.
    pub weight_decay: f64,
    /// Gradients longer than this are scaled down to it. Infinity turns clipping off.
    pub clip_norm: f64,
}

/// One variable and its two moments.
struct Slot {
    name: String,
    var: Var,
    first: Tensor,
    second: Tensor,
    decay: bool,
}

/// The optimizer: variables, moments and the number of steps taken.
pub struct AdamW {
    config: AdamWConfig,
    slots: Vec<Slot>,
    steps: usize,
}

/// Name of the step counter in a saved state.
const STEPS: &str = "steps";

impl AdamW {
    /// An optimizer for `variables`, whose names must differ (a policy and its value head go in
    /// together, one after the other).
    pub fn new(variables: Vec<(String, Var)>, config: AdamWConfig) -> Result<AdamW> {
        let mut slots = Vec::with_capacity(variables.len());
        for (name, var) in variables {
            let first = var.zeros_like()?;
            let second = var.zeros_like()?;
            slots.push(Slot { decay: var.rank() >= 2, name, var, first, second });
        }
        // One order, whatever the caller's.
        slots.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = slots.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(Error::Data(format!("two variables are named `{}`", pair[0].name)));
        }
        Ok(AdamW { config, slots, steps: 0 })
    }

    pub fn config(&self) -> &AdamWConfig {
        &self.config
    }

    /// Steps taken so far.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The variables that `step` changes, sorted by name: what [`Gradients::add`] asks for.
    pub fn variables(&self) -> Vec<(String, Var)> {
        self.slots.iter().map(|slot| (slot.name.clone(), slot.var.clone())).collect()
    }

    /// One update with learning rate `lr`. Returns the norm of the gradients before clipping.
    /// Gradients that are not finite are an error and change nothing.
    pub fn step(&mut self, gradients: &Gradients, lr: f64) -> Result<f64> {
        let norm = gradients.norm()?;
        if !norm.is_finite() {
            let message = format!("the gradient norm of optimizer step {} is {norm}", self.steps + 1);
            return Err(Error::Data(message));
        }
        // As torch.nn.utils.clip_grad_norm_.
        let clip = (self.config.clip_norm / (norm + 1e-6)).min(1.0);
        self.steps += 1;
        let AdamWConfig { beta1, beta2, eps, weight_decay, .. } = self.config;
        let correction1 = 1.0 - beta1.powi(self.steps as i32);
        let correction2 = 1.0 - beta2.powi(self.steps as i32);
        for slot in &mut self.slots {
            let Some(gradient) = gradients.get(&slot.name) else { continue };
            let update = kernels::AdamUpdate {
                clip,
                beta1,
                beta2,
                eps,
                step_size: lr / correction1,
                second_scale: correction2.sqrt(),
                keep: if slot.decay { 1.0 - lr * weight_decay } else { 1.0 },
            };
            update.apply(&slot.var, &mut slot.first, &mut slot.second, gradient)?;
        }
        Ok(norm)
    }

    /// Writes both moments of every variable and the step counter, as one safetensors file.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut tensors = Vec::new();
        for slot in &self.slots {
            tensors.push((format!("first.{}", slot.name), slot.first.clone()));
            tensors.push((format!("second.{}", slot.name), slot.second.clone()));
        }
        // Two halves, because an `f32` counts exactly only to 2^24.
        let halves = [(self.steps >> 16) as f32, (self.steps & 0xffff) as f32];
        tensors.push((STEPS.into(), Tensor::new(&halves, &candle_core::Device::Cpu)?));
        write_tensors(path, &tensors)
    }

    /// Takes moments and step counter from a file that [`AdamW::save`] wrote for the same variables.
    pub fn load(&mut self, path: &Path) -> Result<()> {
        let cpu = candle_core::Device::Cpu;
        let mut found = read_tensors(path, &cpu)?;
        let mut take = |name: String, expected: &[usize]| {
            let tensor = found
                .remove(&name)
                .ok_or_else(|| Error::damaged(path, format!("tensor `{name}` is missing")))?;
            if tensor.dims() != expected {
                let (expected, found) = (expected.to_vec(), tensor.dims().to_vec());
                return Err(Error::Shape { path: path.into(), tensor: name, expected, found });
            }
            Ok(tensor)
        };
        let mut moments = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            let device = slot.var.device();
            let first = take(format!("first.{}", slot.name), slot.var.dims())?.to_device(device)?;
            let second = take(format!("second.{}", slot.name), slot.var.dims())?.to_device(device)?;
            moments.push((first, second));
        }
        let halves = take(STEPS.into(), &[2])?.to_vec1::<f32>()?;
        // Nothing is changed before everything was read.
        self.steps = ((halves[0] as usize) << 16) | halves[1] as usize;
        for (slot, (first, second)) in self.slots.iter_mut().zip(moments) {
            (slot.first, slot.second) = (first, second);
        }
        Ok(())
    }
}
