//! Leak audit: no problem of a training part may come back in a test part under another name.
//!
//! The splits are built apart by key and by behavior on 48 probes of a type. The audit does not
//! trust that: it runs every *reference program* whole, on 128 other probes, and compares each
//! training problem with each test problem; it also compares prompts and program texts.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use itertools::Itertools;
use serde::{Deserialize, Serialize};

use super::corpus::solving;
use crate::base::Result;
use crate::data::catalog::Catalog;
use crate::data::problem::{Problem, Set};
use crate::data::split::{N_AUDIT_PROBES, Splits};
use crate::data::synth::{Chain, Oracle, prompt};
use crate::data::table::table;
use crate::sandbox::Sandbox;

/// Parts that something is trained on.
pub const TRAINING: [Set; 2] = [Set::AtomBase, Set::CompositeATrain];

/// Parts that nothing may be trained on.
pub const TEST: [Set; 4] = [Set::CompositeAHeldOut, Set::CompositeB, Set::CompositeC, Set::Deep];

/// How a training problem and a test problem are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeakKind {
    /// The same chain of atoms.
    Key,
    /// The same reference program, character by character.
    Program,
    /// The same outputs on all probes.
    Behavior,
    /// The verifier accepts the training program as a solution of the test problem.
    Solution,
    /// A prompt of the test problem is a training prompt.
    Prompt,
    /// A training prompt contains a held-out paraphrase (of any problem, its own included).
    Paraphrase,
}

/// One training problem that is, in some way, one test problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// In which way.
    pub kind: LeakKind,
    /// Part of the training problem.
    pub training: Set,
    /// Its key.
    pub training_key: String,
    /// Part of the test problem.
    pub test: Set,
    /// Its key.
    pub test_key: String,
}

impl Leak {
    fn new(kind: LeakKind, seen: &Problem, unseen: &Problem) -> Leak {
        let (training_key, test_key) = (seen.key.clone(), unseen.key.clone());
        Leak { kind, training: seen.set, training_key, test: unseen.set, test_key }
    }
}

/// One training part against one test part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairSummary {
    /// The part that is trained on.
    pub training: Set,
    /// The part that must be new.
    pub test: Set,
    /// Pairs of problems with the same types: those that could behave the same.
    pub compared: usize,
    /// Leaks of every kind between the two parts.
    pub leaks: usize,
    /// Largest share of the probes on which a training and a test problem agree, and which.
    pub closest: Option<(f64, String, String)>,
}

/// What [`leak_audit`] found. Displays as a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeakReport {
    /// Probe inputs a type.
    pub n_probes: usize,
    /// Each training part against each test part.
    pub pairs: Vec<PairSummary>,
    /// All leaks, those of prompts first.
    pub leaks: Vec<Leak>,
}

impl LeakReport {
    /// Whether there is no leak.
    pub fn is_clean(&self) -> bool {
        self.leaks.is_empty()
    }
}

/// Compares every training part with every test part of `splits`.
pub fn leak_audit(splits: &Splits, catalog: &Catalog, sandbox: &Sandbox) -> Result<LeakReport> {
    let mut oracle = Oracle::new(catalog, sandbox);
    let behaviors = splits.behaviors(&mut oracle, N_AUDIT_PROBES)?;
    let parts =
        splits.iter().zip(behaviors).map(|(problem, does)| (problem.set, (problem, does))).into_group_map();
    let solving = solving_training(splits, &mut oracle, sandbox)?;
    let mut leaks = prompt_leaks(splits, catalog);
    let mut pairs = Vec::new();
    for (training, test) in TRAINING.into_iter().cartesian_product(TEST) {
        let mut pair = PairSummary { training, test, compared: 0, leaks: 0, closest: None };
        let [seen, unseen] = [training, test].map(|set| parts.get(&set).map_or(&[][..], Vec::as_slice));
        for ((seen, seen_print), (unseen, unseen_print)) in seen.iter().cartesian_product(unseen) {
            let agreement = seen_print.agreement(unseen_print);
            let ways = [
                (LeakKind::Key, seen.key == unseen.key),
                (LeakKind::Program, seen.reference == unseen.reference),
                (LeakKind::Behavior, agreement == 1.0),
                (LeakKind::Solution, solving.contains(&(&seen.key, &unseen.key))),
            ];
            let same = ways.into_iter().filter(|(_, same)| *same);
            leaks.extend(same.map(|(kind, _)| Leak::new(kind, seen, unseen)));
            if seen_print.types == unseen_print.types {
                pair.compared += 1;
                if pair.closest.as_ref().is_none_or(|(closest, ..)| agreement > *closest) {
                    pair.closest = Some((agreement, seen.key.clone(), unseen.key.clone()));
                }
            }
        }
        pair.leaks = leaks.iter().filter(|leak| (leak.training, leak.test) == (training, test)).count();
        pairs.push(pair);
    }
    Ok(LeakReport { n_probes: N_AUDIT_PROBES, pairs, leaks })
}

/// Keys of training problems whose reference passes the hidden cases of a test problem, and of that one.
fn solving_training<'s>(
    splits: &'s Splits,
    oracle: &mut Oracle<'_>,
    sandbox: &Sandbox,
) -> Result<HashSet<(&'s String, &'s String)>> {
    let [seen, unseen] =
        [&TRAINING[..], &TEST].map(|sets| sets.iter().flat_map(|set| splits.get(*set)).collect_vec());
    let whole = |problem: &&Problem| vec![oracle.add(&problem.reference, (problem.input, problem.output))];
    let programs: Vec<Chain> = seen.iter().map(whole).collect();
    let pairs = solving(oracle, &programs, |place, _| seen[place].reference.clone(), &unseen, sandbox)?;
    Ok(pairs.into_iter().map(|(program, problem)| (&seen[program].key, &unseen[problem].key)).collect())
}

