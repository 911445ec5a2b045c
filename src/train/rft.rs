//! Rejection-sampling fine-tuning (RFT): a model answers, and is then taught its own answers that passed.
//!
//! Source: Yuan et al., arXiv 2308.01825, one round. Between SFT and RL: the data are the model's own, the loss
//! is SFT's. The prompts are those that RL gets at the same seed, as often; of equal passing answers to a
//! prompt one is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::repeat_n;
use std::ops::Range;
use std::path::Path;

use super::method::{Method, Observe};
use super::metric_values;
use super::optim::AdamW;
use super::ppo::{PpoConfig, Task, choose_tasks};
use super::reward::{Judge, Verifier};
use super::supervised::{Example, ExamplePool, Mixture, SupervisedConfig, train_supervised};
use crate::base::{Seed, read_json, write_json};
use crate::model::{Completion, Decoder, Sampling, sample};
use crate::{Error, Result};

/// Of a checkpoint: the answers that are taught.
const ANSWERS: &str = "answers.json";

/// One round: as many answers as RL samples, then SFT on those that passed.
pub struct Rft<'a> {
    model: Decoder,
    optimizer: AdamW,
    config: &'a SupervisedConfig,
    sampling: &'a PpoConfig,
    rl_steps: usize,
    tasks: Vec<Task>,
    judge: Judge<'a>,
    /// What is taught, once it was sampled.
    answers: Option<Vec<Example>>,
}

impl<'a> Rft<'a> {
    /// Samples as PPO with the settings `sampling` does in `rl_steps` steps, learns as `config` says.
    pub fn new(
        model: Decoder,
        checkpoint: Option<&Path>,
        config: &'a SupervisedConfig,
        (sampling, rl_steps): (&'a PpoConfig, usize),
        tasks: Vec<Task>,
        judge: Judge<'a>,
    ) -> Result<Self> {
        let mut optimizer = AdamW::new(model.variables(), config.optimizer.clone())?;
        let mut answers = None;
        if let Some(folder) = checkpoint {
            optimizer.load(&folder.join(AdamW::FILE))?;
            answers = Some(read_json(&folder.join(ANSWERS))?);
        }
        Ok(Rft { model, optimizer, config, sampling, rl_steps, tasks, judge, answers })
    }
}

/// The distinct answers of `model` that passed, in the order in which they came, and how many tokens were sampled:
/// as many answers as PPO samples in `steps` steps, to the same prompts.
fn passing_answers(
    model: &Decoder,
    tasks: &[Task],
    verifier: &mut dyn Verifier,
    config: &PpoConfig,
    steps: usize,
    seed: Seed,
) -> Result<(Vec<Example>, usize)> {
    let end_token = model.config().eos_token_id.ok_or_else(|| {
        Error::config("eos_token_id", "RFT needs a model whose config.json names the end token")
    })?;
    let sampling = Sampling { temperature: 1.0, max_new_tokens: config.max_new_tokens, end_token };
    let (mut seen, mut examples, mut tokens) = (BTreeSet::new(), Vec::new(), 0);
    for step in 0..steps {
        let chosen = choose_tasks(tasks, config.prompts_per_step, step, seed)?;
        let rows: Vec<&Task> =
            chosen.into_iter().flat_map(|task| repeat_n(task, config.samples_per_prompt)).collect();
        let prompts: Vec<Vec<u32>> = rows.iter().map(|task| task.prompt.clone()).collect();
        let step_seed = seed.child_index(step as u64);
        let completions = sample(model, None, &prompts, &sampling, step_seed.child("sample"))?;
        tokens += completions.iter().map(|completion| completion.tokens.len()).sum::<usize>();
        let finished = rows.iter().zip(&completions).filter(|(_, completion)| completion.finished);
        let answers: Vec<(&Task, &Completion)> = finished.map(|(task, answer)| (*task, answer)).collect();
        let asked: Vec<_> = answers.iter().map(|(task, answer)| (task.problem, *answer)).collect();
        for ((task, answer), judgement) in answers.into_iter().zip(verifier.judge(&asked)?) {
            let example = Example { prompt: task.prompt.clone(), response: answer.tokens.clone() };
            if judgement.reward == Some(1.0) && seen.insert(example.clone()) {
                examples.push(example);
            }
        }
    }
    Ok((examples, tokens))
}

/// A passing answer is as likely to be drawn as any other. None where nothing passed: then nothing is taught.
fn taught(examples: Vec<Example>) -> Result<Option<Mixture>> {
    let pool = ExamplePool { name: "passing answers".to_owned(), weight: 1.0, examples };
    (!pool.examples.is_empty()).then(|| Mixture::new(vec![pool])).transpose()
}

impl Method for Rft<'_> {
    fn model(&self) -> &Decoder {
        &self.model
    }

