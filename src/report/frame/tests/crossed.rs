//! The crossed interval against a mixed-model package, by hand, and in simulated studies.

use std::path::Path;

use itertools::Itertools;
use proptest::prelude::*;
use serde::Deserialize;
use statrs::statistics::Statistics;

use super::super::quantile;
use super::super::resample::{Block, Resample};
use super::*;

fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    std::fs::read_to_string(path).unwrap()
}

#[derive(Deserialize)]
struct Golden {
    fits: Vec<Fit>,
    student: Vec<Student>,
}

#[derive(Deserialize)]
struct Fit {
    mean: f64,
    seed: f64,
    problem: f64,
    residual: f64,
    standard_error: f64,
    freedom: f64,
}

#[derive(Deserialize)]
struct Student {
    freedom: f64,
    quantile_975: f64,
    tail_2: f64,
}

/// `tests/golden/make_crossed.py`: REML, and Satterthwaite's degrees of freedom from its Hessian.
#[test]
fn a_mixed_model_package_finds_the_same_components_error_and_freedom() {
    let golden_: Golden = serde_json::from_str(&golden("crossed.json")).unwrap();
    let table = golden("crossed.csv");
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split(',').collect()).collect();
    for (number, fit) in golden_.fits.iter().enumerate() {
        let of_table = rows.iter().filter(|row| row[0] == number.to_string());
        let cells = of_table.map(|row| (row[2], row[1], row[3].parse::<f64>().unwrap()));
        let numbers = cells.sorted_by_key(|cell| (cell.0, cell.1)).map(|cell| cell.2).collect_vec();
        assert_eq!(numbers.len(), 180);
        let kept = Contributions { n_seeds: 3, sets: vec![numbers] };
        let (found, spread) = (kept.components(), kept.spread());
        let close = |found: f64, expected: f64| {
            assert!((found / expected - 1.0).abs() < 1e-3, "table {number}: {found}, expected {expected}");
        };
        close(kept.by_seed().mean(), fit.mean);
        close(found.seed, fit.seed);
        close(found.sets[0].problem, fit.problem);
        close(found.sets[0].residual, fit.residual);
        close(spread.standard_error, fit.standard_error);
        close(spread.freedom, fit.freedom);
    }
    for Student { freedom, quantile_975, tail_2 } in golden_.student {
        let spread = Spread { standard_error: 1.0, freedom };
        let (low, high) = spread.interval(0.0, 0.95);
        assert!((high / quantile_975 - 1.0).abs() < 1e-6 && low == -high, "{freedom}: {high}");
        assert!((spread.p_value(2.0) / tail_2 - 1.0).abs() < 1e-6, "{freedom}");
    }
}

#[test]
fn a_balanced_table_by_hand() {
    // Seed means 1, 3; problem means 0, 2, 4; residuals +-1/2 in the first two problems.
    let kept = Contributions { n_seeds: 2, sets: vec![vec![-1.5, 1.5, 1.5, 2.5, 3.0, 5.0]] };
    let found = kept.components();
    // Sums of squares: residual 4 * 1/4 on 2 degrees of freedom; means' variances 2 and 4.
    assert!((found.sets[0].residual - 0.5).abs() < 1e-12, "{found:?}");
    assert!((found.seed - (2.0 - 0.5 / 3.0)).abs() < 1e-12, "{found:?}");
    assert!((found.sets[0].problem - (4.0 - 0.5 / 2.0)).abs() < 1e-12, "{found:?}");
    let (seeds, problems, residual) = (2.0 / 2.0, 4.0 / 3.0, 0.5 / 6.0);
    let (variance, spread) = (seeds + problems - residual, kept.spread());
    assert!((spread.standard_error.powi(2) - variance).abs() < 1e-12, "{spread:?}");
    let of_variance = seeds.powi(2) + problems.powi(2) / 2.0 + residual.powi(2) / 2.0;
    assert!((spread.freedom - variance.powi(2) / of_variance).abs() < 1e-9, "{spread:?}");
}

