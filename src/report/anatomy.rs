//! What goes wrong in the target domain: the answers that were kept, each with its fault; and which problems some
//! arms solve that others never do.

use std::collections::{BTreeMap, BTreeSet};

use itertools::{Itertools, multiunzip};
use polars::df;
use polars::prelude::*;

use super::Table;
use crate::base::{Error, Result};
use crate::data::{Catalog, Fault, Set, Steps};
use crate::report::frame::Labeled;
use crate::study::{AnswerRow, FINAL_STAGE, FinishedRun, OutcomeRow, Prompts, Runs};

/// Of the answers at temperature 1 to questions of the target domain, asked as in training, at the end of training.
pub(super) struct Anatomy {
    /// One row an answer: `arm`, and `fault`, which is "pass" or a [`Fault`].
    pub answers: DataFrame,
    /// One row a step that an answer was asked for: `arm`, `step` ("1 of 2"), `topic`, and whether it is the first
    /// one in the place of which there is another, `wrong` (0 or 1).
    pub steps: DataFrame,
}

/// What stands for an answer that passed in `fault`.
pub(super) const PASS: &str = "pass";

impl Anatomy {
    pub fn of(rows: &[Labeled<AnswerRow>], catalog: &Catalog) -> Result<Anatomy> {
        let (reader, mut answers, mut steps) = (Steps::new(catalog), Vec::new(), Vec::new());
        let asked = |row: &OutcomeRow| {
            (row.stage.as_str(), row.set, row.prompts) == (FINAL_STAGE, Set::CompositeB, Prompts::Train)
        };
        for (arm, _, row) in rows.iter().filter(|(.., row)| asked(&row.outcome)) {
            let ids = row.outcome.problem.split(" > ").collect_vec();
            for (program, word) in row.sampled.iter().zip(&row.outcome.sampled) {
                let (fault, place) = match word.passed() {
                    None => continue, // not judged
                    Some(true) => (PASS.to_owned(), None),
                    Some(false) => {
                        let (fault, place) = reader.fault(&ids, program);
                        (fault.to_string(), place)
                    }
                };
                answers.push((arm.as_str(), fault));
                for (at, id) in ids.iter().enumerate() {
                    let topic = catalog.get(id).map_or("", |atom| atom.topic.as_str());
                    let step = format!("{} of {}", at + 1, ids.len());
                    steps.push((arm.as_str(), step, topic, f64::from(u8::from(place == Some(at)))));
                }
            }
        }
        let (arm, fault): (Vec<&str>, Vec<String>) = answers.into_iter().unzip();
        let answers = df!("arm" => arm, "fault" => fault)?;
        let (arm, step, topic, wrong): (Vec<&str>, Vec<String>, Vec<&str>, Vec<f64>) = multiunzip(steps);
        Ok(Anatomy { answers, steps: df!("arm" => arm, "step" => step, "topic" => topic, "wrong" => wrong)? })
    }

    /// For each arm and fault, the share of the arm's answers that show it.
    pub fn faults(&self) -> Result<BTreeMap<(String, String), f64>> {
        let all = self
            .answers
            .clone()
            .lazy()
            .group_by([col("arm")])
            .agg([len().cast(DataType::Float64).alias("all")]);
        let counts =
            self.answers.clone().lazy().group_by([col("arm"), col("fault")]).agg([len().alias("count")]);
        let share = (col("count").cast(DataType::Float64) / col("all")).alias("share");
        shares(&counts.inner_join(all, col("arm"), col("arm")).with_column(share).collect()?, "fault")
    }

    /// For each arm and value of `of` (`step`, `topic`), the share of the steps asked for that are the first wrong
    /// one.
    pub fn wrong_steps(&self, of: &str) -> Result<BTreeMap<(String, String), f64>> {
        let steps = self.steps.clone().lazy().group_by([col("arm"), col(of)]);
        shares(&steps.agg([col("wrong").mean().alias("share")]).collect()?, of)
    }
}

fn shares(frame: &DataFrame, of: &str) -> Result<BTreeMap<(String, String), f64>> {
    let text = |name: &str| -> Result<Vec<String>> {
        Ok(frame.column(name)?.str()?.iter().map(|cell| cell.unwrap_or_default().to_owned()).collect())
    };
    let shares = frame.column("share")?.f64()?.iter().map(|share| share.unwrap_or(f64::NAN));
    Ok(text("arm")?.into_iter().zip(text(of)?).zip(shares).collect())
}

impl Runs {
    /// What goes wrong in the answers that were kept.
    pub(super) fn anatomy(&self) -> Result<Anatomy> {
        Anatomy::of(&self.rows(FinishedRun::answers)?, &self.catalog()?)
    }

