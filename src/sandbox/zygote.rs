//! One zygote as a process: started through duct, spoken to over two pipes, never waited for
//! without a deadline.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::isolation::Locks;
use super::python::Python;
use super::wire::{End, Outcome, REPLY_HEADER_BYTES, Reply, Request};

/// One program in two files: what the child does, and what the zygote does.
const SOURCE: &str = concat!(include_str!("program.py"), "\n", include_str!("zygote.py"));

/// All that a program sees of an environment. Without `HOME`, `~` would be looked up over a socket.
const ENVIRONMENT: [(&str, &str); 4] =
    [("PYTHONHASHSEED", "0"), ("PYTHONUTF8", "1"), ("LC_ALL", "C.UTF-8"), ("HOME", "/")];

/// A Python that starts cold on a busy machine may well be silent for so long.
const START: Duration = Duration::from_secs(20);

/// What every zygote of a sandbox is started from.
pub(crate) struct Plan {
    pub python: Python,
    pub locks: Locks,
    /// A zygote that says nothing for so long is taken for dead. It speaks every second.
    pub silence: Duration,
}

/// A running zygote. Dropping it kills its whole process group and reaps it.
pub(crate) struct Zygote {
    handle: duct::Handle,
    to: io::PipeWriter,
    from: io::PipeReader,
    stderr: io::PipeReader,
    silence: Duration,
    /// What it said about itself when it was ready (JSON).
    pub hello: Vec<u8>,
}

impl Zygote {
    pub(crate) fn start(plan: &Arc<Plan>) -> Result<Zygote, String> {
        let failed = |error: io::Error| format!("the zygote does not start: {error}");
        let (child_in, to) = io::pipe().map_err(failed)?;
        let (from, child_out) = io::pipe().map_err(failed)?;
        let (stderr, child_err) = io::pipe().map_err(failed)?;
        for fd in [to.as_raw_fd(), from.as_raw_fd(), stderr.as_raw_fd()] {
            set_nonblocking(fd).map_err(failed)?;
        }
        let ruleset = plan.locks.ruleset.as_ref().map(AsRawFd::as_raw_fd);
        let config = serde_json::json!({
            "filter": plan.locks.filter.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            "pid_slots": plan.locks.pid_slots,
            "landlock_fd": ruleset,
            "machine": std::env::consts::ARCH,
        });
        let handle =
            duct::cmd(&plan.python.executable, ["-s", "-S", "-B", "-c", SOURCE, &config.to_string()])
                .dir("/")
                .full_env(ENVIRONMENT)
                .stdin_file(child_in)
                .stdout_file(child_out)
                .stderr_file(child_err)
                .unchecked()
                .before_spawn(move |command| {
                    command.process_group(0);
                    if let Some(fd) = ruleset {
                        // SAFETY: between fork and exec the closure makes one `fcntl` call, which is
                        // async-signal-safe; the descriptor is open as long as the plan lives.
                        unsafe { command.pre_exec(move || keep_open(fd)) };
                    }
                    Ok(())
                })
                .start()
                .map_err(failed)?;
        let silence = plan.silence.max(START);
        let mut zygote = Zygote { handle, to, from, stderr, silence, hello: Vec::new() };
        let hello = zygote.reply().map_err(|why| zygote.last_words(why))?;
        if hello.kind != b'H' {
            return Err("the zygote did not greet".to_owned());
        }
        zygote.hello = zygote.read(hello.data_bytes)?;
        zygote.silence = plan.silence;
        Ok(zygote)
    }

    /// Runs one program to its end. `Err` means that the zygote failed, not the program.
    pub(crate) fn run(&mut self, request: &Request) -> Result<Outcome, String> {
        self.run_inner(request).map_err(|why| self.last_words(why))
    }

    fn run_inner(&mut self, request: &Request) -> Result<Outcome, String> {
        self.write(&request.bytes)?;
        let mut output = Vec::new();
        loop {
            let reply = self.reply()?;
            output.append(&mut self.read(reply.data_bytes)?);
            match (reply.kind, End::from_kind(reply.kind)) {
                (b'D' | b'B', _) => {}
                (_, Some(end)) => {
                    let Reply { status, cpu_us, wall_us, .. } = reply;
                    let outcome = Outcome { end, status, cpu_us, wall_us, output };
                    return match outcome.is_ready() {
                        true => Ok(outcome),
                        false => Err(format!("a child ended before it was restricted (status {status})")),
                    };
                }
                (kind, None) => return Err(format!("the zygote sent a frame of unknown kind {kind}")),
            }
        }
    }

    fn reply(&mut self) -> Result<Reply, String> {
        let bytes = self.read(REPLY_HEADER_BYTES)?;
        let header = bytes.try_into().map_err(|_| "a short frame".to_owned())?;
        Reply::parse(&header).ok_or_else(|| "the zygote sent something that is no frame".to_owned())
    }

    fn read(&mut self, count: usize) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; count];
        let mut filled = 0;
        let deadline = Instant::now() + self.silence;
        while filled < count {
            match io::Read::read(&mut self.from, &mut bytes[filled..]) {
                Ok(0) => return Err("the zygote is gone".to_owned()),
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait_for(self.from.as_raw_fd(), libc::POLLIN, deadline)?;
                }
                Err(error) => return Err(format!("reading from the zygote: {error}")),
            }
        }
        Ok(bytes)
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        let deadline = Instant::now() + self.silence;
        while !bytes.is_empty() {
            match io::Write::write(&mut self.to, bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait_for(self.to.as_raw_fd(), libc::POLLOUT, deadline)?;
                }
                Err(error) => return Err(format!("writing to the zygote: {error}")),
            }
        }
        Ok(())
    }

    /// Adds what the zygote wrote to stderr, if anything: a traceback says most.
    fn last_words(&mut self, why: String) -> String {
        let mut said = [0; 4096];
        match io::Read::read(&mut self.stderr, &mut said) {
            Ok(n) if n > 0 => format!("{why}: {}", String::from_utf8_lossy(&said[..n]).trim()),
            _ => why,
        }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.handle.pids().first().copied()
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            // SAFETY: `kill` touches no memory. The group is the zygote's own (`process_group(0)`),
            // and its number cannot be reused before `wait` below has reaped the zygote.
            unsafe { libc::kill(-(pid as libc::pid_t), libc::SIGKILL) };
        }
        // Nothing is captured, so this waits for the killed process alone; its status says nothing.
        let _ = self.handle.wait();
    }
}

fn keep_open(fd: RawFd) -> io::Result<()> {
    // SAFETY: `fcntl` with F_SETFD takes and returns plain integers.
    match unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn set_nonblocking(fd: RawFd) -> io::Result<()> {
    // SAFETY: `fcntl` with F_SETFL takes and returns plain integers. The kit's end of a pipe has
    // a file description of its own, so the zygote's end stays blocking.
    match unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Waits until the pipe is ready or has hung up; an error after the deadline.
fn wait_for(fd: RawFd, events: libc::c_short, deadline: Instant) -> Result<(), String> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("the zygote is silent".to_owned());
        }
        let mut poll = libc::pollfd { fd, events, revents: 0 };
        let timeout = left.as_millis().clamp(1, 60_000) as libc::c_int;
        // SAFETY: `poll` points to one pollfd that lives through the call.
        match unsafe { libc::poll(&raw mut poll, 1, timeout) } {
            n if n > 0 => return Ok(()),
            0 => {}
            _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            _ => return Err(format!("poll: {}", io::Error::last_os_error())),
        }
    }
}
