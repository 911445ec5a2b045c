//! The figures drawn from made-up numbers. With `FIGURE_EXAMPLES=<folder>` the drawings are kept
//! there, to be looked at; they are examples of the layout, never results.

use std::collections::BTreeMap;

use itertools::Itertools;
use polars::df;
use rand::Rng;

use super::dataset::Counts;
use super::*;
use crate::base::Seed;
use crate::data::ValueType;
use crate::data::{Problem, Set, Side};
use crate::report::frame::tests::answers_at;
use crate::report::frame::{Cell, metric_frame};
use crate::study::{Drift, MetricRow, OutcomeRow, Prompts};

/// Outcomes of made-up arms: (arm, stage, pass rates on the sets of [`Set::ALL`]).
fn made_up_outcomes(arms: &[(&str, &str, [f64; 6])], seeds: u64) -> Vec<(String, u64, OutcomeRow)> {
    let mut rows = Vec::new();
    for (arm, stage, rates) in arms {
        for seed in 0..seeds {
            let mut rng = Seed::new(seed).child(arm).child(stage).stream("made up");
            let luck = rng.random_range(-0.04..0.04);
            for (set, rate) in Set::ALL.into_iter().zip(rates) {
                let mut draw =
                    || (0..4).filter(|_| rng.random_bool((rate + luck).clamp(0.01, 0.99))).count() as u32;
                let passes: Vec<u32> = (0..80).map(|_| draw()).collect();
                let mut plain = answers_at(arm, seed, stage, set, &passes);
                rows.extend(plain.clone());
                plain.iter_mut().for_each(|(_, _, row)| row.prompts = Prompts::HeldOut);
                rows.extend(plain);
            }
        }
    }
    rows
}

fn made_up_metrics(seeds: u64) -> Vec<(String, u64, MetricRow)> {
    let mut rows = Vec::new();
    for (arm, from, to) in [("sft-rl", 0.42, 0.66), ("rl-base", 0.17, 0.45), ("rl-shuffled", 0.42, 0.4)] {
        for seed in 0..seeds {
            let mut rng = Seed::new(seed).child(arm).stream("made up");
            for step in 0..300 {
                let share = step as f64 / 300.0;
                let reward = from + (to - from) * share.powf(0.6) + rng.random_range(-0.05..0.05);
                let kl = 0.012 * share.sqrt() + rng.random_range(0.0..0.002);
                let values: BTreeMap<String, f64> =
                    [("reward_mean".to_owned(), reward), ("kl_to_reference".to_owned(), kl)].into();
                rows.push((arm.to_owned(), seed, MetricRow { stage: "rl".to_owned(), step, values }));
            }
        }
    }
    rows
}

/// Rates on atoms, A train, A held out, B, C, deep.
const ARMS: [(&str, &str, [f64; 6]); 15] = [
    ("base", "final", [0.36, 0.17, 0.04, 0.03, 0.04, 0.01]),
    ("sft-atoms", "final", [0.95, 0.05, 0.02, 0.03, 0.03, 0.01]),
    ("sft-composites", "final", [0.25, 0.92, 0.55, 0.02, 0.1, 0.2]),
    ("sft-mix-4", "final", [0.94, 0.2, 0.1, 0.06, 0.07, 0.02]),
    ("sft-mix-16", "final", [0.94, 0.45, 0.3, 0.12, 0.2, 0.05]),
    ("sft-mix-64", "final", [0.93, 0.8, 0.6, 0.25, 0.4, 0.1]),
    ("sft-mix-256", "final", [0.88, 0.9, 0.75, 0.28, 0.45, 0.2]),
    ("sft-start", "final", [0.61, 0.41, 0.18, 0.14, 0.16, 0.01]),
    ("sft-more", "final", [0.9, 0.8, 0.45, 0.16, 0.3, 0.1]),
    ("sft-rl", "final", [0.8, 0.68, 0.5, 0.31, 0.38, 0.1]),
    ("rl-base", "final", [0.6, 0.45, 0.35, 0.22, 0.25, 0.05]),
    ("sft-more", "step-1", [0.6, 0.3, 0.2, 0.1, 0.1, 0.0]),
    ("sft-more", "step-4", [0.8, 0.6, 0.4, 0.14, 0.2, 0.0]),
    ("sft-more", "step-16", [0.9, 0.9, 0.6, 0.16, 0.2, 0.1]),
    ("sft-more", "step-32", [0.9, 0.97, 0.62, 0.15, 0.2, 0.1]),
];

