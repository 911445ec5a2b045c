//! Ways to run programs, and the processor time that they take.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write, pipe};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::{Value as Json, json};
use sft_vs_rl::{Error, Job, Result, Sandbox};

/// Runs a program on its inputs and writes what it returns, as JSON.
const BARE: &str = "import json, sys
program, entry, inputs = json.load(sys.stdin)
names = {}
exec(program, names)
print(json.dumps([names[entry](*case) for case in inputs]))";

/// What went wrong with a contestant.
pub fn broken(what: impl std::fmt::Display) -> Error {
    Error::Sandbox(format!("bench: {what}"))
}

/// One way to run programs. `run` takes one program from asking to its verdict, in seconds.
pub enum Way {
    Bare { python: String },
    Harness(Harness),
    Sandbox(Sandbox),
}

/// `human_eval_style.py`, which has its own workers: jobs go in at once, answers come with seconds.
pub struct Harness {
    handle: duct::Handle,
    to: PipeWriter,
    from: BufReader<PipeReader>,
}

impl Harness {
    /// `scheme` is `manager` or `pipe`.
    pub fn start(python: &str, scheme: &str, workers: usize) -> Result<Harness> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/human_eval_style.py");
        let ((child_in, to), (from, child_out)) = (pipe().map_err(broken)?, pipe().map_err(broken)?);
        let words = ["-s".as_ref(), "-B".as_ref(), script.as_os_str(), scheme.as_ref()];
        let handle = duct::cmd(python, words.into_iter().chain([workers.to_string().as_ref()]))
            .stdin_file(child_in)
            .stdout_file(child_out)
            .unchecked()
            .start()
            .map_err(Error::io(python))?;
        let mut harness = Harness { handle, to, from: BufReader::new(from) };
        harness.read()?; // "ready"
        Ok(harness)
    }

    /// Waits a minute at most: forking beside threads can deadlock, and a comparison that hangs is none.
    fn read(&mut self) -> Result<Json> {
        let fd = self.from.get_ref().as_raw_fd();
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // The end of any child interrupts it.
        // SAFETY: `poll` points to one pollfd that lives through the call.
        let mut wait = || match unsafe { libc::poll(&raw mut poll, 1, 60_000) } {
            -1 => std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted,
            ready => ready == 1,
        };
        if self.from.buffer().is_empty() && !wait() {
            return Err(broken("the human-eval style harness is silent; run it again"));
        }
        let mut line = String::new();
        self.from.read_line(&mut line).map_err(Error::io("the harness"))?;
        serde_json::from_str(&line).map_err(broken)
    }

    /// Word and seconds of each job, as they come.
    pub fn run(&mut self, jobs: &[&Job], timeout_s: f64) -> Result<Vec<(String, f64)>> {
        for (number, job) in jobs.iter().enumerate() {
            let line = json!([number, job.program, job.entry, job.inputs, job.expected, timeout_s]);
            writeln!(self.to, "{line}").map_err(Error::io("the harness"))?;
        }
        let answer = |answer: Json| {
            let word = answer[1].as_str().unwrap_or_default().to_owned();
            Ok((word, answer[2].as_f64().ok_or_else(|| broken(&answer))?))
        };
        jobs.iter().map(|_| self.read().and_then(answer)).collect()
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        // It has no job left; what it has started ends with it.
        let _ = self.handle.kill();
    }
}

/// What no sandbox that forks an interpreter can be faster than: fork, exit and reap of one that does nothing.
pub struct Floor {
    handle: duct::Handle,
    to: PipeWriter,
    from: BufReader<PipeReader>,
}

const FLOOR: &str = "import gc, os, sys, time
gc.collect(); gc.freeze()
for line in sys.stdin:
    started = time.perf_counter()
    for _ in range(int(line)):
        pid = os.fork()
        if pid == 0: os._exit(0)
        os.waitpid(pid, 0)
    print((time.perf_counter() - started) / int(line), flush=True)";

impl Floor {
    pub fn start(python: &str) -> Result<Floor> {
        let ((child_in, to), (from, child_out)) = (pipe().map_err(broken)?, pipe().map_err(broken)?);
        let command = duct::cmd(python, ["-I", "-S", "-B", "-c", FLOOR]).unchecked();
        let handle =
            command.stdin_file(child_in).stdout_file(child_out).start().map_err(Error::io(python))?;
        Ok(Floor { handle, to, from: BufReader::new(from) })
    }

    /// Seconds of one, the mean of so many one after another.
    pub fn seconds(&mut self, count: usize) -> Result<f64> {
        writeln!(self.to, "{count}").map_err(Error::io("the floor"))?;
        let mut line = String::new();
        self.from.read_line(&mut line).map_err(Error::io("the floor"))?;
        line.trim().parse().map_err(broken)
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // It has nothing left to do.
        let _ = self.handle.kill();
    }
}

/// Seconds of each program, run by so many threads that each wait for their own.
fn by_threads(workers: usize, jobs: &[&Job], run: impl Fn(&Job) -> Result<()> + Sync) -> Result<Vec<f64>> {
    let (next, seconds) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(jobs.len())));
    let work = || -> Result<()> {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let started = Instant::now();
            run(job)?;
            let took = started.elapsed().as_secs_f64();
            seconds.lock().map_err(broken)?.push(took);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| broken("a thread panicked"))?)
    })?;
    seconds.into_inner().map_err(broken)
}

impl Way {
    /// Runs the jobs, all of which must pass; returns the seconds of each.
    pub fn run(&mut self, workers: usize, jobs: &[&Job]) -> Result<Vec<f64>> {
        match self {
            Way::Bare { python } => by_threads(workers, jobs, |job| {
                let output = duct::cmd(&*python, ["-I", "-S", "-B", "-c", BARE])
                    .stdin_bytes(json!([job.program, job.entry, job.inputs]).to_string())
                    .stdout_capture()
                    .run()
                    .map_err(Error::io(&*python))?;
                let answers: Vec<Json> = serde_json::from_slice(&output.stdout).map_err(broken)?;
                if answers == job.expected { Ok(()) } else { Err(broken("a bare program failed")) }
            }),
            Way::Harness(harness) => harness
                .run(jobs, 3.0)?
                .into_iter()
                .map(|(word, s)| if word == "passed" { Ok(s) } else { Err(broken(word)) })
                .collect(),
            Way::Sandbox(sandbox) => by_threads(workers, jobs, |job| {
                let verdicts = sandbox.judge(std::slice::from_ref(job));
                if verdicts[0].passed() == Some(true) {
                    Ok(())
                } else {
                    Err(broken(format!("{:?}", verdicts[0])))
                }
            }),
        }
    }
}

/// CPU seconds so far of this process, of its children that have ended, and of its living children
/// with what they have reaped.
pub fn cpu_seconds() -> f64 {
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    let mut sum = 0.0;
    for who in [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN] {
        // SAFETY: an all-zero `rusage` is valid, and `getrusage` writes only into it.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(who, &mut usage);
            usage
        };
        sum += seconds(usage.ru_utime) + seconds(usage.ru_stime);
    }
    // SAFETY: `sysconf` takes and returns plain integers.
    let tick = 1.0 / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    let own = std::process::id();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let fields: Vec<f64> = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect())
            .unwrap_or_default();
        if fields.get(1) == Some(&f64::from(own)) {
            sum += fields[11..15].iter().sum::<f64>() * tick; // utime, stime, cutime, cstime
        }
    }
    sum
}
