//! The page of results, from the records to Markdown: what was found, what decides it, what would change it.

use itertools::Itertools;

use super::Table;
use crate::base::{Error, Result};
use crate::data::Set;
use crate::report::claims::{ClaimsReport, JudgedClause, JudgedFinding, Measured, Role, Ruling};
use crate::report::frame::{Bootstrap, Cell, Decode, Interval, Quantity, Scores};
use crate::study::{Connective, Prompts, Runs};

/// The question that a reader asks first, and how it is answered.
const FIRST: &str = "f2.tuned";
/// Arms that solve problems, side by side.
const SOLVERS: [&str; 6] = ["base", "sft-start", "sft-tuned", "sft-more", "sft-rl", "rl-base"];

/// Of a clause's verdict: what it says of RL.
fn first_answer(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Supported => {
            "RL carries over to the target domain better than SFT of the best length on the same prompts"
        }
        Ruling::Refuted => {
            "RL does not carry over to the target domain better than SFT of the best length on the same prompts"
        }
        Ruling::Inconclusive => {
            "RL ties with SFT of the best length on the same prompts: these runs do not tell which carries over better to the target domain"
        }
        Ruling::NotJudged => "Not judged yet: RL against SFT of the best length on the same prompts",
    }
}

/// A difference in points with its interval: `+3.1 [-0.2, +6.4]`.
fn points(found: &Interval) -> String {
    let [value, low, high] = [found.value, found.low, found.high].map(|rate| 100.0 * rate);
    format!("{value:+.1} [{low:+.1}, {high:+.1}]")
}

/// The differences of a clause in its metrics: `+3.1 [...] greedy, +1.0 [...] sampled`.
pub(crate) fn differences<'a>(measured: impl IntoIterator<Item = &'a Measured>) -> String {
    let found = measured
        .into_iter()
        .filter_map(|of| Some(format!("{} {}", points(of.interval.as_ref().ok()?), of.metric)));
    found.collect_vec().join(", ")
}

impl Runs {
    /// The verdicts as rows of a table in Markdown: the README shows them.
    ///
    /// # Errors
    /// As [`Runs::claims`].
    pub fn verdicts(&self) -> Result<String> {
        let report = self.judged()?;
        let row = |JudgedFinding { finding, ruling, .. }: &JudgedFinding| {
            let required =
                report.of_finding(finding.number).filter(|judged| judged.clause.role == Role::Required);
            let mut clauses = required.map(|judged| {
                let ruling = match judged.ruling {
                    Ruling::NotJudged => String::new(),
                    ruling => format!(" ({ruling})"),
                };
                format!("{}: {}{ruling}", judged.clause.label(), differences(judged.deciding()))
            });
            let cells = [
                format!("{}. {}", finding.number, finding.text),
                format!("**{ruling}**"),
                clauses.join("; "),
            ];
            cells.to_vec()
        };
        let names = ["finding", "verdict", "what decided (points, 95% intervals)"].map(String::from).to_vec();
        let table = Table { caption: String::new(), names, rows: report.findings.iter().map(row).collect() };
        Ok(table.markdown())
    }

    /// The whole page.
    ///
    /// # Errors
    /// `Error::MissingRuns` where there is no run.
    pub fn results(&self) -> Result<String> {
        let report = self.judged()?;
        let part = |title: &str, text: &str, table: Result<Table>| -> Result<String> {
            match table {
                Err(Error::MissingRuns { .. }) => Ok(String::new()),
                table => Ok(format!("\n## {title}\n\n{text}\n\n{}", table?.markdown())),
            }
        };
        let mut page = format!(
            "# Results\n\nWritten by `make results` from {}. Differences are in percentage points of the pass rate on \
             the target domain where nothing else is said, with {:.0}% intervals over seeds and problems \
             ([statistics](statistics.md)); *greedy* is the likeliest answer, *sampled* one at temperature 1.\n\n",
            self.source(),
            100.0 * report.level
        );
        if let Some(first) = report.clauses.iter().find(|judged| judged.clause.id == FIRST) {
            page += &format!("- **{}** ({}).\n", first_answer(first.ruling), differences(first.deciding()));
        }
        for JudgedFinding { finding, ruling, reason } in &report.findings {
            let required =
                report.of_finding(finding.number).find(|judged| judged.clause.role == Role::Required);
            let reason = match required {
                Some(judged) if *ruling == Ruling::NotJudged => &judged.reason, // how many seeds there are
                _ => reason.strip_prefix(&format!("{ruling}: ")).unwrap_or(reason),
            };
            page += &format!("- **Finding {}: {ruling}** ({reason}). \"{}\"\n", finding.number, finding.text);
        }
        page += "\n![All clauses with their intervals, thresholds and verdicts](../figures/forest.svg)\n";
        for found in &report.findings {
            page += &finding(found, &report);
        }
        page += &part(
            "At equal budget",
            "RL against SFT on the same prompts when that has spent as much on training, its start included. SFT needs no \
             programs to be run; RL's are in the table of costs.",
            self.budgets(),
        )?;
        page += "\n## What goes wrong\n\n![Kinds of faults by arm, and which step goes wrong first](../figures/anatomy.svg)\n\n\
                 The numbers: `Runs::faults`, in a notebook.\n";
        page += &part(
            "Who solves what others never do",
            "Problems of the target domain that the arm of a row solves, in any answer at any seed, and the arm of a column \
             never.",
            self.solved_by_one(&SOLVERS),
        )?;
        page += "\n## How far an arm has moved, and what it forgot\n\n![What was forgotten against the distance from the base \
                 model](../figures/razor.svg)\n\nThe numbers: `Runs::drift`.\n";
        page += &part(
            "By what joins the steps of a question",
            "Pass rates in the target domain, likeliest answer / sampled, in percent. The base model has read \"then\" only.",
            self.by_connective(),
        )?;
        page += &part(
            "What it took",
            "Training only, means over seeds, each arm without its parent.",
            self.costs(2),
        )?;
        Ok(page)
    }
}

