//! Which runs a study has: seeds and arms on the command line, and the plan in words or JSON.

use std::str::FromStr;

use clap::Args;
use serde_json::json;
use sft_vs_rl::{Error, Result, StageMemory, Study, StudyPlan};

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
            let wrong = |why: &str| Error::config("seeds", format!("`{part}` {why}"));
            let number =
                |text: &str| text.parse().map_err(|_| wrong("is not a seed or a range like `10-19`"));
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (u64, u64) = (number(first)?, number(last)?);
            if first > last {
                return Err(wrong("ends before it begins"));
            }
            if last - first >= MAX_SEEDS {
                return Err(wrong("has more seeds than anybody trains"));
            }
            seeds.extend(first..=last);
        }
        Ok(Seeds(seeds))
    }
}

#[derive(Args)]
pub struct PlanArgs {
    /// Seeds to run, for example `0,1,2` or `10-19`.
    #[arg(long, default_value = "0")]
    seeds: Seeds,
    /// Arms, `finding1` to `finding3`, `study` or `controls`; the arms they start from come along.
    #[arg(long, value_delimiter = ',', default_value = "study")]
    arms: Vec<String>,
    /// Instead of arms: numbers of findings.
    #[arg(long, value_delimiter = ',', conflicts_with = "arms")]
    findings: Vec<u32>,
    /// Runs at a time, for the hours.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Where no finished run tells how long an arm takes, do not time a few steps to know.
    #[arg(long)]
    no_calibration: bool,
    /// For other programs: the runs with the arguments that train each of them.
    #[arg(long)]
    json: bool,
}

impl PlanArgs {
    /// What was asked for, by arm or by finding.
    fn names(&self) -> Vec<String> {
        let findings: Vec<String> = self.findings.iter().map(|number| format!("finding{number}")).collect();
        if findings.is_empty() { self.arms.clone() } else { findings }
    }
}

/// Prints the plan; `options` are those of `run` that make it train what is planned.
pub fn plan(study: &Study, args: &PlanArgs, options: &[String]) -> Result<bool> {
    let plan = study.schedule(&args.names(), &args.seeds.0, args.jobs, !args.no_calibration)?;
    if !args.json {
        print!("{}", table(&plan));
        println!("{}", summary(&plan));
        return Ok(true);
    }
    let mut value = json!(plan);
    value["tier"] = study.tier.name.clone().into();
    value["memory_mb"] = (StageMemory::largest(&study.tier).peak() >> 20).into(); // of each run
    for (run, shown) in plan.runs.iter().zip(value["runs"].as_array_mut().into_iter().flatten()) {
        let command = ["run".to_owned(), run.arm.clone(), "--seed".to_owned(), run.seed.to_string()];
        shown["arguments"] = json!([&command[..], options].concat());
    }
    println!("{value:#}");
    Ok(true)
}

fn table(plan: &StudyPlan) -> String {
    let mut text = format!(
        "{:20} {:>6}  {:12}  {:12} {:>6}  {:>8}  reckoned from\n",
        "arm", "seed", "run", "starts from", "steps", "minutes"
    );
    for run in &plan.runs {
        let minutes = match run.seconds {
            _ if run.finished => "finished".to_owned(),
            Some(seconds) => format!("{:.1}", seconds / 60.0),
            None => "?".to_owned(),
        };
        let short = |hash: &str| hash[..12].to_owned();
        let parent = run.parent.as_deref().map_or("-".to_owned(), short);
        text += &format!(
            "{:20} {:>6}  {}  {:12} {:>6}  {minutes:>8}  {}\n",
            run.arm,
            run.seed,
            short(&run.hash),
            parent,
            run.steps,
            run.basis
        );
    }
    text
}

/// One line: how many runs, and how long they take.
pub fn summary(plan: &StudyPlan) -> String {
    let finished = plan.runs.iter().filter(|run| run.finished).count();
    let time = match plan.hours {
        Some(hours) if hours < 1.0 => format!("{:.1} minutes", 60.0 * hours),
        Some(hours) => format!("{hours:.1} hours"),
        None => "an unknown time".to_owned(),
    };
    format!(
        "{} runs, {finished} finished; the others take about {time} on this machine, {} at a time with {} \
         threads each",
        plan.runs.len(),
        plan.jobs,
        plan.threads
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
        for (text, said) in
            [("", "is not"), ("1-", "is not"), ("-1", "is not"), ("9-7", "ends before"), ("0-99999", "more")]
        {
            assert!(seeds(text).unwrap_err().contains(said), "{text}");
        }
    }
}
