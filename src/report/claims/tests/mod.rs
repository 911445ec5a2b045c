//! Verdicts on frames whose answers are known, and damaged claims files.

mod version2;

use std::path::Path;

use super::*;
use crate::data::Set;
use crate::report::frame::tests::{answers, answers_at};

const HEAD: &str = r#"
level = 0.95
draws = 1000
[min_seeds]
quick = 2
full = 10
[[finding]]
number = 1
text = "a beats b"
"#;

const CLAUSE: &str = r#"
[[clause]]
id = "c"
finding = 1
text = "a is better than b"
metric = "sampled"
left = { arm = "a", set = "composite_b" }
right = { arm = "b", set = "composite_b" }
relation = ">="
threshold = 0.1
"#;

fn parse(text: &str) -> Claims {
    Claims::parse(text, Path::new("claims.toml")).unwrap()
}

/// `arm` passes `passing` of 100 problems in each of `seeds`.
fn rows(arm: &str, passing: usize, seeds: &[u64]) -> Vec<(String, u64, crate::study::OutcomeRow)> {
    let passes: Vec<u32> = (0..100).map(|problem| if problem < passing { 4 } else { 0 }).collect();
    seeds.iter().flat_map(|seed| answers(arm, *seed, Set::CompositeB, &passes)).collect()
}

fn judge(claims: &Claims, arms: &[(&str, usize)], seeds: &[u64]) -> ClaimsReport {
    let rows: Vec<_> = arms.iter().flat_map(|(arm, passing)| rows(arm, *passing, seeds)).collect();
    claims.judge(&Scores(rows), "quick").unwrap()
}

fn all_supported(report: &ClaimsReport) -> bool {
    report.findings.iter().all(|judged| judged.ruling == Ruling::Supported)
}

#[test]
fn an_interval_on_either_side_of_the_threshold_decides() {
    let claims = parse(&format!("{HEAD}{CLAUSE}"));
    let outcome = |a, b| judge(&claims, &[("a", a), ("b", b)], &[0, 1]).clauses[0].ruling;
    assert_eq!(outcome(80, 30), Ruling::Supported);
    assert_eq!(outcome(30, 30), Ruling::Refuted);
    assert_eq!(outcome(30, 80), Ruling::Refuted);
    assert_eq!(outcome(40, 28), Ruling::Inconclusive);
    let report = judge(&claims, &[("a", 80), ("b", 30)], &[0, 1]);
    assert!(all_supported(&report));
    let estimate = report.clauses[0].interval().copied().unwrap();
    assert!((estimate.value - 0.5).abs() < 1e-12);
    assert_eq!(estimate.n_seeds, 2);
}

#[test]
fn the_other_relation_is_the_mirror() {
    let clause = CLAUSE.replace(">=", "<=").replace("0.1", "-0.1");
    let claims = parse(&format!("{HEAD}{clause}"));
    let outcome = |a, b| judge(&claims, &[("a", a), ("b", b)], &[0, 1]).clauses[0].ruling;
    assert_eq!(outcome(30, 80), Ruling::Supported);
    assert_eq!(outcome(80, 30), Ruling::Refuted);
}

#[test]
fn missing_runs_and_too_few_seeds_are_inconclusive_and_say_why() {
    let claims = parse(&format!("{HEAD}{CLAUSE}"));
    let report = judge(&claims, &[("a", 80)], &[0, 1]);
    assert_eq!(report.clauses[0].ruling, Ruling::Inconclusive);
    assert!(report.clauses[0].reason.contains("arm `b`"), "{}", report.clauses[0].reason);
    let report = judge(&claims, &[("a", 80), ("b", 30)], &[0]);
    assert_eq!(report.clauses[0].ruling, Ruling::Inconclusive);
    assert_eq!(report.clauses[0].reason, "1 of 2 seeds");
    assert_eq!(report.findings[0].ruling, Ruling::Inconclusive);
    assert!(report.to_string().contains("say nothing about another seed"));
}

