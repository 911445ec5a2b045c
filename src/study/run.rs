//! One run from its first step (or its last checkpoint) to its record.
//!
//! The state of a run is (what its method changes, step, cost so far); random streams are addressed by
//! step, so a resumed run is the uninterrupted one, bit for bit.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use itertools::Itertools;
use serde_json::{Value, json};

use super::Study;
use crate::base::{Progress, Result, Seed, read_json, write_json};
use crate::data::{Corpus, CorpusReport, Problem, Set, corpus_audit};
use crate::model::{Decoder, Kernels};
use crate::study::arms::{Arm, Length, Recipe};
use crate::study::evaluate::{evaluate, pass_rates, questions};
use crate::study::memory::StageMemory;
use crate::study::store::{
    AnswerRow, Cost, FINAL_STAGE, FinishedRun, MetricRow, OutcomeRow, RunFacts, RunHandle,
};
use crate::train::{Example, ExamplePool, Judge, Learner, Method, Mixture, Ppo, Supervised, Task};

/// The stream of pretraining.
const PRETRAIN: &str = "pretrain";

/// Of a checkpoint: what the run took so far.
const COST: &str = "cost.json";

/// How an arm is trained, before anything of it is loaded.
pub(super) struct Plan<'a> {
    /// Of its random streams and its metrics. Arms that continue the same data order share a stream:
    /// `sft-start` is the beginning of `sft-mix-256`, and `sft-more` draws on where it stopped.
    pub kind: &'static str,
    /// What decides what is trained: part of the run's hash.
    pub settings: Value,
    pub steps: usize,
    /// Steps between two checkpoints.
    checkpoint_every: usize,
    /// Evaluations besides the last one: after how many steps, and their names. Step 0 is the parent's
    /// last one, and the arm's own last one counts again under its name here.
    stages: BTreeMap<usize, String>,
    pub start: Box<Start<'a>>,
}

/// Makes the method from the model as it stands, what loads the parent's model, and the folder of a checkpoint.
type Start<'a> = dyn FnOnce(Decoder, &Load, Option<&Path>) -> Result<Box<dyn Method + 'a>> + 'a;

/// Loads a model when it is asked for one.
type Load<'a> = dyn Fn() -> Result<Decoder> + 'a;

impl Plan<'_> {
    /// Steps after which the arm is evaluated before its end: part of the run's hash.
    pub fn early_stages(&self) -> Vec<usize> {
        self.stages.keys().copied().filter(|step| (1..self.steps).contains(step)).collect()
    }
}

