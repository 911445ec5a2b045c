//! One run from its first step (or its last checkpoint) to its record.
//!
//! The state of a run is (what its method changes, step, cost so far); random streams are addressed by
//! step, so a resumed run is the uninterrupted one, bit for bit.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use itertools::Itertools;
use serde_json::{Value, json};

use super::Study;
use crate::base::{Progress, Result, Seed, read_json, write_json};
use crate::data::{Corpus, CorpusReport, Set, corpus_audit};
use crate::model::{Decoder, Kernels};
use crate::study::arms::{Arm, Chains, Length, Pool, Recipe};
use crate::study::evaluate::{evaluate, pass_rates, questions};
use crate::study::memory::StageMemory;
use crate::study::store::{
    AnswerRow, Cost, FINAL_STAGE, FinishedRun, MetricRow, OutcomeRow, RunFacts, RunHandle,
};
use crate::study::tier::Tier;
use crate::train::{
    Cooled, Decay, Example, ExamplePool, Judge, Learner, LearningRate, Method, Mixture, Ppo, Reward, Rft,
    Supervised, Task,
};

/// The stream of pretraining.
const PRETRAIN: &str = "pretrain";
/// And of what RL draws.
const RL: &str = "rl";

/// Of a checkpoint: what the run took so far, training and evaluation.
const COST: &str = "cost.json";

/// How an arm is trained, before anything of it is loaded.
pub(super) struct Plan<'a> {
    /// Of its random streams and its metrics.
    pub kind: &'static str,
    /// What decides what is trained: part of the run's hash.
    pub settings: Value,
    pub steps: usize,
    /// Steps between two checkpoints.
    checkpoint_every: usize,
    /// Evaluations before the last one: after how many steps, and their names. Part of the run's hash.
    pub stages: BTreeMap<usize, String>,
    pub start: Box<Start<'a>>,
}

/// Makes the method from the model as it stands, what loads an ancestor's model, and the folder of a checkpoint.
type Start<'a> = dyn FnOnce(Decoder, &Load, Option<&Path>) -> Result<Box<dyn Method + 'a>> + 'a;

/// Loads the model of the arm's parent (1), of the parent's parent (2).
type Load<'a> = dyn Fn(usize) -> Result<Decoder> + 'a;

/// Those of `stages`, counted in steps of a path, that fall within the `steps` steps of it from `offset` on.
fn named(stages: &[usize], offset: usize, steps: usize) -> BTreeMap<usize, String> {
    let within = stages.iter().filter(|&&stage| offset < stage && stage < offset + steps);
    within.map(|stage| (stage - offset, format!("step-{stage}"))).collect()
}

