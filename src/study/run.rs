//! One run from its first step (or its last checkpoint) to its record.
//!
//! The state of a run is (weights, value head, optimizers, step, cost so far); random streams are
//! addressed by step, so a resumed run is the uninterrupted one, bit for bit.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use itertools::Itertools;
use serde::{Deserialize, Serialize};

use super::Study;
use crate::base::error::{Error, Result};
use crate::base::progress::Progress;
use crate::base::seed::Seed;
use crate::data::corpus::Corpus;
use crate::data::problem::{Problem, Set};
use crate::model::{Decoder, Kernels, ValueHead};
use crate::study::arms::{Arm, Length, Recipe};
use crate::study::evaluate::{PassRates, evaluate, pass_rates};
use crate::study::memory;
use crate::study::store::{Cost, FINAL_STAGE, FinishedRun, MetricRow, OutcomeRow, RunFacts, RunHandle};
use crate::train::{
    AdamW, Example, ExamplePool, Judge, Learner, Mixture, PpoStep, SupervisedStep, Task, metric_values,
    train_ppo, train_supervised,
};

/// What a checkpoint keeps besides tensors.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Saved {
    cost: Cost,
}

/// Everything that training changes.
struct State {
    model: Decoder,
    optimizer: AdamW,
    /// PPO's critic and its optimizer.
    critic: Option<(ValueHead, AdamW)>,
    cost: Cost,
}

/// Trains `arm` at `seed` from where `handle` stands, evaluates it, completes its record.
pub(super) fn train(
    study: &Study,
    arm: &Arm,
    seed: u64,
    parent: Option<&FinishedRun>,
    mut handle: RunHandle,
) -> Result<FinishedRun> {
    if study.kernels == Kernels::Fused {
        memory::check(&study.tier)?; // the estimate is of these kernels
    }
    let seed = Seed::new(seed);
    let stream = seed.child(stream_name(arm));
    let (mut state, first) = start(study, arm, seed, parent, &handle)?;
    let steps = study.steps(arm);
    let stages = study.stages(arm);
    let mut progress = Progress::new(&arm.name, steps);
    let mut trainer = Trainer::new(study, arm, parent)?;

    let sweep = matches!(arm.recipe, Recipe::Sft { length: Length::More, .. });
    if let (true, 0, Some(parent)) = (sweep, first, parent) {
        // The sweep over epochs begins where its parent ended: the same model, not asked again.
        let mut rows = parent.outcomes()?;
        rows.retain(|row| row.stage == FINAL_STAGE);
        handle.outcomes(&renamed(&rows, &stage_name(study, arm, 0)))?;
    }

    // ---- segments between checkpoints; evaluations fall on their ends ----
    let every = match arm.recipe {
        Recipe::Ppo { .. } => study.tier.checkpoint_every.div_ceil(10),
        _ => study.tier.checkpoint_every,
    };
    let mut step = first;
    while step < steps {
        let next_stage = stages.iter().copied().find(|stage| *stage > step).unwrap_or(steps);
        let end = steps.min(next_stage).min((step / every + 1) * every);
        let started = Instant::now();
        trainer.segment(&mut state, stream, step..end, &mut handle, &mut progress)?;
        step = end;
        if stages.contains(&step) && step < steps {
            let rows = answer(study, &mut state, &stage_name(study, arm, step), seed)?;
            handle.outcomes(&rows)?;
        }
        state.cost.seconds += started.elapsed().as_secs_f64();
        if step < steps {
            handle.checkpoint(step, |folder| save(&state, folder))?;
        }
    }

    // ---- the last evaluation and the record ----
    let started = Instant::now();
    let mut rows = answer(study, &mut state, FINAL_STAGE, seed)?;
    let shown = summary(&rows);
    if sweep {
        rows.extend(renamed(&rows, &stage_name(study, arm, steps)));
    }
    state.cost.seconds += started.elapsed().as_secs_f64();
    let facts = RunFacts {
        cost: state.cost,
        isolation: serde_json::to_value(study.sandbox.isolation())
            .map_err(|error| Error::Data(error.to_string()))?,
        environment: study.environment(),
        weights_hash: state.model.weights_hash()?,
    };
    let run = handle.finish(facts, &rows, |folder| {
        state.model.save(folder)?;
        study.dataset.codec.save(&folder.join("tokenizer.json"))
    })?;
    progress.done(&shown);
    Ok(run)
}

