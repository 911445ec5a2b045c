//! Mutant audit: how many wrong programs the hidden cases would call right.
//!
//! Each reference program is changed in one place: an operator, a constant, a comparison, a slice,
//! a step left out, two steps swapped, another atom of the same types in the place of a step, an atom too
//! many. A mutant that the hidden cases accept is run on 1,000 fresh inputs of the first atom's domain: if it
//! behaves like the reference there too it is dropped as equivalent, else the cases accepted a wrong program. Hidden cases are chosen against the same operators (on other inputs),
//! so the share below is not an estimate for mistakes of another kind.
//!
//! Mutants are composed from mutated atoms (see [`Oracle`]); those that end up accepted are run
//! once more as whole programs by the verifier itself, as is one refused mutant of each problem.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Add;

use itertools::Itertools;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, Seed};
use crate::data::catalog::Catalog;
use crate::data::problem::{Case, Problem};
use crate::data::synth::{Chain, Exam, Operator, Oracle, Rival};
use crate::data::table::table;
use crate::data::value::Value;
use crate::sandbox::Sandbox;

/// How thorough the audit is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MutantConfig {
    /// Inputs from the first atom's domain that tell a wrong mutant from an equivalent one.
    pub fresh_inputs: usize,
    /// Problems whose mutants are run together; bounds memory.
    pub problems_per_batch: usize,
}

/// What became of the mutants of one operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorCounts {
    /// All of them: the sum of the three fields below.
    pub mutants: usize,
    /// A hidden case refuses it.
    pub refused: usize,
    /// The same as the reference on all hidden cases and all fresh inputs.
    pub equivalent: usize,
    /// The same on all hidden cases, different on a fresh input: a false accept.
    pub accepted: usize,
}

impl OperatorCounts {
    /// False accepts among the mutants that are not equivalent; `None` where there are none.
    pub fn share(&self) -> Option<f64> {
        let wrong = self.refused + self.accepted;
        (wrong > 0).then(|| self.accepted as f64 / wrong as f64)
    }
}

impl Add for OperatorCounts {
    type Output = OperatorCounts;

    fn add(self, other: OperatorCounts) -> OperatorCounts {
        OperatorCounts {
            mutants: self.mutants + other.mutants,
            refused: self.refused + other.refused,
            equivalent: self.equivalent + other.equivalent,
            accepted: self.accepted + other.accepted,
        }
    }
}

/// A wrong program that the hidden cases accept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Survivor {
    /// Key of the problem.
    pub key: String,
    /// The kind of change.
    pub operator: Operator,
    /// The change in words.
    pub change: String,
    /// A fresh input on which it is wrong.
    pub input: Value,
    /// Share of the fresh inputs on which it is wrong, in 0..=1.
    pub share: f64,
}

/// What became of the mutants of some problems. Displays as a table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MutantReport {
    /// Problems audited.
    pub n_problems: usize,
    /// Inputs that told a wrong mutant from an equivalent one.
    pub fresh_inputs: usize,
    /// Outcomes by kind of change.
    pub by_operator: BTreeMap<Operator, OperatorCounts>,
    /// How many mutants the hidden case at this place was the first to refuse.
    pub refused_first_by: Vec<usize>,
    /// All false accepts, those with most fresh inputs wrong first.
    pub survivors: Vec<Survivor>,
    /// Mutants that the verifier judged as whole programs, with the outcome found here.
    pub confirmed: usize,
}

impl MutantReport {
    /// The counts of all operators together.
    pub fn total(&self) -> OperatorCounts {
        self.by_operator.values().copied().fold(OperatorCounts::default(), Add::add)
    }

    /// The share of false accepts if only the first 0, 1, 2, ... hidden cases were asked.
    pub fn shares_by_cases(&self) -> Vec<f64> {
        let total = self.total();
        let wrong = total.refused + total.accepted;
        let left = self.refused_first_by.iter().scan(wrong, |left, refused| {
            *left -= refused;
            Some(*left as f64 / wrong.max(1) as f64)
        });
        [1.0].into_iter().chain(left).collect()
    }

    fn count(&mut self, rival: &Rival, problem: &Problem, fresh: &Exam) {
        let counts = self.by_operator.entry(rival.operator).or_default();
        counts.mutants += 1;
        if let Some(place) = rival.refused_by {
            counts.refused += 1;
            let places = self.refused_first_by.len().max(place + 1);
            self.refused_first_by.resize(places, 0);
            self.refused_first_by[place] += 1;
        } else if let Some(place) = rival.wrong_on.iter().position(|wrong| *wrong) {
            counts.accepted += 1;
            let n_wrong = rival.wrong_on.iter().filter(|wrong| **wrong).count();
            self.survivors.push(Survivor {
                key: problem.key.clone(),
                operator: rival.operator,
                change: rival.change.clone(),
                input: fresh[place].0.clone(),
                share: n_wrong as f64 / rival.wrong_on.len() as f64,
            });
        } else {
            counts.equivalent += 1;
        }
    }
}

