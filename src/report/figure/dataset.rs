//! The data set in one picture: how many problems each topic and depth has in each set, and which
//! topic feeds which.
//!
//! The last panel is a matrix rather than a drawing of arrows: ten topics feed each other in
//! nearly all of 100 ways, and arrows would hide what matters, which is that the block
//! "target topic after target topic" is filled by Composite_B alone, and nothing trains on it.

use std::collections::{BTreeMap, BTreeSet};

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend, RGBColor};
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Canvas, Ink, Panel, ticks};
use super::style;
use crate::base::error::Result;
use crate::data::problem::{Problem, Set};

/// Counts of problems, by topic, depth and neighboring topics.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DataSetPicture {
    /// Topics in the order they are drawn: source topics, then target topics.
    pub topics: Vec<String>,
    /// How many of `topics` are source topics.
    pub n_source: usize,
    /// Set -> topic -> problems in which the topic occurs.
    pub by_topic: BTreeMap<Set, BTreeMap<String, usize>>,
    /// Set -> depth -> problems.
    pub by_depth: BTreeMap<Set, BTreeMap<usize, usize>>,
    /// (topic, the topic applied right after it) -> how often, by set.
    pub feeds: BTreeMap<(String, String), BTreeMap<Set, usize>>,
}

impl DataSetPicture {
    /// Counts problems. Source topics are recognized by the sets that hold nothing else.
    pub fn of<'a>(problems: impl IntoIterator<Item = &'a Problem>) -> DataSetPicture {
        let mut picture = DataSetPicture::default();
        let (mut all, mut source) = (BTreeSet::new(), BTreeSet::new());
        for problem in problems {
            all.extend(problem.topics.iter().cloned());
            if matches!(problem.set, Set::CompositeATrain | Set::CompositeAHeldOut | Set::Deep) {
                source.extend(problem.topics.iter().cloned());
            }
            *picture.by_depth.entry(problem.set).or_default().entry(problem.depth).or_default() += 1;
            let different: BTreeSet<&String> = problem.topics.iter().collect();
            for topic in different {
                *picture.by_topic.entry(problem.set).or_default().entry(topic.clone()).or_default() += 1;
            }
            for pair in problem.topics.windows(2) {
                let key = (pair[0].clone(), pair[1].clone());
                *picture.feeds.entry(key).or_default().entry(problem.set).or_default() += 1;
            }
        }
        picture.n_source = source.len();
        picture.topics = source.iter().cloned().chain(all.difference(&source).cloned()).collect();
        picture
    }

    fn sets(&self) -> Vec<Set> {
        self.by_depth.keys().copied().collect()
    }
}

fn set_title(set: Set) -> [&'static str; 2] {
    match set {
        Set::AtomBase => ["atoms", "train"],
        Set::CompositeATrain => ["A", "train"],
        Set::CompositeAHeldOut => ["A", "unseen"],
        Set::CompositeB => ["B", "target"],
        Set::CompositeC => ["C", "mixed"],
        Set::Deep => ["A", "deep"],
    }
}

/// Draws the three panels.
pub fn draw_dataset<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, data: &DataSetPicture) -> Result<()> {
    let canvas = Canvas::new(area)?;
    let (width, height) = canvas.size();
    let total: usize = data.by_depth.values().flat_map(|depths| depths.values()).sum();
    let top = canvas.title(
        "The problems: which topics, how deep, what feeds what",
        &format!(
            "{total} problems over {} topics; training sees atoms of all topics, and composites (A) of source topics only",
            data.topics.len()
        ),
    )?;
    let panel = |left: i32, right: i32, below: i32| Panel {
        canvas: &canvas,
        left,
        top: top + 78,
        right,
        bottom: height - below,
        x: (0.0, 1.0),
        y: (0.0, 1.0),
    };
    draw_topics(&panel(128, width * 37 / 100, 84), data)?;
    draw_depths(panel(width * 43 / 100 + 24, width * 64 / 100, 84), data)?;
    draw_feeds(&panel(width * 75 / 100 + 8, width - 30, 84 + 60), data)
}