fn made_up_problems() -> Vec<Problem> {
    let source = ["arithmetic", "mapping", "reducing", "sorting", "strings"];
    let target = ["digits", "filtering", "predicates", "windows", "words"];
    let mut rng = Seed::new(1).stream("made up");
    let mut problems = Vec::new();
    let sizes = [(100, 1..=1), (256, 2..=3), (100, 2..=3), (120, 2..=3), (100, 2..=3), (40, 4..=5)];
    for (set, (count, depths)) in Set::ALL.into_iter().zip(sizes) {
        for _ in 0..count {
            let depth = rng.random_range(depths.clone());
            let topics: Vec<String> = (0..depth)
                .map(|_| {
                    let side = match set {
                        Set::AtomBase | Set::CompositeC => rng.random_bool(0.5),
                        Set::CompositeB => false,
                        _ => true,
                    };
                    (if side { source } else { target })[rng.random_range(0..5)].to_owned()
                })
                .collect();
            problems.push(Problem {
                key: format!("made up {}", problems.len()),
                atoms: vec![],
                topics,
                depth,
                set,
                input: ValueType::Int,
                output: ValueType::Int,
                prompts: vec![],
                held_out_prompts: vec![],
                entry: "f".to_owned(),
                reference: String::new(),
                cases: vec![],
            });
        }
    }
    problems
}

/// Checks what every drawing must satisfy, and keeps it where that is asked for.
fn check(name: &str, draw: impl Fn() -> Result<Svg>) -> String {
    let svg = draw().unwrap();
    assert_eq!(svg.0, draw().unwrap().0, "{name} is drawn differently each time");
    if let Some(folder) = std::env::var_os("FIGURE_EXAMPLES") {
        svg.save(Path::new(&folder).join(format!("{name}.svg"))).unwrap();
    }
    let Svg(svg) = svg;
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
    for part in svg.split("font-size=\"").skip(1) {
        let size: f64 = part.split('"').next().unwrap().parse().unwrap();
        assert!(size >= 12.9, "{name} has text of {size} px");
    }
    svg
}

fn evidence(arms: &[(&str, &str, [f64; 6])], seeds: u64) -> Evidence {
    let metrics = if arms.len() > 1 { made_up_metrics(seeds) } else { Vec::new() };
    Evidence {
        scores: Scores(made_up_outcomes(arms, seeds)),
        metrics: metric_frame(&metrics).unwrap(),
        bootstrap: Bootstrap { draws: 300, level: 0.95 },
        source: "made-up numbers".to_owned(),
        star: None,
    }
}

fn finding(number: u32, evidence: &Evidence) -> Result<Svg> {
    named(&format!("finding{number}"), evidence)
}

fn named(name: &str, evidence: &Evidence) -> Result<Svg> {
    let (_, draw) = FIGURES.iter().find(|(other, _)| *other == name).unwrap();
    Svg::draw(|area| draw(evidence, area))
}

/// Circles of a dot with its interval: the middle of the interval, the rim, the dot.
const DOT: usize = 3;

/// How often `part` is in the drawing.
fn count(svg: &str, part: &str) -> usize {
    svg.matches(part).count()
}

#[test]
fn finding_1() {
    for seeds in [1, 3] {
        let data = evidence(&ARMS, seeds);
        let svg = check(&format!("finding1-{seeds}"), || finding(1, &data));
        assert!(svg.contains(if seeds == 1 { "1 seed; error bars" } else { "3 seeds" }));
        assert!(svg.contains("SFT: atoms + 64") && svg.contains("made-up numbers"));
        // The ground and 4 key squares; 4 arms on 5 sets and 4 lines of 5 dots; a diamond an arm and set.
        assert_eq!(count(&svg, "<rect"), 1 + 4);
        assert_eq!(count(&svg, "<circle"), DOT * (4 * 5 + 4 * 5));
        assert_eq!(count(&svg, "<polygon"), 20 + 1);
    }
}

#[test]
fn finding_2() {
    for seeds in [1, 3] {
        let data = evidence(&ARMS, seeds);
        let svg = check(&format!("finding2-{seeds}"), || finding(2, &data));
        assert!(svg.contains("RL step") && svg.contains("KL (nats/token)"));
        // 3 arms on 5 sets; bands of 3 curves in 2 panels.
        assert_eq!(count(&svg, "<circle"), DOT * 3 * 5);
        assert_eq!(count(&svg, "<polygon"), if seeds == 1 { 0 } else { 2 * 3 });
        for arm in ["SFT, then RL", "RL from the base", "RL, shuffled reward"] {
            assert!(svg.contains(arm), "{arm}");
        }
    }
}

#[test]
fn finding_3() {
    for seeds in [1, 3] {
        let data = evidence(&ARMS, seeds);
        let svg = check(&format!("finding3-{seeds}"), || finding(3, &data));
        // 2 gaps and 3 rates, at 4 stages of SFT and for RL.
        assert_eq!(count(&svg, "<circle"), DOT * (2 + 3) * (4 + 1));
        let at = |stage: &str, set| Cell { stage: stage.to_owned(), ..Cell::at_end("sft-more", set) };
        let gap = Quantity::gap(&at("step-32", Set::CompositeATrain), Set::CompositeATrain, Set::CompositeB);
        let gap = data.scores.interval(&gap, &data.bootstrap).unwrap().value;
        assert!((gap - 0.82).abs() < 0.1, "{gap}");
    }
}

