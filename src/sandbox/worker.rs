//! Worker threads: each owns one zygote, takes requests from a shared queue and sends outcomes back.
//!
//! A zygote is started by the thread that uses it, because the kernel's parent-death signal is
//! tied to the *thread* that started a process: when the worker ends, so does its zygote.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::thread::JoinHandle;

use super::wire::{End, Outcome, Request};
use super::zygote::{Plan, Zygote};

/// An outcome, or why the sandbox failed.
pub(crate) type Ran = Result<Outcome, String>;

/// A request on its way, and where its outcome goes.
pub(crate) struct Ticket {
    pub request: Arc<Request>,
    pub index: usize,
    pub reply: mpsc::Sender<(usize, Ran)>,
}

/// The queue that all workers take from. Closed when the sandbox is dropped.
#[derive(Default)]
struct Queue {
    state: Mutex<(VecDeque<Ticket>, bool)>,
    changed: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, (VecDeque<Ticket>, bool)> {
        // Nothing inside the lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn take(&self) -> Option<Ticket> {
        let mut state = self.lock();
        loop {
            if let Some(ticket) = state.0.pop_front() {
                return Some(ticket);
            }
            if state.1 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }
}

/// The worker threads of one sandbox.
pub(crate) struct Pool {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Starts `workers` threads and waits until each has its first zygote. Returns what the first
    /// zygote said about itself.
    pub(crate) fn start(plan: Plan, workers: usize) -> Result<(Pool, Vec<u8>), String> {
        let plan = Arc::new(plan);
        let mut pool = Pool { queue: Arc::default(), threads: Vec::new() };
        let (ready, greetings) = mpsc::channel();
        for i in 0..workers {
            let (plan, queue, ready) = (plan.clone(), pool.queue.clone(), ready.clone());
            let thread = std::thread::Builder::new()
                .name(format!("sandbox-{i}"))
                .spawn(move || work(&plan, &queue, ready))
                .map_err(|error| format!("no thread for a worker: {error}"))?;
            pool.threads.push(thread);
        }
        drop(ready);
        let mut hello = Vec::new();
        for _ in 0..workers {
            hello = greetings.recv().map_err(|_| "a worker ended at start".to_owned())??;
        }
        Ok((pool, hello))
    }

    pub(crate) fn submit(&self, ticket: Ticket) {
        self.queue.lock().0.push_back(ticket);
        self.queue.changed.notify_one();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.lock().1 = true;
        self.queue.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A worker that panicked has nothing left to give back.
            let _ = thread.join();
        }
    }
}

fn work(plan: &Arc<Plan>, queue: &Queue, ready: mpsc::Sender<Result<Vec<u8>, String>>) {
    let mut zygote = match Zygote::start(plan) {
        Ok(zygote) => {
            let _ = ready.send(Ok(zygote.hello.clone()));
            Some(zygote)
        }
        Err(why) => {
            let _ = ready.send(Err(why));
            return;
        }
    };
    drop(ready);
    while let Some(ticket) = queue.take() {
        let ran = run(plan, &mut zygote, &ticket.request);
        // The receiver is gone only if the caller is: then nobody waits for the outcome.
        let _ = ticket.reply.send((ticket.index, ran));
    }
}

/// Runs a request, once more if the zygote fails, and once more if something outside the sandbox
/// may have killed the program. A second failure of the sandbox is `Err`, and never a judgement.
fn run(plan: &Arc<Plan>, zygote: &mut Option<Zygote>, request: &Request) -> Ran {
    let mut failures: Vec<String> = Vec::new();
    let mut killed_before = false;
    while failures.len() < 2 {
        match run_once(plan, zygote, request) {
            Ok(outcome) if outcome.end == End::Stopped => {
                failures.push("the program was stopped from outside the sandbox".to_owned());
            }
            Ok(outcome) if !killed_before && may_be_foreign(&outcome) => killed_before = true,
            Ok(outcome) => return Ok(outcome),
            Err(why) => {
                *zygote = None; // kills what is left of it
                failures.push(why);
            }
        }
    }
    Err(failures.join("; then "))
}

fn run_once(plan: &Arc<Plan>, zygote: &mut Option<Zygote>, request: &Request) -> Ran {
    match zygote {
        Some(zygote) => zygote.run(request),
        None => zygote.insert(Zygote::start(plan)?).run(request),
    }
}

/// A program can send itself any deadly signal, and so can an administrator or the kernel when
/// memory runs out. One that does it itself does it twice.
fn may_be_foreign(outcome: &Outcome) -> bool {
    matches!(
        outcome.signal(),
        Some(libc::SIGKILL | libc::SIGTERM | libc::SIGINT | libc::SIGHUP | libc::SIGQUIT)
    )
}
