//! The `sandbox` command: one job a line in, one verdict a line out, in the same order, each as
//! soon as it is there.
//!
//! ```text
//! {"id":"x","program":"def f(x): ...","entry":"f","inputs":[[1],[2]],"expected":[2,4],
//!  "limits":{"cpu_s":1.0,"wall_s":5.0,"memory_mb":256}}
//! {"id":"x","passed":false,"cases":["pass","wrong_answer"],"cpu_ms":3,"wall_ms":4}
//! {"id":"y","infra":"why the sandbox itself failed"}
//! {"id":null,"line":3,"error":"line 3: unknown field `entri`; known: ..."}
//! ```
//!
//! `limits`, and each field of it, may be left out. A line that is no good gets an `error` verdict
//! that names it, and the rest go on. A line may be at most 8 MiB long; memory does not grow with
//! longer ones.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};

use crossbeam_channel::{Receiver, bounded};
use serde_json::json;

use super::judge::{Sandbox, verdict};
use super::value::PyValue;
use super::verdict::{Limits, Verdict};
use super::wire::Request;
use super::worker::Pending;
use crate::base::{Error, Result};

/// Longest job line: 8 MiB.
const MAX_LINE_BYTES: usize = 8 << 20;

/// Jobs that are read ahead, per worker.
const READ_AHEAD: usize = 8;

/// Upper bounds of `limits`: an hour, and a terabyte.
const MAX_SECONDS: f64 = 3600.0;
const MAX_MEMORY_MB: i64 = 1 << 20;

/// A job's request and its expected values.
type JobLine = (Request, Vec<PyValue>);

/// A line on its way to the output, in the order of the input.
struct Slot {
    /// A string or an integer; `None` where it could not be read.
    id: PyValue,
    line: usize,
    /// The running job and its expected values, or what is wrong with the line.
    job: Result<(Pending, Vec<PyValue>), String>,
}

