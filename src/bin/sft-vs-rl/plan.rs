//! Which runs a study has: seeds and arms on the command line, and the plan in words or JSON.

use std::str::FromStr;

use clap::Args;
use serde_json::json;
use sft_vs_rl::{Error, PlannedRun, Result, StageMemory, Study, StudyPlan};

/// More seeds than that are a slip of the keyboard.
const MAX_SEEDS: u64 = 10_000;

/// Seeds as they are written on the command line: `0,1,2` or `10-19` or both.
#[derive(Debug, Clone, PartialEq)]
pub struct Seeds(pub Vec<u64>);

impl FromStr for Seeds {
    type Err = Error;

    fn from_str(text: &str) -> Result<Seeds> {
        let mut seeds = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let bounds = first.parse::<u64>().ok().zip(last.parse::<u64>().ok());
            let bounds =
                bounds.filter(|(first, last)| (*first..first.saturating_add(MAX_SEEDS)).contains(last));
            let wrong = || Error::config("seeds", format!("`{part}` is no seed and no range like `10-19`"));
            let (first, last) = bounds.ok_or_else(wrong)?;
            seeds.extend(first..=last);
        }
        Ok(Seeds(seeds))
    }
}

#[derive(Args)]
pub struct PlanArgs {
    /// Seeds to run, for example `0,1,2` or `10-19`.
    #[arg(long, default_value = "10")]
    seeds: Seeds,
    /// Arms, `finding1` to `finding3`, `study` or `controls`; the arms they start from come along.
    #[arg(long, value_delimiter = ',', default_value = "study")]
    arms: Vec<String>,
    /// Runs at a time, for the hours.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Where no finished run tells how long an arm takes, do not time a few steps to know.
    #[arg(long)]
    no_calibration: bool,
    /// For other programs; `run ARM --seed SEED` with the `options` trains a run.
    #[arg(long)]
    json: bool,
}

/// Prints the plan; with `options` `run` trains what is planned.
pub fn plan(study: &Study, args: &PlanArgs, options: &[String]) -> Result<bool> {
    let plan = study.schedule(&args.arms, &args.seeds.0, args.jobs, !args.no_calibration)?;
    if args.json {
        let mut value = json!(plan);
        value["tier"] = study.tier.name.clone().into();
        value["memory_mb"] = (StageMemory::largest(&study.tier).peak() >> 20).into(); // of each run
        value["options"] = json!(options);
        say!("{value:#}");
        return Ok(true);
    }
    for PlannedRun { arm, seed, hash, steps, finished, seconds, basis, .. } in &plan.runs {
        let time = match seconds {
            _ if *finished => "finished".to_owned(),
            Some(seconds) => format!("{:.1} minutes, from {basis}", seconds / 60.0),
            None => "nothing says how long".to_owned(),
        };
        say!("{arm:20} seed {seed:<5} {}  {steps:>5} steps  {time}", &hash[..12]);
    }
    say!("{}", summary(&plan));
    Ok(true)
}

/// One line: how many runs, and how long they take.
pub fn summary(plan: &StudyPlan) -> String {
    let StudyPlan { runs, jobs, threads, hours } = plan;
    let finished = runs.iter().filter(|run| run.finished).count();
    let time = hours.map_or("an unknown time".to_owned(), |hours| format!("about {hours:.2} hours"));
    let runs = runs.len();
    format!(
        "{runs} runs, {finished} finished; the others take {time} here, {jobs} at a time, {threads} threads each"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_numbers_and_ranges() {
        let seeds =
            |text: &str| text.parse::<Seeds>().map(|seeds| seeds.0).map_err(|error| error.to_string());
        assert_eq!(seeds("0, 1,7-9").unwrap(), [0, 1, 7, 8, 9]);
        assert_eq!(seeds("3-3").unwrap(), [3]);
        for text in ["", "1-", "-1", "x", "9-7", "0-99999"] {
            assert!(seeds(text).unwrap_err().contains(&format!("`{text}`")), "{text}");
        }
    }
}
