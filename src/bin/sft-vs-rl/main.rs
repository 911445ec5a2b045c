//! The command line. Exit codes: 0 fine, 1 the thing checked does not hold, 2 wrong usage or input.

/// `println!` that ends the command where nobody reads it any more (`| head`), without a panic.
macro_rules! say {
    ($($part:tt)*) => {
        crate::write_line(format_args!($($part)*))?
    };
}

mod commands;
mod plan;

use std::fmt::Arguments;
use std::io::{BufReader, BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use sft_vs_rl::{
    Arms, Error, IsolationLevel, Kernels, Options, Result, Sandbox, SandboxConfig, Study, Tier, device,
    project_root, serve_jsonl,
};

#[derive(Parser)]
#[command(version, about = "Re-execute what arXiv 2406.10305 found about SFT and RL for code models")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Workers of the sandbox; by default one a core.
    #[arg(long, global = true)]
    workers: Option<usize>,
    /// The least isolation to accept: full, seccomp or process (see `doctor`).
    #[arg(long, global = true, default_value = "full")]
    isolation: String,
}

#[derive(Subcommand)]
enum Command {
    /// Validate the catalog of atoms.
    Catalog {
        #[command(subcommand)]
        what: CatalogCommand,
    },
    /// Synthesize chains and write them as JSON lines.
    Synth(commands::SynthArgs),
    /// Check that neither a training part nor the corpus leaks a test part; exit 1 on a leak.
    Audit {
        #[command(flatten)]
        tier: TierArg,
        #[command(flatten)]
        audit: commands::AuditArgs,
    },
    /// Train and evaluate an arm or the arms of a finding; finished and half-finished runs are
    /// taken up where they stand.
    Run {
        /// An arm, `finding1` to `finding3`, `study` or `controls`.
        what: String,
        #[command(flatten)]
        study: StudyArgs,
        #[arg(long, default_value_t = 10)]
        seed: u64,
        /// Kept for clarity: resuming is what always happens.
        #[arg(long)]
        resume: bool,
    },
    /// The main job: all arms of the three findings, then figures and claims.
    Study {
        #[command(flatten)]
        study: StudyArgs,
        /// Seeds to run, for example `0,1,2` or `10-19`.
        #[arg(long, default_value = "10")]
        seeds: plan::Seeds,
        /// Arms, `finding1` to `finding3`, `study` or `controls`; the arms they start from come along.
        #[arg(long, value_delimiter = ',', default_value = "study")]
        arms: Vec<String>,
        /// Runs at a time, each with its share of the threads.
        #[arg(long, default_value_t = 1)]
        jobs: usize,
    },
    /// Say which runs a study has, which of them are finished, and how long the others take on this
    /// machine.
    Plan {
        #[command(flatten)]
        study: StudyArgs,
        #[command(flatten)]
        plan: plan::PlanArgs,
    },
    /// Evaluate a checkpoint on a set of problems.
    Eval(commands::EvalArgs),
    /// Judge programs: one job a line on stdin, one verdict a line on stdout.
    Sandbox,
    /// Judge the pre-registered claims by the finished runs.
    Claims {
        #[command(flatten)]
        tier: TierArg,
        /// Judge nothing: with the finished runs as a pilot, simulate whether a study of so many seeds and problems
        /// a set would refute each control whose true effect is 0.
        #[arg(long, num_args = 2, value_names = ["SEEDS", "PROBLEMS"])]
        power: Vec<usize>,
        /// Judge the runs of this folder: `data/records/version1/quick`.
        #[arg(long)]
        records: Option<PathBuf>,
    },
    /// Draw the figures from the finished runs.
    Figures {
        #[command(flatten)]
        tier: TierArg,
    },
    /// Write docs/results.md and the README's verdicts from the committed records.
    Results {
        #[command(flatten)]
        tier: TierArg,
    },
    /// Compare this machine's runs with the committed records: same weights and outcomes, or how
    /// different; exit 1 if a run with the same settings is not the same.
    Compare {
        #[command(flatten)]
        tier: TierArg,
    },
    /// Copy finished runs without their models to `data/records/<tier>`.
    Export {
        #[command(flatten)]
        tier: TierArg,
    },
    /// What this machine offers: python, sandbox isolation, device, threads, disk.
    Doctor,
}

#[derive(Subcommand)]
enum CatalogCommand {
    /// Run all atoms in the sandbox and print a table; exit 1 if one fails.
    Check,
}

#[derive(Args)]
struct TierArg {
    /// smoke, quick or full.
    #[arg(long, default_value = "quick")]
    tier: String,
}

