//! How much memory a tier needs, said before it starts, and whether this machine has it.
//!
//! The estimate follows what the fused kernels keep (`ops/block.rs`, `ops/log_prob.rs`,
//! `rollout/fused.rs`): everything is `f32`, activations are those of one microbatch, whatever the
//! batch. `cargo bench --profile dev --bench engine -- growth` prints it beside the measured peak;
//! `docs/performance.md` has the comparison. The composed kernels (`--composed`) keep every
//! intermediate of candle's graph, several times as much: the estimate is not for them.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::base::error::{Error, Result};
use crate::model::Config;
use crate::model::sample::ROWS_TOGETHER;
use crate::study::tier::Tier;
use kernels::groups;

/// Bytes of a number.
const NUMBER: usize = size_of::<f32>();
/// A prompt of the data set has fewer tokens than this.
const LONGEST_PROMPT: usize = 64;
/// The program with its data set and frames, before the first model is made.
const PROGRAM: usize = 100 << 20;

/// What one stage holds at its peak, in bytes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    pub name: &'static str,
    /// The model, its copies and packed forms, and the frozen reference of RL.
    pub weights: usize,
    /// Gradients, those of the groups and of candle's graph included.
    pub gradients: usize,
    /// AdamW's two moments.
    pub moments: usize,
    /// Of one microbatch.
    pub activations: usize,
    /// Keys and values of the prompts and of the rows being written.
    pub cache: usize,
}

impl Stage {
    pub fn total(&self) -> usize {
        self.weights + self.gradients + self.moments + self.activations + self.cache
    }

    /// The largest part, and what makes it smaller.
    fn advice(&self) -> String {
        let parts = [
            (self.activations, "activations", "`tokens_per_microbatch` of the stage, or `model.layers`"),
            (
                self.cache,
                "key-value cache",
                "`eval.problems_per_set`, `max_new_tokens` or `ppo.prompts_per_step`",
            ),
            (
                self.weights + self.gradients + self.moments,
                "weights",
                "`model.hidden_size` or `model.layers`",
            ),
        ];
        let (bytes, part, settings) = parts.into_iter().max_by_key(|part| part.0).unwrap_or_default();
        format!("its {part} take {}; lower {settings}", Size(bytes))
    }
}

/// The stages of a tier.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    pub program: usize,
    pub stages: Vec<Stage>,
}

impl Estimate {
    /// Bytes of the whole process when its largest stage runs.
    pub fn peak(&self) -> usize {
        self.program + self.largest().map_or(0, Stage::total)
    }

    pub fn peak_gib(&self) -> f64 {
        self.peak() as f64 / (1u64 << 30) as f64
    }

    fn largest(&self) -> Option<&Stage> {
        self.stages.iter().max_by_key(|stage| stage.total())
    }

    /// # Errors
    /// `Error::Config` where the peak is over `available` bytes: both numbers, the stage, its largest
    /// part and the settings that make it smaller.
    fn fits(&self, available: usize) -> Result<()> {
        match self.largest() {
            Some(stage) if self.peak() > available => {
                let (peak, available) = (Size(self.peak()), Size(available));
                let (name, advice) = (stage.name, stage.advice());
                let message =
                    format!("{name} needs about {peak} of memory, {available} are available: {advice}");
                Err(Error::config("tier", message))
            }
            _ => Ok(()),
        }
    }
}

/// Estimates the memory of a run of `tier` with the fused kernels, and compares it with what the
/// machine has to give (on Linux: `MemAvailable` and the limits of the control groups; elsewhere
/// nothing is compared).
///
/// # Errors
/// `Error::Config` where the run would not fit.
pub fn check(tier: &Tier) -> Result<Estimate> {
    let estimate = estimate(tier, rayon::current_num_threads());
    if let Some(available) = available() {
        estimate.fits(available)?;
    }
    Ok(estimate)
}