/// What an evaluation after `step` steps is called: the sweep of SFT counts in epochs, one epoch
/// being as many samples as there are training problems, from the base model on.
fn stage_name(study: &Study, arm: &Arm, step: usize) -> String {
    let tier = &study.tier;
    match arm.recipe {
        Recipe::Sft { atoms, composites, length: Length::More } => {
            let (atoms, composites) = study.dataset.pool(atoms, composites);
            let samples = (tier.start_steps + step) * tier.sft.batch_size;
            format!("epoch-{}", (samples as f64 / (atoms.len() + composites.len()) as f64).round())
        }
        _ => format!("step-{step}"),
    }
}

fn renamed(rows: &[OutcomeRow], stage: &str) -> Vec<OutcomeRow> {
    rows.iter().map(|row| OutcomeRow { stage: stage.to_owned(), ..row.clone() }).collect()
}

/// Arms that continue the same data order share a stream: `sft-start` is the beginning of
/// `sft-mix-256`, and `sft-more` draws on where it stopped.
fn stream_name(arm: &Arm) -> &'static str {
    match arm.recipe {
        Recipe::Pretrain => "pretrain",
        Recipe::Sft { .. } => "sft",
        Recipe::Ppo { .. } => "rl",
    }
}

fn start(
    study: &Study,
    arm: &Arm,
    seed: Seed,
    parent: Option<&FinishedRun>,
    handle: &RunHandle,
) -> Result<(State, usize)> {
    let tier = &study.tier;
    let checkpoint = handle.latest_checkpoint();
    let model = match (&checkpoint, parent) {
        (Some((_, folder)), _) => Decoder::load(folder, &study.device, study.kernels)?,
        (None, Some(parent)) => study.load_model(parent)?,
        (None, None) => {
            let codec = &study.dataset.codec;
            let config = tier.model.config(codec.vocabulary(), codec.end());
            Decoder::new(&config, seed.child("model"), &study.device, study.kernels)?
        }
    };
    let settings = match arm.recipe {
        Recipe::Pretrain => &tier.pretrain.optimizer,
        Recipe::Sft { .. } => &tier.sft.optimizer,
        Recipe::Ppo { .. } => &tier.ppo.optimizer,
    };
    let mut optimizer = AdamW::new(model.variables(), settings.clone())?;
    let mut critic = match arm.recipe {
        Recipe::Ppo { .. } => {
            let head = ValueHead::new(model.config().hidden_size, &study.device)?;
            let optimizer = AdamW::new(head.variables(), tier.ppo.value_optimizer.clone())?;
            Some((head, optimizer))
        }
        _ => None,
    };
    let Some((step, folder)) = checkpoint else {
        return Ok((State { model, optimizer, critic, cost: Cost::default() }, 0));
    };
    optimizer.load(&folder.join("optimizer.safetensors"))?;
    if let Some((head, optimizer)) = &mut critic {
        *head =
            ValueHead::load(&folder.join("value.safetensors"), model.config().hidden_size, &study.device)?;
        *optimizer = AdamW::new(head.variables(), tier.ppo.value_optimizer.clone())?;
        optimizer.load(&folder.join("value_optimizer.safetensors"))?;
    }
    let path = folder.join("state.json");
    let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
    let saved: Saved =
        serde_json::from_str(&text).map_err(|error| Error::parse(&path, error.line(), error))?;
    Ok((State { model, optimizer, critic, cost: saved.cost }, step))
}

