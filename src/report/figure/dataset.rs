//! The data set in one picture: how many problems each topic and depth has in each set, and which
//! topic feeds which.
//!
//! The second table is a matrix rather than a drawing of arrows: ten topics feed each other in
//! nearly all of 100 ways, and arrows would hide what matters, which is that the block
//! "target topic after target topic" is filled by Composite_B alone, and nothing trains on it.

use std::collections::{BTreeMap, BTreeSet};

use itertools::{Either, Itertools};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::Svg;
use super::panel::{Area, Panel, page, panel};
use super::style::{BEFORE, CENTERED, INK, LABEL, SMALL, SOFT_INK, dark, ink, set_style, tint, upward};
use crate::base::Result;
use crate::data::{Problem, Set};
use crate::study::Prompts;

/// Counts of problems, by topic, depth and neighboring topics.
pub(super) struct Counts<'a> {
    /// In the order they are drawn: source topics, then target topics.
    pub topics: Vec<&'a str>,
    /// How many of `topics` are source topics.
    pub n_source: usize,
    pub sets: BTreeSet<Set>,
    /// Problems in which the topic occurs.
    pub by_topic: BTreeMap<&'a str, BySet>,
    pub by_depth: BTreeMap<usize, BySet>,
    /// (topic, the topic applied right after it) -> how often.
    pub feeds: BTreeMap<(&'a str, &'a str), BySet>,
}

/// How often something is in each set.
type BySet = BTreeMap<Set, usize>;

/// How often each key is in each set.
fn tally<K: Ord>(found: impl Iterator<Item = (K, Set)>) -> BTreeMap<K, BySet> {
    let mut counts: BTreeMap<K, BySet> = BTreeMap::new();
    found.for_each(|(key, set)| *counts.entry(key).or_default().entry(set).or_default() += 1);
    counts
}

impl<'a> Counts<'a> {
    /// Source topics are recognized by the sets that hold nothing else.
    pub fn of(problems: &[&'a Problem]) -> Counts<'a> {
        let topics = |problem: &&'a Problem| {
            let set = problem.set;
            problem.topics.iter().map(move |topic| (topic.as_str(), set))
        };
        let pairs =
            |problem| topics(problem).tuple_windows().map(|((first, set), (then, _))| ((first, then), set));
        let by_topic = tally(problems.iter().flat_map(|problem| topics(problem).unique()));
        let only_source = [Set::CompositeATrain, Set::CompositeAHeldOut, Set::Deep];
        let is_source = |sets: &BySet| only_source.iter().any(|set| sets.contains_key(set));
        let (source, target): (Vec<_>, Vec<_>) = by_topic.iter().partition_map(|(topic, sets)| {
            if is_source(sets) { Either::Left(*topic) } else { Either::Right(*topic) }
        });
        Counts {
            n_source: source.len(),
            topics: [source, target].concat(),
            sets: problems.iter().map(|problem| problem.set).collect(),
            by_topic,
            by_depth: tally(problems.iter().map(|problem| (problem.depth, problem.set))),
            feeds: tally(problems.iter().flat_map(pairs)),
        }
    }
}

/// The picture of the data set of `tier`.
pub fn dataset_figure<'a>(tier: &str, problems: impl IntoIterator<Item = &'a Problem>) -> Result<Svg> {
    let problems: Vec<&Problem> = problems.into_iter().collect();
    let counts = Counts::of(&problems);
    let subtitle = format!(
        "{} problems over {} topics; training sees atoms of all topics, and composites (A) of source topics only",
        problems.len(),
        counts.topics.len()
    );
    let footer = format!("tier {tier}: the same problems for all seeds and on every machine");
    Svg::draw(|area| {
        let room = page(area, "The problems: which topics, how deep, what feeds what", &subtitle, &footer)?;
        let (left, right) = room.split_horizontally(560);
        draw_sets(&left, &counts)?;
        draw_feeds(&right, &counts)
    })
}