/// See [`check`].
pub fn estimate(tier: &Tier, threads: usize) -> Estimate {
    let config = tier.model.config(tier.vocabulary, 0);
    let context = tier.model.context;
    // A microbatch holds at most its bound, or one passage that is longer than it, or the whole step.
    let tokens = |bound: usize, passages: usize| bound.max(context).min(passages * context);
    let ppo = &tier.ppo;
    let rollouts = tokens(ppo.tokens_per_microbatch, ppo.rollouts_per_step());
    let mut rl = Stage { name: "RL", ..training(&config, rollouts) };
    // The frozen reference, and the forward pass of a model without a graph.
    rl.weights += NUMBER * config.parameters();
    rl.activations += forward(&config, rollouts);
    rl.cache += sampling(&config, ppo.prompts_per_step, ppo.max_new_tokens, threads);
    // Sets of problems, some of them asked twice (`evaluate::questions`).
    let questions = 8 * tier.eval.problems_per_set;
    let training = |name, bound, passages| Stage { name, ..training(&config, tokens(bound, passages)) };
    let stages = vec![
        training("pretraining", tier.pretrain.tokens_per_microbatch, tier.documents_per_step),
        training("SFT", tier.sft.tokens_per_microbatch, tier.sft.batch_size),
        rl,
        Stage {
            name: "evaluation",
            // The model in training waits with its optimizer; the sampler packs its weights once more.
            weights: 4 * NUMBER * config.parameters(),
            gradients: 0,
            moments: 2 * NUMBER * config.parameters(),
            activations: forward(&config, questions * LONGEST_PROMPT),
            cache: sampling(&config, questions, tier.eval.max_new_tokens, threads),
        },
    ];
    Estimate { program: PROGRAM, stages }
}

/// One training step with microbatches of `tokens` tokens, all of them predicted.
pub fn training(config: &Config, tokens: usize) -> Stage {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let qkv = hidden + 2 * config.kv_size();
    let parameters = config.parameters();
    let table = config.vocab_size * hidden;
    let block = (parameters - table) / config.num_hidden_layers;
    let groups = groups(tokens).len() - 1; // each sums weight gradients apart
    // `Activations` of each layer, then `Gradients`, and about six arrays the size of the hidden
    // states: the last norm's input and output, their gradients, those of the output projection.
    let layer = hidden + qkv + hidden + config.num_attention_heads + hidden + 2 * inner;
    let activations = tokens * (config.num_hidden_layers * layer + hidden + qkv + 6 * hidden);
    Stage {
        name: "training",
        // Stored, flat in the graph, and one layer packed.
        weights: NUMBER * (2 * parameters + 2 * block + 2 * table),
        // Summed, in candle's store (flat, and apart), and by group.
        gradients: NUMBER * (3 * parameters + groups * (block + table)),
        moments: 2 * NUMBER * parameters,
        activations: NUMBER * activations,
        cache: 0,
    }
}

/// Activations of a pass without a graph: one layer at a time.
fn forward(config: &Config, tokens: usize) -> usize {
    let hidden = config.hidden_size;
    NUMBER * tokens * (6 * hidden + 2 * config.kv_size() + 2 * config.intermediate_size)
}

/// The two caches of `rollout::sample`.
fn sampling(config: &Config, prompts: usize, max_new_tokens: usize, threads: usize) -> usize {
    let position = 2 * config.num_hidden_layers * config.kv_size();
    let own = threads * ROWS_TOGETHER * max_new_tokens;
    NUMBER * ((prompts * LONGEST_PROMPT + own) * position + prompts * config.vocab_size)
}

