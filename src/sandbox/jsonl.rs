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

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, Read, Write};

use crossbeam_channel::{Receiver, Sender, bounded, never, select};
use serde_json::json;

use super::judge::{Sandbox, verdict};
use super::parse::{Field, count_lists, fields_of};
use super::value::PyValue;
use super::verdict::{Limits, Verdict};
use super::wire::{Request, check_expected};
use super::worker::{Pending, Ran};
use crate::base::{Error, Result};

/// Longest job line: 8 MiB.
const MAX_LINE_BYTES: usize = 8 << 20;

/// Jobs that are read ahead, per worker, as long as all their lines together are not longer than one line
/// may be.
const READ_AHEAD: usize = 8;

/// Upper bounds of `limits`: an hour, and a terabyte.
const MAX_SECONDS: f64 = 3600.0;
const MAX_MEMORY_MB: i64 = 1 << 20;

/// A line of the input, or its beginning where it is too long.
type Line = Vec<u8>;

/// A job's request and its expected values.
pub(super) type JobLine = (Request, Vec<PyValue>);

/// A line on its way to the output, in the order of the input.
struct Slot {
    /// A string or an integer; `None` where it could not be read.
    id: PyValue,
    line: usize,
    bytes: usize,
    /// The running job and its expected values, or what is wrong with the line.
    job: Result<(Pending, Vec<PyValue>), String>,
}

/// Judges every line of `input` and writes a verdict for each to `output`, as soon as it is there and all
/// before it are written.
///
/// # Errors
/// Input or output that breaks; for a line that is no good there is a verdict.
pub fn serve_jsonl(
    sandbox: &Sandbox,
    input: impl BufRead + Send + 'static,
    mut output: impl Write,
) -> Result<()> {
    let (lines, arriving) = bounded(0);
    // Nobody waits for this thread: when the output breaks, it may be waiting for a line that never comes.
    std::thread::spawn(move || read_all(input, &lines));
    let (mut waiting, mut line, mut at_end) = (VecDeque::<Slot>::new(), 0, false);
    while !(at_end && waiting.is_empty()) {
        let done = match waiting.front() {
            Some(Slot { job: Ok((pending, _)), .. }) => pending.0.clone(),
            Some(_) => {
                waiting.pop_front().map_or(Ok(()), |slot| write(&mut output, slot, None))?;
                continue;
            }
            None => never(),
        };
        let full = waiting.len() >= READ_AHEAD * sandbox.workers.len()
            || waiting.iter().map(|slot| slot.bytes).sum::<usize>() > MAX_LINE_BYTES;
        let next: Receiver<io::Result<Line>> = if at_end || full { never() } else { arriving.clone() };
        select! {
            recv(done) -> ran => {
                let ran = ran.unwrap_or_else(|_| Err("the worker ended without an answer".to_owned()));
                waiting.pop_front().map_or(Ok(()), |slot| write(&mut output, slot, Some(ran)))?;
            }
            recv(next) -> text => match text {
                Err(_) => at_end = true,
                Ok(text) => {
                    line += 1;
                    waiting.push_back(start(sandbox, &text.map_err(Error::io("standard input"))?, line));
                }
            }
        }
    }
    Ok(())
}

fn start(sandbox: &Sandbox, text: &[u8], line: usize) -> Slot {
    let (id, job) = match text.len() > MAX_LINE_BYTES {
        true => (PyValue::None, Err(format!("longer than {} MiB", MAX_LINE_BYTES >> 20))),
        false => parse(text),
    };
    let job = job.map(|(request, expected)| (sandbox.workers.submit(request), expected));
    Slot { id, line, bytes: text.len(), job }
}

