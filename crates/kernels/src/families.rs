//! Sequences that start alike and share the rows of their start.
//!
//! A *family* lies in consecutive rows: the first sequence whole, then of each other one what comes after
//! the tokens it shares with the first. A sequence alone is a family of one.

use std::ops::Range;

use super::attention::RotaryTable;

/// Where a sequence lies among the packed rows: its first `shared` tokens in the rows from `family` on,
/// where the first sequence of its family starts, and the others in the rows `own`.
///
/// ```
/// // [5, 6, 7, 8] and [5, 6, 9], packed as 5 6 7 8 9.
/// let second = kernels::Sequence { family: 0, shared: 2, own: 4..5 };
/// assert_eq!((second.len(), second.row(1), second.row(2)), (3, 1, 4));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::len_without_is_empty)] // none is empty
pub struct Sequence {
    /// The family's first row.
    pub family: usize,
    /// Tokens shared with the first sequence; zero of that one itself.
    pub shared: usize,
    /// Rows of the tokens that are its own; they may be none.
    pub own: Range<usize>,
}

impl Sequence {
    /// How many tokens it has.
    pub fn len(&self) -> usize {
        self.shared + self.own.len()
    }

    /// The row of its token at `position`.
    pub fn row(&self, position: usize) -> usize {
        if position < self.shared { self.family + position } else { self.own.start + position - self.shared }
    }

    /// The same, counted from the family's first row.
    pub(crate) fn row_in_family(&self, position: usize) -> usize {
        self.row(position) - self.family
    }
}

/// How the rows of a batch fall into families; shared by all blocks of a pass.
pub struct Rows {
    /// Family after family, as they are packed.
    pub(crate) sequences: Vec<Sequence>,
    /// Position of each token in its own sequence.
    pub(crate) positions: Vec<u32>,
    pub(crate) rotary: RotaryTable,
}

impl Rows {
    /// `sequences` lie one after another, without gaps; `rotary` has the angles of at least their positions.
    pub fn new(sequences: Vec<Sequence>, rotary: RotaryTable) -> Rows {
        let positions = sequences.iter().flat_map(|sequence| sequence.shared as u32..sequence.len() as u32);
        Rows { positions: positions.collect(), sequences, rotary }
    }

    /// The sequences of each family, and the first row of each with the end of the last one.
    pub(crate) fn families(&self) -> (Vec<&[Sequence]>, Vec<usize>) {
        let families: Vec<&[Sequence]> = self.sequences.chunk_by(|a, b| a.family == b.family).collect();
        let starts = families.iter().map(|sequences| sequences[0].family);
        let bounds = starts.chain([self.positions.len()]).collect();
        (families, bounds)
    }
}
