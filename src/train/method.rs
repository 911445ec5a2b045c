//! What a study asks of a method, and the methods there are: a loop with its data, its settings and
//! everything it changes.
//!
//! A new method implements [`Method`] in a file of its own, beside its loop.

use std::borrow::Cow;
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
use crate::model::Decoder;

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

/// Pretraining and SFT.
pub struct Supervised<'a> {
    model: Decoder,
    optimizer: AdamW,
    config: Cow<'a, SupervisedConfig>,
    examples: Box<dyn Fn(usize, Seed) -> Result<Vec<Example>> + 'a>,
}

impl<'a> Supervised<'a> {
    /// `examples` as of [`train_supervised`].
    pub fn new(
        model: Decoder,
        checkpoint: Option<&Path>,
        config: Cow<'a, SupervisedConfig>,
        examples: impl Fn(usize, Seed) -> Result<Vec<Example>> + 'a,
    ) -> Result<Self> {
        let mut optimizer = AdamW::new(model.variables(), config.optimizer.clone())?;
        checkpoint.map_or(Ok(()), |folder| optimizer.load(&folder.join(AdamW::FILE)))?;
        Ok(Supervised { model, optimizer, config, examples: Box::new(examples) })
    }
}

impl Method for Supervised<'_> {
    fn model(&self) -> &Decoder {
        &self.model
    }

    fn train(&mut self, seed: Seed, steps: Range<usize>, observe: &mut Observe) -> Result<()> {
        let Supervised { model, optimizer, config, examples } = self;
        train_supervised(model, optimizer, examples, config, seed, steps, &mut |m| {
            observe(m.step, metric_values(m.step, m)?)
        })
    }

    fn save(&self, folder: &Path) -> Result<()> {
        self.optimizer.save(&folder.join(AdamW::FILE))
    }
}

/// PPO against a judge.
pub struct Ppo<'a> {
    /// The policy and what is trained beside it.
    pub learner: Learner,
    /// The prompts.
    pub tasks: Vec<Task>,
    /// Of the answers to them.
    pub judge: Judge<'a>,
    /// All settings.
    pub config: Cow<'a, PpoConfig>,
}

impl Method for Ppo<'_> {
    fn model(&self) -> &Decoder {
        &self.learner.policy
    }

    fn train(&mut self, seed: Seed, steps: Range<usize>, observe: &mut Observe) -> Result<()> {
        let Ppo { learner, tasks, judge, config } = self;
        train_ppo(learner, tasks, judge, config, seed, steps, &mut |m| {
            observe(m.step, metric_values(m.step, m)?)
        })
    }

    fn save(&self, folder: &Path) -> Result<()> {
        self.learner.save(folder)
    }

    fn programs_judged(&self) -> u64 {
        self.judge.programs_judged()
    }
}
