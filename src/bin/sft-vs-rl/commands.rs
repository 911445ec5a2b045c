//! What each subcommand does. `Ok(false)`: it worked, and what it checked does not hold.

use std::path::{Path, PathBuf};

use clap::Args;
use sft_vs_rl::{
    Catalog, ChainRequest, Codec, Cost, Court, Dataset, Decoder, Error, EvalConfig, HiddenCaseConfig,
    HiddenCaseReport, Kernels, KnownVerdicts, MutantConfig, OutcomeRow, Progress, Prompts, Question, Result,
    Runs, Sandbox, SandboxConfig, Seed, Set, StageMemory, Study, Tier, Topics, check_catalog, dataset_figure,
    device, evaluate, hidden_case_audit, leak_audit, ledger, local_figures, mutant_figure, pass_at_k,
    project_root, read_json, synthesize, write_atomically, write_problems,
};

use crate::plan;

/// Was this started without a standard output (`>&-`)? Rust's runtime then opens `/dev/null` in its place, for
/// reading and writing, and all that is written is lost without an error. Linux tells.
pub fn output_is_closed() -> bool {
    let is_null = std::fs::read_link("/proc/self/fd/1").is_ok_and(|path| path == Path::new("/dev/null"));
    let about = std::fs::read_to_string("/proc/self/fdinfo/1").unwrap_or_default();
    // In octal; the last digit has how it was opened: 2 is for both.
    let flags = about.lines().find_map(|line| line.strip_prefix("flags:"));
    is_null && flags.is_some_and(|flags| flags.trim().ends_with('2'))
}

pub fn catalog_check(sandbox: &SandboxConfig) -> Result<bool> {
    let catalog = Catalog::load(&project_root().join("data/catalog"))?;
    let report = check_catalog(&catalog, &Sandbox::start(sandbox)?)?;
    say!("{report}");
    Ok(report.passed())
}

#[derive(Args)]
pub struct SynthArgs {
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many chains.
    #[arg(long, default_value_t = 50)]
    count: usize,
    /// Number of atoms in a chain: `2` or `2..3`, at most 5.
    #[arg(long, default_value = "2..3")]
    depth: String,
    /// source, target or mixed.
    #[arg(long, default_value = "source")]
    topics: String,
    /// File to write, one problem a line.
    #[arg(long)]
    out: PathBuf,
}

pub fn synth(args: &SynthArgs, sandbox: &SandboxConfig) -> Result<bool> {
    let topics: Topics = args.topics.parse()?;
    let request = ChainRequest { topics, depth: ChainRequest::parse_depth(&args.depth)?, count: args.count };
    let catalog = Catalog::load(&project_root().join("data/catalog"))?;
    let sandbox = Sandbox::start(sandbox)?;
    let problems = synthesize(&catalog, &sandbox, &request, Seed::new(args.seed))?;
    write_problems(&args.out, &problems)?;
    say!("{} problems in {}", problems.len(), args.out.display());
    Ok(true)
}

/// The leak audit: of training parts, and of the corpus that pretraining at `args.seed` reads.
pub fn audit(study: &Study, args: &AuditArgs) -> Result<bool> {
    let report = leak_audit(&study.dataset.splits, &study.catalog, &study.sandbox)?;
    say!("{report}\n");
    let corpus = study.audit_corpus(args.seed, args.steps.unwrap_or(study.tier.pretrain_steps))?;
    say!("{corpus}");
    Ok(report.is_clean() && corpus.is_clean())
}

#[derive(Args)]
pub struct AuditArgs {
    /// Instead: how many wrong programs do the hidden cases accept? Writes a record and a figure;
    /// exit 1 if the share is not below the goal.
    #[arg(long)]
    pub mutants: bool,
    /// Chains to audit besides all atoms; all where there are fewer.
    #[arg(long, default_value_t = 2_000, requires = "mutants")]
    composites: usize,
    /// Inputs that tell a wrong mutant from an equivalent one.
    #[arg(long, default_value_t = 1_000, requires = "mutants")]
    fresh_inputs: usize,
    /// A share of false accepts that is too much, in percent.
    #[arg(long, default_value_t = 0.1, requires = "mutants")]
    goal: f64,
    /// Of the fresh inputs of `--mutants`; else, of the pretraining whose documents are read.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Steps of pretraining whose documents are read; all of them if not told.
    #[arg(long, conflicts_with = "mutants")]
    steps: Option<usize>,
}

/// Problems a second that the mutant audit gets through, measured on two cores.
const AUDITED_PER_SECOND: f64 = 6.0;

