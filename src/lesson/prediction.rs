//! What a reader expected before seeing it, kept for a later notebook to hold against what was measured.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use itertools::Itertools;

use crate::base::{Error, Result, read_json, write_json};
use crate::report::{Claims, JudgedClause, Table, differences};
use crate::study::{Runs, Study};

/// By the id of the clause, in percentage points.
type Predictions = BTreeMap<String, f64>;

/// Not in git: each reader has predictions of their own.
fn file(root: &Path) -> PathBuf {
    root.join("data/generated/predictions.json")
}

fn read(root: &Path) -> Result<Predictions> {
    let path = file(root);
    if path.exists() { read_json(&path) } else { Ok(Predictions::new()) }
}

/// Writes down how many percentage points you expect of some clauses of `data/claims.toml`, by their ids. An earlier
/// prediction of the same clause is replaced, of others kept.
///
/// # Errors
/// `Error::Unknown` for a clause that there is not.
pub fn predict(study: &Study, guesses: &[(&str, f64)]) -> Result<()> {
    let (mut all, claims) = (read(&study.root)?, Claims::load(study.root.join("data/claims.toml"))?);
    let known = claims.clauses.iter().map(|clause| clause.id.as_str()).collect_vec();
    for (clause, points) in guesses {
        if !known.contains(clause) {
            let (name, known) = ((*clause).to_owned(), known.join(", "));
            return Err(Error::Unknown { kind: "clause", name, known });
        }
        all.insert((*clause).to_owned(), *points);
    }
    write_json(&file(&study.root), &all)
}

impl Runs {
    /// The reader's predictions of the clauses of finding `number` beside what these runs say.
    pub fn predictions(&self, number: u32) -> Result<Table> {
        let (guesses, report) = (read(&self.root)?, self.claims()?);
        let row = |judged: &JudgedClause| {
            let guess = guesses.get(&judged.clause.id)?;
            Some(vec![
                judged.clause.label().to_owned(),
                format!("{guess:+.0}"),
                differences(judged.deciding()),
            ])
        };
        let names = ["clause", "you expected", "measured"].map(str::to_owned).to_vec();
        let rows = report.of_finding(number).filter_map(row).collect();
        Ok(Table { caption: String::new(), names, rows })
    }
}
