//! What travels between the kit and a zygote, in bytes. `zygote.py` is the other end.
//!
//! ```text
//! kit -> zygote   header (36 bytes): "JOB1", payload bytes, output cap, cpu s, wall s, memory bytes
//! kit -> child    payload: JSON [program, entry, [[argument, ..], ..]]; expected values stay here
//! zygote -> kit   frames: header (24 bytes) "OUT1", kind, wait status, cpu us, wall us, n; n bytes
//! child -> zygote lines: "R" restricted, "L" loaded (or "L!word"), "i=value" or "i!word", "."
//! ```

use super::Limits;
use super::value::{PyValue, write_json_string};
use crate::sandbox::verdict::CaseWord;

pub(crate) const JOB_HEADER_BYTES: usize = 36;
pub(crate) const REPLY_HEADER_BYTES: usize = 24;

/// Room for the answers of one program, all cases together: 1 MiB, as `program.py` counts it.
const OUTPUT_BYTES: usize = 1 << 20;

/// Room for what stands around an answer in its line.
const LINE_BYTES: usize = 64;

/// The signal by which a child ends whose harness failed: its answer pipe is gone, for example.
const CHANNEL_LOST: i32 = if cfg!(target_os = "linux") { 63 } else { libc::SIGUSR2 };

/// One program and its inputs, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Header and payload.
    pub bytes: Vec<u8>,
    pub n_cases: usize,
    pub limits: Limits,
}

impl Request {
    pub(crate) fn new(program: &[u8], entry: &[u8], inputs: &[Vec<PyValue>], limits: Limits) -> Request {
        let mut bytes = vec![0; JOB_HEADER_BYTES];
        bytes.push(b'[');
        write_json_string(program, &mut bytes);
        bytes.push(b',');
        write_json_string(entry, &mut bytes);
        bytes.push(b',');
        PyValue::List(inputs.iter().map(|arguments| PyValue::List(arguments.clone())).collect())
            .write_json(&mut bytes);
        bytes.push(b']');
        let payload_bytes = (bytes.len() - JOB_HEADER_BYTES) as u32;
        let cap = (OUTPUT_BYTES + (inputs.len() + 1) * LINE_BYTES) as u32;
        let header: Vec<u8> = [
            b"JOB1".as_slice(),
            &payload_bytes.to_le_bytes(),
            &cap.to_le_bytes(),
            &limits.cpu_s.to_le_bytes(),
            &limits.wall_s.to_le_bytes(),
            &(limits.memory_mb << 20).to_le_bytes(),
        ]
        .concat();
        bytes[..JOB_HEADER_BYTES].copy_from_slice(&header);
        Request { bytes, n_cases: inputs.len(), limits }
    }
}

/// One frame of a zygote.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub kind: u8,
    pub status: i32,
    pub cpu_us: u32,
    pub wall_us: u32,
    pub data_bytes: usize,
}

impl Reply {
    pub(crate) fn parse(header: &[u8; REPLY_HEADER_BYTES]) -> Option<Reply> {
        let word = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
        (word(0) == *b"OUT1").then(|| Reply {
            kind: header[4],
            status: i32::from_le_bytes(word(8)),
            cpu_us: u32::from_le_bytes(word(12)),
            wall_us: u32::from_le_bytes(word(16)),
            data_bytes: u32::from_le_bytes(word(20)) as usize,
        })
    }
}

/// Why a program's process is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It said that it was done, and was killed then.
    Done,
    /// By itself: it left, or died of a signal that the sandbox did not send.
    ByItself,
    TimedOut,
    TooMuchOutput,
    /// It closed its answer pipe and lived on.
    ClosedChannel,
    /// Someone outside stopped it: not the program's doing.
    Stopped,
}

impl End {
    pub(crate) fn from_kind(kind: u8) -> Option<End> {
        Some(match kind {
            b'A' => End::Done,
            b'X' => End::ByItself,
            b'T' => End::TimedOut,
            b'O' => End::TooMuchOutput,
            b'C' => End::ClosedChannel,
            b'S' => End::Stopped,
            _ => return None,
        })
    }
}

/// What became of one program: what it said, and how it ended.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub end: End,
    /// As `wait4` gives it.
    pub status: i32,
    pub cpu_us: u32,
    pub wall_us: u32,
    pub output: Vec<u8>,
}

