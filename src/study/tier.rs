//! How much of the study is run: every size, step count and hyper-parameter of a tier in one place,
//! `data/tiers.toml`, and here what they are.

use std::collections::BTreeMap;
use std::path::Path;

use itertools::Itertools;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::project_root;
use crate::base::{Error, Result, Seed, read_toml};
use crate::data::{Catalog, CorpusConfig, SplitConfig};
use crate::model::Config;
use crate::study::evaluate::EvalConfig;
use crate::train::{PpoConfig, SupervisedConfig};

/// All settings of a tier. What an arm's run is named by (its hash) is the part it depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// That of `data/tiers.toml`, or with `-custom` behind.
    pub name: String,
    /// What a custom tier was before it was changed.
    #[serde(skip)]
    pub plain: Option<Box<Tier>>,
    /// For one seed of the whole study on two cores, said before it starts: measured, but for `full`,
    /// which is reckoned from `quick`.
    pub expected_minutes: f64,

    // ---- Data: the same for all seeds, so that arms and seeds compare on the same problems
    /// Of problems and tokenizer.
    pub data_seed: u64,
    /// Where it is given, which topics are source and which target is dealt by it, not as the catalog says.
    #[serde(default)]
    pub sides_seed: Option<u64>,
    /// Whether prompts, and comments of the corpus, are Chinese.
    #[serde(default)]
    pub chinese: bool,
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
    /// Steps of `sft-tuned`.
    pub tuned_steps: usize,
    /// Evaluations in the course of SFT, after so many steps from the base model on.
    pub sft_stages: Vec<usize>,

    // ---- RL
    /// Of all RL arms.
    pub ppo: PpoConfig,
    /// PPO steps of each RL arm.
    pub rl_steps: usize,
    /// Evaluations in the course of RL, after so many of its steps.
    pub rl_stages: Vec<usize>,

    // ---- Evaluation
    /// Of every evaluation.
    pub eval: EvalConfig,
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
    /// The tier `name` of `data/tiers.toml` in the project around the current folder.
    ///
    /// # Errors
    /// `Error::Unknown` with the names there are; `Error::Parse` naming the setting that is wrong.
    pub fn named(name: &str) -> Result<Tier> {
        let path = project_root().join("data/tiers.toml");
        let mut tiers: BTreeMap<String, Value> = read_toml(&path)?;
        let known = tiers.keys().join(", ");
        let mut settings = tiers.get("quick").cloned().unwrap_or_default();
        let unknown = || Error::Unknown { kind: "tier", name: name.to_owned(), known };
        replace(&mut settings, tiers.remove(name).ok_or_else(unknown)?);
        settings["name"] = name.into();
        let wrong = |error| Error::damaged(&path, format!("tier `{name}`: {error}"));
        serde_json::from_value(settings).map_err(wrong)
    }

    /// This tier with some settings changed, each given as `field=value`, for example
    /// `rl_steps=20` or `ppo.kl_coefficient=0.1`; values are JSON. It is named `<tier>-custom`, so
    /// that runs that the changes touch never count as the tier's.
    ///
    /// # Errors
    /// `Error::Config` naming the field that does not exist or does not take the value.
    pub fn with(&self, settings: &[String]) -> Result<Tier> {
        let mut tier = self.clone();
        for setting in settings {
            let (field, value) =
                setting.split_once('=').ok_or_else(|| Error::config(setting, "is not `field=value`"))?;
            let mut changed = serde_json::to_value(&tier)?;
            let place = changed
                .pointer_mut(&format!("/{}", field.replace('.', "/")))
                .ok_or_else(|| Error::config(field, "no such setting; data/tiers.toml lists them"))?;
            *place = serde_json::from_str(value)
                .map_err(|error| Error::config(field, format!("`{value}` is not JSON: {error}")))?;
            tier = serde_json::from_value(changed).map_err(|error| Error::config(field, error))?;
        }
        if !settings.is_empty() {
            let plain = self.plain.clone().unwrap_or_else(|| Box::new(self.clone()));
            tier.name = format!("{}-custom", plain.name);
            tier.plain = Some(plain);
        }
        Ok(tier)
    }

    /// The catalog of the project at `root` as this tier reads it.
    ///
    /// # Errors
    /// As [`Catalog::load`].
    pub fn catalog(&self, root: &Path) -> Result<Catalog> {
        let mut catalog = Catalog::load(&root.join("data/catalog"))?;
        if let Some(seed) = self.sides_seed {
            catalog = catalog.with_dealt_sides(Seed::new(seed));
        }
        Ok(if self.chinese { catalog.in_chinese() } else { catalog })
    }

    /// Optimizer steps of `sft-more`: as many samples as an RL arm draws.
    pub fn more_steps(&self) -> usize {
        self.rl_steps * self.ppo.rollouts_per_step() / self.sft.batch_size
    }
}

/// Puts `changes` in the place of what `settings` says, table by table.
fn replace(settings: &mut Value, changes: Value) {
    match (settings, changes) {
        (Value::Object(settings), Value::Object(changes)) => {
            for (field, changes) in changes {
                replace(settings.entry(field).or_insert(Value::Null), changes);
            }
        }
        (settings, changes) => *settings = changes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_can_be_changed_by_name() {
        let quick = Tier::named("quick").unwrap();
        let custom = quick.with(&["rl_steps=7".into(), "ppo.kl_coefficient=0.5".into()]).unwrap();
        assert_eq!((custom.rl_steps, custom.ppo.kl_coefficient), (7, 0.5));
        assert_eq!(custom.name, "quick-custom");
        assert_eq!(custom.model, quick.model);
        assert_eq!(quick.with(&[]).unwrap(), quick);
    }

    #[test]
    fn a_tier_is_quick_but_for_what_it_says() {
        let [quick, smoke, full] = ["quick", "smoke", "full"].map(|name| Tier::named(name).unwrap());
        assert_eq!(smoke.pretrain.optimizer, quick.pretrain.optimizer);
        assert_eq!((smoke.name.as_str(), smoke.pretrain.batch_size), ("smoke", 16));
        assert_eq!(smoke.pretrain.learning_rate.total_steps, smoke.pretrain_steps);
        assert_eq!(quick.pretrain.learning_rate.total_steps, quick.pretrain_steps);
        let eval = EvalConfig { held_out_samples: 8, ..quick.eval.clone() };
        assert_eq!((full.name.as_str(), full.rl_steps, full.eval), ("full", 4 * quick.rl_steps, eval));
        let message = Tier::named("slow").unwrap_err().to_string();
        assert!(
            message.contains("`slow`")
                && message.contains("full")
                && message.contains("quick, random_topics"),
            "{message}"
        );
    }

    #[test]
    fn a_setting_that_cannot_be_is_named() {
        for (setting, field) in
            [("ppo.speed=1", "ppo.speed"), ("rl_steps=-1", "rl_steps"), ("rl_steps", "rl_steps")]
        {
            let message = Tier::named("quick").unwrap().with(&[setting.into()]).unwrap_err().to_string();
            assert!(message.contains(field), "{message}");
        }
    }
}
