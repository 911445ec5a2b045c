//! The tables of the notebooks.

use std::path::Path;

use polars::df;
use polars::prelude::{Column, DataFrame};

use super::Results;
use crate::base::error::{Error, Result};
use crate::data::problem::Set;
use crate::report::claims::Report;
use crate::report::figure::Table;
use crate::report::frame::{Bootstrap, Cell, Decode, Estimate, Quantity, Scores};
use crate::study::arms::{Arm, Arms};
use crate::study::store::{Cost, FINAL_STAGE, FinishedRun, MetricRow, Prompts};

/// The experimental design: one row an arm, with the columns `arm`, `parent`, `findings`, `about`.
pub fn arms_table(arms: &Arms) -> Result<Table> {
    let text = |cell: fn(&Arm) -> String| -> Vec<String> { arms.all().iter().map(cell).collect() };
    Ok(Table::new(df!(
        "arm" => text(|arm| arm.name.clone()),
        "parent" => text(|arm| arm.parent.clone().unwrap_or_default()),
        "findings" => text(|arm| arm.findings.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")),
        "about" => text(|arm| arm.about.clone()),
    )?))
}

impl Results {
    /// The finished runs of `arm`, by seed.
    pub fn runs_of(&self, arm: &str) -> Vec<&FinishedRun> {
        self.runs.iter().filter(|run| run.record.arm == arm).collect()
    }

    /// What the arms of finding `number` took, each without its parent: one row an arm that was
    /// run, means over its seeds. Tokens in millions, operations in units of 10^12, minutes on the
    /// machine that trained it.
    ///
    /// # Errors
    /// `Error::Unknown` where there is no such finding.
    pub fn costs(&self, number: u8) -> Result<Table> {
        let arms = Arms::load(&self.root)?;
        let arms = arms.select(&format!("finding{number}"))?;
        let costs: Vec<(&str, Vec<&Cost>)> = arms
            .iter()
            .map(|arm| {
                (
                    arm.name.as_str(),
                    self.runs_of(&arm.name).into_iter().map(|run| &run.record.facts.cost).collect(),
                )
            })
            .filter(|(_, costs): &(&str, Vec<&Cost>)| !costs.is_empty())
            .collect();
        let mean = |field: fn(&Cost) -> f64, digits: usize| -> Vec<String> {
            let of_arm =
                |costs: &[&Cost]| costs.iter().map(|cost| field(cost)).sum::<f64>() / costs.len() as f64;
            costs.iter().map(|(_, costs)| format!("{:.digits$}", of_arm(costs))).collect()
        };
        Ok(Table::new(df!(
            "arm" => costs.iter().map(|(arm, _)| *arm).collect::<Vec<_>>(),
            "seeds" => costs.iter().map(|(_, costs)| costs.len() as u32).collect::<Vec<_>>(),
            "tokens trained (10^6)" => mean(|cost| cost.tokens_trained as f64 / 1e6, 2),
            "tokens sampled (10^6)" => mean(|cost| cost.tokens_sampled as f64 / 1e6, 2),
            "programs judged" => mean(|cost| cost.verifier_calls as f64, 0),
            "operations (10^12)" => mean(|cost| cost.flops / 1e12, 1),
            "minutes" => mean(|cost| cost.seconds / 60.0, 1),
        )?))
    }

    /// How far what finding `number`'s arms learned carries, sampled at temperature 1 at their
    /// end. One row an arm: its pass rate on the training chains as they were worded in training
    /// (`trained`), the rate on `unseen`, and the first minus the second (`gap`), each with its
    /// 95% interval.
    pub fn gaps(&self, number: u8, unseen: (Set, Prompts)) -> Result<Table> {
        let arms = Arms::load(&self.root)?;
        let arms = arms.select(&format!("finding{number}"))?;
        gaps(&self.outcomes()?, &arms, unseen, &Bootstrap::standard()).map(Table::new)
    }

    /// Three pass rates of finding `number`'s arms on `set`, with 95% intervals: of one answer at
    /// temperature 1, of the likeliest answer, and of the better of four.
    pub fn rates(&self, number: u8, set: Set) -> Result<Table> {
        let arms = Arms::load(&self.root)?;
        let arms = arms.select(&format!("finding{number}"))?;
        rates(&self.outcomes()?, &arms, set, &Bootstrap::standard()).map(Table::new)
    }

    /// How the training of `arm` went: its steps in `parts` equal parts, and the mean of each of
    /// `metrics` (columns of `metrics.jsonl`) over the part and all seeds.
    ///
    /// # Errors
    /// `Error::Data` where the arm was not run or logs no such metric.
    pub fn training(&self, arm: &str, metrics: &[&str], parts: usize) -> Result<Table> {
        let mut rows = Vec::new();
        for run in self.runs_of(arm) {
            rows.extend(run.metrics()?);
        }
        training(arm, &rows, metrics, parts).map(Table::new)
    }

    /// The verdict on finding `number`, clause by clause. Differences and thresholds in percentage
    /// points.
    pub fn verdict(&self, root: &Path, number: u32) -> Result<Table> {
        verdict(&self.claims(root)?.only(number))
    }
}

fn with_interval(estimate: &Estimate) -> String {
    format!("{:.2} [{:.2}, {:.2}]", estimate.value, estimate.low, estimate.high)
}

/// The pass rate of `arm` when its training has ended.
fn rate(arm: &Arm, set: Set, prompts: Prompts, decode: Decode) -> Quantity {
    let (arm, stage) = (arm.name.clone(), FINAL_STAGE.to_owned());
    Quantity::Rate(Cell { arm, stage, set, prompts, decode })
}

/// [`Results::gaps`] from outcomes that are not (yet) in a store. Arms without a run have no row.
fn gaps(
    outcomes: &DataFrame,
    arms: &[&Arm],
    (set, prompts): (Set, Prompts),
    bootstrap: &Bootstrap,
) -> Result<DataFrame> {
    let unseen_name = match prompts {
        Prompts::Train => set.name().to_owned(),
        Prompts::HeldOut => format!("{}, new wording", set.name()),
    };
    let quantities = |arm: &Arm| {
        let trained = rate(arm, Set::CompositeATrain, Prompts::Train, Decode::Sampled);
        let unseen = rate(arm, set, prompts, Decode::Sampled);
        [trained.clone(), unseen.clone(), trained.minus(unseen)]
    };
    estimates(outcomes, arms, ["trained", &unseen_name, "gap"], quantities, bootstrap)
}

/// [`Results::rates`] from outcomes that are not (yet) in a store. Arms without a run have no row.
fn rates(outcomes: &DataFrame, arms: &[&Arm], set: Set, bootstrap: &Bootstrap) -> Result<DataFrame> {
    let decodes = [Decode::Sampled, Decode::Greedy, Decode::PassAt(4)];
    let quantities = |arm: &Arm| decodes.map(|decode| rate(arm, set, Prompts::Train, decode));
    estimates(outcomes, arms, ["one sample", "likeliest answer", "any of 4 samples"], quantities, bootstrap)
}

/// One row an arm that was run: its name, and `quantities` with their intervals under `names`.
fn estimates(
    outcomes: &DataFrame,
    arms: &[&Arm],
    names: [&str; 3],
    quantities: impl Fn(&Arm) -> [Quantity; 3],
    bootstrap: &Bootstrap,
) -> Result<DataFrame> {
    let scores = Scores::new(outcomes)?;
    let mut rows: Vec<(&str, Vec<Estimate>)> = Vec::new();
    for arm in arms {
        let of_arm: std::result::Result<Vec<Estimate>, _> =
            quantities(arm).iter().map(|quantity| scores.estimate(quantity, bootstrap)).collect();
        if let Ok(of_arm) = of_arm {
            rows.push((&arm.name, of_arm));
        }
    }
    if rows.is_empty() {
        return Err(Error::Data(format!("no arm has outcomes for the columns {}", names.join(", "))));
    }
    let column =
        |index: usize| -> Vec<String> { rows.iter().map(|row| with_interval(&row.1[index])).collect() };
    let arms: Vec<&str> = rows.iter().map(|row| row.0).collect();
    Ok(df!("arm" => arms, names[0] => column(0), names[1] => column(1), names[2] => column(2))?)
}

/// [`Results::training`] from the rows of all seeds.
fn training(arm: &str, rows: &[MetricRow], metrics: &[&str], parts: usize) -> Result<DataFrame> {
    let missing = |what: &str| Error::Data(format!("arm `{arm}` has no run here that logs {what}"));
    let n_steps = rows.iter().map(|row| row.step + 1).max().ok_or_else(|| missing("anything"))?;
    let parts = parts.clamp(1, n_steps);
    let first_step = |part: usize| (part * n_steps).div_ceil(parts);
    let of_part = |part: usize| {
        rows.iter().filter(move |row| (first_step(part)..first_step(part + 1)).contains(&row.step))
    };
    let labels: Vec<String> =
        (0..parts).map(|part| format!("{} to {}", first_step(part), first_step(part + 1) - 1)).collect();
    let mut columns = vec![Column::new("steps".into(), labels)];
    for metric in metrics {
        let mut means = Vec::new();
        for part in 0..parts {
            let values: Vec<f64> = of_part(part)
                .filter_map(|row| row.values.get(*metric).copied())
                .filter(|value| value.is_finite())
                .collect();
            if values.is_empty() {
                return Err(missing(&format!("`{metric}`")));
            }
            means.push(three_digits(values.iter().sum::<f64>() / values.len() as f64));
        }
        columns.push(Column::new((*metric).into(), means));
    }
    Ok(DataFrame::new(parts, columns)?)
}

/// `value` to three significant digits.
fn three_digits(value: f64) -> String {
    let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    format!("{value:.digits$}", digits = (2 - magnitude).clamp(0, 8) as usize)
}

/// [`Results::verdict`] from a report on one finding.
fn verdict(report: &Report) -> Result<Table> {
    let points = |rate: f64| format!("{:+.0}", 100.0 * rate);
    let mut rows: Vec<[String; 6]> = Vec::new();
    for verdict in &report.clauses {
        let clause = &verdict.clause;
        let (value, interval, seeds) = match &verdict.estimate {
            Some(e) => (points(e.value), format!("[{}, {}]", points(e.low), points(e.high)), e.n_seeds),
            None => (String::new(), String::new(), 0),
        };
        let wanted = format!("{} {}", clause.relation.symbol(), points(clause.threshold));
        let outcome = match verdict.estimate {
            None => format!("{}: {}", verdict.outcome.name(), verdict.reason),
            Some(_) => verdict.outcome.name().to_owned(),
        };
        let text = format!("{} ({}): {}", clause.id, clause.role.name(), clause.text);
        rows.push([text, wanted, value, interval, seeds.to_string(), outcome]);
    }
    let column = |index: usize| -> Vec<&str> { rows.iter().map(|row| row[index].as_str()).collect() };
    let table = Table::new(df!(
        "clause" => column(0), "wanted" => column(1), "difference" => column(2),
        format!("{:.0}% interval", 100.0 * report.level).as_str() => column(3),
        "seeds" => column(4), "verdict" => column(5),
    )?);
    let captions = report.findings.iter().map(|verdict| {
        let outcome = verdict.outcome.name();
        let reason = verdict.reason.strip_prefix(&format!("{outcome}: ")).unwrap_or(&verdict.reason);
        format!("Finding {} is {outcome}: {reason}", verdict.finding.number)
    });
    Ok(table.with_caption(&captions.collect::<Vec<_>>().join(". ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::claims::Claims;
    use crate::report::frame;
    use crate::report::frame::tests::answers;

    fn shipped_arms() -> Arms {
        Arms::load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    #[test]
    fn a_gap_is_the_rate_on_trained_chains_minus_the_rate_on_unseen_ones() {
        let rows = [
            answers("sft-more", 0, Set::CompositeATrain, &[4, 4, 4, 0]),
            answers("sft-more", 0, Set::CompositeB, &[4, 0, 0, 0]),
        ]
        .concat();
        let outcomes = frame::outcomes_from_rows(&rows).unwrap();
        let design = shipped_arms();
        let arms = design.select("finding3").unwrap();
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
    fn one_answer_the_likeliest_and_any_of_four_are_told_apart() {
        let outcomes =
            frame::outcomes_from_rows(&answers("sft-rl", 0, Set::CompositeB, &[4, 1, 0, 3])).unwrap();
        let design = shipped_arms();
        let arms = design.select("finding2").unwrap();
        let frame = rates(&outcomes, &arms, Set::CompositeB, &Bootstrap::standard()).unwrap();
        for (name, expected) in
            [("one sample", "0.50 ["), ("likeliest answer", "0.50 ["), ("any of 4 samples", "0.75 [")]
        {
            let cell = frame.column(name).unwrap().str().unwrap().get(0).unwrap().to_owned();
            assert!(cell.starts_with(expected), "{name}: {cell}");
        }
    }

    #[test]
    fn training_is_averaged_over_equal_parts_and_seeds() {
        let row = |step: usize, loss: f64| MetricRow {
            stage: "sft".into(),
            step,
            values: [("loss".to_owned(), loss)].into(),
        };
        let rows: Vec<MetricRow> = [0.0, 1.0]
            .iter()
            .flat_map(|seed| (0..6).map(move |step| row(step, seed + step as f64)))
            .collect();
        let frame = training("sft-more", &rows, &["loss"], 3).unwrap();
        let cells = |name: &str| -> Vec<String> {
            let cells = frame.column(name).unwrap().str().unwrap();
            (0..frame.height()).map(|row| cells.get(row).unwrap().to_owned()).collect()
        };
        assert_eq!(cells("steps"), ["0 to 1", "2 to 3", "4 to 5"]);
        assert_eq!(cells("loss"), ["1.00", "3.00", "5.00"]);
        assert_eq!(training("sft-more", &rows, &["loss"], 100).unwrap().height(), 6);
        let message = training("sft-more", &rows, &["reward_mean"], 3).unwrap_err().to_string();
        assert!(message.contains("sft-more") && message.contains("reward_mean"), "{message}");
        assert!(training("sft-more", &[], &["loss"], 3).is_err());
    }

    #[test]
    fn three_digits_are_kept_at_any_size() {
        assert_eq!(
            [0.0, 0.0012345, 0.999, 12.34, 12345.6].map(three_digits),
            ["0.00", "0.00123", "0.999", "12.3", "12346"]
        );
    }

    #[test]
    fn a_clause_without_runs_says_why_in_the_table_of_verdicts() {
        let claims = Claims::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/claims.toml")).unwrap();
        let rows = [
            answers("sft-rl", 0, Set::CompositeB, &[4, 4, 4, 4]),
            answers("sft-start", 0, Set::CompositeB, &[0, 0, 0, 0]),
        ]
        .concat();
        let report = claims.judge(&frame::outcomes_from_rows(&rows).unwrap(), "quick").unwrap();
        let html = verdict(&report.only(2)).unwrap().html();
        assert!(html.contains("Finding 2 is inconclusive: f2.beats-more-sft"), "{html}");
        assert!(
            html.contains("+100") && html.contains("inconclusive: ") && html.contains("sft-more"),
            "{html}"
        );
    }

    #[test]
    fn every_arm_is_in_the_table() {
        let arms = shipped_arms();
        let html = arms_table(&arms).unwrap().html();
        assert!(arms.all().iter().all(|arm| html.contains(&arm.about)));
        assert_eq!(html.matches("<tr>").count(), arms.all().len() + 1);
    }
}
