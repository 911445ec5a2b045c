//! Nothing is lost and nothing is judged wrongly while zygotes are killed, stopped and talked over.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::Rng;
use rand::seq::IndexedRandom;
use sft_vs_rl::{Job, Sandbox, SandboxConfig, Seed, Verdict, serve_jsonl};

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

/// Runs `work` while something terrible happens at random moments; returns how often it did.
fn under_fire<T>(name: &str, work: impl FnOnce() -> T) -> (T, usize) {
    let (over, strikes) = (AtomicBool::new(false), AtomicUsize::new(0));
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut rng = Seed::new(11).stream(name);
            while !over.load(Ordering::Relaxed) && strikes.load(Ordering::Relaxed) < STRIKES {
                std::thread::sleep(Duration::from_millis(rng.random_range(20..300)));
                strikes.fetch_add(usize::from(strike(&mut rng).is_some()), Ordering::Relaxed);
            }
        });
        let result = work();
        over.store(true, Ordering::Relaxed);
        result
    });
    (result, strikes.into_inner())
}

fn sandbox_under_fire() -> Sandbox {
    let config = SandboxConfig { silence: Duration::from_millis(2500), ..SandboxConfig::strict(2) };
    Sandbox::start(&config).expect("the sandbox starts")
}

#[test]
fn every_job_gets_its_own_verdict_or_an_explicit_infra() {
    let _turn = alone();
    let sandbox = sandbox_under_fire();
    let (jobs, expected) = mixed(300);
    let (verdicts, strikes) = under_fire("strikes", || sandbox.judge(&jobs));
    assert_eq!(verdicts.len(), jobs.len());
    let mut infra = 0;
    for (i, (verdict, expected)) in verdicts.iter().zip(&expected).enumerate() {
        match verdict {
            Verdict::Infra(_) => infra += 1,
            judged => assert_eq!(judged, expected, "job {i}: {}", jobs[i].program),
        }
    }
    println!("{strikes} strikes, {infra} jobs of {} lost to them", jobs.len());
    assert!(strikes > 5, "only {strikes} strikes: this shows nothing");
    // One strike is survived; a job is lost only to a second one, or to one that hits a new zygote.
    assert!(infra <= strikes / 2 + 1, "{infra} infra after {strikes} strikes");
    // And afterwards it works as if nothing had happened.
    let (jobs, expected) = mixed(20);
    assert_eq!(sandbox.judge(&jobs), expected);
}

/// The same through the command's reader and writer: each id once, in the order of the input.
#[test]
fn every_line_gets_one_answer() {
    let _turn = alone();
    let sandbox = sandbox_under_fire();
    let (jobs, expected) = mixed(200);
    let line = |(i, job): (usize, &Job)| {
        let Job { program, entry, inputs, expected, limits, .. } = job;
        let line = serde_json::json!({
            "id": i, "program": program, "entry": entry, "inputs": inputs, "expected": expected, "limits": limits,
        });
        format!("{line}\n")
    };
    let input: String = jobs.iter().enumerate().map(line).collect();
    let mut output = Vec::new();
    let input = std::io::Cursor::new(input);
    let (served, strikes) = under_fire("strikes at lines", || serve_jsonl(&sandbox, input, &mut output));
    served.expect("memory can be read and written");
    let answers: Vec<serde_json::Value> = String::from_utf8_lossy(&output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a verdict is JSON"))
        .collect();
    assert_eq!(answers.len(), jobs.len());
    for (i, (answer, expected)) in answers.iter().zip(&expected).enumerate() {
        assert_eq!(answer["id"], i);
        if answer.get("infra").is_none() {
            let cases = serde_json::from_value(answer["cases"].clone()).expect("case words");
            assert_eq!(&Verdict::Cases(cases), expected, "line {i}: {}", jobs[i].program);
        } else {
            assert!(answer.get("passed").is_none() && answer.get("cases").is_none(), "{answer}");
        }
    }
    println!("{strikes} strikes");
    assert!(strikes > 5, "only {strikes} strikes: this shows nothing");
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
