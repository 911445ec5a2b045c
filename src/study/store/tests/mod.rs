//! The promises of the run store, kept while processes are killed, disks fill and files rot.
//!
//! Tests that need a second process start this test binary again, with `STORE_CHILD` naming a
//! store root; [`child_process`] is the test that then does the work.

mod full_disk;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::Rng;
use serde_json::json;

use strum::VariantArray;

use super::*;
use crate::base::Seed;
use crate::data::Set;
use crate::sandbox::CaseWord;

const PASS: AnswerWord = AnswerWord::Judged(CaseWord::Pass);
const STEPS: usize = 40;
const CHECKPOINT_EVERY: usize = 5;

fn spec(arm: &str, seed: u64) -> RunSpec {
    RunSpec {
        arm: arm.to_owned(),
        seed,
        tier: "quick".to_owned(),
        config: json!({"steps": STEPS, "learning_rate": 0.1}),
        data_hash: "d".repeat(64),
        parent: None,
    }
}

fn outcome(problem: usize, passed: u32) -> OutcomeRow {
    OutcomeRow {
        stage: FINAL_STAGE.to_owned(),
        set: Set::CompositeB,
        prompts: Prompts::HeldOut,
        problem: format!("problem {problem}"),
        depth: 2,
        wording: problem % 3,
        connective: Connective::VARIANTS.get(problem % 3).copied(),
        greedy: AnswerWord::Judged(CaseWord::Pass),
        sampled: (0..4).map(|sample| if sample < passed { PASS } else { AnswerWord::NoEnd }).collect(),
    }
}

fn answer() -> AnswerRow {
    AnswerRow {
        outcome: outcome(999, 1),
        prompt: "# do\n".to_owned(),
        greedy: "def f(x):\n    return \"é\"".to_owned(),
        sampled: vec!["x".repeat(300), String::new()],
    }
}

fn ready(store: &RunStore, spec: &RunSpec) -> RunHandle {
    match store.begin(spec, Duration::ZERO).unwrap() {
        Begin::Ready(handle) => *handle,
        Begin::Complete(_) => panic!("already complete"),
    }
}

/// A stand-in for training: the state is one number, moved by the seed's noise at each step.
fn train(handle: &mut RunHandle, pause: Duration) -> Result<u64> {
    let seed = Seed::new(handle.spec.seed);
    let (first, mut state) = match handle.latest_checkpoint() {
        Some((step, folder)) => {
            let text = fs::read_to_string(folder.join("nested/state.txt")).unwrap();
            (step, text.trim().parse().unwrap())
        }
        None => (0, 0u64),
    };
    for step in first..STEPS {
        state = state.wrapping_mul(31).wrapping_add(seed.child_index(step as u64).value());
        let values = [("loss".to_owned(), state as f64 / 7.0), ("odd".to_owned(), f64::NAN)].into();
        handle.metric(&MetricRow { stage: "sft".to_owned(), step, values })?;
        std::thread::sleep(pause);
        if (step + 1) % CHECKPOINT_EVERY == 0 {
            handle.outcomes(&[outcome(step, (state % 5) as u32)])?;
            handle.checkpoint(step + 1, |folder| {
                fs::create_dir(folder.join("nested")).map_err(Error::io(folder))?;
                write_slowly(&folder.join("nested/state.txt"), &state.to_string(), pause)
            })?;
        }
    }
    Ok(state)
}

/// Leaves a time window in which the file is half written.
fn write_slowly(path: &Path, text: &str, pause: Duration) -> Result<()> {
    let (head, tail) = text.split_at(text.len() / 2);
    fs::write(path, head).map_err(Error::io(path))?;
    std::thread::sleep(pause);
    fs::write(path, format!("{head}{tail}")).map_err(Error::io(path))
}

fn complete(mut handle: RunHandle, pause: Duration) -> Result<FinishedRun> {
    let state = train(&mut handle, pause)?;
    let facts = RunFacts { weights_hash: format!("{state:x}"), ..RunFacts::default() };
    handle.finish(facts, &[outcome(999, 1)], &[answer()], |folder| {
        write_slowly(&folder.join("model.safetensors"), &state.to_string(), pause)
    })
}

