//! The tables of the notebooks.

use itertools::Itertools;
use polars::df;
use polars::prelude::*;

use super::Table;
use crate::base::{Error, Result};
use crate::data::Set;
use crate::report::frame::{Bootstrap, Cell, Decode, Labeled, Quantity, Scores, metric_frame};
use crate::study::{Arm, Arms, Connective, Cost, FinishedRun, MetricRow, Prompts, Runs};

/// The experimental design: one row an arm, with the columns `arm`, `parent`, `findings`, `about`.
pub fn arms_table(arms: &Arms) -> Result<Table> {
    let text = |cell: fn(&Arm) -> String| arms.all().iter().map(cell).collect_vec();
    Table::of(&df!(
        "arm" => text(|arm| arm.name.clone()),
        "parent" => text(|arm| arm.parent.clone().unwrap_or_default()),
        "findings" => text(|arm| arm.findings.iter().join(", ")),
        "about" => text(|arm| arm.about.clone()),
    )?)
}

/// A column, and what it holds of a run.
type CostColumn = (&'static str, fn(&Cost) -> f64);

const COSTS: [CostColumn; 5] = [
    ("tokens trained (10^6)", |cost| cost.tokens_trained as f64 / 1e6),
    ("tokens sampled (10^6)", |cost| cost.tokens_sampled as f64 / 1e6),
    ("programs judged", |cost| cost.verifier_calls as f64),
    ("operations (10^12)", |cost| cost.flops / 1e12),
    ("minutes", |cost| cost.seconds / 60.0),
];

impl Runs {
    /// What the arms of finding `number` took, each without its parent: one row an arm that was
    /// run, means over its seeds. Tokens in millions, operations in units of 10^12, minutes on the
    /// machine that trained it.
    ///
    /// # Errors
    /// `Error::Unknown` where there is no such finding.
    pub fn costs(&self, number: u32) -> Result<Table> {
        let design = Arms::load(&self.root)?;
        let arms = design.select(&format!("finding{number}"))?;
        let runs: Vec<&FinishedRun> = arms.iter().flat_map(|arm| self.of_arm(&arm.name)).collect();
        let mut each = df!("arm" => runs.iter().map(|run| run.record.arm.as_str()).collect_vec())?;
        for (name, cost) in COSTS {
            let costs = runs.iter().map(|run| cost(&run.record.facts.cost));
            each.with_column(Column::new(name.into(), costs.collect_vec()))?;
        }
        let mut columns = vec![len().cast(DataType::UInt32).alias("seeds")];
        columns.extend(COSTS.map(|(name, _)| col(name).mean()));
        let by_arm = each.lazy().group_by_stable([col("arm")]).agg(columns).collect()?;
        Table::of(&by_arm)
    }

    /// How far what finding `number`'s arms learned carries, sampled at temperature 1 at their
    /// end. One row an arm that was run: its pass rate on the training chains as they were worded in
    /// training (`trained`), the rate on `unseen`, and the first minus the second (`gap`), each with
    /// its 95% interval.
    pub fn gaps(&self, number: u32, unseen: (Set, Prompts)) -> Result<Table> {
        let design = Arms::load(&self.root)?;
        let arms = design.select(&format!("finding{number}"))?;
        estimates(&Scores(self.outcomes()?), arms, |arm| gap(arm, unseen))
    }

    /// Three pass rates of all arms on `set`, with 95% intervals: of one answer at temperature 1, of
    /// the likeliest answer, and of the better of four.
    pub fn pass_rates(&self, set: Set) -> Result<Table> {
        estimates(&Scores(self.outcomes()?), Arms::load(&self.root)?.all(), |arm| pass_rates(arm, set))
    }

    /// The same of the questions whose steps `connective` joins.
    pub fn pass_rates_in(&self, set: Set, connective: Connective) -> Result<Table> {
        let scores = Scores(self.outcomes()?).only(|row| row.connective == Some(connective));
        estimates(&scores, Arms::load(&self.root)?.all(), |arm| pass_rates(arm, set))
    }

    /// How the training of `arm` went: its steps in `parts` equal parts, and the mean of each of
    /// `metrics` (columns of `metrics.jsonl`) over the part and all seeds.
    ///
    /// # Errors
    /// `Error::MissingRuns` where the arm was not run or logs no such metric.
    pub fn training(&self, arm: &str, metrics: &[&str], parts: usize) -> Result<Table> {
        training(&self.metrics()?, arm, metrics, parts)
    }

    /// The verdict on finding `number`, clause by clause. Differences and thresholds in percentage
    /// points.
    pub fn verdict(&self, number: u32) -> Result<Table> {
        Ok(self.claims()?.table(number))
    }
}

/// The columns of [`Runs::gaps`].
fn gap(arm: &str, (set, prompts): (Set, Prompts)) -> [(String, Quantity); 3] {
    let new_wording = if prompts == Prompts::HeldOut { ", new wording" } else { "" };
    let trained = Quantity::Rate(Cell::at_end(arm, Set::CompositeATrain));
    let unseen = Quantity::Rate(Cell { prompts, ..Cell::at_end(arm, set) });
    let gap = trained.clone().minus(unseen.clone());
    let unseen_name = format!("{}{new_wording}", set.name());
    [("trained".to_owned(), trained), (unseen_name, unseen), ("gap".to_owned(), gap)]
}

/// The columns of [`Runs::pass_rates`].
fn pass_rates(arm: &str, set: Set) -> [(String, Quantity); 3] {
    [
        ("one sample", Decode::Sampled),
        ("likeliest answer", Decode::Greedy),
        ("any of 4 samples", Decode::PassAt(4)),
    ]
    .map(|(name, decode)| (name.to_owned(), Quantity::Rate(Cell { decode, ..Cell::at_end(arm, set) })))
}

/// One row an arm that was run: its name, and its quantities with their intervals, under their names.
fn estimates<'a>(
    scores: &Scores,
    arms: impl IntoIterator<Item = &'a Arm>,
    columns: impl Fn(&str) -> [(String, Quantity); 3],
) -> Result<Table> {
    let row = |arm: &Arm| -> Result<Option<Vec<String>>> {
        let mut cells = vec![arm.name.clone()];
        for (_, quantity) in columns(&arm.name) {
            let Some(found) = scores.if_run(&quantity, &Bootstrap::standard())? else { return Ok(None) };
            cells.push(format!("{:.2} [{:.2}, {:.2}]", found.value, found.low, found.high));
        }
        Ok(Some(cells))
    };
    let rows: Vec<_> = arms.into_iter().map(row).flatten_ok().collect::<Result<_>>()?;
    let names = ["arm".to_owned()].into_iter().chain(columns("").map(|(name, _)| name)).collect_vec();
    if rows.is_empty() {
        let what = format!("has outcomes for the columns {}", names[1..].join(", "));
        return Err(Error::MissingRuns { what });
    }
    Ok(Table { caption: String::new(), names, rows })
}