#[derive(Args)]
struct StudyArgs {
    #[command(flatten)]
    tier: TierArg,
    /// auto, cpu, cuda:0, metal.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Use candle's own operations instead of the fused CPU kernels.
    #[arg(long)]
    composed: bool,
    /// Change a setting of the tier, for example `ppo.kl_coefficient=0.1` (can be repeated). Such
    /// runs are kept apart from the tier's own.
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    settings: Vec<String>,
}

impl StudyArgs {
    /// Themselves, to be written on another command line.
    fn arguments(&self, isolation: &str) -> Vec<String> {
        let named = [("--tier", &self.tier.tier), ("--device", &self.device)].into_iter();
        let named = named.chain(self.settings.iter().map(|setting| ("--set", setting)));
        let composed = self.composed.then(|| "--composed".to_owned());
        let isolation = ["--isolation".to_owned(), isolation.to_owned()];
        let named = named.flat_map(|(name, value)| [name.to_owned(), value.clone()]);
        named.chain(composed).chain(isolation).collect()
    }

    fn open(&self, sandbox: SandboxConfig) -> Result<Study> {
        let tier = Tier::named(&self.tier.tier)?.with(&self.settings)?;
        let device = device::choose(&self.device)?;
        let kernels = if self.composed { Kernels::Composed } else { Kernels::best(&device) };
        Study::with(Options { root: project_root(), tier, device, kernels, sandbox })
    }
}

/// # Errors
/// `Error::Io` where standard output cannot be written. A reader that has left ends the process.
fn write_line(line: Arguments<'_>) -> Result<()> {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.map_err(Error::io("standard output")),
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// `Ok(false)`: the command worked, and what it checked does not hold.
fn dispatch(cli: Cli) -> Result<bool> {
    let sandbox_config = sandbox_config(&cli)?;
    match cli.command {
        Command::Catalog { what: CatalogCommand::Check } => commands::catalog_check(&sandbox_config),
        Command::Synth(args) => commands::synth(&args, &sandbox_config),
        Command::Audit { tier, audit } => {
            let study = Study::with(Options { sandbox: sandbox_config, ..Options::here(&tier.tier)? })?;
            if audit.mutants {
                commands::audit_mutants(&study, &audit)
            } else {
                commands::audit(&study, &audit)
            }
        }
        Command::Run { what, study, seed, resume: _ } => {
            // Before the sandbox starts: a wrong name is said at once.
            Arms::load(&project_root())?.select(&what)?;
            let study = study.open(sandbox_config)?;
            eprintln!("tier {}: {}", study.tier.name, commands::expected_memory(&study.tier, 1));
            for arm in study.arms.select(&what)? {
                let run = study.run(arm, seed)?;
                say!("{} seed {seed}: {}", arm.name, run.folder().display());
            }
            Ok(true)
        }
        Command::Study { study, seeds, arms, jobs } => {
            let study = study.open(sandbox_config)?;
            commands::study(&study, &arms, &seeds.0, jobs)
        }
        Command::Plan { study, plan } => {
            let options = study.arguments(&cli.isolation);
            plan::plan(&study.open(sandbox_config)?, &plan, &options)
        }
        Command::Eval(args) => commands::eval(&args, sandbox_config),
        Command::Sandbox => {
            if commands::output_is_closed() {
                return Err(Error::io("standard output")(std::io::Error::other("it is closed")));
            }
            let sandbox = Sandbox::start(&sandbox_config)?;
            let output = BufWriter::new(std::io::stdout());
            serve_jsonl(&sandbox, BufReader::new(std::io::stdin()), output)?;
            Ok(true)
        }
        Command::Claims { tier, power, records } => {
            commands::claims(&project_root(), &Tier::named(&tier.tier)?, &power, records.as_deref())
        }
        Command::Figures { tier } => commands::figures(&project_root(), &Tier::named(&tier.tier)?),
        Command::Results { tier } => commands::results(&project_root(), &Tier::named(&tier.tier)?),
        Command::Compare { tier } => commands::compare(&project_root(), &Tier::named(&tier.tier)?),
        Command::Export { tier } => commands::export(&project_root(), &Tier::named(&tier.tier)?),
        Command::Doctor => commands::doctor(&sandbox_config),
    }
}

fn sandbox_config(cli: &Cli) -> Result<SandboxConfig> {
    let mut config = SandboxConfig::for_this_machine();
    config.workers = cli.workers.unwrap_or(config.workers);
    config.require = IsolationLevel::named(&cli.isolation)?;
    Ok(config)
}
