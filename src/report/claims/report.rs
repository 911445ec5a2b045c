//! The rulings as text for the terminal and as a table for notebooks.

use std::fmt;

use itertools::Itertools;
use polars::df;

use super::{JudgedClause, JudgedFinding, Ruling};
use crate::base::Result;
use crate::report::table::Table;

/// All rulings of one tier. `Display` prints them.
#[derive(Debug, Clone)]
pub struct ClaimsReport {
    /// Whose runs are judged.
    pub tier: String,
    /// Level of the intervals.
    pub level: f64,
    /// Those of the tier, in the order of the file.
    pub clauses: Vec<JudgedClause>,
    /// All of them.
    pub findings: Vec<JudgedFinding>,
}

/// Percentage points.
fn points(rate: f64) -> String {
    format!("{:+.1}", 100.0 * rate)
}

impl JudgedClause {
    /// What is wanted, what was found with its interval, what the seeds alone say, how many they
    /// are, and the ruling.
    fn cells(&self) -> [String; 6] {
        let range = |(low, high): (f64, f64)| format!("[{}, {}]", points(low), points(high));
        let found = self.interval.as_ref();
        [
            format!("{} {}", self.clause.relation, points(self.clause.threshold)),
            found.map_or_else(String::new, |found| points(found.value)),
            found.map_or_else(String::new, |found| range((found.low, found.high))),
            found.and_then(|found| found.seeds_alone).map_or_else(String::new, range),
            found.map_or(0, |found| found.n_seeds).to_string(),
            [self.ruling.to_string(), self.reason.clone()].iter().filter(|part| !part.is_empty()).join(": "),
        ]
    }
}

impl ClaimsReport {
    /// Only what concerns finding `number`.
    pub fn only(&self, number: u32) -> ClaimsReport {
        let mut report = self.clone();
        report.clauses.retain(|judged| judged.clause.finding == number);
        report.findings.retain(|judged| judged.finding.number == number);
        report
    }

    fn headings(&self) -> [String; 6] {
        let interval = format!("{:.0}% interval", 100.0 * self.level);
        ["wanted", "difference", &interval, "seeds alone (t)", "seeds", "verdict"].map(str::to_owned)
    }

    /// One row a clause, in percentage points; the findings' rulings above it.
    pub fn table(&self) -> Result<Table> {
        let cells: Vec<[String; 6]> = self.clauses.iter().map(JudgedClause::cells).collect();
        let clauses = self
            .clauses
            .iter()
            .map(|JudgedClause { clause, .. }| format!("{} ({}): {}", clause.id, clause.role, clause.text));
        let mut frame = df!("clause" => clauses.collect::<Vec<_>>())?;
        for (index, heading) in self.headings().into_iter().enumerate() {
            let column: Vec<&str> = cells.iter().map(|row| row[index].as_str()).collect();
            frame.with_column(polars::prelude::Column::new(heading.into(), column))?;
        }
        let caption = self.findings.iter().map(|JudgedFinding { finding, ruling, reason }| {
            let reason = reason.strip_prefix(&format!("{ruling}: ")).unwrap_or(reason);
            format!("Finding {} is {ruling}: {reason}", finding.number)
        });
        Ok(Table::new(frame).with_caption(&caption.collect::<Vec<_>>().join(". ")))
    }
}

impl fmt::Display for ClaimsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for JudgedFinding { finding, ruling, reason } in &self.findings {
            writeln!(f, "Finding {}: {}", finding.number, ruling.to_string().to_uppercase())?;
            writeln!(f, "  \"{}\"\n  {reason}", finding.text)?;
            let mut rows = vec![
                ["clause".to_owned(), "role".to_owned()].into_iter().chain(self.headings()).collect_vec(),
            ];
            for judged in self.clauses.iter().filter(|judged| judged.clause.finding == finding.number) {
                let name = [judged.clause.id.clone(), judged.clause.role.to_string()];
                rows.push(name.into_iter().chain(judged.cells()).collect_vec());
            }
            let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
            let widths = (0..rows[0].len()).map(width).collect_vec();
            for row in &rows {
                let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).join("  ");
                writeln!(f, "  {}", cells.trim_end())?;
            }
            writeln!(f)?;
        }
        if self.clauses.iter().any(|judged| judged.interval.is_some_and(|found| found.n_seeds == 1)) {
            let only = "Clauses with one seed have intervals over problems only";
            writeln!(f, "{only}: they say nothing about another seed.")?;
        }
        let (tier, supported) = (&self.tier, Ruling::Supported);
        write!(
            f,
            "Tier `{tier}`; percentage points. A control clause that is {supported} counts against its finding."
        )
    }
}
