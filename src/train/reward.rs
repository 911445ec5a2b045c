//! One judge for training and evaluation: completions in, verdicts out.
//!
//! A verdict is a function of problem and program text alone, so equal texts are run once. What the model is never told: the cases, the expected outputs, which one failed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use rand::seq::SliceRandom;
use sha2::{Digest, Sha256};

use crate::base::error::Result;
use crate::base::seed::Seed;
use crate::data::problem::Problem;
use crate::data::tokenizer::Codec;
use crate::model::sample::Completion;
use crate::sandbox::verdict::{CaseWord, Verdict};
use crate::sandbox::{Job, Limits, Sandbox};
use crate::train::ppo::{Judgement, Verifier};

/// Limits of one program of the study. Reference programs need a few milliseconds.
pub const LIMITS: Limits = Limits { cpu_s: 0.5, wall_s: 4.0, memory_mb: 256 };

/// Verdicts on programs that were run before, in any batch and for any arm of one data set.
///
/// Words that the load of the machine may have had a part in, and failures of the sandbox, are not
/// kept: such a program is run again.
#[derive(Default)]
pub struct KnownVerdicts(Mutex<HashMap<[u8; 32], Verdict>>);

impl KnownVerdicts {
    fn table(&self) -> MutexGuard<'_, HashMap<[u8; 32], Verdict>> {
        // Entries are whole or absent, whatever another thread died of.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn of(&self, problem: &Problem, program: &str) -> Option<Verdict> {
        self.table().get(&fingerprint(problem, program)).cloned()
    }

    fn keep(&self, problem: &Problem, program: &str, verdict: &Verdict) {
        let Verdict::Cases(words) = verdict else { return };
        let depends_on_load = |word: &CaseWord| matches!(word, CaseWord::Timeout | CaseWord::Memory);
        if !words.iter().any(depends_on_load) {
            self.table().insert(fingerprint(problem, program), verdict.clone());
        }
    }
}

fn fingerprint(problem: &Problem, program: &str) -> [u8; 32] {
    Sha256::new().chain_update(&problem.key).chain_update([0]).chain_update(program).finalize().into()
}

/// What the judges of one data set share.
#[derive(Clone, Copy)]
pub struct Court<'a> {
    pub sandbox: &'a Sandbox,
    pub codec: &'a Codec,
    pub known: &'a KnownVerdicts,
}

pub struct Judge<'a> {
    court: Court<'a>,
    problems: Vec<&'a Problem>,
    programs_judged: u64,
}

impl<'a> Judge<'a> {
    /// Completions refer to `problems` by index.
    pub fn new(court: Court<'a>, problems: Vec<&'a Problem>) -> Self {
        Judge { court, problems, programs_judged: 0 }
    }

    /// Programs judged so far (equal answers within a batch count once). Those that were known from
    /// earlier batches count too, so that the number does not depend on what ran before.
    pub fn programs_judged(&self) -> u64 {
        self.programs_judged
    }

    /// One verdict an answer. An answer without end token was cut off: it is `output_limit` and
    /// not run, so that no reward can come from a program that happens to be complete.
    pub fn verdicts(&mut self, answers: &[(usize, &Completion)]) -> Result<Vec<Verdict>> {
        let mut jobs: Vec<(&Problem, Job)> = Vec::new();
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
        self.programs_judged += jobs.len() as u64;
        let verdicts = self.judge_jobs(jobs);
        let cut_off = || Verdict::Cases(vec![CaseWord::OutputLimit]);
        Ok(slots.into_iter().map(|slot| slot.map_or_else(cut_off, |job| verdicts[job].clone())).collect())
    }

