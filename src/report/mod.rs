//! From run records to what a reader looks at: figures on disk, rulings on claims, tables.

mod anatomy;
mod budget;
mod claims;
mod drift;
mod figure;
mod frame;
mod ledger;
mod results;
mod table;
mod tables;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use itertools::Itertools;
use polars::prelude::DataFrame;

use crate::base::{Error, Result, hash_bytes};
use crate::data::Catalog;
use crate::report::figure::{Evidence, FIGURES, anatomy_figure, forest_figure, map_figure, razor_figure};
use crate::report::frame::{Bootstrap, Scores, atom_frame, metric_frame};
use crate::study::{FinishedRun, MetricRow, OutcomeRow, Runs};

pub use claims::{Claims, ClaimsReport, JudgedClause, JudgedFinding, Measured, Ruling};
pub use figure::{Svg, dataset_figure, mutant_figure, panel, style};
pub use frame::{Components, Contributions, Interval, Labeled, SetComponents, Spread, pass_at_k};
pub use ledger::ledger;
pub(crate) use results::differences;
pub use table::Table;
pub(crate) use table::{escape, show};
pub use tables::arms_table;

/// What is asked of finished runs. They stay files and are read anew for each question: a polars frame
/// remembers a hash table of its column names, and each cell of a notebook is a library of its own with
/// its own hash seed, so a frame that one cell has used does not find its columns in the next.
impl Runs {
    /// Tier, seeds, whose runs they are, and the beginning of the hash of all their records.
    pub fn source(&self) -> String {
        let seeds = self.runs.iter().map(|run| run.record.seed).sorted().dedup().collect_vec();
        let (plural, seeds) = (if seeds.len() == 1 { "" } else { "s" }, seeds.iter().join(", "));
        let of = |origin: PathBuf| {
            let own = origin.starts_with("data/runs");
            let whose = if own { "runs of this machine" } else { "committed records" };
            format!("{whose} ({})", origin.display())
        };
        let (tier, origins) = (&self.tier, self.origins().into_iter().map(of).join(" and "));
        format!(
            "tier {tier}, seed{plural} {seeds}: {} {origins}, hash {}",
            self.runs.len(),
            &self.seal()[..8]
        )
    }

    fn seal(&self) -> String {
        let seals = self.runs.iter().map(|run| run.record.seal.as_str());
        hash_bytes(seals.sorted().collect::<String>())
    }

    /// All rows that `read` finds in the runs, each with its arm and seed.
    fn rows<Row>(&self, read: fn(&FinishedRun) -> Result<Vec<Row>>) -> Result<Vec<Labeled<Row>>> {
        let mut rows = Vec::new();
        for run in &self.runs {
            let label = |row| (run.record.arm.clone(), run.record.seed, row);
            rows.extend(read(run)?.into_iter().map(label));
        }
        Ok(rows)
    }

    /// How each problem went in each evaluation.
    pub fn outcomes(&self) -> Result<Vec<Labeled<OutcomeRow>>> {
        self.rows(FinishedRun::outcomes)
    }

    /// The last evaluation as a polars frame with a row for each atom of each question: see its columns.
    ///
    /// # Errors
    /// As [`Runs::outcomes`].
    pub fn atoms(&self) -> Result<DataFrame> {
        atom_frame(&self.outcomes()?)
    }

    /// What was logged while training.
    pub fn metrics(&self) -> Result<Vec<Labeled<MetricRow>>> {
        self.rows(FinishedRun::metrics)
    }

    /// The figure called `name`: `forest`, `finding2`, `frontier`.
    ///
    /// # Errors
    /// `Error::Unknown` where there is none, `Error::Figure` where its runs are missing.
    pub fn figure(&self, name: &str) -> Result<Svg> {
        self.drawn(name, &OnceCell::new())
    }

