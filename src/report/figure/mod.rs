//! The figures, drawn with plotters as SVG.
//!
//! A finding's figure is one function in a file of its own, which asks the [`Evidence`] what it
//! needs and draws it; [`FINDINGS`] lists them. The others take what they show.

mod dataset;
mod finding1;
mod finding2;
mod finding3;
mod labels;
mod mutants;
pub mod panel;
pub mod style;
#[cfg(test)]
mod tests;

use std::path::Path;

use itertools::Itertools;
use plotters::prelude::{IntoDrawingArea, RGBColor, SVGBackend};
use polars::prelude::DataFrame;

use crate::base::{Error, Result, write_atomically};
use crate::report::frame::{Bootstrap, Interval, Quantity, Scores};
use crate::report::table::show;
use panel::Area;

pub use dataset::dataset_figure;
pub use mutants::mutant_figure;

type Draw = fn(&Evidence, &Area<'_>) -> Result<()>;

/// Finding -> what draws its figure. A finding without an entry has verdicts and no figure.
pub(super) const FINDINGS: [(u32, Draw); 3] = [(1, finding1::draw), (2, finding2::draw), (3, finding3::draw)];

/// What the figure of a finding is drawn from.
pub(super) struct Evidence {
    pub scores: Scores,
    /// As made by [`crate::report::frame::metric_frame`].
    pub metrics: DataFrame,
    pub bootstrap: Bootstrap,
    /// Whose runs they are, for the footer.
    pub source: String,
}

impl Evidence {
    /// `None` where no run has it.
    fn interval(&self, quantity: &Quantity) -> Result<Option<Interval>> {
        match self.scores.interval(quantity, &self.bootstrap) {
            Ok(found) => Ok(Some(found)),
            Err(Error::MissingRuns { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Of all that was run of `quantities`, which stand at their places.
    fn series(
        &self,
        (label, color): (String, RGBColor),
        quantities: impl IntoIterator<Item = (f64, Quantity)>,
    ) -> Result<Series> {
        let mut points = Vec::new();
        for (x, quantity) in quantities {
            points.extend(self.interval(&quantity)?.map(|found| (x, found)));
        }
        Ok(Series { label, color, points })
    }
}

/// Intervals that belong together: one name, one color.
struct Series {
    label: String,
    color: RGBColor,
    /// Place on the horizontal axis, and what was found.
    points: Vec<(f64, Interval)>,
}

impl Series {
    fn intervals(&self) -> impl Iterator<Item = &Interval> {
        self.points.iter().map(|(_, found)| found)
    }

    fn at(&self, x: f64) -> Option<Interval> {
        self.points.iter().find(|(place, _)| *place == x).map(|(_, found)| *found)
    }
}

/// A drawn figure. A notebook shows it inline.
#[derive(Debug, Clone)]
pub struct Svg(pub String);

impl Svg {
    /// Draws a figure of the common size.
    ///
    /// ```
    /// use sft_vs_rl::{Svg, panel};
    /// let svg = Svg::draw(|area| panel::page(area, "Title", "subtitle", "footer").map(|_| ())).unwrap();
    /// assert!(svg.0.contains("<svg") && svg.0.contains("Title"));
    /// ```
    pub fn draw(draw: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<Svg> {
        let mut text = String::new();
        {
            let area = SVGBackend::with_string(&mut text, style::SIZE).into_drawing_area();
            draw(&area)?;
            area.present()?;
        }
        Ok(Svg(text))
    }

    /// Writes the figure, whole or not at all, and creates its folder.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        write_atomically(path, self.0.as_bytes())
    }

    /// Called by a notebook to show the value of a cell.
    pub fn evcxr_display(&self) {
        show("image/svg+xml", &self.0);
    }
}

/// Nothing of what a figure shows was run.
fn nothing_run(finding: u32) -> Error {
    Error::Figure(format!("finding {finding}: none of its arms was run"))
}

/// How many seeds the intervals of a figure rest on, for its subtitle.
fn seeds_text<'a>(found: impl Iterator<Item = &'a Interval>) -> String {
    let (least, most) = found.map(|found| found.n_seeds).minmax().into_option().unwrap_or((0, 0));
    let count = if least == most { least.to_string() } else { format!("{least} to {most}") };
    match most {
        0 => "no runs yet".to_owned(),
        1 => "1 seed; error bars: 95% interval over problems only".to_owned(),
        _ => format!("{count} seeds; error bars: 95% bootstrap interval over seeds and problems"),
    }
}
