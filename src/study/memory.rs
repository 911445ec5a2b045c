//! How much memory a tier needs, said before it starts, and whether this machine has it.
//!
//! The estimate follows what the fused kernels keep (the crate `kernels`,
//! `model/sample`): everything is `f32`, activations are those of one microbatch, whatever the
//! batch. `cargo bench --profile dev --bench engine -- growth` prints it beside the measured peak;
//! `docs/performance.md` has the comparison. The composed kernels (`--composed`) keep every
//! intermediate of candle's graph, several times as much: the estimate is not for them.

use serde::Serialize;
use sysinfo::{Process, ProcessesToUpdate, System};

use crate::base::{Error, Result};
use crate::model::Config;
use crate::study::evaluate::QUESTIONS_TOGETHER;
use crate::study::tier::Tier;
use kernels::{ROWS_TOGETHER, groups};

/// Bytes of a number.
const NUMBER: usize = size_of::<f32>();
/// A prompt of the data set has fewer tokens than this.
const LONGEST_PROMPT: usize = 64;
/// The program with its data set and frames, before the first model is made.
const PROGRAM: usize = 100 << 20;

/// What one stage holds at its peak, in bytes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageMemory {
    /// For messages.
    pub name: &'static str,
    /// The model with its copies and packed forms, its gradients, AdamW's two moments, the frozen
    /// reference of RL.
    pub weights: usize,
    /// Of one microbatch.
    pub activations: usize,
    /// Keys and values of the prompts and of the rows being written.
    pub cache: usize,
}

impl StageMemory {
    /// The stage of a run of `tier` that needs most, with the fused kernels and as many threads as there are.
    pub fn largest(tier: &Tier) -> StageMemory {
        stages(tier).into_iter().max_by_key(StageMemory::total).expect("an array of four")
    }

    /// One training step with microbatches of `tokens` tokens, all of them predicted.
    pub fn of_training(name: &'static str, config: &Config, tokens: usize) -> StageMemory {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let qkv = hidden + 2 * config.kv_size();
        let parameters = config.parameters();
        let table = config.vocab_size * hidden;
        let block = (parameters - table) / config.num_hidden_layers;
        let groups = groups(tokens).len() - 1; // each sums weight gradients apart
        // What each layer keeps for the way back, then what that takes: of one layer, and about six
        // arrays the size of the hidden states around the last norm and the output projection.
        let layer = 3 * hidden + qkv + config.num_attention_heads + 2 * inner;
        let activations = tokens * (config.num_hidden_layers * layer + qkv + 7 * hidden);
        StageMemory {
            name,
            // All of them stored, flat in the graph, as gradients three times (summed, in candle's store
            // flat and apart), as two moments. One layer and the table packed, and summed by group.
            weights: NUMBER * (7 * parameters + (2 + groups) * (block + table)),
            activations: NUMBER * activations,
            cache: 0,
        }
    }

    /// All of it.
    pub fn total(&self) -> usize {
        self.weights + self.activations + self.cache
    }

    /// Bytes of the whole process when the stage runs.
    pub fn peak(&self) -> usize {
        PROGRAM + self.total()
    }

    /// Compares the peak with what the machine has to give, where it says so.
    ///
    /// # Errors
    /// `Error::Config` where the stage would not fit: both numbers, its largest part and the settings
    /// that make it smaller.
    pub fn check(&self) -> Result<()> {
        available().map_or(Ok(()), |bytes| self.fits(bytes))
    }

    fn fits(&self, available: usize) -> Result<()> {
        if self.peak() <= available {
            return Ok(());
        }
        // The largest part, and what makes it smaller.
        let cache = "`eval.problems_per_set`, `max_new_tokens` or `ppo.prompts_per_step`";
        let parts = [
            (self.activations, "activations", "`tokens_per_microbatch` of the stage, or `model.layers`"),
            (self.cache, "key-value cache", cache),
            (self.weights, "weights", "`model.hidden_size` or `model.layers`"),
        ];
        let (bytes, part, settings) = parts.into_iter().max_by_key(|part| part.0).unwrap_or_default();
        let (name, [needed, available, bytes]) = (self.name, [self.peak(), available, bytes].map(size));
        let message = format!(
            "{name} needs about {needed} of memory, {available} are available: its {part} take {bytes}; lower {settings}"
        );
        Err(Error::config("tier", message))
    }
}

