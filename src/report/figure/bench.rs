//! The engine's benchmarks: speed against PyTorch, and growth with model, context and batch. Both are
//! drawn from the records that `make bench-engine` and `make bench-growth` write.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend, RGBColor};
use plotters::style::text_anchor::{HPos, VPos};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::canvas::{Canvas, Ink, Panel, percent, ticks};
use super::style::{self, BLUE, GRAY, ORANGE, SOFT_INK};
use crate::base::error::{Error, Result};

/// Median and range of several rounds.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Span {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

/// How many times as fast as PyTorch one task is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Ratio {
    /// `sft`, `rollout` (a hand-written loop), `generate` (transformers), `ppo`.
    pub task: String,
    /// Rows sampled together.
    pub rows: Option<usize>,
    pub threads: usize,
    pub goal: f64,
    pub times_as_fast: Span,
}

/// Speed of one task in one engine.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Measurement {
    pub task: String,
    pub rows: Option<usize>,
    pub engine: String,
    pub threads: usize,
    /// Of the speed of a large matrix product on the same threads.
    pub share_of_gemm_peak: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PeakMemory {
    pub engine: String,
    pub peak_mib: f64,
}

/// `data/records/bench/engine.json`, as far as it is drawn.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct EngineBench {
    pub ratios: Vec<Ratio>,
    pub measurements: Vec<Measurement>,
    pub memory: Vec<PeakMemory>,
    pub machine: Machine,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub simd: String,
}

impl Machine {
    fn vectors(&self) -> &str {
        match self.simd.as_str() {
            "avx512f" => "AVX-512",
            "avx2" => "AVX2",
            other => other,
        }
    }
}

/// One size of model, context and batch in one engine.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GrowthPoint {
    /// What grows: `model`, `context` or `batch`.
    pub series: String,
    pub engine: String,
    pub parameters: f64,
    pub context: f64,
    /// Of one step.
    pub tokens: f64,
    pub seconds: Span,
    pub peak_mib: f64,
    /// What `memory::training` expects; the kit only.
    pub estimate_mib: Option<f64>,
}

/// One of its numbers.
type Quantity = fn(&GrowthPoint) -> f64;

/// `data/records/bench/growth.json`, as far as it is drawn.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GrowthBench {
    pub threads: usize,
    pub points: Vec<GrowthPoint>,
    pub machine: Machine,
}

/// Reads a record of a benchmark.
pub fn read_bench<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    serde_json::from_str(&text).map_err(|error| Error::parse(path, error.line(), error))
}

fn threads_text(threads: usize) -> String {
    if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") }
}

fn engine_color(engine: &str) -> RGBColor {
    if engine == "kit" { BLUE } else { ORANGE }
}

fn engine_name(engine: &str) -> &str {
    if engine == "torch" { "PyTorch, eager" } else { engine }
}

/// Names of a task, for two lines under an axis.
fn task_lines(task: &str, rows: Option<usize>) -> [String; 2] {
    let rows = rows.map(|rows| format!("{rows} rows")).unwrap_or_default();
    match task {
        "sft" => ["SFT".to_owned(), "step".to_owned()],
        "ppo" => ["PPO".to_owned(), "step".to_owned()],
        "generate" => ["generate".to_owned(), rows],
        _ => ["rollouts".to_owned(), rows],
    }
}