#[test]
fn a_control_that_shows_the_same_or_was_not_run_blocks_the_finding() {
    let control = CLAUSE.replace("\"c\"", "\"k\"\nrole = \"control\"").replace("\"a\"", "\"shuffled\"");
    let claims = parse(&format!("{HEAD}{CLAUSE}{control}"));
    let finding = |shuffled: Option<usize>| {
        let mut arms = vec![("a", 80), ("b", 30)];
        arms.extend(shuffled.map(|passing| ("shuffled", passing)));
        judge(&claims, &arms, &[0, 1]).findings[0].clone()
    };
    assert_eq!(finding(Some(30)).ruling, Ruling::Supported);
    assert_eq!(finding(Some(80)).ruling, Ruling::Inconclusive);
    assert_eq!(finding(Some(80)).reason, "the control shows the same: k");
    assert_eq!(finding(None).reason, "control not run: k");
    // Not this tier's control: it does not block.
    let claims = parse(&format!("{HEAD}{CLAUSE}{}", control.replace("metric", "tiers = [\"full\"]\nmetric")));
    assert!(all_supported(&judge(&claims, &[("a", 80), ("b", 30)], &[0, 1])));
}

#[test]
fn gaps_stages_constants_and_the_best_of_several_arms() {
    let clauses = r#"
[[clause]]
id = "gap"
finding = 1
text = "gap at the last stage against the first"
metric = "sampled"
left = { arm = "long", stage = "last", gap = ["composite_a_train", "composite_b"] }
right = { arm = "long", stage = "epoch-1", gap = ["composite_a_train", "composite_b"] }
relation = ">="
threshold = 0.3
[[clause]]
id = "best"
finding = 1
role = "report"
text = "the best of two at epoch 1, half of it, against a constant"
metric = "greedy"
left = { arm = ["long", "long"], combine = "max", scale = 0.5, stage = "epoch-1", set = "composite_b" }
right = 0.25
relation = "<="
threshold = 0.0
"#;
    let claims = parse(&format!("{HEAD}{clauses}"));
    let mut rows = Vec::new();
    for seed in 0..2 {
        for (stage, train, target) in [("epoch-1", 2, 2), ("epoch-9", 4, 2)] {
            rows.extend(answers_at("long", seed, stage, Set::CompositeATrain, &[train; 10]));
            rows.extend(answers_at("long", seed, stage, Set::CompositeB, &[target; 10]));
        }
    }
    let report = claims.judge(&Scores(rows), "quick").unwrap();
    let estimate = |index: usize| report.clauses[index].interval().copied().unwrap().value;
    assert!((estimate(0) - 0.5).abs() < 1e-12);
    assert!((estimate(1) - 0.25).abs() < 1e-12);
    assert_eq!(report.clauses[0].ruling, Ruling::Supported);
    assert_eq!(report.clauses[1].ruling, Ruling::Refuted);
    // A report clause decides nothing.
    assert!(all_supported(&report));
    assert_eq!(report.table(1).rows.len(), 2);
    let text = report.to_string();
    assert!(text.contains("Finding 1: SUPPORTED") && text.contains("+50.0"), "{text}");
}

