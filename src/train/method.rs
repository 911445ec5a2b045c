//! What a study asks of a method, and the methods there are: a loop with its data, its settings and
//! everything it changes.
//!
//! A new method implements [`Method`] in a file of its own, beside its loop.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::metric_values;
use super::optim::AdamW;
use super::ppo::{Learner, PpoConfig, Task, train_ppo};
use super::reward::Judge;
use super::supervised::{Example, SupervisedConfig, train_supervised};
use crate::Result;
use crate::base::Seed;
use crate::model::{Decoder, ValueHead};

/// Sees a step's number and its measurements right after its update.
pub type Observe<'a> = dyn FnMut(usize, BTreeMap<String, f64>) -> Result<()> + 'a;

/// A training that can be stopped after any step and taken up again, bit for bit: it is made from a
/// model and, to be taken up, from the folder of a checkpoint.
pub trait Method {
    /// The model in training.
    fn model(&self) -> &Decoder;

    /// Runs the steps `steps`, of which step `n` draws from `seed.child_index(n)` alone. Measurements
    /// called `tokens_trained`, `tokens_sampled` and `tokens_scored` are what it costs.
    fn train(&mut self, seed: Seed, steps: Range<usize>, observe: &mut Observe) -> Result<()>;

    /// Writes what it needs besides the model to be taken up again.
    fn save(&self, folder: &Path) -> Result<()>;

    /// Programs given to the sandbox so far.
    fn programs_judged(&self) -> u64 {
        0
    }
}

const OPTIMIZER: &str = "optimizer.safetensors";

/// Pretraining and SFT.
pub struct Supervised<'a> {
    model: Decoder,
    optimizer: AdamW,
    config: &'a SupervisedConfig,
    examples: Box<dyn Fn(usize, Seed) -> Result<Vec<Example>> + 'a>,
    offset: usize,
}

impl<'a> Supervised<'a> {
    /// `examples` as of [`train_supervised`]; step 0 is its step `offset`.
    pub fn new(
        model: Decoder,
        checkpoint: Option<&Path>,
        config: &'a SupervisedConfig,
        examples: impl Fn(usize, Seed) -> Result<Vec<Example>> + 'a,
        offset: usize,
    ) -> Result<Self> {
        let mut optimizer = AdamW::new(model.variables(), config.optimizer.clone())?;
        if let Some(folder) = checkpoint {
            optimizer.load(&folder.join(OPTIMIZER))?;
        }
        Ok(Supervised { model, optimizer, config, examples: Box::new(examples), offset })
    }
}

impl Method for Supervised<'_> {
    fn model(&self) -> &Decoder {
        &self.model
    }

    fn train(&mut self, seed: Seed, steps: Range<usize>, observe: &mut Observe) -> Result<()> {
        let Supervised { model, optimizer, config, examples, offset } = self;
        let steps = steps.start + *offset..steps.end + *offset;
        train_supervised(model, optimizer, examples, config, seed, steps, &mut |m| {
            observe(m.step - *offset, metric_values(m.step, m)?)
        })
    }

    fn save(&self, folder: &Path) -> Result<()> {
        self.optimizer.save(&folder.join(OPTIMIZER))
    }
}

/// PPO against a judge.
pub struct Ppo<'a> {
    policy: Decoder,
    value: ValueHead,
    policy_optimizer: AdamW,
    value_optimizer: AdamW,
    reference: Decoder,
    tasks: Vec<Task>,
    judge: Judge<'a>,
    config: &'a PpoConfig,
}

impl<'a> Ppo<'a> {
    const VALUE: &'static str = "value.safetensors";
    const VALUE_OPTIMIZER: &'static str = "value_optimizer.safetensors";

    /// `reference` is what the KL penalty holds the policy to: the model that training started from.
    pub fn new(
        policy: Decoder,
        checkpoint: Option<&Path>,
        config: &'a PpoConfig,
        reference: Decoder,
        tasks: Vec<Task>,
        judge: Judge<'a>,
    ) -> Result<Self> {
        let (hidden_size, device) = (policy.config().hidden_size, policy.device());
        let value = match checkpoint {
            Some(folder) => ValueHead::load(&folder.join(Self::VALUE), hidden_size, device)?,
            None => ValueHead::new(hidden_size, device)?,
        };
        let mut policy_optimizer = AdamW::new(policy.variables(), config.optimizer.clone())?;
        let mut value_optimizer = AdamW::new(value.variables(), config.value_optimizer.clone())?;
        if let Some(folder) = checkpoint {
            policy_optimizer.load(&folder.join(OPTIMIZER))?;
            value_optimizer.load(&folder.join(Self::VALUE_OPTIMIZER))?;
        }
        Ok(Ppo { policy, value, policy_optimizer, value_optimizer, reference, tasks, judge, config })
    }
}

impl Method for Ppo<'_> {
    fn model(&self) -> &Decoder {
        &self.policy
    }

    fn train(&mut self, seed: Seed, steps: Range<usize>, observe: &mut Observe) -> Result<()> {
        let mut learner = Learner {
            policy: &self.policy,
            reference: &self.reference,
            value: &self.value,
            policy_optimizer: &mut self.policy_optimizer,
            value_optimizer: &mut self.value_optimizer,
        };
        train_ppo(&mut learner, &self.tasks, &mut self.judge, self.config, seed, steps, &mut |m| {
            observe(m.step, metric_values(m.step, m)?)
        })
    }

    fn save(&self, folder: &Path) -> Result<()> {
        self.policy_optimizer.save(&folder.join(OPTIMIZER))?;
        self.value.save(&folder.join(Self::VALUE))?;
        self.value_optimizer.save(&folder.join(Self::VALUE_OPTIMIZER))
    }

    fn programs_judged(&self) -> u64 {
        self.judge.programs_judged()
    }
}
