//! Answers in, judgements out: the verifier of RL, and the one judge of training and evaluation.
//!
//! A verdict is a function of problem and program text alone, so equal texts are run once. What the
//! model is never told: the cases, the expected outputs, which one failed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use itertools::Itertools;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::base::Seed;
use crate::data::{Codec, Problem};
use crate::model::Completion;
use crate::sandbox::{CaseWord, Job, Limits, Sandbox, Verdict};

/// Limits of one program of the study. Reference programs need a few milliseconds.
const LIMITS: Limits = Limits { cpu_s: 0.5, wall_s: 4.0, memory_mb: 256 };

/// What the verifier says of one answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// For the log; `None` where the verifier itself failed.
    pub word: Option<CaseWord>,
    /// 1 for a pass, else 0, unless an arm says otherwise. `None` where the verifier itself failed:
    /// the rollout is then left out of the batch.
    pub reward: Option<f32>,
}

impl Judgement {
    /// The usual reward of a verdict's word: 1 for `pass`, 0 for any other, none without one.
    pub fn of_word(word: Option<CaseWord>) -> Judgement {
        Judgement { word, reward: word.map(|word| f32::from(word == CaseWord::Pass)) }
    }
}

/// Judges answers to problems. The kit's own sends programs to the sandbox; tests use a closure.
/// Answering the same program twice at the cost of one is the verifier's business.
pub trait Verifier {
    /// One judgement for each answer (the caller's number of a problem, what the model wrote), in
    /// order. All answers reached the end token.
    ///
    /// # Errors
    /// Where no judgement can be had at all; a single one that failed has no reward.
    fn judge(&mut self, answers: &[(usize, &Completion)]) -> Result<Vec<Judgement>>;
}

impl<F: FnMut(&[(usize, &Completion)]) -> Result<Vec<Judgement>>> Verifier for F {
    fn judge(&mut self, answers: &[(usize, &Completion)]) -> Result<Vec<Judgement>> {
        self(answers)
    }
}

/// What RL is rewarded for. If a finding shows under a negative control, whose reward says nothing
/// about correctness, it is not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reward {
    /// 1 if all hidden cases pass, else 0.
    Tests,
    /// The share of the hidden cases that pass.
    Share,
    /// Negative control: the verdicts of a batch, permuted among its answers.
    Shuffled,
    /// Negative control: 1 for any answer that runs to a value of the expected type.
    Format,
    /// Negative control: 0 for every answer, so that nothing but the KL penalty is left.
    Nothing,
}

impl Reward {
    /// Judgements from what the cases said of `answers`.
    fn judgements(self, verdicts: &[Verdict], answers: &[(usize, &Completion)]) -> Vec<Judgement> {
        let earned = |verdict: &Verdict| {
            let word = verdict.word()?;
            Some(match self {
                Reward::Format => f32::from(matches!(word, CaseWord::Pass | CaseWord::WrongAnswer)),
                Reward::Tests | Reward::Shuffled => f32::from(word == CaseWord::Pass),
                Reward::Share => verdict.share()?,
                Reward::Nothing => 0.0,
            })
        };
        let mut rewards = verdicts.iter().map(earned).collect_vec();
        if self == Reward::Shuffled {
            // The batch itself addresses the permutation, so that a resumed run repeats it.
            let tokens = answers.iter().flat_map(|(_, completion)| &completion.tokens);
            let seed = tokens.fold(0u64, |hash, token| hash.wrapping_mul(31).wrapping_add(u64::from(*token)));
            rewards.shuffle(&mut Seed::new(seed).stream("shuffled reward"));
        }
        let words = verdicts.iter().map(Verdict::word);
        words.zip(rewards).map(|(word, reward)| Judgement { word, reward }).collect()
    }
}

/// Verdicts on programs that were run before, in any batch and for any arm of one data set.
///
/// Words that the load of the machine may have had a part in, and failures of the sandbox, are not
/// kept: such a program is run again.
#[derive(Default)]
pub struct KnownVerdicts(Mutex<HashMap<(String, String), Verdict>>);

