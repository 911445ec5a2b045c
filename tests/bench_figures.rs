//! The figures of the benchmarks, drawn from made-up numbers and from the committed records.

#[path = "../benches/engine/figure.rs"]
#[allow(dead_code)]
mod engine;
#[path = "../benches/sandbox/figure.rs"]
#[allow(dead_code)]
mod sandbox;

use std::path::Path;

use engine::{EngineBench, GrowthBench, engine_figure, growth_figure, log_ticks, plain};
use sft_vs_rl::{Svg, read_json};

#[test]
fn the_axes_of_growth_read_well() {
    let labels: Vec<String> = log_ticks((8.0, 1600.0)).into_iter().map(plain).collect();
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
    let Svg(svg) = engine_figure(&bench).unwrap();
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
    let Svg(svg) = growth_figure(&bench).unwrap();
    assert!(svg.contains("peak memory, MiB") && svg.contains("9.0M") && !svg.contains("NaN"));
}

#[test]
fn the_committed_records_are_drawn() {
    let records = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/records");
    let keep = |name: &str, svg: Svg| {
        assert!(!svg.0.contains("NaN") && !svg.0.contains("inf"), "{name}");
        if let Some(folder) = std::env::var_os("FIGURE_EXAMPLES") {
            svg.save(Path::new(&folder).join(name)).unwrap();
        }
    };
    let bench: EngineBench = read_json(&records.join("bench/engine.json")).unwrap();
    keep("bench_engine.svg", engine_figure(&bench).unwrap());
    let bench: GrowthBench = read_json(&records.join("bench/growth.json")).unwrap();
    keep("bench_growth.svg", growth_figure(&bench).unwrap());
    let record: serde_json::Value = read_json(&records.join("bench_sandbox.json")).unwrap();
    let picture: sandbox::SpeedPicture = serde_json::from_value(record["speed"].clone()).unwrap();
    keep("bench_sandbox.svg", sandbox::speed_figure(&picture).unwrap());
}