#[test]
fn seeds_are_shared_by_sets_and_problems_are_not() {
    // Problems 0 and 1 in each set; a seed's effect is +-1 in the first, and as much the other way in the second.
    let first = vec![1.0, -1.0, 2.0, 0.0];
    let second = vec![-1.0, 1.0, 0.0, 2.0];
    let gap = Contributions { n_seeds: 2, sets: vec![first.clone(), second] };
    assert_eq!(gap.by_seed(), [1.0, 1.0]);
    // What is left: two variances of two problems' means, 1/2 each.
    assert!((gap.spread().standard_error.powi(2) - 2.0 * 0.5 / 2.0).abs() < 1e-12);
    assert!((gap.spread().freedom - 2.0).abs() < 1e-9);
    // The same way in both: twice the effect, four times its variance: totals 3 and -1.
    let sum = Contributions { n_seeds: 2, sets: vec![first.clone(), first] };
    assert!((sum.spread().standard_error.powi(2) - (8.0 / 2.0 + 0.5)).abs() < 1e-12);
}

#[test]
fn components_below_zero_count_as_zero() {
    let seeds_alike = Contributions { n_seeds: 2, sets: vec![vec![0.0, 1.0, 3.0, 2.0, 5.0, 5.0]] };
    assert!(seeds_alike.components().seed < 0.0);
    let problems = [0.5, 2.5, 5.0].variance() / 3.0;
    assert!((seeds_alike.spread().standard_error.powi(2) - problems).abs() < 1e-12);
    assert!((seeds_alike.spread().freedom - 2.0).abs() < 1e-9);
    // All means alike: the residuals alone, on (2 - 1) * (4 - 1) degrees of freedom.
    let all_alike = Contributions { n_seeds: 2, sets: vec![vec![0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0]] };
    let spread = all_alike.spread();
    assert!((spread.standard_error.powi(2) - (2.0 / 3.0) / 8.0).abs() < 1e-12, "{spread:?}");
    assert!((spread.freedom - 3.0).abs() < 1e-9, "{spread:?}");
}

#[test]
fn limits() {
    let spread = |n_seeds, sets: &[&[f64]]| {
        Contributions { n_seeds, sets: sets.iter().map(|set| set.to_vec()).collect() }.spread()
    };
    // One seed: the problems' t interval. One problem: nothing is known. Nothing varies: nothing is left open.
    let one_seed = spread(1, &[&[0.0, 1.0, 1.0, 1.0]]);
    assert!((one_seed.standard_error - 0.25).abs() < 1e-12 && (one_seed.freedom - 3.0).abs() < 1e-9);
    assert_eq!(spread(2, &[&[0.0, 1.0]]).interval(0.5, 0.95), (f64::NEG_INFINITY, f64::INFINITY));
    assert_eq!(spread(2, &[&[0.0; 8]]).interval(0.5, 0.95), (0.5, 0.5));
    assert_eq!([1.0, 0.0, -1.0].map(|excess| spread(2, &[&[0.0; 8]]).p_value(excess)), [0.0, 0.5, 1.0]);
    let not_a_number = spread(2, &[&[f64::NAN; 8]]);
    assert!(not_a_number.standard_error.is_infinite() && not_a_number.p_value(f64::NAN) == 0.5);
}

proptest! {
    #[test]
    fn never_below_the_residuals_and_the_p_value_agrees(
        numbers in prop::collection::vec(-1.0..1.0f64, 24),
        threshold in -0.5..0.5f64,
    ) {
        let study = Contributions { n_seeds: 3, sets: vec![numbers[..12].to_vec(), numbers[12..].to_vec()] };
        let (spread, value) = (study.spread(), study.by_seed().mean());
        let residuals: f64 = study.components().sets.iter().map(|set| set.residual / 12.0).sum();
        prop_assert!(spread.standard_error.powi(2) >= residuals * (1.0 - 1e-9));
        prop_assert!(spread.freedom > 0.9);
        let (low, high) = spread.interval(value, 0.95);
        prop_assert_eq!(low >= threshold, spread.p_value(value - threshold) <= 0.025);
        prop_assert_eq!(high <= threshold, spread.p_value(threshold - value) <= 0.025);
    }
}