impl KnownVerdicts {
    /// By the problem's key and the program.
    fn table(&self) -> MutexGuard<'_, HashMap<(String, String), Verdict>> {
        // Entries are whole or absent, whatever another thread died of.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn of(&self, problem: &Problem, program: &str) -> Option<Verdict> {
        self.table().get(&(problem.key.clone(), program.to_owned())).cloned()
    }

    fn keep(&self, problem: &Problem, program: &str, verdict: &Verdict) {
        let Verdict::Cases(words) = verdict else { return };
        let depends_on_load = |word: &CaseWord| matches!(word, CaseWord::Timeout | CaseWord::Memory);
        if !words.iter().any(depends_on_load) {
            self.table().insert((problem.key.clone(), program.to_owned()), verdict.clone());
        }
    }
}

/// What the judges of one data set share.
#[derive(Clone, Copy)]
pub struct Court<'a> {
    /// Runs the programs.
    pub sandbox: &'a Sandbox,
    /// From tokens to program text.
    pub codec: &'a Codec,
    /// Verdicts of earlier batches.
    pub known: &'a KnownVerdicts,
}

/// Judges answers to a list of problems: verdicts for evaluation, rewards (as a [`Verifier`]) for RL.
pub struct Judge<'a> {
    court: Court<'a>,
    problems: Vec<&'a Problem>,
    reward: Reward,
    programs_judged: u64,
}

impl<'a> Judge<'a> {
    /// Answers refer to `problems` by index.
    pub fn new(court: Court<'a>, problems: Vec<&'a Problem>, reward: Reward) -> Self {
        Judge { court, problems, reward, programs_judged: 0 }
    }

    /// Programs judged so far (equal answers within a batch count once). Those that were known from
    /// earlier batches count too, so that the number does not depend on what ran before.
    pub fn programs_judged(&self) -> u64 {
        self.programs_judged
    }

