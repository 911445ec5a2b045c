//! From run records to what a reader looks at: figures on disk, verdicts on claims.

pub mod claims;
pub mod figure;
pub mod frame;
mod tables;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use polars::prelude::DataFrame;

use crate::base::error::{Error, Result};
use crate::base::files::write_atomically;
use crate::data::problem::Problem;
use crate::report::claims::{Claims, Report};
use crate::report::figure::{DataSetPicture, Finding1, Finding2, Finding3, SIZE, Svg};
use crate::report::frame::Bootstrap;
use crate::study::store::{FinishedRun, RunStore};

pub use tables::arms_table;

/// Finished runs of one tier, as frames.
pub struct Results {
    /// The project's folder.
    pub root: PathBuf,
    pub tier: String,
    /// Where the runs lie, from the project's folder on.
    pub store: PathBuf,
    pub runs: Vec<FinishedRun>,
    // Not for use as they are: see `rebuilt`.
    outcomes: DataFrame,
    metrics: DataFrame,
}

impl Results {
    /// The runs trained on this machine, or, where there are none, the records that the project
    /// ships for the tier.
    ///
    /// # Errors
    /// `Error::RunStore` where there are neither.
    pub fn open(root: &Path, tier: &str) -> Result<Results> {
        let trained = PathBuf::from("data/runs");
        let shipped = Path::new("data/records").join(tier);
        let earlier = Path::new("data/records/version1").join(tier);
        for store in [&trained, &shipped, &earlier] {
            let runs = RunStore::read_only(root.join(store)).runs(tier)?;
            if !runs.is_empty() {
                let (outcomes, metrics) = (frame::outcomes(&runs)?, frame::metrics(&runs)?);
                return Ok(Results {
                    root: root.to_path_buf(),
                    tier: tier.to_owned(),
                    store: store.clone(),
                    runs,
                    outcomes,
                    metrics,
                });
            }
        }
        let message = format!("has no finished run of tier {tier}; `make figures TIER={tier}` trains them");
        Err(Error::RunStore { path: root.join(trained), message })
    }

    /// What [`frame::outcomes`] makes of the runs.
    pub fn outcomes(&self) -> Result<DataFrame> {
        rebuilt(&self.outcomes)
    }

    /// What [`frame::metrics`] makes of the runs.
    pub fn metrics(&self) -> Result<DataFrame> {
        rebuilt(&self.metrics)
    }

    /// How many runs there are of which seeds, and where from.
    pub fn summary(&self) -> String {
        let seeds: BTreeSet<u64> = self.runs.iter().map(|run| run.record.seed).collect();
        let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
        let (runs, seeds) = (self.runs.len(), seeds.join(", "));
        format!("{runs} finished runs of tier {}, seeds {seeds}, from {}", self.tier, self.store.display())
    }

    pub fn finding1(&self) -> Result<Finding1> {
        Finding1::from_frames(&self.outcomes()?, &Bootstrap::standard())
    }

    pub fn finding2(&self) -> Result<Finding2> {
        Finding2::from_frames(&self.outcomes()?, &self.metrics()?, &Bootstrap::standard())
    }

    pub fn finding3(&self) -> Result<Finding3> {
        Finding3::from_frames(&self.outcomes()?, &Bootstrap::standard())
    }

    /// The figure of finding `number`, for a notebook.
    ///
    /// # Errors
    /// `Error::Unknown` where there is no such finding, `Error::Figure` where its runs are missing.
    pub fn figure(&self, number: u32) -> Result<Svg> {
        match number {
            1 => {
                let data = self.finding1()?;
                Svg::draw(SIZE, |area| figure::draw_finding1(area, &data))
            }
            2 => {
                let data = self.finding2()?;
                Svg::draw(SIZE, |area| figure::draw_finding2(area, &data))
            }
            3 => {
                let data = self.finding3()?;
                Svg::draw(SIZE, |area| figure::draw_finding3(area, &data))
            }
            _ => Err(Error::Unknown { kind: "finding", name: number.to_string(), known: "1, 2, 3".into() }),
        }
    }

    /// Judges `data/claims.toml`.
    pub fn claims(&self, root: &Path) -> Result<Report> {
        Claims::load(root.join("data/claims.toml"))?.judge(&self.outcomes()?, &self.tier)
    }

    /// Draws the figure of each finding into `folder`, and returns their paths. A figure none of
    /// whose arms was run is left out and named on stderr.
    pub fn draw(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let mut drawn = Vec::new();
        for number in 1..=3 {
            let path = folder.join(format!("finding{number}.svg"));
            match self.figure(number) {
                Ok(Svg(svg)) => write_atomically(&path, svg.as_bytes())?,
                Err(Error::Figure(why)) => {
                    eprintln!("finding {number}: not drawn, {why}");
                    continue;
                }
                Err(error) => return Err(error),
            }
            drawn.push(path);
        }
        Ok(drawn)
    }
}

/// The same columns in a new frame. A frame remembers a hash table of its column names, and each
/// cell of a notebook is a library of its own with its own hash seed: a frame that one cell has used
/// does not find its columns in the next.
fn rebuilt(frame: &DataFrame) -> Result<DataFrame> {
    Ok(DataFrame::new(frame.height(), frame.columns().to_vec())?)
}

/// Draws the picture of the data set.
pub fn draw_dataset<'a>(problems: impl IntoIterator<Item = &'a Problem>, path: &Path) -> Result<()> {
    let picture = DataSetPicture::of(problems);
    figure::save_svg(path, SIZE, |area| figure::draw_dataset(area, &picture))
}

/// Where the figures of a tier go: `figures/` for the quick tier, whose figures the README shows.
pub fn figure_folder(root: &Path, tier: &str) -> PathBuf {
    if tier == "quick" { root.join("figures") } else { root.join("figures").join(tier) }
}