impl Study {
    /// The only place that tells methods apart: a new one is one more arm of this `match`.
    pub(super) fn plan(&self, arm: &Arm) -> Plan<'_> {
        let (tier, dataset) = (&self.tier, &self.dataset);
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
                    let documents = self.documents()?;
                    Ok(Box::new(Supervised::new(model, checkpoint, &tier.pretrain, documents, 0)?))
                }),
            },
            Recipe::Sft { atoms, composites, length } => {
                let (steps, offset) = match length {
                    Length::Full => (tier.sft_steps, 0),
                    Length::Start => (tier.start_steps, 0),
                    Length::More => (tier.more_steps(), tier.start_steps),
                };
                let mut plan = Plan {
                    kind: "sft",
                    settings: json!({ "sft": tier.sft, "steps": steps }),
                    steps,
                    checkpoint_every: often,
                    stages: BTreeMap::new(),
                    start: Box::new(move |model, _, checkpoint| {
                        let mixture = self.mixture(atoms, composites)?;
                        let batch = move |_, seed| Ok(mixture.batch(tier.sft.batch_size, seed));
                        Ok(Box::new(Supervised::new(model, checkpoint, &tier.sft, batch, offset)?))
                    }),
                };
                if length == Length::More {
                    // The sweep of SFT counts in epochs, one epoch being as many samples as there are
                    // training problems, from the base model on.
                    let (atoms, composites) = dataset.pool(atoms, composites);
                    let problems = (atoms.len() + composites.len()) as f64;
                    let shares = [0.0].iter().chain(&tier.stages).chain(&[1.0]);
                    let at = shares.map(|share| (share * steps as f64).round() as usize);
                    let epochs = |step| (((offset + step) * tier.sft.batch_size) as f64 / problems).round();
                    plan.stages = at.map(|step| (step, format!("epoch-{}", epochs(step)))).collect();
                }
                plan
            }
            Recipe::Ppo { atoms, composites, reward } => Plan {
                kind: "rl",
                settings: json!({ "ppo": tier.ppo, "steps": tier.rl_steps }),
                steps: tier.rl_steps,
                checkpoint_every: often.div_ceil(10), // a step takes ten times as long
                stages: BTreeMap::new(),
                start: Box::new(move |model, reference, checkpoint| {
                    let (atoms, composites) = dataset.pool(atoms, composites);
                    let problems: Vec<&Problem> = atoms.into_iter().chain(composites).collect();
                    let mut tasks = Vec::new();
                    for (problem, of) in problems.iter().enumerate() {
                        for prompt in &of.prompts {
                            tasks.push(Task { prompt: dataset.codec.encode(prompt)?, problem });
                        }
                    }
                    let judge = Judge::new(self.court(), problems, reward);
                    let learner = Learner::new(model, reference()?, &tier.ppo, checkpoint)?;
                    Ok(Box::new(Ppo { learner, tasks, judge, config: &tier.ppo }))
                }),
            },
        }
    }

    /// What pretraining reads. Seeds differ in that, too: each reads documents of its own.
    fn documents(&self) -> Result<impl Fn(usize, Seed) -> Result<Vec<Example>>> {
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

    /// Atoms and composites in equal shares where both are there, whatever their numbers: else a
    /// handful of composites would drown among the atoms.
    fn mixture(&self, atoms: bool, composites: usize) -> Result<Mixture> {
        let codec = &self.dataset.codec;
        let (atoms, composites) = self.dataset.pool(atoms, composites);
        let pool = |name: &str, problems: Vec<&Problem>| -> Result<ExamplePool> {
            let mut examples = Vec::new();
            for problem in problems {
                let response = codec.encode_response(&problem.reference)?;
                for prompt in &problem.prompts {
                    examples.push(Example { prompt: codec.encode(prompt)?, response: response.clone() });
                }
            }
            Ok(ExamplePool { name: name.to_owned(), weight: 1.0, examples })
        };
        Mixture::new(vec![pool("atoms", atoms)?, pool("composites", composites)?])
    }

    /// Trains `arm` at `seed` from where `handle` stands, evaluates it, completes its record; progress is told
    /// under the name `label`.
    pub(super) fn train_run(
        &self,
        arm: &Arm,
        seed: u64,
        label: &str,
        parent: Option<&FinishedRun>,
        mut handle: RunHandle,
    ) -> Result<FinishedRun> {
        if self.kernels == Kernels::Fused {
            StageMemory::largest(&self.tier).check()?; // it is of these kernels
        }
        let keep_answers = self.tier.eval.keep_answers.contains(&seed);
        let (plan, seed) = (self.plan(arm), Seed::new(seed));
        let stream = seed.child(plan.kind);
        let mut progress = Progress::new(label, plan.steps);

        // ---- Where it stands.
        let checkpoint = handle.latest_checkpoint();
        let (mut step, folder) =
            checkpoint.as_ref().map_or((0, None), |(step, folder)| (*step, Some(folder.as_path())));
        let mut cost = folder.map_or(Ok(Cost::default()), |folder| read_json(&folder.join(COST)))?;
        let codec = &self.dataset.codec;
        let start = || parent.map_or_else(|| self.new_model(seed), |parent| self.load_model(parent));
        let load = |folder| Decoder::load(folder, &self.device, self.kernels);
        let model = folder.map_or_else(start, load)?;
        let parameters = model.config().parameters() as f64;
        let mut method = (plan.start)(model, &start, folder)?;
        if let (0, Some(parent), Some(stage)) = (step, parent, plan.stages.get(&0)) {
            // The sweep over epochs begins where its parent ended: the same model, not asked again.
            handle.outcomes(&last_named(&parent.outcomes()?, stage))?;
        }

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
            step = end;
            if let (true, Some(stage)) = (step < plan.steps, plan.stages.get(&step)) {
                handle.outcomes(&outcomes(&self.answer(method.model(), stage, seed, &mut cost)?))?;
            }
            cost.seconds += started.elapsed().as_secs_f64();
            if step < plan.steps {
                handle.checkpoint(step, |folder| {
                    method.model().save(folder)?;
                    method.save(folder)?;
                    write_json(&folder.join(COST), &cost)
                })?;
            }
        }

        // ---- The last evaluation and the record.
        let started = Instant::now();
        let mut answers = self.answer(method.model(), FINAL_STAGE, seed, &mut cost)?;
        let mut rows = outcomes(&answers);
        if !keep_answers {
            answers.clear();
        }
        let rate =
            |(set, [greedy, sampled]): (Set, [f64; 2])| format!("{} {greedy:.2}/{sampled:.2}", set.name());
        let shown = pass_rates(&rows).into_iter().map(rate).join(", ");
        if let Some(stage) = plan.stages.get(&plan.steps) {
            rows.extend(last_named(&rows, stage));
        }
        cost.seconds += started.elapsed().as_secs_f64();
        let facts = RunFacts {
            cost,
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
        let (config, seed) = (&self.tier.eval, seed.child("evaluation"));
        evaluate(model, self.court(), &questions(&self.dataset, config), stage, config, seed, cost)
    }
}

fn outcomes(answers: &[AnswerRow]) -> Vec<OutcomeRow> {
    answers.iter().map(|answer| answer.outcome.clone()).collect()
}

/// The rows of the last evaluation under the name `stage`.
fn last_named(rows: &[OutcomeRow], stage: &str) -> Vec<OutcomeRow> {
    let last = rows.iter().filter(|row| row.stage == FINAL_STAGE);
    last.map(|row| OutcomeRow { stage: stage.to_owned(), ..row.clone() }).collect()
}
