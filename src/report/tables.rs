//! The tables of the notebooks.

use polars::df;
use polars::prelude::DataFrame;

use super::Results;
use crate::arms::{self, Arm};
use crate::error::{Error, Result};
use crate::figure::Table;
use crate::frame::{self, Bootstrap, Cell, Decode, Estimate, Quantity, Scores};
use crate::problem::Set;
use crate::runs::{FINAL_STAGE, FinishedRun, Prompts};

/// The experimental design: one row an arm, with the columns `arm`, `parent`, `findings`, `about`.
pub fn arms_table() -> Result<Table> {
    let text = |cell: fn(&Arm) -> String| -> Vec<String> { arms::ARMS.iter().map(cell).collect() };
    Ok(Table(df!(
        "arm" => text(|arm| arm.name.to_owned()),
        "parent" => text(|arm| arm.parent.unwrap_or("").to_owned()),
        "findings" => text(|arm| arm.findings.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")),
        "about" => text(|arm| arm.about.to_owned()),
    )?))
}

impl Results {
    /// The runs of the arms that finding `number` compares.
    ///
    /// # Errors
    /// `Error::Unknown` where there is no such finding.
    pub fn runs_of(&self, number: u8) -> Result<Vec<FinishedRun>> {
        let arms = arms::select(&format!("finding{number}"))?;
        let compared = |run: &&FinishedRun| arms.iter().any(|arm| arm.name == run.spec.arm);
        Ok(self.runs.iter().filter(compared).cloned().collect())
    }

    /// What those runs took: one row a run, with the columns of [`frame::costs`].
    pub fn costs(&self, number: u8) -> Result<Table> {
        frame::costs(&self.runs_of(number)?).map(Table)
    }

    /// How far what finding `number`'s arms learned carries, sampled at temperature 1 at their
    /// end. One row an arm: its pass rate on the training chains as they were worded in training
    /// (`trained`), the rate on `unseen`, and the first minus the second (`gap`), each with its
    /// 95% interval.
    pub fn gaps(&self, number: u8, unseen: (Set, Prompts)) -> Result<Table> {
        let arms = arms::select(&format!("finding{number}"))?;
        gaps(&self.outcomes, &arms, unseen, &Bootstrap::standard()).map(Table)
    }
}

/// [`Results::gaps`] from outcomes that are not (yet) in a store. Arms without a run have no row.
fn gaps(
    outcomes: &DataFrame,
    arms: &[&Arm],
    (set, prompts): (Set, Prompts),
    bootstrap: &Bootstrap,
) -> Result<DataFrame> {
    let scores = Scores::new(outcomes)?;
    let mut rows: Vec<[String; 4]> = Vec::new();
    for arm in arms {
        let rate = |set, prompts| {
            let (arm, stage) = (arm.name.to_owned(), FINAL_STAGE.to_owned());
            Quantity::Rate(Cell { arm, stage, set, prompts, decode: Decode::Sampled })
        };
        let trained = rate(Set::CompositeATrain, Prompts::Train);
        let unseen = rate(set, prompts);
        let estimates: std::result::Result<Vec<Estimate>, _> =
            [trained.clone(), unseen.clone(), trained.minus(unseen)]
                .iter()
                .map(|quantity| scores.estimate(quantity, bootstrap))
                .collect();
        if let Ok(estimates) = estimates {
            let with_interval = |e: &Estimate| format!("{:.2} [{:.2}, {:.2}]", e.value, e.low, e.high);
            let [trained, unseen, gap] = [0, 1, 2].map(|column| with_interval(&estimates[column]));
            rows.push([arm.name.to_owned(), trained, unseen, gap]);
        }
    }
    if rows.is_empty() {
        return Err(Error::Data(format!("no arm was asked {} with {} prompts", set.name(), prompts.name())));
    }
    let unseen = match prompts {
        Prompts::Train => set.name().to_owned(),
        Prompts::HeldOut => format!("{}, new wording", set.name()),
    };
    let column = |index: usize| -> Vec<&str> { rows.iter().map(|row| row[index].as_str()).collect() };
    Ok(df!("arm" => column(0), "trained" => column(1), unseen.as_str() => column(2), "gap" => column(3))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::answers;

    #[test]
    fn a_gap_is_the_rate_on_trained_chains_minus_the_rate_on_unseen_ones() {
        let rows = [
            answers("sft-more", 0, Set::CompositeATrain, &[4, 4, 4, 0]),
            answers("sft-more", 0, Set::CompositeB, &[4, 0, 0, 0]),
        ]
        .concat();
        let outcomes = frame::outcomes_from_rows(&rows).unwrap();
        let arms = arms::select("finding3").unwrap();
        let target = (Set::CompositeB, Prompts::Train);
        let frame = gaps(&outcomes, &arms, target, &Bootstrap::standard()).unwrap();
        assert_eq!(frame.height(), 1, "arms without runs have no row");
        let cell = |name: &str| frame.column(name).unwrap().str().unwrap().get(0).unwrap().to_owned();
        assert_eq!(cell("arm"), "sft-more");
        assert!(cell("trained").starts_with("0.75 ["), "{}", cell("trained"));
        assert!(cell("composite_b").starts_with("0.25 ["), "{}", cell("composite_b"));
        assert!(cell("gap").starts_with("0.50 ["), "{}", cell("gap"));

        let new_wording = (Set::CompositeATrain, Prompts::HeldOut);
        assert!(gaps(&outcomes, &arms, new_wording, &Bootstrap::standard()).is_err());
    }

    #[test]
    fn every_arm_is_in_the_table() {
        let html = arms_table().unwrap().html();
        assert!(arms::ARMS.iter().all(|arm| html.contains(arm.about)));
        assert_eq!(html.matches("<tr>").count(), arms::ARMS.len() + 1);
    }
}