/// Draws the ratios, and the shares of the hardware's peak.
pub fn draw_engine_bench<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    data: &EngineBench,
) -> Result<()> {
    let canvas = Canvas::new(area)?;
    let (width, height) = canvas.size();
    let memory: Vec<String> = data
        .memory
        .iter()
        .map(|memory| format!("{} {:.0} MiB", engine_name(&memory.engine), memory.peak_mib))
        .collect();
    let top = canvas.title(
        "The kit's engine against PyTorch on the same batches",
        &format!(
            "{}, {}; bars: median, ends: range of the rounds. Peak memory of two PPO steps: {}",
            data.machine.cpu,
            data.machine.vectors(),
            memory.join(", ")
        ),
    )?;
    let mut tasks: Vec<(&str, Option<usize>)> = Vec::new();
    for ratio in &data.ratios {
        if !tasks.contains(&(ratio.task.as_str(), ratio.rows)) {
            tasks.push((&ratio.task, ratio.rows));
        }
    }
    let highest =
        data.ratios.iter().map(|ratio| ratio.times_as_fast.high.max(ratio.goal)).fold(1.0, f64::max);
    let split = width * 68 / 100;
    let panel = Panel {
        canvas: &canvas,
        left: 86,
        top: top + 78,
        right: split - 10,
        bottom: height - 54,
        x: (0.0, tasks.len().max(1) as f64),
        y: (0.0, highest * 1.06),
    };
    panel.panel_title("How many times as fast", 66)?;
    panel.y_axis("times as fast as PyTorch", &ticks(0.0, panel.y.1, 6), |value| format!("{value}"))?;
    panel.key(
        &[("1 thread".to_owned(), style::tint(BLUE, 0.5)), ("2 threads".to_owned(), BLUE)],
        panel.top - 42,
    )?;
    let ink = Ink::new(style::LABEL).color(SOFT_INK);
    canvas.diamond((panel.left + 260, panel.top - 42), 6, SOFT_INK)?;
    canvas.text("the goal", (panel.left + 274, panel.top - 42), ink)?;
    for ratio in &data.ratios {
        let Some(column) = tasks.iter().position(|task| *task == (&ratio.task, ratio.rows)) else { continue };
        let first = ratio.threads == 1;
        let color = if first { style::tint(BLUE, 0.5) } else { BLUE };
        let left = column as f64 + if first { 0.12 } else { 0.51 };
        let (left, right) = (panel.px(left), panel.px(left + 0.36));
        let Span { median, low, high } = ratio.times_as_fast;
        canvas.rect((left, panel.py(median)), (right, panel.bottom), color, true)?;
        let middle = (left + right) / 2;
        canvas.line(&[(middle, panel.py(low)), (middle, panel.py(high))], style::INK, 2)?;
        canvas.diamond((panel.px(column as f64 + 0.5), panel.py(ratio.goal)), 7, SOFT_INK)?;
    }
    canvas.line(&[(panel.left, panel.py(1.0)), (panel.right, panel.py(1.0))], SOFT_INK, 2)?;
    for (column, (task, rows)) in tasks.iter().enumerate() {
        let [name, rows] = task_lines(task, *rows);
        panel.x_tick(column as f64 + 0.5, &[&name, &rows])?;
    }

    let threads = data.measurements.iter().map(|m| m.threads).max().unwrap_or(1);
    let shares: Vec<(&str, Option<usize>)> = vec![("sft", None), ("rollout", Some(256)), ("ppo", None)];
    let panel =
        Panel { left: split + 84, right: width - 30, x: (0.0, shares.len() as f64), y: (0.0, 1.0), ..panel };
    panel.panel_title(&format!("Share of peak, {}", threads_text(threads)), 66)?;
    panel.y_axis("of a large matrix product (%)", &[0.0, 0.25, 0.5, 0.75, 1.0], percent)?;
    let key = ["kit", "torch"].map(|engine| (engine_name(engine).to_owned(), engine_color(engine)));
    panel.key(&key, panel.top - 42)?;
    for (column, (task, rows)) in shares.iter().enumerate() {
        for (index, engine) in ["kit", "torch"].into_iter().enumerate() {
            let found = data
                .measurements
                .iter()
                .find(|m| m.task == *task && m.rows == *rows && m.engine == engine && m.threads == threads);
            let Some(share) = found.and_then(|m| m.share_of_gemm_peak) else { continue };
            let left = column as f64 + 0.12 + 0.39 * index as f64;
            let (left, right) = (panel.px(left), panel.px(left + 0.36));
            canvas.rect((left, panel.py(share)), (right, panel.bottom), engine_color(engine), true)?;
            let ink = Ink::new(style::LABEL).at(HPos::Center, VPos::Bottom);
            canvas.text(&percent(share), ((left + right) / 2, panel.py(share) - 3), ink)?;
        }
        let [name, rows] = task_lines(task, *rows);
        panel.x_tick(column as f64 + 0.5, &[&name, &rows])?;
    }
    Ok(())
}

