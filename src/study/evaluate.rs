//! Evaluation: each question answered once greedily and several times at temperature 1, all answers judged
//! by the sandbox, a word kept for each.
//!
//! Greedy and sampled pass rates tell different stories (RL sharpens the sampled one first), so
//! both are always taken. A problem has several wordings, and a model may read one and not another: each is
//! asked in one of its training wordings and in one of its held-out ones, the same for all arms and seeds,
//! and over a set all wordings come equally often.

use std::collections::{BTreeMap, HashMap};
use std::iter::repeat_n;

use itertools::Itertools;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Progress, Result, Seed};
use crate::data::{Problem, Set};
use crate::model::{Completion, Decoder, Sampling, sample};
use crate::sandbox::Verdict;
use crate::study::arms::Chains;
use crate::study::dataset::Dataset;
use crate::study::store::{AnswerRow, AnswerWord, Connective, Cost, FINAL_STAGE, OutcomeRow, Prompts};
use crate::train::{Court, Judge, Reward};

/// How many training chains the questions about training chains are drawn from, for every arm: the
/// first ones, which all arms with 64 chains or more have trained on.
const ASKED_TRAINING_CHAINS: usize = 64;

/// Questions that are answered together: it bounds what sampling holds in memory.
pub(super) const QUESTIONS_TOGETHER: usize = 480;

/// How much is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvalConfig {
    /// Problems asked of each set, at most.
    pub problems_per_set: usize,
    /// Answers at temperature 1 for each problem in its training wording.
    pub samples: usize,
    /// The same in its held-out wording; 0 leaves the greedy answer.
    pub held_out_samples: usize,
    /// Tokens an answer may have, its end token included.
    pub max_new_tokens: usize,
    /// Seeds whose runs keep the texts of their last answers.
    pub keep_answers: Vec<u64>,
    /// In the course of training, only these sets are asked.
    pub stage_sets: Vec<Set>,
    /// Answers at temperature 1 then, in training wordings.
    pub stage_samples: usize,
    /// What is 1 above: of the answers that are not greedy.
    #[serde(default = "one")]
    pub temperature: f64,
}

fn one() -> f64 {
    1.0
}

/// One question of an evaluation: a problem and which wording of it.
pub struct Question<'a> {
    /// What is asked.
    pub problem: &'a Problem,
    /// From which list of wordings.
    pub prompts: Prompts,
    /// Which of them, counted from 0.
    pub wording: usize,
}

impl<'a> Question<'a> {
    /// One question a problem. The wordings take turns within each depth, so problems must stand in an
    /// order that says nothing about them; since those of a chain take turns among the connectives, so do
    /// the questions.
    pub fn of_each(problems: &[&'a Problem], prompts: Prompts) -> Vec<Question<'a>> {
        let mut turns: HashMap<usize, usize> = HashMap::new();
        let question = |&problem: &&'a Problem| {
            let turn = turns.entry(problem.depth).or_default();
            let wording = *turn % wordings(problem, prompts).len().max(1);
            *turn += 1;
            Question { problem, prompts, wording }
        };
        problems.iter().map(question).collect()
    }

    /// What the model reads.
    ///
    /// # Errors
    /// `Error::Empty` where the problem has no such wording.
    pub fn prompt(&self) -> Result<&'a str> {
        let found = wordings(self.problem, self.prompts).get(self.wording);
        found.map(String::as_str).ok_or_else(|| Error::Empty {
            what: format!("the list of {} prompts of `{}`", self.prompts.name(), self.problem.key),
            needed: "evaluation asks one of them",
        })
    }
}

fn wordings(problem: &Problem, prompts: Prompts) -> &[String] {
    match prompts {
        Prompts::Train => &problem.prompts,
        Prompts::HeldOut => &problem.held_out_prompts,
    }
}

/// The questions of the study: every set in training wordings and once more in held-out ones. Which
/// problems of a large set are asked, and how, depends on the set only, never on arm or seed, so that arms
/// compare on the same questions.
pub fn questions<'a>(dataset: &'a Dataset, config: &EvalConfig) -> Vec<Question<'a>> {
    let mut questions = Vec::new();
    for set in Set::ALL {
        let mut problems: Vec<&Problem> = match set {
            Set::CompositeATrain => dataset.chains(Chains::Train, ASKED_TRAINING_CHAINS),
            _ => dataset.splits.get(set).iter().collect(),
        };
        problems.shuffle(&mut Seed::new(0).child("questions").stream(set.name()));
        problems.truncate(config.problems_per_set);
        for prompts in [Prompts::Train, Prompts::HeldOut] {
            let asked = Question::of_each(&problems, prompts);
            questions.extend(asked.into_iter().sorted_by(|a, b| a.problem.key.cmp(&b.problem.key)));
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
        let greedy = rows.iter().filter_map(|row| row.greedy_rate()).collect();
        let sampled = rows.iter().filter_map(|row| row.sampled_rate()).collect();
        (set, [mean(greedy), mean(sampled)])
    };
    by_set.into_iter().map(of_set).collect()
}

