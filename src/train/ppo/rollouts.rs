//! From tasks to scored rollouts: which prompts a step gets, and what became of the answers.

use std::collections::BTreeMap;
use std::ops::Range;

use itertools::Itertools;
use rand::seq::SliceRandom;

use super::PpoStep;
use crate::base::Seed;
use crate::model::Completion;
use crate::sandbox::CaseWord;
use crate::train::packing::Passage;
use crate::train::reward::{Judgement, Verifier};
use crate::{Error, Result};

/// A training prompt and the problem it belongs to (the caller's number of it). Several prompts may
/// belong to one problem: paraphrases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Tokens, not empty.
    pub prompt: Vec<u32>,
    /// What the verifier is asked about.
    pub problem: usize,
}

/// One scored completion.
pub(super) struct Rollout<'a> {
    pub task: &'a Task,
    pub completion: Completion,
    /// Rollouts of one prompt in one step have the same group.
    pub group: usize,
    /// The reward, before the KL penalty.
    pub score: f32,
    /// Where its response tokens (the end token included) lie in the step's per-token lists, which
    /// hold rollout after rollout.
    pub tokens: Range<usize>,
}

impl Rollout<'_> {
    pub fn passage(&self) -> Passage<'_> {
        Passage { prompt: &self.task.prompt, response: &self.completion.tokens }
    }
}

/// The tasks of step `step`, a pure function of (tasks, seed, step). All steps together walk
/// through the tasks epoch after epoch, each epoch in a new order; a step may span two epochs.
pub fn choose_tasks(tasks: &[Task], count: usize, step: usize, seed: Seed) -> Result<Vec<&Task>> {
    if tasks.is_empty() {
        return Err(Error::Empty { what: "the list of tasks".into(), needed: "PPO needs at least one" });
    }
    let mut chosen = Vec::with_capacity(count);
    for (epoch, positions) in &(step * count..(step + 1) * count).chunk_by(|position| position / tasks.len())
    {
        let mut order: Vec<&Task> = tasks.iter().collect();
        order.shuffle(&mut seed.child("epochs").child_index(epoch as u64).stream("order"));
        chosen.extend(positions.map(|position| order[position % tasks.len()]));
    }
    Ok(chosen)
}

/// Scores the completions: those with an end token by the verifier, the others with 0. Leaves out
/// what could not be judged, and logs what became of all of them.
pub(super) fn score<'a>(
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
    let (expected, found) = (answers.len(), judgements.len());
    if found != expected {
        return Err(Error::Count { what: "judgements of the verifier".into(), expected, found });
    }
    m.verifier_calls = expected;

    let sampled = completions.len() as f64;
    let words = CaseWord::ALL.iter().copied().map(CaseWord::name).chain(["no_end", "infra"]);
    let mut counts: BTreeMap<&str, usize> = words.map(|word| (word, 0)).collect();
    let mut judgements = judgements.into_iter();
    let mut rollouts: Vec<Rollout> = Vec::with_capacity(completions.len());
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
    m.pass_rate = counts["pass"] as f64 / kept;
    m.finished = rollouts.iter().filter(|rollout| rollout.completion.finished).count() as f64 / kept;
    m.response_tokens = start as f64 / kept;
    m.shares =
        counts.into_iter().map(|(word, count)| (format!("share_{word}"), count as f64 / sampled)).collect();
    Ok(rollouts)
}