/// Each arm and seed is a dot in both panels, each arm a large one.
#[test]
fn razor() {
    let moved = ["sft-more", "sft-rl"].into_iter().cartesian_product([10, 11, 12]).map(|(arm, seed)| {
        let far = if arm == "sft-rl" { 0.02 } else { 0.3 } + seed as f64 / 1e3;
        let drift = Drift { kl_to_base: far, kl_from_base: 2.0 * far, wild_loss: 0.0 };
        Moved { arm: arm.to_owned(), seed, drift, forgot: far / 3.0 }
    });
    let svg = check("razor", || razor_figure(&moved.clone().collect_vec(), "made up"));
    assert_eq!(count(&svg, "<circle"), 2 * 2 * (6 + 2)); // a dot has a rim
    assert!(svg.contains("SFT, then RL") && svg.contains("3 seeds"));
    assert!(matches!(razor_figure(&[], "made up"), Err(Error::Figure(_))));
}

/// Of an arm half of whose answers pass, the other half with a wrong second step.
#[test]
fn faults() {
    let (catalog, [arm, fault]) = (Catalog::shipped(), ["arm", "fault"]);
    let topic = catalog.atoms().iter().find(|atom| atom.side == Side::Target).unwrap().topic.as_str();
    let anatomy = Anatomy {
        answers: df!(arm => ["sft-rl"; 4], fault => ["pass", "pass", "helper", "helper"]).unwrap(),
        steps: df!(arm => ["sft-rl"; 4], "step" => ["1 of 2", "2 of 2", "1 of 2", "2 of 2"],
            "topic" => [topic; 4], "wrong" => [0.0, 0.0, 0.0, 1.0])
        .unwrap(),
    };
    let svg = check("anatomy", || anatomy_figure(&anatomy, &catalog, "made up"));
    assert!(svg.contains("wrong answers most often take a wrong helper") && svg.contains(topic));
    // Passes, wrong helper; second of two; the topic has one wrong step in four.
    assert_eq!((count(&svg, "\n50\n"), count(&svg, "\n25\n")), (3, 1));
    let nothing = Anatomy { answers: anatomy.answers.clear(), steps: anatomy.steps.clear() };
    assert!(matches!(anatomy_figure(&nothing, &catalog, "made up"), Err(Error::Figure(_))));
}

#[test]
fn data_set() {
    let problems = made_up_problems();
    let data = Counts::of(&problems.iter().collect::<Vec<_>>());
    assert_eq!((data.topics.len(), data.n_source), (10, 5));
    assert_eq!(data.in_set[&("1".to_owned(), Set::AtomBase)], 100);
    let pairs: usize = data.feeds.values().sum();
    assert_eq!(pairs, problems.iter().map(|problem| problem.depth - 1).sum::<usize>());
    check("dataset", || dataset_figure("made up", &problems));
}

#[test]
fn figures_survive_missing_arms_and_say_when_nothing_was_run() {
    let nothing = evidence(&[], 1);
    for (name, _) in FIGURES {
        assert!(matches!(named(name, &nothing), Err(Error::Figure(_))), "{name}");
    }
    for arm in ARMS {
        let one = evidence(&[arm], 1);
        for (name, _) in FIGURES {
            match named(name, &one) {
                Ok(_) => drop(check("partial", || named(name, &one))),
                Err(error) => assert!(matches!(error, Error::Figure(_)), "{error}"),
            }
        }
    }
    check("partial", || dataset_figure("made up", &[]));
}

#[test]
fn a_failed_drawing_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("figures/x.svg");
    Svg::draw(|_| Ok(())).unwrap().save(&path).unwrap();
    let before = std::fs::read(&path).unwrap();
    let failed = Svg::draw(|_| Err(Error::Figure("no".to_owned()))).and_then(|svg| svg.save(&path));
    assert!(failed.is_err());
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 2, "the figure and its twin");
}

#[test]
fn frontier_has_a_star_where_the_reader_ended() {
    let data = evidence(&ARMS, 2);
    let plain = check("frontier", || named("frontier", &data));
    let mine = made_up_outcomes(&[("sft-mix-64", "final", [0.9, 0.6, 0.5, 0.4, 0.4, 0.1])], 1);
    let data = Evidence { star: Some(("sft-mix-64".to_owned(), Scores(mine))), ..data };
    let svg = check("frontier-star", || named("frontier", &data));
    // A rim and a star in each panel.
    assert_eq!(count(&svg, "<polygon"), count(&plain, "<polygon") + 4);
    assert_eq!((count(&plain, "yours: "), count(&svg, "yours: SFT: atoms + 64")), (0, 2));
}
