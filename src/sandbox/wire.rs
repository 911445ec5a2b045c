//! What travels between the kit, a zygote and its children, in bytes. `zygote.py` is the other end.
//!
//! ```text
//! kit -> zygote   orders (4 bytes): process id of an ended child; with it the next child's end of a channel
//! zygote -> kit   news (8 bytes): process id of the next child, wait status of the ended one
//! kit -> child    header (20 bytes): payload bytes, cpu s, memory bytes; then the payload: JSON
//!                 [program, entry, [[argument, ..], ..]]; expected values stay here
//! child -> kit    lines: "R" restricted, "L" loaded (or "L!word"), "i=value" or "i!word", "."
//! ```

use super::parse::ANSWER_DEPTH;
use super::value::PyValue;
use super::verdict::{CaseWord, Limits};

/// Bytes of a zygote's news.
pub(super) const NEWS_BYTES: usize = 8;

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
    /// What the child reads: header and payload.
    pub bytes: Vec<u8>,
    pub limits: Limits,
    /// Bytes that a child may write.
    pub output_cap: usize,
    pub n_cases: usize,
}

impl Request {
    pub fn new(payload: &[u8], n_cases: usize, limits: Limits) -> Request {
        let bytes = [
            (payload.len() as u32).to_le_bytes().as_slice(),
            &limits.cpu_s.to_le_bytes(),
            &(limits.memory_mb << 20).to_le_bytes(),
            payload,
        ]
        .concat();
        let output_cap = OUTPUT_BYTES + (n_cases + 1) * LINE_BYTES;
        Request { bytes, limits, output_cap, n_cases }
    }
}

/// Can an answer be these values? If not, the job is no good, whatever its program does.
pub(super) fn check_expected(expected: &[PyValue]) -> Result<(), String> {
    if let Some(case) = expected.iter().position(|value| value.depth() > ANSWER_DEPTH) {
        let deep = format!("nested deeper than {ANSWER_DEPTH} levels");
        return Err(format!("the expected value of case {case} is {deep}: no answer can be"));
    }
    match expected.iter().map(PyValue::least_answer_bytes).sum::<usize>() {
        bytes if bytes > OUTPUT_BYTES => Err(format!(
            "the expected values are {bytes} bytes as text, and all answers together may have {OUTPUT_BYTES}"
        )),
        _ => Ok(()),
    }
}

/// What a zygote says when it has done what was ordered. The first one: an ended child, and as the status
/// whether files' access times stay as they are.
pub(super) struct News {
    /// The next child, which puts its locks on and then waits for its job.
    pub pid: i32,
    /// Of the ended child, as `wait4` gives it.
    pub status: i32,
}

impl News {
    pub fn parse(bytes: &[u8; NEWS_BYTES]) -> News {
        let [a, b, c, d, status @ ..] = *bytes;
        News { pid: i32::from_le_bytes([a, b, c, d]), status: i32::from_le_bytes(status) }
    }
}

/// Why a program's process is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndKind {
    /// The child said that it was done, and was killed then.
    Done,
    /// By itself: it left, or died of a signal that the sandbox did not send.
    ByItself,
    TimedOut,
    TooMuchOutput,
    TooManyThreads,
    /// It closed its answer channel and lived on.
    ClosedChannel,
    /// Someone outside stopped it: not the program's doing.
    Stopped,
}

/// How a program ended, and all that it said.
pub(super) struct End {
    pub kind: EndKind,
    /// As `wait4` gives it; 0 of a child that said that it was done.
    pub status: i32,
    pub cpu_us: u64,
    pub wall_us: u64,
    pub output: Vec<u8>,
}

impl End {
    /// The signal that the program died of, where the zygote did not send it.
    pub fn signal(&self) -> Option<i32> {
        (self.kind == EndKind::ByItself && libc::WIFSIGNALED(self.status))
            .then(|| libc::WTERMSIG(self.status))
    }

    /// Did the child get as far as the program? If not, the sandbox failed and not the program.
    pub fn is_ready(&self) -> bool {
        self.output.starts_with(b"R\n")
    }

    /// One answer a case. Whatever breaks the protocol is `malformed`, and ends the reading.
    pub fn answers(&self, request: &Request) -> Vec<CaseAnswer> {
        let n_cases = request.n_cases;
        // The text after the last newline is a line that was never finished; the first line is "R".
        let end = self.output.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        let mut lines = self.output[..end].split(|byte| *byte == b'\n').skip(1);
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
            answers[n_cases - 1] = Err(if self.kind == EndKind::Done { CaseWord::Malformed } else { ended });
        }
        answers.resize(n_cases, Err(CaseWord::NotRun));
        answers
    }

    /// The word for the case during which the process ended.
    fn word_of_end(&self, limits: &Limits) -> CaseWord {
        match (self.kind, self.signal()) {
            (EndKind::TimedOut, _) => CaseWord::Timeout,
            (EndKind::TooMuchOutput, _) => CaseWord::OutputLimit,
            (EndKind::TooManyThreads, _) => CaseWord::Memory,
            (EndKind::ByItself, None) => CaseWord::Exited,
            (EndKind::ByItself, Some(signal)) => match signal {
                libc::SIGSYS | libc::SIGXFSZ => CaseWord::Forbidden,
                libc::SIGXCPU => CaseWord::Timeout,
                CHANNEL_LOST => CaseWord::Malformed,
                libc::SIGKILL if self.cpu_us as f64 >= limits.cpu_s * 1e6 => CaseWord::Timeout,
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
    use CaseWord::{Exception, Exited, Forbidden, Malformed, Memory, NoEntry, OutputLimit, Syntax};
    let words = [Exception, Exited, Forbidden, Malformed, Memory, NoEntry, OutputLimit, Syntax];
    words.into_iter().find(|word| word.name().as_bytes() == name)
}
