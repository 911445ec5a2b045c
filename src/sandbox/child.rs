//! One child: sends it its job, reads its answers, watches its limits, says how it ended.
//!
//! Limits count from the child's first line, which says that it is restricted: making it ready is the
//! sandbox's work and not the program's.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::Pid;

use super::verdict::Limits;
use super::wire::{EndKind, Request};
use super::zygote::{transfer, wait_for};

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

/// A child that waits for its job. It is the zygote's: dead or alive, its process id stays its own until the
/// zygote is told to reap it.
pub(super) struct Waiting {
    pub pid: i32,
    /// Nobody else holds this end.
    pub channel: UnixStream,
}

/// A child that runs, or is a zombie.
pub(super) struct Child {
    pub pid: i32,
    channel: UnixStream,
    /// Ready to be read once the child has ended. None where the system has no such thing.
    process: Option<OwnedFd>,
    limits: Limits,
    output_cap: usize,
    /// All that it has said.
    pub output: Vec<u8>,
    started: Instant,
    /// From its first line on.
    clocks: Option<Clocks>,
}

impl Child {
    /// Gives a child its job.
    pub fn start(Waiting { pid, channel }: Waiting, request: &Request) -> Result<Child, String> {
        let Request { bytes, limits, output_cap, .. } = request;
        let (limits, output_cap, started) = (*limits, *output_cap, Instant::now());
        transfer(&channel, PollFlags::OUT, START, bytes.len(), |at| (&channel).write(&bytes[at..]))
            .map_err(|why| format!("a child takes no job: {why}"))?;
        let process = end_of(pid);
        Ok(Child { pid, channel, process, limits, output_cap, output: vec![], started, clocks: None })
    }

    /// Reads until the child is done, dead or over a limit.
    pub fn watch(&mut self) -> Result<EndKind, String> {
        loop {
            let next_look = self.clocks.as_ref().map_or(self.started + START, |clocks| clocks.next_look);
            let mut ready = vec![PollFd::new(&self.channel, PollFlags::IN)];
            ready.extend(self.process.as_ref().map(|process| PollFd::new(process, PollFlags::IN)));
            wait_for(&mut ready, next_look.saturating_duration_since(Instant::now()));
            let ended = ready.get(1).is_some_and(|process| !process.revents().is_empty());
            // Read first, look at the clocks second: who has answered in time is not late because nobody
            // listened. What a child has said it said before it ended.
            let open = self.read()?;
            if self.output.len() > self.output_cap {
                return Ok(EndKind::TooMuchOutput);
            }
            if self.output.ends_with(b"\n.\n") {
                // The end mark is believed within the limits only.
                let late = self.clocks.as_mut().and_then(Clocks::over_time);
                return Ok(late.unwrap_or(EndKind::Done));
            }
            if ended {
                return Ok(EndKind::ByItself);
            }
            if !open {
                let process = self.process.as_ref().map(|process| PollFd::new(process, PollFlags::IN));
                let mut ready: Vec<PollFd> = process.into_iter().collect();
                wait_for(&mut ready, PARTING);
                let ended = ready.iter().any(|process| !process.revents().is_empty());
                return Ok(if ended { EndKind::ByItself } else { EndKind::ClosedChannel });
            }
            if Instant::now() >= next_look {
                let clocks = self.clocks.as_mut().ok_or("a child was not ready in time")?;
                if let Some(kind) = clocks.look() {
                    return Ok(kind);
                }
            }
        }
    }

    /// Takes what there is to read. False at the end of the channel.
    fn read(&mut self) -> Result<bool, String> {
        let mut buffer = [0; 1 << 13]; // most children say less
        while self.output.len() <= self.output_cap {
            match self.channel.read(&mut buffer) {
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

    /// Microseconds since it was given its job.
    pub fn wall_us(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }

    /// CPU microseconds since it was ready.
    pub fn cpu_us(&self) -> u64 {
        self.clocks.as_ref().map_or(0, |clocks| (1e6 * clocks.used()) as u64)
    }
}

/// What can be read as soon as the process has ended.
fn end_of(pid: i32) -> Option<OwnedFd> {
    #[cfg(target_os = "linux")]
    return rustix::process::pidfd_open(Pid::from_raw(pid)?, rustix::process::PidfdFlags::empty()).ok();
    #[cfg(not(target_os = "linux"))]
    return None;
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

    /// CPU seconds since it was ready.
    fn used(&self) -> f64 {
        cpu_seconds(self.pid) - self.before
    }

    /// Is the child over its time? If so, this is how it ends.
    fn over_time(&mut self) -> Option<EndKind> {
        let Limits { cpu_s, wall_s, .. } = self.limits;
        let used = self.used();
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
