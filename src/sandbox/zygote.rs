//! One zygote as a process: started through duct, spoken to over a socket, never waited for without a
//! deadline.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::json;

use super::child::{Child, Waiting};
use super::locks::Locks;
use super::start_state;
use super::wire::{End, EndKind, NEWS_BYTES, News, Request};

/// One program in two files: what the child does, and what the zygote does.
const SOURCE: &str = concat!(include_str!("program.py"), "\n", include_str!("zygote.py"));

/// All that a program sees of an environment. Without `HOME`, `~` would be looked up over a socket.
const ENVIRONMENT: [(&str, &str); 5] =
    [("PYTHONHASHSEED", "0"), ("PYTHONUTF8", "1"), ("LC_ALL", "C.UTF-8"), ("HOME", "/"), ("TZ", "UTC0")];

/// A Python that starts cold on a busy machine may well be silent for so long.
const START: Duration = Duration::from_secs(20);

/// Time for a zygote to end by itself.
const PARTING: Duration = Duration::from_millis(500);

/// Where a zygote finds its Landlock ruleset: always the same number, so that its arguments are.
const RULESET_FD: RawFd = 3;

/// The calls that Python has no function for: seccomp, landlock_restrict_self, capset, mount_setattr.
#[cfg(target_os = "linux")]
const SYSCALLS: [libc::c_long; 4] =
    [libc::SYS_seccomp, libc::SYS_landlock_restrict_self, libc::SYS_capset, libc::SYS_mount_setattr];
#[cfg(not(target_os = "linux"))]
const SYSCALLS: [libc::c_long; 4] = [0; 4];

/// What every zygote of a sandbox is started from.
pub(super) struct ZygoteSetup {
    pub locks: Locks,
    /// A zygote that is silent for so long, where it has to say something, is taken for dead.
    pub silence: Duration,
}

/// A running zygote. Dropping it kills its whole process group and reaps it.
///
/// There is one order a child: while a child runs, the next one is forked and puts its locks on, and the one
/// before is reaped.
pub(super) struct Zygote {
    handle: duct::Handle,
    control: UnixStream,
    stderr: io::PipeReader,
    silence: Duration,
    /// An ended child that is still to be reaped.
    ended: Option<i32>,
    /// The kit's end of the channel to a child that has been ordered.
    ordered: Option<UnixStream>,
    /// Children that wait for a job, the oldest first.
    waiting: VecDeque<Waiting>,
    /// No file's access time tells a program what another has read.
    pub without_access_times: bool,
}

impl Zygote {
    /// Starts one and waits until it is ready and has given up its powers.
    pub fn start(setup: &ZygoteSetup) -> Result<Zygote, String> {
        let mut zygote =
            Zygote::spawn(setup).map_err(|error| format!("the zygote does not start: {error}"))?;
        zygote.greeted().map_err(|why| zygote.last_words(why))?;
        zygote.silence = setup.silence;
        Ok(zygote)
    }

    fn spawn(setup: &ZygoteSetup) -> io::Result<Zygote> {
        let ((control, theirs), (stderr, child_err)) = (UnixStream::pair()?, io::pipe()?);
        control.set_nonblocking(true)?;
        rustix::io::ioctl_fionbio(&stderr, true)?;
        let ruleset = setup.locks.ruleset.as_ref().map(AsRawFd::as_raw_fd);
        let config = json!({
            "filter": setup.locks.filter.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            "pid_slots": setup.locks.pid_slots,
            "landlock_fd": ruleset.map(|_| RULESET_FD),
            "syscalls": SYSCALLS,
        });
        let handle = duct::cmd(
            &setup.locks.isolation.python.executable,
            ["-s", "-S", "-B", "-c", SOURCE, &config.to_string()],
        )
        .dir("/")
        .full_env(ENVIRONMENT)
        .stdin_file(std::os::fd::OwnedFd::from(theirs))
        .stdout_null()
        .stderr_file(child_err)
        .unchecked()
        .before_spawn(move |command| {
            command.process_group(0);
            // SAFETY: between fork and exec the closure makes system calls only, which are
            // async-signal-safe; the ruleset's descriptor is open as long as the setup lives.
            unsafe {
                command.pre_exec(move || {
                    start_state::enter();
                    ruleset.map_or(Ok(()), |fd| start_state::hand_down(fd, RULESET_FD))
                })
            };
            Ok(())
        })
        .start()?;
        Ok(Zygote {
            handle,
            control,
            stderr,
            silence: setup.silence.max(START),
            ended: None,
            ordered: None,
            waiting: VecDeque::new(),
            without_access_times: false,
        })
    }

    /// Two ended children for the first orders, one of which is given at once.
    fn greeted(&mut self) -> Result<(), String> {
        let News { pid, status } = self.news()?;
        (self.ended, self.without_access_times) = (Some(pid), status == 1);
        self.order()?;
        self.ended = Some(self.news()?.pid);
        Ok(())
    }

    /// Runs one program to its end. `Err` means that the zygote failed, not the program.
    pub fn run(&mut self, request: &Request) -> Result<End, String> {
        self.converse(request).map_err(|why| self.last_words(why))
    }

