//! What cells of the notebooks do, from outside: start where a finding starts, ask, judge, teach one step.

// A test that unwraps an error has failed, and says why.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use common::project;
use sft_vs_rl::{
    AdamW, AnswerWord, CaseWord, Learner, Options, PpoConfig, Runs, Seed, Set, Study, predict, train_ppo,
    train_supervised,
};

fn open(root: &Path) -> Study {
    Study::with(Options { root: root.to_path_buf(), ..Options::here("smoke").unwrap() }).unwrap()
}

fn names(runs: &Runs) -> Vec<&str> {
    runs.runs.iter().map(|run| run.record.arm.as_str()).collect()
}

/// What a changed setting does not touch is the tier's own, and a model that is committed is not trained again.
#[test]
fn a_lesson_starts_from_the_model_that_is_committed() {
    let project = project();
    let root = project.path();
    let study = open(root).set(&["sft_steps=3"]).unwrap();
    assert_eq!(study.tier.name, "smoke-custom");
    let trained = study.train("sft-atoms", [10]).unwrap();
    let [base, lesson] = ["smoke", "smoke-custom"].map(|tier| Runs::own(root, tier).unwrap());
    assert_eq!((names(&base), names(&lesson)), (vec!["base"], vec!["sft-atoms"]));
    assert!(open(root).train("base", [10]).unwrap().runs[0].folder().starts_with(root.join("data/runs")));

    // The base with its model as a committed record, and no run of this machine.
    let committed = root.join("data/records/smoke");
    fs::create_dir_all(&committed).unwrap();
    fs::rename(root.join("data/runs/base"), committed.join("base")).unwrap();
    fs::remove_dir_all(root.join("data/runs")).unwrap();
    let study = open(root).set(&["sft_steps=3", "checkpoint_every=1"]).unwrap();
    let again = study.train("sft-atoms", [10]).unwrap();
    assert!(Runs::own(root, "smoke").unwrap().runs.is_empty());
    assert_eq!(
        again.runs[0].record.facts.weights_hash, trained.runs[0].record.facts.weights_hash,
        "trained again from the committed model, it is the same"
    );

    // A model that was edited is not believed.
    let weights = fs::read_dir(committed.join("base")).unwrap().flatten().next().unwrap().path();
    let weights = weights.join("model/model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    let error = study.model("base", 10).err().unwrap().to_string();
    assert!(error.contains("is not what was written"), "{error}");

    // Changed again, it is still what it was made from that counts; and data of its own are its own.
    let twice = study.set(&["sft_steps=4"]).unwrap();
    assert_eq!(twice.tier.name, "smoke-custom");
    let other = twice.set(&["data_seed=2"]).unwrap();
    let message = other.train("base", [10]).unwrap().runs[0].record.tier.clone();
    assert_eq!(message, "smoke-custom");
}

#[test]
fn a_model_is_asked_judged_and_taught() {
    let project = project();
    let study = open(project.path());
    let base = study.model("base", 10).unwrap();
    let problem = &study.dataset.splits.get(Set::CompositeB)[0];
    assert_eq!(study.problem(&problem.key).unwrap().key, problem.key);
    let unknown = study.problem("no such").unwrap_err().to_string();
    assert!(unknown.contains("`no such`") && unknown.contains(" > "), "{unknown}");

    // Programs of any origin: the reference passes, an empty one does not, and the case is said.
    let cheat = "def f(x):\n    return None\n";
    let judged = study.judge(problem, &[("reference", &problem.reference), ("cheat", cheat)]).unwrap();
    let words: Vec<_> = judged.answers.iter().map(|answer| answer.word).collect();
    let word = |word| Some(AnswerWord::Judged(word));
    assert_eq!(words, [word(CaseWord::Pass), word(CaseWord::WrongAnswer)]);
    assert_eq!((judged.passed(), judged.answers[1].reward()), (1, Some(0.0)));
    assert!(judged.answers[0].fails.is_none());
    assert!(judged.answers[1].fails.as_ref().unwrap().starts_with("case 1 of "), "{judged}");
    let html = judged.html();
    assert!(html.contains("cheat: wrong_answer") && html.contains("&gt;") == problem.reference.contains('>'));

    // What it writes: the likeliest and two samples, whose tokens are as likely as it said when it drew them.
    let answers = study.ask(&base, problem, 2, Seed::new(3)).unwrap();
    assert_eq!(
        answers.answers.iter().map(|answer| answer.label.as_str()).collect::<Vec<_>>(),
        ["likeliest", "sample 1", "sample 2"]
    );
    let log_probs = study.log_probs(&base, &answers).unwrap();
    for (answer, computed) in answers.answers.iter().zip(&log_probs) {
        let drawn = &answer.completion.log_probs;
        assert_eq!(drawn.len(), computed.len());
        assert!(drawn.iter().zip(computed).all(|(a, b)| (a - b).abs() < 1e-4));
    }

    // One step of SFT on the reference: its loss is the mean of the colors, and the reference becomes likelier.
    let losses = study.token_losses(&base, problem).unwrap();
    let text: String = losses.tokens.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(text, problem.reference);
    let pupil = base.copy().unwrap();
    let config = &study.tier.sft;
    let mut optimizer = AdamW::new(pupil.variables(), config.optimizer.clone()).unwrap();
    let example = study.example(problem).unwrap();
    let examples = |_, _| Ok(vec![example.clone()]);
    let mut loss = 0.0;
    let mut observe = |step: &sft_vs_rl::SupervisedStep| {
        loss = step.loss;
        Ok(())
    };
    train_supervised(&pupil, &mut optimizer, &examples, config, Seed::new(1), 0..1, &mut observe).unwrap();
    assert!((loss - f64::from(losses.mean())).abs() < 1e-4, "{loss} {}", losses.mean());
    assert!(study.token_losses(&pupil, problem).unwrap().mean() < losses.mean());

    // One step of PPO whose samples are those that were shown.
    let config = PpoConfig { prompts_per_step: 1, samples_per_prompt: 2, ..study.tier.ppo.clone() };
    let (task, mut judge) = study.task(problem).unwrap();
    let mut learner = Learner::new(base.copy().unwrap(), base.copy().unwrap(), &config, None).unwrap();
    let mut sampled = 0;
    train_ppo(&mut learner, &[task], &mut judge, &config, Seed::new(3), 0..1, &mut |step| {
        sampled = step.tokens_sampled;
        Ok(())
    })
    .unwrap();
    assert_eq!(
        sampled,
        answers.answers[1..].iter().map(|answer| answer.completion.tokens.len()).sum::<usize>()
    );

    // A prediction is of a clause that there is.
    let unknown = predict(&study, &[("f2.gain", 12.0), ("no-such", 1.0)]).unwrap_err().to_string();
    assert!(unknown.contains("`no-such`") && unknown.contains("f2.tuned"), "{unknown}");
    predict(&study, &[("f2.gain", 12.0)]).unwrap();
    predict(&study, &[("f2.tuned", -1.0)]).unwrap();
    study.train("base", [10]).unwrap();
    let table = Runs::own(project.path(), "smoke").unwrap().predictions(2).unwrap();
    let guesses: Vec<&str> = table.rows.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(guesses, ["+12", "-1"], "{table:?}");
}