/// [`Runs::training`] from the rows of all runs.
fn training(rows: &[Labeled<MetricRow>], arm: &str, metrics: &[&str], parts: usize) -> Result<Table> {
    let missing = |what: &str| Error::MissingRuns { what: format!("of arm `{arm}` logs {what}") };
    let of_arm = rows.iter().filter(|(name, ..)| name == arm);
    let n_steps = of_arm.map(|(.., row)| row.step + 1).max().ok_or_else(|| missing("anything"))?;
    let parts = parts.clamp(1, n_steps);
    let part = (col("step") * lit(parts as f64) / lit(n_steps as f64)).cast(DataType::UInt64);
    let mean = |metric: &&str| {
        let wanted = col("name").eq(lit(*metric)).and(col("value").is_finite());
        col("value").filter(wanted).mean().alias(*metric)
    };
    let means = metric_frame(rows)?
        .lazy()
        .filter(col("arm").eq(lit(arm)))
        .group_by([part.alias("steps")])
        .agg(metrics.iter().map(mean).collect_vec())
        .sort(["steps"], SortMultipleOptions::default())
        .collect()?;
    for metric in metrics {
        if means.column(metric)?.null_count() > 0 {
            return Err(missing(&format!("`{metric}`")));
        }
    }
    let mut table = Table::of(&means)?;
    let first_step = |part: u64| (part as usize * n_steps).div_ceil(parts);
    for (row, part) in table.rows.iter_mut().zip(means.column("steps")?.u64()?.iter().flatten()) {
        row[0] = format!("{} to {}", first_step(part), first_step(part + 1) - 1);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use crate::report::claims::Claims;
    use crate::report::frame::tests::answers;

    fn shipped_arms() -> Arms {
        Arms::load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn column(table: &Table, name: &str) -> Vec<String> {
        let at = table.names.iter().position(|other| other == name).unwrap();
        table.rows.iter().map(|row| row[at].clone()).collect()
    }

    #[test]
    fn a_gap_is_the_rate_on_trained_chains_minus_the_rate_on_unseen_ones() {
        let rows = [
            answers("sft-more", 0, Set::CompositeATrain, &[4, 4, 4, 0]),
            answers("sft-more", 0, Set::CompositeB, &[4, 0, 0, 0]),
        ]
        .concat();
        let outcomes = Scores(rows);
        let design = shipped_arms();
        let arms = || design.select("finding3").unwrap();
        let target = (Set::CompositeB, Prompts::Train);
        let table = estimates(&outcomes, arms(), |arm| gap(arm, target)).unwrap();
        assert_eq!(table.rows.len(), 1, "arms without runs have no row");
        let cell = |name: &str| column(&table, name).remove(0);
        assert_eq!(cell("arm"), "sft-more");
        assert!(cell("trained").starts_with("0.75 ["), "{}", cell("trained"));
        assert!(cell("composite_b").starts_with("0.25 ["), "{}", cell("composite_b"));
        assert!(cell("gap").starts_with("0.50 ["), "{}", cell("gap"));

        let new_wording = (Set::CompositeATrain, Prompts::HeldOut);
        assert!(estimates(&outcomes, arms(), |arm| gap(arm, new_wording)).is_err());
    }

    #[test]
    fn one_answer_the_likeliest_and_any_of_four_are_told_apart() {
        let outcomes = Scores(answers("sft-rl", 0, Set::CompositeB, &[4, 1, 0, 3]));
        let design = shipped_arms();
        let arms = design.select("finding2").unwrap();
        let table = estimates(&outcomes, arms, |arm| pass_rates(arm, Set::CompositeB)).unwrap();
        for (name, expected) in
            [("one sample", "0.50 ["), ("likeliest answer", "0.50 ["), ("any of 4 samples", "0.75 [")]
        {
            let cell = column(&table, name).remove(0);
            assert!(cell.starts_with(expected), "{name}: {cell}");
        }
    }

    #[test]
    fn training_is_averaged_over_equal_parts_and_seeds() {
        let row = |seed: u64, step: usize| {
            let values = [("loss".to_owned(), (seed + step as u64) as f64)].into();
            ("sft-more".to_owned(), seed, MetricRow { stage: "sft".into(), step, values })
        };
        let rows: Vec<_> =
            [0, 1].into_iter().flat_map(|seed| (0..6).map(move |step| row(seed, step))).collect();
        let table = training(&rows, "sft-more", &["loss"], 3).unwrap();
        assert_eq!(column(&table, "steps"), ["0 to 1", "2 to 3", "4 to 5"]);
        assert_eq!(column(&table, "loss"), ["1.00", "3.00", "5.00"]);
        assert_eq!(training(&rows, "sft-more", &["loss"], 100).unwrap().rows.len(), 6);
        let message = training(&rows, "sft-more", &["reward_mean"], 3).unwrap_err().to_string();
        assert!(message.contains("sft-more") && message.contains("reward_mean"), "{message}");
        assert!(training(&[], "sft-more", &["loss"], 3).is_err());
    }

    #[test]
    fn a_clause_without_runs_says_why_in_the_table_of_verdicts() {
        let claims =
            Claims::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/claims-version1.toml")).unwrap();
        let rows = [
            answers("sft-rl", 0, Set::CompositeB, &[4, 4, 4, 4]),
            answers("sft-start", 0, Set::CompositeB, &[0, 0, 0, 0]),
        ]
        .concat();
        let report = claims.judge(&Scores(rows), "quick").unwrap();
        let html = report.table(2).html();
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
