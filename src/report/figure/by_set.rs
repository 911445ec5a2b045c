//! Pass rates of arms on problem sets, each linked to the arm that the others start from: what findings
//! 1 and 2 compare.

use itertools::Itertools;

use super::panel::{Area, panel, percent};
use super::style::{self, GRID, LABEL, SOFT_INK, arm_style, dark, set_style, tint};
use super::{Evidence, Series};
use crate::base::Result;
use crate::data::Set;
use crate::report::frame::{Cell, Decode, Quantity};
use crate::study::Prompts;

/// What the pass rates of figures are.
pub(super) const RATE: &str = "pass rate, temperature 1 (%)";

impl Evidence {
    /// The pass rates of those of `arms` that were run on `sets`; each set is a column one wide.
    pub(super) fn by_set(
        &self,
        arms: &[&str],
        sets: &[(Set, Prompts)],
        decode: Decode,
    ) -> Result<Vec<Series>> {
        let arms = arms.iter().filter(|arm| !self.scores.stages(arm).is_empty()).collect_vec();
        let gap = 0.66 / (arms.len().max(2) - 1) as f64;
        let of_arm = |(place, arm): (usize, &&&str)| {
            let rate = |(column, (set, prompts)): (usize, &(Set, Prompts))| {
                let cell = Cell { prompts: *prompts, decode, ..Cell::at_end(arm, *set) };
                (column as f64 + 0.17 + gap * place as f64, Quantity::Rate(cell))
            };
            self.series(arm_style(arm), sets.iter().enumerate().map(rate))
        };
        arms.iter().enumerate().map(of_arm).collect()
    }
}

/// A dot an arm and set, linked to the first arm's; beside it an open diamond for its greedy answers.
pub(super) fn draw_by_set(
    area: &Area<'_>,
    title: &str,
    sets: &[(Set, Prompts)],
    sampled: &[Series],
    greedy: &[Series],
) -> Result<()> {
    let mut panel = panel(area, title, [84, 20, 54, 86], (0.0..sets.len() as f64, 0.0..1.0))?;
    panel.y_axis(RATE, 6, percent)?;
    panel.key(&sampled.iter().map(|arm| (arm.label.clone(), arm.color)).collect_vec(), 42)?;
    panel.level(0.0, SOFT_INK, 1)?;
    for (column, (set, prompts)) in sets.iter().enumerate() {
        panel.line([(column as f64, 0.0), (column as f64, 1.0)], GRID, 1)?;
        panel.x_tick(column as f64 + 0.5, &set_style(*set, *prompts).0)?;
    }
    if let Some((first, others)) = sampled.split_first() {
        for (start, arm) in first.points.iter().cartesian_product(others) {
            if let Some(end) = arm.points.iter().find(|end| end.x.floor() == start.x.floor()) {
                panel.line([(start.x, start.value), (end.x, end.value)], tint(arm.color, 0.55), 2)?;
            }
        }
    }
    for arm in greedy {
        for point in &arm.points {
            let (x, y) = panel.at(point.x, point.value);
            panel.diamond((x + 10, y), 5, dark(arm.color))?;
        }
    }
    for arm in sampled {
        arm.points.iter().try_for_each(|point| panel.estimate(point, arm.color))?;
    }
    if greedy.is_empty() {
        return Ok(());
    }
    let (x, y) = (panel.size.0 - 140, -68);
    panel.diamond((x, y), 5, SOFT_INK)?;
    panel.text("greedy decoding", (x + 12, y), &style::ink(LABEL, SOFT_INK))
}
