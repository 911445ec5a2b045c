//! Sequences into microbatches of a bounded number of tokens, with the rows that are learned from.
//!
//! A *passage* is a prompt and a response. The model reads both, but only the response's tokens
//! are predicted, scored and learned: its token `j` is predicted at the position just before it.
//! The last token of a passage predicts nothing, so the model does not even read it.

use std::ops::Range;

use candle_core::{Device, Tensor};

use crate::model::Batch;
use crate::{Error, Result};

/// A prompt and the tokens that follow it. Only the latter are learned.
#[derive(Debug, Clone, Copy)]
pub struct Passage<'a> {
    /// Read only. Not empty.
    pub prompt: &'a [u32],
    /// Predicted. Not empty.
    pub response: &'a [u32],
}

impl Passage<'_> {
    /// Tokens the model reads: all but the last.
    pub fn read_tokens(&self) -> usize {
        (self.prompt.len() + self.response.len()).saturating_sub(1)
    }
}

/// Passages packed one after another, without padding.
pub struct Microbatch {
    /// What the model reads: all tokens of a passage but its last.
    pub batch: Batch,
    /// Positions in the packed batch that predict a response token, passage by passage. `(rows,)`
    pub rows: Vec<u32>,
    /// The response token that each row predicts. `(rows,)`
    pub targets: Vec<u32>,
}

impl Microbatch {
    /// Prompt `[7, 8]` and response `[9, 2]` give the input `[7, 8, 9]`, rows `[1, 2]` and targets
    /// `[9, 2]`.
    ///
    /// # Errors
    /// `Error::Empty` where a passage has no prompt or no response token.
    pub fn pack(passages: &[Passage], device: &Device) -> Result<Microbatch> {
        let mut sequences = Vec::with_capacity(passages.len());
        let (mut rows, mut targets) = (Vec::new(), Vec::new());
        let mut offset = 0;
        for passage in passages {
            let Passage { prompt, response } = passage;
            if prompt.is_empty() || response.is_empty() {
                let what = format!("a passage of {} and {} tokens", prompt.len(), response.len());
                return Err(Error::Empty { what, needed: "it needs a prompt and a response token" });
            }
            let sequence = [prompt, &response[..response.len() - 1]].concat();
            rows.extend((0..response.len()).map(|j| (offset + prompt.len() - 1 + j) as u32));
            targets.extend_from_slice(response);
            offset += sequence.len();
            sequences.push(sequence);
        }
        Ok(Microbatch { batch: Batch::pack(&sequences, device)?, rows, targets })
    }

    /// The hidden states at `rows`.
    ///
    /// # Shapes
    /// `hidden`: `(tokens, hidden)`; result: `(rows, hidden)`.
    pub fn select(&self, hidden: &Tensor) -> Result<Tensor> {
        let rows = Tensor::new(self.rows.as_slice(), hidden.device())?;
        Ok(hidden.index_select(&rows, 0)?)
    }
}

/// Splits passages, in their order, into microbatches of at most `max_tokens` read tokens. A passage
/// that is longer than that gets one of its own.
pub fn split(passages: &[Passage], max_tokens: usize) -> Vec<Range<usize>> {
    let mut microbatches = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (index, passage) in passages.iter().enumerate() {
        if index > start && tokens + passage.read_tokens() > max_tokens {
            microbatches.push(start..index);
            (start, tokens) = (index, 0);
        }
        tokens += passage.read_tokens();
    }
    if start < passages.len() {
        microbatches.push(start..passages.len());
    }
    microbatches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_point_at_the_position_before_each_response_token() {
        let passages = [
            Passage { prompt: &[7, 8], response: &[9, 2] },
            Passage { prompt: &[5], response: &[2] },
            Passage { prompt: &[4], response: &[3, 3, 2] },
        ];
        let packed = Microbatch::pack(&passages, &Device::Cpu).unwrap();
        // Read: 7 8 9 | 5 | 4 3 3
        assert_eq!(packed.rows, [1, 2, 3, 4, 5, 6]);
        assert_eq!(packed.targets, [9, 2, 2, 3, 3, 2]);
        let empty = Passage { prompt: &[4], response: &[] };
        assert!(matches!(Microbatch::pack(&[empty], &Device::Cpu), Err(Error::Empty { .. })));
    }

    #[test]
    fn microbatches_respect_the_bound_and_keep_the_order() {
        let tokens = [0u32; 9];
        let passage = |length: usize| Passage { prompt: &tokens[..1], response: &tokens[..length] };
        let passages = [passage(4), passage(4), passage(1), passage(9), passage(2)];
        assert_eq!(split(&passages, 8), [0..2, 2..3, 3..4, 4..5]);
        assert_eq!(split(&passages, 1), [0..1, 1..2, 2..3, 3..4, 4..5]);
        assert_eq!(split(&passages, 100).first(), Some(&(0..5)));
        assert!(split(&[], 8).is_empty());
    }
}
