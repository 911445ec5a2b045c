//! The engine's benchmarks: speed against PyTorch, and growth with model, context and batch. Both are
//! drawn from the records that `make bench-engine` and `make bench-growth` write.

use serde::Deserialize;
use sft_vs_rl::{
    Result, Svg, panel::Area, panel::page, panel::panel, panel::percent, plotters::prelude::*, style::BLUE,
    style::CENTERED, style::GRAY, style::INK, style::LABEL, style::ORANGE, style::SOFT_INK, style::ink,
    style::tint,
};

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
type Number = fn(&GrowthPoint) -> f64;

/// `data/records/bench/growth.json`, as far as it is drawn.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GrowthBench {
    pub threads: usize,
    pub points: Vec<GrowthPoint>,
    pub machine: Machine,
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

/// Which record of `data/records/bench` it is of.
fn footer(record: &str) -> String {
    format!("measured once, on the machine named above; data/records/bench/{record}")
}

/// Draws the ratios, and the shares of the hardware's peak.
pub fn engine_figure(data: &EngineBench) -> Result<Svg> {
    let memory: Vec<String> = data
        .memory
        .iter()
        .filter(|memory| memory.engine != "composed")
        .map(|memory| format!("{} {:.0} MiB", engine_name(&memory.engine), memory.peak_mib))
        .collect();
    let subtitle = format!(
        "{}, {}; bars: median, ends: range of the rounds. Peak memory of two PPO steps: {}",
        data.machine.cpu,
        data.machine.vectors(),
        memory.join(", ")
    );
    Svg::draw(|area| {
        let title = "The kit's engine against PyTorch on the same batches";
        let room = page(area, title, &subtitle, &footer("engine.json"))?;
        let (left, right) = room.split_horizontally(67.percent_width());
        draw_ratios(&left, data)?;
        draw_shares(&right, data)
    })
}

fn draw_ratios(area: &Area<'_>, data: &EngineBench) -> Result<()> {
    let mut tasks: Vec<(&str, Option<usize>)> = Vec::new();
    for ratio in &data.ratios {
        if !tasks.contains(&(ratio.task.as_str(), ratio.rows)) {
            tasks.push((&ratio.task, ratio.rows));
        }
    }
    let highest =
        data.ratios.iter().map(|ratio| ratio.times_as_fast.high.max(ratio.goal)).fold(1.0, f64::max);
    let axes = (0.0..tasks.len().max(1) as f64, 0.0..highest * 1.06);
    let mut panel = panel(area, "How many times as fast", [84, 10, 54, 86], axes)?;
    panel.y_axis("times as fast as PyTorch", 8, |value| format!("{value}"))?;
    let one = tint(BLUE, 0.5);
    panel.key(&[("1 thread".to_owned(), one), ("2 threads".to_owned(), BLUE)], 42)?;
    panel.diamond((260, -42), 6, SOFT_INK)?;
    panel.text("the goal", (274, -42), &ink(LABEL, SOFT_INK))?;
    for ratio in &data.ratios {
        let Some(column) = tasks.iter().position(|task| *task == (&ratio.task, ratio.rows)) else { continue };
        let (offset, color) = if ratio.threads == 1 { (0.12, one) } else { (0.51, BLUE) };
        let left = column as f64 + offset;
        let Span { median, low, high } = ratio.times_as_fast;
        panel.draw(Rectangle::new([(left, 0.0), (left + 0.36, median)], color.filled()))?;
        panel.line([(left + 0.18, low), (left + 0.18, high)], INK, 2)?;
        panel.diamond(panel.at(column as f64 + 0.5, ratio.goal), 7, SOFT_INK)?;
    }
    panel.level(1.0, SOFT_INK, 2)?;
    panel.level(0.0, SOFT_INK, 1)?;
    for (column, (task, rows)) in tasks.iter().enumerate() {
        let [name, rows] = task_lines(task, *rows);
        panel.x_tick(column as f64 + 0.5, &[&name, &rows])?;
    }
    Ok(())
}

fn draw_shares(area: &Area<'_>, data: &EngineBench) -> Result<()> {
    let threads = data.measurements.iter().map(|m| m.threads).max().unwrap_or(1);
    let title = format!("Share of peak, {}", threads_text(threads));
    let mut panel = panel(area, &title, [84, 30, 54, 86], (0.0..3.0, 0.0..1.0))?;
    panel.y_axis("of a large matrix product (%)", 6, percent)?;
    panel.level(0.0, SOFT_INK, 1)?;
    panel.key(&["kit", "torch"].map(|engine| (engine_name(engine).to_owned(), engine_color(engine))), 42)?;
    for (column, (task, rows)) in [("sft", None), ("rollout", Some(256)), ("ppo", None)].iter().enumerate() {
        for (index, engine) in ["kit", "torch"].into_iter().enumerate() {
            let found = data
                .measurements
                .iter()
                .find(|m| m.task == *task && m.rows == *rows && m.engine == engine && m.threads == threads);
            let Some(share) = found.and_then(|m| m.share_of_gemm_peak) else { continue };
            let left = column as f64 + 0.12 + 0.39 * index as f64;
            let bar = [(left, 0.0), (left + 0.36, share)];
            panel.draw(Rectangle::new(bar, engine_color(engine).filled()))?;
            let (x, y) = panel.at(left + 0.18, share);
            panel.text(&percent(share), (x, y - 11), &ink(LABEL, INK).pos(CENTERED))?;
        }
        let [name, rows] = task_lines(task, *rows);
        panel.x_tick(column as f64 + 0.5, &[&name, &rows])?;
    }
    Ok(())
}

