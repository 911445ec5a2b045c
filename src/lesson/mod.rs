//! What a cell of a notebook does with one model and a few problems: ask it, judge what it wrote, color what it finds
//! hard, teach it one step. All that it hands out owns its data, so that a later cell can use it.

mod answers;
mod losses;
mod prediction;

use itertools::Itertools;

use crate::base::{Error, Result, Seed};
use crate::data::{Problem, Set};
use crate::model::{Completion, Decoder, Sampling, sample};
use crate::sandbox::Verdict;
use crate::study::{AnswerWord, Study};
use crate::train::{Example, Judge, Microbatch, Passage, Reward, Task};

pub use answers::{Answer, Answers};
pub use losses::TokenLosses;
pub use prediction::predict;

impl Study {
    /// This study with some settings of its tier changed, as `--set` does: `["sft_steps=200"]`. Models that the changes
    /// do not touch are still those of the tier.
    ///
    /// # Errors
    /// `Error::Config` naming the setting that does not exist or does not take the value.
    pub fn set(self, settings: &[&str]) -> Result<Study> {
        let tier = self.tier.with(&settings.iter().map(ToString::to_string).collect_vec())?;
        self.of_tier(tier)
    }

    /// The problem called `key`, of any set.
    ///
    /// # Errors
    /// `Error::Unknown` with some keys that there are.
    pub fn problem(&self, key: &str) -> Result<&Problem> {
        let mut all = self.dataset.splits.iter();
        all.find(|problem| problem.key == key).ok_or_else(|| {
            let some = Set::ALL.into_iter().flat_map(|set| self.dataset.splits.get(set).iter().take(2));
            let known = some.map(|problem| problem.key.as_str()).join(", ") + ", ...";
            Error::Unknown { kind: "problem", name: key.to_owned(), known }
        })
    }

    /// What `model` writes after `prompt`: its likeliest answer, then `samples` at temperature 1. Nothing is run.
    pub fn complete(&self, model: &Decoder, prompt: &str, samples: usize, seed: Seed) -> Result<Answers> {
        let codec = &self.dataset.codec;
        let tokens = codec.encode(prompt)?;
        let max_new_tokens = self.tier.eval.max_new_tokens;
        let greedy = Sampling { temperature: 0.0, max_new_tokens, end_token: codec.end() };
        let sampling = Sampling { temperature: 1.0, ..greedy.clone() };
        let mut completions = sample(model, None, std::slice::from_ref(&tokens), &greedy, seed)?;
        completions.extend(sample(model, None, &vec![tokens; samples], &sampling, seed.child("sample"))?);
        let answer = |(index, completion): (usize, Completion)| {
            let label = if index == 0 { "likeliest".to_owned() } else { format!("sample {index}") };
            let program = codec.decode(&completion.tokens)?;
            Ok(Answer { label, program, completion, word: None, fails: None })
        };
        let answers = completions.into_iter().enumerate().map(answer).collect::<Result<_>>()?;
        Ok(Answers { prompt: prompt.to_owned(), answers })
    }

    /// What `model` answers to the first wording of `problem`, judged. The samples are those of a first PPO step at
    /// `seed` whose only task is this problem's: `train_ppo` draws from `seed.child_index(0)`.
    pub fn ask(&self, model: &Decoder, problem: &Problem, samples: usize, seed: Seed) -> Result<Answers> {
        let prompt = first_wording(problem)?;
        self.judged(problem, self.complete(model, prompt, samples, seed.child_index(0))?)
    }

    /// The same `programs` under any names, as answers to `problem`.
    pub fn judge(&self, problem: &Problem, programs: &[(&str, &str)]) -> Result<Answers> {
        let answer = |(label, program): &(&str, &str)| -> Result<Answer> {
            let tokens = self.dataset.codec.encode_response(program)?;
            let completion = Completion { tokens, finished: true, ..Completion::default() };
            Ok(Answer {
                label: (*label).to_owned(),
                program: (*program).to_owned(),
                completion,
                word: None,
                fails: None,
            })
        };
        let answers = programs.iter().map(answer).try_collect()?;
        self.judged(problem, Answers { prompt: first_wording(problem)?.to_owned(), answers })
    }