pub fn audit_mutants(study: &Study, args: &AuditArgs) -> Result<bool> {
    let (splits, tier) = (&study.dataset.splits, study.tier.name.as_str());
    let n_composites = splits.iter().filter(|problem| problem.depth > 1).count();
    let problems = splits.get(Set::AtomBase).len() + args.composites.min(n_composites);
    eprintln!(
        "mutants: {problems} problems, about {:.0} minutes on two cores",
        (problems as f64 / AUDITED_PER_SECOND / 60.0).ceil()
    );
    let mutants = MutantConfig { fresh_inputs: args.fresh_inputs, problems_per_batch: 32 };
    let config = HiddenCaseConfig { composites: args.composites, goal: args.goal / 100.0, mutants };
    let mut progress = Progress::new("mutants", problems);
    let watch = |done: usize, all: usize| progress.at(done, || format!("of {all} problems"));
    let report = hidden_case_audit(tier, splits, &study.catalog, &study.sandbox, &config, args.seed, watch)?;
    progress.done("all problems audited");
    say!("{report}");
    let name = if tier == "quick" { "mutants.json".to_owned() } else { format!("mutants-{tier}.json") };
    let folder = study.root.join("data/records");
    let record = folder.join(name);
    let text = serde_json::to_string_pretty(&report)?;
    write_atomically(&record, format!("{text}\n").as_bytes())?;
    let figures = if tier == "quick" { study.root.join("figures") } else { local_figures(&study.root, tier) };
    let picture = figures.join("mutants.svg");
    mutant_figure(&report)?.save(&picture)?;
    say!("{}\n{}", record.display(), picture.display());
    Ok(report.passed())
}

/// What `jobs` trainings of `tier` will take, for the line that is printed before they start.
pub fn expected_memory(tier: &Tier, jobs: usize) -> String {
    let gib = (jobs * StageMemory::largest(tier).peak()) as f64 / (1u64 << 30) as f64;
    format!("up to {gib:.1} GiB of memory with the fused kernels")
}

/// The main job: all arms, all figures, all verdicts.
pub fn study(study: &Study, arms: &[String], seeds: &[u64], jobs: usize) -> Result<bool> {
    let tier = &study.tier;
    eprintln!(
        "tier {}: about {:.0} minutes a seed on two cores, {}; finished runs are taken from data/runs",
        tier.name,
        tier.expected_minutes,
        expected_memory(tier, jobs)
    );
    if jobs > 1 {
        eprintln!("{}", plan::summary(&study.schedule(arms, seeds, jobs, false)?));
    }
    study.train_all(&study.planned(arms, seeds)?, jobs)?;
    let folder = local_figures(&study.root, &tier.name);
    dataset_figure(&tier.name, study.dataset.splits.iter())?.save(folder.join("dataset.svg"))?;
    for path in Runs::own(&study.root, &tier.name)?.draw(&folder)? {
        say!("{}", path.display());
    }
    claims(&study.root, tier, &[], None)?;
    compare(&study.root, tier)?;
    Ok(true)
}

/// Prints this machine's runs beside the committed records. It does not hold where a run with the same
/// settings and data has other weights or outcomes.
pub fn compare(root: &Path, tier: &Tier) -> Result<bool> {
    let (own, committed) = (Runs::own(root, &tier.name)?, Runs::committed(root, &tier.name));
    let Ok(committed) = committed else {
        say!("tier {}: there are no committed records to compare with", tier.name);
        return Ok(true);
    };
    let rows = own.compare(&committed)?;
    say!("{} of {} own runs have a committed record of their arm and seed", rows.len(), own.runs.len());
    for row in &rows {
        say!("{row}");
    }
    Ok(rows.iter().all(|row| !row.same_settings || (row.same_weights && row.same_outcomes)))
}

/// Draws the committed figures from the committed records.
pub fn figures(root: &Path, tier: &Tier) -> Result<bool> {
    let folder = root.join("figures");
    for path in Runs::committed(root, &tier.name)?.draw(&folder)? {
        say!("{}", path.display());
    }
    let audit: HiddenCaseReport = read_json(&root.join("data/records/mutants.json"))?;
    mutant_figure(&audit)?.save(folder.join("mutants.svg"))?;
    Ok(true)
}

/// Puts `table` between the lines of `page` that say where `what` begins and ends.
fn write_between(page: &Path, what: &str, table: &str) -> Result<()> {
    let marks =
        [format!("<!-- {what}: written by `make results` -->\n"), format!("<!-- end of {what} -->\n")];
    let text = std::fs::read_to_string(page).map_err(Error::io(page))?;
    let inside = text.split_once(&marks[0]).and_then(|(_, rest)| Some(rest.split_once(&marks[1])?.0));
    let missing = || Error::damaged(page, format!("the lines {:?} and {:?} are missing", marks[0], marks[1]));
    let old = format!("{}{}{}", marks[0], inside.ok_or_else(missing)?, marks[1]);
    write_atomically(page, text.replace(&old, &format!("{}{table}{}", marks[0], marks[1])).as_bytes())
}

/// Writes docs/results.md, the README's verdicts and the ledger's rows from the committed records.
pub fn results(root: &Path, tier: &Tier) -> Result<bool> {
    let runs = Runs::committed(root, &tier.name)?;
    let [page, readme, rows] =
        ["docs/results.md", "README.md", "docs/ambiguities.md"].map(|page| root.join(page));
    write_between(&readme, "verdicts", &runs.verdicts()?)?;
    write_between(&rows, "measured rows", &ledger(root)?.markdown())?;
    write_atomically(&page, runs.results()?.as_bytes())?;
    say!("{}\n{}\n{}", page.display(), readme.display(), rows.display());
    Ok(true)
}

