//! Tables of counts, each on a tint of its color.

use itertools::Itertools;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::panel::{Area, Panel, panel};
use super::style::{BEFORE, CENTERED, INK, LABEL, SMALL, SOFT_INK, dark, ink, tint, upward};
use crate::base::Result;

/// Two lines above a column, and their color.
pub(super) type Head<'a> = ([&'a str; 2], RGBColor);

/// A count, its color, and how strong that is: 0..=1.
pub(super) type Cell = (usize, RGBColor, f64);

/// Draws on `area` what `cell` says of each (row, column). Rows come in groups, both have names. `right`,
/// `below` and `left` are the pixels beside the table.
pub(super) fn draw_counts<'a>(
    area: &Area<'a>,
    title: &str,
    [right, below, left]: [u32; 3],
    (groups, heads): (&[(&str, &[&str])], &[Head<'_>]),
    cell: impl Fn(usize, usize) -> Option<Cell>,
) -> Result<Panel<'a, Cartesian2d<RangedCoordf64, RangedCoordf64>>> {
    let n_rows = groups.iter().map(|(_, rows)| rows.len()).sum::<usize>();
    let axes = (0.0..heads.len().max(1) as f64, n_rows.max(1) as f64..0.0);
    let panel = panel(area, title, [84, right, below, left], axes)?;
    for (row, column) in (0..n_rows).cartesian_product(0..heads.len()) {
        let Some((count, color, strength)) = cell(row, column) else { continue };
        let (x, y) = (column as f64, row as f64);
        let fill = tint(color, 0.12 + 0.5 * strength).filled();
        panel.draw(Rectangle::new([(x + 0.04, y + 0.04), (x + 0.96, y + 0.96)], fill))?;
        panel.text(&thousands(count), panel.at(x + 0.5, y + 0.5), &ink(LABEL, INK).pos(CENTERED))?;
    }
    for (column, (lines, color)) in heads.iter().enumerate() {
        let x = panel.at(column as f64 + 0.5, 0.0).0;
        for (line, y) in lines.iter().zip([-32, -14]) {
            panel.text(line, (x, y), &ink(13.0, dark(*color)).pos(CENTERED))?;
        }
    }
    let mut from = 0;
    for (group, rows) in groups {
        for (row, name) in rows.iter().enumerate() {
            let middle = panel.at(0.0, (from + row) as f64 + 0.5).1;
            panel.text(name, (-10, middle), &ink(LABEL, INK).pos(BEFORE))?;
        }
        let [top, bottom] = [from, from + rows.len()].map(|row| panel.at(0.0, row as f64).1);
        panel.text(group, (-118, (top + bottom) / 2), &upward(SMALL, SOFT_INK).pos(CENTERED))?;
        panel.sheet.draw(&PathElement::new([(-128, bottom), (panel.size.0, bottom)], SOFT_INK))?;
        from += rows.len();
    }
    Ok(panel)
}

/// `12345` as `12,345`.
pub(super) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 1234567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
