//! Several runs at a time: parents before their children, and a failure takes along only what starts from it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::thread;

use super::Study;
use super::plan::PlannedRun;
use crate::base::{Error, Result};

/// Bytes of stack: what the main thread of a program has.
const STACK: usize = 8 << 20;

impl Study {
    /// Trains what is missing of `runs` (as [`Study::planned`] lists them), `jobs` at a time, each with its
    /// share of the threads and all with one sandbox. What is trained depends on none of that. Where a run
    /// fails, stderr says so at once, the runs that start from it are left out, and all others are trained.
    ///
    /// # Errors
    /// The first failure, after everything else is done; `Error::Config` for no jobs at all.
    pub fn train_all(&self, runs: &[PlannedRun], jobs: usize) -> Result<()> {
        let threads = threads_of_a_run(jobs)?;
        let parent = |run: &PlannedRun| {
            let hash = run.parent.as_ref()?;
            runs.iter().position(|other| other.hash == *hash)
        };
        let parents: Vec<Option<usize>> = runs.iter().map(parent).collect();
        fan_out(&parents, jobs, |index| {
            let PlannedRun { arm, seed, .. } = &runs[index];
            let name = format!("{arm} seed {seed}");
            let label = if jobs == 1 { arm } else { &name }; // one at a time, the order tells the seed
            let train = || self.run_as(self.arms.arm(arm)?, *seed, label).map(drop);
            let trained = if jobs == 1 { train() } else { pool(threads)?.install(train) };
            trained.inspect_err(|error| eprintln!("{name} failed: {error}"))
        })
    }
}

/// Threads that each of `jobs` runs gets.
pub(super) fn threads_of_a_run(jobs: usize) -> Result<usize> {
    let none = || Error::config("jobs", "must be 1 or more");
    Ok(rayon::current_num_threads().checked_div(jobs).ok_or_else(none)?.max(1))
}

/// Threads of its own for one run.
pub(super) fn pool(threads: usize) -> Result<rayon::ThreadPool> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK).build();
    pool.map_err(|error| Error::config("jobs", format!("no threads for a run: {error}")))
}

/// Does `work(0)` to `work(parents.len() - 1)`, at most `jobs` at a time: of what can begin the first
/// begins. Nothing begins before its parent has succeeded. The first error is returned at the end.
fn fan_out(parents: &[Option<usize>], jobs: usize, work: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let (mut waiting, mut done) = ((0..parents.len()).collect::<Vec<_>>(), vec![false; parents.len()]);
    let (mut running, mut first_failure) = (0, None);
    let (sender, ended) = mpsc::channel();
    thread::scope(|scope| -> Result<()> {
        loop {
            let ready = waiting.iter().position(|at| parents[*at].is_none_or(|parent| done[parent]));
            if let (true, Some(ready)) = (running < jobs, ready) {
                let (sender, work, next) = (sender.clone(), &work, waiting.remove(ready));
                let work = move || {
                    // A panic, too, has to be told, or this would wait for ever.
                    let _ = sender.send((next, catch_unwind(AssertUnwindSafe(|| work(next)))));
                };
                let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
                thread.map_err(|error| Error::config("jobs", format!("no thread for a run: {error}")))?;
                running += 1;
                continue;
            }
            if running == 0 {
                return Ok(());
            }
            let Ok((index, ending)) = ended.recv() else { return Ok(()) }; // not while `sender` lives
            running -= 1;
            done[index] = matches!(ending, Ok(Ok(())));
            if first_failure.is_none() && !done[index] {
                first_failure = Some(ending);
            }
        }
    })?;
    first_failure.map_or(Ok(()), |failure| failure.unwrap_or_else(|panic| resume_unwind(panic)))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_begin_before_one_has_ended() {
        let barrier = std::sync::Barrier::new(2); // hangs where one waits for the other's end
        fan_out(&[None, None], 2, |_| {
            barrier.wait();
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn a_panic_reaches_the_caller_after_the_others_are_done() {
        let done = AtomicUsize::new(0);
        let work = |index| {
            assert_ne!(index, 0, "the first one panics");
            done.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        let caught = catch_unwind(AssertUnwindSafe(|| fan_out(&[None, Some(0), None, None], 2, work)));
        assert!(caught.is_err());
        assert_eq!(done.into_inner(), 2);
    }

    proptest! {
        /// Against the definition: each once, after its parent, at most `jobs` at a time, and left out exactly
        /// if an ancestor has failed.
        #[test]
        fn all_are_done_but_those_below_a_failure(
            shape in prop::collection::vec((any::<bool>(), 0usize..12, 0u8..6), 0..12),
            jobs in 1usize..5,
        ) {
            let parents: Vec<Option<usize>> = shape.iter().enumerate()
                .map(|(at, (has, parent, _))| (*has && at > 0).then(|| parent % at)).collect();
            let fails = |at: usize| shape[at].2 == 0;
            let (log, at_once) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
            let result = fan_out(&parents, jobs, |at| {
                assert!(at_once.fetch_add(1, Ordering::SeqCst) < jobs);
                if let Some(parent) = parents[at] {
                    assert!(log.lock().unwrap().contains(&parent), "{at} began before {parent} had ended");
                }
                std::thread::sleep(Duration::from_micros(50 * shape[at].1 as u64));
                log.lock().unwrap().push(at);
                at_once.fetch_sub(1, Ordering::SeqCst);
                if fails(at) { Err(Error::config("it", at)) } else { Ok(()) }
            });
            let mut done = log.into_inner().unwrap();
            done.sort_unstable();
            let below = |at: usize| std::iter::successors(parents[at], |at| parents[*at]).any(fails);
            let expected: Vec<usize> = (0..shape.len()).filter(|at| !below(*at)).collect();
            prop_assert_eq!(result.is_err(), expected.iter().any(|at| fails(*at)));
            prop_assert_eq!(done, expected);
        }
    }
}
