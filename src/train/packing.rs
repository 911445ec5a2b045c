//! Sequences into microbatches of a bounded number of tokens, with the rows that are learned from.
//!
//! A *passage* is a prompt and a response. The model reads both, but only the response's tokens
//! are predicted, scored and learned: its token `j` is predicted at the position just before it.
//! The last token of a passage predicts nothing, so the model does not even read it.

use std::ops::Range;

use candle_core::{Device, Tensor};

use crate::model::{Batch, common_start};
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

    /// Those tokens.
    fn read(&self) -> Vec<u32> {
        let mut tokens = [self.prompt, self.response].concat();
        tokens.pop();
        tokens
    }
}

/// Passages packed one after another, without padding.
pub struct Microbatch {
    /// What the model reads: all tokens of a passage but its last.
    pub batch: Batch,
    /// Positions in the packed batch that predict a response token, passage by passage. Passages that
    /// share tokens name their positions again. `(rows,)`
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
        Microbatch::pack_groups(passages.chunks(1), device)
    }

    /// The same rows, but the model reads the start that a passage shares with the first of its group
    /// once: the prompt, and as much of the responses as is equal.
    ///
    /// # Errors
    /// As [`Microbatch::pack`].
    pub fn pack_groups<'a, 'b: 'a>(
        groups: impl IntoIterator<Item = &'a [Passage<'b>]>,
        device: &Device,
    ) -> Result<Microbatch> {
        let groups: Vec<&[Passage]> = groups.into_iter().collect();
        let passages = || groups.iter().copied().flatten();
        if let Some(Passage { prompt, response }) =
            passages().find(|passage| passage.prompt.is_empty() || passage.response.is_empty())
        {
            let what = format!("a passage of {} and {} tokens", prompt.len(), response.len());
            return Err(Error::Empty { what, needed: "it needs a prompt and a response token" });
        }
        let read = |group: &&[Passage]| group.iter().map(Passage::read).collect::<Vec<_>>();
        let families: Vec<Vec<Vec<u32>>> = groups.iter().map(read).collect();
        let batch = Batch::pack_families(families.iter().map(Vec::as_slice), device)?;
        let rows = passages().zip(batch.sequences()).flat_map(|(passage, sequence)| {
            (passage.prompt.len() - 1..sequence.len()).map(|position| sequence.row(position) as u32)
        });
        let rows = rows.collect();
        let targets = passages().flat_map(|passage| passage.response).copied().collect();
        Ok(Microbatch { batch, rows, targets })
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

/// Tokens that the model reads of a group, shared ones once.
pub fn group_tokens(group: &[Passage]) -> usize {
    let Some((first, others)) = group.split_first() else { return 0 };
    let first = first.read();
    let own = |passage: &Passage| passage.read_tokens() - common_start(&first, &passage.read());
    first.len() + others.iter().map(own).sum::<usize>()
}

/// Splits groups, in their order, into microbatches of at most `max_tokens` tokens, read or predicted. A
/// group that is longer than that gets one of its own.
pub fn split<'a, 'b: 'a>(
    groups: impl IntoIterator<Item = &'a [Passage<'b>]>,
    max_tokens: usize,
) -> Vec<Range<usize>> {
    let (mut microbatches, mut start, mut end) = (Vec::new(), 0, 0);
    let (mut read, mut predicted) = (0, 0);
    for group in groups {
        let own: (usize, usize) =
            (group_tokens(group), group.iter().map(|passage| passage.response.len()).sum());
        if end > start && (read + own.0).max(predicted + own.1) > max_tokens {
            microbatches.push(start..end);
            (start, read, predicted) = (end, 0, 0);
        }
        (end, read, predicted) = (end + 1, read + own.0, predicted + own.1);
    }
    if end > start {
        microbatches.push(start..end);
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
    fn what_a_group_shares_is_read_once() {
        let passages = [
            Passage { prompt: &[7, 8], response: &[9, 4, 2] },
            Passage { prompt: &[7, 8], response: &[9, 5, 2] },
            Passage { prompt: &[7, 8], response: &[2] },
            Passage { prompt: &[7, 8], response: &[9, 4, 2] },
            Passage { prompt: &[7, 8], response: &[3, 2] },
        ];
        let (group, alone) = passages.split_at(4);
        let packed = Microbatch::pack_groups([group, alone], &Device::Cpu).unwrap();
        assert_eq!(packed.batch.ids(), [7, 8, 9, 4, 5, 7, 8, 3]);
        assert_eq!(packed.batch.positions(), [0, 1, 2, 3, 3, 0, 1, 2]);
        assert_eq!(packed.rows, [1, 2, 3, 1, 2, 4, 1, 1, 2, 3, 6, 7]);
        assert_eq!(packed.targets, [9, 4, 2, 9, 5, 2, 2, 9, 4, 2, 3, 2]);
        assert_eq!((group_tokens(group), group_tokens(alone), group_tokens(&[])), (5, 3, 0));
    }

    #[test]
    fn microbatches_respect_the_bound_and_keep_the_order() {
        let tokens = [0u32; 9];
        let passage = |length: usize| Passage { prompt: &tokens[..1], response: &tokens[..length] };
        let passages = [passage(4), passage(4), passage(1), passage(9), passage(2)];
        let alone = |bound| split(passages.chunks(1), bound);
        assert_eq!(alone(8), [0..2, 2..3, 3..4, 4..5]);
        assert_eq!(alone(1), [0..1, 1..2, 2..3, 3..4, 4..5]);
        assert_eq!(alone(100), std::slice::from_ref(&(0..5)));
        assert!(split([], 8).is_empty());
        // Four tokens are read, eight predicted.
        assert_eq!(split(passages.chunks(2), 8), [0..1, 1..2, 2..3]);
        assert_eq!(split(passages[..2].chunks(2).chain([&passages[2..3]]), 8), [0..1, 1..2]);
        assert_eq!(split(passages[..2].chunks(2).chain([&passages[2..3]]), 9), std::slice::from_ref(&(0..2)));
    }
}