#[test]
fn the_bootstrap_in_matrix_form_is_the_bootstrap() {
    // Two cells of one set, two seeds: draw by draw the same as picking rows.
    let numbers = (0..2 * 2 * 5).map(|at| f64::from(at * at % 7)).collect_vec();
    let sample = Resample { n_seeds: 2, blocks: vec![Block { n_cells: 2, numbers: numbers.clone() }] };
    let mut slow = Seed::new(3).stream("draws");
    let mut seen = Vec::new();
    let ends = sample.interval(50, 0.9, &mut Seed::new(3).stream("draws"), |means| {
        seen.push(means[0] - means[1]);
        means[0] - means[1]
    });
    for fast in &seen {
        let seeds = [0, 0].map(|_| rand::Rng::random_range(&mut slow, 0..2_usize));
        let problems = [0; 5].map(|_| rand::Rng::random_range(&mut slow, 0..5_usize));
        let cell = |cell: usize| {
            let picked = seeds.iter().cartesian_product(&problems);
            picked.map(|(seed, problem)| numbers[(problem * 2 + cell) * 2 + seed]).mean()
        };
        assert!((cell(0) - cell(1) - fast).abs() < 1e-12);
    }
    seen.sort_by(f64::total_cmp);
    assert_eq!(ends, (quantile(&seen, 0.05).unwrap(), quantile(&seen, 0.95).unwrap()));
    assert_eq!(
        [0.0, 0.25, 0.5, 1.0].map(|share| quantile(&[1.0, 2.0, 4.0], share)),
        [1.0, 1.5, 2.0, 4.0].map(Some)
    );
    assert_eq!(quantile(&[], 0.5), None);
}

#[test]
fn power_is_that_of_a_t_test() {
    let components = Components {
        seed: 0.001,
        sets: vec![SetComponents { n_problems: 240, problem: 0.03, residual: 0.12 }],
    };
    let highs = components.upper_ends(10, 0.95, 4000, &mut Seed::new(1).stream("power"));
    let power = |margin: f64| highs.iter().filter(|high| **high < margin).count() as f64 / 4000.0;
    // At margin 0 the true effect is the margin: the error of the test.
    assert!((power(0.0) - 0.025).abs() < 0.01, "{}", power(0.0));
    let standard_error = (0.001 / 10.0 + 0.03 / 240.0 + 0.12 / 2400.0_f64).sqrt();
    // Some 30 degrees of freedom: (2.04 + 0.85) standard errors give a power of .8.
    assert!((power(2.89 * standard_error) - 0.8).abs() < 0.03, "{}", power(2.89 * standard_error));
}

#[test]
fn a_problem_that_was_not_judged_once_is_left_out_of_all() {
    let passes = |seed: u64| (0..20).map(|at| ((at * 3 + seed * 5) % 5) as u32).collect_vec();
    let all = |keep: usize| {
        let of = |(arm, seed): (&str, u64)| {
            answers(arm, seed, Set::CompositeB, &passes(seed + arm.len() as u64)[..keep])
        };
        ["x", "yy"].into_iter().cartesian_product(0..3).flat_map(of).collect_vec()
    };
    let mut damaged = all(20);
    damaged
        .iter_mut()
        .filter(|(arm, seed, row)| arm == "x" && *seed == 1 && row.problem.ends_with(" 19"))
        .for_each(|(_, _, row)| {
            row.greedy = AnswerWord::Infra;
            row.sampled = vec![AnswerWord::Infra; 4];
        });
    let difference = |rows: Vec<_>| {
        let rate = |arm: &str| Quantity::Rate(cell(arm, Set::CompositeB, Decode::Sampled));
        Scores(rows).interval(&rate("x").minus(rate("yy")), &Bootstrap::standard()).unwrap()
    };
    let (found, without) = (difference(damaged), difference(all(19)));
    assert_eq!((found.n_dropped, found.n_problems), (1, 19));
    assert_eq!(Interval { n_dropped: 0, ..found }, without);
}
