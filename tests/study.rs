//! The notebooks' way in, from outside: runs are trained once, then read; committed records do where this
//! machine has no run; what was trained again is the same to the last bit.

// A test that unwraps an error has failed, and says why.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::project;
use sft_vs_rl::{FinishedRun, Options, Runs, Study, Tier};

#[test]
fn runs_are_trained_once_read_from_records_and_the_same_when_trained_again() {
    let project = project();
    let root = project.path();
    let settings = ["pretrain_steps=4", "start_steps=2", "checkpoint_every=1", "eval.keep_answers=[0]"];
    let settings = settings.map(str::to_owned);
    let tier = Tier::named("smoke").unwrap().with(&settings).unwrap();
    let open = || {
        let options =
            Options { root: root.to_path_buf(), tier: tier.clone(), ..Options::here("smoke").unwrap() };
        Study::with(options).unwrap()
    };
    let study = open();
    assert!(study.train("nothing", [0]).is_err());

    let trained = study.train("sft-start", [0]).unwrap();
    assert_eq!(trained.origins(), [PathBuf::from("data/runs")]);
    let own = Runs::own(root, &tier.name).unwrap();
    assert_eq!(own.runs.len(), 2, "the parent was trained as well");
    own.export(&root.join("data/records").join(&tier.name)).unwrap();

    // No run of this machine: the record does, and nothing is trained.
    fs::remove_dir_all(root.join("data/runs")).unwrap();
    let read = open().train("sft-start", [0]).unwrap();
    assert_eq!(read.origins(), [Path::new("data/records").join(&tier.name)]);
    assert!(Runs::own(root, &tier.name).unwrap().runs.is_empty());

    // Seed 0 keeps its answers, in records too: the prompts, and what was judged.
    for run in &read.runs {
        let (answers, rows) = (run.answers().unwrap(), run.outcomes().unwrap());
        assert!(answers.iter().map(|answer| &answer.outcome).eq(&rows));
        assert!(answers.iter().all(|answer| answer.prompt.starts_with("# ")));
        assert_eq!(answers.iter().map(|answer| answer.sampled.len()).max(), Some(tier.eval.samples));
    }
    let other = study.run(study.arms.arm("base").unwrap(), 1).unwrap();
    assert!(other.answers().unwrap().is_empty());
    let keeps = |run: &FinishedRun| run.spec.config["eval"]["keep_answers"].clone();
    assert_eq!((keeps(&read.runs[0]), keeps(&other)), (true.into(), false.into()));

    // Trained again, it is the record's equal.
    let study = open();
    study.run(study.arms.arm("sft-start").unwrap(), 0).unwrap();
    let compared = Runs::own(root, &tier.name).unwrap().compare(&Runs::committed(root, &tier.name).unwrap());
    let compared = compared.unwrap();
    assert_eq!(compared.len(), 2);
    assert!(compared.iter().all(|row| row.same_settings && row.same_weights && row.same_outcomes));
}

/// Seeds and arms of a fan-out in miniature, with what it takes to open it.
fn small(root: &Path) -> Study {
    let settings = ["pretrain_steps=4", "start_steps=2", "rl_steps=1"].map(str::to_owned);
    let tier = Tier::named("smoke").unwrap().with(&settings).unwrap();
    Study::with(Options { root: root.to_path_buf(), tier, ..Options::here("smoke").unwrap() }).unwrap()
}

