//! The rulings as text for the terminal and as a table for notebooks.

use std::fmt;

use super::{JudgedClause, JudgedFinding, Ruling};
use crate::data::text_table;
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
    /// Behind the cells that name the clause: what is wanted, what was found with its interval, what
    /// the seeds alone say, how many they are, and the ruling.
    fn row<const N: usize>(&self, name: [String; N]) -> Vec<String> {
        let range = |(low, high): (f64, f64)| format!("[{}, {}]", points(low), points(high));
        let found = self.interval.as_ref();
        let reason = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        let cells = [
            format!("{} {}", self.clause.relation, points(self.clause.threshold)),
            found.map_or_else(String::new, |found| points(found.value)),
            found.map_or_else(String::new, |found| range((found.low, found.high))),
            found.and_then(|found| found.seeds_alone).map_or_else(String::new, range),
            found.map_or(0, |found| found.n_seeds).to_string(),
            format!("{}{reason}", self.ruling),
        ];
        name.into_iter().chain(cells).collect()
    }
}

impl ClaimsReport {
    /// The names of [`JudgedClause::row`].
    fn names(&self, name: &[&str]) -> Vec<String> {
        let interval = format!("{:.0}% interval", 100.0 * self.level);
        let names = ["wanted", "difference", &interval, "seeds alone (t)", "seeds", "verdict"];
        name.iter().chain(&names).map(ToString::to_string).collect()
    }

    fn clauses_of(&self, number: u32) -> impl Iterator<Item = &JudgedClause> {
        self.clauses.iter().filter(move |judged| judged.clause.finding == number)
    }

    /// One row a clause of finding `number`, in percentage points; the finding's ruling above it.
    pub fn table(&self, number: u32) -> Table {
        let row = |judged: &JudgedClause| {
            let clause = &judged.clause;
            judged.row([format!("{} ({}): {}", clause.id, clause.role, clause.text)])
        };
        let findings = self.findings.iter().filter(|judged| judged.finding.number == number);
        let caption = findings.map(|JudgedFinding { ruling, reason, .. }| {
            let reason = reason.strip_prefix(&format!("{ruling}: ")).unwrap_or(reason);
            format!("Finding {number} is {ruling}: {reason}")
        });
        Table {
            caption: caption.collect(),
            names: self.names(&["clause"]),
            rows: self.clauses_of(number).map(row).collect(),
        }
    }
}

impl fmt::Display for ClaimsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for JudgedFinding { finding, ruling, reason } in &self.findings {
            writeln!(f, "Finding {}: {}", finding.number, ruling.to_string().to_uppercase())?;
            writeln!(f, "  \"{}\"\n  {reason}", finding.text)?;
            let mut rows = vec![self.names(&["clause", "role"])];
            for judged in self.clauses_of(finding.number) {
                rows.push(judged.row([judged.clause.id.clone(), judged.clause.role.to_string()]));
            }
            for line in text_table(&rows, 0..0).lines() {
                writeln!(f, "  {line}")?;
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