#[test]
fn damaged_files_are_named_with_line_or_field() {
    let error = |text: &str| Claims::parse(text, Path::new("claims.toml")).unwrap_err().to_string();
    let whole = format!("{HEAD}{CLAUSE}");
    let line_of = |needle: &str| whole[..whole.find(needle).unwrap()].matches('\n').count() + 1;
    let cases = [
        ("threshold = 0.1", "threshold = ", line_of("threshold = 0.1"), ""),
        ("threshold = 0.1", "threshold = nan", line_of("\"c\""), "field `threshold`"),
        ("relation = \">=\"", "relation = \">\"", line_of("relation"), "unknown variant"),
        ("metric = \"sampled\"", "metric = \"pass@0\"", line_of("metric"), "unknown metric `pass@0`"),
        ("finding = 1", "finding = 4", line_of("\"c\""), "no finding 4"),
        ("text = \"a is", "txt = \"a is", line_of("text = \"a is"), "txt"),
        ("draws = 1000", "draws = 5", line_of("draws"), "field `draws`"),
        ("level = 0.95", "version = 2\nlevel = 0.95", 0, "field `version`"),
        ("level = 0.95", "version = 3\nlevel = 0.95", 0, "field `version`"),
        ("metric =", "metrics = [\"greedy\"]\nmetric =", line_of("\"c\""), "field `metric`"),
        ("metric = \"sampled\"\n", "", line_of("\"c\""), "field `metric`"),
        ("arm = \"a\"", "arm = [\"a\"]", line_of("\"c\""), "left.combine"),
        ("set = \"composite_b\" }\nright", "}\nright", line_of("\"c\""), "left.set"),
    ];
    for (from, to, line, expected) in cases {
        let damaged = whole.replacen(from, to, 1);
        assert_ne!(damaged, whole, "{from}");
        let found = error(&damaged);
        // Of some the line moves with the damage.
        let place = if line == 0 { "claims.toml:".to_owned() } else { format!("claims.toml:{line}:") };
        assert!(found.contains(&place), "{to}: expected line {line}: {found}");
        assert!(found.contains(expected), "{to}: {found}");
    }
    let twice = format!("{whole}{CLAUSE}");
    assert!(error(&twice).contains("two clauses have the id `c`"));
    assert!(Claims::load("/nonexistent/claims.toml").unwrap_err().to_string().contains("/nonexistent"));
}

#[test]
fn the_committed_claims_files_are_sound() {
    for file in ["data/claims.toml", "data/claims-version1.toml"] {
        let claims = Claims::load(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        check_shipped(&claims);
    }
}

fn check_shipped(claims: &Claims) {
    for number in 1..=3 {
        let required = claims
            .clauses
            .iter()
            .filter(|clause| clause.finding == number && clause.role == Role::Required)
            .filter(|clause| clause.applies_to("quick"));
        assert!(required.count() >= 2, "finding {number}");
        let controls = claims.clauses.iter().filter(|c| c.finding == number && c.role == Role::Control);
        assert!(controls.count() >= 1, "finding {number} has no negative control");
    }
    // Nothing was run: nothing is decided, and nothing fails.
    let report = claims.judge(&Scores(vec![]), "quick").unwrap();
    let undecided = if claims.version == 1 { Ruling::Inconclusive } else { Ruling::NotJudged };
    assert!(report.findings.iter().all(|verdict| verdict.ruling == undecided));
}

/// The README says it: 33 records of version 1, 3 seeds.
#[test]
fn the_records_of_version_1_keep_their_verdicts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let report = crate::study::Runs::of_folder(root, "quick", &root.join("data/records/version1/quick"))
        .unwrap()
        .claims()
        .unwrap();
    let points = |id: &str| {
        let judged = report.clauses.iter().find(|judged| judged.clause.id == id).unwrap();
        let found = judged.interval().copied().unwrap();
        assert_eq!(found.n_seeds, 3, "{id}");
        let (low, high) = found.bootstrap;
        [found.value, low, high].map(|rate| (100.0 * rate).round() as i32)
    };
    for (id, expected) in [
        ("f1.atoms-needed", [36, 26, 46]),
        ("f1.composites-needed", [-4, -13, 6]),
        ("f1.composites-needed-source", [20, 9, 30]),
        ("f2.beats-more-sft", [12, 2, 20]),
        ("f2.gain", [9, 3, 16]),
        ("f3.sft-over-fits", [22, 8, 36]),
        ("f3.smaller-gap", [16, 3, 28]),
        ("f3.matched-level", [6, -3, 14]),
    ] {
        assert_eq!(points(id).map(i32::abs), expected.map(i32::abs), "{id}");
        assert_eq!(points(id)[0].signum(), expected[0].signum(), "{id}");
    }
    assert!(report.findings.iter().all(|judged| judged.ruling == Ruling::Inconclusive));
    // The table of the notebooks is as it was, and what was wrong stands below the verdicts.
    let table = report.table(1);
    let names = ["clause", "wanted", "difference", "95% interval", "seeds alone (t)", "seeds", "verdict"];
    assert_eq!(table.names, names);
    assert_eq!(table.rows[0][3], "[+26.0, +46.1]");
    assert!(report.to_string().contains("over-trained"), "{report}");
}