/// A table: topics down, sets across, counts on a tint of the set's color.
fn draw_topics<DB: DrawingBackend>(panel: &Panel<'_, DB>, data: &DataSetPicture) -> Result<()> {
    let canvas = panel.canvas;
    let ink = Ink::new(style::PANEL_TITLE).bold();
    canvas.text("Problems in which a topic occurs", (30, panel.top - 62), ink)?;
    let sets = data.sets();
    if sets.is_empty() || data.topics.is_empty() {
        return Ok(());
    }
    let column = f64::from(panel.right - panel.left) / sets.len() as f64;
    let row = f64::from(panel.bottom - panel.top) / data.topics.len() as f64;
    let x = |index: usize| panel.left + (column * index as f64).round() as i32;
    let y = |index: usize| panel.top + (row * index as f64).round() as i32;
    for (across, set) in sets.iter().enumerate() {
        for (line, text) in set_title(*set).into_iter().enumerate() {
            let at = ((x(across) + x(across + 1)) / 2, panel.top - 32 + 18 * line as i32);
            let color = style::dark(style::set_color(*set));
            canvas.text(text, at, Ink::new(14.0).color(color).at(HPos::Center, VPos::Center))?;
        }
        let counts = data.by_topic.get(set);
        let most = counts.and_then(|counts| counts.values().max()).copied().unwrap_or(1).max(1);
        for (down, topic) in data.topics.iter().enumerate() {
            let count = counts.and_then(|counts| counts.get(topic)).copied().unwrap_or(0);
            if count == 0 {
                continue;
            }
            let opacity = 0.12 + 0.5 * count as f64 / most as f64;
            let color = style::tint(style::set_color(*set), opacity);
            canvas.rect((x(across) + 2, y(down) + 2), (x(across + 1) - 2, y(down + 1) - 2), color, true)?;
            let at = ((x(across) + x(across + 1)) / 2, (y(down) + y(down + 1)) / 2);
            let ink = Ink::new(style::TICK).at(HPos::Center, VPos::Center);
            canvas.text(&count.to_string(), at, ink)?;
        }
    }
    for (down, topic) in data.topics.iter().enumerate() {
        let at = (panel.left - 10, (y(down) + y(down + 1)) / 2);
        canvas.text(topic, at, Ink::new(style::TICK).at(HPos::Right, VPos::Center))?;
    }
    let border = y(data.n_source);
    canvas.line(&[(30, border), (panel.right, border)], style::SOFT_INK, 1)?;
    let soft = Ink { upward: true, ..Ink::new(14.0).color(style::SOFT_INK).at(HPos::Center, VPos::Center) };
    canvas.text("source", (24, (panel.top + border) / 2), soft)?;
    canvas.text("target", (24, (border + panel.bottom) / 2), soft)
}

/// Bars of problems by depth, one color a set.
fn draw_depths<DB: DrawingBackend>(mut panel: Panel<'_, DB>, data: &DataSetPicture) -> Result<()> {
    let mut totals: BTreeMap<usize, usize> = BTreeMap::new();
    for (depth, count) in data.by_depth.values().flatten() {
        *totals.entry(*depth).or_default() += count;
    }
    let most = totals.values().copied().max().unwrap_or(1) as f64;
    let first = totals.keys().next().copied().unwrap_or(1) as f64;
    let last = totals.keys().next_back().copied().unwrap_or(1) as f64;
    panel.x = (first - 0.6, last + 0.6);
    panel.y = (0.0, most * 1.06);
    panel.panel_title("Problems by depth", 62)?;
    let marks = ticks(0.0, panel.y.1, 5);
    panel.y_axis("problems", &marks, |value| format!("{value:.0}"))?;
    for depth in totals.keys() {
        panel.x_tick(*depth as f64, &[&depth.to_string()])?;
        let mut base = 0;
        let (left, right) = (panel.px(*depth as f64 - 0.44), panel.px(*depth as f64 + 0.44));
        for (set, depths) in &data.by_depth {
            let Some(count) = depths.get(depth) else { continue };
            let (low, high) = (panel.py(base as f64), panel.py((base + count) as f64));
            base += count;
            let color = style::set_color(*set);
            panel.canvas.rect((left, high), (right, low - 1), style::tint(color, 0.7), true)?;
            // Named inside the bar where there is room; the table's colors say the rest.
            let [what, new] = set_title(*set);
            let label = if *set == Set::AtomBase { what.to_owned() } else { format!("{what} {new}") };
            let roomy = super::labels::text_width(&label, 13.0) < f64::from(right - left) + 6.0;
            if low - high > 17 && roomy {
                let ink = Ink::new(13.0).at(HPos::Center, VPos::Center);
                panel.canvas.text(&label, ((left + right) / 2, (low + high) / 2), ink)?;
            } else if low - high > 17 {
                let short = Ink::new(13.0).at(HPos::Center, VPos::Center);
                panel.canvas.text(what, ((left + right) / 2, (low + high) / 2), short)?;
            }
        }
    }
    panel.x_title("depth (functions in the chain)", 44)
}

