//! Sequences packed one after another. No padding: work is proportional to tokens.

use candle_core::Device;
use kernels::Sequence;

use crate::{Error, Result};

/// Token sequences, packed. Attention never crosses from one sequence into another.
///
/// ```
/// use candle_core::Device;
/// use sft_vs_rl::Batch;
/// let batch = Batch::pack(&[vec![5, 6, 7], vec![8, 9]], &Device::Cpu).unwrap();
/// assert_eq!((batch.tokens(), batch.sequences().len()), (5, 2));
/// assert_eq!(batch.sequences()[1].own, 3..5);
/// ```
#[derive(Debug, Clone)]
pub struct Batch {
    ids: Vec<u32>,
    sequences: Vec<Sequence>,
    device: Device,
}

impl Batch {
    /// Packs `sequences`, none of them empty.
    pub fn pack(sequences: &[impl AsRef<[u32]>], device: &Device) -> Result<Batch> {
        Batch::pack_families(sequences.chunks(1), device)
    }

    /// Packs families, none of their sequences empty. What a sequence has in common with the start of its
    /// family's first one is stored, and computed, once.
    ///
    /// ```
    /// use candle_core::Device;
    /// use sft_vs_rl::Batch;
    /// let family = [vec![5, 6, 7], vec![5, 6, 8, 9], vec![5, 6, 7]];
    /// let batch = Batch::pack_families([&family[..]], &Device::Cpu).unwrap();
    /// assert_eq!(batch.ids(), [5, 6, 7, 8, 9]);
    /// ```
    pub fn pack_families<'a, S: AsRef<[u32]> + 'a>(
        families: impl IntoIterator<Item = &'a [S]>,
        device: &Device,
    ) -> Result<Batch> {
        let (mut ids, mut sequences) = (Vec::new(), Vec::new());
        for members in families {
            let family = ids.len();
            for (index, tokens) in members.iter().map(AsRef::as_ref).enumerate() {
                if tokens.is_empty() {
                    let what = format!("sequence {} of the batch", sequences.len());
                    return Err(Error::Empty { what, needed: "it needs at least one token" });
                }
                let shared = if index == 0 { 0 } else { common_start(members[0].as_ref(), tokens) };
                let start = ids.len();
                ids.extend_from_slice(&tokens[shared..]);
                sequences.push(Sequence { family, shared, own: start..ids.len() });
            }
        }
        if sequences.is_empty() {
            return Err(Error::Empty { what: "the batch".into(), needed: "it needs at least one sequence" });
        }
        Ok(Batch { ids, sequences, device: device.clone() })
    }

    /// All tokens, in the order of their rows.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Where each sequence lies among the tokens.
    pub fn sequences(&self) -> &[Sequence] {
        &self.sequences
    }

    /// Tokens of all sequences together, shared ones counted once.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Length of the longest sequence.
    pub fn longest(&self) -> usize {
        self.sequences.iter().map(Sequence::len).max().unwrap_or(0)
    }

    /// Position of each token in its own sequence.
    pub fn positions(&self) -> Vec<u32> {
        self.sequences.iter().flat_map(|sequence| sequence.shared as u32..sequence.len() as u32).collect()
    }

    /// Where the batch is computed.
    pub fn device(&self) -> &Device {
        &self.device
    }
}

/// How many tokens two sequences have in common before they part.
pub(crate) fn common_start(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
