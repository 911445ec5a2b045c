//! The figure of the coverage simulation.

use sft_vs_rl::panel::{Area, page, panel};
use sft_vs_rl::plotters::prelude::*;
use sft_vs_rl::style::{BLUE, GRAY, GREEN, GRID, LABEL, ORANGE, SOFT_INK, dark, ink};
use sft_vs_rl::{Result, Svg};

use super::coverage::{LEVEL, METHODS, Measured, Method};

const COLORS: [RGBColor; 3] = [BLUE, ORANGE, GRAY];

/// Left how often each interval holds the truth, right how wide it is; a column a size of study, a dot a
/// world, a bar the mean over worlds.
pub fn intervals_figure(measured: &[Measured], studies: usize) -> Result<Svg> {
    let title = "From five seeds on the crossed interval holds the truth as often as it says";
    let worlds = measured.iter().map(|one| &one.world).collect::<std::collections::BTreeSet<_>>().len();
    let subtitle = format!(
        "{studies} simulated studies a dot, {worlds} kinds of study (normal effects and pass or fail) with variances like those of version 1"
    );
    Svg::draw(|area| {
        let room = page(area, title, &subtitle, "cargo bench --bench intervals, seed 2406")?;
        let (left, right) = room.split_horizontally(50.percent_width());
        let lowest = measured.iter().flat_map(|one| &one.methods).map(|method| method.coverage);
        let floor = (lowest.fold(0.9, f64::min) * 20.0).floor() / 20.0;
        draw(&left, "Coverage (%)", measured, floor..1.0, |method| method.coverage)?;
        let widest = measured.iter().flat_map(|one| &one.methods).map(|method| method.width);
        draw(&right, "Mean width (points)", measured, 0.0..widest.fold(0.1, f64::max), |method| method.width)
    })
}

fn draw(
    area: &Area<'_>,
    title: &str,
    measured: &[Measured],
    range: std::ops::Range<f64>,
    value: fn(&Method) -> f64,
) -> Result<()> {
    let mut sizes: Vec<(usize, usize)> = measured.iter().map(|one| (one.n_seeds, one.n_problems)).collect();
    sizes.sort();
    sizes.dedup();
    let is_coverage = range.end == 1.0;
    let mut panel = panel(area, title, [84, 30, 60, 80], (0.0..sizes.len() as f64, range))?;
    panel.y_axis("", 8, |value| format!("{:.0}", 100.0 * value))?;
    panel.key(&METHODS.map(str::to_owned).into_iter().zip(COLORS).collect::<Vec<_>>(), 42)?;
    if is_coverage {
        panel.level(LEVEL, dark(GREEN), 2)?;
        let corner = (10, panel.size.1 - 16);
        panel.text("green line: 95%, what is promised", corner, &ink(LABEL, dark(GREEN)))?;
    }
    for (column, (n_seeds, n_problems)) in sizes.iter().enumerate() {
        let x = column as f64;
        panel.line([(x, 0.0), (x, 1.0)], GRID, 1)?;
        panel.x_tick(x + 0.5, &[&format!("{n_seeds} x {n_problems}")])?;
        for (method, color) in COLORS.iter().enumerate() {
            let of_size =
                measured.iter().filter(|one| (one.n_seeds, one.n_problems) == (*n_seeds, *n_problems));
            let values: Vec<f64> = of_size.map(|one| value(&one.methods[method])).collect();
            let at = x + 0.22 + 0.28 * method as f64;
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            panel.line([(at - 0.12, mean), (at + 0.12, mean)], *color, 3)?;
            for (place, value) in values.iter().enumerate() {
                panel.dot(at + 0.04 * (place as f64 - (values.len() - 1) as f64 / 2.0), *value, 3, *color)?;
            }
        }
    }
    panel.level(if is_coverage { 1.0 } else { 0.0 }, SOFT_INK, 1)?;
    panel.x_title("size of a study: seeds x problems of a set")
}
