//! The regime map: where each finding holds and where it stops, over what the base model has read and how long SFT is.

use std::path::Path;

use itertools::Itertools;
use plotters::prelude::*;

use super::panel::{Area, page, panel};
use super::style::{BEFORE, CENTERED, GRAY, GREEN, INK, LABEL, SOFT_INK, VERMILLION, ink, tint};
use crate::base::{Error, Result};
use crate::data::Set;
use crate::report::frame::{Bootstrap, Cell, Decode, Extreme, Interval, Quantity, Scores, stage_number};
use crate::study::{FINAL_STAGE, Runs, Tier};

/// Tiers, and what their base models have read.
const ROWS: [(&str, &str); 7] = [
    ("map", "as in the study: half of wild code is chains"),
    ("map_few_chains", "a quarter of wild code is chains"),
    ("map_silent_chains", "few chains say their steps before the code"),
    ("map_task_chains", "chains in the form of the task, too"),
    ("map_no_noise", "no wrong comments"),
    ("map_much_noise", "twice as many wrong comments"),
    ("map_all_connectives", "all three connectives"),
];
/// Steps of SFT at which finding 1 is asked.
const STEPS: [usize; 5] = [20, 40, 80, 160, 320];
/// What must be gained, as in the claims.
const MARGIN: f64 = 0.05;

/// What a tile says: the difference in each metric, where it was run.
type Tile = Vec<Interval>;

/// A corpus, what its base model passes, and what became of the findings there.
pub(super) struct Row {
    label: &'static str,
    base: Tile,
    /// One a length of SFT, then RL against its start, and both arms of RL against SFT at equal training level.
    tiles: Vec<Tile>,
    n_seeds: usize,
}

/// The rows that have records below `root`.
pub(super) fn rows(root: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (tier, label) in ROWS {
        let Ok(runs) = Runs::of_folder(root, tier, &root.join("data/records").join(tier)) else { continue };
        let n_seeds = runs.runs.iter().map(|run| run.record.seed).unique().count();
        rows.push(row(label, n_seeds, &Scores(runs.outcomes()?), Tier::named(tier)?.sft_steps)?);
    }
    Ok(rows)
}

/// The row of a corpus whose arms of finding 1 have `last` steps.
fn row(label: &'static str, n_seeds: usize, scores: &Scores, last: usize) -> Result<Row> {
    let at_end = |arm: &str, decode| Quantity::Rate(cell(arm, FINAL_STAGE, decode));
    let mut tiles = Vec::new();
    for steps in STEPS {
        let stage = if steps == last { FINAL_STAGE.to_owned() } else { format!("step-{steps}") };
        tiles.push(tile(scores, |decode| {
            let [mixed, atoms, composites] = ["sft-mix-64", "sft-atoms", "sft-composites"]
                .map(|arm| Quantity::Rate(cell(arm, &stage, decode)));
            Quantity::Extreme(Extreme::Min, vec![mixed.clone().minus(atoms), mixed.minus(composites)])
        })?);
    }
    tiles.push(tile(scores, |decode| at_end("sft-rl", decode).minus(at_end("sft-start", decode)))?);
    for arm in ["sft-rl", "rl-base"] {
        tiles.push(tile(scores, |decode| at_end(arm, decode).minus(level_matched(scores, arm, decode)))?);
    }
    Ok(Row { label, base: tile(scores, |decode| at_end("base", decode))?, tiles, n_seeds })
}

/// Draws the map.
pub(super) fn draw(rows: &[Row], area: &Area<'_>) -> Result<()> {
    let seeds = rows.iter().map(|row| row.n_seeds);
    let Some((least, most)) = seeds.minmax().into_option() else {
        return Err(Error::Figure("no record of the regime map".to_owned()));
    };
    let seeds = if least == most { least.to_string() } else { format!("{least} to {most}") };

    let n_held = rows
        .iter()
        .filter(|row| row.tiles[..STEPS.len()].iter().any(|tile| holds(tile) == Some(true)))
        .count();
    let title = format!("Finding 1 holds at some length of SFT in {n_held} of {} corpora", rows.len());
    let subtitle = format!(
        "Differences in the target domain in points, greedy / sampled; {seeds} development seeds; \
         green: at least 5 beyond the 95% interval, red: less, gray: not decided"
    );
    let room = page(area, &title, &subtitle, "data/records/map*")?;
    let columns = STEPS.len() + 3;
    let chart = panel(&room, "", [86, 20, 20, 420], (0.0..columns as f64 + 0.4, rows.len() as f64..0.0))?;
    let place = |column: usize| column as f64 + if column < STEPS.len() { 0.0 } else { 0.4 };
    let heads = STEPS.map(|steps| [steps.to_string(), String::new()]).into_iter().chain([
        ["RL against".to_owned(), "its start".to_owned()],
        ["RL against SFT".to_owned(), "at equal level".to_owned()],
        ["RL from base".to_owned(), "against SFT".to_owned()],
    ]);
    for (column, lines) in heads.enumerate() {
        let x = chart.at(place(column) + 0.5, 0.0).0;
        for (line, y) in lines.iter().zip([-32, -14]) {
            chart.text(line, (x, y), &ink(13.0, INK).pos(CENTERED))?;
        }
    }
    let above = chart.at(2.5, 0.0).0;
    chart.text(
        "finding 1: atoms + 64 against the better of its parts, after so many steps",
        (above, -58),
        &ink(13.0, SOFT_INK).pos(CENTERED),
    )?;
    chart.text(
        "findings 2 and 3",
        (chart.at(place(6) + 0.5, 0.0).0, -58),
        &ink(13.0, SOFT_INK).pos(CENTERED),
    )?;
    for (row, Row { label, base, tiles, .. }) in rows.iter().enumerate() {
        let base = base.iter().map(|found| format!("{:.0}", 100.0 * found.value)).join(" / ");
        let middle = chart.at(0.0, row as f64 + 0.5).1;
        chart.text(label, (-12, middle - 10), &ink(LABEL, INK).pos(BEFORE))?;
        chart.text(&format!("base model: {base}"), (-12, middle + 10), &ink(13.0, SOFT_INK).pos(BEFORE))?;
        for (column, found) in tiles.iter().enumerate() {
            let (x, y) = (place(column), row as f64);
            let color = match holds(found) {
                _ if found.is_empty() => continue,
                Some(true) => tint(GREEN, 0.45),
                Some(false) => tint(VERMILLION, 0.45),
                None => tint(GRAY, 0.3),
            };
            chart.draw(Rectangle::new([(x + 0.03, y + 0.05), (x + 0.97, y + 0.95)], color.filled()))?;
            let text = found.iter().map(|found| format!("{:+.0}", 100.0 * found.value)).join(" / ");
            chart.text(&text, chart.at(x + 0.5, y + 0.5), &ink(LABEL, INK).pos(CENTERED))?;
        }
    }
    Ok(())
}