/// Judges every line of `input` and writes a verdict for each to `output`.
///
/// # Errors
/// Input or output that breaks; for a line that is no good there is a verdict.
pub fn serve_jsonl(sandbox: &Sandbox, mut input: impl BufRead, output: impl Write + Send) -> Result<()> {
    let (slots, waiting) = bounded(READ_AHEAD * sandbox.workers.len());
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || write_all(output, waiting));
        let (mut text, mut line) = (Vec::new(), 0);
        while read_line(&mut input, &mut text).map_err(Error::io("standard input"))? {
            line += 1;
            let (id, job) = match text.len() > MAX_LINE_BYTES {
                true => (PyValue::None, Err(format!("longer than {} MiB", MAX_LINE_BYTES >> 20))),
                false => parse(&text),
            };
            let job = job.map(|(request, expected)| (sandbox.workers.submit(request), expected));
            if slots.send(Slot { id, line, job }).is_err() {
                break; // the writer has stopped, and says why below
            }
        }
        drop(slots);
        // Only a bug makes the writer panic; pass it on as one.
        writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn write_all(mut output: impl Write, waiting: Receiver<Slot>) -> Result<()> {
    for Slot { id, line, job } in waiting {
        let fields = match job {
            Err(why) => format!(r#""line":{line},"error":{}"#, json!(format!("line {line}: {why}"))),
            Ok((pending, expected)) => {
                let ran = pending.wait();
                let (cpu_us, wall_us) = ran.as_ref().map_or((0, 0), |ran| (ran.cpu_us, ran.wall_us));
                let [cpu_ms, wall_ms] = [cpu_us, wall_us].map(|us| f64::from(us) / 1e3);
                let verdict = verdict(ran, &expected, false);
                let passed = verdict.passed() == Some(true);
                match verdict {
                    Verdict::Infra(why) => format!(r#""infra":{}"#, json!(why)),
                    Verdict::Cases(cases) => format!(
                        r#""passed":{passed},"cases":{},"cpu_ms":{cpu_ms:?},"wall_ms":{wall_ms:?}"#,
                        json!(cases)
                    ),
                }
            }
        };
        // The id may be text that `serde_json` cannot write.
        let text = [br#"{"id":"#, id.to_json().as_slice(), b",", fields.as_bytes(), b"}\n"].concat();
        output.write_all(&text).and_then(|()| output.flush()).map_err(Error::io("standard output"))?;
    }
    Ok(())
}

/// Reads a line, without its end; false if there is none. Of one that is too long only the beginning is
/// kept, which is also too long.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let any = input.by_ref().take(MAX_LINE_BYTES as u64 + 1).read_until(b'\n', line)? > 0;
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > MAX_LINE_BYTES {
        input.skip_until(b'\n')?;
    }
    Ok(any)
}

/// Reads one job. Its id is kept, where that much can be read, even if the rest is no good.
fn parse(text: &[u8]) -> (PyValue, Result<JobLine, String>) {
    let json = match std::str::from_utf8(text) {
        Ok(_) => PyValue::from_json(text).map_err(|why| format!("not JSON: {why}")),
        Err(error) => Err(format!("not UTF-8: {error}")),
    };
    let id = match &json {
        Ok(PyValue::Dict(fields)) => fields.iter().find(|(name, value)| name == b"id" && is_id(value)),
        _ => None,
    };
    (id.map_or(PyValue::None, |(_, id)| id.clone()), json.and_then(parse_job))
}

fn parse_job(json: PyValue) -> Result<JobLine, String> {
    let known = ["id", "program", "entry", "inputs", "expected", "limits"];
    let mut fields = fields(json, &known, "not a JSON object")?;
    let limits = fields.remove(&b"limits"[..]).map_or(Ok(Limits::default()), parse_limits)?;
    let mut need =
        |name: &str| fields.remove(name.as_bytes()).ok_or_else(|| format!("the field `{name}` is missing"));
    if !is_id(&need("id")?) {
        return Err("`id` must be a string or an integer".to_owned());
    }
    let program = text("program", need("program")?)?;
    let entry = text("entry", need("entry")?)?;
    let inputs = need("inputs")?;
    let n_cases = count_cases(&inputs)?;
    let PyValue::List(expected) = need("expected")? else {
        return Err("`expected` must be a list, one value a case".to_owned());
    };
    if n_cases != expected.len() {
        return Err(format!("`inputs` has {n_cases} cases but `expected` has {} values", expected.len()));
    }
    let payload = PyValue::List(vec![program, entry, inputs]).to_json();
    Ok((Request::new(&payload, n_cases, limits), expected))
}

/// The fields of an object, all of which must be known.
fn fields(json: PyValue, known: &[&str], no_object: &str) -> Result<BTreeMap<Vec<u8>, PyValue>, String> {
    let PyValue::Dict(fields) = json else { return Err(no_object.to_owned()) };
    match fields.iter().find(|(name, _)| !known.iter().any(|known| known.as_bytes() == name)) {
        None => Ok(fields.into_iter().collect()),
        Some((name, _)) => {
            Err(format!("unknown field `{}`; known: {}", String::from_utf8_lossy(name), known.join(", ")))
        }
    }
}

fn is_id(value: &PyValue) -> bool {
    matches!(value, PyValue::Str(_) | PyValue::Int(_))
}

fn text(name: &str, value: PyValue) -> Result<PyValue, String> {
    match &value {
        PyValue::Str(text) if text.contains(&0) => Err(format!("`{name}` contains a null byte")),
        PyValue::Str(_) => Ok(value),
        _ => Err(format!("`{name}` must be a string")),
    }
}

fn count_cases(inputs: &PyValue) -> Result<usize, String> {
    let wrong = "`inputs` must be a list with one list of arguments a case";
    let PyValue::List(cases) = inputs else { return Err(wrong.to_owned()) };
    match cases.iter().position(|case| !matches!(case, PyValue::List(_))) {
        Some(case) => Err(format!("{wrong}; case {case} is no list")),
        None => Ok(cases.len()),
    }
}

fn parse_limits(limits: PyValue) -> Result<Limits, String> {
    let fields = fields(limits, &["cpu_s", "wall_s", "memory_mb"], "`limits` must be an object")?;
    let seconds = |name: &str, default: f64| {
        let seconds = match fields.get(name.as_bytes()) {
            None => default,
            Some(PyValue::Int(whole)) => *whole as f64,
            Some(PyValue::Float(seconds)) => *seconds,
            Some(_) => f64::NAN,
        };
        (seconds > 0.0 && seconds <= MAX_SECONDS)
            .then_some(seconds)
            .ok_or_else(|| format!("`{name}` must be a number of seconds above 0, at most {MAX_SECONDS}"))
    };
    let Limits { cpu_s, wall_s, memory_mb } = Limits::default();
    let memory_mb = match fields.get(&b"memory_mb"[..]) {
        None => memory_mb,
        Some(PyValue::Int(mb @ 1..=MAX_MEMORY_MB)) => *mb as u64,
        Some(_) => return Err(format!("`memory_mb` must be an integer from 1 to {MAX_MEMORY_MB}")),
    };
    Ok(Limits { cpu_s: seconds("cpu_s", cpu_s)?, wall_s: seconds("wall_s", wall_s)?, memory_mb })
}