    fn converse(&mut self, request: &Request) -> Result<End, String> {
        if self.waiting.is_empty() {
            self.settle()?;
        }
        let next = self.waiting.pop_front().ok_or("the zygote has no child")?;
        let mut child = Child::start(next, request)?;
        if self.ended.is_some() {
            self.order()?; // done while the child runs
        }
        let kind = child.watch()?;
        child.kill(); // a dead one takes no notice
        let (wall_us, cpu_us, mut status, mut kind) = (child.wall_us(), child.cpu_us(), 0, kind);
        self.settle()?;
        self.ended = Some(child.pid);
        if kind != EndKind::Done {
            self.order()?;
            // From here on nobody signals that process, whose number may then be another's.
            News { status, .. } = self.settle()?.ok_or("the zygote says nothing of a child")?;
            // Whose channel was closed first and who then left, left by itself: only that came late.
            let killed = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL;
            if kind == EndKind::ClosedChannel && !killed {
                kind = EndKind::ByItself;
            }
        }
        let end = End { kind, status, cpu_us, wall_us, output: child.output };
        match end.is_ready() {
            true => Ok(end),
            false => Err(format!("a child ended before it was restricted (status {status})")),
        }
    }

    /// Has the next child forked, and the ended one reaped.
    fn order(&mut self) -> Result<(), String> {
        let (ours, theirs) = UnixStream::pair().map_err(|error| format!("no channel to a child: {error}"))?;
        ours.set_nonblocking(true).map_err(|error| format!("the channel to a child: {error}"))?;
        let ended = self.ended.take().ok_or("the zygote was given no order that it could follow")?;
        // `theirs` is closed here: now the child's end is open in the child alone, and ends with it.
        self.send(&ended.to_le_bytes(), theirs.as_fd())?;
        self.ordered = Some(ours);
        Ok(())
    }

    /// Waits until the order, if there is one, has been followed.
    fn settle(&mut self) -> Result<Option<News>, String> {
        let Some(channel) = self.ordered.take() else { return Ok(None) };
        let news = self.news()?;
        self.waiting.push_back(Waiting { pid: news.pid, channel });
        Ok(Some(news))
    }

    fn news(&self) -> Result<News, String> {
        let mut bytes = [0; NEWS_BYTES];
        let control = &self.control;
        transfer(control, PollFlags::IN, self.silence, NEWS_BYTES, |at| (&*control).read(&mut bytes[at..]))
            .map_err(|why| format!("the zygote {why}"))?;
        Ok(News::parse(&bytes))
    }

    /// Sends an order and, with it, a descriptor.
    fn send(&self, order: &[u8], fd: BorrowedFd<'_>) -> Result<(), String> {
        let fds = [fd];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        rights.push(SendAncillaryMessage::ScmRights(&fds));
        match sendmsg(&self.control, &[IoSlice::new(order)], &mut rights, SendFlags::NOSIGNAL) {
            // The zygote has read all there was before it takes an order, so there is room.
            Ok(n) if n == order.len() => Ok(()),
            Ok(_) => Err("the zygote takes no order".to_owned()),
            Err(error) => Err(format!("the zygote is gone ({error})")),
        }
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
        // Children that wait end with their channels, and the zygote reaps them before it ends: killed, it
        // would leave them to a process that may never do so.
        self.waiting.clear();
        self.ordered = None;
        let parted = self.control.shutdown(Shutdown::Write);
        if parted.is_ok() {
            let deadline = Instant::now() + PARTING;
            let mut news = [0; NEWS_BYTES];
            while transfer(&self.control, PollFlags::IN, PARTING, 1, |_| (&self.control).read(&mut news))
                .is_ok()
                && Instant::now() < deadline
            {}
        }
        for pid in self.handle.pids() {
            // SAFETY: `kill` touches no memory. The group is the zygote's own (`process_group(0)`),
            // and its number cannot be reused before `wait` below has reaped the zygote.
            unsafe { libc::kill(-(pid as libc::pid_t), libc::SIGKILL) };
        }
        // Nothing is captured, so this waits for the killed process alone; its status says nothing.
        let _ = self.handle.wait();
    }
}

/// Repeats `step`, which reads or writes some bytes from a position on, until `count` have gone
/// through a socket that never blocks; an error once it has taken longer than `patience`.
pub(super) fn transfer(
    socket: &UnixStream,
    events: PollFlags,
    patience: Duration,
    count: usize,
    mut step: impl FnMut(usize) -> io::Result<usize>,
) -> Result<(), String> {
    let deadline = Instant::now() + patience;
    let mut done = 0;
    while done < count {
        match step(done) {
            Ok(0) => return Err("is gone".to_owned()),
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err("is silent".to_owned());
                }
                wait_for(&mut [PollFd::new(socket, events)], left);
            }
            Err(error) => return Err(format!("is gone ({error})")),
        }
    }
    Ok(())
}

/// Waits until something can be read or written, or the time is over. An interruption ends it early.
pub(super) fn wait_for(what: &mut [PollFd<'_>], patience: Duration) {
    let patience = Timespec { tv_sec: patience.as_secs() as _, tv_nsec: patience.subsec_nanos().into() };
    let _ = poll(what, Some(&patience));
}
