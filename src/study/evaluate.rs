//! Evaluation: each problem answered once greedily and several times at temperature 1, all
//! answers judged by the sandbox, the outcome kept per problem.
//!
//! Greedy and sampled pass rates tell different stories (RL sharpens the sampled one first), so
//! both are always taken.

use std::collections::BTreeMap;
use std::iter::repeat_n;

use itertools::Itertools;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, Seed};
use crate::data::{Problem, Set};
use crate::model::{Decoder, Sampling, sample};
use crate::sandbox::{CaseWord, Verdict};
use crate::study::dataset::Dataset;
use crate::study::store::{Cost, FINAL_STAGE, OutcomeRow, Prompts};
use crate::train::{Court, Judge, Reward};

/// How many training chains the questions about training chains are drawn from, for every arm: the
/// first ones, which all arms with 64 chains or more have trained on.
const ASKED_TRAINING_CHAINS: usize = 64;

/// How much is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvalConfig {
    /// Problems asked of each set, at most.
    pub problems_per_set: usize,
    /// Answers at temperature 1 for each problem.
    pub samples: usize,
    /// Tokens an answer may have, its end token included.
    pub max_new_tokens: usize,
}

/// One question of an evaluation: a problem and which wording of it.
pub struct Question<'a> {
    /// What is asked.
    pub problem: &'a Problem,
    /// In which wording.
    pub prompts: Prompts,
}

/// The questions of the study: every set with its training wording, and the trained-on sets once
/// more as held-out paraphrases. Which problems of a large set are asked depends on the set only,
/// never on arm or seed, so that arms compare on the same problems.
pub fn questions<'a>(dataset: &'a Dataset, config: &EvalConfig) -> Vec<Question<'a>> {
    let mut questions = Vec::new();
    for set in Set::ALL {
        let mut problems: Vec<&Problem> = match set {
            Set::CompositeATrain => dataset.pool(false, ASKED_TRAINING_CHAINS).1,
            _ => dataset.splits.get(set).iter().collect(),
        };
        problems.shuffle(&mut Seed::new(0).child("questions").stream(set.name()));
        problems.truncate(config.problems_per_set);
        problems.sort_by(|a, b| a.key.cmp(&b.key));
        let wordings: &[Prompts] = match set {
            Set::AtomBase | Set::CompositeATrain => &[Prompts::Train, Prompts::HeldOut],
            _ => &[Prompts::Train],
        };
        for &prompts in wordings {
            questions.extend(problems.iter().map(|&problem| Question { problem, prompts }));
        }
    }
    questions
}

/// Pass rates of each set at the end of training, asked in training wordings: of the likeliest answers and
/// of those at temperature 1. What could not be judged does not count.
pub fn pass_rates(rows: &[OutcomeRow]) -> BTreeMap<Set, [f64; 2]> {
    let final_rows = rows.iter().filter(|row| row.stage == FINAL_STAGE && row.prompts == Prompts::Train);
    let by_set = final_rows.into_group_map_by(|row| row.set);
    let mean = |rates: Vec<f64>| rates.iter().sum::<f64>() / rates.len().max(1) as f64;
    let of_set = |(set, rows): (Set, Vec<&OutcomeRow>)| {
        let greedy = rows.iter().filter_map(|row| Some(f64::from(row.greedy? == CaseWord::Pass)));
        let judged = rows.iter().filter(|row| row.samples > 0);
        let sampled = judged.map(|row| f64::from(row.passed) / f64::from(row.samples));
        (set, [mean(greedy.collect()), mean(sampled.collect())])
    };
    by_set.into_iter().map(of_set).collect()
}

/// Answers all questions; one row a question, and what that took is added to `cost`. An answer that the
/// sandbox could not judge is left out of its row: it is never counted as a failure.
pub fn evaluate(
    model: &Decoder,
    court: Court,
    questions: &[Question],
    stage: &str,
    config: &EvalConfig,
    seed: Seed,
    cost: &mut Cost,
) -> Result<Vec<OutcomeRow>> {
    let EvalConfig { samples, max_new_tokens, .. } = *config;
    if samples == 0 {
        return Err(Error::config("eval.samples", "must be 1 or more"));
    }
    let encode = |question: &Question| {
        let texts = match question.prompts {
            Prompts::Train => &question.problem.prompts,
            Prompts::HeldOut => &question.problem.held_out_prompts,
        };
        court.codec.encode(texts.first().map_or("", String::as_str))
    };
    let prompts: Vec<Vec<u32>> = questions.iter().map(encode).try_collect()?;

    // ---- Answers: one greedy row a question, then `samples` rows a question.
    let greedy = Sampling { temperature: 0.0, max_new_tokens, end_token: court.codec.end() };
    let sampled = Sampling { temperature: 1.0, ..greedy.clone() };
    let repeated = prompts.iter().flat_map(|prompt| repeat_n(prompt.clone(), samples)).collect_vec();
    let mut completions = sample(model, None, &prompts, &greedy, seed.child("greedy"))?;
    completions.extend(sample(model, None, &repeated, &sampled, seed.child("sampled"))?);

    // ---- Verdicts.
    let problems = questions.iter().map(|question| question.problem).collect();
    let mut judge = Judge::new(court, problems, Reward::Tests);
    let asked = (0..questions.len()).chain((0..questions.len()).flat_map(|index| repeat_n(index, samples)));
    let verdicts = judge.verdicts(&asked.zip(&completions).collect_vec())?;
    let tokens: u64 = completions.iter().map(|completion| completion.tokens.len() as u64).sum();
    cost.tokens_sampled += tokens;
    cost.verifier_calls += judge.programs_judged();
    cost.flops += 2.0 * model.config().parameters() as f64 * tokens as f64;

    // ---- Rows.
    let (greedy, sampled) = verdicts.split_at(questions.len());
    let row = |((question, greedy), sampled): ((&Question, &Verdict), &[Verdict])| {
        let judged = sampled.iter().filter_map(Verdict::passed).collect_vec();
        OutcomeRow {
            stage: stage.to_owned(),
            set: question.problem.set,
            prompts: question.prompts,
            problem: question.problem.key.clone(),
            depth: question.problem.depth,
            greedy: greedy.word(),
            samples: judged.len() as u32,
            passed: judged.iter().filter(|passed| **passed).count() as u32,
        }
    };
    Ok(questions.iter().zip(greedy).zip(sampled.chunks(samples)).map(row).collect())
}