    fn train(&mut self, seed: Seed, steps: Range<usize>, observe: &mut Observe) -> Result<()> {
        let mut sampled = 0;
        if self.answers.is_none() {
            let Rft { model, tasks, judge, sampling, rl_steps, .. } = self;
            let (examples, tokens) = passing_answers(model, tasks, judge, sampling, *rl_steps, seed)?;
            (self.answers, sampled) = (Some(examples), tokens);
        }
        let answers = self.answers.clone().unwrap_or_default();
        let of_pool = ("answers_taught".to_owned(), answers.len() as f64);
        let mut sampled = |values: &mut BTreeMap<String, f64>| {
            values.extend([
                of_pool.clone(),
                ("tokens_sampled".to_owned(), std::mem::take(&mut sampled) as f64),
            ]);
        };
        let Some(mixture) = taught(answers)? else {
            return steps.into_iter().try_for_each(|step| {
                let mut values = BTreeMap::new();
                sampled(&mut values);
                observe(step, values)
            });
        };
        let batch = |_, seed| Ok(mixture.batch(self.config.batch_size, seed));
        let (optimizer, seed) = (&mut self.optimizer, seed.child("sft"));
        train_supervised(&self.model, optimizer, &batch, self.config, seed, steps, &mut |m| {
            let mut values = metric_values(m.step, m)?;
            sampled(&mut values);
            observe(m.step, values)
        })
    }

    fn save(&self, folder: &Path) -> Result<()> {
        write_json(&folder.join(ANSWERS), &self.answers)?;
        self.optimizer.save(&folder.join(AdamW::FILE))
    }

    fn programs_judged(&self) -> u64 {
        self.judge.programs_judged()
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::model::Kernels;
    use crate::study::Tier;
    use crate::train::reward::Judgement;

    #[test]
    fn what_passed_is_kept_once_with_its_own_prompt() {
        let (tier, end) = (Tier::named("smoke").unwrap(), 0);
        let model =
            Decoder::new(&tier.model.config(4, end), Seed::new(1), &Device::Cpu, Kernels::Fused).unwrap();
        let config =
            PpoConfig { prompts_per_step: 3, samples_per_prompt: 20, max_new_tokens: 4, ..tier.ppo.clone() };
        let tasks: Vec<Task> =
            (1..=3).map(|token| Task { prompt: vec![token], problem: token as usize }).collect();
        // Right is what starts with the problem's number.
        let (mut right, mut asked) = (Vec::new(), 0);
        let mut verifier = |answers: &[(usize, &Completion)]| {
            let judgement = |(problem, answer): &(usize, &'_ Completion)| {
                assert!(answer.finished);
                asked += 1;
                let passes = answer.tokens[0] as usize == *problem;
                if passes {
                    right.push((*problem as u32, answer.tokens.clone()));
                }
                Judgement { word: None, reward: Some(f32::from(passes)) }
            };
            Ok(answers.iter().map(judgement).collect())
        };
        let (examples, tokens) =
            passing_answers(&model, &tasks, &mut verifier, &config, 2, Seed::new(5)).unwrap();
        assert!(asked < 120 && (asked..=480).contains(&tokens), "{asked} {tokens}");
        let kept: Vec<_> =
            examples.into_iter().map(|example| (example.prompt[0], example.response)).collect();
        let first_times = |at: usize| !right[..at].contains(&right[at]);
        let expected: Vec<_> =
            (0..right.len()).filter(|at| first_times(*at)).map(|at| right[at].clone()).collect();
        assert!(3 < kept.len() && kept.len() < right.len(), "{} of {}", kept.len(), right.len());
        assert_eq!(kept, expected);
    }
}
