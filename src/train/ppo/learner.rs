//! What PPO trains, from its first step on or from a checkpoint.

use std::path::Path;

use super::PpoConfig;
use super::critic::Critic;
use crate::Result;
use crate::model::Decoder;
use crate::train::optim::AdamW;

/// Everything that takes part in PPO and outlives a step.
pub struct Learner {
    /// What learns to answer.
    pub policy: Decoder,
    /// The frozen start: what the KL penalty holds the policy to.
    pub reference: Decoder,
    /// What learns to expect.
    pub critic: Critic,
    /// Of the policy's variables.
    pub policy_optimizer: AdamW,
}

impl Learner {
    /// A critic that expects nothing and optimizers without a past; or all as [`Learner::save`] left it in
    /// the folder `checkpoint`, where `policy` comes from then.
    pub fn new(
        policy: Decoder,
        reference: Decoder,
        config: &PpoConfig,
        checkpoint: Option<&Path>,
    ) -> Result<Learner> {
        let critic = Critic::new(&reference, config, checkpoint)?;
        let mut policy_optimizer = AdamW::new(policy.variables(), config.optimizer.clone())?;
        if let Some(folder) = checkpoint {
            policy_optimizer.load(&folder.join(AdamW::FILE))?;
        }
        Ok(Learner { policy, reference: reference.freeze(), critic, policy_optimizer })
    }

    /// Writes all but the two models.
    pub fn save(&self, folder: &Path) -> Result<()> {
        self.policy_optimizer.save(&folder.join(AdamW::FILE))?;
        self.critic.save(folder)
    }
}