    /// Shares of all kinds of faults in the answers to the target domain that were kept: one row an arm.
    pub fn faults(&self) -> Result<Table> {
        let shares = self.anatomy()?.faults()?;
        let kinds =
            [PASS.to_owned()].into_iter().chain(Fault::all().map(|fault| fault.to_string())).collect_vec();
        let arms = shares.keys().map(|(arm, _)| arm).dedup().collect_vec();
        if arms.is_empty() {
            return Err(Error::MissingRuns { what: "kept its answers".to_owned() });
        }
        let row = |arm: &&String| {
            let share = |kind: &String| {
                shares.get(&((*arm).clone(), kind.clone())).map_or(0.0, |share| 100.0 * share)
            };
            [(*arm).clone()]
                .into_iter()
                .chain(kinds.iter().map(|kind| format!("{:.0}", share(kind))))
                .collect()
        };
        let names = ["arm".to_owned()].into_iter().chain(kinds.clone()).collect();
        Ok(Table { caption: String::new(), names, rows: arms.iter().map(row).collect() })
    }

    /// How many problems of the target domain the arm of a row solves, in any of its answers at any seed, that the
    /// arm of a column never does.
    pub fn solved_by_one(&self, arms: &[&str]) -> Result<Table> {
        let outcomes = self.outcomes()?;
        let solved = |arm: &&str| -> BTreeSet<&str> {
            let asked = outcomes.iter().filter(|(of, _, row)| {
                of == arm
                    && (row.stage.as_str(), row.set, row.prompts)
                        == (FINAL_STAGE, Set::CompositeB, Prompts::Train)
            });
            let solves = |row: &OutcomeRow| row.passed() > 0 || row.greedy.passed() == Some(true);
            asked.filter(|(.., row)| solves(row)).map(|(.., row)| row.problem.as_str()).collect()
        };
        let solved: Vec<(&str, BTreeSet<&str>)> = arms.iter().map(|arm| (*arm, solved(arm))).collect();
        let row = |(arm, own): &(&str, BTreeSet<&str>)| {
            let others = solved.iter().map(|(_, other)| own.difference(other).count().to_string());
            [(*arm).to_owned(), own.len().to_string()].into_iter().chain(others).collect()
        };
        let names = ["arm", "solved"].iter().chain(arms).map(ToString::to_string).collect();
        Ok(Table { caption: String::new(), names, rows: solved.iter().map(row).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Splits;
    use crate::sandbox::CaseWord;
    use crate::study::{AnswerWord, Connective};

    /// Three answers to a chain of two: right, its steps in the wrong order, its second step another function.
    #[test]
    fn answers_are_counted_by_fault_and_steps_by_place() {
        let (catalog, splits) = (Catalog::shipped(), Splits::small());
        let problem = splits.get(Set::CompositeB).iter().find(|problem| problem.depth == 2).unwrap();
        let altered =
            problem.reference.replacen("return", "return not", 2).replacen("return not", "return", 1);
        let [pass, fail] = [CaseWord::Pass, CaseWord::WrongAnswer].map(AnswerWord::Judged);
        let outcome = OutcomeRow {
            stage: FINAL_STAGE.to_owned(),
            set: Set::CompositeB,
            prompts: Prompts::Train,
            problem: problem.key.clone(),
            depth: 2,
            wording: 0,
            connective: Some(Connective::Then),
            greedy: pass,
            sampled: vec![pass, fail, fail, fail],
        };
        let sampled =
            vec![problem.reference.clone(), altered, "def f(x):\n    return x".to_owned(), String::new()];
        let row = AnswerRow { outcome, prompt: String::new(), greedy: String::new(), sampled };
        let anatomy = Anatomy::of(&[("rl".to_owned(), 10, row)], &catalog).unwrap();
        let key = |of: &str| ("rl".to_owned(), of.to_owned());
        let expected = [(PASS, 0.25), ("altered", 0.25), ("form", 0.5)].map(|(of, share)| (key(of), share));
        assert_eq!(anatomy.faults().unwrap(), expected.into());
        let expected = [("1 of 2", 0.0), ("2 of 2", 0.25)].map(|(of, share)| (key(of), share));
        assert_eq!(anatomy.wrong_steps("step").unwrap(), expected.into());
        let topics = anatomy.wrong_steps("topic").unwrap();
        let share = topics[&key(&problem.topics[1])];
        assert!(share == 0.25 || (problem.topics[0] == problem.topics[1] && share == 0.125), "{topics:?}");
    }
}
