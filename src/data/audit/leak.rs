//! Leak audit: no problem of a training part may come back in a test part under another name.
//!
//! The splits are built apart by key and by behavior on 48 probes of a type. The audit does not
//! trust that: it runs every *reference program* whole, on 128 other probes, and compares each
//! training problem with each test problem; it also compares prompts and program texts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result};
use crate::base::seed::Seed;
use crate::data::catalog::Catalog;
use crate::data::probe::shared_probes;
use crate::data::problem::{Problem, Set};
use crate::data::split::Splits;
use crate::data::synth::{Fingerprint, prompt};
use crate::data::value::{Value, ValueType};
use crate::sandbox::{CaseOutput, Job, Limits, Sandbox};

/// Parts that something is trained on.
pub const TRAINING: [Set; 2] = [Set::AtomBase, Set::CompositeATrain];

/// Parts that nothing may be trained on.
pub const TEST: [Set; 4] = [Set::CompositeAHeldOut, Set::CompositeB, Set::CompositeC, Set::Deep];

/// Probe inputs a type, drawn from another stream than those the splits were built with.
const N_PROBES: usize = 128;

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
    /// A prompt of the test problem is a training prompt.
    Prompt,
    /// A training prompt contains a held-out paraphrase (of any problem, its own included).
    Paraphrase,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    pub kind: LeakKind,
    pub training: Set,
    pub training_key: String,
    pub test: Set,
    pub test_key: String,
}

/// One training part against one test part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairSummary {
    pub training: Set,
    pub test: Set,
    /// Pairs of problems with the same types: those that could behave the same.
    pub compared: usize,
    pub leaks: usize,
    /// Largest share of the probes on which a training and a test problem agree, and which.
    pub closest: Option<(f64, String, String)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeakReport {
    pub n_probes: usize,
    pub pairs: Vec<PairSummary>,
    pub leaks: Vec<Leak>,
}

impl LeakReport {
    pub fn is_clean(&self) -> bool {
        self.leaks.is_empty()
    }
}

/// Compares every training part with every test part of `splits`.
pub fn leak_audit(splits: &Splits, catalog: &Catalog, sandbox: &Sandbox) -> Result<LeakReport> {
    let fingerprints = fingerprints(splits, sandbox)?;
    let mut report =
        LeakReport { n_probes: N_PROBES, pairs: Vec::new(), leaks: prompt_leaks(splits, catalog) };
    for training in TRAINING {
        for test in TEST {
            let (summary, leaks) = compare(splits, &fingerprints, training, test);
            report.pairs.push(summary);
            report.leaks.extend(leaks);
        }
    }
    for pair in &mut report.pairs {
        let same = |leak: &&Leak| (leak.training, leak.test) == (pair.training, pair.test);
        pair.leaks = report.leaks.iter().filter(same).count();
    }
    Ok(report)
}

/// Behavior of each part's problems, in the order of the part.
fn fingerprints(splits: &Splits, sandbox: &Sandbox) -> Result<HashMap<Set, Vec<Fingerprint>>> {
    let seed = Seed::new(splits.provenance.seed).child("audit");
    let mut probes: BTreeMap<ValueType, Vec<Value>> = BTreeMap::new();
    for problem in splits.iter() {
        probes.entry(problem.input).or_insert_with(|| shared_probes(problem.input, N_PROBES, seed));
    }
    let job = |problem: &Problem| Job {
        program: problem.reference.clone(),
        entry: problem.entry.clone(),
        inputs: probes[&problem.input].iter().map(|probe| vec![probe.to_json()]).collect(),
        expected: Vec::new(),
        limits: Limits::default(),
        stop_at_first_failure: false,
    };
    let mut by_set = HashMap::new();
    for set in Set::ALL {
        let problems = splits.get(set);
        let jobs: Vec<Job> = problems.iter().map(job).collect();
        let mut prints = Vec::with_capacity(problems.len());
        for (problem, outputs) in problems.iter().zip(sandbox.outputs(&jobs)) {
            let typed = |output: CaseOutput| match output {
                CaseOutput::Value(json) => Value::from_json(&json, problem.output).ok(),
                CaseOutput::Failed(_) => None,
            };
            let outputs = outputs.map_err(Error::Sandbox)?.into_iter().map(typed).collect();
            prints.push(Fingerprint::new(problem.input, problem.output, &outputs));
        }
        by_set.insert(set, prints);
    }
    Ok(by_set)
}

fn compare(
    splits: &Splits,
    fingerprints: &HashMap<Set, Vec<Fingerprint>>,
    training: Set,
    test: Set,
) -> (PairSummary, Vec<Leak>) {
    let mut summary = PairSummary { training, test, compared: 0, leaks: 0, closest: None };
    let mut leaks = Vec::new();
    for (seen, seen_print) in splits.get(training).iter().zip(&fingerprints[&training]) {
        for (unseen, unseen_print) in splits.get(test).iter().zip(&fingerprints[&test]) {
            let mut leak = |kind| {
                let (training_key, test_key) = (seen.key.clone(), unseen.key.clone());
                leaks.push(Leak { kind, training, training_key, test, test_key });
            };
            if seen.key == unseen.key {
                leak(LeakKind::Key);
            }
            if seen.reference == unseen.reference {
                leak(LeakKind::Program);
            }
            if (seen.input, seen.output) != (unseen.input, unseen.output) {
                continue;
            }
            let agreement = seen_print.agreement(unseen_print);
            if agreement == 1.0 {
                leak(LeakKind::Behavior);
            }
            summary.compared += 1;
            if summary.closest.as_ref().is_none_or(|(closest, ..)| agreement > *closest) {
                summary.closest = Some((agreement, seen.key.clone(), unseen.key.clone()));
            }
        }
    }
    (summary, leaks)
}