fn cell(arm: &str, stage: &str, decode: Decode) -> Cell {
    Cell { stage: stage.to_owned(), decode, ..Cell::at_end(arm, Set::CompositeB) }
}

/// SFT on RL's prompts where it is as good on training chains as `arm` is at its end.
fn level_matched(scores: &Scores, arm: &str, decode: Decode) -> Quantity {
    let on_train = |cell: &Cell| Quantity::Rate(Cell { set: Set::CompositeATrain, ..cell.clone() });
    let path = ["sft-start", "sft-more"].into_iter().flat_map(|arm| {
        let stages = scores
            .stages(arm)
            .into_iter()
            .sorted_by_key(|stage| (*stage == FINAL_STAGE, stage_number(stage)));
        stages.map(move |stage| cell(arm, stage, decode))
    });
    let path = path.map(|cell| (on_train(&cell), Quantity::Rate(cell))).collect();
    Quantity::AtLevel { level: Box::new(on_train(&cell(arm, FINAL_STAGE, decode))), path }
}

/// Greedy and sampled; empty where its runs are missing.
fn tile(scores: &Scores, of: impl Fn(Decode) -> Quantity) -> Result<Tile> {
    let bootstrap = Bootstrap { draws: 1, ..Bootstrap::standard() };
    let found = [Decode::Greedy, Decode::Sampled].map(|decode| scores.if_run(&of(decode), &bootstrap));
    found.into_iter().flatten_ok().collect()
}

/// Whether the difference is beyond the margin in all metrics, or short of it in one; `None` where that is not known.
fn holds(found: &Tile) -> Option<bool> {
    match () {
        () if found.is_empty() => None,
        () if found.iter().all(|found| found.low >= MARGIN) => Some(true),
        () if found.iter().any(|found| found.high < MARGIN) => Some(false),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Svg;
    use super::*;
    use crate::report::frame::tests::answers_at;

    /// Rates of 40 problems, four answers each: atoms 0, composites 1/4, the mix 3/4 at 80 steps and 1/4 at the end.
    #[test]
    fn a_finding_holds_where_the_mix_beats_both_of_its_parts() {
        let of = |arm: &str, stage: &str, passed: u32| {
            let of_seed = |seed| answers_at(arm, seed, stage, Set::CompositeB, &[passed; 40]);
            [of_seed(100), of_seed(101)].concat()
        };
        let mix = [of("sft-mix-64", "step-80", 3), of("sft-mix-64", FINAL_STAGE, 1)].concat();
        let parts = ["step-80", FINAL_STAGE]
            .map(|stage| [of("sft-atoms", stage, 0), of("sft-composites", stage, 1)].concat());
        let scores = Scores([mix, parts.concat(), of("base", FINAL_STAGE, 2)].concat());
        let found = row("as in the study", 2, &scores, 160).unwrap();
        let sampled = |column: usize| found.tiles[column].last().map(|found| found.value);
        assert_eq!((sampled(2), sampled(3), sampled(4), sampled(5)), (Some(0.5), Some(0.0), None, None));
        assert_eq!((holds(&found.tiles[3]), holds(&found.tiles[4])), (Some(false), None));
        let svg = Svg::draw(|area| draw(&[found], area)).unwrap().0;
        assert!(
            svg.contains("as in the study") && svg.contains("+50") && svg.contains("2 development seeds"),
            "{svg}"
        );
        assert!(matches!(Svg::draw(|area| draw(&[], area)), Err(Error::Figure(_))));
    }
}
