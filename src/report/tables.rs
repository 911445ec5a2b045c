//! The tables of the notebooks.

use itertools::Itertools;
use polars::df;
use polars::prelude::*;

use super::Table;
use crate::base::{Error, Result};
use crate::data::Set;
use crate::report::frame::{Bootstrap, Cell, Decode, Labeled, Quantity, Scores, metric_frame};
use crate::study::Runs;
use crate::study::{Arm, Arms};
use crate::study::{Cost, FinishedRun, MetricRow, Prompts};

/// The experimental design: one row an arm, with the columns `arm`, `parent`, `findings`, `about`.
pub fn arms_table(arms: &Arms) -> Result<Table> {
    let text = |cell: fn(&Arm) -> String| -> Vec<String> { arms.all().iter().map(cell).collect() };
    Ok(Table::new(df!(
        "arm" => text(|arm| arm.name.clone()),
        "parent" => text(|arm| arm.parent.clone().unwrap_or_default()),
        "findings" => text(|arm| arm.findings.iter().join(", ")),
        "about" => text(|arm| arm.about.clone()),
    )?))
}

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
        let of = |cost: fn(&Cost) -> f64| -> Vec<f64> {
            runs.iter().map(|run| cost(&run.record.facts.cost)).collect()
        };
        let each = df!(
            "arm" => runs.iter().map(|run| run.record.arm.as_str()).collect::<Vec<_>>(),
            "tokens trained (10^6)" => of(|cost| cost.tokens_trained as f64 / 1e6),
            "tokens sampled (10^6)" => of(|cost| cost.tokens_sampled as f64 / 1e6),
            "programs judged" => of(|cost| cost.verifier_calls as f64),
            "operations (10^12)" => of(|cost| cost.flops / 1e12),
            "minutes" => of(|cost| cost.seconds / 60.0),
        )?;
        let numbers = each.get_column_names_owned().into_iter().skip(1);
        let means = numbers.map(|name| col(name).mean());
        let seeds = [len().cast(DataType::UInt32).alias("seeds")];
        let mut table = each
            .clone()
            .lazy()
            .group_by_stable([col("arm")])
            .agg(seeds.into_iter().chain(means).collect_vec())
            .collect()?;
        for name in each.get_column_names_owned().into_iter().skip(1) {
            let rounded = three_digits(&table, name.as_str())?;
            table.with_column(rounded)?;
        }
        Ok(Table::new(table))
    }

    /// How far what finding `number`'s arms learned carries, sampled at temperature 1 at their
    /// end. One row an arm: its pass rate on the training chains as they were worded in training
    /// (`trained`), the rate on `unseen`, and the first minus the second (`gap`), each with its
    /// 95% interval.
    pub fn gaps(&self, number: u32, unseen: (Set, Prompts)) -> Result<Table> {
        let design = Arms::load(&self.root)?;
        gaps(&Scores::new(&self.outcomes()?)?, design.select(&format!("finding{number}"))?, unseen)
    }

    /// Three pass rates of all arms on `set`, with 95% intervals: of one answer at temperature 1, of
    /// the likeliest answer, and of the better of four.
    pub fn pass_rates(&self, set: Set) -> Result<Table> {
        pass_rates(&Scores::new(&self.outcomes()?)?, Arms::load(&self.root)?.all(), set)
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
        self.claims()?.only(number).table()
    }
}

/// [`Runs::gaps`] of `arms`. Arms without a run have no row.
fn gaps<'a>(
    scores: &Scores,
    arms: impl IntoIterator<Item = &'a Arm>,
    (set, prompts): (Set, Prompts),
) -> Result<Table> {
    let unseen_name = match prompts {
        Prompts::Train => set.name().to_owned(),
        Prompts::HeldOut => format!("{}, new wording", set.name()),
    };
    let quantities = |arm: &str| {
        let trained = Quantity::Rate(Cell::at_end(arm, Set::CompositeATrain));
        let unseen = Quantity::Rate(Cell { prompts, ..Cell::at_end(arm, set) });
        [trained.clone(), unseen.clone(), trained.minus(unseen)]
    };
    estimates(scores, arms, ["trained", &unseen_name, "gap"], quantities)
}

/// [`Runs::pass_rates`]. Arms without a run have no row.
fn pass_rates<'a>(scores: &Scores, arms: impl IntoIterator<Item = &'a Arm>, set: Set) -> Result<Table> {
    let quantities = |arm: &str| {
        [Decode::Sampled, Decode::Greedy, Decode::PassAt(4)]
            .map(|decode| Quantity::Rate(Cell { decode, ..Cell::at_end(arm, set) }))
    };
    estimates(scores, arms, ["one sample", "likeliest answer", "any of 4 samples"], quantities)
}

