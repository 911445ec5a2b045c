//! Sampling completions from a decoder, many rows at once, with a key-value cache and no autograd.
//!
//! Row `i` draws its noise from `seed.child_index(i)`: one uniform number a token, turned into a
//! token by the inverse of the cumulative distribution.

mod composed;
mod fused;

use rand::Rng;

use crate::base::{ChaCha8Rng, Seed};
use crate::model::{Decoder, Kernels, ValueHead};
use crate::{Error, Result};
use kernels::{exponentials, max, sum};

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
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Completion {
    /// The end token is included where it was reached.
    pub tokens: Vec<u32>,
    /// `log p` of each token of `tokens` at temperature 1, whatever temperature it was drawn at.
    pub log_probs: Vec<f32>,
    /// What the value head said before each token of `tokens`; empty without one.
    pub values: Vec<f32>,
    /// The end token was reached.
    pub finished: bool,
}

/// One completion for each prompt. Row `i` depends on its prompt, on `seed.child_index(i)` and on
/// the model, and on nothing else: with the fused kernels bit for bit (any batch, any number of
/// threads), with the composed ones up to rounding, which can turn a close draw.
///
/// With a `critic`, a completion brings its estimate before each token: the hidden state that predicts the
/// token is at hand, which saves PPO a forward pass over all rollouts.
pub fn sample(
    model: &Decoder,
    critic: Option<&ValueHead>,
    prompts: &[Vec<u32>],
    sampling: &Sampling,
    seed: Seed,
) -> Result<Vec<Completion>> {
    check(model, prompts, sampling)?;
    if prompts.is_empty() || sampling.max_new_tokens == 0 {
        return Ok(vec![Completion::default(); prompts.len()]);
    }
    match model.kernels() {
        Kernels::Fused => fused::sample(model, critic, prompts, sampling, seed),
        Kernels::Composed => composed::sample(model, critic, prompts, sampling, seed),
    }
}

fn check(model: &Decoder, prompts: &[Vec<u32>], sampling: &Sampling) -> Result<()> {
    let config = model.config();
    if !(sampling.temperature.is_finite() && sampling.temperature >= 0.0) {
        return Err(Error::config("temperature", format!("{} is not >= 0", sampling.temperature)));
    }
    for (row, prompt) in prompts.iter().enumerate() {
        if prompt.is_empty() {
            let what = format!("prompt {row}");
            return Err(Error::Empty { what, needed: "it needs at least one token" });
        }
        config.check_tokens(format!("prompt {row}"), prompt)?;
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
    fn new(seed: Seed, index: usize) -> Row {
        let noise = seed.child_index(index as u64).stream("sampling");
        Row { noise, completion: Completion::default() }
    }

    /// Draws the next token from `logits (vocab,)`, which are used up, and returns it.
    fn draw(&mut self, logits: &mut [f32], sampling: &Sampling) -> u32 {
        let uniform = self.noise.random::<f32>();
        let (token, log_prob) = draw(logits, sampling.temperature as f32, uniform);
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
fn draw(logits: &mut [f32], temperature: f32, uniform: f32) -> (u32, f32) {
    let largest = max(logits);
    let best = logits.iter().position(|&logit| logit == largest).unwrap_or(0);
    if temperature == 0.0 {
        let total = exponentials(logits, largest, 1.0);
        return (best as u32, -libm::logf(total));
    }
    if temperature == 1.0 {
        let total = exponentials(logits, largest, 1.0);
        let token = inverse_cumulative(logits, uniform * total).unwrap_or(best);
        return (token as u32, libm::logf(logits[token] / total));
    }
    let mut scaled = logits.to_vec();
    let total = exponentials(&mut scaled, largest, 1.0 / temperature);
    let token = inverse_cumulative(&scaled, uniform * total).unwrap_or(best);
    let total = exponentials(logits, largest, 1.0);
    (token as u32, libm::logf(logits[token] / total))
}

/// The first index at which the running sum of `weights` exceeds `threshold`. `None` where rounding
/// leaves the whole sum just short of it.
fn inverse_cumulative(weights: &[f32], threshold: f32) -> Option<usize> {
    const CHUNK: usize = 16;
    let mut below = 0.0;
    for (index, chunk) in weights.chunks(CHUNK).enumerate() {
        let total = sum(chunk);
        if below + total > threshold {
            let mut running = below;
            let found = chunk.iter().position(|&weight| {
                running += weight;
                running > threshold
            });
            return Some(index * CHUNK + found.unwrap_or(chunk.len() - 1));
        }
        below += total;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_distribution() {
        let logits = [0.0f32, 1.0, -1.0, 0.5];
        for temperature in [1.0, 0.5] {
            let weights: Vec<f64> =
                logits.iter().map(|&x| (f64::from(x) / f64::from(temperature)).exp()).collect();
            let total: f64 = weights.iter().sum();
            let mut counts = [0; 4];
            let draws = 10_000;
            for i in 0..draws {
                let (token, log_prob) = draw(&mut logits.clone(), temperature, i as f32 / draws as f32);
                counts[token as usize] += 1;
                let plain: f32 = logits.iter().map(|x| x.exp()).sum::<f32>().ln();
                assert!((log_prob - (logits[token as usize] - plain)).abs() < 1e-6);
            }
            for (count, weight) in counts.iter().zip(&weights) {
                assert!((f64::from(*count) / f64::from(draws) - weight / total).abs() < 1e-3);
            }
        }
        assert_eq!(draw(&mut [0.0, 2.0, 2.0], 0.0, 0.9).0, 1);
    }
}
