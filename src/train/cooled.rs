//! No training: a model at a lower temperature. The control for all that RL gains by being more certain.

use std::iter::repeat_n;
use std::ops::Range;
use std::path::Path;

use super::method::{Method, Observe};
use super::ppo::{PpoConfig, Task, choose_tasks};
use crate::base::Seed;
use crate::model::{Completion, Decoder, Sampling, sample};
use crate::{Error, Result};

/// Halvings of the range of temperatures.
const HALVINGS: usize = 10;
/// Where the temperature is looked for.
const RANGE: [f64; 2] = [0.05, 2.0];

/// `model` at the temperature at which its answers have the mean token entropy of those of `like`, which are
/// sampled at temperature 1. The temperature becomes part of the weights ([`Decoder::at_temperature`]).
pub struct Cooled<'a> {
    /// At temperature 1 at first.
    pub model: Decoder,
    /// What it is made as certain as.
    pub like: Decoder,
    /// Prompts, of which as many are answered as in a step of PPO.
    pub tasks: Vec<Task>,
    /// How many, and how often.
    pub sampling: &'a PpoConfig,
}

impl Cooled<'_> {
    /// Estimated mean entropy of the tokens of answers in nats, and how many they were: the mean of
    /// `-log p` over tokens that were drawn from `p`.
    fn entropy(&self, model: &Decoder, seed: Seed) -> Result<(f64, usize)> {
        let end_token = model.config().eos_token_id.ok_or_else(|| {
            Error::config("eos_token_id", "sampling needs a model whose config.json names the end token")
        })?;
        let PpoConfig { prompts_per_step, samples_per_prompt, max_new_tokens, .. } = *self.sampling;
        let chosen = choose_tasks(&self.tasks, prompts_per_step, 0, seed)?;
        let repeated = chosen.into_iter().flat_map(|task| repeat_n(task.prompt.clone(), samples_per_prompt));
        let sampling = Sampling { temperature: 1.0, max_new_tokens, end_token };
        let completions =
            sample(model, None, &repeated.collect::<Vec<_>>(), &sampling, seed.child("sample"))?;
        let tokens: usize = completions.iter().map(|completion| completion.tokens.len()).sum();
        let log_prob =
            |completion: &Completion| -> f64 { completion.log_probs.iter().map(|p| f64::from(*p)).sum() };
        Ok((-completions.iter().map(log_prob).sum::<f64>() / tokens.max(1) as f64, tokens))
    }
}

impl Method for Cooled<'_> {
    fn model(&self) -> &Decoder {
        &self.model
    }

    fn train(&mut self, seed: Seed, steps: Range<usize>, observe: &mut Observe) -> Result<()> {
        let (wanted, mut sampled) = self.entropy(&self.like, seed)?;
        let ([mut low, mut high], mut entropy) = (RANGE, f64::NAN);
        for _ in 0..HALVINGS {
            let middle = (low + high) / 2.0;
            let (found, tokens) = self.entropy(&self.model.at_temperature(middle)?, seed)?;
            (entropy, sampled) = (found, sampled + tokens);
            *(if found < wanted { &mut low } else { &mut high }) = middle;
        }
        let temperature = (low + high) / 2.0;
        self.model = self.model.at_temperature(temperature)?;
        let values = [
            ("temperature", temperature),
            ("entropy", entropy),
            ("entropy_wanted", wanted),
            ("tokens_sampled", sampled as f64),
        ];
        observe(steps.start, values.map(|(name, value)| (name.to_owned(), value)).into())
    }

    fn save(&self, _: &Path) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::model::{Batch, Kernels};
    use crate::study::Tier;

    fn model(seed: u64) -> Decoder {
        let shape = Tier::named("smoke").unwrap().model.config(50, 0);
        Decoder::new(&shape, Seed::new(seed), &Device::Cpu, Kernels::Fused)
            .unwrap()
            .at_temperature(0.1)
            .unwrap()
    }

    #[test]
    fn a_temperature_in_the_weights_divides_the_logits() {
        let model = model(1);
        let logits = |model: &Decoder| -> Vec<f32> {
            let batch = Batch::pack(&[[1, 2, 3].as_slice()], &Device::Cpu).unwrap();
            let hidden = model.hidden(&batch).unwrap();
            model.logits(&hidden).unwrap().flatten_all().unwrap().to_vec1().unwrap()
        };
        let cooled = logits(&model.at_temperature(0.25).unwrap());
        for (plain, cooled) in logits(&model).into_iter().zip(cooled) {
            assert!((4.0 * plain - cooled).abs() < 1e-5 * (1.0 + cooled.abs()), "{plain} {cooled}");
        }
    }

    /// What is looked for is known: a model that was itself made from the other one at .6.
    #[test]
    fn the_temperature_is_found_again() {
        let (model, mut sampling) = (model(1), Tier::named("smoke").unwrap().ppo);
        (sampling.prompts_per_step, sampling.samples_per_prompt, sampling.max_new_tokens) = (32, 8, 20);
        let tasks = (1..=32).map(|token| Task { prompt: vec![token], problem: 0 }).collect();
        let like = model.at_temperature(0.6).unwrap();
        let mut cooled = Cooled { model, like, tasks, sampling: &sampling };
        let mut found = 0.0;
        cooled
            .train(Seed::new(3), 0..1, &mut |_, values| {
                found = values["temperature"];
                assert!((values["entropy"] - values["entropy_wanted"]).abs() < 0.02, "{values:?}");
                Ok(())
            })
            .unwrap();
        assert!((found - 0.6).abs() < 0.02, "{found}");
    }
}
