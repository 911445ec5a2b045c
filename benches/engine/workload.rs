//! What both engines are given: the quick tier's model, the same weights, the same batches, written
//! into a folder that `benches/torch_engine.py` reads.

use std::path::Path;

use candle_core::Device;
use rand::Rng;
use serde::{Deserialize, Serialize};
use sft_vs_rl::{
    AdamW, Config, Decoder, Error, Example, ExamplePool, Kernels, LearningRate, Mixture, PpoConfig, Result,
    Seed, SupervisedConfig, Tier, train_supervised,
};

const END: u32 = 1;
/// Examples of one SFT step, prompts of one PPO step.
const EXAMPLES: usize = 32;
const PROMPTS: usize = 64;

#[derive(Serialize, Deserialize)]
pub struct Workload {
    /// One SFT step: 32 examples, prompts of 18 to 33 tokens, responses of 30 to 92.
    pub sft: Vec<Tokens>,
    pub sft_config: SupervisedConfig,
    /// 64 prompts of 18 to 33 tokens.
    pub prompts: Vec<Vec<u32>>,
    /// Length of the responses where it is fixed (rollouts, not PPO).
    pub new_tokens: usize,
    pub ppo_config: PpoConfig,
    /// Every how many PPO rollouts are told to have passed: what the verifier would say.
    pub pass_every: usize,
}

#[derive(Serialize, Deserialize)]
pub struct Tokens {
    pub prompt: Vec<u32>,
    pub response: Vec<u32>,
}

impl Workload {
    pub fn load(dir: &Path) -> Result<Workload> {
        let path = dir.join("workload.json");
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        serde_json::from_str(&text).map_err(|error| Error::parse(&path, error.line(), error))
    }

    /// The examples as the one pool of an SFT arm: a batch is all of them.
    pub fn mixture(&self) -> Result<Mixture> {
        let examples = self.sft.iter().map(|Tokens { prompt, response }| Example {
            prompt: prompt.clone(),
            response: response.clone(),
        });
        Mixture::new(vec![ExamplePool { name: "bench".into(), weight: 1.0, examples: examples.collect() }])
    }
}

/// The quick tier's sizes.
pub fn model_config() -> Result<Config> {
    let tier = Tier::named("quick")?;
    Ok(tier.model.config(tier.vocabulary, END))
}

/// Writes weights and batches into `dir`. The model is trained for a moment, on noise, until it has
/// learned that a response ends after some 60 tokens: a random model would hardly ever end one.
pub fn write(dir: &Path) -> Result<()> {
    let (tier, config) = (Tier::named("quick")?, model_config()?);
    let vocab = config.vocab_size as u32;
    let mut random = Seed::new(1).stream("bench workload");
    let mut example = |prompt: usize, response: usize| {
        let mut draw = |count: usize| (0..count).map(|_| random.random_range(2..vocab)).collect::<Vec<u32>>();
        let (prompt, mut response) = (draw(prompt), draw(response - 1));
        response.push(END);
        Tokens { prompt, response }
    };
    let sft = (0..EXAMPLES).map(|i| example(18 + i % 16, 30 + 2 * i)).collect();
    let prompts = (0..PROMPTS).map(|i| example(18 + i % 16, 1).prompt).collect();
    let noise: Vec<Example> = (0..2048)
        .map(|i| example(18 + i % 16, 30 + i % 63))
        .map(|Tokens { prompt, response }| Example { prompt, response })
        .collect();

    let model = Decoder::new(&config, Seed::new(1), &Device::Cpu, Kernels::Fused)?;
    let settings = SupervisedConfig { learning_rate: LearningRate::constant(2e-3, 10), ..tier.sft.clone() };
    let mut optimizer = AdamW::new(model.variables(), settings.optimizer.clone())?;
    let mixture = Mixture::new(vec![ExamplePool { name: "noise".into(), weight: 1.0, examples: noise }])?;
    let batch = |_, seed| Ok(mixture.batch(settings.batch_size, seed));
    train_supervised(&model, &mut optimizer, &batch, &settings, Seed::new(2), 0..60, &mut |_| Ok(()))?;
    model.save(dir)?;

    let workload =
        Workload { sft, sft_config: tier.sft, prompts, new_tokens: 60, ppo_config: tier.ppo, pass_every: 3 };
    let path = dir.join("workload.json");
    let text = serde_json::to_string(&workload)?;
    std::fs::write(&path, text).map_err(Error::io(&path))
}
