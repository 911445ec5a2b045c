//! The ambiguity ledger: which findings survive where the paper leaves something open and it is chosen otherwise.

use std::collections::BTreeMap;
use std::path::Path;

use itertools::Itertools;
use serde::Deserialize;

use super::Table;
use crate::base::{Error, Result, read_toml};
use crate::report::claims::{Claims, Clause, Role};
use crate::report::frame::{Interval, Scores};
use crate::study::{Prompts, Runs};

/// `data/ledger.toml`, whose head says what the fields are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ledger {
    row: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    detail: String,
    choice: String,
    other: String,
    #[serde(default = "main_tier")]
    tier: String,
    #[serde(default)]
    instead: BTreeMap<String, String>,
}

fn main_tier() -> String {
    "quick".to_owned()
}

/// The measured rows of the ledger of the project at `root`, from its committed records.
///
/// # Errors
/// Naming the file that is damaged.
pub fn ledger(root: &Path) -> Result<Table> {
    let (rows, claims) = (root.join("data/ledger.toml"), root.join("data/claims.toml"));
    let text = std::fs::read_to_string(&claims).map_err(Error::io(&claims))?;
    let registered = Claims::parse(&text, &claims)?;
    let Ledger { row: rows } = read_toml(&rows)?;
    let mut names = ["open detail", "our choice", "the other choice"].map(str::to_owned).to_vec();
    names.extend(registered.findings.iter().map(|finding| format!("finding {}", finding.number)));
    let mut table = Table { caption: String::new(), names, rows: Vec::new() };
    for Row { detail, choice, other, tier, instead } in rows {
        let mut replaced = text.clone();
        for (from, to) in &instead {
            replaced = replaced.replace(&format!("\"{from}\""), &format!("\"{to}\""));
        }
        let mut asked = Claims::parse(&replaced, &claims)?;
        asked.draws = 1; // of the bootstrap, which is not shown
        let as_registered = |clause: &Clause| {
            registered.clauses.iter().any(|other| format!("{other:?}") == format!("{clause:?}"))
        };
        if !instead.is_empty() {
            asked.clauses.retain(|clause| !as_registered(clause));
        }
        let found = Runs::of_folder(root, &tier, &root.join("data/records").join(&tier));
        let scores = Scores(found.map_or_else(|_| Ok(Vec::new()), |runs| runs.outcomes())?);
        let mut cells = vec![detail, choice, other];
        for finding in &asked.findings {
            cells.push(survives(&asked, finding.number, &scores)?);
        }
        table.rows.push(cells);
    }
    Ok(table)
}

/// What the required clauses of a finding say, each by its own interval.
fn survives(claims: &Claims, number: u32, scores: &Scores) -> Result<String> {
    let required = |clause: &&Clause| (clause.finding, clause.role) == (number, Role::Required);
    let (mut failed, mut undecided, mut seeds) = (Vec::new(), Vec::new(), Vec::new());
    let clauses = claims.clauses.iter().filter(required).collect_vec();
    for clause in &clauses {
        let scores = clause.asked(scores);
        let measure = |metric: &_| claims.measure(clause, *metric, Prompts::Train, &scores);
        let measured: Vec<_> = clause.metrics().iter().map(measure).try_collect()?;
        let found = measured.iter().filter_map(|of| of.interval.as_ref().ok()).collect_vec();
        if found.len() < measured.len() {
            continue; // not run
        }
        seeds.extend(found.iter().map(|found| found.n_seeds));
        let ends = |found: &&Interval| [found.low, found.high].map(|end| clause.excess(end));
        let shown = || format!("{} ({})", clause.label(), found.iter().map(|found| points(found)).join(", "));
        if found.iter().map(ends).any(|ends| ends.iter().all(|end| *end < 0.0)) {
            failed.push(shown());
        } else if !found.iter().map(ends).all(|ends| ends.iter().all(|end| *end >= 0.0)) {
            undecided.push(shown());
        }
    }
    let Some(seeds) = seeds.into_iter().min() else {
        return Ok(if clauses.is_empty() { "not concerned" } else { "not measured yet" }.to_owned());
    };
    let plural = if seeds == 1 { "" } else { "s" };
    Ok(match (failed.is_empty(), undecided.is_empty()) {
        (true, true) => format!("survives, {seeds} seed{plural}"),
        (true, false) => format!("undecided, {seeds} seed{plural}: {}", undecided.join("; ")),
        _ => format!("does not, {seeds} seed{plural}: {}", failed.join("; ")),
    })
}

/// A difference in points, without its interval.
fn points(found: &Interval) -> String {
    format!("{:+.0}", 100.0 * found.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Set;
    use crate::report::frame::tests::answers;

    /// Both clauses hold; one fails; what was not run is said.
    #[test]
    fn a_finding_survives_where_all_its_clauses_hold() {
        let clause = |id: &str, left: &str| {
            format!(
                "[[clause]]\nid = \"{id}\"\nfinding = 1\ntext = \"{id}\"\nmetrics = [\"greedy\", \"sampled\"]\n\
                 left = {{ arm = \"{left}\", set = \"composite_b\" }}\nright = {{ arm = \"base\", set = \"composite_b\" }}\n\
                 relation = \">=\"\nthreshold = 0.1\n"
            )
        };
        let text = format!(
            "version = 2\nlevel = 0.95\ndraws = 1000\n[seeds]\nquick = [10, 11]\n[[finding]]\nnumber = 1\ntext = \"x\"\n{}{}",
            clause("one", "rl"),
            clause("two", "sft")
        );
        let claims = Claims::parse(&text, Path::new("claims.toml")).unwrap();
        let scores = |rl: u32, sft: u32| {
            let arm = |arm: &str, passed: u32| {
                let of_seed = |seed| answers(arm, seed, Set::CompositeB, &[passed; 4]);
                [of_seed(30), of_seed(31)].concat()
            };
            Scores([arm("base", 0), arm("rl", rl), arm("sft", sft)].concat())
        };
        let said = |scores: &Scores| survives(&claims, 1, scores).unwrap();
        assert_eq!(said(&scores(4, 4)), "survives, 2 seeds");
        assert_eq!(said(&scores(4, 0)), "does not, 2 seeds: two (+0, +0)");
        assert_eq!(said(&Scores(Vec::new())), "not measured yet");
        assert_eq!(survives(&claims, 2, &scores(4, 4)).unwrap(), "not concerned");
    }

    /// Every row of the shipped ledger names tiers and arms that there are.
    #[test]
    fn the_shipped_ledger_names_what_there_is() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let Ledger { row: rows } = read_toml(&root.join("data/ledger.toml")).unwrap();
        let arms = crate::study::Arms::load(root).unwrap();
        let known = |name: &str| arms.arm(name).is_ok() || name.parse::<Set>().is_ok();
        for row in &rows {
            crate::study::Tier::named(&row.tier).unwrap();
            assert!(row.instead.iter().all(|(from, to)| known(from) && known(to)), "{}", row.detail);
        }
        assert_eq!(ledger(root).unwrap().rows.len(), rows.len());
    }
}