impl Study {
    /// How `arm` is trained in this study.
    pub(super) fn plan(&self, arm: &Arm) -> Plan<'_> {
        self.plan_in(&self.tier, arm)
    }

    /// And with the settings of another tier: the only place that tells methods apart. A new one is one more arm of
    /// this `match`.
    pub(super) fn plan_in<'a>(&'a self, tier: &'a Tier, arm: &Arm) -> Plan<'a> {
        let often = tier.checkpoint_every;
        match arm.recipe {
            Recipe::Pretrain => Plan {
                kind: PRETRAIN,
                settings: json!({
                    "model": tier.model, "corpus": tier.corpus, "pretrain": tier.pretrain,
                    "steps": tier.pretrain_steps,
                }),
                steps: tier.pretrain_steps,
                checkpoint_every: often,
                stages: BTreeMap::new(),
                start: Box::new(move |model, _, checkpoint| {
                    let (config, documents) = (Cow::Borrowed(&tier.pretrain), self.documents()?);
                    Ok(Box::new(Supervised::new(model, checkpoint, config, documents)?))
                }),
            },
            Recipe::Sft { on, length, balanced } => {
                let (kind, steps, offset) = match length {
                    Length::Full => ("sft", tier.sft_steps, 0),
                    Length::Start => ("sft", tier.start_steps, 0),
                    Length::More => ("sft-more", tier.more_steps(), tier.start_steps),
                    Length::Tuned => ("sft", tier.tuned_steps, 0),
                };
                let mut config = Cow::Borrowed(&tier.sft);
                if length == Length::Tuned {
                    let rate = &mut config.to_mut().learning_rate;
                    *rate =
                        LearningRate { decay: Decay::Linear, total_steps: steps, floor: 0.0, ..rate.clone() };
                }
                Plan {
                    kind,
                    settings: json!({ "sft": config, "steps": steps }),
                    steps,
                    checkpoint_every: often,
                    stages: named(&tier.sft_stages, offset, steps),
                    start: Box::new(move |model, _, checkpoint| {
                        let mixture = self.mixture(on, balanced)?;
                        let batch = move |_, seed| Ok(mixture.batch(tier.sft.batch_size, seed));
                        Ok(Box::new(Supervised::new(model, checkpoint, config, batch)?))
                    }),
                }
            }
            Recipe::Rft { on } => Plan {
                kind: RL, // the prompts are those of RL
                settings: json!({ "sft": tier.sft, "steps": tier.more_steps(), "ppo": tier.ppo }),
                steps: tier.more_steps(),
                checkpoint_every: often,
                stages: named(&tier.sft_stages, tier.start_steps, tier.more_steps()),
                start: Box::new(move |model, _, checkpoint| {
                    let (tasks, judge) = self.tasks(on, Reward::Tests)?;
                    let sampling = (&tier.ppo, tier.rl_steps);
                    Ok(Box::new(Rft::new(model, checkpoint, &tier.sft, sampling, tasks, judge)?))
                }),
            },
            Recipe::Ppo { on, reward, baseline, kl_coefficient } => {
                let mut config = Cow::Borrowed(&tier.ppo);
                if let Some(baseline) = baseline {
                    config.to_mut().baseline = baseline;
                }
                if let Some(coefficient) = kl_coefficient {
                    config.to_mut().kl_coefficient = coefficient;
                }
                Plan {
                    kind: RL,
                    settings: json!({ "ppo": config, "steps": tier.rl_steps }),
                    steps: tier.rl_steps,
                    checkpoint_every: often.div_ceil(10), // a step takes ten times as long
                    stages: named(&tier.rl_stages, 0, tier.rl_steps),
                    start: Box::new(move |model, ancestor, checkpoint| {
                        let (tasks, judge) = self.tasks(on, reward)?;
                        let learner = Learner::new(model, ancestor(1)?, &config, checkpoint)?;
                        Ok(Box::new(Ppo { learner, tasks, judge, config }))
                    }),
                }
            }
            Recipe::Cooled { on } => Plan {
                kind: RL,
                settings: json!({ "ppo": tier.ppo, "steps": 1 }),
                steps: 1,
                checkpoint_every: often,
                stages: BTreeMap::new(),
                start: Box::new(move |like, ancestor, _| {
                    let (tasks, _) = self.tasks(on, Reward::Tests)?;
                    Ok(Box::new(Cooled { model: ancestor(2)?, like, tasks, sampling: &tier.ppo }))
                }),
            },
        }
    }

    /// What pretraining reads. Seeds differ in that, too: each reads documents of its own.
    pub(super) fn documents(&self) -> Result<impl Fn(usize, Seed) -> Result<Vec<Example>>> {
        let (tier, codec) = (&self.tier, &self.dataset.codec);
        let corpus = Corpus::new(&self.catalog, &tier.corpus, &self.dataset.withheld)?;
        Ok(move |step, seed| {
            let mut examples = Vec::new();
            for document in corpus.documents(seed, step, tier.pretrain.batch_size) {
                let mut tokens = codec.encode(&document.prompt)?;
                tokens.extend(codec.encode_response(&document.response)?);
                examples.extend(Example::document(&tokens));
            }
            Ok(examples)
        })
    }

    /// Audits the documents that pretraining at `seed` reads in its first `steps` steps.
    ///
    /// # Errors
    /// `Error::Sandbox` where the sandbox fails.
    pub fn audit_corpus(&self, seed: u64, steps: usize) -> Result<CorpusReport> {
        let (tier, stream) = (&self.tier, Seed::new(seed).child(PRETRAIN));
        let corpus = Corpus::new(&self.catalog, &tier.corpus, &self.dataset.withheld)?;
        // A step draws from a seed of its own (`train_supervised`).
        let of_step =
            |step| corpus.documents(stream.child_index(step as u64), step, tier.pretrain.batch_size);
        let documents = (0..steps.min(tier.pretrain_steps)).flat_map(of_step);
        corpus_audit(documents, &self.dataset.splits, &self.catalog, &self.sandbox)
    }

    /// Reference programs. Balanced: atoms and composites in equal shares where both are there, whatever their
    /// numbers, else a handful of composites would drown among the atoms. Not balanced: each prompt is as likely as
    /// any other, as in RL.
    fn mixture(&self, on: Pool, balanced: bool) -> Result<Mixture> {
        let codec = &self.dataset.codec;
        let mut pools = Vec::new();
        for (name, problems) in ["atoms", "composites"].into_iter().zip(self.dataset.pool(on, &self.catalog))
        {
            let broken = on.chains == Chains::Broken && name == "composites";
            let mut examples = Vec::new();
            for problem in problems {
                let wrong = broken.then(|| self.catalog.with_wrong_helper(problem)).flatten();
                let response = codec.encode_response(wrong.as_ref().unwrap_or(&problem.reference))?;
                for prompt in &problem.prompts {
                    examples.push(Example { prompt: codec.encode(prompt)?, response: response.clone() });
                }
            }
            let weight = if balanced { 1.0 } else { examples.len() as f64 };
            pools.push(ExamplePool { name: name.to_owned(), weight, examples });
        }
        Mixture::new(pools)
    }

    /// The prompts of a pool and what judges the answers to them.
    fn tasks(&self, on: Pool, reward: Reward) -> Result<(Vec<Task>, Judge<'_>)> {
        let problems = self.dataset.pool(on, &self.catalog).concat();
        let mut tasks = Vec::new();
        for (problem, of) in problems.iter().enumerate() {
            for prompt in &of.prompts {
                tasks.push(Task { prompt: self.dataset.codec.encode(prompt)?, problem });
            }
        }
        Ok((tasks, Judge::new(self.court(), problems, reward)))
    }

    /// Trains `arm` at `seed` from where `handle` stands, evaluates it, completes its record; progress is told
    /// under the name `label`.
    pub(super) fn train_run(
        &self,
        arm: &Arm,
        seed: u64,
        label: &str,
        mut handle: RunHandle,
    ) -> Result<FinishedRun> {
        if self.kernels == Kernels::Fused {
            StageMemory::largest(&self.tier).check()?; // it is of these kernels
        }
        let keep_answers = self.tier.eval.keep_answers.contains(&seed);
        let (plan, number, seed) = (self.plan(arm), seed, Seed::new(seed));
        let stream = seed.child(plan.kind);
        let mut progress = Progress::new(label, plan.steps);

        // ---- Where it stands.
        let checkpoint = handle.latest_checkpoint();
        let (mut step, folder) =
            checkpoint.as_ref().map_or((0, None), |(step, folder)| (*step, Some(folder.as_path())));
        let (mut cost, mut evaluation): (Cost, Cost) =
            folder.map_or(Ok(Default::default()), |folder| read_json(&folder.join(COST)))?;
        let codec = &self.dataset.codec;
        let ancestor = |generation: usize| match self.arms.lineage(arm).nth(generation) {
            None => self.new_model(seed),
            Some(arm) => self.load_model(&self.origin(arm, number)?), // finished long since: parents come first
        };
        let load = |folder| Decoder::load(folder, &self.device, self.kernels);
        let model = folder.map_or_else(|| ancestor(1), load)?;
        let parameters = model.config().parameters() as f64;
        let mut method = (plan.start)(model, &ancestor, folder)?;

        // ---- Segments between checkpoints; evaluations fall on their ends.
        while step < plan.steps {
            let started = Instant::now();
            let every = plan.checkpoint_every;
            let stage = plan.stages.range(step + 1..).next().map_or(plan.steps, |(stage, _)| *stage);
            let end = plan.steps.min(stage).min((step / every + 1) * every);
            let judged = method.programs_judged();
            method.train(stream, step..end, &mut |step, values| {
                let tokens = |name| values.get(name).copied().unwrap_or(0.0);
                let (trained, sampled) = (tokens("tokens_trained"), tokens("tokens_sampled"));
                cost.tokens_trained += trained as u64;
                cost.tokens_sampled += sampled as u64;
                // Sampling and scoring go forward, training forward and backward.
                cost.flops += parameters * (6.0 * trained + 2.0 * (sampled + tokens("tokens_scored")));
                let shown = ["loss", "reward_mean", "kl_to_reference"];
                let show = |name: &str| Some(format!("{name} {:.4}", values.get(name)?));
                progress.at(step + 1, || shown.into_iter().filter_map(show).join(", "));
                handle.metric(&MetricRow { stage: plan.kind.to_owned(), step, values })
            })?;
            cost.verifier_calls += method.programs_judged() - judged;
            cost.seconds += started.elapsed().as_secs_f64();
            step = end;
            if let Some(stage) = plan.stages.get(&step) {
                handle.outcomes(&outcomes(&self.answer(method.model(), stage, seed, &mut evaluation)?))?;
            }
            if step < plan.steps {
                handle.checkpoint(step, |folder| {
                    method.model().save(folder)?;
                    method.save(folder)?;
                    write_json(&folder.join(COST), &(&cost, &evaluation))
                })?;
            }
        }

        // ---- The last evaluation and the record.
        let mut answers = self.answer(method.model(), FINAL_STAGE, seed, &mut evaluation)?;
        let rows = outcomes(&answers);
        if !keep_answers {
            answers.clear();
        }
        let rate =
            |(set, [greedy, sampled]): (Set, [f64; 2])| format!("{} {greedy:.2}/{sampled:.2}", set.name());
        let shown = pass_rates(&rows).into_iter().map(rate).join(", ");
        let base = self.arms.lineage(arm).last().filter(|base| base.name != arm.name);
        let base = base.map(|base| self.load_model(&self.origin(base, number)?)).transpose()?;
        let facts = RunFacts {
            cost,
            evaluation,
            drift: Some(self.drift(method.model(), base.as_ref(), seed)?),
            isolation: serde_json::to_value(self.sandbox.isolation())?,
            environment: self.environment()?,
            weights_hash: method.model().weights_hash()?,
        };
        let run = handle.finish(facts, &rows, &answers, |folder| {
            method.model().save(folder)?;
            codec.save(&folder.join("tokenizer.json"))
        })?;
        progress.done(&format!("pass rates, greedy/sampled: {shown}"));
        Ok(run)
    }

    /// A model that has learned nothing.
    pub(super) fn new_model(&self, seed: Seed) -> Result<Decoder> {
        let codec = &self.dataset.codec;
        let config = self.tier.model.config(codec.vocabulary(), codec.end());
        Decoder::new(&config, seed.child("model"), &self.device, self.kernels)
    }

    /// One evaluation. All arms of a seed draw their answers from the same streams.
    fn answer(&self, model: &Decoder, stage: &str, seed: Seed, cost: &mut Cost) -> Result<Vec<AnswerRow>> {
        let (mut config, seed) = (Cow::Borrowed(&self.tier.eval), seed.child("evaluation"));
        let mut questions = questions(&self.dataset, &config);
        if stage != FINAL_STAGE {
            let config = config.to_mut();
            (config.samples, config.held_out_samples) = (config.stage_samples, 0);
            questions.retain(|asked| config.stage_sets.contains(&asked.problem.set));
        }
        let started = Instant::now();
        let answers = evaluate(model, self.court(), &questions, stage, &config, seed, cost)?;
        cost.seconds += started.elapsed().as_secs_f64();
        Ok(answers)
    }
}

fn outcomes(answers: &[AnswerRow]) -> Vec<OutcomeRow> {
    answers.iter().map(|answer| answer.outcome.clone()).collect()
}