fn start_child(root: &Path, job: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "study::store::tests::child_process", "--nocapture"])
        .env("STORE_CHILD", root)
        .env("STORE_JOB", job)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn child_process() {
    let Some(root) = std::env::var_os("STORE_CHILD").map(PathBuf::from) else { return };
    let store = RunStore::new(&root);
    match std::env::var("STORE_JOB").unwrap().as_str() {
        "train" => {
            let waited = store.begin(&spec("killed", 1), Duration::from_secs(20)).unwrap();
            if let Begin::Ready(handle) = waited {
                complete(*handle, Duration::from_millis(1)).unwrap();
            }
        }
        "hold" => {
            let _handle = ready(&store, &spec("held", 1));
            fs::write(root.join("held.flag"), "").unwrap();
            std::thread::sleep(Duration::from_secs(60));
        }
        "small-files" => {
            let error = full_disk::limited_to_small_files(&store);
            fs::write(root.join("error.txt"), error).unwrap();
        }
        other => panic!("unknown job {other}"),
    }
}

#[test]
fn a_complete_run_reads_back_and_is_not_run_again() {
    let root = tempfile::tempdir().unwrap();
    let store = RunStore::new(root.path());
    let run = complete(ready(&store, &spec("sft-atoms", 3)), Duration::ZERO).unwrap();
    run.verify().unwrap();
    assert_eq!(run.metrics().unwrap().len(), STEPS);
    assert!(run.metrics().unwrap()[0].values["odd"].is_nan());
    assert_eq!(run.outcomes().unwrap().len(), STEPS / CHECKPOINT_EVERY + 1);
    assert_eq!(run.outcomes().unwrap().last(), Some(&outcome(999, 1)));
    assert_eq!(run.answers().unwrap(), [answer()]);
    assert!(!run.folder().join("metrics.jsonl").exists() && !run.folder().join("outcomes.jsonl").exists());
    assert!(run.model_dir().unwrap().join("model.safetensors").exists());
    assert!(!run.folder().join("checkpoint").exists());
    assert!(matches!(store.begin(&spec("sft-atoms", 3), Duration::ZERO).unwrap(), Begin::Complete(_)));
    // Another setting, another data set or another parent is another run.
    for change in 0..3 {
        let mut other = spec("sft-atoms", 3);
        match change {
            0 => other.config["learning_rate"] = json!(0.2),
            1 => other.data_hash = "e".repeat(64),
            _ => other.parent = Some(run.record.hash.clone()),
        }
        assert!(matches!(store.begin(&other, Duration::ZERO).unwrap(), Begin::Ready(_)));
    }
    assert_eq!(store.runs("quick").unwrap().len(), 1);
    assert!(store.runs("full").unwrap().is_empty());
    assert!(store.begin(&spec("../escape", 0), Duration::ZERO).is_err());
}

#[test]
fn resumed_equals_uninterrupted_bit_for_bit() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, other) = (RunStore::new(one.path()), RunStore::new(other.path()));
    let expected = complete(ready(&one, &spec("x", 1)), Duration::ZERO).unwrap();
    // Interrupted between checkpoints: rows after the checkpoint must go.
    let mut handle = ready(&other, &spec("x", 1));
    train(&mut handle, Duration::ZERO).unwrap();
    let row = MetricRow { stage: "sft".to_owned(), step: 777, values: BTreeMap::new() };
    handle.metric(&row).unwrap();
    handle.outcomes(&[outcome(5, 5)]).unwrap();
    drop(handle);
    let found = complete(ready(&other, &spec("x", 1)), Duration::ZERO).unwrap();
    assert_eq!(found.record.files, expected.record.files);
}

