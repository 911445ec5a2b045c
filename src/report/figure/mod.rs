//! The figures: pure drawing functions over any plotters backend.
//!
//! Each figure is a plain struct of numbers (built from frames by its `from_frames`, or by hand)
//! and a function that draws it; nothing here reads a run. [`save_svg`] and [`svg_string`] bring
//! the SVG backend, and [`Svg`] shows a figure in a notebook.

mod bench;
mod canvas;
mod dataset;
mod finding1;
mod finding2;
mod finding3;
mod labels;
mod mutants;
mod notebook;
mod speed;
pub mod style;
#[cfg(test)]
mod tests;

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::base::error::{Error, Result};
use crate::report::frame::Estimate;

pub use bench::{EngineBench, GrowthBench, draw_engine_bench, draw_growth_bench, read_bench};
pub use dataset::{DataSetPicture, draw_dataset};
pub use finding1::{ArmBars, Bar, Finding1, SweepLine, draw_finding1};
pub use finding2::{ArmPoints, Finding2, RewardCurve, draw_finding2};
pub use finding3::{EpochPoint, Finding3, GapLine, draw_finding3};
pub use mutants::draw_mutants;
pub use notebook::{Svg, Table};
pub use speed::{Contestant, Speed, SpeedPicture, draw_speed};
pub use style::SIZE;

/// What the SVG functions hand to a drawing closure.
pub type SvgArea<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws into SVG text.
///
/// ```
/// use sft_vs_rl::report::figure::{DataSetPicture, draw_dataset, svg_string};
/// let picture = DataSetPicture::of(&[]);
/// let svg = svg_string((600, 400), |area| draw_dataset(area, &picture)).unwrap();
/// assert!(svg.contains("<svg") && svg.contains("</svg>"));
/// ```
pub fn svg_string(size: (u32, u32), draw: impl FnOnce(&SvgArea<'_>) -> Result<()>) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(&area)?;
        area.present().map_err(|error| Error::Figure(error.to_string()))?;
    }
    Ok(text)
}

/// [`svg_string`] into a file, which appears whole or not at all. Creates its folder.
pub fn save_svg(
    path: impl AsRef<Path>,
    size: (u32, u32),
    draw: impl FnOnce(&SvgArea<'_>) -> Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    let text = svg_string(size, draw)?;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    crate::base::files::write_atomically(path, text.as_bytes())
}

/// How many seeds the estimates of a figure rest on, for its subtitle.
fn seeds_text<'a>(estimates: impl Iterator<Item = &'a Estimate>) -> String {
    let seeds: Vec<usize> = estimates.map(|estimate| estimate.n_seeds).collect();
    match (seeds.iter().min(), seeds.iter().max()) {
        (Some(1), Some(1)) => "1 seed; error bars: 95% interval over problems only".to_owned(),
        (Some(low), Some(high)) if low == high => {
            format!("{low} seeds; error bars: 95% bootstrap interval over seeds and problems")
        }
        (Some(low), Some(high)) => {
            format!("{low} to {high} seeds; error bars: 95% bootstrap interval over seeds and problems")
        }
        _ => "no runs yet".to_owned(),
    }
}
