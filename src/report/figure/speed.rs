//! The sandbox beside other ways to run the same programs: `benches/sandbox.rs` measures and fills
//! this in.

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend, RGBColor};
use plotters::style::text_anchor::{HPos, VPos};
use serde::{Deserialize, Serialize};

use super::canvas::{Canvas, Ink, Panel, ticks};
use super::style;
use crate::base::error::Result;

/// How one contestant did with one number of workers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    pub workers: usize,
    /// Programs that were timed, over all rounds.
    pub programs: usize,
    /// Median of the rounds, and the slowest and fastest of them.
    pub per_second: f64,
    pub per_second_low: f64,
    pub per_second_high: f64,
    /// Milliseconds from asking to the verdict, over all programs.
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Milliseconds of processor time a program, all processes together.
    pub cpu_ms: f64,
}

/// One way to run programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contestant {
    /// What it is, in one or two short lines.
    pub lines: Vec<String>,
    /// The one that is shown in color.
    pub own: bool,
    /// One entry a number of workers.
    pub speeds: Vec<Speed>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeedPicture {
    /// What was run where, for the subtitle.
    pub setting: String,
    pub contestants: Vec<Contestant>,
    /// Milliseconds that the 99th percentile should stay under.
    pub p99_goal_ms: f64,
}

/// Draws three panels that share their rows: programs a second, milliseconds a program, CPU time.
pub fn draw_speed<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, data: &SpeedPicture) -> Result<()> {
    let canvas = Canvas::new(area)?;
    let (width, height) = canvas.size();
    let top = canvas.title("Ten-case programs: what a verdict costs", &data.setting)?;
    let panel = |left: i32, right: i32, x: (f64, f64)| Panel {
        canvas: &canvas,
        left,
        top: top + 62,
        right,
        bottom: height - 72,
        x,
        y: (0.0, 1.0),
    };
    let all = || data.contestants.iter().flat_map(|contestant| &contestant.speeds);
    let fastest = all().map(|speed| speed.per_second_high).fold(1.0, f64::max);
    let slowest = all().map(|speed| speed.p99_ms).fold(data.p99_goal_ms, f64::max);
    let most_cpu = all().map(|speed| speed.cpu_ms).fold(1.0, f64::max);

    let rate = panel(250, width * 52 / 100, (0.0, fastest * 1.12));
    axis(&rate, "programs a second", &ticks(0.0, fastest * 1.12, 4), |value| format!("{value:.0}"))?;
    let wait = panel(width * 52 / 100 + 50, width * 77 / 100, (0.0, (slowest * 1.6).log10()));
    let decades: Vec<f64> = (0..=wait.x.1.floor() as i32).map(f64::from).collect();
    axis(&wait, "ms to a verdict: median and p99", &decades, |x| format!("{:.0}", 10f64.powf(x)))?;
    let cpu = panel(width * 77 / 100 + 50, width - 40, (0.0, most_cpu * 1.3));
    axis(&cpu, "ms of CPU a program", &ticks(0.0, most_cpu * 1.3, 3), |value| format!("{value:.0}"))?;

    let goal = wait.px(data.p99_goal_ms.log10());
    canvas.line(&[(goal, wait.top - 8), (goal, wait.bottom)], style::VERMILLION, 2)?;
    let ink = Ink::new(style::LABEL).color(style::dark(style::VERMILLION)).at(HPos::Center, VPos::Bottom);
    canvas.text(&format!("goal for p99: {:.0} ms", data.p99_goal_ms), (goal, wait.top - 10), ink)?;

    let tall = f64::from(rate.bottom - rate.top) / data.contestants.len().max(1) as f64;
    for (row, contestant) in data.contestants.iter().enumerate() {
        let middle = rate.top + (tall * (row as f64 + 0.5)).round() as i32;
        for (line, text) in contestant.lines.iter().enumerate() {
            let y = middle + 20 * line as i32 - 10 * (contestant.lines.len() as i32 - 1);
            let ink = Ink::new(style::TICK).at(HPos::Right, VPos::Center);
            let ink = if contestant.own { ink.bold() } else { ink };
            let ink = if line > 0 { ink.color(style::SOFT_INK) } else { ink };
            canvas.text(text, (rate.left - 12, y), ink)?;
        }
        let count = contestant.speeds.len().max(1) as f64;
        for (place, speed) in contestant.speeds.iter().enumerate() {
            let y =
                |share: f64| middle + (tall * 0.8 * ((place as f64 + share) / count - 0.5)).round() as i32;
            let (from, to, center) = (y(0.06), y(0.94), y(0.5));
            let color = bar_color(contestant.own, place);
            bar(
                &rate,
                (from, to),
                speed.per_second,
                color,
                &format!("{:.0}", speed.per_second),
                Some(speed),
            )?;
            bar(&cpu, (from, to), speed.cpu_ms, color, &format!("{:.1}", speed.cpu_ms), None)?;
            let (p50, p99) = (wait.px(speed.p50_ms.max(1.0).log10()), wait.px(speed.p99_ms.max(1.0).log10()));
            canvas.line(&[(p50, center), (p99, center)], color, 4)?;
            canvas.dot((p50, center), 6, color)?;
            canvas.diamond((p99, center), 6, style::dark(color))?;
            let ink = Ink::new(14.0).color(style::SOFT_INK).at(HPos::Center, VPos::Bottom);
            canvas.text(&show_ms(speed.p50_ms), (p50, center - 8), ink)?;
            if p99 - p50 > 26 {
                canvas.text(&show_ms(speed.p99_ms), (p99, center - 8), ink)?;
            }
        }
    }
    let workers: Vec<String> = data
        .contestants
        .first()
        .map(|contestant| contestant.speeds.iter().map(|speed| worker_text(speed.workers)).collect())
        .unwrap_or_default();
    let note = format!("upper bars: {}; whiskers: slowest and fastest round", workers.join(", lower bars: "));
    canvas.text(&note, (rate.left, height - 16), Ink::new(14.0).color(style::SOFT_INK))
}

