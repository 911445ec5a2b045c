//! Sampling completions from a decoder, many rows at once, with a key-value cache and no autograd.
//!
//! Row `i` draws its noise from `seed.child_index(i)`: one uniform number a token, turned into a
//! token by the inverse of the cumulative distribution.

mod composed;

use rand::Rng;

use crate::model::Decoder;
use crate::seed::{ChaCha8Rng, Seed};
use crate::{Error, Result};

/// How tokens are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Divides the logits. `0` takes the likeliest token.
    pub temperature: f64,
    /// A completion that long ends unfinished.
    pub max_new_tokens: usize,
    /// A completion ends after this token.
    pub end_token: u32,
}

/// What the model wrote after one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The end token is included where it was reached.
    pub tokens: Vec<u32>,
    /// `log p` of each token of `tokens` at temperature 1, whatever temperature it was drawn at.
    pub log_probs: Vec<f32>,
    /// The end token was reached.
    pub finished: bool,
}

/// One completion for each prompt. Row `i` depends on its prompt, on `seed.child_index(i)` and on
/// the model, and on nothing else.
pub fn sample(
    model: &Decoder,
    prompts: &[Vec<u32>],
    sampling: &Sampling,
    seed: Seed,
) -> Result<Vec<Completion>> {
    check(model, prompts, sampling)?;
    if prompts.is_empty() || sampling.max_new_tokens == 0 {
        let empty = Completion { tokens: vec![], log_probs: vec![], finished: false };
        return Ok(vec![empty; prompts.len()]);
    }
    composed::sample(model, prompts, sampling, seed)
}

fn check(model: &Decoder, prompts: &[Vec<u32>], sampling: &Sampling) -> Result<()> {
    let config = model.config();
    if !(sampling.temperature.is_finite() && sampling.temperature >= 0.0) {
        return Err(Error::config("temperature", format!("{} is not >= 0", sampling.temperature)));
    }
    for (row, prompt) in prompts.iter().enumerate() {
        if prompt.is_empty() {
            return Err(Error::Data(format!("prompt {row} is empty")));
        }
        if let Some(token) = prompt.iter().find(|&&token| token as usize >= config.vocab_size) {
            let vocab = config.vocab_size;
            return Err(Error::Data(format!("prompt {row}: token {token} with a vocabulary of {vocab}")));
        }
    }
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(0) + sampling.max_new_tokens;
    if longest > config.max_position_embeddings {
        let message = format!(
            "the longest prompt and max_new_tokens are {longest} tokens, the model has {} positions",
            config.max_position_embeddings
        );
        return Err(Error::config("max_new_tokens", message));
    }
    Ok(())
}

/// One row being written.
struct Row {
    noise: ChaCha8Rng,
    completion: Completion,
}

impl Row {
    fn new(seed: Seed, index: usize, capacity: usize) -> Row {
        let completion = Completion {
            tokens: Vec::with_capacity(capacity),
            log_probs: Vec::with_capacity(capacity),
            finished: false,
        };
        Row { noise: seed.child_index(index as u64).stream("sampling"), completion }
    }

    /// Draws the next token from `logits (vocab,)` and returns it.
    fn draw(&mut self, logits: &[f32], sampling: &Sampling) -> u32 {
        let (token, log_prob) = draw(logits, sampling.temperature as f32, self.noise.random::<f32>());
        self.completion.tokens.push(token);
        self.completion.log_probs.push(log_prob);
        self.completion.finished = token == sampling.end_token;
        token
    }

    fn done(&self, sampling: &Sampling) -> bool {
        self.completion.finished || self.completion.tokens.len() == sampling.max_new_tokens
    }
}

/// The token at `uniform` (in `[0, 1)`) of the cumulative distribution, and its log-probability at
/// temperature 1. At temperature 0 the likeliest token, the first of equals.
fn draw(logits: &[f32], temperature: f32, uniform: f32) -> (u32, f32) {
    let mut best = 0;
    for (token, &logit) in logits.iter().enumerate() {
        if logit > logits[best] {
            best = token;
        }
    }
    let max = logits[best];
    let total: f32 = logits.iter().map(|&logit| (logit - max).exp()).sum();
    let token = if temperature == 0.0 {
        best
    } else {
        let weight = |logit: f32| ((logit - max) / temperature).exp();
        let scaled_total: f32 = logits.iter().map(|&logit| weight(logit)).sum();
        let threshold = uniform * scaled_total;
        let mut cumulative = 0.0;
        logits
            .iter()
            .position(|&logit| {
                cumulative += weight(logit);
                cumulative > threshold
            })
            // Rounding can leave the sum just short of the threshold.
            .unwrap_or(best)
    };
    (token as u32, logits[token] - max - total.ln())
}