/// Bytes this process may still take. `None` where the system does not say.
pub fn available() -> Option<usize> {
    let machine = mem_available(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    Some(group_limits(&groups, Path::new("/sys/fs/cgroup")).into_iter().fold(machine, usize::min))
}

/// `MemAvailable:    1234 kB`
fn mem_available(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok().map(|kib: usize| kib << 10)
}

/// What each control group above this process leaves, by its limit and its use. `groups` is
/// `/proc/self/cgroup`: lines `id:controllers:path`, without controllers in version 2.
fn group_limits(groups: &str, mount: &Path) -> Vec<usize> {
    let mut left = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (root, limit, used) = match controllers {
            "" => (mount.to_path_buf(), "memory.max", "memory.current"),
            names if names.split(',').any(|name| name == "memory") => {
                (mount.join("memory"), "memory.limit_in_bytes", "memory.usage_in_bytes")
            }
            _ => continue,
        };
        for group in Path::new(path.trim_start_matches('/')).ancestors() {
            let read = |name: &str| std::fs::read_to_string(root.join(group).join(name)).ok();
            // "max", where there is no limit, is not a number.
            let number = |name: &str| read(name)?.trim().parse::<usize>().ok();
            // The cache of files counts as use, and makes room when asked.
            let cached = read("memory.stat").and_then(|text| {
                text.lines().find_map(|line| line.strip_prefix("inactive_file ")?.trim().parse().ok())
            });
            if let (Some(limit), Some(used)) = (number(limit), number(used)) {
                left.push(limit.saturating_sub(used.saturating_sub(cached.unwrap_or(0))));
            }
        }
    }
    left
}

/// Bytes, for messages.
struct Size(usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        const MIB: f64 = (1 << 20) as f64;
        let mib = self.0 as f64 / MIB;
        if mib < 1000.0 { write!(f, "{mib:.0} MiB") } else { write!(f, "{:.1} GiB", mib / 1024.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_that_cannot_fit_says_what_to_lower() {
        let quick = estimate(&Tier::quick(), 2);
        assert!(quick.fits(4 << 30).is_ok());
        let message = quick.fits(64 << 20).unwrap_err().to_string();
        assert!(message.contains("64 MiB are available") && message.contains("lower `"), "{message}");

        let wide = Tier::quick().with(&["model.hidden_size=8192".into(), "model.layers=32".into()]).unwrap();
        let message = estimate(&wide, 2).fits(16 << 30).unwrap_err().to_string();
        assert!(message.contains("its weights take") && message.contains("`model.hidden_size`"), "{message}");

        let long = ["sft.tokens_per_microbatch=4000000".into(), "sft.batch_size=40000".into()];
        let message = estimate(&Tier::quick().with(&long).unwrap(), 2).fits(4 << 30).unwrap_err().to_string();
        assert!(message.contains("SFT needs") && message.contains("`tokens_per_microbatch`"), "{message}");
    }

    #[test]
    fn microbatches_bound_the_activations() {
        let mut tier = Tier::quick();
        let before = estimate(&tier, 2);
        tier.sft.batch_size *= 100;
        tier.documents_per_step *= 100;
        assert_eq!(estimate(&tier, 2).stages[..2], before.stages[..2]);
        tier.sft.tokens_per_microbatch *= 2;
        assert_eq!(estimate(&tier, 2).stages[1].activations, 2 * before.stages[1].activations);
        // A passage is never cut, so the context is the least there is.
        tier.sft.tokens_per_microbatch = 1;
        let least = training(&tier.model.config(tier.vocabulary, 0), tier.model.context);
        assert_eq!(estimate(&tier, 2).stages[1].activations, least.activations);
    }

    #[test]
    fn limits_are_read_as_linux_writes_them() {
        assert_eq!(mem_available("MemTotal:  8 kB\nMemAvailable:   12 kB\n"), Some(12 << 10));
        assert_eq!(mem_available("MemTotal:  8 kB\n"), None);
        let mount = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = mount.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("a/b/memory.max", "max\n");
        write("a/b/memory.current", "100\n");
        write("a/memory.max", "1000\n");
        write("a/memory.current", "400\n");
        write("a/memory.stat", "anon 1\ninactive_file 150\n");
        assert_eq!(group_limits("0::/a/b\n", mount.path()), [750]);
        write("memory/c/memory.limit_in_bytes", "500\n");
        write("memory/c/memory.usage_in_bytes", "600\n");
        assert_eq!(group_limits("5:cpu,memory:/c\n3:pids:/c\n", mount.path()), [0]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_says_what_it_has() {
        assert!(available().unwrap() > 0);
    }
}