fn save(state: &State, folder: &Path) -> Result<()> {
    state.model.save(folder)?;
    state.optimizer.save(&folder.join("optimizer.safetensors"))?;
    if let Some((head, optimizer)) = &state.critic {
        head.save(&folder.join("value.safetensors"))?;
        optimizer.save(&folder.join("value_optimizer.safetensors"))?;
    }
    let path = folder.join("state.json");
    let text =
        serde_json::to_string(&Saved { cost: state.cost }).map_err(|error| Error::Data(error.to_string()))?;
    std::fs::write(&path, text).map_err(Error::io(&path))
}

/// The data of one arm, ready for its loop.
enum Trainer<'a> {
    Pretrain { study: &'a Study, corpus: Corpus<'a> },
    Sft { study: &'a Study, mixture: Mixture, offset: usize },
    Rl { study: &'a Study, tasks: Vec<Task>, verifier: Judge<'a>, reference: Box<Decoder> },
}

impl<'a> Trainer<'a> {
    fn new(study: &'a Study, arm: &Arm, parent: Option<&FinishedRun>) -> Result<Self> {
        match arm.recipe {
            // Seeds differ in what they read, too: each pretrains on documents of its own.
            Recipe::Pretrain => {
                let corpus = Corpus::new(
                    &study.catalog,
                    &study.tier.corpus,
                    study.dataset.splits.chain_keys(),
                    Seed::new(0),
                );
                Ok(Trainer::Pretrain { study, corpus })
            }
            Recipe::Sft { atoms, composites, length } => {
                let offset = if length == Length::More { study.tier.start_steps } else { 0 };
                Ok(Trainer::Sft { study, mixture: mixture(study, atoms, composites)?, offset })
            }
            Recipe::Ppo { atoms, composites, reward } => {
                let (atoms, composites) = study.dataset.pool(atoms, composites);
                let problems: Vec<&Problem> = atoms.into_iter().chain(composites).collect();
                let mut tasks = Vec::new();
                for (index, problem) in problems.iter().enumerate() {
                    for prompt in &problem.prompts {
                        tasks.push(Task { prompt: study.dataset.codec.encode(prompt)?, problem: index });
                    }
                }
                let parent = parent.ok_or_else(|| Error::Data(format!("arm {} has no start", arm.name)))?;
                let verifier = Judge::new(study.court(), problems, reward);
                Ok(Trainer::Rl {
                    study,
                    tasks,
                    verifier,
                    reference: Box::new(study.load_model(parent)?.freeze()),
                })
            }
        }
    }

