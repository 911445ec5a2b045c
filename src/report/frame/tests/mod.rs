//! Pass rates and intervals at their analytic limits.

mod crossed;
mod nonlinear;

use rand::Rng;

use super::scores::LAST_STAGE;
use super::*;
use crate::base::Seed;
use crate::data::Set;
use crate::sandbox::CaseWord;
use crate::study::{AnswerWord, Connective, FINAL_STAGE, OutcomeRow, Prompts};

/// One arm at one seed on one set: `passes[i]` of 4 samples passed on problem `i`; the greedy
/// answer passes where at least 2 did.
pub(crate) fn answers(arm: &str, seed: u64, set: Set, passes: &[u32]) -> Vec<(String, u64, OutcomeRow)> {
    answers_at(arm, seed, FINAL_STAGE, set, passes)
}

pub(crate) fn answers_at(
    arm: &str,
    seed: u64,
    stage: &str,
    set: Set,
    passes: &[u32],
) -> Vec<(String, u64, OutcomeRow)> {
    passes
        .iter()
        .enumerate()
        .map(|(index, passed)| {
            let word = |passes| match passes {
                true => AnswerWord::Judged(CaseWord::Pass),
                false => AnswerWord::Judged(CaseWord::WrongAnswer),
            };
            let row = OutcomeRow {
                stage: stage.to_owned(),
                set,
                prompts: Prompts::Train,
                problem: format!("{} {index}", set.name()),
                depth: 2,
                wording: index % 2,
                connective: Some([Connective::Then, Connective::Next][index % 2]),
                greedy: word(*passed >= 2),
                sampled: (0..4).map(|sample| word(sample < *passed)).collect(),
            };
            (arm.to_owned(), seed, row)
        })
        .collect()
}

pub(crate) fn cell(arm: &str, set: Set, decode: Decode) -> Cell {
    Cell { arm: arm.to_owned(), stage: FINAL_STAGE.to_owned(), set, prompts: Prompts::Train, decode }
}

fn rate(arm: &str) -> Quantity {
    Quantity::Rate(cell(arm, Set::CompositeB, Decode::Greedy))
}

fn scores(rows: &[(String, u64, OutcomeRow)]) -> Scores {
    Scores(rows.to_vec())
}

fn coin(seed: u64, problems: usize, chance: f64) -> Vec<u32> {
    let mut rng = Seed::new(seed).stream("coin");
    (0..problems).map(|_| if rng.random_bool(chance) { 4 } else { 0 }).collect()
}

#[test]
fn all_pass_gives_the_interval_one_to_one() {
    let rows: Vec<_> = (0..3).flat_map(|seed| answers("x", seed, Set::CompositeB, &[4; 20])).collect();
    let estimate = scores(&rows).interval(&rate("x"), &Bootstrap::standard()).unwrap();
    assert_eq!((estimate.value, estimate.bootstrap), (1.0, (1.0, 1.0)));
    assert!((estimate.low - 1.0).abs() < 1e-9 && (estimate.high - 1.0).abs() < 1e-9, "{estimate:?}");
    assert_eq!((estimate.n_seeds, estimate.n_problems), (3, 20));
}

#[test]
fn one_seed_gives_the_binomial_interval_and_says_so() {
    // Half of 400 problems pass: standard error sqrt(.25 / 400) = 0.025.
    let passes: Vec<u32> = (0..400).map(|index| if index % 2 == 0 { 4 } else { 0 }).collect();
    let rows = answers("x", 0, Set::CompositeB, &passes);
    let estimate = scores(&rows).interval(&rate("x"), &Bootstrap::standard()).unwrap();
    assert_eq!(estimate.value, 0.5);
    assert_eq!(estimate.n_seeds, 1);
    for (low, high) in [(estimate.low, estimate.high), estimate.bootstrap] {
        let half_width = (high - low) / 2.0;
        assert!((half_width - 1.96 * 0.025).abs() < 0.004, "{half_width}");
    }
}

#[test]
fn seeds_that_differ_widen_the_interval() {
    // Within a seed every problem goes the same way; only seeds vary: 5 of 10 pass everything.
    let rows: Vec<_> = (0..10)
        .flat_map(|seed| answers("x", seed, Set::CompositeB, &[if seed % 2 == 0 { 4 } else { 0 }; 50]))
        .collect();
    let estimate = scores(&rows).interval(&rate("x"), &Bootstrap::standard()).unwrap();
    // Binomial(10, .5) / 10: standard deviation 0.158, 2.5% and 97.5% quantiles 0.2 and 0.8.
    let (low, high) = estimate.bootstrap;
    assert!((low - 0.2).abs() < 0.01 && (high - 0.8).abs() < 0.01, "{estimate:?}");
    // Only seeds vary: the crossed interval is that of the seeds alone.
    let (low, high) = estimate.seeds_alone.unwrap();
    assert!((estimate.low - low).abs() < 1e-9 && (estimate.high - high).abs() < 1e-9, "{estimate:?}");
}

