//! The verdicts as a table for the terminal, and as frames.

use std::fmt;

use polars::df;
use polars::prelude::DataFrame;

use super::{ClauseVerdict, FindingVerdict, Outcome};
use crate::base::error::Result;

/// All verdicts of one tier. `Display` prints them.
#[derive(Debug, Clone)]
pub struct Report {
    pub tier: String,
    pub level: f64,
    pub clauses: Vec<ClauseVerdict>,
    pub findings: Vec<FindingVerdict>,
}

impl Report {
    /// Whether every finding is supported.
    pub fn all_supported(&self) -> bool {
        self.findings.iter().all(|verdict| verdict.outcome == Outcome::Supported)
    }

    /// The verdict on finding `number`, if the claims file has it.
    pub fn finding(&self, number: u32) -> Option<&FindingVerdict> {
        self.findings.iter().find(|verdict| verdict.finding.number == number)
    }

    /// Only what concerns finding `number`.
    pub fn only(&self, number: u32) -> Report {
        let mut report = self.clone();
        report.clauses.retain(|verdict| verdict.clause.finding == number);
        report.findings.retain(|verdict| verdict.finding.number == number);
        report
    }

    /// One row a clause: `clause`, `role`, `estimate`, `low`, `high`, `relation`, `threshold`,
    /// `n_seeds`, `verdict`, `reason`.
    pub fn frame(&self) -> Result<DataFrame> {
        let of = |field: fn(&crate::report::frame::Estimate) -> f64| -> Vec<Option<f64>> {
            self.clauses.iter().map(|verdict| verdict.estimate.as_ref().map(field)).collect()
        };
        let text =
            |field: fn(&ClauseVerdict) -> &str| -> Vec<&str> { self.clauses.iter().map(field).collect() };
        Ok(df!(
            "clause" => text(|verdict| &verdict.clause.id),
            "role" => text(|verdict| verdict.clause.role.name()),
            "estimate" => of(|estimate| estimate.value),
            "low" => of(|estimate| estimate.low),
            "high" => of(|estimate| estimate.high),
            "relation" => text(|verdict| verdict.clause.relation.symbol()),
            "threshold" => self.clauses.iter().map(|verdict| verdict.clause.threshold).collect::<Vec<_>>(),
            "n_seeds" => self
                .clauses
                .iter()
                .map(|verdict| verdict.estimate.map_or(0, |estimate| estimate.n_seeds as u32))
                .collect::<Vec<_>>(),
            "verdict" => text(|verdict| verdict.outcome.name()),
            "reason" => text(|verdict| &verdict.reason),
        )?)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.clauses.iter().map(|verdict| verdict.clause.id.len()).max().unwrap_or(6).max(6);
        let percent = self.level * 100.0;
        for finding in &self.findings {
            let number = finding.finding.number;
            writeln!(f, "Finding {number}: {}", finding.outcome.name().to_uppercase())?;
            writeln!(f, "  \"{}\"", finding.finding.text)?;
            writeln!(f, "  {}", finding.reason)?;
            writeln!(
                f,
                "  {:<width$}  {:<8}  {:>8}  {:>18}  {:>9}  {:>5}  verdict",
                "clause",
                "role",
                "estimate",
                format!("{percent:.0}% interval"),
                "threshold",
                "seeds"
            )?;
            for verdict in self.clauses.iter().filter(|verdict| verdict.clause.finding == number) {
                let (value, interval, seeds) = match &verdict.estimate {
                    Some(e) => (
                        format!("{:+.3}", e.value),
                        format!("[{:+.3}, {:+.3}]", e.low, e.high),
                        e.n_seeds.to_string(),
                    ),
                    None => ("-".to_owned(), "-".to_owned(), "0".to_owned()),
                };
                let clause = &verdict.clause;
                let threshold = format!("{} {:.2}", clause.relation.symbol(), clause.threshold);
                let role = clause.role.name();
                write!(
                    f,
                    "  {:<width$}  {role:<8}  {value:>8}  {interval:>18}  {threshold:>9}  {seeds:>5}  {}",
                    clause.id,
                    verdict.outcome.name()
                )?;
                if verdict.reason.is_empty() { writeln!(f)? } else { writeln!(f, " ({})", verdict.reason)? }
            }
            writeln!(f)?;
        }
        let one_seed = self.clauses.iter().any(|v| v.estimate.is_some_and(|e| e.n_seeds == 1));
        if one_seed {
            writeln!(
                f,
                "Clauses with one seed have intervals over problems only: they say nothing about another seed."
            )?;
        }
        writeln!(f, "Tier `{}`. A control clause that is supported counts against its finding.", self.tier)
    }
}
