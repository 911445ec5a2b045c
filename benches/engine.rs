//! Speed of the engine: `cargo bench --bench engine`. Prints one line of JSON a measurement, which
//! `benches/torch_engine.py` (the same sizes in PyTorch) also does; `docs/performance.md` has both.
//!
//! Arguments: `--threads N`, `--composed`, `--checkpoint DIR` (write the weights for PyTorch there),
//! `--runs N`.

use std::path::PathBuf;
use std::time::Instant;

use candle_core::{Device, Tensor};
use sft_vs_rl::Result;
use sft_vs_rl::model::{Batch, Config, Decoder, Kernels, ValueHead};
use sft_vs_rl::optim::{AdamW, AdamWConfig, Gradients};
use sft_vs_rl::rollout::{Completion, Sampling, sample};
use sft_vs_rl::seed::Seed;

/// The quick tier's model.
fn config() -> Config {
    Config {
        vocab_size: 600,
        hidden_size: 128,
        intermediate_size: 344,
        num_hidden_layers: 4,
        num_attention_heads: 4,
        num_key_value_heads: 4,
        max_position_embeddings: 512,
        rope_theta: 10_000.0,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: true,
        bos_token_id: Some(0),
        eos_token_id: Some(1),
    }
}

const SEQUENCES: usize = 32;
const ROLLOUTS: usize = 256;
const PROMPTS: usize = 64;
const NEW_TOKENS: usize = 60;

/// Token `j` of sequence `i`: arithmetic, so that PyTorch makes the same.
fn token(i: usize, j: usize) -> u32 {
    (2 + (i * 7919 + j * 104_729 + i * j * 31) % 598) as u32
}

/// 32 sequences of 70 to 132 tokens, about 100 on average.
fn sequences() -> Vec<Vec<u32>> {
    (0..SEQUENCES).map(|i| (0..70 + 2 * i).map(|j| token(i, j)).collect()).collect()
}

/// 64 prompts of 16 to 31 tokens, four times each.
fn prompts() -> Vec<Vec<u32>> {
    let prompt = |i: usize| (0..16 + i % 16).map(|j| token(i + 100, j)).collect();
    (0..ROLLOUTS).map(|row| prompt(row % PROMPTS)).collect()
}

struct Arguments {
    threads: usize,
    kernels: Kernels,
    checkpoint: Option<PathBuf>,
    runs: usize,
}

fn arguments() -> Arguments {
    let mut parsed = Arguments { threads: 0, kernels: Kernels::Fused, checkpoint: None, runs: 7 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--threads" => parsed.threads = words.next().and_then(|n| n.parse().ok()).unwrap_or(0),
            "--runs" => parsed.runs = words.next().and_then(|n| n.parse().ok()).unwrap_or(7),
            "--composed" => parsed.kernels = Kernels::Composed,
            "--checkpoint" => parsed.checkpoint = words.next().map(PathBuf::from),
            _ => {} // `cargo bench` passes arguments of its own
        }
    }
    parsed
}