    /// Runs the steps `steps` of the arm.
    fn segment(
        &mut self,
        state: &mut State,
        seed: Seed,
        steps: Range<usize>,
        handle: &mut RunHandle,
        progress: &mut Progress,
    ) -> Result<()> {
        let parameters = state.model.config().parameters() as f64;
        let State { model, optimizer, critic, cost } = state;
        match self {
            Trainer::Pretrain { study, corpus } => {
                let codec = &study.dataset.codec;
                let config = &study.tier.pretrain;
                let documents = |step: usize, seed: Seed| -> Result<Vec<Example>> {
                    let mut examples = Vec::new();
                    for document in corpus.with_seed(seed).documents(step, config.batch_size) {
                        let mut tokens = codec.encode(&document.prompt)?;
                        tokens.extend(codec.encode_response(&document.response)?);
                        examples.extend(Example::document(&tokens));
                    }
                    Ok(examples)
                };
                let mut observe = |step: &SupervisedStep| {
                    cost.tokens_trained += step.tokens_trained as u64;
                    cost.flops += 6.0 * parameters * step.tokens_trained as f64;
                    progress.at(step.step + 1, || format!("loss {:.3}", step.loss));
                    handle.metric(&row("pretrain", step.step, metric_values(step.step, step)?))
                };
                train_supervised(model, optimizer, &documents, config, seed, steps, &mut observe)
            }
            Trainer::Sft { study, mixture, offset } => {
                let offset = *offset;
                let config = &study.tier.sft;
                let batch = |_: usize, seed: Seed| Ok(mixture.batch(config.batch_size, seed));
                let mut observe = |step: &SupervisedStep| {
                    cost.tokens_trained += step.tokens_trained as u64;
                    cost.flops += 6.0 * parameters * step.tokens_trained as f64;
                    progress.at(step.step + 1 - offset, || format!("loss {:.4}", step.loss));
                    handle.metric(&row("sft", step.step - offset, metric_values(step.step, step)?))
                };
                let steps = steps.start + offset..steps.end + offset;
                train_supervised(model, optimizer, &batch, config, seed, steps, &mut observe)
            }
            Trainer::Rl { study, tasks, verifier, reference } => {
                let Some((head, head_optimizer)) = critic else {
                    return Err(Error::Data("an RL arm without a value head".to_owned()));
                };
                let before = verifier.programs_judged();
                let mut observe = |step: &PpoStep| {
                    cost.tokens_trained += step.tokens_trained as u64;
                    cost.tokens_sampled += step.tokens_sampled as u64;
                    // Sampling and scoring (reference, critic): forward. Update: forward and backward.
                    cost.flops += 2.0 * parameters * step.tokens_sampled as f64;
                    cost.flops += 6.0 * parameters * step.tokens_trained as f64;
                    cost.flops += 2.0 * parameters * step.tokens_scored as f64;
                    progress.at(step.step + 1, || {
                        format!("reward {:.3}, KL {:.4}", step.reward_mean, step.kl_to_reference)
                    });
                    handle.metric(&row("rl", step.step, metric_values(step.step, step)?))
                };
                let mut learner = Learner {
                    policy: model,
                    reference,
                    value: head,
                    policy_optimizer: optimizer,
                    value_optimizer: head_optimizer,
                };
                train_ppo(&mut learner, tasks, verifier, &study.tier.ppo, seed, steps, &mut observe)?;
                cost.verifier_calls += verifier.programs_judged() - before;
                Ok(())
            }
        }
    }
}

/// Atoms and composites in equal shares where both are there, whatever their numbers: else a
/// handful of composites would drown among the atoms.
fn mixture(study: &Study, atoms: bool, composites: usize) -> Result<Mixture> {
    let (atoms, composites) = study.dataset.pool(atoms, composites);
    let pool = |name: &str, problems: Vec<&Problem>| -> Result<ExamplePool> {
        let mut examples = Vec::new();
        for problem in problems {
            let response = study.dataset.codec.encode_response(&problem.reference)?;
            for prompt in &problem.prompts {
                examples.push(Example {
                    prompt: study.dataset.codec.encode(prompt)?,
                    response: response.clone(),
                });
            }
        }
        Ok(ExamplePool { name: name.to_owned(), weight: 1.0, examples })
    };
    Mixture::new(vec![pool("atoms", atoms)?, pool("composites", composites)?])
}

/// One evaluation. All arms of a seed draw their answers from the same streams.
fn answer(study: &Study, state: &mut State, stage: &str, seed: Seed) -> Result<Vec<OutcomeRow>> {
    let seed = seed.child("evaluation");
    let (rows, cost) =
        evaluate(&state.model, study.court(), &study.questions(), stage, &study.tier.eval, seed)?;
    state.cost.tokens_sampled += cost.tokens_sampled;
    state.cost.verifier_calls += cost.programs_judged;
    state.cost.flops += 2.0 * state.model.config().parameters() as f64 * cost.tokens_sampled as f64;
    Ok(rows)
}

fn row(stage: &str, step: usize, values: BTreeMap<String, f64>) -> MetricRow {
    MetricRow { stage: stage.to_owned(), step, values }
}

/// `atom_base 0.93/0.88, composite_b 0.12/0.10, ...`: for the log.
fn summary(rows: &[OutcomeRow]) -> String {
    let rate =
        |(set, rates): (Set, PassRates)| format!("{} {:.2}/{:.2}", set.name(), rates.greedy, rates.sampled);
    format!("pass rates, greedy/sampled: {}", pass_rates(rows).into_iter().map(rate).join(", "))
}
