//! From tasks to scored rollouts: which prompts a step gets, and who judges the answers.

use std::collections::BTreeMap;
use std::ops::Range;

use rand::seq::SliceRandom;

use super::PpoStep;
use crate::base::error::{Error, Result};
use crate::base::seed::Seed;
use crate::model::sample::Completion;
use crate::sandbox::verdict::CaseWord;
use crate::train::packing::Passage;

/// A training prompt and the problem it belongs to (the caller's number of it). Several prompts may
/// belong to one problem: paraphrases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub prompt: Vec<u32>,
    pub problem: usize,
}

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
    /// One judgement for each answer, in order. All answers reached the end token.
    fn judge(&mut self, answers: &[(usize, &Completion)]) -> Result<Vec<Judgement>>;
}

impl<F: FnMut(&[(usize, &Completion)]) -> Result<Vec<Judgement>>> Verifier for F {
    fn judge(&mut self, answers: &[(usize, &Completion)]) -> Result<Vec<Judgement>> {
        self(answers)
    }
}

/// One scored completion.
pub(super) struct Rollout<'a> {
    task: &'a Task,
    completion: Completion,
    /// Rollouts of one prompt in one step have the same group.
    group: usize,
    pub score: f32,
    /// Where its response tokens (the end token included) lie in the step's per-token lists, which
    /// hold rollout after rollout.
    pub tokens: Range<usize>,
}

impl Rollout<'_> {
    pub fn passage(&self) -> Passage<'_> {
        Passage { prompt: &self.task.prompt, response: &self.completion.tokens }
    }

    /// What the critic said before each response token; empty without a critic.
    pub fn old_values(&self) -> &[f32] {
        &self.completion.values
    }

    /// Log-probabilities under the policy that sampled it, one a response token.
    pub fn old_log_probs(&self) -> &[f32] {
        &self.completion.log_probs
    }
}

/// The tasks of step `step`, a pure function of (tasks, seed, step). All steps together walk
/// through the tasks epoch after epoch, each epoch in a new order; a step may span two epochs.
pub(super) fn choose_tasks(tasks: &[Task], count: usize, step: usize, seed: Seed) -> Result<Vec<&Task>> {
    if tasks.is_empty() {
        return Err(Error::Data("PPO needs at least one task".into()));
    }
    let mut chosen = Vec::with_capacity(count);
    let mut order: Vec<&Task> = Vec::new();
    let mut shuffled_epoch = None;
    for position in step * count..(step + 1) * count {
        let epoch = position / tasks.len();
        if shuffled_epoch != Some(epoch) {
            order = tasks.iter().collect();
            order.shuffle(&mut seed.child("epochs").child_index(epoch as u64).stream("order"));
            shuffled_epoch = Some(epoch);
        }
        chosen.push(order[position % tasks.len()]);
    }
    Ok(chosen)
}

/// Scores the completions: those with an end token by the verifier, the others with 0. Leaves out
/// what could not be judged, and logs what became of all of them.
pub(super) fn judge<'a>(
    verifier: &mut dyn Verifier,
    rows: &[&'a Task],
    completions: Vec<Completion>,
    group_size: usize,
    m: &mut PpoStep,
) -> Result<Vec<Rollout<'a>>> {
    let answers: Vec<(usize, &Completion)> = rows
        .iter()
        .zip(&completions)
        .filter(|(_, completion)| completion.finished)
        .map(|(task, completion)| (task.problem, completion))
        .collect();
    let judgements = if answers.is_empty() { Vec::new() } else { verifier.judge(&answers)? };
    if judgements.len() != answers.len() {
        let message =
            format!("the verifier gave {} judgements on {} answers", judgements.len(), answers.len());
        return Err(Error::Data(message));
    }
    m.verifier_calls = answers.len();

    let sampled = completions.len();
    let mut judgements = judgements.into_iter();
    let mut counts: BTreeMap<&str, usize> = CaseWord::ALL.iter().map(|word| (word.name(), 0)).collect();
    counts.extend([("no_end", 0), ("infra", 0)]);
    let mut rollouts: Vec<Rollout> = Vec::with_capacity(sampled);
    let mut start = 0;
    for (row, (task, completion)) in rows.iter().zip(completions).enumerate() {
        let judgement = if completion.finished { judgements.next() } else { None };
        let (word, score) = match judgement {
            None => ("no_end", Some(0.0)),
            Some(Judgement { reward: None, .. }) => ("infra", None),
            Some(Judgement { word, reward }) => (word.map_or("infra", CaseWord::name), reward),
        };
        *counts.entry(word).or_default() += 1;
        if let Some(score) = score {
            let tokens = start..start + completion.tokens.len();
            start = tokens.end;
            rollouts.push(Rollout { task, completion, group: row / group_size, score, tokens });
        }
    }

    m.rollouts = rollouts.len();
    let kept = rollouts.len().max(1) as f64;
    m.pass_rate = counts[CaseWord::Pass.name()] as f64 / kept;
    m.finished = rollouts.iter().filter(|rollout| rollout.completion.finished).count() as f64 / kept;
    m.response_tokens = start as f64 / kept;
    m.words = counts
        .into_iter()
        .map(|(word, count)| (word.to_string(), count as f64 / sampled.max(1) as f64))
        .collect();
    Ok(rollouts)
}

/// The scores of each group, by group.
fn groups(rollouts: &[Rollout]) -> BTreeMap<usize, Vec<f32>> {
    let mut groups: BTreeMap<usize, Vec<f32>> = BTreeMap::new();
    for rollout in rollouts {
        groups.entry(rollout.group).or_default().push(rollout.score);
    }
    groups
}

/// For each rollout, the mean score of its group.
pub(super) fn group_means(rollouts: &[Rollout]) -> Vec<f32> {
    let groups = groups(rollouts);
    let mean = |scores: &Vec<f32>| scores.iter().sum::<f32>() / scores.len() as f32;
    rollouts.iter().map(|rollout| mean(&groups[&rollout.group])).collect()
}

/// Share of groups whose scores are not all equal.
pub(super) fn mixed_groups(rollouts: &[Rollout]) -> f64 {
    let groups = groups(rollouts);
    let mixed = groups.values().filter(|scores| scores.iter().any(|score| *score != scores[0])).count();
    mixed as f64 / groups.len().max(1) as f64
}