impl Runs {
    /// Pass rates in the target domain by connective, greedy / sampled, of the arms that solve problems.
    fn by_connective(&self) -> Result<Table> {
        let scores = Scores(self.outcomes()?);
        let bootstrap = Bootstrap { draws: 1, ..Bootstrap::standard() };
        let connectives = [Connective::Then, Connective::Next, Connective::AfterThat];
        let asked = connectives.map(|connective| scores.only(|row| row.connective == Some(connective)));
        let mut rows = Vec::new();
        for arm in SOLVERS {
            let mut cells = vec![arm.to_owned()];
            for asked in &asked {
                let rate = |decode| Quantity::Rate(Cell { decode, ..Cell::at_end(arm, Set::CompositeB) });
                let found =
                    [Decode::Greedy, Decode::Sampled].map(|decode| asked.if_run(&rate(decode), &bootstrap));
                let found: Vec<Interval> = found.into_iter().flatten_ok().collect::<Result<_>>()?;
                cells.push(found.iter().map(|found| format!("{:.0}", 100.0 * found.value)).join(" / "));
            }
            rows.push(cells);
        }
        let names = ["arm"].into_iter().chain(connectives.map(Connective::name)).map(str::to_owned).collect();
        Ok(Table { caption: String::new(), names, rows })
    }
}

fn finding(JudgedFinding { finding, ruling, .. }: &JudgedFinding, report: &ClaimsReport) -> String {
    let of_role = |role| report.of_finding(finding.number).filter(move |judged| judged.clause.role == role);
    let row = |judged: &JudgedClause| {
        let in_metric = |metric, prompts| {
            let of = judged.measured.iter().find(|of| (of.metric, of.prompts) == (metric, prompts));
            of.and_then(|of| of.interval.as_ref().ok()).map_or_else(String::new, points)
        };
        let role = match judged.clause.role {
            Role::Required => String::new(),
            role => format!(" ({role})"),
        };
        let mut cells = vec![
            format!("{}{role}", judged.clause.text),
            format!("{} {:+.0}", judged.clause.relation, 100.0 * judged.clause.threshold),
        ];
        for prompts in [Prompts::Train, Prompts::HeldOut] {
            cells.extend([Decode::Greedy, Decode::Sampled].map(|metric| in_metric(metric, prompts)));
        }
        cells.push(if judged.clause.role == Role::Report {
            String::new()
        } else {
            judged.ruling.to_string()
        });
        cells
    };
    let names = [
        "clause",
        "asked",
        "greedy",
        "sampled",
        "greedy, held-out wordings",
        "sampled, held-out wordings",
        "verdict",
    ];
    let clauses = report.of_finding(finding.number).sorted_by_key(|judged| judged.clause.role as u8);
    let table = Table {
        caption: String::new(),
        names: names.map(String::from).to_vec(),
        rows: clauses.map(row).collect(),
    };
    let mut text = format!("\n## Finding {}: {ruling}\n\n{}", finding.number, table.markdown());

    // The metric of a required clause that is nearest to its threshold.
    let nearest = of_role(Role::Required).flat_map(|judged| {
        judged.deciding().filter_map(move |of| Some((judged, of, of.interval.as_ref().ok()?)))
    });
    let distance = |judged: &JudgedClause, found: &Interval| {
        judged.clause.excess(found.value) / found.spread.standard_error
    };
    let nearest = nearest.min_by(|a, b| distance(a.0, a.2).total_cmp(&distance(b.0, b.2)));
    if let Some((judged, of, found)) = nearest {
        let short = distance(judged, found);
        text += &format!(
            "\nWhat decides it: of what is required, \"{}\" ({}) is nearest to what would refute it, {:.1} standard errors {} \
             its threshold of {:+.0}.",
            judged.clause.label(),
            of.metric,
            short.abs(),
            if short >= 0.0 { "above" } else { "below" },
            100.0 * judged.clause.threshold
        );
        let needed = (2.3 / short.abs()).powi(2);
        if judged.ruling == Ruling::Inconclusive && needed.is_finite() {
            text += &format!(
                " At this estimate about {:.0} times as many seeds and problems would decide it.",
                needed.max(2.0).ceil()
            );
        }
    }
    let controls = of_role(Role::Control)
        .map(|judged| format!("{} ({})", judged.clause.label(), judged.ruling))
        .join("; ");
    if !controls.is_empty() {
        text += &format!(" Controls, which must be refuted: {controls}.");
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// From the committed records of version 1, whose claims have no controls for finding 1 and other clauses.
    #[test]
    fn a_page_names_each_finding_its_clauses_and_what_is_nearest() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let runs = Runs::of_folder(root, "quick", &root.join("data/records/version1/quick")).unwrap();
        let (page, report) = (runs.results().unwrap(), runs.claims().unwrap());
        for judged in &report.findings {
            assert!(
                page.contains(&format!("## Finding {}: {}", judged.finding.number, judged.ruling)),
                "{page}"
            );
        }
        assert_eq!(page.matches("What decides it: ").count(), report.findings.len());
        for judged in report.clauses.iter().filter(|judged| judged.clause.role == Role::Required) {
            assert!(page.contains(&judged.clause.text), "{}", judged.clause.id);
            assert!(page.contains(&points(judged.interval().unwrap())), "{}", judged.clause.id);
        }
        assert_eq!(runs.verdicts().unwrap().lines().count(), 2 + report.findings.len());
    }
}