/// Answers all questions, one row each; what that took is added to `cost`. An answer that the sandbox could not judge is
/// marked as such in its row: it is never counted as a failure.
///
/// # Errors
/// `Error::Empty` where a problem lacks the wording that is asked.
pub fn evaluate(
    model: &Decoder,
    court: Court,
    questions: &[Question],
    stage: &str,
    config: &EvalConfig,
    seed: Seed,
    cost: &mut Cost,
) -> Result<Vec<AnswerRow>> {
    let &EvalConfig { samples, held_out_samples, max_new_tokens, .. } = config;
    if samples == 0 {
        return Err(Error::config("eval.samples", "must be 1 or more"));
    }
    let n_samples = |question: &Question| match question.prompts {
        Prompts::Train => samples,
        Prompts::HeldOut => held_out_samples,
    };

    // ---- Answers: one greedy row a question, then its sampled rows. Equal prompts of a call are read once.
    let greedy = Sampling { temperature: 0.0, max_new_tokens, end_token: court.codec.end() };
    let sampled = Sampling { temperature: config.temperature, ..greedy.clone() };
    let (mut likeliest, mut drawn) = (Vec::new(), Vec::new());
    let mut progress = Progress::new(&format!("evaluation, {stage}"), questions.len());
    for (index, questions) in questions.chunks(QUESTIONS_TOGETHER).enumerate() {
        let encode = |question: &Question| court.codec.encode(question.prompt()?);
        let prompts: Vec<Vec<u32>> = questions.iter().map(encode).try_collect()?;
        let repeated = prompts.iter().zip(questions);
        let repeated = repeated.flat_map(|(prompt, question)| repeat_n(prompt.clone(), n_samples(question)));
        let seed = seed.child_index(index as u64);
        likeliest.extend(sample(model, None, &prompts, &greedy, seed.child("greedy"))?);
        drawn.extend(sample(model, None, &repeated.collect_vec(), &sampled, seed.child("sampled"))?);
        progress.at(likeliest.len(), String::new);
    }

    progress.clear();

    // ---- Verdicts. One number a problem, however it is asked: equal answers to it are judged once.
    let problems = questions.iter().map(|question| question.problem).unique_by(|problem| &problem.key);
    let problems = problems.collect_vec();
    let numbers: HashMap<&str, usize> =
        problems.iter().map(|problem| problem.key.as_str()).zip(0..).collect();
    let number = |question: &Question| numbers[question.problem.key.as_str()];
    let repeated = questions.iter().flat_map(|question| repeat_n(number(question), n_samples(question)));
    let asked = questions.iter().map(number).chain(repeated);
    let completions = likeliest.iter().chain(&drawn);
    let mut judge = Judge::new(court, problems.clone(), Reward::Tests);
    let verdicts = judge.verdicts(&asked.zip(completions.clone()).collect_vec())?;
    let tokens: u64 = completions.clone().map(|completion| completion.tokens.len() as u64).sum();
    cost.tokens_sampled += tokens;
    cost.verifier_calls += judge.programs_judged();
    cost.flops += 2.0 * model.config().parameters() as f64 * tokens as f64;

    // ---- Rows.
    let answer = |(completion, verdict): (&Completion, Verdict)| -> Result<(String, AnswerWord)> {
        let judged = verdict.word().map_or(AnswerWord::Infra, AnswerWord::Judged);
        let word = if completion.finished { judged } else { AnswerWord::NoEnd };
        Ok((court.codec.decode(&completion.tokens)?, word))
    };
    let mut likeliest: Vec<(String, AnswerWord)> = completions.zip(verdicts).map(answer).try_collect()?;
    let mut drawn = likeliest.split_off(questions.len()).into_iter();
    let row = |(question, (greedy, word)): (&Question, (String, AnswerWord))| {
        let prompt = question.prompt()?.to_owned();
        let (sampled, words) = drawn.by_ref().take(n_samples(question)).unzip();
        let outcome = OutcomeRow {
            stage: stage.to_owned(),
            set: question.problem.set,
            prompts: question.prompts,
            problem: question.problem.key.clone(),
            depth: question.problem.depth,
            wording: question.wording,
            connective: Connective::of(&prompt),
            greedy: word,
            sampled: words,
        };
        Ok(AnswerRow { outcome, prompt, greedy, sampled })
    };
    questions.iter().zip(likeliest).map(row).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use candle_core::Device;

    use super::*;
    use crate::data::{Codec, Splits};
    use crate::model::Kernels;
    use crate::sandbox::{CaseWord, Sandbox, SandboxConfig};
    use crate::study::Tier;
    use crate::train::KnownVerdicts;

    fn dataset() -> Dataset {
        let splits = Splits::small().clone();
        let codec = Codec::train(&splits.iter().map(|problem| problem.reference.clone()).collect_vec(), 300);
        Dataset { splits, codec: codec.unwrap(), withheld: BTreeSet::new(), hash: String::new() }
    }

    fn config(problems_per_set: usize) -> EvalConfig {
        EvalConfig { problems_per_set, ..Tier::named("smoke").unwrap().eval }
    }

    #[test]
    fn wordings_take_turns_and_belong_to_their_problem() {
        let dataset = dataset();
        let all = questions(&dataset, &config(1000));
        for (set, prompts) in Set::ALL.into_iter().cartesian_product([Prompts::Train, Prompts::HeldOut]) {
            let of_set = all.iter().filter(|asked| (asked.problem.set, asked.prompts) == (set, prompts));
            let of_set = of_set.collect_vec();
            assert_eq!(of_set.len(), dataset.splits.get(set).len());
            assert!(of_set.is_sorted_by_key(|asked| &asked.problem.key));
            for (depth, asked) in of_set.into_iter().into_group_map_by(|asked| asked.problem.depth) {
                let n_wordings = wordings(asked[0].problem, prompts).len();
                let counts = asked.iter().map(|asked| asked.wording).counts();
                let even = asked.len() / n_wordings;
                let fair = |wording| (even..=even + 1).contains(counts.get(&wording).unwrap_or(&0));
                assert!((0..n_wordings).all(fair), "{set:?} {prompts:?} {depth}: {counts:?}");
                let joined = |asked: &&Question| Connective::of(asked.prompt().unwrap());
                let connectives = asked.iter().map(joined).counts();
                let even = asked.len() / 3;
                let fair = |count: &usize| (even..=even + 1).contains(count);
                assert!(depth == 1 || prompts == Prompts::HeldOut || connectives.values().all(fair));
            }
        }
        // Asking fewer asks some of the same questions.
        let key = |asked: &Question| (asked.problem.key.clone(), asked.prompts, asked.wording);
        let fewer = questions(&dataset, &config(5)).iter().map(key).collect_vec();
        assert_eq!(fewer.len(), 2 * (5 * 5 + 4));
        assert!(fewer.iter().all(|asked| all.iter().any(|other| key(other) == *asked)));
    }

    #[test]
    fn a_wording_that_is_not_there_is_named() {
        let problem =
            Problem { held_out_prompts: Vec::new(), ..dataset().splits.get(Set::CompositeB)[0].clone() };
        let [asked] = &Question::of_each(&[&problem], Prompts::HeldOut)[..] else { panic!() };
        let message = asked.prompt().unwrap_err().to_string();
        assert!(message.contains("held_out") && message.contains(&problem.key), "{message}");
    }

    /// A model that has learned nothing writes one token: by chance the end, which is the empty program. So
    /// the words are `no_entry` or `no_end`, and a problem has one program to judge, however it was asked.
    #[test]
    fn every_answer_has_its_word_and_equal_ones_are_judged_once() {
        let (dataset, tier) = (dataset(), Tier::named("smoke").unwrap());
        let codec = &dataset.codec;
        let shape = tier.model.config(codec.vocabulary(), codec.end());
        let model = Decoder::new(&shape, Seed::new(1), &Device::Cpu, Kernels::Fused).unwrap();
        let sandbox = Sandbox::start(&SandboxConfig::strict(1)).unwrap();
        let court = Court { sandbox: &sandbox, codec, known: &KnownVerdicts::default() };
        let config = EvalConfig { samples: 40, held_out_samples: 30, max_new_tokens: 1, ..config(100) };
        let questions = questions(&dataset, &config);
        let ask =
            |cost: &mut Cost| evaluate(&model, court, &questions, "x", &config, Seed::new(2), cost).unwrap();
        let mut cost = Cost::default();
        let answers = ask(&mut cost);
        let rows = answers.iter().map(|answer| &answer.outcome).collect_vec();

        let no_entry = AnswerWord::Judged(CaseWord::NoEntry);
        let mut judged = Vec::new();
        for ((question, row), answer) in questions.iter().zip(&rows).zip(&answers) {
            let prompt = question.prompt().unwrap();
            assert_eq!(
                (&row.problem, row.prompts, row.wording),
                (&question.problem.key, question.prompts, question.wording)
            );
            assert_eq!((row.connective, answer.prompt.as_str()), (Connective::of(prompt), prompt));
            assert_eq!(row.sampled.len(), if row.prompts == Prompts::Train { 40 } else { 30 });
            for (word, text) in row.sampled.iter().zip(&answer.sampled) {
                assert!(
                    (*word == no_entry && text.is_empty()) || *word == AnswerWord::NoEnd,
                    "{word:?} {text:?}"
                );
            }
            let finished = row.sampled.iter().chain([&row.greedy]).any(|word| *word == no_entry);
            judged.extend(finished.then_some((&row.problem, row.prompts)));
        }
        let problems = judged.iter().map(|(problem, _)| problem).unique().count();
        assert!(0 < problems && problems < judged.len(), "{problems} of {}", judged.len());
        assert_eq!(cost.verifier_calls, problems as u64);
        assert_eq!(
            cost.tokens_sampled as usize,
            questions.len() + rows.iter().map(|row| row.sampled.len()).sum::<usize>()
        );
        assert_eq!(ask(&mut cost), answers);
    }
}
