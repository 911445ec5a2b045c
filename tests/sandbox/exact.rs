//! Exactness: values survive the way through a program, and a verdict depends on its job alone.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sft_vs_rl::{
    CaseOutput, CaseWord, Domain, Job, Limits, PyValue, Sandbox, Seed, ValueType, Verdict, serve_jsonl,
};

use crate::{alone, mixed, sandbox};

/// Python text with everything that text can hold, lone surrogates too (as `surrogatepass` bytes).
fn text() -> impl Strategy<Value = Vec<u8>> {
    let char = prop_oneof![
        6 => any::<char>().prop_map(|char| char.to_string().into_bytes()),
        3 => prop::sample::select(vec!["\n", "\0", "'", "\"", "\\", "\u{7f}", "\r", ".", "="]).prop_map(|c| c.as_bytes().to_vec()),
        // High surrogates only: JSON cannot tell a high and a low one next to each other from one character.
        1 => (0xa0u8..0xb0, 0x80u8..0xc0).prop_map(|(a, b)| vec![0xed, a, b]),
    ];
    prop::collection::vec(char, 0..8).prop_map(|chars| chars.concat())
}

/// Any value that a job line can carry.
fn value() -> impl Strategy<Value = PyValue> {
    let hex = "[1-9a-f][0-9a-f]{16,60}";
    let leaf = prop_oneof![
        Just(PyValue::None),
        any::<bool>().prop_map(PyValue::Bool),
        any::<i64>().prop_map(PyValue::Int),
        (-5i64..5).prop_map(PyValue::Int),
        (any::<bool>(), hex).prop_map(|(negative, hex)| PyValue::BigInt { negative, hex }),
        any::<f64>().prop_map(PyValue::Float),
        any::<u64>().prop_map(|bits| PyValue::Float(f64::from_bits(bits))),
        text().prop_map(PyValue::Str),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(PyValue::List),
            prop::collection::btree_map(text(), inner, 0..4)
                .prop_map(|items| PyValue::Dict(items.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_reads_what_it_wrote(value in value()) {
        let back = PyValue::from_json(&value.to_json());
        prop_assert!(back.as_ref().is_ok_and(|back| back.same(&value)), "{back:?}");
    }

    #[test]
    fn no_text_makes_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), text in "[-0-9eExX.\\[\\](){}:,'\"\\\\unaftrNIlse ]{0,40}") {
        for text in [bytes.as_slice(), text.as_bytes()] {
            let _ = (PyValue::from_json(text), PyValue::from_answer(text));
        }
    }

    #[test]
    fn whatever_serde_json_reads_is_read_alike(text in "[-0-9eE.\\[\\]:,\"\\\\ntrue{} ]{0,24}") {
        if let Ok(serde) = serde_json::from_str::<serde_json::Value>(&text) {
            if let Ok(own) = PyValue::from_json(text.as_bytes()) {
                prop_assert!(own.to_serde() == Some(serde) || matches!(own, PyValue::BigInt { .. }), "{text}");
            } else {
                prop_assert!(text.matches(':').count() > 1, "{text} was refused, and has no duplicate key");
            }
        }
    }
}

/// Two thousand random values go through `def f(x): return x` and come back as the same value.
#[test]
fn every_value_survives_the_way_through_a_program() {
    let _turn = alone();
    let sandbox = sandbox(2);
    let mut runner = TestRunner::deterministic();
    let values: Vec<PyValue> =
        (0..2000).map(|_| value().new_tree(&mut runner).expect("a value").current()).collect();
    let mut lines = Vec::new();
    for chunk in values.chunks(100) {
        let arguments = chunk.iter().map(|value| PyValue::List(vec![value.clone()])).collect();
        lines.extend_from_slice(br#"{"id":"v","program":"def f(x): return x","entry":"f","inputs":"#);
        lines.extend(PyValue::List(arguments).to_json());
        lines.extend_from_slice(br#","expected":"#);
        lines.extend(PyValue::List(chunk.to_vec()).to_json());
        lines.extend_from_slice(b"}\n");
    }
    let mut output = Vec::new();
    serve_jsonl(&sandbox, std::io::Cursor::new(lines), &mut output).expect("memory can be read and written");
    for (line, chunk) in String::from_utf8_lossy(&output).lines().zip(values.chunks(100)) {
        let verdict: serde_json::Value = serde_json::from_str(line).expect("a verdict is JSON");
        let cases = verdict["cases"].as_array().unwrap_or_else(|| panic!("{line}"));
        for (case, value) in cases.iter().zip(chunk) {
            assert_eq!(case, "pass", "{value:?}");
        }
    }
}

/// Whatever the catalog's domains can draw, `judge` and `outputs` agree on it, type for type.
#[test]
fn every_value_of_the_catalog_survives() {
    let _turn = alone();
    let sandbox = sandbox(1);
    let mut rng = Seed::new(5).stream("values");
    for kind in [ValueType::Int, ValueType::Bool, ValueType::Str, ValueType::ListInt, ValueType::ListStr] {
        let values: Vec<serde_json::Value> =
            (0..300).map(|_| Domain::default().sample(kind, &mut rng).to_json()).collect();
        let job = Job {
            program: "def f(x): return x".to_owned(),
            entry: "f".to_owned(),
            inputs: values.iter().map(|value| vec![value.clone()]).collect(),
            expected: values.clone(),
            limits: Limits::default(),
            stop_at_first_failure: false,
        };
        let jobs = [job];
        assert_eq!(sandbox.judge(&jobs)[0], Verdict::Cases(vec![CaseWord::Pass; 300]));
        let expected: Vec<CaseOutput> = values.into_iter().map(CaseOutput::Value).collect();
        assert_eq!(sandbox.outputs(&jobs)[0], Ok(expected));
    }
}

/// The same jobs in another order, with another number of workers, twice over: the same verdicts.
#[test]
fn a_verdict_depends_on_its_job_alone() {
    let _turn = alone();
    let (jobs, expected) = mixed(40);
    assert_eq!(sandbox(1).judge(&jobs), expected);
    let reversed: Vec<Job> = jobs.iter().rev().cloned().collect();
    let mut verdicts = sandbox(3).judge(&reversed);
    verdicts.reverse();
    assert_eq!(verdicts, expected);
}

/// Many threads share one sandbox.
#[test]
fn threads_share_a_sandbox() {
    let _turn = alone();
    let sandbox: &Sandbox = &sandbox(2);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || {
                let (jobs, expected) = mixed(20);
                assert_eq!(sandbox.judge(&jobs), expected);
            });
        }
    });
}

