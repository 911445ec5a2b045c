//! How much of the study is run: every size, step count and hyper-parameter of a tier in one place.

use serde::{Deserialize, Serialize};

use crate::base::{Error, Result};
use crate::data::{CorpusConfig, SplitConfig};
use crate::model::Config;
use crate::study::evaluate::EvalConfig;
use crate::train::{PpoConfig, SupervisedConfig};

/// All settings of a tier. What an arm's run is named by (its hash) is the part it depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tier {
    /// `smoke`, `quick`, `full`, or one of these with `-custom` behind.
    pub name: String,
    /// For one seed of the whole study on two cores, said before it starts: measured, but for `full`,
    /// which is reckoned from `quick`.
    pub expected_minutes: f64,

    // ---- Data: the same for all seeds, so that arms and seeds compare on the same problems
    /// Of problems and tokenizer.
    pub data_seed: u64,
    /// How many problems each set has.
    pub splits: SplitConfig,
    /// Entries of the tokenizer's vocabulary.
    pub vocabulary: usize,

    // ---- Base model
    /// Sizes of the decoder.
    pub model: Shape,
    /// What it is pretrained on.
    pub corpus: CorpusConfig,
    /// How; a batch is one of documents.
    pub pretrain: SupervisedConfig,
    /// And how long.
    pub pretrain_steps: usize,

    // ---- SFT
    /// Of all SFT arms.
    pub sft: SupervisedConfig,
    /// Steps of each arm of finding 1.
    pub sft_steps: usize,
    /// Steps of `sft-start`.
    pub start_steps: usize,

    // ---- RL
    /// Of all RL arms.
    pub ppo: PpoConfig,
    /// PPO steps of each RL arm.
    pub rl_steps: usize,

    // ---- Evaluation
    /// Of every evaluation.
    pub eval: EvalConfig,
    /// Evaluations in the course of `sft-more` (the sweep over SFT epochs), as shares of its length.
    pub stages: Vec<f64>,
    /// Training steps between checkpoints of SFT and pretraining; RL saves ten times as often.
    pub checkpoint_every: usize,
}

/// The decoder but for its vocabulary, which the tokenizer decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Blocks.
    pub layers: usize,
    /// Attention heads, for queries and for keys alike.
    pub heads: usize,
    /// Most tokens of a sequence.
    pub context: usize,
}

impl Shape {
    /// The whole configuration of the network.
    pub fn config(&self, vocabulary: usize, end_token: u32) -> Config {
        Config {
            vocab_size: vocabulary,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_hidden_layers: self.layers,
            num_attention_heads: self.heads,
            num_key_value_heads: self.heads,
            max_position_embeddings: self.context,
            rope_theta: 10_000.0,
            rms_norm_eps: 1e-5,
            tie_word_embeddings: true,
            bos_token_id: None,
            eos_token_id: Some(end_token),
        }
    }
}

impl Tier {
    /// `smoke`, `quick` or `full`.
    pub fn named(name: &str) -> Result<Tier> {
        let tiers = [Tier::smoke(), Tier::quick(), Tier::full()];
        let known = tiers.each_ref().map(|tier| tier.name.as_str()).join(", ");
        let unknown = Error::Unknown { kind: "tier", name: name.to_owned(), known };
        tiers.into_iter().find(|tier| tier.name == name).ok_or(unknown)
    }

    /// Minutes on two cores; `docs/regime.md` tells how its numbers were found.
    pub fn quick() -> Tier {
        Tier {
            name: "quick".to_owned(),
            expected_minutes: 10.0,
            data_seed: 1,
            splits: SplitConfig::quick(),
            vocabulary: 768,
            model: Shape { hidden_size: 128, intermediate_size: 344, layers: 4, heads: 4, context: 256 },
            corpus: CorpusConfig::quick(),
            pretrain: SupervisedConfig::quick_pretraining(1200),
            pretrain_steps: 1200,
            sft: SupervisedConfig::quick_sft(),
            sft_steps: 200,
            start_steps: 20,
            ppo: PpoConfig::quick(),
            rl_steps: 60,
            eval: EvalConfig { problems_per_set: 60, samples: 4, max_new_tokens: 160 },
            stages: vec![0.125, 0.25, 0.5],
            checkpoint_every: 100,
        }
    }

