//! The sandbox beside other ways to run the same programs: `main.rs` measures and fills
//! this in.

use serde::{Deserialize, Serialize};
use sft_vs_rl::{
    Result, Svg, panel::Area, panel::Panel, panel::page, panel::panel, plotters::coord::CoordTranslate,
    plotters::coord::cartesian::Cartesian2d, plotters::coord::ranged1d::AsRangedCoord,
    plotters::coord::ranged1d::Ranged, plotters::coord::types::RangedCoordf64, plotters::prelude::*,
    style::AFTER, style::BEFORE, style::BLUE, style::CENTERED, style::GRAY, style::GRID, style::INK,
    style::LABEL, style::SOFT_INK, style::VERMILLION, style::bold, style::dark, style::ink, style::tint,
};

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
pub fn speed_figure(data: &SpeedPicture) -> Result<Svg> {
    let all = || data.contestants.iter().flat_map(|contestant| &contestant.speeds);
    let fastest = all().map(|speed| speed.per_second_high).fold(1.0, f64::max) * 1.12;
    let slowest = all().map(|speed| speed.p99_ms).fold(data.p99_goal_ms, f64::max) * 1.6;
    let most_cpu = all().map(|speed| speed.cpu_ms).fold(1.0, f64::max) * 1.3;
    let workers: Vec<String> = data
        .contestants
        .first()
        .map(|contestant| contestant.speeds.iter().map(|speed| worker_text(speed.workers)).collect())
        .unwrap_or_default();
    let workers = workers.join(", lower bars: ");
    let footer = format!(
        "upper bars: {workers}; whiskers: slowest and fastest round; data/records/bench_sandbox.json"
    );
    Svg::draw(|area| {
        let room = page(area, "Ten-case programs: what a verdict costs", &data.setting, &footer)?;
        let parts = room.split_by_breakpoints([624, 924], [0; 0]);

        let mut rate = rows(&parts[0], data, 250, "programs a second", 0.0..fastest)?;
        let ticks = rate.chart.as_coord_spec().x_spec().key_points(5);
        grid(&mut rate, &ticks)?;
        for (row, contestant) in data.contestants.iter().enumerate() {
            for (line, text) in contestant.lines.iter().enumerate() {
                let y = rate.at(0.0, row as f64 + 0.5).1 + 20 * line as i32;
                let at = (-12, y - 10 * (contestant.lines.len() as i32 - 1));
                let color = if line > 0 { SOFT_INK } else { INK };
                let style = if contestant.own { bold(LABEL, color) } else { ink(LABEL, color) };
                rate.text(text, at, &style.pos(BEFORE))?;
            }
        }
        for (speed, [from, middle, to], color) in bars(data) {
            rate.draw(Rectangle::new([(0.0, from), (speed.per_second, to)], color.filled()))?;
            rate.line([(speed.per_second_low, middle), (speed.per_second_high, middle)], INK, 1)?;
            let (x, y) = rate.at(speed.per_second_high.max(speed.per_second), middle);
            rate.text(&format!("{:.0}", speed.per_second), (x + 6, y), &ink(LABEL, INK).pos(AFTER))?;
        }

        let mut wait =
            rows(&parts[1], data, 50, "ms to a verdict: median and p99", (1.0..slowest).log_scale())?;
        let decades = (0..=slowest.log10().floor() as i32).map(|power| 10f64.powi(power));
        grid(&mut wait, &decades.collect::<Vec<_>>())?;
        let goal = wait.at(data.p99_goal_ms, 1.0).0;
        wait.sheet.draw(&PathElement::new([(goal, -8), (goal, wait.size.1)], VERMILLION.stroke_width(2)))?;
        let text = format!("goal for p99: {:.0} ms", data.p99_goal_ms);
        wait.text(&text, (goal, -18), &ink(LABEL, dark(VERMILLION)).pos(CENTERED))?;
        for (speed, [_, middle, _], color) in bars(data) {
            let [p50, p99] = [speed.p50_ms, speed.p99_ms].map(|ms| ms.max(1.0));
            wait.line([(p50, middle), (p99, middle)], color, 4)?;
            wait.dot(p50, middle, 6, color)?;
            wait.diamond(wait.at(p99, middle), 6, dark(color))?;
            let small = ink(14.0, SOFT_INK).pos(CENTERED);
            let ((x50, y), (x99, _)) = (wait.at(p50, middle), wait.at(p99, middle));
            wait.text(&show_ms(speed.p50_ms), (x50, y - 15), &small)?;
            if x99 - x50 > 26 {
                wait.text(&show_ms(speed.p99_ms), (x99, y - 15), &small)?;
            }
        }

        let mut cpu = rows(&parts[2], data, 50, "ms of CPU a program", 0.0..most_cpu)?;
        let ticks = cpu.chart.as_coord_spec().x_spec().key_points(4);
        grid(&mut cpu, &ticks)?;
        for (speed, [from, middle, to], color) in bars(data) {
            cpu.draw(Rectangle::new([(0.0, from), (speed.cpu_ms, to)], color.filled()))?;
            let (x, y) = cpu.at(speed.cpu_ms, middle);
            cpu.text(&format!("{:.1}", speed.cpu_ms), (x + 6, y), &ink(LABEL, INK).pos(AFTER))?;
        }
        Ok(())
    })
}

/// A panel with a row a contestant, the first above.
fn rows<'a, X: AsRangedCoord<Value = f64>>(
    area: &Area<'a>,
    data: &SpeedPicture,
    left: u32,
    title: &str,
    x: X,
) -> Result<Panel<'a, Cartesian2d<X::CoordDescType, RangedCoordf64>>> {
    let panel = panel(area, "", [62, 30, 54, left], (x, data.contestants.len().max(1) as f64..0.0))?;
    panel.text(title, (0, panel.size.1 + 36), &ink(16.0, INK).pos(AFTER))?;
    Ok(panel)
}

/// Vertical lines with their values below.
fn grid<CT: CoordTranslate<From = (f64, f64)>>(panel: &mut Panel<'_, CT>, ticks: &[f64]) -> Result<()> {
    for tick in ticks {
        let x = panel.at(*tick, 1.0).0;
        panel.sheet.draw(&PathElement::new([(x, 0), (x, panel.size.1)], GRID))?;
        let below = (x, panel.size.1 + 14);
        panel.text(&format!("{tick:.0}"), below, &ink(LABEL, SOFT_INK).pos(CENTERED))?;
    }
    Ok(())
}

/// Every speed with its color, and where its bar starts, has its middle and ends, in rows.
fn bars(data: &SpeedPicture) -> impl Iterator<Item = (&Speed, [f64; 3], RGBColor)> {
    data.contestants.iter().enumerate().flat_map(|(row, contestant)| {
        let count = contestant.speeds.len().max(1) as f64;
        let color = if contestant.own { BLUE } else { GRAY };
        contestant.speeds.iter().enumerate().map(move |(place, speed)| {
            let at = |share: f64| row as f64 + 0.5 + 0.8 * ((place as f64 + share) / count - 0.5);
            (speed, [0.06, 0.5, 0.94].map(at), if place == 0 { tint(color, 0.6) } else { color })
        })
    })
}

fn worker_text(workers: usize) -> String {
    if workers == 1 { "1 worker".to_owned() } else { format!("{workers} workers") }
}

fn show_ms(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.1}") } else { format!("{ms:.0}") }
}