#[test]
fn killed_at_any_moment_it_resumes_to_the_same_bytes() {
    let reference = tempfile::tempdir().unwrap();
    let reference = RunStore::new(reference.path());
    let expected = complete(ready(&reference, &spec("killed", 1)), Duration::ZERO).unwrap();
    let root = tempfile::tempdir().unwrap();
    let store = RunStore::new(root.path());
    let mut rng = Seed::new(11).stream("kills");
    let (mut kills, mut whole, mut interrupted) = (0, 0, 0);
    while kills < 12 || whole == 0 {
        let mut child = start_child(root.path(), "train");
        // From "not yet started" to "long finished": a run takes some 100 ms.
        std::thread::sleep(Duration::from_millis(rng.random_range(5..160)));
        kills += 1;
        child.kill().unwrap();
        child.wait().unwrap();
        // Whatever the moment, the store reads without an error, and whole runs are right.
        if let Some(run) = store.find(&spec("killed", 1)).unwrap() {
            run.verify().unwrap();
            assert_eq!(run.record.files, expected.record.files);
            assert_eq!(run.record.facts, expected.record.facts);
            whole += 1;
            fs::remove_dir_all(root.path().join("killed")).unwrap();
            continue;
        }
        let folder = spec("killed", 1).folder(root.path()).unwrap();
        interrupted += usize::from(folder.join("metrics.jsonl").exists());
        if kills > 40 {
            assert!(start_child(root.path(), "train").wait().unwrap().success());
        }
    }
    assert!(interrupted > 0, "no kill hit a run in progress");
}

#[test]
fn a_second_process_is_refused_and_told_who_holds_the_run() {
    let root = tempfile::tempdir().unwrap();
    let mut child = start_child(root.path(), "hold");
    let started = Instant::now();
    while !root.path().join("held.flag").exists() {
        assert!(started.elapsed() < Duration::from_secs(30), "the child never took the lock");
        std::thread::sleep(Duration::from_millis(5));
    }
    let store = RunStore::new(root.path());
    match store.begin(&spec("held", 1), Duration::ZERO) {
        Err(Error::Locked { pid, .. }) => assert_eq!(pid, child.id().to_string()),
        other => panic!("expected a lock, got {other:?}"),
    }
    let short = store.begin(&spec("held", 1), Duration::from_millis(300));
    assert!(matches!(short, Err(Error::Locked { .. })));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(store.begin(&spec("held", 1), Duration::ZERO).unwrap(), Begin::Ready(_)));
}

#[test]
fn a_damaged_file_is_named() {
    let root = tempfile::tempdir().unwrap();
    let store = RunStore::new(root.path());
    let run = complete(ready(&store, &spec("x", 1)), Duration::ZERO).unwrap();
    for name in [
        "config.json",
        "metrics.jsonl.gz",
        "outcomes.jsonl.gz",
        "answers.jsonl.gz",
        "model/model.safetensors",
        "record.json",
    ] {
        let path = run.folder().join(name);
        let before = fs::read(&path).unwrap();
        let flipped: Vec<u8> = {
            let mut bytes = before.clone();
            let digit = bytes.iter().rposition(u8::is_ascii_digit);
            let at = if name.ends_with(".gz") { bytes.len() / 2 } else { digit.unwrap() };
            bytes[at] ^= 1;
            bytes
        };
        for bytes in [&flipped[..], &before[..before.len() / 2], b""] {
            fs::write(&path, bytes).unwrap();
            let error = match store.find(&spec("x", 1)) {
                Err(error) => error,
                Ok(run) => run.unwrap().verify().unwrap_err(),
            };
            assert!(error.to_string().contains(name), "{name}: {error}");
            let read = [run.metrics().err(), run.outcomes().err(), run.answers().err()];
            let said = read.into_iter().flatten().map(|error| error.to_string()).collect::<Vec<_>>();
            assert_eq!(said.len(), usize::from(name.ends_with(".gz")), "{name}");
            assert!(said.iter().all(|error| error.contains(name)), "{said:?}");
        }
        fs::write(&path, &before).unwrap();
    }
    store.find(&spec("x", 1)).unwrap().unwrap().verify().unwrap();
}

#[test]
fn a_field_of_a_later_program_voids_no_record_and_an_edited_one_does() {
    let root = tempfile::tempdir().unwrap();
    let store = RunStore::new(root.path());
    let run = complete(ready(&store, &spec("x", 1)), Duration::ZERO).unwrap();
    let path = run.folder().join("record.json");
    let mut record: Value = base::read_json(&path).unwrap();
    record["written_by_a_later_program"] = json!({"b": 1, "a": [0.1]});
    base::write_json(&path, &record).unwrap();
    assert!(store.find(&spec("x", 1)).unwrap_err().to_string().contains("record.json"));
    record["seal"] = finished::seal_of(record.clone()).into();
    base::write_json(&path, &record).unwrap();
    assert_eq!(store.find(&spec("x", 1)).unwrap().unwrap().record.files, run.record.files);
}