    /// One verdict an answer. An answer without end token was cut off: it is `output_limit` and
    /// not run, so that no reward can come from a program that happens to be complete.
    ///
    /// # Errors
    /// `Error::Tokenizer` where an answer is no text.
    pub fn verdicts(&mut self, answers: &[(usize, &Completion)]) -> Result<Vec<Verdict>> {
        let key = |(problem, completion): &(usize, &'_ Completion)| (*problem, completion.tokens.clone());
        let finished = answers.iter().filter(|(_, completion)| completion.finished);
        let asked: Vec<(usize, Vec<u32>)> = finished.map(key).unique().collect();
        self.programs_judged += asked.len() as u64;
        let program = |(problem, tokens): &(usize, Vec<u32>)| -> Result<_> {
            Ok((self.problems[*problem], self.court.codec.decode(tokens)?))
        };
        let programs: Vec<(&Problem, String)> = asked.iter().map(program).try_collect()?;
        let verdicts: HashMap<_, Verdict> = asked.into_iter().zip(self.judge_programs(&programs)).collect();
        let verdict = |answer: &(usize, &Completion)| match answer.1.finished {
            true => verdicts[&key(answer)].clone(),
            false => Verdict::Cases(vec![CaseWord::OutputLimit]),
        };
        Ok(answers.iter().map(verdict).collect())
    }

    /// One verdict a program, run or remembered.
    pub fn judge_programs(&self, programs: &[(&Problem, String)]) -> Vec<Verdict> {
        let Court { known, sandbox, .. } = self.court;
        // What is remembered ends at the first failure.
        let whole = self.reward == Reward::Share;
        let of = |(problem, program): &(&Problem, String)| known.of(problem, program).filter(|_| !whole);
        let remembered = programs.iter().map(of).collect_vec();
        let unknown = programs.iter().zip(&remembered).filter(|(_, verdict)| verdict.is_none());
        let job = |(problem, program): &(&Problem, String)| Job {
            limits: LIMITS,
            stop_at_first_failure: !whole,
            ..problem.job(program.clone())
        };
        let mut judged = sandbox.judge(&unknown.map(|(program, _)| job(program)).collect_vec()).into_iter();
        let verdict = |((problem, program), remembered): (&(&Problem, String), Option<Verdict>)| {
            remembered.unwrap_or_else(|| {
                let lost = || Verdict::Infra("the sandbox gave no verdict".to_owned());
                let verdict = judged.next().unwrap_or_else(lost);
                if !whole {
                    known.keep(problem, program, &verdict);
                }
                verdict
            })
        };
        programs.iter().zip(remembered).map(verdict).collect()
    }
}

impl Verifier for Judge<'_> {
    fn judge(&mut self, answers: &[(usize, &Completion)]) -> Result<Vec<Judgement>> {
        Ok(self.reward.judgements(&self.verdicts(answers)?, answers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Case, Set};
    use crate::data::{Value, ValueType};
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
        let codec = crate::data::Codec::train(&["def f(x): return x + 1".to_owned()], 300).unwrap();
        let known = KnownVerdicts::default();
        let court = Court { sandbox: &sandbox, codec: &codec, known: &known };
        let (two, three) = (problem("two", 2), problem("three", 3));
        let judge = Judge::new(court, vec![&two, &three], Reward::Tests);
        let passed = |programs: &[(&Problem, String)]| -> Vec<Option<bool>> {
            judge.judge_programs(programs).iter().map(Verdict::passed).collect()
        };
        let program = "def f(x): return x + 1".to_owned();
        assert_eq!(passed(&[(&two, program.clone())]), [Some(true)]);
        let mixed = [
            (&three, program.clone()),
            (&two, program),
            (&two, "def f(x): return 0".to_owned()),
            (&three, "def f(x): return x + 2".to_owned()),
        ];
        for _ in 0..2 {
            assert_eq!(passed(&mixed), [Some(false), Some(true), Some(false), Some(true)]);
        }
    }

    /// One of two cases passes, the first one fails: the share is of all cases, whatever is remembered of the program.
    #[test]
    fn a_share_is_of_all_cases() {
        let sandbox = Sandbox::start(&SandboxConfig::strict(1)).unwrap();
        let codec = crate::data::Codec::train(&["def f(x): return 3".to_owned()], 300).unwrap();
        let known = KnownVerdicts::default();
        let court = Court { sandbox: &sandbox, codec: &codec, known: &known };
        let mut problem = problem("two and three", 2);
        problem.cases.push(Case { input: Value::Int(2), expected: Value::Int(3) });
        let program = [(&problem, "def f(x): return 3".to_owned())];
        let share = |reward| Judge::new(court, vec![&problem], reward).judge_programs(&program)[0].share();
        assert_eq!(
            [Reward::Tests, Reward::Share, Reward::Tests].map(share),
            [Some(0.0), Some(0.5), Some(0.0)]
        );
    }

    #[test]
    fn controls_pay_for_something_else() {
        use CaseWord::{Exception, Pass, WrongAnswer};
        let words = [Some(Pass), Some(WrongAnswer), Some(Exception), None, Some(Pass), Some(Pass)];
        let completions: Vec<Completion> = (0..6)
            .map(|token| Completion {
                tokens: vec![token],
                log_probs: vec![],
                values: vec![],
                finished: true,
            })
            .collect();
        let answers: Vec<(usize, &Completion)> =
            completions.iter().map(|completion| (0, completion)).collect();
        let verdict = |word: Option<CaseWord>| {
            word.map_or_else(|| Verdict::Infra(String::new()), |word| Verdict::Cases(vec![Pass, word]))
        };
        let verdicts = words.map(verdict);
        let rewards = |reward: Reward| -> Vec<Option<f32>> {
            let judgements = reward.judgements(&verdicts, &answers);
            assert!(
                judgements.iter().map(|judgement| judgement.word).eq(words),
                "{reward:?} keeps the words"
            );
            judgements.iter().map(|judgement| judgement.reward).collect()
        };
        let earned = [Some(1.0), Some(0.0), Some(0.0), None, Some(1.0), Some(1.0)];
        assert_eq!(rewards(Reward::Tests), earned);
        assert_eq!(rewards(Reward::Format), [Some(1.0), Some(1.0), Some(0.0), None, Some(1.0), Some(1.0)]);
        assert_eq!(rewards(Reward::Share), [Some(1.0), Some(0.5), Some(0.5), None, Some(1.0), Some(1.0)]);
        let shuffled = rewards(Reward::Shuffled);
        assert_eq!(rewards(Reward::Shuffled), shuffled, "a function of the batch");
        assert_ne!(shuffled, earned);
        let sorted = |rewards: &[Option<f32>]| {
            rewards.iter().map(|reward| reward.map(|x| x as u8)).sorted().collect_vec()
        };
        assert_eq!(sorted(&shuffled), sorted(&earned));
    }
}