/// Audits the hidden cases of `problems`, all of which are chains of atoms of `catalog`. `watch` is
/// told after each batch how many problems are behind it.
pub fn mutant_audit(
    problems: &[&Problem],
    catalog: &Catalog,
    sandbox: &Sandbox,
    config: &MutantConfig,
    seed: Seed,
    mut watch: impl FnMut(usize),
) -> Result<MutantReport> {
    let mut oracle = Oracle::new(catalog, sandbox);
    let mut report = MutantReport { fresh_inputs: config.fresh_inputs, ..MutantReport::default() };
    for problems in problems.chunks(config.problems_per_batch.max(1)) {
        let chains: Vec<Chain> =
            problems.iter().map(|problem| chain(problem, catalog)).collect::<Result<_>>()?;
        let question = |case: &Case| (case.input.clone(), Some(case.expected.clone()));
        let cases: Vec<Exam> =
            problems.iter().map(|problem| problem.cases.iter().map(question).collect()).collect();
        let fresh = oracle.exams(&chains, None, config.fresh_inputs, seed.child("fresh"))?;
        let tried = oracle.trial(&chains, &cases, &fresh)?;
        tried.iter().for_each(|rival| report.count(rival, problems[rival.chain], &fresh[rival.chain]));

        let accepted = tried.iter().filter(|rival| rival.wrong_on.contains(&true));
        let refused = tried.iter().filter(|rival| rival.refused_by.is_some());
        let programs = accepted.chain(refused.unique_by(|rival| rival.chain)).map(|rival| {
            let program = oracle.program(&rival.functions);
            (problems[rival.chain], program, rival.refused_by.is_none())
        });
        report.confirmed += oracle.confirm(&programs.collect::<Vec<_>>())?;
        report.n_problems += problems.len();
        watch(report.n_problems);
    }
    report.survivors.sort_by(|a, b| b.share.total_cmp(&a.share));
    Ok(report)
}

/// The places in `catalog` of a problem's atoms.
fn chain(problem: &Problem, catalog: &Catalog) -> Result<Chain> {
    let missing = |id: &String| Error::Chain {
        chain: problem.key.clone(),
        message: format!("the catalog has no atom `{id}`; the problems are of another catalog"),
    };
    let place = |id: &String| catalog.position(id).ok_or_else(|| missing(id));
    problem.atoms.iter().map(place).collect()
}

impl fmt::Display for MutantReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_operators = self.by_operator.iter().map(|(operator, counts)| (operator.name(), *counts));
        let rows = of_operators.chain([("all", self.total())]).map(|(name, counts)| {
            let OperatorCounts { mutants, refused, equivalent, accepted } = counts;
            let [mutants, refused, equivalent, accepted] =
                [mutants, refused, equivalent, accepted].map(|count| count.to_string());
            let share = counts.share().map_or("-".to_owned(), |share| format!("{:.2}%", share * 100.0));
            [name.to_owned(), mutants, refused, equivalent, accepted, share]
        });
        let head =
            ["operator", "mutants", "refused", "equivalent", "accepted", "false accepts"].map(str::to_owned);
        f.write_str(&table(&[head].into_iter().chain(rows).collect_vec(), 1..6))?;
        for survivor in self.survivors.iter().take(10) {
            let Survivor { key, change, share, .. } = survivor;
            let (input, percent) = (survivor.input.to_json(), share * 100.0);
            writeln!(f, "accepted: `{key}` with {change}; wrong on {percent:.1}% of inputs, {input}")?;
        }
        write!(
            f,
            "{} problems, {} fresh inputs each, {} mutants confirmed as whole programs",
            self.n_problems, self.fresh_inputs, self.confirmed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::problem::Set;
    use crate::data::split::Splits;
    use crate::sandbox::SandboxConfig;

    #[test]
    fn good_cases_refuse_mutants_and_poor_cases_do_not() {
        let catalog = Catalog::shipped();
        let sandbox = Sandbox::start(&SandboxConfig::for_this_machine()).unwrap();
        let config = MutantConfig { fresh_inputs: 200, problems_per_batch: 8 };
        let audit = |problems: &[&Problem]| {
            mutant_audit(problems, &catalog, &sandbox, &config, Seed::new(5), |_| ()).unwrap()
        };
        let good: Vec<&Problem> =
            Splits::small().get(Set::CompositeB).iter().chain(Splits::small().get(Set::Deep)).collect();
        let share = |report: &MutantReport| report.total().share().unwrap();
        let report = audit(&good);
        let total = report.total();
        assert_eq!(total.mutants, total.refused + total.equivalent + total.accepted, "{report}");
        assert!(total.mutants > 5 * good.len() && share(&report) < 0.01, "{report}");
        for operator in [Operator::WrongHelper, Operator::ExtraStep] {
            let counts = report.by_operator[&operator];
            assert!(counts.refused > 300 && counts.accepted <= 1, "{report}");
        }
        let shares = report.shares_by_cases();
        assert!(shares[0] == 1.0 && shares.is_sorted_by(|a, b| a >= b), "{shares:?}");
        assert_eq!(shares.last(), Some(&share(&report)));

        let poor: Vec<Problem> = good
            .iter()
            .map(|&problem| Problem { cases: problem.cases[..1].to_vec(), ..problem.clone() })
            .collect();
        let report = audit(&poor.iter().collect::<Vec<_>>());
        assert!(share(&report) > 0.05, "{report}");
        assert_eq!(report.survivors.len(), report.total().accepted);
        // Fewer cases refuse fewer mutants, as the audit of all cases says of the first of them.
        assert!((share(&report) - shares[1]).abs() < 0.02, "{} and {}", share(&report), shares[1]);
    }
}
