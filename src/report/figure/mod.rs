//! The figures, drawn with plotters as SVG, with a twin in pixels.
//!
//! A finding's figure is one function in a file of its own, which asks the [`Evidence`] what it
//! needs and draws it; [`FIGURES`] lists them. The others take what they show.

mod anatomy;
mod by_set;
mod counts;
mod dataset;
mod finding1;
mod finding2;
mod finding3;
mod forest;
pub(super) mod frontier;
mod labels;
mod map;
mod mutants;
pub mod panel;
mod paths;
mod razor;
pub mod style;
mod svg;
#[cfg(test)]
mod tests;

use std::path::Path;

use itertools::Itertools;
use plotters::prelude::RGBColor;
use polars::prelude::{DataFrame, IntoLazy, col, lit};

use crate::base::{Error, Result};
use crate::data::{Catalog, Set};
use crate::report::anatomy::Anatomy;
use crate::report::claims::ClaimsReport;
use crate::report::drift::Moved;
use crate::report::frame::{Bootstrap, Cell, Interval, Point, Quantity, Scores};
use panel::Area;

pub use dataset::dataset_figure;
pub use mutants::mutant_figure;
pub use svg::Svg;

type Draw = fn(&Evidence, &Area<'_>) -> Result<()>;

/// What draws the figures of a study's runs, by the names of their files. A finding without one has verdicts and no
/// figure.
pub(super) const FIGURES: [(&str, Draw); 5] = [
    ("frontier", frontier::draw),
    ("finding1", finding1::draw),
    ("paths", paths::draw),
    ("finding2", finding2::draw),
    ("finding3", finding3::draw),
];

/// What the figure of a finding is drawn from.
pub(super) struct Evidence {
    pub scores: Scores,
    /// As made by [`crate::report::frame::metric_frame`].
    pub metrics: DataFrame,
    pub bootstrap: Bootstrap,
    /// Whose runs they are, for the footer.
    pub source: String,
    /// Of runs that the reader made: name of the arm, and outcomes.
    pub star: Option<(String, Scores)>,
}

impl Evidence {
    /// Of all that was run of `quantities`, which stand at their places.
    fn series(
        &self,
        (label, color): (String, RGBColor),
        quantities: impl IntoIterator<Item = (f64, Quantity)>,
    ) -> Result<Series> {
        let mut points = Vec::new();
        for (x, quantity) in quantities {
            let found = self.scores.if_run(&quantity, &self.bootstrap)?;
            let point = |Interval { value, low, high, n_seeds, .. }| Point { x, value, low, high, n_seeds };
            points.extend(found.map(point));
        }
        Ok(Series { label, color, points })
    }

    /// The pass rate of an arm in the target domain, sampled at temperature 1; `None` where it was not run.
    fn in_target(&self, arm: &str, stage: &str) -> Result<Option<f64>> {
        let cell = Cell { stage: stage.to_owned(), ..Cell::at_end(arm, Set::CompositeB) };
        let bootstrap = Bootstrap { draws: 1, ..self.bootstrap };
        Ok(self.scores.if_run(&Quantity::Rate(cell), &bootstrap)?.map(|found| found.value))
    }

    /// How many steps of `arm` were logged.
    fn steps(&self, arm: &str) -> Result<u64> {
        let last = self.metrics.clone().lazy().filter(col("arm").eq(lit(arm))).select([col("step").max()]);
        Ok(last.collect()?.column("step")?.u64()?.get(0).map_or(0, |last| last + 1))
    }

    /// Begins the page of a finding, whose subtitle says how many seeds its intervals rest on.
    ///
    /// # Errors
    /// `Error::Figure` where nothing of what is drawn was run.
    fn page<'a>(&self, area: &Area<'a>, title: &str, note: &str, drawn: &[&[Series]]) -> Result<Area<'a>> {
        let points = drawn.iter().copied().flatten().flat_map(|series| &series.points);
        let seeds = match points.map(|point| point.n_seeds).minmax().into_option() {
            None => return Err(Error::Figure(format!("none of the arms was run of \"{title}\""))),
            Some((_, 1)) => "1 seed; error bars: 95% interval over problems only".to_owned(),
            Some((least, most)) => {
                let count = if least == most { most.to_string() } else { format!("{least} to {most}") };
                format!("{count} seeds; error bars: 95% interval over seeds and problems")
            }
        };
        panel::page(area, title, &format!("{seeds}; {note}"), &self.source)
    }
}

/// What goes wrong in the target domain.
pub(super) fn anatomy_figure(anatomy: &Anatomy, catalog: &Catalog, source: &str) -> Result<Svg> {
    Svg::draw(|area| anatomy::draw(anatomy, catalog, source, area))
}

/// Where findings hold, from the records below `root`.
pub(super) fn map_figure(root: &Path) -> Result<Svg> {
    let rows = map::rows(root)?;
    Svg::draw(|area| map::draw(&rows, area))
}

/// What was forgotten against how far an arm has moved.
pub(super) fn razor_figure(moved: &[Moved], source: &str) -> Result<Svg> {
    Svg::draw(|area| razor::draw(moved, source, area))
}

/// All clauses with their verdicts.
pub(super) fn forest_figure(report: &ClaimsReport, source: &str) -> Result<Svg> {
    Svg::of_height(forest::height(report), |area| forest::draw(report, source, area))
}

/// Estimates that belong together: one name, one color.
#[derive(Clone)]
struct Series {
    label: String,
    color: RGBColor,
    points: Vec<Point>,
}