/// What the program answered in one case, before anyone looks at what was expected.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Value(PyValue),
    Word(CaseWord),
}

impl Outcome {
    /// The signal it died of, where the zygote did not send it.
    pub(crate) fn signal(&self) -> Option<i32> {
        (self.end == End::ByItself && libc::WIFSIGNALED(self.status)).then(|| libc::WTERMSIG(self.status))
    }

    /// Did the child get as far as the program? If not, the sandbox failed and not the program.
    pub(crate) fn is_ready(&self) -> bool {
        self.output.starts_with(b"R\n")
    }

    /// One answer a case. Whatever breaks the protocol is `malformed`, and ends the reading.
    pub(crate) fn answers(&self, request: &Request) -> Vec<Answer> {
        let n_cases = request.n_cases;
        let mut answers = Vec::with_capacity(n_cases);
        // The text after the last newline is a line that was never finished.
        let whole = self.output.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut lines =
            self.output[..whole].split_inclusive(|byte| *byte == b'\n').map(|line| &line[..line.len() - 1]);
        let mut ended = self.word_of_end(&request.limits);
        let ready = lines.next();
        debug_assert!(ready.is_none_or(|line| line == b"R"), "callers check `is_ready`");
        match lines.next() {
            Some(b"L") => {}
            Some(line) => {
                let word = line.strip_prefix(b"L!").and_then(word).unwrap_or(CaseWord::Malformed);
                return vec![Answer::Word(word); n_cases];
            }
            None => return vec![Answer::Word(ended); n_cases],
        }
        while answers.len() < n_cases {
            let Some(line) = lines.next() else { break };
            if line == b"." && !answers.is_empty() && answers.last() == Some(&Answer::Word(CaseWord::Exited))
            {
                ended = CaseWord::NotRun;
                break;
            }
            match answer(line, answers.len()) {
                Some(answer) => answers.push(answer),
                None => {
                    ended = CaseWord::Malformed;
                    break;
                }
            }
        }
        if answers.len() < n_cases {
            answers.push(Answer::Word(ended));
        } else if n_cases > 0 && (lines.next() != Some(b".") || lines.next().is_some()) {
            // Every case has its answer, and yet there is more, or no end: none of it is sure.
            answers.pop();
            answers.push(Answer::Word(if self.end == End::Done { CaseWord::Malformed } else { ended }));
        }
        answers.resize(n_cases, Answer::Word(CaseWord::NotRun));
        answers
    }

    /// The word for the case during which the process ended.
    fn word_of_end(&self, limits: &Limits) -> CaseWord {
        match self.end {
            End::TimedOut => CaseWord::Timeout,
            End::TooMuchOutput => CaseWord::OutputLimit,
            // Done without all answers, or with the channel gone: the protocol was broken.
            End::Done | End::ClosedChannel | End::Stopped => CaseWord::Malformed,
            End::ByItself => match self.signal() {
                Some(libc::SIGSYS | libc::SIGXFSZ) => CaseWord::Forbidden,
                Some(libc::SIGXCPU) => CaseWord::Timeout,
                Some(CHANNEL_LOST) => CaseWord::Malformed,
                Some(libc::SIGKILL) if f64::from(self.cpu_us) >= limits.cpu_s * 1e6 => CaseWord::Timeout,
                Some(_) => CaseWord::Crashed,
                None => CaseWord::Exited,
            },
        }
    }
}

/// `3=value` or `3!word`, where 3 must be the case's number.
fn answer(line: &[u8], case: usize) -> Option<Answer> {
    let rest = line.strip_prefix(case.to_string().as_bytes())?;
    match rest.split_first()? {
        (b'=', text) => PyValue::from_answer(text).ok().map(Answer::Value),
        (b'!', name) => word(name).map(Answer::Word),
        _ => None,
    }
}

/// The words that a child may use of itself.
fn word(name: &[u8]) -> Option<CaseWord> {
    [
        CaseWord::Exception,
        CaseWord::Exited,
        CaseWord::Forbidden,
        CaseWord::Malformed,
        CaseWord::Memory,
        CaseWord::OutputLimit,
    ]
    .into_iter()
    .find(|word| word.name().as_bytes() == name)
}
