//! Worker threads: each owns one zygote, takes requests from a shared queue and sends answers back.
//!
//! A zygote is started by the thread that uses it, because the kernel's parent-death signal is
//! tied to the *thread* that started a process: when the worker ends, so does its zygote.

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::wire::{CaseAnswer, End, EndKind, Request};
use super::zygote::{Zygote, ZygoteSetup};

/// What a program answered and used; `Err` where the sandbox failed.
pub(super) type Ran = Result<Answered, String>;

/// What a program answered, one answer a case, and what it used.
pub(super) struct Answered {
    pub answers: Vec<CaseAnswer>,
    pub cpu_us: u64,
    pub wall_us: u64,
}

/// A request on its way through a worker.
pub(super) struct Pending(pub Receiver<Ran>);

impl Pending {
    pub fn wait(self) -> Ran {
        self.0.recv().unwrap_or_else(|_| Err("the worker ended without an answer".to_owned()))
    }
}

/// The worker threads of one sandbox, and the queue that all of them take from. Dropped, it waits for them.
pub(super) struct Workers {
    /// `None` only while it is dropped.
    queue: Option<Sender<(Request, Sender<Ran>)>>,
    threads: Vec<JoinHandle<()>>,
    /// What a program reads leaves no trace in the files' access times.
    pub without_access_times: bool,
}

impl Workers {
    /// Starts so many threads and waits until each has its first zygote.
    pub fn start(setup: ZygoteSetup, n_workers: usize) -> Result<Workers, String> {
        let setup = Arc::new(setup);
        let (queue, requests) = unbounded::<(Request, Sender<Ran>)>();
        let mut workers = Workers { queue: Some(queue), threads: Vec::new(), without_access_times: true };
        let (started, starts) = unbounded();
        for i in 0..n_workers {
            let (setup, requests, started) = (setup.clone(), requests.clone(), started.clone());
            let work = move || {
                let mut worker = Worker { setup, zygote: None };
                // Who waits for the start, or later for an answer, may be gone: then nobody wants it.
                let _ = started.send(worker.zygote().map(|zygote| zygote.without_access_times));
                drop(started);
                for (request, reply) in requests {
                    let _ = reply.send(worker.run(&request));
                }
            };
            let thread = std::thread::Builder::new().name(format!("sandbox-{i}")).spawn(work);
            workers.threads.push(thread.map_err(|error| format!("no thread for a worker: {error}"))?);
        }
        drop(started);
        for _ in 0..n_workers {
            let started = starts.recv().map_err(|_| "a worker ended at start".to_owned())?;
            workers.without_access_times &= started?;
        }
        Ok(workers)
    }

    pub fn len(&self) -> usize {
        self.threads.len()
    }

    pub fn submit(&self, request: Request) -> Pending {
        let (reply, ran) = bounded(1);
        if let Some(queue) = &self.queue {
            // Without workers both ends are gone, and `wait` says so.
            let _ = queue.send((request, reply));
        }
        Pending(ran)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // A worker that panicked has nothing left to give back.
            let _ = thread.join();
        }
    }
}

struct Worker {
    setup: Arc<ZygoteSetup>,
    /// `None` before the start, and after a failure until the next request.
    zygote: Option<Zygote>,
}

impl Worker {
    /// Runs a request, once more if the zygote fails, and once more if something outside the sandbox
    /// may have killed the program. A second failure of the sandbox is `Err`, and never a judgement.
    fn run(&mut self, request: &Request) -> Ran {
        let mut failures: Vec<String> = Vec::new();
        let mut killed_before = false;
        while failures.len() < 2 {
            match self.zygote().and_then(|zygote| zygote.run(request)) {
                Ok(end) if end.kind == EndKind::Stopped => {
                    self.zygote = None; // whoever did that may have stopped the next child, too
                    failures.push("the program was stopped from outside the sandbox".to_owned());
                }
                Ok(end) if !killed_before && may_be_foreign(&end) => killed_before = true,
                Ok(end) => {
                    let End { cpu_us, wall_us, .. } = end;
                    return Ok(Answered { answers: end.answers(request), cpu_us, wall_us });
                }
                Err(why) => {
                    self.zygote = None; // kills what is left of it
                    failures.push(why);
                }
            }
        }
        Err(failures.join("; then "))
    }

    fn zygote(&mut self) -> Result<&mut Zygote, String> {
        match &mut self.zygote {
            Some(zygote) => Ok(zygote),
            none => Ok(none.insert(Zygote::start(&self.setup)?)),
        }
    }
}

/// A program can send itself any deadly signal, and so can an administrator or the kernel when
/// memory runs out. One that does it itself does it twice.
fn may_be_foreign(end: &End) -> bool {
    use libc::{SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM};
    matches!(end.signal(), Some(SIGKILL | SIGTERM | SIGINT | SIGHUP | SIGQUIT))
}