    fn judged(&self, problem: &Problem, mut answers: Answers) -> Result<Answers> {
        let judge = Judge::new(self.court(), vec![problem], Reward::Tests);
        let programs = answers.answers.iter().map(|answer| (problem, answer.program.clone())).collect_vec();
        for (answer, verdict) in answers.answers.iter_mut().zip(judge.judge_programs(&programs)) {
            if !answer.completion.finished {
                answer.word = Some(AnswerWord::NoEnd);
                continue;
            }
            answer.word = Some(verdict.word().map_or(AnswerWord::Infra, AnswerWord::Judged));
            let Verdict::Cases(words) = verdict else { continue };
            let failed = words.iter().position(|word| AnswerWord::Judged(*word).passed() != Some(true));
            answer.fails =
                failed.and_then(|at| problem.cases.get(at).map(|case| (at, case))).map(|(at, case)| {
                    let (input, expected) = (case.input.to_json(), case.expected.to_json());
                    format!("case {} of {}: f({input}) is {expected}", at + 1, problem.cases.len())
                });
        }
        Ok(answers)
    }

    /// `log p` of each token of each answer after its prompt, by `model`: what the KL penalty and the ratio of PPO are
    /// made of.
    pub fn log_probs(&self, model: &Decoder, answers: &Answers) -> Result<Vec<Vec<f32>>> {
        let prompt = self.dataset.codec.encode(&answers.prompt)?;
        let of = |answer: &Answer| token_log_probs(model, &prompt, &answer.completion.tokens);
        answers.answers.iter().map(of).collect()
    }

    /// How surprised `model` is by each token of the reference program of `problem`: what SFT would teach it there.
    pub fn token_losses(&self, model: &Decoder, problem: &Problem) -> Result<TokenLosses> {
        let Example { prompt, response } = self.example(problem)?;
        let losses = token_log_probs(model, &prompt, &response)?.into_iter().map(|log_prob| -log_prob);
        let text = |token: &u32| self.dataset.codec.decode(std::slice::from_ref(token));
        let texts: Vec<String> = response.iter().map(text).try_collect()?;
        Ok(TokenLosses {
            prompt: first_wording(problem)?.to_owned(),
            tokens: texts.into_iter().zip(losses).collect(),
        })
    }

    /// What SFT learns of `problem`: its first wording, and the reference program.
    pub fn example(&self, problem: &Problem) -> Result<Example> {
        let codec = &self.dataset.codec;
        let (prompt, response) =
            (codec.encode(first_wording(problem)?)?, codec.encode_response(&problem.reference)?);
        Ok(Example { prompt, response })
    }

    /// What RL is asked of `problem`: its first wording, and what judges the answers.
    pub fn task<'a>(&'a self, problem: &'a Problem) -> Result<(Task, Judge<'a>)> {
        let prompt = self.dataset.codec.encode(first_wording(problem)?)?;
        Ok((Task { prompt, problem: 0 }, Judge::new(self.court(), vec![problem], Reward::Tests)))
    }
}

fn first_wording(problem: &Problem) -> Result<&str> {
    let first = problem.prompts.first().map(String::as_str);
    first.ok_or_else(|| Error::Empty {
        what: format!("the list of wordings of `{}`", problem.key),
        needed: "one is asked",
    })
}

fn token_log_probs(model: &Decoder, prompt: &[u32], response: &[u32]) -> Result<Vec<f32>> {
    let packed = Microbatch::pack(&[Passage { prompt, response }], model.device())?;
    let hidden = model.hidden(&packed.batch)?; // (tokens, hidden)
    Ok(model.log_probs(&hidden, &packed.rows, &packed.targets)?.to_vec1()?)
}