/// Draws seconds (above) and memory (below) against model, context and batch, all scales logarithmic.
pub fn growth_figure(data: &GrowthBench) -> Result<Svg> {
    let (cpu, vectors) = (&data.machine.cpu, data.machine.vectors());
    let threads = threads_text(data.threads);
    let subtitle =
        format!("{threads}, {cpu}, {vectors}; microbatches of at most 4,096 tokens; all scales logarithmic");
    let columns: [(&str, &str, Number); 3] = [
        ("model", "parameters", |point| point.parameters),
        ("context", "tokens of a sequence (8,192 a step)", |point| point.context),
        ("batch", "tokens of a step", |point| point.tokens),
    ];
    let quantities: [(&str, Number); 2] = [
        ("\u{b5}s a token", |point| 1e6 * point.seconds.median / point.tokens),
        ("peak memory, MiB", |point| point.peak_mib),
    ];
    Svg::draw(|area| {
        let title = "Time and memory of an SFT step as model, context and batch grow";
        let parts = page(area, title, &subtitle, &footer("growth.json"))?.split_evenly((2, 3));
        for (row, quantity) in quantities.into_iter().enumerate() {
            for (column, of) in columns.into_iter().enumerate() {
                let first = column == 0;
                draw_growth(&parts[3 * row + column], data, quantity, of, (row == 1, first))?;
            }
        }
        Ok(())
    })
}

/// One panel; `estimates`: with what the kit expects of its memory. The first of a row has the key.
fn draw_growth(
    area: &Area<'_>,
    data: &GrowthBench,
    (quantity, value): (&str, Number),
    (series, x_title, x_of): (&str, &str, Number),
    (estimates, first): (bool, bool),
) -> Result<()> {
    let points: Vec<&GrowthPoint> = data.points.iter().filter(|point| point.series == series).collect();
    let range = |numbers: &mut dyn Iterator<Item = f64>| {
        numbers
            .filter(|value| *value > 0.0)
            .fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), value| (low.min(value), high.max(value)))
    };
    let x = range(&mut points.iter().map(|point| x_of(point)));
    let y = range(&mut data.points.iter().map(value));
    if x.0 > x.1 || y.0 > y.1 {
        return Ok(());
    }
    let y = (y.0 * 0.8, y.1 * 1.25);
    let axes = ((x.0 * 0.87..x.1 * 1.15).log_scale(), (y.0..y.1).log_scale().with_key_points(log_ticks(y)));
    let mut panel = panel(area, "", [34, 34, 54, 90], axes)?;
    panel.y_axis(quantity, 9, plain)?;
    panel.level(y.0, SOFT_INK, 1)?;
    // Not more labels than have room.
    let mut last = i32::MIN / 2;
    for point in &points {
        let mark = x_of(point);
        if panel.at(mark, y.0).0 - last > 40 {
            panel.x_tick(mark, &[&plain(mark)])?;
            last = panel.at(mark, y.0).0;
        }
    }
    panel.x_title(x_title)?;
    for engine in ["torch", "kit"] {
        let of_engine = points.iter().filter(|point| point.engine == engine);
        let line: Vec<(f64, f64)> = of_engine.map(|point| (x_of(point), value(point))).collect();
        panel.line(line.iter().copied(), engine_color(engine), 3)?;
        for (x, y) in line {
            panel.dot(x, y, 5, engine_color(engine))?;
        }
    }
    for point in points.iter().filter(|_| estimates) {
        if let Some(estimate) = point.estimate_mib {
            panel.diamond(panel.at(x_of(point), estimate), 6, GRAY)?;
        }
    }
    match (first, estimates) {
        (true, false) => panel
            .key(&["kit", "torch"].map(|engine| (engine_name(engine).to_owned(), engine_color(engine))), 14),
        (true, true) => {
            panel.diamond((6, -14), 6, GRAY)?;
            panel.text("the kit's estimate before it starts", (20, -14), &ink(LABEL, SOFT_INK))
        }
        _ => Ok(()),
    }
}

/// 1, 2 and 5 times the powers of ten inside a logarithmic range; fewer where it is wide.
pub fn log_ticks((low, high): (f64, f64)) -> Vec<f64> {
    let factors: &[f64] = if high / low > 30.0 { &[1.0, 3.0] } else { &[1.0, 2.0, 5.0] };
    let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let all = powers.flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
    all.filter(|tick| (low..=high).contains(tick)).collect()
}

/// `0.3M`, `8192`, `0.5`.
pub fn plain(value: f64) -> String {
    if value >= 1e5 {
        let millions = value / 1e6;
        if millions < 9.95 { format!("{millions:.1}M") } else { format!("{millions:.0}M") }
    } else if value >= 9.95 {
        format!("{value:.0}")
    } else {
        format!("{}", (value * 10.0).round() / 10.0)
    }
}
