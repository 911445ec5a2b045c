//! The data set in one picture: how many problems each topic and depth has in each set, and which
//! topic feeds which.
//!
//! The second table is a matrix rather than a drawing of arrows: ten topics feed each other in
//! nearly all of 100 ways, and arrows would hide what matters, which is that the block
//! "target topic after target topic" is filled by Composite_B, and nothing trains on it.

use std::collections::{BTreeSet, HashMap};

use itertools::Itertools;

use super::Svg;
use super::counts::{Head, draw_counts};
use super::panel::{Area, page};
use super::style::{BEFORE, INK, LABEL, SMALL, SOFT_INK, ink, set_style, upward};
use crate::base::Result;
use crate::data::{Problem, Set};
use crate::study::Prompts;

/// Counts of problems, by topic, depth and neighboring topics.
pub(super) struct Counts<'a> {
    /// In the order they are drawn: source topics, then target topics.
    pub topics: Vec<&'a str>,
    /// How many of `topics` are source topics.
    pub n_source: usize,
    pub depths: BTreeSet<usize>,
    pub sets: BTreeSet<Set>,
    /// (a topic or a depth, set) -> problems that have it.
    pub in_set: HashMap<(String, Set), usize>,
    /// (topic, the topic applied right after it) -> how often.
    pub feeds: HashMap<(&'a str, &'a str), usize>,
}

impl<'a> Counts<'a> {
    /// Source topics are recognized by the sets that hold nothing else.
    pub fn of(problems: &[&'a Problem]) -> Counts<'a> {
        let topics = |problem: &&'a Problem| problem.topics.iter().map(String::as_str);
        let only_source = [Set::CompositeATrain, Set::CompositeAHeldOut, Set::Deep];
        let of_source = problems.iter().filter(|problem| only_source.contains(&problem.set));
        let source: BTreeSet<&str> = of_source.flat_map(topics).collect();
        let all: BTreeSet<&str> = problems.iter().flat_map(topics).collect();
        let rows = |problem: &&'a Problem| {
            let (set, depth) = (problem.set, problem.depth.to_string());
            let of_topics = topics(problem).unique().map(str::to_owned);
            of_topics.chain([depth]).map(move |row| (row, set)).collect_vec()
        };
        Counts {
            n_source: source.len(),
            topics: source.iter().chain(all.difference(&source)).copied().collect(),
            depths: problems.iter().map(|problem| problem.depth).collect(),
            sets: problems.iter().map(|problem| problem.set).collect(),
            in_set: problems.iter().flat_map(rows).counts(),
            feeds: problems.iter().flat_map(|problem| topics(problem).tuple_windows()).counts(),
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

/// A set, one word for what is new in it (two have no room), and its color.
fn head(set: Set) -> Head<'static> {
    let ([what, new], color) = set_style(set, Prompts::Train);
    ([what, new.split(' ').next().unwrap_or(new)], color)
}

/// How many problems of each set have a topic or a depth.
fn draw_sets(area: &Area<'_>, counts: &Counts<'_>) -> Result<()> {
    let (source, target) = counts.topics.split_at(counts.n_source);
    let depths = counts.depths.iter().map(usize::to_string).collect_vec();
    let depths = depths.iter().map(String::as_str).collect_vec();
    let rows = [source, target, &depths].concat();
    let sets = counts.sets.iter().copied().collect_vec();
    let cell = |row: usize, column: usize| {
        let count = |row: &&str| counts.in_set.get(&((*row).to_owned(), sets[column])).copied();
        let (here, most) = (count(&rows[row])?, rows.iter().filter_map(count).max()?);
        Some((here, head(sets[column]).1, here as f64 / most as f64))
    };
    let groups = [("source", source), ("target", target), ("depth", &depths)];
    let heads = sets.iter().map(|set| head(*set)).collect_vec();
    draw_counts(area, "Problems of each set, by topic and depth", [12, 24, 140], (&groups, &heads), cell)?;
    Ok(())
}

/// How often the column's topic is applied to what the row's made.
fn draw_feeds(area: &Area<'_>, counts: &Counts<'_>) -> Result<()> {
    let topics = &counts.topics;
    let (source, target) = topics.split_at(counts.n_source);
    let most = counts.feeds.values().max().copied().unwrap_or(1);
    let cell = |row: usize, column: usize| {
        let count = *counts.feeds.get(&(topics[row], topics[column]))?;
        let set = match (row < source.len(), column < source.len()) {
            (true, true) => Set::CompositeATrain,
            (false, false) => Set::CompositeB,
            _ => Set::CompositeC,
        };
        Some((count, head(set).1, count as f64 / most as f64))
    };
    let (groups, heads) = ([("source", source), ("target", target)], vec![(["", ""], INK); topics.len()]);
    let mut panel = draw_counts(area, "Which topic feeds which", [30, 124, 140], (&groups, &heads), cell)?;
    for (y, note) in [
        (-40, "how often the column's topic is applied to the row's result"),
        (-21, "color: both source, both target, or mixed"),
    ] {
        panel.text(note, (-96, y), &ink(SMALL, SOFT_INK))?;
    }
    for (column, topic) in topics.iter().enumerate() {
        let at = (panel.at(column as f64 + 0.5, 0.0).0, panel.size.1 + 8);
        panel.text(topic, at, &upward(LABEL, INK).pos(BEFORE))?;
    }
    let border = source.len() as f64;
    panel.line([(border, 0.0), (border, topics.len() as f64)], SOFT_INK, 1)
}