/// One row an arm that was run: its name, and `quantities` with their intervals under `names`.
fn estimates<'a>(
    scores: &Scores,
    arms: impl IntoIterator<Item = &'a Arm>,
    names: [&str; 3],
    quantities: impl Fn(&str) -> [Quantity; 3],
) -> Result<Table> {
    let (mut named, mut columns) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
    for arm in arms {
        let of_arm = quantities(&arm.name).map(|quantity| scores.interval(&quantity, &Bootstrap::standard()));
        if of_arm.iter().any(|found| matches!(found, Err(Error::MissingRuns { .. }))) {
            continue;
        }
        named.push(arm.name.as_str());
        for (column, found) in columns.iter_mut().zip(of_arm) {
            let found = found?;
            column.push(format!("{:.2} [{:.2}, {:.2}]", found.value, found.low, found.high));
        }
    }
    if named.is_empty() {
        return Err(Error::MissingRuns {
            what: format!("has outcomes for the columns {}", names.join(", ")),
        });
    }
    let [first, second, third] = columns;
    Ok(Table::new(df!("arm" => named, names[0] => first, names[1] => second, names[2] => third)?))
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
    let mut table = metric_frame(rows)?
        .lazy()
        .filter(col("arm").eq(lit(arm)))
        .group_by([part.alias("steps")])
        .agg(metrics.iter().map(mean).collect_vec())
        .sort(["steps"], SortMultipleOptions::default())
        .collect()?;
    let first_step = |part: u64| (part as usize * n_steps).div_ceil(parts);
    let parts_logged = table.column("steps")?.u64()?.iter().flatten();
    let labels = parts_logged.map(|part| format!("{} to {}", first_step(part), first_step(part + 1) - 1));
    let labels = Column::new("steps".into(), labels.collect_vec());
    table.with_column(labels)?;
    for metric in metrics {
        if table.column(metric)?.null_count() > 0 {
            return Err(missing(&format!("`{metric}`")));
        }
        let rounded = three_digits(&table, metric)?;
        table.with_column(rounded)?;
    }
    Ok(Table::new(table))
}

/// A column of numbers as text, each to three significant digits.
fn three_digits(frame: &DataFrame, name: &str) -> Result<Column> {
    let shown = |value: f64| {
        let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
        format!("{value:.digits$}", digits = (2 - magnitude).clamp(0, 8) as usize)
    };
    let numbers = frame.column(name)?.f64()?.iter().flatten();
    Ok(Column::new(name.into(), numbers.map(shown).collect_vec()))
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

    #[test]
    fn a_gap_is_the_rate_on_trained_chains_minus_the_rate_on_unseen_ones() {
        let rows = [
            answers("sft-more", 0, Set::CompositeATrain, &[4, 4, 4, 0]),
            answers("sft-more", 0, Set::CompositeB, &[4, 0, 0, 0]),
        ]
        .concat();
        let outcomes = Scores::new(&rows).unwrap();
        let design = shipped_arms();
        let arms = || design.select("finding3").unwrap();
        let target = (Set::CompositeB, Prompts::Train);
        let frame = gaps(&outcomes, arms(), target).unwrap().frame;
        assert_eq!(frame.height(), 1, "arms without runs have no row");
        let cell = |name: &str| frame.column(name).unwrap().str().unwrap().get(0).unwrap().to_owned();
        assert_eq!(cell("arm"), "sft-more");
        assert!(cell("trained").starts_with("0.75 ["), "{}", cell("trained"));
        assert!(cell("composite_b").starts_with("0.25 ["), "{}", cell("composite_b"));
        assert!(cell("gap").starts_with("0.50 ["), "{}", cell("gap"));

        let new_wording = (Set::CompositeATrain, Prompts::HeldOut);
        assert!(gaps(&outcomes, arms(), new_wording).is_err());
    }

    #[test]
    fn one_answer_the_likeliest_and_any_of_four_are_told_apart() {
        let outcomes = Scores::new(&answers("sft-rl", 0, Set::CompositeB, &[4, 1, 0, 3])).unwrap();
        let design = shipped_arms();
        let arms = design.select("finding2").unwrap();
        let frame = pass_rates(&outcomes, arms, Set::CompositeB).unwrap().frame;
        for (name, expected) in
            [("one sample", "0.50 ["), ("likeliest answer", "0.50 ["), ("any of 4 samples", "0.75 [")]
        {
            let cell = frame.column(name).unwrap().str().unwrap().get(0).unwrap().to_owned();
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
        let frame = training(&rows, "sft-more", &["loss"], 3).unwrap().frame;
        let cells = |name: &str| -> Vec<String> {
            let cells = frame.column(name).unwrap().str().unwrap();
            (0..frame.height()).map(|row| cells.get(row).unwrap().to_owned()).collect()
        };
        assert_eq!(cells("steps"), ["0 to 1", "2 to 3", "4 to 5"]);
        assert_eq!(cells("loss"), ["1.00", "3.00", "5.00"]);
        assert_eq!(training(&rows, "sft-more", &["loss"], 100).unwrap().frame.height(), 6);
        let message = training(&rows, "sft-more", &["reward_mean"], 3).unwrap_err().to_string();
        assert!(message.contains("sft-more") && message.contains("reward_mean"), "{message}");
        assert!(training(&[], "sft-more", &["loss"], 3).is_err());
    }

    #[test]
    fn three_digits_are_kept_at_any_size() {
        let frame = df!("x" => [0.0, 0.0012345, 0.999, 12.34, 12345.6]).unwrap();
        let shown = three_digits(&frame, "x").unwrap();
        let shown: Vec<&str> = shown.str().unwrap().iter().flatten().collect();
        assert_eq!(shown, ["0.00", "0.00123", "0.999", "12.3", "12346"]);
    }

    #[test]
    fn a_clause_without_runs_says_why_in_the_table_of_verdicts() {
        let claims = Claims::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/claims.toml")).unwrap();
        let rows = [
            answers("sft-rl", 0, Set::CompositeB, &[4, 4, 4, 4]),
            answers("sft-start", 0, Set::CompositeB, &[0, 0, 0, 0]),
        ]
        .concat();
        let report = claims.judge(&Scores::new(&rows).unwrap(), "quick").unwrap();
        let html = report.only(2).table().unwrap().html();
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