#[test]
fn stopping_at_the_first_failure_leaves_the_rest_not_run() {
    let _turn = alone();
    let mut job = crate::job("def f(x): return x if x == 1 else x + 1");
    job.stop_at_first_failure = true;
    let verdicts = sandbox(1).judge(&[job]);
    assert_eq!(verdicts, [Verdict::Cases(vec![CaseWord::WrongAnswer, CaseWord::NotRun])]);
}

/// What JSON cannot hold is `malformed` for library callers, and a bad job is no judgement.
#[test]
fn outputs_and_bad_jobs() {
    let _turn = alone();
    let sandbox = sandbox(1);
    let outputs = sandbox.outputs(&[crate::job("def f(x): return (x,) if x == 1 else None")]);
    let expected = vec![CaseOutput::Failed(CaseWord::Malformed), CaseOutput::Value(serde_json::Value::Null)];
    assert_eq!(outputs, [Ok(expected)]);
    let mut bad = crate::job("def f(x): return x + 1");
    bad.expected.pop();
    let mut deep = crate::job("def f(x): return x + 1");
    deep.expected[0] = (0..205).fold(serde_json::Value::Null, |inner, _| vec![inner].into());
    let mut long = crate::job("def f(x): return x + 1");
    long.expected[0] = "x".repeat(1 << 20).into();
    let jobs =
        [(bad, "2 inputs but 1 expected"), (deep, "case 0 is nested deeper"), (long, "all answers together")];
    for (job, wanted) in jobs {
        assert!(matches!(&sandbox.judge(&[job])[0], Verdict::Infra(why) if why.contains(wanted)));
    }
}
