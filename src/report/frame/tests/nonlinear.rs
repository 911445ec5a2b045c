//! Levels on a path, the best of arms: their intervals by the delta method.

use super::super::quantity::read_path;
use super::*;
use crate::study::Prompts;

/// Greedy answers of `arms` whose true rates are known: each answer compares its rate with a number that is
/// the problem's in two cases of five, the seed's in one of fifty, else its own, and uniform in each case.
fn study(arms: &[(&str, Set, f64)], n_seeds: u64, n_problems: usize, seed: Seed) -> Scores {
    let draw = |name: &str| seed.stream(name).random::<f64>();
    let mut rows = Vec::new();
    for (arm, set, rate) in arms {
        let (arm, stage) = arm.split_once('@').unwrap_or((arm, FINAL_STAGE));
        let shared: Vec<f64> = (0..n_problems).map(|problem| draw(&format!("{set:?} {problem}"))).collect();
        for seed_number in 0..n_seeds {
            let by_seed = draw(&format!("{arm} {set:?} {seed_number}"));
            let mut rng = seed.stream(&format!("{arm} {stage} {set:?} {seed_number} own"));
            let passed = shared.iter().map(|by_problem| {
                let own = rng.random::<f64>();
                let number = match rng.random::<f64>() {
                    which if which < 0.4 => *by_problem,
                    which if which < 0.42 => by_seed,
                    _ => own,
                };
                if number < *rate { 4 } else { 0 }
            });
            rows.extend(answers_at(arm, seed_number, stage, *set, &passed.collect::<Vec<u32>>()));
        }
    }
    Scores(rows)
}

fn at_level() -> Quantity {
    let on = |arm: &str, stage: &str, set| {
        let cell = Cell { stage: stage.to_owned(), ..cell(arm, set, Decode::Greedy) };
        Quantity::Rate(Cell { prompts: Prompts::Train, ..cell })
    };
    let (train, target) = (Set::CompositeATrain, Set::CompositeB);
    let stages = ["epoch-1", "epoch-2", "epoch-4", FINAL_STAGE];
    Quantity::AtLevel {
        level: Box::new(on("rl", FINAL_STAGE, train)),
        path: stages.map(|stage| (on("sft", stage, train), on("sft", stage, target))).to_vec(),
    }
}

/// True rates: the level .7 is three quarters of the way from .55 to .75, so the path's target rate is .475.
const PATH: [(&str, Set, f64); 9] = [
    ("sft@epoch-1", Set::CompositeATrain, 0.3),
    ("sft@epoch-1", Set::CompositeB, 0.25),
    ("sft@epoch-2", Set::CompositeATrain, 0.55),
    ("sft@epoch-2", Set::CompositeB, 0.4),
    ("sft@epoch-4", Set::CompositeATrain, 0.75),
    ("sft@epoch-4", Set::CompositeB, 0.5),
    ("sft", Set::CompositeATrain, 0.9),
    ("sft", Set::CompositeB, 0.4),
    ("rl", Set::CompositeATrain, 0.7),
];

/// A path that is nearly flat where it is read: at level .93, of two stages at .92 and .95, .53.
const FLAT: [(&str, Set, f64); 9] = [
    ("sft@epoch-1", Set::CompositeATrain, 0.75),
    ("sft@epoch-1", Set::CompositeB, 0.5),
    ("sft@epoch-2", Set::CompositeATrain, 0.92),
    ("sft@epoch-2", Set::CompositeB, 0.55),
    ("sft@epoch-4", Set::CompositeATrain, 0.95),
    ("sft@epoch-4", Set::CompositeB, 0.49),
    ("sft", Set::CompositeATrain, 0.97),
    ("sft", Set::CompositeB, 0.4),
    ("rl", Set::CompositeATrain, 0.93),
];

const ARMS: [(&str, Set, f64); 2] = [("x", Set::CompositeB, 0.2), ("y", Set::CompositeB, 0.5)];

#[test]
fn the_delta_method_and_the_bootstrap_agree() {
    let draws = Bootstrap { draws: 20_000, level: 0.95 };
    let found = study(&PATH, 10, 240, Seed::new(5)).interval(&at_level(), &draws).unwrap();
    assert!((found.value - 0.475).abs() < 0.1 && !found.off_path, "{found:?}");
    let (low, high) = found.bootstrap;
    // The bootstrap counts the residuals about twice (it errs on the wide side).
    let ratio = (high - low) / (found.high - found.low);
    assert!((0.95..1.35).contains(&ratio), "{ratio}: {found:?}");
}

#[test]
fn their_intervals_hold_the_truth_as_often_as_they_say() {
    let settings = Bootstrap { draws: 1, level: 0.95 };
    let best = Quantity::Extreme(Extreme::Max, vec![rate("x"), rate("y")]);
    let cases = [(at_level(), &PATH[..], 0.475), (at_level(), &FLAT[..], 0.53), (best, &ARMS[..], 0.5)];
    for (quantity, arms, truth) in cases {
        const STUDIES: u64 = 400;
        let holds = |seed| {
            let found = study(arms, 6, 60, Seed::new(seed)).interval(&quantity, &settings).unwrap();
            (found.low..=found.high).contains(&truth)
        };
        let coverage = (0..STUDIES).filter(|seed| holds(*seed)).count() as f64 / STUDIES as f64;
        // 400 studies: one standard error is .011.
        assert!((0.92..0.985).contains(&coverage), "{coverage}: {quantity:?}");
    }
}

#[test]
fn a_path_is_read_where_it_first_reaches_a_level() {
    let path = [(0.2, 1.0), (0.4, 2.0), (0.3, 9.0), (0.4, 9.0), (0.8, 4.0), (0.7, 0.0)];
    let read = |level| read_path(path.into_iter(), level).unwrap();
    assert_eq!(read(0.2), (1.0, false));
    assert!((read(0.3).0 - 1.5).abs() < 1e-12 && !read(0.3).1);
    assert!((read(0.6).0 - 3.0).abs() < 1e-12);
    assert_eq!([read(0.4), read(0.8)], [(2.0, false), (4.0, false)]);
    assert_eq!([read(0.1), read(0.9)], [(1.0, true), (4.0, true)]);
    assert_eq!(read_path([].into_iter(), 0.5), None);
    // And an interval says so.
    let off: Vec<_> =
        PATH.iter().map(|(arm, set, rate)| (*arm, *set, if *arm == "rl" { 1.0 } else { *rate })).collect();
    let found = study(&off, 3, 40, Seed::new(1)).interval(&at_level(), &Bootstrap::standard()).unwrap();
    assert!(found.off_path);
}
