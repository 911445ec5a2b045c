//! The data set in one picture: how many problems each topic and depth has in each set, and which
//! topic feeds which.
//!
//! The last panel is a matrix rather than a drawing of arrows: ten topics feed each other in
//! nearly all of 100 ways, and arrows would hide what matters, which is that the block
//! "target topic after target topic" is filled by Composite_B alone, and nothing trains on it.

use std::collections::{BTreeMap, BTreeSet};

use itertools::{Either, Itertools};
use plotters::prelude::*;

use super::Svg;
use super::panel::{Area, page, panel};
use super::style::{BEFORE, CENTERED, GRID, INK, LABEL, SMALL, SOFT_INK, dark, ink, set_style, tint, upward};
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

/// The largest of the sums over sets, for a scale.
fn most<K>(counts: &BTreeMap<K, BySet>) -> f64 {
    counts.values().map(|sets| sets.values().sum::<usize>()).max().unwrap_or(1) as f64
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
        let parts = room.split_by_breakpoints([470, 790], [0; 0]);
        draw_topics(&parts[0], &counts)?;
        draw_depths(&parts[1], &counts)?;
        draw_feeds(&parts[2], &counts)
    })
}

/// What a set is, and one word for what is new in it.
fn set_words(set: Set) -> [&'static str; 2] {
    let [what, new] = set_style(set, Prompts::Train).0;
    [what, new.split(' ').next().unwrap_or(new)]
}

/// A table: topics down, sets across, counts on a tint of the set's color.
fn draw_topics(area: &Area<'_>, counts: &Counts<'_>) -> Result<()> {
    let (across, down) = (counts.sets.len().max(1) as f64, counts.topics.len().max(1) as f64);
    let panel = panel(area, "Problems in which a topic occurs", [84, 12, 54, 122], (0.0..across, down..0.0))?;
    for (column, set) in counts.sets.iter().enumerate() {
        let color = set_style(*set, Prompts::Train).1;
        let middle = column as f64 + 0.5;
        for (line, word) in set_words(*set).into_iter().enumerate() {
            let at = (panel.at(middle, 0.0).0, -32 + 18 * line as i32);
            panel.text(word, at, &ink(13.0, dark(color)).pos(CENTERED))?;
        }
        let most = counts.by_topic.values().filter_map(|sets| sets.get(set)).max().copied().unwrap_or(1);
        for (row, topic) in counts.topics.iter().enumerate() {
            if let Some(count) = counts.by_topic[topic].get(set) {
                let (x, y) = (column as f64, row as f64);
                let fill = tint(color, 0.12 + 0.5 * *count as f64 / most as f64).filled();
                panel.draw(Rectangle::new([(x + 0.04, y + 0.04), (x + 0.96, y + 0.96)], fill))?;
                panel.text(&count.to_string(), panel.at(middle, y + 0.5), &ink(LABEL, INK).pos(CENTERED))?;
            }
        }
    }
    for (row, topic) in counts.topics.iter().enumerate() {
        panel.text(topic, (-10, panel.at(0.0, row as f64 + 0.5).1), &ink(LABEL, INK).pos(BEFORE))?;
    }
    let border = panel.at(0.0, counts.n_source as f64).1;
    panel.mark(PathElement::new([(-92, border), (panel.size.0, border)], SOFT_INK))?;
    for (name, from, to) in [("source", 0, border), ("target", border, panel.size.1)] {
        panel.text(name, (-104, (from + to) / 2), &upward(SMALL, SOFT_INK).pos(CENTERED))?;
    }
    Ok(())
}

/// Bars of problems by depth, one color a set.
fn draw_depths(area: &Area<'_>, counts: &Counts<'_>) -> Result<()> {
    let most = most(&counts.by_depth);
    let deepest = counts.by_depth.keys().next_back().copied().unwrap_or(1) as f64;
    let mut panel =
        panel(area, "Problems by depth", [84, 12, 54, 84], (0.4..deepest + 0.6, 0.0..most * 1.06))?;
    panel.y_axis("problems", 6, |value| format!("{value:.0}"))?;
    panel.level(0.0, SOFT_INK, 1)?;
    for (depth, sets) in &counts.by_depth {
        let x = *depth as f64;
        panel.x_tick(x, &[&depth.to_string()])?;
        let mut base = 0.0;
        for (set, count) in sets {
            let top = base + *count as f64;
            let fill = tint(set_style(*set, Prompts::Train).1, 0.7).filled();
            panel.draw(Rectangle::new([(x - 0.44, base), (x + 0.44, top)], fill))?;
            let (low, high) = (panel.at(x, base).1, panel.at(x, top).1);
            panel.mark(PathElement::new([panel.at(x - 0.44, top), panel.at(x + 0.44, top)], WHITE))?;
            // Named inside the bar where there is room; the table's colors say the rest.
            if low - high > 17 {
                panel.text(
                    set_words(*set)[0],
                    panel.at(x, (base + top) / 2.0),
                    &ink(13.0, INK).pos(CENTERED),
                )?;
            }
            base = top;
        }
    }
    panel.x_title("depth (functions in the chain)")
}

/// The matrix of neighbors: a dot's area is how often the column's topic follows the row's, its
/// color the set that holds most of those.
fn draw_feeds(area: &Area<'_>, counts: &Counts<'_>) -> Result<()> {
    let n = counts.topics.len().max(1) as f64;
    let mut panel = panel(area, "Which topic feeds which", [84, 30, 124, 126], (0.0..n, n..0.0))?;
    let notes = ["rows: first; columns: applied to its result", "area: how often; color: the set (mostly)"];
    for (line, note) in notes.into_iter().enumerate() {
        panel.text(note, (-96, -40 + 19 * line as i32), &ink(SMALL, SOFT_INK))?;
    }
    for (place, topic) in counts.topics.iter().enumerate() {
        let middle = place as f64 + 0.5;
        panel.line([(0.0, middle), (n, middle)], GRID, 1)?;
        panel.line([(middle, 0.0), (middle, n)], GRID, 1)?;
        let (x, y) = panel.at(middle, middle);
        panel.text(topic, (-10, y), &ink(LABEL, INK).pos(BEFORE))?;
        panel.text(topic, (x, panel.size.1 + 8), &upward(LABEL, INK).pos(BEFORE))?;
    }
    let most = most(&counts.feeds);
    let widest = f64::from(panel.size.0.min(panel.size.1)) / n * 0.48;
    let places = || counts.topics.iter().enumerate();
    for ((row, first), (column, then)) in places().cartesian_product(places()) {
        let Some(sets) = counts.feeds.get(&(*first, *then)) else { continue };
        let radius = (sets.values().sum::<usize>() as f64 / most).sqrt() * widest;
        let main = sets.iter().max_by_key(|(_, count)| **count);
        let color = main.map_or(SOFT_INK, |(set, _)| set_style(*set, Prompts::Train).1);
        panel.dot(column as f64 + 0.5, row as f64 + 0.5, radius.round().max(1.0) as i32, color)?;
    }
    let border = counts.n_source as f64;
    panel.line([(border, 0.0), (border, n)], SOFT_INK, 1)?;
    panel.line([(0.0, border), (n, border)], SOFT_INK, 1)
}
