//! How far an arm has moved from the base model, and what it forgot of what that had read. RL's razor (arXiv
//! 2509.04259) has it that the first tells the second, whatever the method.

use itertools::Itertools;
use rand::seq::IteratorRandom;

use super::Study;
use crate::base::{Result, Seed};
use crate::model::{Decoder, Sampling, sample};
use crate::study::arms::{Atoms, Chains, Pool};
use crate::study::store::Drift;
use crate::train::{Example, Microbatch, Passage};

/// Prompts of training that are answered.
const ANSWERS: usize = 256;
/// Batches of wild documents that are read.
const BATCHES: usize = 4;
/// Passages that are read together.
const TOGETHER: usize = 32;
/// What RL draws its prompts from.
const PROMPTS: Pool = Pool { atoms: Atoms::All, composites: 256, chains: Chains::Train };

impl Study {
    /// Of a model that began as `base`; without one, of the base model itself. All arms of a seed get the same
    /// prompts and documents.
    pub(super) fn drift(&self, model: &Decoder, base: Option<&Decoder>, seed: Seed) -> Result<Drift> {
        let (seed, codec) = (seed.child("drift"), &self.dataset.codec);

        // ---- Documents, read.
        let (documents, mut examples) = (self.documents()?, Vec::new());
        for batch in 0..BATCHES {
            examples.extend(documents(batch, seed.child_index(batch as u64))?);
        }
        let read = examples.iter().map(|Example { prompt, response }| Passage { prompt, response });
        let read = read.collect_vec();
        let mut drift = Drift { wild_loss: -mean(log_probs(model, &read)?), ..Drift::default() };
        let Some(base) = base else { return Ok(drift) };

        // ---- Prompts, answered by each and scored by the other.
        let problems = self.dataset.pool(PROMPTS, &self.catalog).concat();
        let prompts = problems.iter().flat_map(|problem| &problem.prompts);
        let prompts = prompts.choose_multiple(&mut seed.stream("prompts"), ANSWERS);
        let prompts: Vec<Vec<u32>> = prompts.into_iter().map(|prompt| codec.encode(prompt)).try_collect()?;
        let max_new_tokens = self.tier.eval.max_new_tokens;
        let sampling = Sampling { temperature: 1.0, max_new_tokens, end_token: codec.end() };
        let kl = |writer: &Decoder, other: &Decoder, name: &str| -> Result<f64> {
            let written = sample(writer, None, &prompts, &sampling, seed.child(name))?;
            let answers = prompts.iter().zip(&written);
            let passages = answers.map(|(prompt, answer)| Passage { prompt, response: &answer.tokens });
            let scored = log_probs(other, &passages.collect_vec())?;
            let own = written.iter().flat_map(|answer| answer.log_probs.iter().copied());
            Ok(mean(own.zip(scored).map(|(own, other)| own - other)))
        };
        (drift.kl_to_base, drift.kl_from_base) = (kl(model, base, "model")?, kl(base, model, "base")?);
        Ok(drift)
    }
}

/// Of all tokens of the responses, one after another.
fn log_probs(model: &Decoder, passages: &[Passage]) -> Result<Vec<f32>> {
    let mut found = Vec::new();
    for passages in passages.chunks(TOGETHER) {
        let packed = Microbatch::pack(passages, model.device())?;
        let hidden = model.hidden(&packed.batch)?;
        found.extend(model.log_probs(&hidden, &packed.rows, &packed.targets)?.to_vec1::<f32>()?);
    }
    Ok(found)
}

fn mean(numbers: impl IntoIterator<Item = f32>) -> f64 {
    let (sum, count) = numbers.into_iter().fold((0.0, 0), |(sum, count), x| (sum + f64::from(x), count + 1));
    sum / f64::from(count.max(1))
}
