//! Nothing is lost and nothing is judged wrongly while zygotes are killed, stopped and talked over.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::Rng;
use rand::seq::IndexedRandom;
use sft_vs_rl::problem::Verdict;
use sft_vs_rl::sandbox::{Sandbox, SandboxConfig};
use sft_vs_rl::seed::Seed;

use crate::{alone, mixed, processes, signal, zygotes};

const STRIKES: usize = 40;

/// Does something terrible to a zygote, or to the child that it is just running.
fn strike(rng: &mut impl Rng) -> Option<()> {
    let zygote = zygotes().choose(rng)?.pid;
    let child = processes().into_iter().find(|process| process.parent == zygote).map(|child| child.pid);
    let write = |fd: i32| {
        let pipe = std::fs::OpenOptions::new().write(true).open(format!("/proc/{zygote}/fd/{fd}"));
        pipe.and_then(|mut pipe| pipe.write_all(&[b'x'; 4096])).ok()
    };
    match rng.random_range(0..7) {
        0 => signal(zygote, libc::SIGKILL),
        1 => signal(zygote, libc::SIGSTOP),
        2 => signal(zygote, libc::SIGTERM),
        3 => write(0)?,
        4 => write(1)?,
        5 => signal(child?, libc::SIGKILL),
        _ => signal(child?, libc::SIGSTOP),
    }
    Some(())
}

#[test]
fn every_job_gets_its_own_verdict_or_an_explicit_infra() {
    let _turn = alone();
    let config = SandboxConfig { silence: Duration::from_millis(2500), ..SandboxConfig::strict(2) };
    let sandbox = Sandbox::start(&config).expect("the sandbox starts");
    let (jobs, expected) = mixed(200);
    let (over, strikes) = (AtomicBool::new(false), AtomicUsize::new(0));
    let verdicts = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut rng = Seed::new(11).stream("strikes");
            while !over.load(Ordering::Relaxed) && strikes.load(Ordering::Relaxed) < STRIKES {
                std::thread::sleep(Duration::from_millis(rng.random_range(50..500)));
                strikes.fetch_add(usize::from(strike(&mut rng).is_some()), Ordering::Relaxed);
            }
        });
        let verdicts = sandbox.judge(&jobs);
        over.store(true, Ordering::Relaxed);
        verdicts
    });
    assert_eq!(verdicts.len(), jobs.len());
    let mut infra = 0;
    for (i, (verdict, expected)) in verdicts.iter().zip(&expected).enumerate() {
        match verdict {
            Verdict::Infra(_) => infra += 1,
            judged => assert_eq!(judged, expected, "job {i}: {}", jobs[i].program),
        }
    }
    let strikes = strikes.into_inner();
    println!("{strikes} strikes, {infra} jobs of {} lost to them", jobs.len());
    // One strike is survived; a job is lost only to a second one, or to one that hits a new zygote.
    assert!(infra <= strikes / 2 + 1, "{infra} infra after {strikes} strikes");
    // And afterwards it works as if nothing had happened.
    let (jobs, expected) = mixed(20);
    assert_eq!(sandbox.judge(&jobs), expected);
}

/// A zygote that is stopped for good costs one time-out of the watchdog, not the run.
#[test]
fn a_stopped_zygote_is_replaced() {
    let _turn = alone();
    let config = SandboxConfig { silence: Duration::from_millis(1500), ..SandboxConfig::strict(1) };
    let sandbox = Sandbox::start(&config).expect("the sandbox starts");
    let before = zygotes();
    before.iter().for_each(|zygote| signal(zygote.pid, libc::SIGSTOP));
    let started = Instant::now();
    let (jobs, expected) = mixed(1);
    assert_eq!(sandbox.judge(&jobs), expected);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_ne!(zygotes()[0].pid, before[0].pid);
}

/// A child that someone outside stopped or killed is run again, not judged.
#[test]
fn a_child_struck_from_outside_is_run_again() {
    let _turn = alone();
    let sandbox = crate::sandbox(1);
    let mut slow = crate::job("import time\ndef f(x):\n    time.sleep(0.3)\n    return x + 1");
    slow.limits.wall_s = 2.0;
    for strike in [libc::SIGKILL, libc::SIGTERM, libc::SIGSTOP] {
        let verdicts = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(250));
                let zygote = zygotes()[0].pid;
                processes()
                    .iter()
                    .filter(|child| child.parent == zygote)
                    .for_each(|child| signal(child.pid, strike));
            });
            sandbox.judge(std::slice::from_ref(&slow))
        });
        assert_eq!(verdicts[0].passed(), Some(true), "signal {strike}: {verdicts:?}");
    }
}

/// Dropping the sandbox ends every process of it, a running program's too.
#[test]
fn nothing_survives_the_sandbox() {
    let _turn = alone();
    let sandbox = crate::sandbox(2);
    let groups: Vec<i32> = zygotes().iter().map(|zygote| zygote.pid).collect();
    assert_eq!(groups.len(), 2);
    drop(sandbox);
    let left: Vec<_> = processes().into_iter().filter(|process| groups.contains(&process.group)).collect();
    assert!(left.is_empty(), "{left:?}");
}