/// One line of output. `ran` is there where the slot has a job.
fn write(output: &mut impl Write, slot: Slot, ran: Option<Ran>) -> Result<()> {
    let Slot { id, line, job, .. } = slot;
    let fields = match (job, ran) {
        (Ok((_, expected)), Some(ran)) => {
            let (cpu_us, wall_us) = ran.as_ref().map_or((0, 0), |ran| (ran.cpu_us, ran.wall_us));
            let [cpu_ms, wall_ms] = [cpu_us, wall_us].map(|us| us as f64 / 1e3);
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
        (job, _) => {
            let why = job.err().unwrap_or_default();
            format!(r#""line":{line},"error":{}"#, json!(format!("line {line}: {why}")))
        }
    };
    // The id may be text that `serde_json` cannot write.
    let text = [br#"{"id":"#, id.to_json().as_slice(), b",", fields.as_bytes(), b"}\n"].concat();
    output.write_all(&text).and_then(|()| output.flush()).map_err(Error::io("standard output"))
}

/// Sends line after line, until the input ends or breaks, or nobody listens.
fn read_all(mut input: impl BufRead, lines: &Sender<io::Result<Line>>) {
    while let Some(line) = read_line(&mut input).transpose() {
        let broken = line.is_err();
        if lines.send(line).is_err() || broken {
            break;
        }
    }
}

/// Reads a line, without its end; `None` if there is none. Of one that is too long only the beginning is
/// kept, which is also too long.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    if input.by_ref().take(MAX_LINE_BYTES as u64 + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > MAX_LINE_BYTES {
        input.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

/// Reads one job. Its id is kept, where that much can be read, even if the rest is no good.
pub(super) fn parse(text: &[u8]) -> (PyValue, Result<JobLine, String>) {
    let fields = match std::str::from_utf8(text) {
        Ok(_) => fields_of(text).map_err(|why| format!("not JSON: {why}")),
        Err(error) => Err(format!("not UTF-8: {error}")),
    };
    let id = match &fields {
        Ok(Some(fields)) => fields.iter().find(|(name, _)| name == b"id"),
        _ => None,
    };
    let id = id.and_then(|(_, text)| PyValue::from_json(text).ok()).filter(is_id);
    let job = fields.and_then(|fields| parse_job(fields.ok_or("not a JSON object")?));
    (id.unwrap_or(PyValue::None), job)
}

fn parse_job(fields: Vec<Field<'_>>) -> Result<JobLine, String> {
    check_names(
        fields.iter().map(|(name, _)| name),
        &["id", "program", "entry", "inputs", "expected", "limits"],
    )?;
    let fields: BTreeMap<Vec<u8>, &[u8]> = fields.into_iter().collect();
    let limits = match fields.get(&b"limits"[..]) {
        Some(text) => parse_limits(PyValue::from_json(text)?)?,
        None => Limits::default(),
    };
    let need = |name: &str| {
        fields.get(name.as_bytes()).copied().ok_or_else(|| format!("the field `{name}` is missing"))
    };
    if !is_id(&PyValue::from_json(need("id")?)?) {
        return Err("`id` must be a string or an integer".to_owned());
    }
    let program = check_text("program", need("program")?)?;
    let entry = check_text("entry", need("entry")?)?;
    let inputs = need("inputs")?;
    let wrong = "`inputs` must be a list with one list of arguments a case";
    let n_cases = count_lists(inputs).map_err(|case| match case {
        None => wrong.to_owned(),
        Some(case) => format!("{wrong}; case {case} is no list"),
    })?;
    let PyValue::List(expected) = PyValue::from_json(need("expected")?)? else {
        return Err("`expected` must be a list, one value a case".to_owned());
    };
    if n_cases != expected.len() {
        return Err(format!("`inputs` has {n_cases} cases but `expected` has {} values", expected.len()));
    }
    check_expected(&expected)?;
    let payload = [b"[", program, b",", entry, b",", inputs, b"]"].concat();
    Ok((Request::new(&payload, n_cases, limits), expected))
}

/// All names must be known.
fn check_names<'a>(mut names: impl Iterator<Item = &'a Vec<u8>>, known: &[&str]) -> Result<(), String> {
    match names.find(|name| !known.iter().any(|known| known.as_bytes() == *name)) {
        None => Ok(()),
        Some(name) => {
            Err(format!("unknown field `{}`; known: {}", String::from_utf8_lossy(name), known.join(", ")))
        }
    }
}

fn is_id(value: &PyValue) -> bool {
    matches!(value, PyValue::Str(_) | PyValue::Int(_))
}

/// The JSON text of a string without null bytes.
fn check_text<'a>(name: &str, json: &'a [u8]) -> Result<&'a [u8], String> {
    match PyValue::from_json(json)? {
        PyValue::Str(text) if text.contains(&0) => Err(format!("`{name}` contains a null byte")),
        PyValue::Str(_) => Ok(json),
        _ => Err(format!("`{name}` must be a string")),
    }
}

fn parse_limits(limits: PyValue) -> Result<Limits, String> {
    let PyValue::Dict(fields) = limits else { return Err("`limits` must be an object".to_owned()) };
    check_names(fields.iter().map(|(name, _)| name), &["cpu_s", "wall_s", "memory_mb"])?;
    let fields: BTreeMap<Vec<u8>, PyValue> = fields.into_iter().collect();
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
