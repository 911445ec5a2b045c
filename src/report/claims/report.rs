//! The rulings as text for the terminal and as a table for notebooks.

use std::fmt;

use super::{JudgedClause, JudgedFinding, Measured, Ruling};
use crate::data::text_table;
use crate::report::frame::Interval;
use crate::report::table::Table;
use crate::study::Prompts;

/// All rulings of one tier. `Display` prints them.
#[derive(Debug, Clone)]
pub struct ClaimsReport {
    /// Of the rules.
    pub version: u32,
    /// Whose runs are judged.
    pub tier: String,
    /// Level of the intervals.
    pub level: f64,
    /// Those of the tier, in the order of the file.
    pub clauses: Vec<JudgedClause>,
    /// All of them.
    pub findings: Vec<JudgedFinding>,
    /// What the claims file says below the verdicts.
    pub note: String,
}

/// Percentage points.
fn points(rate: f64) -> String {
    format!("{:+.1}", 100.0 * rate)
}

impl ClaimsReport {
    /// Of the columns: those that name a clause, and the cells of [`ClaimsReport::rows`]. The interval that
    /// decides is named by its level.
    fn names(&self, name: &[&str]) -> Vec<String> {
        let interval = format!("{:.0}% interval", 100.0 * self.level);
        let mut columns = vec!["wanted", "difference", &interval, "seeds alone (t)", "seeds", "verdict"];
        if self.version > 1 {
            columns.splice(3..3, ["bootstrap"]);
            columns.splice(6..6, ["p"]);
            columns.splice(0..0, ["metric"]);
        }
        name.iter().chain(&columns).map(ToString::to_string).collect()
    }

    /// One row a metric, the first of which begins with the cells that name the clause and ends with the
    /// ruling.
    fn rows<const N: usize>(&self, judged: &JudgedClause, name: [String; N]) -> Vec<Vec<String>> {
        let range = |(low, high): (f64, f64)| format!("[{}, {}]", points(low), points(high));
        let row = |(at, measured): (usize, &Measured)| {
            let found = measured.interval.as_ref().ok();
            let show = |cell: &dyn Fn(&Interval) -> String| found.map_or_else(String::new, cell);
            let first = |cell: &str| if at == 0 { cell.to_owned() } else { String::new() };
            let colon = if judged.reason.is_empty() { "" } else { ": " };
            let mut verdict = first(&format!("{}{colon}{}", judged.ruling, judged.reason));
            if let Some(Interval { off_path: true, .. }) = found {
                verdict += " (level off the path: its end stands in)";
            }
            if let Some(Interval { n_dropped: n @ 1.., .. }) = found {
                verdict += &format!(" ({n} problems not judged, left out)");
            }
            let wanted = format!("{} {}", judged.clause.relation, points(judged.clause.threshold));
            let (value, drawn) = (show(&|found| points(found.value)), show(&|found| range(found.bootstrap)));
            let alone = show(&|found| found.seeds_alone.map_or_else(String::new, range));
            let seeds = found.map_or(0, |found| found.n_seeds).to_string();
            let cells = if self.version == 1 {
                vec![wanted, value, drawn, alone, seeds, verdict]
            } else {
                let held_out = if measured.prompts == Prompts::HeldOut { ", held-out wordings" } else { "" };
                let metric = format!("{}{held_out}", measured.metric);
                let crossed = show(&|found| range((found.low, found.high)));
                let p = judged.p_value.map_or_else(String::new, |p| first(&format!("{p:.4}")));
                vec![metric, wanted, value, crossed, drawn, alone, seeds, p, verdict]
            };
            name.iter().map(|cell| first(cell)).chain(cells).collect()
        };
        judged.measured.iter().enumerate().map(row).collect()
    }

    pub(crate) fn of_finding(&self, number: u32) -> impl Iterator<Item = &JudgedClause> {
        self.clauses.iter().filter(move |judged| judged.clause.finding == number)
    }

    /// The clauses of finding `number`, one row a metric, in percentage points; its ruling above them.
    pub fn table(&self, number: u32) -> Table {
        let row = |judged: &JudgedClause| {
            let clause = &judged.clause;
            self.rows(judged, [format!("{} ({}): {}", clause.id, clause.role, clause.text)])
        };
        let findings = self.findings.iter().filter(|judged| judged.finding.number == number);
        let caption = findings.map(|JudgedFinding { ruling, reason, .. }| {
            let reason = reason.strip_prefix(&format!("{ruling}: ")).unwrap_or(reason);
            format!("Finding {number} is {ruling}: {reason}")
        });
        Table {
            caption: caption.collect(),
            names: self.names(&["clause"]),
            rows: self.of_finding(number).flat_map(row).collect(),
        }
    }
}

impl fmt::Display for ClaimsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for JudgedFinding { finding, ruling, reason } in &self.findings {
            writeln!(f, "Finding {}: {}", finding.number, ruling.to_string().to_uppercase())?;
            writeln!(f, "  \"{}\"\n  {reason}", finding.text)?;
            let mut rows = vec![self.names(&["clause", "role"])];
            for judged in self.of_finding(finding.number) {
                rows.extend(self.rows(judged, [judged.clause.id.clone(), judged.clause.role.to_string()]));
            }
            for line in text_table(&rows, 0..0).lines() {
                writeln!(f, "  {line}")?;
            }
            writeln!(f)?;
        }
        if self.clauses.iter().any(|judged| judged.interval().is_some_and(|found| found.n_seeds == 1)) {
            let only = "Clauses with one seed have intervals over problems only";
            writeln!(f, "{only}: they say nothing about another seed.")?;
        }
        let control = match self.version {
            1 => format!("A control clause that is {} counts against its finding.", Ruling::Supported),
            _ => format!(
                "A finding needs its required clauses supported and its controls {}.",
                Ruling::Refuted
            ),
        };
        write!(f, "Tier `{}`, claims version {}; percentage points. {control}", self.tier, self.version)?;
        if self.note.is_empty() { Ok(()) } else { write!(f, "\n\n{}", self.note.trim()) }
    }
}