/// Draws seconds (above) and memory (below) against model, context and batch, all scales logarithmic.
pub fn draw_growth_bench<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    data: &GrowthBench,
) -> Result<()> {
    let canvas = Canvas::new(area)?;
    let (width, height) = canvas.size();
    let (cpu, vectors) = (&data.machine.cpu, data.machine.vectors());
    let top = canvas.title(
        "Time and memory of an SFT step as model, context and batch grow",
        &format!(
            "{}, {cpu}, {vectors}; microbatches of at most 4,096 tokens; all scales logarithmic",
            threads_text(data.threads)
        ),
    )?;
    let columns: [(&str, &str, Quantity); 3] = [
        ("model", "parameters", |point| point.parameters),
        ("context", "tokens of a sequence (8,192 a step)", |point| point.context),
        ("batch", "tokens of a step", |point| point.tokens),
    ];
    let quantities: [(&str, Quantity); 2] = [
        ("\u{b5}s a token", |point| 1e6 * point.seconds.median / point.tokens),
        ("peak memory, MiB", |point| point.peak_mib),
    ];
    let room = (height - top - 30) / 2;
    for (row, (quantity, value)) in quantities.into_iter().enumerate() {
        let all = || data.points.iter().map(value).filter(|value| *value > 0.0);
        let y = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
        for (column, (series, x_title, x_of)) in columns.into_iter().enumerate() {
            let points: Vec<&GrowthPoint> =
                data.points.iter().filter(|point| point.series == series).collect();
            let xs = || points.iter().map(|point| x_of(point));
            let x = (xs().fold(f64::INFINITY, f64::min), xs().fold(0.0, f64::max));
            if points.is_empty() || y.0 > y.1 {
                continue;
            }
            let left = 96 + column as i32 * (width - 40) / 3;
            let panel_top = top + 34 + row as i32 * room;
            let panel = Panel {
                canvas: &canvas,
                left,
                top: panel_top,
                right: left + (width - 40) / 3 - 120,
                bottom: panel_top + room - 84,
                x: (x.0.log10() - 0.06, x.1.log10() + 0.06),
                y: ((y.0 * 0.8).log10(), (y.1 * 1.25).log10()),
            };
            panel.y_axis(quantity, &log_ticks(panel.y), |value| plain(10f64.powf(value)))?;
            // Not more labels than have room.
            let mut marks: Vec<f64> = xs().map(f64::log10).collect();
            marks.dedup();
            let mut last = i32::MIN / 2;
            for mark in marks {
                if panel.px(mark) - last > 40 {
                    panel.x_tick(mark, &[&plain(10f64.powf(mark))])?;
                    last = panel.px(mark);
                }
            }
            panel.x_title(x_title, 42)?;
            for engine in ["torch", "kit"] {
                let line: Vec<(f64, f64)> = points
                    .iter()
                    .filter(|point| point.engine == engine)
                    .map(|point| (x_of(point).log10(), value(point).log10()))
                    .collect();
                panel.curve(&line, engine_color(engine), 3)?;
                for (x, y) in &line {
                    canvas.dot((panel.px(*x), panel.py(*y)), 5, engine_color(engine))?;
                }
            }
            for point in points.iter().filter(|_| row == 1) {
                let Some(estimate) = point.estimate_mib else { continue };
                canvas.diamond((panel.px(x_of(point).log10()), panel.py(estimate.log10())), 6, GRAY)?;
            }
            if (row, column) == (0, 0) {
                let key =
                    ["kit", "torch"].map(|engine| (engine_name(engine).to_owned(), engine_color(engine)));
                panel.key(&key, panel.top - 14)?;
            } else if (row, column) == (1, 0) {
                canvas.diamond((panel.left + 6, panel.top - 14), 6, GRAY)?;
                let ink = Ink::new(style::LABEL).color(SOFT_INK);
                canvas.text("the kit's estimate before it starts", (panel.left + 20, panel.top - 14), ink)?;
            }
        }
    }
    Ok(())
}

