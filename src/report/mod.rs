//! From run records to what a reader looks at: figures on disk, rulings on claims, tables.

mod claims;
mod figure;
mod frame;
mod table;
mod tables;

use std::path::{Path, PathBuf};

use itertools::Itertools;

use crate::base::{Error, Result};
use crate::report::figure::{Evidence, FIGURES, forest_figure};
use crate::report::frame::{Bootstrap, Scores, metric_frame};
use crate::study::{FinishedRun, MetricRow, OutcomeRow, Runs};

pub use claims::{Claims, ClaimsReport, JudgedClause, JudgedFinding, Measured, Ruling};
pub use figure::{Svg, dataset_figure, mutant_figure, panel, style};
pub use frame::{Components, Contributions, Interval, Labeled, SetComponents, Spread, pass_at_k};
pub use table::Table;
pub use tables::arms_table;

/// What is asked of finished runs. They stay files and are read anew for each question: a polars frame
/// remembers a hash table of its column names, and each cell of a notebook is a library of its own with
/// its own hash seed, so a frame that one cell has used does not find its columns in the next.
impl Runs {
    /// Tier, seeds, and whose runs they are.
    pub fn source(&self) -> String {
        let seeds = self.runs.iter().map(|run| run.record.seed).sorted().dedup().join(", ");
        let of = |origin: PathBuf| {
            let own = origin.starts_with("data/runs");
            let whose = if own { "runs of this machine" } else { "committed records" };
            format!("{whose} ({})", origin.display())
        };
        let (tier, origins) = (&self.tier, self.origins().into_iter().map(of).join(" and "));
        format!("tier {tier}, seeds {seeds}: {} {origins}", self.runs.len())
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

    /// What was logged while training.
    pub fn metrics(&self) -> Result<Vec<Labeled<MetricRow>>> {
        self.rows(FinishedRun::metrics)
    }

    /// The figure called `name`: `finding2`, `frontier`.
    ///
    /// # Errors
    /// `Error::Unknown` where there is none, `Error::Figure` where its runs are missing.
    pub fn figure(&self, name: &str) -> Result<Svg> {
        let Some((_, draw)) = FIGURES.iter().find(|(figure, _)| *figure == name) else {
            let known = FIGURES.iter().map(|(figure, _)| figure).join(", ");
            return Err(Error::Unknown { kind: "figure", name: name.to_owned(), known });
        };
        let evidence = self.evidence()?;
        Svg::draw(|area| draw(&evidence, area))
    }

    fn evidence(&self) -> Result<Evidence> {
        Ok(Evidence {
            scores: Scores(self.outcomes()?),
            metrics: metric_frame(&self.metrics()?)?,
            bootstrap: Bootstrap::standard(),
            source: self.source(),
        })
    }

    /// Judges `data/claims.toml`; records of version 1 of the study by the claims that were registered for them.
    pub fn claims(&self) -> Result<ClaimsReport> {
        let version1 = !self.runs.is_empty() && self.runs.iter().all(|run| run.record.schema == 1);
        let file = if version1 { "data/claims-version1.toml" } else { "data/claims.toml" };
        Claims::load(self.root.join(file))?.judge(&Scores(self.outcomes()?), &self.tier)
    }

    /// Whether the controls of `data/claims.toml` can be refuted, with these runs as a pilot: see
    /// [`Claims::power`].
    pub fn power(&self, n_seeds: usize, n_problems: usize) -> Result<String> {
        let claims = Claims::load(self.root.join("data/claims.toml"))?;
        claims.power(&Scores(self.outcomes()?), n_seeds, n_problems)
    }

    /// All clauses of [`Runs::claims`] with their intervals and verdicts.
    pub fn forest(&self) -> Result<Svg> {
        forest_figure(&self.claims()?, &self.source())
    }

    /// Draws the verdicts and all figures into `folder`, and returns their paths. A figure none of whose arms was
    /// run is left out and named on stderr.
    pub fn draw(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut figures = vec![("forest", self.forest())];
        let evidence = self.evidence()?;
        figures.extend(FIGURES.map(|(name, draw)| (name, Svg::draw(|area| draw(&evidence, area)))));
        let mut drawn = Vec::new();
        for (name, figure) in figures {
            match figure {
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

/// Where figures of runs trained on this machine go: never over the committed ones.
pub fn local_figures(root: &Path, tier: &str) -> PathBuf {
    root.join("figures/local").join(tier)
}
