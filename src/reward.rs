//! One judge for training and evaluation: completions in, verdicts out.
//!
//! A verdict is a function of problem and program text alone, so equal texts within a batch are
//! judged once. What the model is never told: the cases, the expected outputs, which one failed.

use std::collections::HashMap;

use rand::seq::SliceRandom;

use crate::error::Result;
use crate::ppo::{Judgement, Verifier};
use crate::problem::{CaseWord, Problem, Verdict};
use crate::rollout::Completion;
use crate::sandbox::{Job, Limits, Sandbox};
use crate::seed::Seed;
use crate::token::Codec;

/// Limits of one program of the study. Reference programs need a few milliseconds.
pub const LIMITS: Limits = Limits { cpu_s: 0.5, wall_s: 4.0, memory_mb: 256 };

pub struct Judge<'a> {
    sandbox: &'a Sandbox,
    codec: &'a Codec,
    problems: Vec<&'a Problem>,
    programs_run: u64,
}

impl<'a> Judge<'a> {
    /// Completions refer to `problems` by index.
    pub fn new(sandbox: &'a Sandbox, codec: &'a Codec, problems: Vec<&'a Problem>) -> Self {
        Judge { sandbox, codec, problems, programs_run: 0 }
    }

    /// Programs sent to the sandbox so far (equal answers within a batch count once).
    pub fn programs_run(&self) -> u64 {
        self.programs_run
    }

    /// One verdict an answer. An answer without end token was cut off: it is `output_limit` and
    /// not run, so that no reward can come from a program that happens to be complete.
    pub fn verdicts(&mut self, answers: &[(usize, &Completion)]) -> Result<Vec<Verdict>> {
        let mut jobs: Vec<Job> = Vec::new();
        let mut job_of: HashMap<(usize, &[u32]), usize> = HashMap::new();
        let mut slots: Vec<Option<usize>> = Vec::with_capacity(answers.len());
        for (problem, completion) in answers {
            if !completion.finished {
                slots.push(None);
                continue;
            }
            let key = (*problem, completion.tokens.as_slice());
            let job = match job_of.get(&key) {
                Some(job) => *job,
                None => {
                    jobs.push(self.job(*problem, completion)?);
                    job_of.insert(key, jobs.len() - 1);
                    jobs.len() - 1
                }
            };
            slots.push(Some(job));
        }
        self.programs_run += jobs.len() as u64;
        let verdicts = self.sandbox.judge(&jobs);
        let cut_off = || Verdict::Cases(vec![CaseWord::OutputLimit]);
        Ok(slots.into_iter().map(|slot| slot.map_or_else(cut_off, |job| verdicts[job].clone())).collect())
    }

    fn job(&self, problem: usize, completion: &Completion) -> Result<Job> {
        let problem = self.problems[problem];
        Ok(Job {
            program: self.codec.decode(&completion.tokens)?,
            entry: problem.entry.clone(),
            inputs: problem.cases.iter().map(|case| vec![case.input.to_json()]).collect(),
            expected: problem.cases.iter().map(|case| case.expected.to_json()).collect(),
            limits: LIMITS,
            stop_at_first_failure: true,
        })
    }
}

/// The reward of RL: 1 for a program that passes every hidden case, else 0; none where the
/// sandbox itself failed.
impl Verifier for Judge<'_> {
    fn judge(&mut self, answers: &[(usize, &Completion)]) -> Result<Vec<Judgement>> {
        let verdicts = self.verdicts(answers)?;
        Ok(verdicts
            .iter()
            .map(|verdict| Judgement {
                word: verdict.word(),
                reward: verdict.passed().map(|passed| if passed { 1.0 } else { 0.0 }),
            })
            .collect())
    }
}

/// Negative controls: the same verifier with a reward that says nothing about correctness. If a
/// finding shows under one of these, it is not supported.
pub struct Control<V> {
    inner: V,
    shuffled: bool,
    format: bool,
}

impl<V: Verifier> Control<V> {
    /// With both flags false, rewards pass through as they are.
    pub fn new(inner: V, shuffled: bool, format: bool) -> Self {
        Control { inner, shuffled, format }
    }

    pub fn inner(&self) -> &V {
        &self.inner
    }
}

impl<V: Verifier> Verifier for Control<V> {
    fn judge(&mut self, answers: &[(usize, &Completion)]) -> Result<Vec<Judgement>> {
        let mut judgements = self.inner.judge(answers)?;
        if self.format {
            for judgement in &mut judgements {
                let runs = matches!(judgement.word, Some(CaseWord::Pass | CaseWord::WrongAnswer));
                judgement.reward = judgement.word.map(|_| if runs { 1.0 } else { 0.0 });
            }
        }
        if self.shuffled {
            let mut rewards: Vec<Option<f32>> = judgements.iter().map(|judgement| judgement.reward).collect();
            // The batch itself addresses the permutation, so that a resumed run repeats it.
            let fingerprint = answers.iter().flat_map(|(_, completion)| &completion.tokens);
            let seed =
                fingerprint.fold(0u64, |hash, token| hash.wrapping_mul(31).wrapping_add(u64::from(*token)));
            rewards.shuffle(&mut Seed::new(seed).stream("shuffled reward"));
            for (judgement, reward) in judgements.iter_mut().zip(rewards) {
                judgement.reward = reward;
            }
        }
        Ok(judgements)
    }
}
