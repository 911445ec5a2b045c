//! What travels between the kit and a zygote, in bytes. `zygote.py` is the other end.
//!
//! ```text
//! kit -> zygote   header (36 bytes): "JOB1", payload bytes, output cap, cpu s, wall s, memory bytes
//! kit -> child    payload: JSON [program, entry, [[argument, ..], ..]]; expected values stay here
//! zygote -> kit   frames: header (24 bytes) "OUT1", kind, wait status, cpu us, wall us, n; n bytes
//! child -> zygote lines: "R" restricted, "L" loaded (or "L!word"), "i=value" or "i!word", "."
//! ```

use super::value::PyValue;
use super::verdict::{CaseWord, Limits};

/// Bytes before the data of a frame.
pub(super) const FRAME_HEADER_BYTES: usize = 24;

/// Room for the answers of one program, all cases together: 1 MiB, as `program.py` counts it.
const OUTPUT_BYTES: usize = 1 << 20;

/// Room for what stands around an answer in its line.
const LINE_BYTES: usize = 64;

/// The signal by which a child ends whose harness failed: its answer pipe is gone, for example.
const CHANNEL_LOST: i32 = if cfg!(target_os = "linux") { 63 } else { libc::SIGUSR2 };

/// What the program answered in one case, before anyone looks at what was expected.
pub(super) type CaseAnswer = Result<PyValue, CaseWord>;

/// One program and its inputs, ready to be sent.
pub(super) struct Request {
    /// Header and payload.
    pub bytes: Vec<u8>,
    n_cases: usize,
    limits: Limits,
}

impl Request {
    /// `payload` is JSON: `[program, entry, [[argument, ..], ..]]`.
    pub fn new(payload: &[u8], n_cases: usize, limits: Limits) -> Request {
        let cap = OUTPUT_BYTES + (n_cases + 1) * LINE_BYTES;
        let bytes = [
            b"JOB1".as_slice(),
            &(payload.len() as u32).to_le_bytes(),
            &(cap as u32).to_le_bytes(),
            &limits.cpu_s.to_le_bytes(),
            &limits.wall_s.to_le_bytes(),
            &(limits.memory_mb << 20).to_le_bytes(),
            payload,
        ]
        .concat();
        Request { bytes, n_cases, limits }
    }
}

/// What a frame says; from `Done` on, why a program's process is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::FromRepr)]
#[repr(u8)]
pub(super) enum FrameKind {
    /// The zygote is ready, and has seen that its powers are gone.
    Hello = b'H',
    /// Part of the child's output.
    Output = b'D',
    /// Nothing new: the zygote is alive.
    Beat = b'B',
    /// The child said that it was done, and was killed then.
    Done = b'A',
    /// By itself: it left, or died of a signal that the sandbox did not send.
    ByItself = b'X',
    TimedOut = b'T',
    TooMuchOutput = b'O',
    /// It closed its answer pipe and lived on.
    ClosedChannel = b'C',
    /// Someone outside stopped it: not the program's doing.
    Stopped = b'S',
}

/// One frame of a zygote. The last one about a program is also how that program ended.
pub(super) struct Frame {
    pub kind: FrameKind,
    /// As `wait4` gives it.
    pub status: i32,
    pub cpu_us: u32,
    pub wall_us: u32,
    /// Of the last frame: all output of the program.
    pub data: Vec<u8>,
}

impl Frame {
    /// The frame with zeros as its data, for those follow its header.
    pub fn parse(header: &[u8; FRAME_HEADER_BYTES]) -> Option<Frame> {
        let number =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let kind = FrameKind::from_repr(header[4]).filter(|_| header.starts_with(b"OUT1"))?;
        let data = vec![0; number(20) as usize];
        Some(Frame { kind, status: number(8) as i32, cpu_us: number(12), wall_us: number(16), data })
    }

    /// The signal that the program died of, where the zygote did not send it.
    pub fn signal(&self) -> Option<i32> {
        (self.kind == FrameKind::ByItself && libc::WIFSIGNALED(self.status))
            .then(|| libc::WTERMSIG(self.status))
    }

    /// Did the child get as far as the program? If not, the sandbox failed and not the program.
    pub fn is_ready(&self) -> bool {
        self.data.starts_with(b"R\n")
    }

    /// One answer a case. Whatever breaks the protocol is `malformed`, and ends the reading.
    pub fn answers(&self, request: &Request) -> Vec<CaseAnswer> {
        let n_cases = request.n_cases;
        // The text after the last newline is a line that was never finished; the first line is "R".
        let end = self.data.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        let mut lines = self.data[..end].split(|byte| *byte == b'\n').skip(1);
        let mut ended = self.word_of_end(&request.limits);
        match lines.next() {
            Some(b"L") => {}
            Some(line) => {
                let word = line.strip_prefix(b"L!").and_then(own_word).unwrap_or(CaseWord::Malformed);
                return vec![Err(word); n_cases];
            }
            None => return vec![Err(ended); n_cases],
        }
        let mut answers: Vec<CaseAnswer> = Vec::with_capacity(n_cases);
        for line in lines.by_ref().take(n_cases) {
            if line == b"." && answers.last() == Some(&Err(CaseWord::Exited)) {
                ended = CaseWord::NotRun;
                break;
            }
            let Some(answer) = answer(line, answers.len()) else {
                ended = CaseWord::Malformed;
                break;
            };
            answers.push(answer);
        }
        if answers.len() < n_cases {
            answers.push(Err(ended));
        } else if n_cases > 0 && (lines.next() != Some(b".") || lines.next().is_some()) {
            // Every case has its answer, and yet there is more, or no end: none of it is sure.
            answers[n_cases - 1] =
                Err(if self.kind == FrameKind::Done { CaseWord::Malformed } else { ended });
        }
        answers.resize(n_cases, Err(CaseWord::NotRun));
        answers
    }

    /// The word for the case during which the process ended.
    fn word_of_end(&self, limits: &Limits) -> CaseWord {
        match (self.kind, self.signal()) {
            (FrameKind::TimedOut, _) => CaseWord::Timeout,
            (FrameKind::TooMuchOutput, _) => CaseWord::OutputLimit,
            (FrameKind::ByItself, None) => CaseWord::Exited,
            (FrameKind::ByItself, Some(signal)) => match signal {
                libc::SIGSYS | libc::SIGXFSZ => CaseWord::Forbidden,
                libc::SIGXCPU => CaseWord::Timeout,
                CHANNEL_LOST => CaseWord::Malformed,
                libc::SIGKILL if f64::from(self.cpu_us) >= limits.cpu_s * 1e6 => CaseWord::Timeout,
                _ => CaseWord::Crashed,
            },
            // Done without all answers, or with the channel gone: the protocol was broken.
            _ => CaseWord::Malformed,
        }
    }
}

/// `3=value` or `3!word`, where 3 must be the case's number.
fn answer(line: &[u8], case: usize) -> Option<CaseAnswer> {
    match line.strip_prefix(case.to_string().as_bytes())?.split_first()? {
        (b'=', text) => PyValue::from_answer(text).ok().map(Ok),
        (b'!', name) => own_word(name).map(Err),
        _ => None,
    }
}

/// The words that a child may use of itself.
fn own_word(name: &[u8]) -> Option<CaseWord> {
    use CaseWord::{Exception, Exited, Forbidden, Malformed, Memory, OutputLimit};
    let words = [Exception, Exited, Forbidden, Malformed, Memory, OutputLimit];
    words.into_iter().find(|word| word.name().as_bytes() == name)
}