fn prompt_leaks(splits: &Splits, catalog: &Catalog) -> Vec<Leak> {
    let mut leaks = Vec::new();
    let mut trained: BTreeMap<&str, (Set, &Problem)> = BTreeMap::new();
    for set in TRAINING {
        for problem in splits.get(set) {
            trained.extend(problem.prompts.iter().map(|prompt| (prompt.as_str(), (set, problem))));
        }
    }
    let leak = |kind, (training, seen): (Set, &Problem), (test, unseen): (Set, &Problem)| Leak {
        kind,
        training,
        training_key: seen.key.clone(),
        test,
        test_key: unseen.key.clone(),
    };
    for set in Set::ALL {
        for problem in splits.get(set) {
            let own: &[String] = if TEST.contains(&set) { &problem.prompts } else { &[] };
            for text in own.iter().chain(&problem.held_out_prompts) {
                if let Some(seen) = trained.get(text.as_str()) {
                    leaks.push(leak(LeakKind::Prompt, *seen, (set, problem)));
                }
            }
        }
    }

    // Step by step: a held-out description of an atom must not be a step of any training prompt.
    let held_out: HashSet<&str> = catalog
        .atoms()
        .iter()
        .filter_map(|atom| atom.en.get(prompt::N_TRAINING_DESCRIPTIONS))
        .map(String::as_str)
        .collect();
    for (text, seen) in trained {
        if prompt::steps(text).any(|step| held_out.contains(step)) {
            leaks.push(leak(LeakKind::Paraphrase, seen, seen));
        }
    }
    leaks
}

impl fmt::Display for LeakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<20} {:<22} {:>9} {:>6}  closest", "trained on", "tested on", "compared", "leaks")?;
        for pair in &self.pairs {
            let (training, test) = (pair.training.name(), pair.test.name());
            write!(f, "{training:<20} {test:<22} {:>9} {:>6}  ", pair.compared, pair.leaks)?;
            match &pair.closest {
                Some((agreement, seen, unseen)) => {
                    writeln!(f, "{:.0}%: {seen} | {unseen}", (agreement * 100.0).floor())?;
                }
                None => writeln!(f, "-")?,
            }
        }
        writeln!(f, "closest: share of {} probe inputs on which two problems agree", self.n_probes)?;
        for leak in &self.leaks {
            let (training, test) = (leak.training.name(), leak.test.name());
            writeln!(
                f,
                "LEAK ({:?}): {training} `{}` = {test} `{}`",
                leak.kind, leak.training_key, leak.test_key
            )?;
        }
        write!(f, "{}", if self.is_clean() { "no leak" } else { "leaks found" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::split::tests::SMOKE;
    use crate::sandbox::SandboxConfig;

    #[test]
    fn clean_splits_are_clean_and_planted_leaks_are_found() {
        let catalog = Catalog::load(&Catalog::default_dir()).unwrap();
        let sandbox = Sandbox::start(&SandboxConfig::for_this_machine()).unwrap();
        let mut splits = SMOKE.clone();
        let report = leak_audit(&splits, &catalog, &sandbox).unwrap();
        assert!(report.is_clean(), "{report}");

        // A training chain under another name, with other helper names: only its behavior tells.
        let mut renamed = splits.a_train[0].clone();
        renamed.key = "renamed".to_owned();
        renamed.reference = renamed.reference.replace("p(", "first(").replace("q(", "second(");
        renamed.prompts.clear();
        renamed.held_out_prompts.clear();
        splits.a_held_out.push(renamed);
        // An atom computed in a roundabout way.
        let sorting = splits.atoms.iter().find(|atom| atom.key == "sort_ascending").unwrap();
        let mut twice = sorting.clone();
        twice.key = "sort_ascending > sort_ascending".to_owned();
        twice.reference = "def f(x):\n    return sorted(sorted(x))".to_owned();
        twice.prompts = vec![splits.a_train[1].prompts[0].clone()];
        twice.held_out_prompts.clear();
        splits.b.push(twice);
        // A held-out description in a training prompt.
        let held_out = catalog.atoms()[0].en[prompt::N_TRAINING_DESCRIPTIONS].clone();
        splits.a_train[2].prompts.push(format!("# {held_out}, then reverse it\n"));

        let report = leak_audit(&splits, &catalog, &sandbox).unwrap();
        let found = |kind, test_key: &str| {
            report.leaks.iter().filter(|leak| leak.kind == kind && leak.test_key == test_key).count()
        };
        assert_eq!(found(LeakKind::Behavior, "renamed"), 1, "{report}");
        assert_eq!(found(LeakKind::Program, "renamed"), 0, "{report}");
        assert_eq!(found(LeakKind::Behavior, "sort_ascending > sort_ascending"), 1, "{report}");
        assert_eq!(found(LeakKind::Prompt, "sort_ascending > sort_ascending"), 1, "{report}");
        assert_eq!(found(LeakKind::Paraphrase, &splits.a_train[2].key), 1, "{report}");
        assert_eq!(report.leaks.len(), 4, "{report}");
        assert!(report.to_string().contains("leaks found"));
    }
}
