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
    let settings = ["pretrain_steps=4", "start_steps=2", "checkpoint_every=1"].map(str::to_owned);
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