fn prompt_leaks(splits: &Splits, catalog: &Catalog) -> Vec<Leak> {
    let mut leaks = Vec::new();
    let mut trained: BTreeMap<&str, &Problem> = BTreeMap::new();
    for problem in TRAINING.into_iter().flat_map(|set| splits.get(set)) {
        trained.extend(problem.prompts.iter().map(|prompt| (prompt.as_str(), problem)));
    }
    for problem in splits.iter() {
        let own: &[String] = if TEST.contains(&problem.set) { &problem.prompts } else { &[] };
        let seen = own.iter().chain(&problem.held_out_prompts).filter_map(|text| trained.get(text.as_str()));
        leaks.extend(seen.map(|seen| Leak::new(LeakKind::Prompt, seen, problem)));
    }
    // Step by step: a held-out description of an atom must not be a step of any training prompt.
    let held_out: HashSet<&str> =
        catalog.atoms().iter().map(|atom| atom.en[prompt::N_TRAINING_DESCRIPTIONS].as_str()).collect();
    for (text, seen) in trained {
        if prompt::steps(text).iter().any(|step| held_out.contains(step.as_str())) {
            leaks.push(Leak::new(LeakKind::Paraphrase, seen, seen));
        }
    }
    leaks
}

impl fmt::Display for LeakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |pair: &PairSummary| {
            let closest = pair.closest.as_ref().map_or("-".to_owned(), |(agreement, seen, unseen)| {
                format!("{:.0}%: {seen} | {unseen}", (agreement * 100.0).floor())
            });
            let (training, test) = (pair.training.name().to_owned(), pair.test.name().to_owned());
            [training, test, pair.compared.to_string(), pair.leaks.to_string(), closest]
        };
        let head = ["trained on", "tested on", "compared", "leaks", "closest"].map(str::to_owned);
        f.write_str(&table(&[head].into_iter().chain(self.pairs.iter().map(row)).collect_vec(), 2..4))?;
        writeln!(f, "closest: share of {} probe inputs on which two problems agree", self.n_probes)?;
        for leak in &self.leaks {
            let (training, test) = (leak.training.name(), leak.test.name());
            let Leak { kind, training_key, test_key, .. } = leak;
            writeln!(f, "LEAK ({kind:?}): {training} `{training_key}` = {test} `{test_key}`")?;
        }
        write!(f, "{}", if self.is_clean() { "no leak" } else { "leaks found" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::SandboxConfig;

    fn plant(splits: &mut Splits, set: Set, problem: Problem) {
        splits.sets.entry(set).or_default().push(Problem { set, ..problem });
    }

    #[test]
    fn clean_splits_are_clean_and_planted_leaks_are_found() {
        let catalog = Catalog::shipped();
        let sandbox = Sandbox::start(&SandboxConfig::for_this_machine()).unwrap();
        let mut splits = Splits::small().clone();
        let report = leak_audit(&splits, &catalog, &sandbox).unwrap();
        assert!(report.is_clean(), "{report}");

        // A training chain under another name, with other helper names: only its behavior tells.
        let mut renamed = splits.get(Set::CompositeATrain)[0].clone();
        renamed.key = "renamed".to_owned();
        renamed.reference = renamed.reference.replace("p(", "first(").replace("q(", "second(");
        renamed.prompts.clear();
        renamed.held_out_prompts.clear();
        plant(&mut splits, Set::CompositeAHeldOut, renamed);
        // An atom computed in a roundabout way.
        let sorting = splits.get(Set::AtomBase).iter().find(|atom| atom.key == "sort_ascending").unwrap();
        let mut twice = sorting.clone();
        twice.key = "sort_ascending > sort_ascending".to_owned();
        twice.reference = "def f(x):\n    return sorted(sorted(x))".to_owned();
        twice.prompts = vec![splits.get(Set::CompositeATrain)[1].prompts[0].clone()];
        twice.held_out_prompts.clear();
        plant(&mut splits, Set::CompositeB, twice);
        // A held-out description in a training prompt.
        let held_out = catalog.atoms()[0].en[prompt::N_TRAINING_DESCRIPTIONS].clone();
        let trained = &mut splits.sets.get_mut(&Set::CompositeATrain).unwrap()[2];
        trained.prompts.push(format!("# {held_out}, then reverse it\n"));
        let trained = trained.key.clone();

        let report = leak_audit(&splits, &catalog, &sandbox).unwrap();
        let found = |kind, test_key: &str| {
            report.leaks.iter().filter(|leak| leak.kind == kind && leak.test_key == test_key).count()
        };
        assert_eq!(found(LeakKind::Behavior, "renamed"), 1, "{report}");
        assert_eq!(found(LeakKind::Solution, "renamed"), 1, "{report}");
        assert_eq!(found(LeakKind::Program, "renamed"), 0, "{report}");
        assert_eq!(found(LeakKind::Behavior, "sort_ascending > sort_ascending"), 1, "{report}");
        assert_eq!(found(LeakKind::Solution, "sort_ascending > sort_ascending"), 1, "{report}");
        assert_eq!(found(LeakKind::Prompt, "sort_ascending > sort_ascending"), 1, "{report}");
        assert_eq!(found(LeakKind::Paraphrase, &trained), 1, "{report}");
        assert_eq!(report.leaks.len(), 6, "{report}");
        assert!(report.to_string().contains("leaks found"));
    }
}
