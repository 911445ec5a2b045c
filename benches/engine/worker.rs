//! The kit's side of the comparison: reads one task a line from standard input, answers with one
//! line of JSON. `benches/torch_engine.py` understands the same tasks.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::Device;
use serde::Deserialize;
use serde_json::{Value, json};
use sft_vs_rl::{
    AdamW, CaseWord, Completion, Decoder, Error, Judgement, Kernels, Learner, Microbatch, Passage, PpoStep,
    Result, Sampling, Seed, Task, sample, train_ppo, train_supervised,
};

use super::workload::{Tokens, Workload};
use super::{hardware, parts};

#[derive(Deserialize)]
struct Request {
    /// `sft`, `rollout`, `ppo`, `parts`, `loss`, `hardware`, `memory`.
    task: String,
    #[serde(default)]
    repeats: usize,
    /// Of `rollout`.
    #[serde(default)]
    rows: usize,
}

pub struct Worker {
    dir: PathBuf,
    kernels: Kernels,
    workload: Workload,
    sft: Option<(Decoder, AdamW, usize)>,
    sampler: Option<Decoder>,
    rl: Option<Rl>,
}

struct Rl {
    learner: Learner,
    next_step: usize,
}

impl Worker {
    pub fn new(dir: &Path, kernels: Kernels) -> Result<Worker> {
        let workload = Workload::load(dir)?;
        Ok(Worker { dir: dir.to_path_buf(), kernels, workload, sft: None, sampler: None, rl: None })
    }