#[test]
fn a_damaged_checkpoint_is_named_and_not_resumed() {
    let root = tempfile::tempdir().unwrap();
    let store = RunStore::new(root.path());
    let mut handle = ready(&store, &spec("x", 1));
    train(&mut handle, Duration::ZERO).unwrap();
    let (step, folder) = handle.latest_checkpoint().unwrap();
    assert_eq!(step, STEPS);
    drop(handle);
    fs::write(folder.join("nested/state.txt"), "1").unwrap();
    let error = store.begin(&spec("x", 1), Duration::ZERO).unwrap_err().to_string();
    assert!(error.contains("nested/state.txt"), "{error}");
}

#[test]
fn a_failed_checkpoint_leaves_the_last_good_one() {
    let root = tempfile::tempdir().unwrap();
    let store = RunStore::new(root.path());
    let mut handle = ready(&store, &spec("x", 1));
    let save = |text: &'static str| {
        move |folder: &Path| fs::write(folder.join("s"), text).map_err(Error::io(folder))
    };
    handle.checkpoint(1, save("one")).unwrap();
    let failed = handle.checkpoint(2, |folder| {
        fs::write(folder.join("s"), "tw").map_err(Error::io(folder))?;
        Err(Error::config("model", "went missing"))
    });
    assert!(failed.is_err());
    // A second checkpoint at the same step replaces the first.
    handle.checkpoint(1, save("again")).unwrap();
    drop(handle);
    let (step, folder) = ready(&store, &spec("x", 1)).latest_checkpoint().unwrap();
    assert_eq!((step, fs::read_to_string(folder.join("s")).unwrap().as_str()), (1, "again"));
    assert_eq!(fs::read_dir(folder.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn an_export_reads_like_the_store_without_models() {
    let (root, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = RunStore::new(root.path());
    for seed in 0..3 {
        complete(ready(&store, &spec("x", seed)), Duration::ZERO).unwrap();
    }
    drop(ready(&store, &spec("unfinished", 0)));
    let complete = store.runs("quick").unwrap();
    assert_eq!(complete.len(), 3);
    complete.iter().for_each(|run| run.export(to.path()).unwrap());
    let records = RunStore::new(to.path());
    let runs = records.runs("quick").unwrap();
    assert_eq!(runs.len(), 3);
    for (run, original) in runs.iter().zip(store.runs("quick").unwrap()) {
        run.verify().unwrap();
        assert_eq!(run.model_dir(), None);
        assert_eq!(run.record, original.record);
        assert_eq!(run.outcomes().unwrap(), original.outcomes().unwrap());
        assert_eq!(run.answers().unwrap(), original.answers().unwrap());
    }
}

#[test]
fn runs_of_two_regimes_never_meet() {
    let root = tempfile::tempdir().unwrap();
    let store = RunStore::new(root.path());
    let run = |arm: &str, regime: u32, parent: Option<&FinishedRun>| {
        let mut spec = spec(arm, 0);
        spec.config["regime"] = json!(regime);
        spec.parent = parent.map(|parent| parent.record.hash.clone());
        ready(&store, &spec).finish(RunFacts::default(), &[], &[], |_| Ok(())).unwrap()
    };
    let names = || -> Vec<(String, u64)> {
        let regime = |run: &FinishedRun| run.spec.config["regime"].as_u64().unwrap();
        store.runs("quick").unwrap().iter().map(|run| (run.spec.arm.clone(), regime(run))).collect()
    };
    let base = run("base", 1, None);
    let start = run("sft-start", 1, Some(&base));
    run("sft-rl", 1, Some(&start));
    let first = |arm: &str| (arm.to_owned(), 1);
    assert_eq!(names(), [first("base"), first("sft-rl"), first("sft-start")]);
    std::thread::sleep(Duration::from_millis(1100)); // completion times are whole seconds
    let base = run("base", 2, None);
    assert_eq!(names(), [("base".to_owned(), 2)]);
    run("sft-start", 2, Some(&base));
    assert_eq!(names(), [("base".to_owned(), 2), ("sft-start".to_owned(), 2)]);
}
