//! Evaluation: each problem answered once greedily and several times at temperature 1, all
//! answers judged by the sandbox, the outcome kept per problem.
//!
//! Greedy and sampled pass rates tell different stories (RL sharpens the sampled one first), so
//! both are always taken.

use std::collections::BTreeMap;

use itertools::Itertools;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::base::error::Result;
use crate::base::seed::Seed;
use crate::data::problem::{Problem, Set};
use crate::data::split::Splits;
use crate::model::Decoder;
use crate::model::sample::{self, Sampling};
use crate::sandbox::{CaseWord, Verdict};
use crate::study::store::{FINAL_STAGE, OutcomeRow, Prompts};
use crate::train::{Court, Judge, Reward};

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
    pub problem: &'a Problem,
    pub prompts: Prompts,
}

/// The questions of the study: every set with its training wording, and the trained-on sets once
/// more as held-out paraphrases. Which problems of a large set are asked depends on the set only,
/// never on arm or seed, so that arms compare on the same problems.
pub fn questions<'a>(
    splits: &'a Splits,
    trained_on: &[&'a Problem],
    config: &EvalConfig,
) -> Vec<Question<'a>> {
    let mut questions = Vec::new();
    for set in Set::ALL {
        let mut problems: Vec<&Problem> = if set == Set::CompositeATrain {
            trained_on.iter().copied().filter(|problem| problem.set == set).collect()
        } else {
            splits.get(set).iter().collect()
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

/// Shares of answers that passed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PassRates {
    /// Of the likeliest answers.
    pub greedy: f64,
    /// Of the answers at temperature 1.
    pub sampled: f64,
}

/// Pass rates of each set at the end of training, asked in training wordings; what could not be judged
/// does not count.
pub fn pass_rates(rows: &[OutcomeRow]) -> BTreeMap<Set, PassRates> {
    let final_rows = rows.iter().filter(|row| row.stage == FINAL_STAGE && row.prompts == Prompts::Train);
    let by_set = final_rows.into_group_map_by(|row| row.set);
    let mean = |rates: Vec<f64>| rates.iter().sum::<f64>() / rates.len().max(1) as f64;
    let of_set = |(set, rows): (Set, Vec<&OutcomeRow>)| {
        let greedy = rows.iter().filter_map(|row| Some(f64::from(row.greedy? == CaseWord::Pass)));
        let judged = rows.iter().filter(|row| row.samples > 0);
        let sampled = judged.map(|row| f64::from(row.passed) / f64::from(row.samples));
        (set, PassRates { greedy: mean(greedy.collect()), sampled: mean(sampled.collect()) })
    };
    by_set.into_iter().map(of_set).collect()
}

/// What an evaluation cost, for the record.
#[derive(Debug, Clone, Copy, Default)]
pub struct EvalCost {
    pub tokens_sampled: u64,
    pub programs_judged: u64,
}

/// Answers all questions; one row a question. An answer that the sandbox could not judge is left
/// out of its row: it is never counted as a failure.
pub fn evaluate(
    model: &Decoder,
    court: Court,
    questions: &[Question],
    stage: &str,
    config: &EvalConfig,
    seed: Seed,
) -> Result<(Vec<OutcomeRow>, EvalCost)> {
    let codec = court.codec;
    let mut prompts = Vec::with_capacity(questions.len());
    for question in questions {
        let texts = match question.prompts {
            Prompts::Train => &question.problem.prompts,
            Prompts::HeldOut => &question.problem.held_out_prompts,
        };
        prompts.push(codec.encode(texts.first().map_or("", String::as_str))?);
    }

    // ---- answers: one greedy row a question, then `samples` rows a question ----
    let greedy = Sampling { temperature: 0.0, max_new_tokens: config.max_new_tokens, end_token: codec.end() };
    let sampled = Sampling { temperature: 1.0, ..greedy.clone() };
    let repeated: Vec<Vec<u32>> =
        prompts.iter().flat_map(|prompt| std::iter::repeat_n(prompt.clone(), config.samples)).collect();
    let mut completions = sample::sample(model, &prompts, &greedy, seed.child("greedy"))?;
    completions.extend(sample::sample(model, &repeated, &sampled, seed.child("sampled"))?);

    // ---- verdicts ----
    let mut judge =
        Judge::new(court, questions.iter().map(|question| question.problem).collect(), Reward::Tests);
    let question_of =
        |row: usize| if row < questions.len() { row } else { (row - questions.len()) / config.samples };
    let answers: Vec<_> =
        completions.iter().enumerate().map(|(row, completion)| (question_of(row), completion)).collect();
    let verdicts = judge.verdicts(&answers)?;

    // ---- rows ----
    let mut rows = Vec::with_capacity(questions.len());
    for (index, question) in questions.iter().enumerate() {
        let first = questions.len() + index * config.samples;
        let draws = &verdicts[first..first + config.samples];
        let judged: Vec<bool> = draws.iter().filter_map(Verdict::passed).collect();
        rows.push(OutcomeRow {
            stage: stage.to_owned(),
            set: question.problem.set,
            prompts: question.prompts,
            problem: question.problem.key.clone(),
            depth: question.problem.depth,
            greedy: verdicts[index].word(),
            samples: judged.len() as u32,
            passed: judged.iter().filter(|passed| **passed).count() as u32,
        });
    }
    let tokens_sampled = completions.iter().map(|completion| completion.tokens.len() as u64).sum();
    Ok((rows, EvalCost { tokens_sampled, programs_judged: judge.programs_judged() }))
}
