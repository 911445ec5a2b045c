//! What PPO trains, from its first step on or from a checkpoint.

use std::path::Path;

use super::PpoConfig;
use crate::Result;
use crate::model::{Decoder, ValueHead};
use crate::train::optim::AdamW;

/// Everything that takes part in PPO and outlives a step.
pub struct Learner {
    /// What learns to answer.
    pub policy: Decoder,
    /// The frozen start: what the KL penalty holds the policy to.
    pub reference: Decoder,
    /// What learns to expect: the critic.
    pub value: ValueHead,
    /// Of the policy's variables.
    pub policy_optimizer: AdamW,
    /// Of the value head's.
    pub value_optimizer: AdamW,
}

const VALUE: &str = "value.safetensors";
const VALUE_OPTIMIZER: &str = "value_optimizer.safetensors";

impl Learner {
    /// A critic that expects nothing and optimizers without a past; or all as [`Learner::save`] left it in
    /// the folder `checkpoint`, where `policy` comes from then.
    pub fn new(
        policy: Decoder,
        reference: Decoder,
        config: &PpoConfig,
        checkpoint: Option<&Path>,
    ) -> Result<Learner> {
        let (hidden_size, device) = (policy.config().hidden_size, policy.device());
        let value = match checkpoint {
            Some(folder) => ValueHead::load(&folder.join(VALUE), hidden_size, device)?,
            None => ValueHead::new(hidden_size, device)?,
        };
        let mut policy_optimizer = AdamW::new(policy.variables(), config.optimizer.clone())?;
        let mut value_optimizer = AdamW::new(value.variables(), config.value_optimizer.clone())?;
        if let Some(folder) = checkpoint {
            policy_optimizer.load(&folder.join(AdamW::FILE))?;
            value_optimizer.load(&folder.join(VALUE_OPTIMIZER))?;
        }
        Ok(Learner { policy, reference: reference.freeze(), value, policy_optimizer, value_optimizer })
    }

    /// Writes all but the two models.
    pub fn save(&self, folder: &Path) -> Result<()> {
        self.policy_optimizer.save(&folder.join(AdamW::FILE))?;
        self.value.save(&folder.join(VALUE))?;
        self.value_optimizer.save(&folder.join(VALUE_OPTIMIZER))
    }
}