    /// Answers requests until the input ends.
    pub fn serve(&mut self) -> Result<()> {
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(Error::io("standard input"))?;
            let answer = self.answer(&line)?;
            let mut out = std::io::stdout().lock();
            writeln!(out, "{answer}").and_then(|()| out.flush()).map_err(Error::io("standard output"))?;
        }
        Ok(())
    }

    pub fn answer(&mut self, line: &str) -> Result<Value> {
        let request: Request =
            serde_json::from_str(line).map_err(|error| Error::parse("request", 1, error))?;
        match request.task.as_str() {
            "loss" => self.loss(),
            "sft" => self.sft(request.repeats),
            "rollout" => self.rollout(request.rows, request.repeats),
            "ppo" => self.ppo(request.repeats),
            "parts" => parts::measure(&|| self.model(), &self.workload, request.repeats),
            "hardware" => hardware::measure(),
            "memory" => Ok(json!({ "peak_mib": peak_mib()? })),
            name => {
                let known = "loss, sft, rollout, ppo, parts, hardware, memory".to_owned();
                Err(Error::Unknown { kind: "task", name: name.to_owned(), known })
            }
        }
    }

    fn model(&self) -> Result<Decoder> {
        Decoder::load(&self.dir, &Device::Cpu, self.kernels)
    }

    /// The loss of the SFT batch, nothing trained.
    fn loss(&self) -> Result<Value> {
        let model = self.model()?.freeze();
        let passages: Vec<Passage> = self
            .workload
            .sft
            .iter()
            .map(|Tokens { prompt, response }| Passage { prompt, response })
            .collect();
        let packed = Microbatch::pack(&passages, &Device::Cpu)?;
        let log_probs = model.log_probs(&model.hidden(&packed.batch)?, &packed.rows, &packed.targets)?;
        Ok(json!({ "loss": log_probs.mean_all()?.neg()?.to_scalar::<f32>()? }))
    }

    /// Steps of SFT, each on the same 32 examples.
    fn sft(&mut self, steps: usize) -> Result<Value> {
        if self.sft.is_none() {
            let model = self.model()?;
            let optimizer = AdamW::new(model.variables(), self.workload.sft_config.optimizer.clone())?;
            self.sft = Some((model, optimizer, 0));
        }
        let mixture = self.workload.mixture()?;
        let Some((model, optimizer, next)) = &mut self.sft else { return Err(no_model()) };
        let (mut losses, mut tokens) = (vec![], 0);
        let mut clock = Clock::start();
        let config = &self.workload.sft_config;
        let batch = |_, seed| Ok(mixture.batch(config.batch_size, seed));
        train_supervised(
            model,
            optimizer,
            &batch,
            config,
            Seed::new(3),
            *next..*next + steps,
            &mut |step| {
                clock.lap();
                losses.push(step.loss);
                tokens = step.tokens_trained;
                Ok(())
            },
        )?;
        *next += steps;
        Ok(clock.answer(json!({ "tokens": tokens, "losses": losses })))
    }

    /// `rows` completions of a fixed length: no token has the id of their end token.
    fn rollout(&mut self, rows: usize, repeats: usize) -> Result<Value> {
        if self.sampler.is_none() {
            self.sampler = Some(self.model()?);
        }
        let Some(model) = &self.sampler else { return Err(no_model()) };
        let Workload { prompts, new_tokens, .. } = &self.workload;
        let prompts: Vec<Vec<u32>> = (0..rows).map(|row| prompts[row % prompts.len()].clone()).collect();
        let sampling = Sampling { temperature: 1.0, max_new_tokens: *new_tokens, end_token: u32::MAX };
        let mut tokens = 0;
        let mut clock = Clock::start();
        for repeat in 0..repeats {
            let completions =
                sample(model, None, &prompts, &sampling, Seed::new(4).child_index(repeat as u64))?;
            tokens = completions.iter().map(|completion| completion.tokens.len()).sum();
            clock.lap();
        }
        Ok(clock.answer(json!({ "tokens": tokens })))
    }

    /// Steps of PPO. Also returns the lengths of the responses, which PyTorch then takes
    /// over, so that both do the same work: `lengths[step][prompt]` has one number a sample.
    fn ppo(&mut self, steps: usize) -> Result<Value> {
        let Workload { prompts, ppo_config, pass_every, .. } = &self.workload;
        if self.rl.is_none() {
            self.rl = Some(Rl {
                learner: Learner::new(self.model()?, self.model()?, ppo_config, None)?,
                // The first steps train the value head only.
                next_step: ppo_config.value_warmup_steps,
            });
        }
        let Some(rl) = &mut self.rl else { return Err(no_model()) };
        let tasks: Vec<Task> = prompts
            .iter()
            .enumerate()
            .map(|(problem, prompt)| Task { prompt: prompt.clone(), problem })
            .collect();
        let mut finished: Vec<Vec<Vec<usize>>> = Vec::new();
        let mut verifier = |answers: &[(usize, &Completion)]| {
            let mut lengths = vec![Vec::new(); prompts.len()];
            for (problem, completion) in answers {
                lengths[*problem].push(completion.tokens.len());
            }
            finished.push(lengths);
            let word =
                |n: usize| if n.is_multiple_of(*pass_every) { CaseWord::Pass } else { CaseWord::WrongAnswer };
            Ok((0..answers.len()).map(|n| Judgement::of_word(Some(word(n)))).collect())
        };
        let range = rl.next_step..rl.next_step + steps;
        let mut parts: Vec<PpoStep> = Vec::new();
        let mut clock = Clock::start();
        train_ppo(&mut rl.learner, &tasks, &mut verifier, ppo_config, Seed::new(5), range, &mut |step| {
            clock.lap();
            parts.push(step.clone());
            Ok(())
        })?;
        rl.next_step += steps;
        for lengths in finished.iter_mut().flatten() {
            // The rest did not end.
            lengths.resize(ppo_config.samples_per_prompt, ppo_config.max_new_tokens);
        }
        let each = |pick: fn(&PpoStep) -> f64| parts.iter().map(pick).collect::<Vec<f64>>();
        Ok(clock.answer(json!({
            "lengths": finished,
            "tokens": parts.iter().map(|step| step.tokens_sampled).collect::<Vec<_>>(),
            "tokens_scored": parts.iter().map(|step| step.tokens_scored).collect::<Vec<_>>(),
            "tokens_trained": parts.iter().map(|step| step.tokens_trained).collect::<Vec<_>>(),
            "updates": parts.iter().map(|step| step.updates).collect::<Vec<_>>(),
            "sample": each(|step| step.seconds_sample),
            "score": each(|step| step.seconds_score),
            "update": each(|step| step.seconds_update),
        })))
    }
}

fn no_model() -> Error {
    Error::Empty { what: "the list of models".into(), needed: "`load` comes before a task" }
}

/// Wall and processor time, lap by lap.
struct Clock {
    last: Instant,
    seconds: Vec<f64>,
    cpu_start: f64,
}

impl Clock {
    fn start() -> Clock {
        Clock { last: Instant::now(), seconds: vec![], cpu_start: cpu_seconds() }
    }

    fn lap(&mut self) {
        self.seconds.push(self.last.elapsed().as_secs_f64());
        self.last = Instant::now();
    }

    fn answer(self, mut rest: Value) -> Value {
        rest["cpu_seconds"] = json!(cpu_seconds() - self.cpu_start);
        rest["seconds"] = json!(self.seconds);
        rest
    }
}

/// Processor time of the whole process so far, in seconds.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one `timespec`, which is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Peak resident memory of this process so far, in MiB (Linux: `VmHWM`).
pub fn peak_mib() -> Result<f64> {
    let path = "/proc/self/status";
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let kib =
        text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    kib.map(|kib: f64| kib / 1024.0).ok_or_else(|| Error::parse(path, 0, "has no line `VmHWM: <n> kB`"))
}