/// 1, 2 and 5 times the powers of ten inside a logarithmic range; fewer where it is wide.
fn log_ticks((low, high): (f64, f64)) -> Vec<f64> {
    let factors: &[f64] = if high - low > 1.5 { &[1.0, 3.0] } else { &[1.0, 2.0, 5.0] };
    let powers = low.floor() as i32..=high.ceil() as i32;
    let all = powers.flat_map(|power| factors.iter().map(move |factor| factor.log10() + f64::from(power)));
    all.filter(|tick| (low..=high).contains(tick)).collect()
}

/// `0.3M`, `8192`, `0.5`.
fn plain(value: f64) -> String {
    if value >= 1e5 {
        let millions = value / 1e6;
        if millions < 9.95 { format!("{millions:.1}M") } else { format!("{millions:.0}M") }
    } else if value >= 9.95 {
        format!("{value:.0}")
    } else {
        format!("{}", (value * 10.0).round() / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SIZE, svg_string};
    use super::*;

    #[test]
    fn the_axes_of_growth_read_well() {
        let labels: Vec<String> =
            log_ticks((0.9, 3.2)).into_iter().map(|tick| plain(10f64.powf(tick))).collect();
        assert_eq!(labels, ["10", "30", "100", "300", "1000"]);
        assert_eq!([plain(295_392.0), plain(31.9e6), plain(2.0)], ["0.3M", "32M", "2"]);
    }

    #[test]
    fn records_of_made_up_numbers_are_drawn() {
        let span = r#"{"median": 2.0, "low": 1.8, "high": 2.5}"#;
        let machine = r#""machine": {"cpu": "made up", "simd": "avx2", "cores": 2}"#;
        let ratio = |task: &str, rows: &str, threads: u8| {
            format!(
                r#"{{"task": "{task}", "rows": {rows}, "threads": {threads}, "goal": 1.5, "times_as_fast": {span}}}"#
            )
        };
        let measured = |engine: &str, share: f64| {
            format!(
                r#"{{"task": "sft", "rows": null, "engine": "{engine}", "threads": 2, "share_of_gemm_peak": {share}}}"#
            )
        };
        let text = format!(
            r#"{{"ratios": [{}], "measurements": [{}], "memory": [{{"engine": "kit", "peak_mib": 41.5}}], {machine}}}"#,
            [ratio("sft", "null", 1), ratio("generate", "64", 1), ratio("generate", "64", 2)].join(", "),
            [measured("kit", 0.6), measured("torch", 0.4)].join(", ")
        );
        let bench: EngineBench = serde_json::from_str(&text).unwrap();
        let svg = svg_string(SIZE, |area| draw_engine_bench(area, &bench)).unwrap();
        for part in ["generate", "64 rows", "42 MiB", "60", "the goal"] {
            assert!(svg.contains(part), "{part}");
        }

        let point = |series: &str, engine: &str, size: f64, estimate: &str| {
            format!(
                r#"{{"series": "{series}", "engine": "{engine}", "parameters": {}, "context": 128, "tokens": {size},
                    "seconds": {span}, "peak_mib": {size}, "estimate_mib": {estimate}}}"#,
                size * 1e4
            )
        };
        let text = format!(
            r#"{{"threads": 2, {machine}, "points": [{}]}}"#,
            [
                point("model", "kit", 40.0, "44.0"),
                point("model", "kit", 900.0, "950.0"),
                point("model", "torch", 900.0, "null"),
                point("batch", "kit", 900.0, "990.0"),
            ]
            .join(", ")
        );
        let bench: GrowthBench = serde_json::from_str(&text).unwrap();
        let svg = svg_string(SIZE, |area| draw_growth_bench(area, &bench)).unwrap();
        assert!(svg.contains("peak memory, MiB") && svg.contains("9.0M") && !svg.contains("NaN"));
    }
}