    /// Longer trainings, more questions; meant for ten seeds and more.
    pub fn full() -> Tier {
        let quick = Tier::quick();
        Tier {
            name: "full".to_owned(),
            expected_minutes: 30.0,
            rl_steps: 4 * quick.rl_steps,
            eval: EvalConfig { problems_per_set: 120, samples: 8, ..quick.eval },
            ..quick
        }
    }

    /// Every stage once, in a minute or two, with a model too small to learn: does the kit run?
    pub fn smoke() -> Tier {
        let quick = Tier::quick();
        Tier {
            name: "smoke".to_owned(),
            expected_minutes: 1.0,
            splits: SplitConfig::smoke(),
            vocabulary: 512,
            model: Shape { hidden_size: 64, intermediate_size: 128, layers: 2, heads: 2, context: 256 },
            pretrain: SupervisedConfig { batch_size: 16, ..SupervisedConfig::quick_pretraining(40) },
            pretrain_steps: 40,
            sft_steps: 10,
            start_steps: 5,
            ppo: PpoConfig { prompts_per_step: 8, max_new_tokens: 60, ..quick.ppo },
            rl_steps: 3,
            eval: EvalConfig { problems_per_set: 8, samples: 2, max_new_tokens: 60 },
            stages: vec![0.5],
            ..quick
        }
    }

    /// This tier with some settings changed, each given as `field=value`, for example
    /// `rl_steps=20` or `ppo.kl_coefficient=0.1`; values are JSON. It is named `<tier>-custom`, so
    /// that its runs never count as the tier's.
    ///
    /// # Errors
    /// `Error::Config` naming the field that does not exist or does not take the value.
    pub fn with(&self, settings: &[String]) -> Result<Tier> {
        if settings.is_empty() {
            return Ok(self.clone());
        }
        let mut changed = serde_json::to_value(self).map_err(|error| Error::config("tier", error))?;
        for setting in settings {
            let (field, value) =
                setting.split_once('=').ok_or_else(|| Error::config(setting, "is not `field=value`"))?;
            let place = changed
                .pointer_mut(&format!("/{}", field.replace('.', "/")))
                .ok_or_else(|| Error::config(field, "no such setting; src/study/tier.rs lists them"))?;
            *place = serde_json::from_str(value)
                .map_err(|error| Error::config(field, format!("`{value}` is not JSON: {error}")))?;
            serde_json::from_value::<Tier>(changed.clone()).map_err(|error| Error::config(field, error))?;
        }
        changed["name"] = format!("{}-custom", self.name).into();
        serde_json::from_value(changed).map_err(|error| Error::config("tier", error))
    }

    /// Optimizer steps of `sft-more`: as many samples as an RL arm draws.
    pub fn more_steps(&self) -> usize {
        self.rl_steps * self.ppo.rollouts_per_step() / self.sft.batch_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_can_be_changed_by_name() {
        let quick = Tier::quick();
        let custom = quick.with(&["rl_steps=7".into(), "ppo.kl_coefficient=0.5".into()]).unwrap();
        assert_eq!((custom.rl_steps, custom.ppo.kl_coefficient), (7, 0.5));
        assert_eq!(custom.name, "quick-custom");
        assert_eq!(custom.model, quick.model);
        assert_eq!(quick.with(&[]).unwrap(), quick);
    }

    #[test]
    fn a_setting_that_cannot_be_is_named() {
        for (setting, field) in
            [("ppo.speed=1", "ppo.speed"), ("rl_steps=-1", "rl_steps"), ("rl_steps", "rl_steps")]
        {
            let message = Tier::quick().with(&[setting.into()]).unwrap_err().to_string();
            assert!(message.contains(field), "{message}");
        }
    }
}
