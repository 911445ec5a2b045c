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
//! that names it, and the rest go on. A line may be at most [`MAX_LINE_BYTES`] long; memory does
//! not grow with longer ones.

use std::io::{BufRead, Write};
use std::sync::{Arc, mpsc};

use serde::Serialize;

use super::parse::Parser;
use super::value::PyValue;
use super::wire::Request;
use super::worker::{Ran, Ticket};
use super::{Limits, Sandbox, verdict};
use crate::base::error::{Error, Result};
use crate::sandbox::verdict::{CaseWord, Verdict};

/// Longest job line: 8 MiB.
pub const MAX_LINE_BYTES: usize = 8 << 20;

/// Jobs that are read ahead, per worker.
const READ_AHEAD: usize = 8;

const LIMIT_FIELDS: &str = "cpu_s, wall_s, memory_mb";
const JOB_FIELDS: &str = "id, program, entry, inputs, expected, limits";

/// Upper bounds of `limits`: an hour, and a terabyte.
const MAX_SECONDS: f64 = 3600.0;
const MAX_MEMORY_MB: i64 = 1 << 20;

/// One job, as a line gives it.
struct Line {
    id: PyValue,
    request: Arc<Request>,
    expected: Vec<PyValue>,
}

/// A line on its way to the output.
enum Slot {
    Bad { id: PyValue, line: usize, message: String },
    Running { job: Line, ran: mpsc::Receiver<(usize, Ran)> },
}

/// Judges every line of `input` and writes a verdict for each to `output`.
pub fn serve(sandbox: &Sandbox, mut input: impl BufRead, output: impl Write + Send) -> Result<()> {
    let (slots, waiting) = mpsc::sync_channel(READ_AHEAD * sandbox.workers());
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || write_all(output, waiting));
        let mut line_bytes = Vec::new();
        for line in 1.. {
            let slot = match read_line(&mut input, &mut line_bytes).map_err(Error::io("standard input"))? {
                Read::End => break,
                Read::TooLong => Slot::Bad {
                    id: PyValue::None,
                    line,
                    message: format!("longer than {} MiB", MAX_LINE_BYTES >> 20),
                },
                Read::Line => match parse(&line_bytes) {
                    Err((id, message)) => Slot::Bad { id, line, message },
                    Ok(job) => {
                        let (reply, ran) = mpsc::channel();
                        sandbox.pool.submit(Ticket { request: job.request.clone(), index: 0, reply });
                        Slot::Running { job, ran }
                    }
                },
            };
            if slots.send(slot).is_err() {
                break; // the writer has stopped, and says why below
            }
        }
        drop(slots);
        // Only a bug makes the writer panic; pass it on as one.
        writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// One line of the output.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Judged { passed: bool, cases: &'a [CaseWord], cpu_ms: f64, wall_ms: f64 },
    Infra { infra: &'a str },
    Bad { line: usize, error: String },
}

fn write_all(mut output: impl Write, waiting: mpsc::Receiver<Slot>) -> Result<()> {
    for slot in waiting {
        let (id, answer) = match slot {
            Slot::Bad { id, line, message } => {
                (id, serde_json::to_string(&Answer::Bad { line, error: format!("line {line}: {message}") }))
            }
            Slot::Running { job, ran } => {
                let ran = match ran.recv() {
                    Ok((_, ran)) => ran,
                    Err(_) => Err("the worker ended without an outcome".to_owned()),
                };
                let (cpu_us, wall_us) =
                    ran.as_ref().map_or((0, 0), |outcome| (outcome.cpu_us, outcome.wall_us));
                let judged = verdict(ran, &job.request, &job.expected, false);
                let answer = match &judged {
                    Verdict::Cases(cases) => serde_json::to_string(&Answer::Judged {
                        passed: judged.passed().unwrap_or(false),
                        cases,
                        cpu_ms: f64::from(cpu_us) / 1e3,
                        wall_ms: f64::from(wall_us) / 1e3,
                    }),
                    Verdict::Infra(why) => serde_json::to_string(&Answer::Infra { infra: why }),
                };
                (job.id, answer)
            }
        };
        let answer =
            answer.map_err(|error| Error::Sandbox(format!("a verdict cannot be written: {error}")))?;
        let mut line = b"{\"id\":".to_vec();
        id.write_json(&mut line);
        line.push(b',');
        line.extend_from_slice(&answer.as_bytes()[1..]); // without its opening brace
        line.push(b'\n');
        output.write_all(&line).and_then(|()| output.flush()).map_err(Error::io("standard output"))?;
    }
    Ok(())
}

enum Read {
    Line,
    TooLong,
    End,
}

/// Reads a line without its end into `line`. Of a line that is too long, the rest is skipped.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<Read> {
    line.clear();
    let mut too_long = false;
    let mut any = false;
    loop {
        let chunk = match input.fill_buf() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        if chunk.is_empty() {
            return Ok(match (any, too_long) {
                (false, _) => Read::End,
                (true, true) => Read::TooLong,
                (true, false) => Read::Line,
            });
        }
        any = true;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        if line.len() + part.len() > MAX_LINE_BYTES {
            too_long = true;
            line.clear();
            line.shrink_to(1 << 16);
        } else if !too_long {
            line.extend_from_slice(part);
        }
        let used = end.map_or(chunk.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(if too_long { Read::TooLong } else { Read::Line });
        }
    }
}