    /// One verdict a job, run or remembered.
    fn judge_jobs(&self, jobs: Vec<(&Problem, Job)>) -> Vec<Verdict> {
        let known = self.court.known;
        let mut verdicts: Vec<Option<Verdict>> =
            jobs.iter().map(|(problem, job)| known.of(problem, &job.program)).collect();
        let (problems, fresh): (Vec<&Problem>, Vec<Job>) = jobs
            .into_iter()
            .zip(&verdicts)
            .filter_map(|(job, verdict)| verdict.is_none().then_some(job))
            .unzip();
        let mut judged = self.court.sandbox.judge(&fresh).into_iter();
        for ((problem, job), verdict) in
            problems.iter().zip(&fresh).zip(verdicts.iter_mut().filter(|verdict| verdict.is_none()))
        {
            *verdict = judged.next().inspect(|verdict| known.keep(problem, &job.program, verdict));
        }
        let lost = || Verdict::Infra("the sandbox gave no verdict".to_owned());
        verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(lost)).collect()
    }

    fn job(&self, problem: usize, completion: &Completion) -> Result<(&'a Problem, Job)> {
        let problem = self.problems[problem];
        let job = Job {
            program: self.court.codec.decode(&completion.tokens)?,
            entry: problem.entry.clone(),
            inputs: problem.cases.iter().map(|case| vec![case.input.to_json()]).collect(),
            expected: problem.cases.iter().map(|case| case.expected.to_json()).collect(),
            limits: LIMITS,
            stop_at_first_failure: true,
        };
        Ok((problem, job))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::problem::{Case, Set};
    use crate::data::value::{Value, ValueType};
    use crate::sandbox::SandboxConfig;

    fn problem(key: &str, expected: i64) -> Problem {
        let case = Case { input: Value::Int(1), expected: Value::Int(expected) };
        Problem {
            key: key.to_owned(),
            atoms: Vec::new(),
            topics: Vec::new(),
            depth: 1,
            set: Set::AtomBase,
            input: ValueType::Int,
            output: ValueType::Int,
            prompts: Vec::new(),
            held_out_prompts: Vec::new(),
            entry: "f".to_owned(),
            reference: String::new(),
            cases: vec![case],
        }
    }

    #[test]
    fn what_the_load_may_have_decided_is_not_remembered() {
        let (known, problem) = (KnownVerdicts::default(), problem("p", 2));
        for word in [CaseWord::Timeout, CaseWord::Memory] {
            known.keep(&problem, "program", &Verdict::Cases(vec![CaseWord::Pass, word]));
            assert_eq!(known.of(&problem, "program"), None);
        }
        known.keep(&problem, "program", &Verdict::Infra("killed".to_owned()));
        assert_eq!(known.of(&problem, "program"), None);
        let verdict = Verdict::Cases(vec![CaseWord::WrongAnswer]);
        known.keep(&problem, "program", &verdict);
        assert_eq!(known.of(&problem, "program"), Some(verdict));
    }

    /// The same text is right for one problem and wrong for another, remembered or not, and verdicts
    /// keep the order of the jobs when only some of them are known.
    #[test]
    fn remembered_verdicts_belong_to_their_problem_and_place() {
        let sandbox = Sandbox::start(&SandboxConfig::strict(1)).unwrap();
        let codec =
            crate::data::tokenizer::Codec::train(&["def f(x): return x + 1".to_owned()], 300).unwrap();
        let known = KnownVerdicts::default();
        let court = Court { sandbox: &sandbox, codec: &codec, known: &known };
        let (two, three) = (problem("two", 2), problem("three", 3));
        let judge = Judge::new(court, vec![&two, &three]);
        let job = |problem: &Problem, program: &str| Job {
            program: program.to_owned(),
            entry: "f".to_owned(),
            inputs: vec![vec![problem.cases[0].input.to_json()]],
            expected: vec![problem.cases[0].expected.to_json()],
            limits: LIMITS,
            stop_at_first_failure: true,
        };
        let program = "def f(x): return x + 1";
        let passed = |jobs: Vec<(&Problem, Job)>| -> Vec<Option<bool>> {
            judge.judge_jobs(jobs).iter().map(Verdict::passed).collect()
        };
        assert_eq!(passed(vec![(&two, job(&two, program))]), [Some(true)]);
        let mixed = || {
            vec![
                (&three, job(&three, program)),
                (&two, job(&two, program)),
                (&two, job(&two, "def f(x): return 0")),
                (&three, job(&three, "def f(x): return x + 2")),
            ]
        };
        for _ in 0..2 {
            assert_eq!(passed(mixed()), [Some(false), Some(true), Some(false), Some(true)]);
        }
    }
}