/// The matrix of neighbors: a dot's area is how often the column's topic follows the row's, its
/// color the set that holds most of those.
fn draw_feeds<DB: DrawingBackend>(panel: &Panel<'_, DB>, data: &DataSetPicture) -> Result<()> {
    let canvas = panel.canvas;
    let names = panel.left - 112;
    let ink = Ink::new(style::PANEL_TITLE).bold();
    canvas.text("Which topic feeds which", (names, panel.top - 62), ink)?;
    let soft = Ink::new(14.0).color(style::SOFT_INK);
    canvas.text("rows: first; columns: applied to its result", (names, panel.top - 38), soft)?;
    canvas.text("area: how often; color: the set (mostly)", (names, panel.top - 18), soft)?;
    let count = data.topics.len().max(1) as f64;
    let (wide, tall) =
        (f64::from(panel.right - panel.left) / count, f64::from(panel.bottom - panel.top) / count);
    let center = |row: usize, column: usize| {
        (
            panel.left + (wide * (column as f64 + 0.5)).round() as i32,
            panel.top + (tall * (row as f64 + 0.5)).round() as i32,
        )
    };
    let most = data.feeds.values().map(|sets| sets.values().sum::<usize>()).max().unwrap_or(1) as f64;
    for (row, topic) in data.topics.iter().enumerate() {
        let y = center(row, 0).1;
        canvas.line(&[(panel.left, y), (panel.right, y)], style::GRID, 1)?;
        canvas.text(topic, (panel.left - 10, y), Ink::new(style::TICK).at(HPos::Right, VPos::Center))?;
        let x = center(0, row).0;
        canvas.line(&[(x, panel.top), (x, panel.bottom)], style::GRID, 1)?;
        let upward = Ink { upward: true, ..Ink::new(style::TICK).at(HPos::Right, VPos::Center) };
        canvas.text(topic, (x, panel.bottom + 8), upward)?;
    }
    for (row, first) in data.topics.iter().enumerate() {
        for (column, second) in data.topics.iter().enumerate() {
            let Some(sets) = data.feeds.get(&(first.clone(), second.clone())) else { continue };
            let total: usize = sets.values().sum();
            let main = sets.iter().max_by_key(|(_, count)| **count).map(|(set, _)| *set);
            let color = main.map_or(RGBColor(0, 0, 0), style::set_color);
            let radius = (total as f64 / most).sqrt() * wide.min(tall) * 0.48;
            canvas.dot(center(row, column), radius.round().max(1.0) as i32, color)?;
        }
    }
    let border_x = panel.left + (wide * data.n_source as f64).round() as i32;
    let border_y = panel.top + (tall * data.n_source as f64).round() as i32;
    canvas.line(&[(border_x, panel.top), (border_x, panel.bottom)], style::SOFT_INK, 1)?;
    canvas.line(&[(panel.left, border_y), (panel.right, border_y)], style::SOFT_INK, 1)
}
