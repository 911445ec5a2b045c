//! Bad input on the `sandbox` command: the line is named, and the rest go on.

use std::io::{BufRead, BufReader, Cursor, Write};
use std::sync::mpsc;
use std::time::Duration;

use sft_vs_rl::serve_jsonl;

use crate::{alone, sandbox};

const GOOD: &str =
    r#"{"id":"good","program":"def f(x): return x","entry":"f","inputs":[[1]],"expected":[1]}"#;

fn serve(input: &[u8]) -> Vec<serde_json::Value> {
    let mut output = Vec::new();
    serve_jsonl(&sandbox(2), Cursor::new(input.to_vec()), &mut output)
        .expect("memory can be read and written");
    let text = String::from_utf8(output).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Replaces one field of the good line.
fn with(field: &str, value: &str) -> String {
    let old = match field {
        "program" => r#""program":"def f(x): return x""#,
        "entry" => r#""entry":"f""#,
        "inputs" => r#""inputs":[[1]]"#,
        "expected" => r#""expected":[1]"#,
        _ => r#""id":"good""#,
    };
    GOOD.replace(old, value)
}

#[test]
fn bad_lines_are_named_and_the_rest_go_on() {
    let _turn = alone();
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(50_000_000));
    let deep = format!(r#""inputs":[[{}{}]]"#, "[".repeat(300), "]".repeat(300));
    let bad: Vec<(String, &str)> = vec![
        ("this is not JSON".into(), "not JSON"),
        ("".into(), "not JSON"),
        ("[1, 2]".into(), "not a JSON object"),
        ("{\"id\":\"x\"".into(), "not JSON"),
        (GOOD.to_owned() + GOOD, "not JSON"),
        (with("id", r#""id":"good","surprise":1"#), "unknown field `surprise`"),
        (with("id", r#""id":"good","id":"good""#), "duplicate key `id`"),
        (with("id", r#""id":[1]"#), "`id` must be"),
        (with("id", r#""ix":"good""#), "unknown field `ix`"),
        (with("program", r#""program":"def f(x):\u0000 return x""#), "null byte"),
        (with("program", r#""program":7"#), "`program` must be a string"),
        (with("entry", r#""entry":null"#), "`entry` must be a string"),
        (with("inputs", r#""inputs":[1]"#), "case 0 is no list"),
        (with("inputs", r#""inputs":{"a":1}"#), "`inputs` must be a list"),
        (with("inputs", r#""inputs":[[1],[2]]"#), "2 cases but `expected` has 1"),
        (with("inputs", &deep), "nested deeper"),
        (with("expected", r#""expected":1"#), "`expected` must be a list"),
        (with("expected", r#""expected":[01]"#), "not JSON"),
        (with("id", r#""id":"good","limits":{"cpu":1}"#), "unknown field `cpu`"),
        (with("id", r#""id":"good","limits":{"cpu_s":-1}"#), "`cpu_s` must be"),
        (with("id", r#""id":"good","limits":{"wall_s":NaN}"#), "`wall_s` must be"),
        (with("id", r#""id":"good","limits":{"memory_mb":0.5}"#), "`memory_mb` must be"),
        (with("id", r#""id":"good","limits":[]"#), "`limits` must be an object"),
        (long, "longer than 8 MiB"),
        (r#"{"id":"good","program":"def f(x): return x"}"#.into(), "`entry` is missing"),
    ];
    let mut input = Vec::new();
    for (line, _) in &bad {
        input.extend_from_slice(line.as_bytes());
        input.extend_from_slice(format!("\n{GOOD}\n").as_bytes());
    }
    input.extend_from_slice(b"{\"id\":\"\xff\"}\n");
    input.extend_from_slice(GOOD.as_bytes()); // and no newline at the end
    let verdicts = serve(&input);
    assert_eq!(verdicts.len(), 2 * (bad.len() + 1));
    let wanted = bad.iter().map(|(_, message)| *message).chain(["not UTF-8"]);
    for (i, (message, pair)) in wanted.zip(verdicts.chunks(2)).enumerate() {
        let error = pair[0]["error"].as_str().unwrap_or_else(|| panic!("line {}: {}", 2 * i + 1, pair[0]));
        assert!(error.starts_with(&format!("line {}: ", 2 * i + 1)) && error.contains(message), "{error}");
        assert!(pair[0].get("passed").is_none());
        assert_eq!((&pair[1]["id"], &pair[1]["passed"]), (&"good".into(), &true.into()));
    }
    // An error keeps the id where there is one.
    assert_eq!(verdicts[12 * 2]["id"], "good");
}

/// Each verdict comes before the next job is sent: nothing waits for the end of the input.
#[test]
fn verdicts_stream() {
    let _turn = alone();
    let sandbox = sandbox(1);
    let (read_jobs, mut write_jobs) = std::io::pipe().expect("a pipe");
    let (read_verdicts, write_verdicts) = std::io::pipe().expect("a pipe");
    std::thread::scope(|scope| {
        scope.spawn(|| serve_jsonl(&sandbox, BufReader::new(read_jobs), write_verdicts).expect("pipes work"));
        let (lines, verdicts) = mpsc::channel();
        scope.spawn(move || {
            for line in BufReader::new(read_verdicts).split(b'\n').map_while(Result::ok) {
                lines.send(line).expect("someone listens");
            }
        });
        for i in 0..3 {
            writeln!(write_jobs, "{}", with("id", &format!(r#""id":{i}"#))).expect("the pipe is open");
            let line = verdicts.recv_timeout(Duration::from_secs(20)).expect("a verdict before the next job");
            assert!(line.starts_with(format!(r#"{{"id":{i},"passed":true"#).as_bytes()));
        }
        drop(write_jobs);
    });
}

/// No input is no output.
#[test]
fn nothing_in_nothing_out() {
    let _turn = alone();
    assert!(serve(b"").is_empty());
}

/// A job without cases does not pass.
#[test]
fn no_cases_do_not_pass() {
    let _turn = alone();
    let line = with("inputs", r#""inputs":[]"#).replace(r#""expected":[1]"#, r#""expected":[]"#);
    let verdicts = serve(line.as_bytes());
    assert_eq!(verdicts[0]["passed"], false);
}