/// Pretraining, SFT, RL and evaluation with the largest settings there are in the tier.
fn stages(tier: &Tier) -> [StageMemory; 4] {
    let Tier { pretrain, sft, ppo, eval, .. } = tier;
    let config = tier.model.config(tier.vocabulary, 0);
    let (context, weights) = (tier.model.context, NUMBER * config.parameters());
    // A microbatch holds at most its bound, or one passage (RL: group) that is longer, or the whole step.
    let tokens = |bound: usize, passages: usize| bound.max(context).min(passages * context);
    // Without a graph, one layer's activations at a time; and the two caches of sampling.
    let pass = 6 * config.hidden_size + 2 * config.kv_size() + 2 * config.intermediate_size;
    let position = 2 * config.num_hidden_layers * config.kv_size();
    let sampling = |prompts: usize, max_new_tokens: usize| {
        let own = rayon::current_num_threads() * ROWS_TOGETHER * max_new_tokens;
        NUMBER * ((prompts * LONGEST_PROMPT + own) * position + prompts * config.vocab_size)
    };
    let training = |name, tokens| StageMemory::of_training(name, &config, tokens);
    let group = ppo.samples_per_prompt * context; // if its rollouts share nothing
    let rollouts = tokens(ppo.tokens_per_microbatch.max(group), ppo.rollouts_per_step());
    let mut rl = training("RL", rollouts);
    rl.weights += weights; // the frozen reference, which reads the microbatches, too
    rl.activations += NUMBER * rollouts * pass;
    rl.cache = sampling(ppo.prompts_per_step, ppo.max_new_tokens);
    let questions = QUESTIONS_TOGETHER.min(12 * eval.problems_per_set); // six sets, asked twice
    let evaluation = StageMemory {
        name: "evaluation",
        // The model in training waits with its optimizer; the sampler packs its weights once more.
        weights: 6 * weights,
        activations: NUMBER * questions * LONGEST_PROMPT * pass,
        cache: sampling(questions, eval.max_new_tokens),
    };
    let pretraining = training("pretraining", tokens(pretrain.tokens_per_microbatch, pretrain.batch_size));
    let sft = training("SFT", tokens(sft.tokens_per_microbatch, sft.batch_size));
    [pretraining, sft, rl, evaluation]
}

/// Bytes this process may still take: what the machine has, and what the control groups leave (the
/// cache of files makes room when asked, so only what is held counts as used). `None` where the system
/// does not say.
fn available() -> Option<usize> {
    let mut system = System::new();
    system.refresh_memory();
    let own = sysinfo::get_current_pid().ok()?;
    system.refresh_processes(ProcessesToUpdate::Some(&[own]), false);
    let limits = [system.cgroup_limits(), system.process(own).and_then(Process::cgroup_limits)];
    let left = limits.into_iter().flatten().map(|group| group.total_memory.saturating_sub(group.rss));
    left.chain([system.available_memory()]).min().filter(|bytes| *bytes > 0).map(|bytes| bytes as usize)
}

/// Bytes, for messages.
fn size(bytes: usize) -> String {
    let mib = bytes as f64 / (1 << 20) as f64;
    if mib < 1000.0 { format!("{mib:.0} MiB") } else { format!("{:.1} GiB", mib / 1024.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick() -> Tier {
        Tier::named("quick").unwrap()
    }

    #[test]
    fn a_tier_that_cannot_fit_says_what_to_lower() {
        let estimate = StageMemory::largest(&quick());
        assert!(estimate.fits(4 << 30).is_ok());
        let message = estimate.fits(64 << 20).unwrap_err().to_string();
        assert!(message.contains("64 MiB are available") && message.contains("lower `"), "{message}");

        let wide = quick().with(&["model.hidden_size=8192".into(), "model.layers=32".into()]).unwrap();
        let message = StageMemory::largest(&wide).fits(16 << 30).unwrap_err().to_string();
        assert!(message.contains("its weights take") && message.contains("`model.hidden_size`"), "{message}");

        let long = ["sft.tokens_per_microbatch=4000000".into(), "sft.batch_size=40000".into()];
        let message =
            StageMemory::largest(&quick().with(&long).unwrap()).fits(4 << 30).unwrap_err().to_string();
        assert!(message.contains("SFT needs") && message.contains("`tokens_per_microbatch`"), "{message}");
    }

    #[test]
    fn microbatches_bound_the_activations() {
        let mut tier = quick();
        let before = stages(&tier);
        tier.sft.batch_size *= 100;
        tier.pretrain.batch_size *= 100;
        assert_eq!(stages(&tier)[..2], before[..2]);
        tier.sft.tokens_per_microbatch *= 2;
        assert_eq!(stages(&tier)[1].activations, 2 * before[1].activations);
        // A passage is never cut, so the context is the least there is.
        tier.sft.tokens_per_microbatch = 1;
        let least = StageMemory::of_training("", &tier.model.config(tier.vocabulary, 0), tier.model.context);
        assert_eq!(stages(&tier)[1].activations, least.activations);
        // Nor is a group of rollouts.
        let bounded = tier.clone();
        tier.ppo.samples_per_prompt = 32;
        assert!(stages(&tier)[2].activations > stages(&bounded)[2].activations);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_says_what_it_has() {
        assert!(available().unwrap() > 1 << 20);
    }
}