#[test]
fn differences_are_paired_by_problem_and_seed() {
    // Both arms pass the same half, and `better` one problem in ten more: a constant difference
    // up to which problems are drawn.
    let base = coin(1, 300, 0.5);
    let better: Vec<u32> = base.iter().enumerate().map(|(i, p)| if i % 10 == 0 { 4 } else { *p }).collect();
    let gained = base.iter().zip(&better).filter(|(a, b)| a != b).count() as f64 / 300.0;
    let mut rows = Vec::new();
    for seed in 0..3 {
        rows.extend(answers("base", seed, Set::CompositeB, &base));
        rows.extend(answers("better", seed, Set::CompositeB, &better));
    }
    let scores = scores(&rows);
    let paired = scores.interval(&rate("better").minus(rate("base")), &Bootstrap::standard()).unwrap();
    assert!((paired.value - gained).abs() < 1e-12);
    // Standard error of a share `gained` of 300; unpaired it would be about sqrt(2 * .25 / 300).
    let expected = 1.96 * (gained * (1.0 - gained) / 300.0).sqrt();
    assert!(((paired.high - paired.low) / 2.0 - expected).abs() < 0.2 * expected, "{paired:?}");
    assert!(paired.low > 0.0);
    let nothing = scores.interval(&rate("base").minus(rate("base")), &Bootstrap::standard()).unwrap();
    assert_eq!((nothing.low, nothing.high), (0.0, 0.0));
}

#[test]
fn only_shared_seeds_count_and_what_is_missing_is_named() {
    let mut rows = answers("a", 0, Set::CompositeB, &[4, 4]);
    rows.extend(answers("a", 1, Set::CompositeB, &[4, 0]));
    rows.extend(answers("b", 1, Set::CompositeB, &[0, 0]));
    rows.extend(answers("c", 2, Set::CompositeB, &[0, 0]));
    let scores = scores(&rows);
    let both = scores.interval(&rate("a").minus(rate("b")), &Bootstrap::standard()).unwrap();
    assert_eq!((both.value, both.n_seeds), (0.5, 1));
    let none = scores.interval(&rate("b").minus(rate("c")), &Bootstrap::standard()).unwrap_err();
    assert_eq!(
        none.to_string(),
        "no finished run of one seed in all of: b, c; `make study` trains the arms of a tier"
    );
    let absent = scores.interval(&rate("z"), &Bootstrap::standard()).unwrap_err();
    assert!(absent.to_string().contains("arm `z`, stage `final`, set `composite_b`"), "{absent}");
}

#[test]
fn worst_arm_gap_and_scale() {
    let mut rows = answers("a", 0, Set::CompositeB, &[4, 4, 0, 0]);
    rows.extend(answers("b", 0, Set::CompositeB, &[4, 0, 0, 0]));
    rows.extend(answers("a", 0, Set::CompositeATrain, &[4, 4, 4, 4]));
    let scores = scores(&rows);
    let value = |quantity: &Quantity| scores.interval(quantity, &Bootstrap::standard()).unwrap().value;
    assert_eq!(value(&Quantity::Extreme(Extreme::Min, vec![rate("a"), rate("b")])), 0.25);
    assert_eq!(value(&Quantity::Extreme(Extreme::Max, vec![rate("a"), rate("b")])), 0.5);
    assert_eq!(value(&Quantity::Scaled(0.5, Box::new(rate("a")))), 0.25);
    assert_eq!(value(&Quantity::Constant(0.3)), 0.3);
    let gap = Quantity::gap(
        &cell("a", Set::CompositeATrain, Decode::Greedy),
        Set::CompositeATrain,
        Set::CompositeB,
    );
    assert_eq!(value(&gap), 0.5);
}

#[test]
fn sandbox_failures_are_left_out_not_failed() {
    let mut rows = answers("x", 0, Set::CompositeB, &[4, 4, 0]);
    rows[2].2.greedy = AnswerWord::Infra;
    rows[2].2.sampled = vec![AnswerWord::Infra; 4];
    let scores = scores(&rows);
    for decode in [Decode::Greedy, Decode::Sampled, Decode::PassAt(4)] {
        let quantity = Quantity::Rate(cell("x", Set::CompositeB, decode));
        let estimate = scores.interval(&quantity, &Bootstrap::standard()).unwrap();
        assert_eq!((estimate.value, estimate.n_problems), (1.0, 2), "{decode}");
    }
}

#[test]
fn a_wording_has_rates_of_its_own() {
    // Problems take turns: two of three with the first connective pass, one of two with the second.
    let scores = scores(&answers("x", 0, Set::CompositeB, &[4, 0, 4, 4, 0]));
    let rate_with = |connective| {
        let asked = scores.only(|row| row.connective == Some(connective));
        asked.interval(&rate("x"), &Bootstrap::standard()).map(|found| (found.value, found.n_problems))
    };
    assert_eq!(rate_with(Connective::Then).unwrap(), (2.0 / 3.0, 3));
    assert_eq!(rate_with(Connective::Next).unwrap(), (0.5, 2));
    assert!(rate_with(Connective::AfterThat).is_err());
}

