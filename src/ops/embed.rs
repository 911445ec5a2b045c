//! Embedding lookup: rows of a table, and the gradient that adds them back.

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};

use super::simd::add_assign;
use super::{cpu_slice, with_cpu};

/// `table (vocab, hidden) -> (tokens, hidden)`.
pub(crate) struct Embed {
    pub ids: Vec<u32>,
    pub hidden: usize,
}

impl CustomOp1 for Embed {
    fn name(&self) -> &'static str {
        "embed"
    }

    fn cpu_fwd(&self, table: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let table = cpu_slice(table, layout)?;
        let mut y = Vec::with_capacity(self.ids.len() * self.hidden);
        for &id in &self.ids {
            let Some(row) = table.chunks_exact(self.hidden).nth(id as usize) else {
                candle_core::bail!("embed: token {id} with a vocabulary of {}", table.len() / self.hidden);
            };
            y.extend_from_slice(row);
        }
        Ok((CpuStorage::F32(y), Shape::from((self.ids.len(), self.hidden))))
    }

    fn bwd(&self, table: &Tensor, _y: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let mut dtable = vec![0.0; table.elem_count()];
        with_cpu([dy], |[dy]| {
            for (&id, dy) in self.ids.iter().zip(dy.chunks_exact(self.hidden)) {
                add_assign(&mut dtable[id as usize * self.hidden..][..self.hidden], dy);
            }
        })?;
        Ok(Some(Tensor::from_vec(dtable, table.shape(), table.device())?))
    }
}