/// CPU time of the whole process so far: comparable even when other programs share the machine.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one `timespec`, which is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Runs `work` once to warm up and `runs` times, and prints seconds: median, least, most.
fn measure(
    name: &str,
    amount: f64,
    unit: &str,
    runs: usize,
    mut work: impl FnMut() -> Result<()>,
) -> Result<()> {
    work()?;
    let mut seconds = Vec::with_capacity(runs);
    let cpu_start = cpu_seconds();
    for _ in 0..runs {
        let start = Instant::now();
        work()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    let cpu = (cpu_seconds() - cpu_start) / runs as f64;
    seconds.sort_by(f64::total_cmp);
    let median = seconds[runs / 2];
    println!(
        "{}",
        serde_json::json!({
            "name": name, "engine": "kit", "threads": rayon::current_num_threads(), "runs": runs,
            "seconds_median": median, "seconds_min": seconds[0], "seconds_max": seconds[runs - 1],
            "cpu_seconds": cpu, "rate": amount / median, "best_rate": amount / seconds[0], "unit": unit,
        })
    );
    Ok(())
}

/// Next-token loss over whole sequences.
fn loss(model: &Decoder, sequences: &[Vec<u32>]) -> Result<Tensor> {
    let batch = Batch::pack(sequences, model.device())?;
    let (mut rows, mut targets) = (vec![], vec![]);
    for index in 0..batch.sequences() {
        for row in batch.range(index).skip(1) {
            rows.push(row as u32 - 1);
            targets.push(batch.ids()[row]);
        }
    }
    let hidden = model.hidden(&batch)?;
    Ok(model.log_probs(&hidden, &rows, &targets)?.mean_all()?.neg()?)
}

fn optimizer(variables: Vec<(String, candle_core::Var)>) -> Result<AdamW> {
    let config =
        AdamWConfig { lr: 1e-5, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1, clip_norm: 1.0 };
    AdamW::new(variables, config)
}

fn sft(model: &Decoder, runs: usize) -> Result<()> {
    let sequences = sequences();
    let tokens: usize = sequences.iter().map(Vec::len).sum();
    let first = loss(model, &sequences)?.to_scalar::<f32>()?;
    println!("{}", serde_json::json!({"name": "first_loss", "engine": "kit", "loss": first}));
    let mut optimizer = optimizer(model.variables())?;
    measure("sft_forward", tokens as f64, "tokens/s", runs, || loss(model, &sequences).map(|_| ()))?;
    measure("sft_step", tokens as f64, "tokens/s", runs, || {
        let store = loss(model, &sequences)?.backward()?;
        let mut gradients = Gradients::new();
        gradients.add(&optimizer.variables(), &store)?;
        optimizer.step(&gradients, 1e-5)?;
        Ok(())
    })
}

fn rollouts(model: &Decoder, runs: usize) -> Result<Vec<Completion>> {
    // No token has this id, so that all completions have the same length.
    let sampling = Sampling { temperature: 1.0, max_new_tokens: NEW_TOKENS, end_token: u32::MAX };
    let prompts = prompts();
    for rows in [64, ROLLOUTS] {
        let tokens = (rows * NEW_TOKENS) as f64;
        measure(&format!("rollout_{rows}"), tokens, "tokens/s", runs, || {
            sample(model, &prompts[..rows], &sampling, Seed::new(1)).map(|_| ())
        })?;
    }
    sample(model, &prompts, &sampling, Seed::new(1))
}

/// One epoch of PPO's arithmetic on 256 rollouts: log-probabilities under a frozen reference, then
/// four microbatches of clipped policy loss and value loss, and one optimizer step.
fn ppo(model: &Decoder, completions: &[Completion], runs: usize) -> Result<()> {
    let reference = model.copy()?.freeze();
    let value = ValueHead::new(model.config().hidden_size, model.device())?;
    let mut optimizer = optimizer([model.variables(), value.variables()].concat())?;
    let prompts = prompts();
    let tokens: usize = completions.iter().zip(&prompts).map(|(c, p)| c.tokens.len() + p.len()).sum();
    measure("ppo_update", tokens as f64, "tokens/s", runs, || {
        let mut gradients = Gradients::new();
        for (prompts, completions) in prompts.chunks(64).zip(completions.chunks(64)) {
            let whole: Vec<Vec<u32>> =
                prompts.iter().zip(completions).map(|(p, c)| [&p[..], &c.tokens[..]].concat()).collect();
            let batch = Batch::pack(&whole, model.device())?;
            let (mut rows, mut targets, mut old) = (vec![], vec![], vec![]);
            for (index, completion) in completions.iter().enumerate() {
                let start = batch.range(index).start + prompts[index].len() - 1;
                rows.extend((start..start + completion.tokens.len()).map(|row| row as u32));
                targets.extend_from_slice(&completion.tokens);
                old.extend_from_slice(&completion.log_probs);
            }
            let frozen = reference.log_probs(&reference.hidden(&batch)?, &rows, &targets)?;
            let hidden = model.hidden(&batch)?;
            let (log_probs, _entropy) = model.log_probs_and_entropy(&hidden, &rows, &targets)?;
            let old = Tensor::from_vec(old, log_probs.dims(), model.device())?;
            let advantages = (&old - &frozen)?;
            let ratio = (&log_probs - &old)?.exp()?;
            let plain = (&ratio * &advantages)?;
            let clipped = (ratio.clamp(0.8, 1.2)? * &advantages)?;
            let policy = plain.minimum(&clipped)?.mean_all()?.neg()?;
            let indices = Tensor::from_slice(&rows, rows.len(), model.device())?;
            let values = value.forward(&hidden.index_select(&indices, 0)?)?;
            let loss = (policy + (values.sqr()?.mean_all()? * 0.5)?)?;
            gradients.add(&optimizer.variables(), &loss.backward()?)?;
        }
        optimizer.step(&gradients, 1e-6)?;
        Ok(())
    })
}

fn main() -> Result<()> {
    let arguments = arguments();
    if arguments.threads > 0 {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build_global();
        pool.map_err(|error| sft_vs_rl::Error::config("threads", error))?;
    }
    let model = Decoder::new(&config(), Seed::new(1), &Device::Cpu, arguments.kernels)?;
    if let Some(dir) = &arguments.checkpoint {
        model.save(dir)?;
    }
    sft(&model, arguments.runs)?;
    let completions = rollouts(&model, arguments.runs)?;
    ppo(&model, &completions, arguments.runs)
}