#[test]
fn stages_come_in_order_and_last_is_the_last() {
    let mut rows = Vec::new();
    for (stage, passed) in [("epoch-10", 4), ("epoch-2", 0), ("epoch-1", 0)] {
        rows.extend(answers_at("x", 0, stage, Set::CompositeB, &[passed]));
    }
    let scores_ = scores(&rows);
    assert_eq!(scores_.stages("x"), ["epoch-1", "epoch-2", "epoch-10"]);
    let last = Cell { stage: LAST_STAGE.to_owned(), ..cell("x", Set::CompositeB, Decode::Greedy) };
    let estimate = scores_.interval(&Quantity::Rate(last), &Bootstrap::standard()).unwrap();
    assert_eq!(estimate.value, 1.0);
    rows.extend(answers("x", 0, Set::CompositeB, &[0]));
    assert_eq!(scores(&rows).stages("x").last(), Some(&"final"));
}

#[test]
fn pass_at_k_is_a_mean_over_problems_and_needs_enough_samples() {
    let mut rows = answers("x", 0, Set::CompositeB, &[4, 2, 1, 0]);
    rows.extend(answers("x", 1, Set::CompositeB, &[4, 2, 1, 0]));
    let scores = scores(&rows);
    let found =
        |decode| scores.interval(&Quantity::Rate(cell("x", Set::CompositeB, decode)), &Bootstrap::standard());
    let pass_at_2 = (1.0 + 5.0 / 6.0 + 0.5) / 4.0;
    let decodes = [Decode::Greedy, Decode::Sampled, Decode::PassAt(2)];
    for (decode, expected) in decodes.into_iter().zip([0.5, 7.0 / 16.0, pass_at_2]) {
        let found = found(decode).unwrap();
        assert!((found.value - expected).abs() < 1e-12, "{decode}: {found:?}");
        assert_eq!(found.n_seeds, 2);
    }
    // pass@8 of 4 samples cannot be had.
    assert!(found(Decode::PassAt(8)).is_err());
}

#[test]
fn what_the_seeds_alone_say_is_students_interval() {
    // Rates 0.2, 0.4 and 0.6: standard deviation 0.2, t(0.975, 2) = 4.303, so 0.4 +- 0.497.
    let passes = |passing: usize| (0..10).map(|at| if at < passing { 4 } else { 0 }).collect::<Vec<u32>>();
    let rows: Vec<_> =
        (0..3).flat_map(|seed| answers("x", seed, Set::CompositeB, &passes(2 + 2 * seed as usize))).collect();
    let (low, high) =
        scores(&rows).interval(&rate("x"), &Bootstrap::standard()).unwrap().seeds_alone.unwrap();
    assert!((low + 0.0968).abs() < 1e-3 && (high - 0.8968).abs() < 1e-3, "[{low}, {high}]");
    let one = answers("x", 0, Set::CompositeB, &passes(5));
    assert_eq!(scores(&one).interval(&rate("x"), &Bootstrap::standard()).unwrap().seeds_alone, None);
}

#[test]
fn curves_average_seeds_and_smooth_within_them() {
    let metrics = df!(
        "arm" => ["rl"; 6],
        "seed" => [0u64, 0, 0, 1, 1, 1],
        "stage" => ["rl"; 6],
        "step" => [0u64, 1, 2, 0, 1, 2],
        "name" => ["reward_mean"; 6],
        "value" => [0.0, 1.0, 2.0, 2.0, 3.0, f64::NAN],
    )
    .unwrap();
    let plain = curve(&metrics, "rl", "rl", "reward_mean", 1).unwrap();
    assert_eq!(plain.iter().map(|point| point.value).collect::<Vec<_>>(), [1.0, 2.0, 2.0]);
    assert_eq!((plain[0].low, plain[0].high, plain[0].n_seeds), (0.0, 2.0, 2));
    assert_eq!(plain[2].n_seeds, 1);
    let smooth = curve(&metrics, "rl", "rl", "reward_mean", 2).unwrap();
    assert_eq!(smooth.iter().map(|point| point.value).collect::<Vec<_>>(), [1.0, 1.5, 1.5]);
    assert!(curve(&metrics, "rl", "sft", "loss", 1).unwrap().is_empty());
}

#[test]
fn atoms_are_counted_in_each_chain_they_are_part_of() {
    let mut rows = answers("a", 0, Set::CompositeB, &[4, 0]);
    for ((.., row), key) in rows.iter_mut().zip(["x > y", "y > z"]) {
        row.problem = key.to_owned();
    }
    rows.push(("a".to_owned(), 0, OutcomeRow { stage: "step-1".to_owned(), ..rows[0].2.clone() }));
    let rate = |atom: &str| {
        let of_atom = atom_frame(&rows).unwrap().lazy().filter(col("atom").eq(lit(atom)));
        let mean = of_atom.select([col("greedy").mean(), col("sampled").mean()]).collect().unwrap();
        [0, 1].map(|at| mean.columns()[at].f64().unwrap().get(0).unwrap())
    };
    assert_eq!([rate("x"), rate("y"), rate("z")], [[1.0; 2], [0.5; 2], [0.0; 2]]);
}
