//! Sequences packed one after another. No padding: work is proportional to tokens.

use std::ops::Range;

use candle_core::Device;

use crate::{Error, Result};

/// Token sequences, packed. Attention never crosses from one sequence into another.
///
/// ```
/// use candle_core::Device;
/// use sft_vs_rl::Batch;
/// let batch = Batch::pack(&[vec![5, 6, 7], vec![8, 9]], &Device::Cpu).unwrap();
/// assert_eq!((batch.tokens(), batch.sequences()), (5, 2));
/// assert_eq!(batch.range(1), 3..5);
/// ```
#[derive(Debug, Clone)]
pub struct Batch {
    ids: Vec<u32>,
    /// Start of each sequence, and the end of the last one.
    offsets: Vec<usize>,
    device: Device,
}

impl Batch {
    /// Packs `sequences`, none of them empty.
    pub fn pack(sequences: &[impl AsRef<[u32]>], device: &Device) -> Result<Batch> {
        if sequences.is_empty() {
            return Err(Error::Empty { what: "the batch".into(), needed: "it needs at least one sequence" });
        }
        let mut ids = Vec::new();
        let mut offsets = vec![0];
        for (index, sequence) in sequences.iter().enumerate() {
            if sequence.as_ref().is_empty() {
                let what = format!("sequence {index} of the batch");
                return Err(Error::Empty { what, needed: "it needs at least one token" });
            }
            ids.extend_from_slice(sequence.as_ref());
            offsets.push(ids.len());
        }
        Ok(Batch { ids, offsets, device: device.clone() })
    }

    /// All tokens, one sequence after another.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// `sequences + 1` boundaries in [`Batch::ids`].
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Tokens of all sequences together.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// How many sequences there are.
    pub fn sequences(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Where sequence `index` lies among the tokens.
    pub fn range(&self, index: usize) -> Range<usize> {
        self.offsets[index]..self.offsets[index + 1]
    }

    /// Length of the longest sequence.
    pub fn longest(&self) -> usize {
        (0..self.sequences()).map(|index| self.range(index).len()).max().unwrap_or(0)
    }

    /// Position of each token in its own sequence.
    pub fn positions(&self) -> Vec<u32> {
        (0..self.sequences()).flat_map(|index| 0..self.range(index).len() as u32).collect()
    }

    /// Where the batch is computed.
    pub fn device(&self) -> &Device {
        &self.device
    }
}