fn worker_text(workers: usize) -> String {
    if workers == 1 { "1 worker".to_owned() } else { format!("{workers} workers") }
}

fn show_ms(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.1}") } else { format!("{ms:.0}") }
}

fn bar_color(own: bool, place: usize) -> RGBColor {
    let color = if own { style::BLUE } else { style::GRAY };
    if place == 0 { style::tint(color, 0.6) } else { color }
}

/// A horizontal scale with a title below.
fn axis<DB: DrawingBackend>(
    panel: &Panel<'_, DB>,
    title: &str,
    marks: &[f64],
    show: impl Fn(f64) -> String,
) -> Result<()> {
    for mark in marks {
        let x = panel.px(*mark);
        panel.canvas.line(&[(x, panel.top), (x, panel.bottom)], style::GRID, 1)?;
        let ink = Ink::new(style::TICK).color(style::SOFT_INK).at(HPos::Center, VPos::Center);
        panel.canvas.text(&show(*mark), (x, panel.bottom + 14), ink)?;
    }
    panel.canvas.line(&[(panel.left, panel.top), (panel.left, panel.bottom)], style::SOFT_INK, 1)?;
    let ink = Ink::new(style::AXIS_TITLE).at(HPos::Left, VPos::Center);
    panel.canvas.text(title, (panel.left, panel.bottom + 36), ink)
}

/// A bar with its number at the end, and the range of the rounds as whiskers.
fn bar<DB: DrawingBackend>(
    panel: &Panel<'_, DB>,
    (from, to): (i32, i32),
    value: f64,
    color: RGBColor,
    text: &str,
    range: Option<&Speed>,
) -> Result<()> {
    let (right, center) = (panel.px(value), (from + to) / 2);
    panel.canvas.rect((panel.left, from), (right.max(panel.left + 2), to), color, true)?;
    let mut end = right;
    if let Some(speed) = range {
        let (low, high) = (panel.px(speed.per_second_low), panel.px(speed.per_second_high));
        panel.canvas.line(&[(low, center), (high, center)], style::INK, 1)?;
        end = end.max(high);
    }
    panel.canvas.text(text, (end + 6, center), Ink::new(style::LABEL))
}
