//! One zygote as a process: started through duct, spoken to over two pipes, never waited for
//! without a deadline.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use serde_json::json;

use super::locks::Locks;
use super::wire::{FRAME_HEADER_BYTES, Frame, FrameKind, Request};

/// One program in two files: what the child does, and what the zygote does.
const SOURCE: &str = concat!(include_str!("program.py"), "\n", include_str!("zygote.py"));

/// All that a program sees of an environment. Without `HOME`, `~` would be looked up over a socket.
const ENVIRONMENT: [(&str, &str); 4] =
    [("PYTHONHASHSEED", "0"), ("PYTHONUTF8", "1"), ("LC_ALL", "C.UTF-8"), ("HOME", "/")];

/// A Python that starts cold on a busy machine may well be silent for so long.
const START: Duration = Duration::from_secs(20);

/// The calls that Python has no function for: seccomp, landlock_restrict_self, capset.
#[cfg(target_os = "linux")]
const SYSCALLS: [libc::c_long; 3] = [libc::SYS_seccomp, libc::SYS_landlock_restrict_self, libc::SYS_capset];
#[cfg(not(target_os = "linux"))]
const SYSCALLS: [libc::c_long; 3] = [0; 3];

/// What every zygote of a sandbox is started from.
pub(super) struct ZygoteSetup {
    pub locks: Locks,
    /// A zygote that says nothing for so long is taken for dead. It speaks every second.
    pub silence: Duration,
}

/// A running zygote. Dropping it kills its whole process group and reaps it.
pub(super) struct Zygote {
    handle: duct::Handle,
    to: io::PipeWriter,
    from: io::PipeReader,
    stderr: io::PipeReader,
    silence: Duration,
}

impl Zygote {
    /// Starts one and waits until it is ready and has given up its powers.
    pub fn start(setup: &ZygoteSetup) -> Result<Zygote, String> {
        let mut zygote =
            Zygote::spawn(setup).map_err(|error| format!("the zygote does not start: {error}"))?;
        match zygote.frame() {
            Ok(frame) if frame.kind == FrameKind::Hello => {}
            Ok(_) => return Err("the zygote did not greet".to_owned()),
            Err(why) => return Err(zygote.last_words(why)),
        }
        zygote.silence = setup.silence;
        Ok(zygote)
    }

    fn spawn(setup: &ZygoteSetup) -> io::Result<Zygote> {
        let ((child_in, to), (from, child_out), (stderr, child_err)) =
            (io::pipe()?, io::pipe()?, io::pipe()?);
        // The kit's end of a pipe has a file description of its own, so the zygote's end stays blocking.
        for fd in [to.as_raw_fd(), from.as_raw_fd(), stderr.as_raw_fd()] {
            set(fd, libc::F_SETFL, libc::O_NONBLOCK)?;
        }
        let ruleset = setup.locks.ruleset.as_ref().map(AsRawFd::as_raw_fd);
        let config = json!({
            "filter": setup.locks.filter.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            "pid_slots": setup.locks.pid_slots,
            "landlock_fd": ruleset,
            "syscalls": SYSCALLS,
        });
        let handle = duct::cmd(
            &setup.locks.isolation.python.executable,
            ["-s", "-S", "-B", "-c", SOURCE, &config.to_string()],
        )
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
                // async-signal-safe; the descriptor is open as long as the setup lives.
                unsafe { command.pre_exec(move || set(fd, libc::F_SETFD, 0)) };
            }
            Ok(())
        })
        .start()?;
        Ok(Zygote { handle, to, from, stderr, silence: setup.silence.max(START) })
    }

    /// Runs one program to its end: the last frame, with all of the output. `Err` means that the
    /// zygote failed, not the program.
    pub fn run(&mut self, request: &Request) -> Result<Frame, String> {
        self.converse(request).map_err(|why| self.last_words(why))
    }

    fn converse(&mut self, request: &Request) -> Result<Frame, String> {
        let (fd, bytes) = (self.to.as_raw_fd(), &request.bytes);
        transfer(fd, libc::POLLOUT, self.silence, bytes.len(), |at| self.to.write(&bytes[at..]))?;
        let mut output = Vec::new();
        loop {
            let mut frame = self.frame()?;
            output.append(&mut frame.data);
            match frame.kind {
                FrameKind::Output | FrameKind::Beat => {}
                FrameKind::Hello => return Err("the zygote greeted again".to_owned()),
                _ => {
                    frame.data = output;
                    return match frame.is_ready() {
                        true => Ok(frame),
                        false => {
                            Err(format!("a child ended before it was restricted (status {})", frame.status))
                        }
                    };
                }
            }
        }
    }

    fn frame(&mut self) -> Result<Frame, String> {
        let mut header = [0; FRAME_HEADER_BYTES];
        self.read(&mut header)?;
        let mut frame = Frame::parse(&header).ok_or("the zygote sent something that is no frame")?;
        self.read(&mut frame.data)?;
        Ok(frame)
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        let (fd, count) = (self.from.as_raw_fd(), bytes.len());
        transfer(fd, libc::POLLIN, self.silence, count, |at| self.from.read(&mut bytes[at..]))
    }

    /// Adds what the zygote wrote to stderr, if anything: a traceback says most.
    fn last_words(&mut self, why: String) -> String {
        let mut said = [0; 4096];
        match self.stderr.read(&mut said) {
            Ok(n) if n > 0 => format!("{why}: {}", String::from_utf8_lossy(&said[..n]).trim()),
            _ => why,
        }
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        for pid in self.handle.pids() {
            // SAFETY: `kill` touches no memory. The group is the zygote's own (`process_group(0)`),
            // and its number cannot be reused before `wait` below has reaped the zygote.
            unsafe { libc::kill(-(pid as libc::pid_t), libc::SIGKILL) };
        }
        // Nothing is captured, so this waits for the killed process alone; its status says nothing.
        let _ = self.handle.wait();
    }
}

/// Sets flags of a descriptor.
fn set(fd: RawFd, which: libc::c_int, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: `fcntl` takes and returns plain integers for both F_SETFD and F_SETFL.
    match unsafe { libc::fcntl(fd, which, flags) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Repeats `step`, which reads or writes some bytes from a position on, until `count` have gone
/// through a pipe that never blocks; an error once it has taken longer than `patience`.
fn transfer(
    fd: RawFd,
    events: libc::c_short,
    patience: Duration,
    count: usize,
    mut step: impl FnMut(usize) -> io::Result<usize>,
) -> Result<(), String> {
    let deadline = Instant::now() + patience;
    let mut done = 0;
    while done < count {
        match step(done) {
            Ok(0) => return Err("the zygote is gone".to_owned()),
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err("the zygote is silent".to_owned());
                }
                let mut poll = libc::pollfd { fd, events, revents: 0 };
                // SAFETY: `poll` points to one pollfd that lives through the call. Whatever it returns,
                // the next step tells.
                unsafe { libc::poll(&raw mut poll, 1, left.as_millis().clamp(1, 60_000) as libc::c_int) };
            }
            Err(error) => return Err(format!("the zygote's pipe: {error}")),
        }
    }
    Ok(())
}