    /// The frontier with a star where the arm of `mine` ends, which the reader trained with settings of their own.
    ///
    /// # Errors
    /// As [`Runs::figure`], and where `mine` holds runs of several arms.
    pub fn frontier_with(&self, mine: &Runs) -> Result<Svg> {
        let arms = mine.runs.iter().map(|run| run.record.arm.clone()).unique();
        let [arm] = &arms.collect_vec()[..] else {
            return Err(Error::Figure("a star is of one arm".to_owned()));
        };
        let mut evidence = self.evidence()?;
        evidence.star = Some((arm.clone(), Scores(mine.outcomes()?)));
        Svg::draw(|area| figure::frontier::draw(&evidence, area))
    }

    fn evidence(&self) -> Result<Evidence> {
        let (scores, metrics) = (Scores(self.outcomes()?), metric_frame(&self.metrics()?)?);
        Ok(Evidence { scores, metrics, bootstrap: Bootstrap::standard(), source: self.source(), star: None })
    }

    /// `evidence` is read where it is needed, once for all figures.
    fn drawn(&self, name: &str, evidence: &OnceCell<Evidence>) -> Result<Svg> {
        match name {
            "forest" => forest_figure(&self.judged()?, &self.source()),
            "anatomy" => anatomy_figure(&self.anatomy()?, &self.catalog()?, &self.source()),
            "map" => map_figure(&self.root),
            "razor" => razor_figure(&self.moved(), &self.source()),
            _ => match FIGURES.iter().find(|(figure, _)| *figure == name) {
                Some((_, draw)) => {
                    if evidence.get().is_none() {
                        let read = self.evidence()?;
                        evidence.get_or_init(|| read);
                    }
                    Svg::draw(|area| evidence.get().map_or(Ok(()), |evidence| draw(evidence, area)))
                }
                None => {
                    Err(Error::Unknown { kind: "figure", name: name.to_owned(), known: known().join(", ") })
                }
            },
        }
    }

    fn catalog(&self) -> Result<Catalog> {
        Catalog::load(&self.root.join("data/catalog"))
    }

    /// Judges `data/claims.toml`; records of version 1 of the study by the claims that were registered for them.
    pub fn claims(&self) -> Result<ClaimsReport> {
        self.registered()?.judge(&Scores(self.outcomes()?), &self.tier)
    }

    /// The same with too few draws for the bootstrap's intervals, where nobody sees them. They decide nothing, except
    /// of version 1's claims.
    fn judged(&self) -> Result<ClaimsReport> {
        let mut claims = self.registered()?;
        if claims.version > 1 {
            claims.draws = 1;
        }
        claims.judge(&Scores(self.outcomes()?), &self.tier)
    }

    fn registered(&self) -> Result<Claims> {
        let version1 = !self.runs.is_empty() && self.runs.iter().all(|run| run.record.schema == 1);
        let file = if version1 { "data/claims-version1.toml" } else { "data/claims.toml" };
        Claims::load(self.root.join(file))
    }

    /// Whether the controls of `data/claims.toml` can be refuted, with these runs as a pilot: see
    /// [`Claims::power`].
    pub fn power(&self, n_seeds: usize, n_problems: usize) -> Result<String> {
        let claims = Claims::load(self.root.join("data/claims.toml"))?;
        claims.power(&Scores(self.outcomes()?), n_seeds, n_problems)
    }

    /// Draws all figures into `folder`, and returns their paths. A figure none of whose arms was run is left out and
    /// named on stderr.
    pub fn draw(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let (mut drawn, evidence) = (Vec::new(), OnceCell::new());
        for name in known() {
            match self.drawn(name, &evidence) {
                Ok(svg) => {
                    drawn.push(folder.join(format!("{name}.svg")));
                    svg.save(&drawn[drawn.len() - 1])?;
                }
                Err(Error::Figure(why)) => eprintln!("not drawn: {why}"),
                Err(error) => return Err(error),
            }
        }
        Ok(drawn)
    }
}

/// The names of all figures.
fn known() -> Vec<&'static str> {
    ["forest", "map", "anatomy", "razor"].into_iter().chain(FIGURES.map(|(name, _)| name)).collect()
}

/// Where figures of runs trained on this machine go: never over the committed ones.
pub fn local_figures(root: &Path, tier: &str) -> PathBuf {
    root.join("figures/local").join(tier)
}