/// Reads one job. The error keeps the job's id where that much could be read.
fn parse(line: &[u8]) -> std::result::Result<Line, (PyValue, String)> {
    let whole = match std::str::from_utf8(line) {
        Ok(_) => Parser::json(line).whole().map_err(|why| format!("not JSON: {why}")),
        Err(error) => Err(format!("not UTF-8: {error}")),
    };
    let fields = match whole {
        Ok(PyValue::Dict(fields)) => fields,
        Ok(_) => return Err((PyValue::None, "not a JSON object".to_owned())),
        Err(message) => return Err((PyValue::None, message)),
    };
    let is_id = |value: &PyValue| matches!(value, PyValue::Str(_) | PyValue::Int(_));
    let id = fields.iter().find(|(name, value)| name == b"id" && is_id(value)).map(|(_, id)| id.clone());
    parse_fields(fields).map_err(|message| (id.unwrap_or(PyValue::None), message))
}

fn parse_fields(fields: Vec<(Vec<u8>, PyValue)>) -> std::result::Result<Line, String> {
    let (mut id, mut program, mut entry, mut inputs, mut expected, mut limits) =
        (None, None, None, None, None, Limits::default());
    for (name, value) in fields {
        match name.as_slice() {
            b"id" => match value {
                PyValue::Str(_) | PyValue::Int(_) => id = Some(value),
                _ => return Err("`id` must be a string or an integer".to_owned()),
            },
            b"program" => program = Some(text("program", value)?),
            b"entry" => entry = Some(text("entry", value)?),
            b"inputs" => inputs = Some(argument_lists(value)?),
            b"expected" => match value {
                PyValue::List(values) => expected = Some(values),
                _ => return Err("`expected` must be a list, one value a case".to_owned()),
            },
            b"limits" => limits = parse_limits(value)?,
            _ => return Err(unknown(&name, JOB_FIELDS)),
        }
    }
    let missing = |name: &str| format!("the field `{name}` is missing");
    let id = id.ok_or_else(|| missing("id"))?;
    let program = program.ok_or_else(|| missing("program"))?;
    let entry = entry.ok_or_else(|| missing("entry"))?;
    let inputs = inputs.ok_or_else(|| missing("inputs"))?;
    let expected = expected.ok_or_else(|| missing("expected"))?;
    if inputs.len() != expected.len() {
        let (cases, values) = (inputs.len(), expected.len());
        return Err(format!("`inputs` has {cases} cases but `expected` has {values} values"));
    }
    let request = Arc::new(Request::new(&program, &entry, &inputs, limits));
    Ok(Line { id, request, expected })
}

fn text(name: &str, value: PyValue) -> std::result::Result<Vec<u8>, String> {
    match value {
        PyValue::Str(text) if text.contains(&0) => Err(format!("`{name}` contains a null byte")),
        PyValue::Str(text) => Ok(text),
        _ => Err(format!("`{name}` must be a string")),
    }
}

fn argument_lists(value: PyValue) -> std::result::Result<Vec<Vec<PyValue>>, String> {
    let wrong = "`inputs` must be a list with one list of arguments a case";
    let PyValue::List(cases) = value else { return Err(wrong.to_owned()) };
    let arguments = |(case, value)| match value {
        PyValue::List(arguments) => Ok(arguments),
        _ => Err(format!("{wrong}; case {case} is no list")),
    };
    cases.into_iter().enumerate().map(arguments).collect()
}

fn parse_limits(value: PyValue) -> std::result::Result<Limits, String> {
    let PyValue::Dict(fields) = value else { return Err("`limits` must be an object".to_owned()) };
    let mut limits = Limits::default();
    for (name, value) in fields {
        match name.as_slice() {
            b"cpu_s" => limits.cpu_s = seconds("cpu_s", &value)?,
            b"wall_s" => limits.wall_s = seconds("wall_s", &value)?,
            b"memory_mb" => match value {
                PyValue::Int(mb @ 1..=MAX_MEMORY_MB) => limits.memory_mb = mb as u64,
                _ => return Err(format!("`memory_mb` must be an integer from 1 to {MAX_MEMORY_MB}")),
            },
            _ => return Err(unknown(&name, LIMIT_FIELDS)),
        }
    }
    Ok(limits)
}

fn seconds(name: &str, value: &PyValue) -> std::result::Result<f64, String> {
    let seconds = match value {
        PyValue::Int(whole) => *whole as f64,
        PyValue::Float(seconds) => *seconds,
        _ => f64::NAN,
    };
    let fits = seconds > 0.0 && seconds <= MAX_SECONDS;
    fits.then_some(seconds)
        .ok_or_else(|| format!("`{name}` must be a number of seconds above 0, at most {MAX_SECONDS}"))
}

fn unknown(name: &[u8], known: &str) -> String {
    format!("unknown field `{}`; known: {known}", String::from_utf8_lossy(name))
}
