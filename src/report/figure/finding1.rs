//! Finding 1: what SFT has to see. Left: pass rate by arm and set. Right: how it grows with the
//! number of composites in the mix.

use plotters::prelude::*;

use super::by_set::{RATE, draw_by_set};
use super::panel::{Area, panel, percent};
use super::style::{SOFT_INK, set_style};
use super::{Evidence, Series};
use crate::base::Result;
use crate::data::Set;
use crate::report::frame::{Cell, Decode, Quantity};
use crate::study::{FINAL_STAGE, Prompts};

/// The first is the start of the others.
const ARMS: [&str; 4] = ["base", "sft-atoms", "sft-composites", "sft-mix-64"];
const SETS: [Set; 5] =
    [Set::AtomBase, Set::CompositeATrain, Set::CompositeAHeldOut, Set::CompositeC, Set::CompositeB];
/// Composites beside the atoms, and the arm that saw them.
const SWEEP: [(u32, &str); 5] =
    [(0, "sft-atoms"), (4, "sft-mix-4"), (16, "sft-mix-16"), (64, "sft-mix-64"), (256, "sft-mix-256")];
const SWEEP_SETS: [Set; 4] = [Set::AtomBase, Set::CompositeAHeldOut, Set::CompositeC, Set::CompositeB];

/// Draws both panels. What was not run is left out; an error where none of it was.
pub(super) fn draw(evidence: &Evidence, area: &Area<'_>) -> Result<()> {
    let sets = SETS.map(|set| (set, Prompts::Train));
    let sampled = evidence.by_set(&ARMS, &sets, Decode::Sampled)?;
    let greedy = evidence.by_set(&ARMS, &sets, Decode::Greedy)?;
    let over_sweep = |(index, set): (usize, Set)| {
        let ([what, new], color) = set_style(set, Prompts::Train);
        let label = if set == Set::AtomBase { what.to_owned() } else { format!("{what}: {new}") };
        // A few pixels to the side, so that intervals at one place do not hide each other.
        let shift = (index as f64 - 1.5) * 0.07;
        let rate = |(count, arm)| (sweep_position(count) + shift, Quantity::Rate(Cell::at_end(arm, set)));
        evidence.series((label, color), SWEEP.map(rate))
    };
    let sweep: Vec<Series> = SWEEP_SETS.into_iter().enumerate().map(over_sweep).collect::<Result<_>>()?;
    let in_target = |arm: &str| evidence.in_target(arm, FINAL_STAGE);
    let rates = [in_target("sft-mix-64")?, in_target("sft-atoms")?, in_target("sft-composites")?];
    let title = match rates {
        [Some(mixed), Some(atoms), Some(composites)] => format!(
            "Finding 1: of the target domain, atoms pass {}%, composites {}%, both {}%",
            percent(atoms),
            percent(composites),
            percent(mixed)
        ),
        _ => "Finding 1: what SFT has to see to compose functions".to_owned(),
    };
    let room = evidence.page(area, &title, "equal numbers of SFT steps", &[&sampled, &sweep])?;
    let (left, right) = room.split_horizontally(62.percent_width());
    draw_by_set(&left, "Pass rate by training data and problem set", &sets, &sampled, &greedy)?;

    let mut panel =
        panel(&right, "How many composites are enough?", [84, 146, 54, 72], (-0.3..4.2, 0.0..1.0))?;
    panel.y_axis(RATE, 6, percent)?;
    panel.level(0.0, SOFT_INK, 1)?;
    for (count, _) in SWEEP {
        panel.x_tick(sweep_position(count), &[&count.to_string()])?;
    }
    panel.x_title("composites beside the atoms")?;
    sweep.iter().try_for_each(|line| panel.estimates(line))?;
    panel.end_labels(&sweep, 14)
}

/// 0 at 0, then one unit for each factor of four from 4 on.
fn sweep_position(composites: u32) -> f64 {
    if composites == 0 { 0.0 } else { f64::from(composites).log(4.0) }
}