#[test]
fn runs_side_by_side_are_those_one_after_the_other_and_a_failure_takes_only_its_children() {
    let (one, two) = (project(), project());
    let (study, names, seeds) = (small(one.path()), ["finding2".to_owned()], [1, 0]);
    let plan = study.schedule(&names, &seeds, 1, true).unwrap();
    assert!(plan.runs.iter().all(|run| !run.finished && run.seconds.unwrap() > 0.0));
    study.train_all(&plan.runs, 1).unwrap();

    // The plan: seeds as asked for, parents first, nothing left; and time is that of the finished runs.
    let after = study.schedule(&names, &seeds, 1, false).unwrap();
    let listed: Vec<(u64, &str)> = after.runs.iter().map(|run| (run.seed, run.arm.as_str())).collect();
    let arms = ["base", "sft-start", "sft-more", "sft-tuned", "sft-rl"];
    assert_eq!(listed, [1, 0].into_iter().flat_map(|seed| arms.map(|arm| (seed, arm))).collect::<Vec<_>>());
    assert!(after.runs.iter().all(|run| run.finished) && after.hours == Some(0.0));
    let more = study.schedule(&["sft-rl".to_owned(), "rl-format".to_owned()], &[2], 1, false).unwrap();
    assert_eq!(more.hours, None);
    let own = Runs::own(one.path(), &study.tier.name).unwrap();
    let longest = own.of_arm("sft-rl").iter().map(|run| run.record.facts.seconds()).fold(0.0, f64::max);
    let [base, start, rl, format] = &more.runs[..] else { panic!("{:?}", more.runs) };
    assert_eq!((&start.parent, &rl.parent), (&Some(base.hash.clone()), &Some(start.hash.clone())));
    assert_eq!((rl.seconds, rl.basis.as_str()), (Some(longest), "2 finished runs"));
    assert_eq!((format.seconds, format.basis.as_str()), (None, ""));

    // Each run tells training from evaluation, and how far its model is from the base model.
    for run in &own.runs {
        let facts = &run.record.facts;
        assert!(facts.cost.seconds > 0.0 && facts.evaluation.seconds > 0.0);
        assert_eq!(facts.evaluation.tokens_trained, 0);
        let drift = facts.drift.unwrap();
        let is_base = run.record.arm == "base";
        assert_eq!((drift.kl_to_base, drift.kl_from_base) == (0.0, 0.0), is_base, "{drift:?}");
        assert!((0.0..20.0).contains(&drift.wild_loss), "{drift:?}");
    }
    let forgot = own.drift().unwrap();
    assert_eq!(forgot.rows.len(), 4);
    assert!(forgot.rows.iter().all(|row| row[1] == "2"), "{forgot:?}");
    // SFT on as many samples reads whole programs at each step, RL writes and reads them: SFT reaches RL's tokens.
    let budgets = own.budgets().unwrap();
    assert_eq!(budgets.rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["sft-rl"; 3]);
    let steps: f64 = budgets.rows[0][2].split(',').next().unwrap().parse().unwrap();
    let most = (study.tier.start_steps + study.tier.more_steps()) as f64;
    assert!(study.tier.start_steps as f64 <= steps && steps <= most, "{budgets:?}");

    // Two at a time, and one that cannot begin: a file lies where its folder should be.
    let study = small(two.path());
    let runs = study.planned(&names, &seeds).unwrap();
    let in_the_way = two.path().join(format!("data/runs/sft-start/1-{}", &runs[1].hash[..12]));
    fs::create_dir_all(in_the_way.parent().unwrap()).unwrap();
    fs::write(&in_the_way, "").unwrap();
    let message = study.train_all(&runs, 2).unwrap_err().to_string();
    assert!(message.contains("sft-start/1-"), "{message}");
    let finished = study.planned(&names, &seeds).unwrap().into_iter().filter(|run| run.finished);
    let finished: Vec<String> = finished.map(|run| format!("{} {}", run.arm, run.seed)).collect();
    assert_eq!(
        finished,
        ["base 1", "sft-tuned 1", "base 0", "sft-start 0", "sft-more 0", "sft-tuned 0", "sft-rl 0"]
    );

    // Without it, the rest; and all of it has the bits of the runs one after the other.
    fs::remove_file(&in_the_way).unwrap();
    study.train_all(&runs, 2).unwrap();
    let compared = Runs::own(two.path(), &study.tier.name).unwrap().compare(&own).unwrap();
    assert_eq!(compared.len(), 10);
    assert!(compared.iter().all(|row| row.same_settings && row.same_weights && row.same_outcomes));
    assert!(study.train_all(&runs, 0).is_err());
}