/// Prints the verdicts, or the power of a study of so many seeds and problems. A refuted claim is a result, not a
/// failure of the command.
pub fn claims(root: &Path, tier: &Tier, power: &[usize], records: Option<&Path>) -> Result<bool> {
    let runs =
        records.map_or_else(|| Runs::open(root, &tier.name), |of| Runs::of_folder(root, &tier.name, of))?;
    match power {
        [n_seeds, n_problems] => say!("{}", runs.power(*n_seeds, *n_problems)?.trim_end()),
        _ => say!("{}", runs.claims()?),
    }
    Ok(true)
}

pub fn export(root: &Path, tier: &Tier) -> Result<bool> {
    let to = root.join("data/records").join(&tier.name);
    let runs = Runs::own(root, &tier.name)?;
    runs.export(&to)?;
    say!("{} records in {}", runs.runs.len(), to.display());
    Ok(true)
}

#[derive(Args)]
pub struct EvalArgs {
    /// Folder with config.json, model.safetensors and tokenizer.json.
    #[arg(long)]
    checkpoint: PathBuf,
    /// atom_base, composite_a_train, composite_a_held_out, composite_b, composite_c or deep.
    #[arg(long)]
    set: String,
    /// Answers at temperature 1 for each problem.
    #[arg(long, default_value_t = 8)]
    samples: usize,
    /// For which k to estimate pass@k.
    #[arg(long, value_delimiter = ',', default_value = "1,4,8")]
    k: Vec<u32>,
    /// Ask with paraphrases that no training prompt contains.
    #[arg(long)]
    held_out_prompts: bool,
    #[arg(long, default_value_t = 160)]
    max_new_tokens: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The tier whose problems are asked.
    #[arg(long, default_value = "quick")]
    tier: String,
    #[arg(long, default_value = "auto")]
    device: String,
    /// One line of JSON a problem instead of the summary.
    #[arg(long)]
    json: bool,
}

pub fn eval(args: &EvalArgs, sandbox: SandboxConfig) -> Result<bool> {
    let set: Set = args.set.parse()?;
    if let Some(k) = args.k.iter().find(|k| **k == 0 || **k as usize > args.samples) {
        return Err(Error::config("k", format!("pass@{k} needs 1 to {} samples (--samples)", args.samples)));
    }
    let device = device::choose(&args.device)?;
    let kernels = Kernels::best(&device);
    let model = Decoder::load(&args.checkpoint, &device, kernels)?;
    let codec = Codec::load(&args.checkpoint.join("tokenizer.json"))?;
    let tier = Tier::named(&args.tier)?;
    let root = project_root();
    let (catalog, sandbox) = (tier.catalog(&root)?, Sandbox::start(&sandbox)?);
    let dataset = Dataset::open(&root, &tier, &catalog, &sandbox)?;
    let prompts = if args.held_out_prompts { Prompts::HeldOut } else { Prompts::Train };
    let problems: Vec<_> = dataset.splits.get(set).iter().collect();
    let questions = Question::of_each(&problems, prompts);
    let config = EvalConfig {
        samples: args.samples,
        held_out_samples: args.samples,
        max_new_tokens: args.max_new_tokens,
        ..tier.eval
    };
    let court = Court { sandbox: &sandbox, codec: &codec, known: &KnownVerdicts::default() };
    let seed = Seed::new(args.seed).child("eval");
    let answers = evaluate(&model, court, &questions, "eval", &config, seed, &mut Cost::default())?;
    let rows: Vec<OutcomeRow> = answers.into_iter().map(|answer| answer.outcome).collect();
    if args.json {
        for row in &rows {
            say!("{}", serde_json::to_string(row)?);
        }
        return Ok(true);
    }
    let greedy: Vec<f64> = rows.iter().filter_map(OutcomeRow::greedy_rate).collect();
    say!("{}, {} problems", set.name(), rows.len());
    say!("greedy pass@1  {:.3}", greedy.iter().sum::<f64>() / greedy.len().max(1) as f64);
    for k in &args.k {
        let rates: Vec<f64> =
            rows.iter().filter_map(|row| pass_at_k(row.samples(), row.passed(), *k)).collect();
        say!("sampled pass@{k}  {:.3}", rates.iter().sum::<f64>() / rates.len().max(1) as f64);
    }
    Ok(true)
}

pub fn doctor(sandbox: &SandboxConfig) -> Result<bool> {
    let root = project_root();
    say!("project    {}", root.display());
    say!("device     {}", device::describe(&device::choose("auto")?));
    say!("kernels    {} (every instruction set gives the same bits)", device::instructions()?);
    say!("{}", Sandbox::start(sandbox)?.isolation());
    let catalog = Catalog::load(&root.join("data/catalog"))?;
    say!("catalog    {} atoms", catalog.atoms().len());
    Ok(true)
}
