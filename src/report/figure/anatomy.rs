//! What goes wrong in the target domain: kinds of faults by arm, and which step of a chain goes wrong first.

use itertools::Itertools;
use plotters::prelude::*;

use super::counts::draw_counts;
use super::panel::{Area, page};
use super::style::{GREEN, PURPLE, SKY, VERMILLION};
use crate::base::{Error, Result};
use crate::data::{Catalog, Side};
use crate::report::anatomy::{Anatomy, PASS};

/// Rows, as far as they were run.
const ARMS: [&str; 12] = [
    "base",
    "sft-atoms",
    "sft-composites",
    "sft-broken",
    "sft-mix-64",
    "sft-mix-256",
    "sft-start",
    "sft-tuned",
    "sft-more",
    "rft",
    "sft-rl",
    "rl-base",
];
/// A kind of fault, the two lines above its column, and what the title says of it.
const KINDS: [(&str, [&str; 2], &str); 9] = [
    (PASS, ["passes", ""], ""),
    ("helper", ["another", "helper"], "take a wrong helper"),
    ("altered", ["altered", "helper"], "alter a helper"),
    ("order", ["other", "order"], "change the order"),
    ("missing", ["step", "missing"], "leave a step out"),
    ("extra", ["step", "too many"], "add a step"),
    ("glue", ["wrong", "call"], "call the helpers wrongly"),
    ("several", ["several", "faults"], "are wrong in several ways"),
    ("form", ["not the", "form"], "lack the form of a chain"),
];
const STEPS: [&str; 5] = ["1 of 2", "2 of 2", "1 of 3", "2 of 3", "3 of 3"];

/// Draws two tables of percentages.
pub(super) fn draw(anatomy: &Anatomy, catalog: &Catalog, source: &str, area: &Area<'_>) -> Result<()> {
    let (faults, steps, topics) =
        (anatomy.faults()?, anatomy.wrong_steps("step")?, anatomy.wrong_steps("topic")?);
    let arms = ARMS.iter().copied().filter(|arm| faults.keys().any(|(of, _)| of == arm)).collect_vec();
    if arms.is_empty() {
        return Err(Error::Figure("no run kept its answers".to_owned()));
    }
    let of = |shares: &std::collections::BTreeMap<(String, String), f64>, arm: &str, column: &str| {
        shares.get(&(arm.to_owned(), column.to_owned())).copied().unwrap_or(0.0)
    };
    let mean = |kind: &str| arms.iter().map(|arm| of(&faults, arm, kind)).sum::<f64>();
    let most = KINDS[1..].iter().max_by(|a, b| mean(a.0).total_cmp(&mean(b.0))).map_or("", |kind| kind.2);
    let title = format!("In the target domain wrong answers most often {most}");
    let subtitle = "Percent of the answers at temperature 1 of the seed whose answers are kept; the first fault that is found counts";
    let room = page(area, &title, subtitle, source)?;
    let (left, right) = room.split_horizontally(58.percent_width());

    let groups = [("", arms.as_slice())];
    let heads = KINDS.map(|(kind, lines, _)| (lines, if kind == PASS { GREEN } else { VERMILLION }));
    let cell = |row: usize, column: usize| {
        let (kind, _, _) = KINDS[column];
        let share = of(&faults, arms[row], kind);
        Some(((100.0 * share).round() as usize, heads[column].1, share))
    };
    draw_counts(&left, "What is wrong (% of all answers)", [10, 40, 150], (&groups, &heads), cell)?;

    let target = catalog.atoms().iter().filter(|atom| atom.side == Side::Target);
    let names = target.map(|atom| atom.topic.as_str()).unique().collect_vec();
    let nameless = vec![""; arms.len()];
    let mut columns = STEPS.map(|step| (&steps, step, SKY)).to_vec();
    columns.extend(names.iter().map(|topic| (&topics, *topic, PURPLE)));
    // Names of topics are long: they take turns between two lines.
    let heads = columns.iter().enumerate().map(|(at, (_, name, color))| {
        let first = at < STEPS.len() || at % 2 == 0;
        (if first { [*name, ""] } else { ["", *name] }, *color)
    });
    let heads = heads.collect_vec();
    let cell = |row: usize, column: usize| {
        let (shares, name, color) = columns[column];
        let share = of(shares, arms[row], name);
        Some(((100.0 * share).round() as usize, color, share))
    };
    let groups = [("", nameless.as_slice())];
    draw_counts(
        &right,
        "Which step is the first wrong one (% of such steps)",
        [10, 40, 30],
        (&groups, &heads),
        cell,
    )?;
    Ok(())
}