type CountPanel<'a> = Panel<'a, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// A table of counts. Its rows come in named groups; a `cell` (row, column) is its count, its color and
/// how strong that is, 0..=1.
fn draw_counts<'a>(
    area: &Area<'a>,
    title: &str,
    [right, below]: [u32; 2],
    (groups, n_columns): (&[(&str, &[&str])], usize),
    cell: impl Fn(usize, usize) -> Option<(usize, RGBColor, f64)>,
) -> Result<CountPanel<'a>> {
    let n_rows = groups.iter().map(|(_, rows)| rows.len()).sum::<usize>();
    let axes = (0.0..n_columns.max(1) as f64, n_rows.max(1) as f64..0.0);
    let panel = panel(area, title, [84, right, below, 140], axes)?;
    for (row, column) in (0..n_rows).cartesian_product(0..n_columns) {
        let Some((count, color, strength)) = cell(row, column) else { continue };
        let (x, y) = (column as f64, row as f64);
        let fill = tint(color, 0.12 + 0.5 * strength).filled();
        panel.draw(Rectangle::new([(x + 0.04, y + 0.04), (x + 0.96, y + 0.96)], fill))?;
        panel.text(&count.to_string(), panel.at(x + 0.5, y + 0.5), &ink(LABEL, INK).pos(CENTERED))?;
    }
    let mut from = 0;
    for (group, rows) in groups {
        for (row, name) in rows.iter().enumerate() {
            let middle = panel.at(0.0, (from + row) as f64 + 0.5).1;
            panel.text(name, (-10, middle), &ink(LABEL, INK).pos(BEFORE))?;
        }
        let [top, bottom] = [from, from + rows.len()].map(|row| panel.at(0.0, row as f64).1);
        panel.text(group, (-118, (top + bottom) / 2), &upward(SMALL, SOFT_INK).pos(CENTERED))?;
        panel.mark(PathElement::new([(-128, bottom), (panel.size.0, bottom)], SOFT_INK))?;
        from += rows.len();
    }
    Ok(panel)
}

/// How many problems of each set have a topic or a depth.
fn draw_sets(area: &Area<'_>, counts: &Counts<'_>) -> Result<()> {
    let (source, target) = counts.topics.split_at(counts.n_source);
    let depths = counts.by_depth.keys().map(ToString::to_string).collect_vec();
    let depths = depths.iter().map(String::as_str).collect_vec();
    let groups = [("source", source), ("target", target), ("depth", &depths)];
    let topics = counts.topics.iter().map(|topic| &counts.by_topic[topic]);
    let rows = topics.chain(counts.by_depth.values()).collect_vec();
    let sets = counts.sets.iter().collect_vec();
    let cell = |row: usize, column: usize| {
        let count = |row: &&BySet| row.get(sets[column]).copied();
        let most = rows.iter().filter_map(count).max()?;
        let (here, color) = (count(&rows[row])?, set_style(*sets[column], Prompts::Train).1);
        Some((here, color, here as f64 / most as f64))
    };
    let title = "Problems of each set, by topic and depth";
    let panel = draw_counts(area, title, [12, 24], (&groups, sets.len()), cell)?;
    for (column, set) in sets.iter().enumerate() {
        let ([what, new], color) = set_style(**set, Prompts::Train);
        // One word of what is new in it: two have no room.
        let new = new.split(' ').next().unwrap_or(new);
        for (line, text) in [what, new].into_iter().enumerate() {
            let at = (panel.at(column as f64 + 0.5, 0.0).0, -32 + 18 * line as i32);
            panel.text(text, at, &ink(13.0, dark(color)).pos(CENTERED))?;
        }
    }
    Ok(())
}

/// How often the column's topic is applied to what the row's made; colored as the set that does so most.
fn draw_feeds(area: &Area<'_>, counts: &Counts<'_>) -> Result<()> {
    let topics = &counts.topics;
    let (source, target) = topics.split_at(counts.n_source);
    let total = |sets: &BySet| sets.values().sum::<usize>();
    let most = counts.feeds.values().map(total).max().unwrap_or(1);
    let cell = |row: usize, column: usize| {
        let sets = counts.feeds.get(&(topics[row], topics[column]))?;
        let (main, _) = sets.iter().max_by_key(|(_, count)| **count)?;
        Some((total(sets), set_style(*main, Prompts::Train).1, total(sets) as f64 / most as f64))
    };
    let groups = [("source", source), ("target", target)];
    let mut panel = draw_counts(area, "Which topic feeds which", [30, 124], (&groups, topics.len()), cell)?;
    let notes = ["rows: first; columns: applied to its result", "number: how often; color: the set (mostly)"];
    for (line, note) in notes.into_iter().enumerate() {
        panel.text(note, (-96, -40 + 19 * line as i32), &ink(SMALL, SOFT_INK))?;
    }
    for (column, topic) in topics.iter().enumerate() {
        let at = (panel.at(column as f64 + 0.5, 0.0).0, panel.size.1 + 8);
        panel.text(topic, at, &upward(LABEL, INK).pos(BEFORE))?;
    }
    let border = counts.n_source as f64;
    panel.line([(border, 0.0), (border, topics.len() as f64)], SOFT_INK, 1)
}
