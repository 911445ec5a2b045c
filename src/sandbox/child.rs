//! One child while it runs: reads its answers, watches its limits, says how it ended.
//!
//! Limits count from the child's first line, which says that it is restricted: making it ready is the
//! sandbox's work and not the program's.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::verdict::Limits;
use super::wire::{EndKind, Request};
use super::zygote::wait_for;

/// A child that is not restricted by then never will be.
const START: Duration = Duration::from_secs(10);

/// At least so often a child's clocks and threads are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Between the end of a child's channel and the end of the child itself.
const PARTING: Duration = Duration::from_millis(50);

/// Time that a child waits for a processor is not the program's. But a program can also bring such waiting
/// about (`sched_yield` beside other work), so that only so many times its limit are left out.
const WAITING: f64 = 4.0;

/// Threads of one program at a time. Their stacks count as memory; this is for threads without any.
const THREADS: usize = 1000;

/// A child that runs, or is a zombie: its zygote keeps it until it is told otherwise.
pub(super) struct Child {
    pid: i32,
    answers: UnixStream,
    limits: Limits,
    output_cap: usize,
    /// All that it has said.
    pub output: Vec<u8>,
    started: Instant,
    /// From its first line on.
    clocks: Option<Clocks>,
}

impl Child {
    pub fn new(pid: i32, answers: UnixStream, request: &Request) -> Result<Child, String> {
        answers.set_nonblocking(true).map_err(|error| format!("the answer channel: {error}"))?;
        let (limits, output_cap) = (request.limits, request.output_cap);
        Ok(Child { pid, answers, limits, output_cap, output: vec![], started: Instant::now(), clocks: None })
    }

    /// Reads until the child is done, dead or over a limit. Its zygote speaks on `control` as soon as the
    /// child has ended: then the second of the pair is true.
    pub fn watch(&mut self, control: BorrowedFd<'_>) -> Result<(EndKind, bool), String> {
        loop {
            let next_look = self.clocks.as_ref().map_or(self.started + START, |clocks| clocks.next_look);
            let mut ready =
                [PollFd::new(&self.answers, PollFlags::IN), PollFd::from_borrowed_fd(control, PollFlags::IN)];
            wait_for(&mut ready, next_look.saturating_duration_since(Instant::now()));
            let ended = !ready[1].revents().is_empty();
            // Read first, look at the clocks second: who has answered in time is not late because nobody
            // listened. What a child has said it said before it ended.
            let open = self.read()?;
            if self.output.len() > self.output_cap {
                return Ok((EndKind::TooMuchOutput, false));
            }
            if self.output.ends_with(b"\n.\n") {
                // The end mark is believed within the limits only.
                let late = self.clocks.as_mut().and_then(Clocks::over_time);
                return Ok((late.unwrap_or(EndKind::Done), false));
            }
            if ended {
                return Ok((EndKind::ByItself, true));
            }
            if !open {
                let mut ready = [PollFd::from_borrowed_fd(control, PollFlags::IN)];
                wait_for(&mut ready, PARTING);
                let ended = !ready[0].revents().is_empty();
                return Ok((if ended { EndKind::ByItself } else { EndKind::ClosedChannel }, ended));
            }
            if Instant::now() >= next_look {
                let clocks = self.clocks.as_mut().ok_or("a child was not ready in time")?;
                if let Some(kind) = clocks.look() {
                    return Ok((kind, false));
                }
            }
        }
    }

    /// Takes what there is to read. False at the end of the channel.
    fn read(&mut self) -> Result<bool, String> {
        let mut buffer = [0; 1 << 13]; // most children say less
        while self.output.len() <= self.output_cap {
            match self.answers.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(n) => {
                    self.output.extend_from_slice(&buffer[..n]);
                    if self.clocks.is_none() {
                        self.clocks = Some(Clocks::start(self.pid, self.limits));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("the answer channel: {error}")),
            }
        }
        Ok(true)
    }

    pub fn kill(&self) {
        // SAFETY: `kill` touches no memory; the zygote has not reaped the child, so the number is its own.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
    }

    /// Microseconds since the fork.
    pub fn wall_us(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }
}

/// The limits of a child, counted from now.
struct Clocks {
    pid: i32,
    limits: Limits,
    started: Instant,
    /// CPU seconds that making it ready took.
    before: f64,
    next_look: Instant,
}

impl Clocks {
    fn start(pid: i32, limits: Limits) -> Clocks {
        let (started, before) = (Instant::now(), cpu_seconds(pid));
        let first = LOOK.min(seconds(limits.cpu_s)).min(seconds(limits.wall_s));
        Clocks { pid, limits, started, before, next_look: started + first }
    }

    /// Is the child over its time? If so, this is how it ends.
    fn over_time(&mut self) -> Option<EndKind> {
        let Limits { cpu_s, wall_s, .. } = self.limits;
        let used = cpu_seconds(self.pid) - self.before;
        let elapsed = self.started.elapsed().as_secs_f64();
        let waited = if elapsed < wall_s { 0.0 } else { waiting_seconds(self.pid).min(WAITING * wall_s) };
        if used >= cpu_s {
            return Some(EndKind::TimedOut);
        }
        if elapsed - waited >= wall_s {
            // A program cannot stop itself (seccomp): someone outside did.
            let stopped = matches!(stat(self.pid), Some((b'T' | b't', _)));
            return Some(if stopped { EndKind::Stopped } else { EndKind::TimedOut });
        }
        let left = seconds((cpu_s - used).min(wall_s + waited - elapsed));
        self.next_look = Instant::now() + left.clamp(Duration::from_millis(2), LOOK);
        None
    }

    /// Is the child over its time, or does it have too many threads?
    fn look(&mut self) -> Option<EndKind> {
        let too_many = stat(self.pid).is_some_and(|(_, threads)| threads > THREADS);
        if too_many { Some(EndKind::TooManyThreads) } else { self.over_time() }
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
}

/// CPU seconds of a process with all its threads, from its own clock (`clock_getcpuclockid`).
fn cpu_seconds(pid: i32) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    if cfg!(target_os = "linux") {
        // SAFETY: writes one `timespec`, which is ours. A process that is no more leaves it as it is.
        unsafe { libc::clock_gettime((!pid << 3) | 2, &raw mut time) };
    }
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Seconds for which the process wanted a processor and the machine had none to give: those of the thread
/// that waited longest.
fn waiting_seconds(pid: i32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let waited = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().nth(1)?.parse::<f64>().ok()
    });
    waited.fold(0.0, f64::max) * 1e-9
}

/// State and number of threads of a process, as Linux has them.
fn stat(pid: i32) -> Option<(u8, usize)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some((*fields.first()?.as_bytes().first()?, fields.get(17)?.parse().ok()?))
}
