//! RMSNorm as a custom operation of its own, for the end of the network.

use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::block::{TILE, groups, reduce};
use super::norm::{rms_norm, rms_norm_backward};
use super::{cpu_slice, split_rows, with_cpu};

/// `(x (rows, hidden), weight (hidden,)) -> (rows, hidden)`.
pub(crate) struct RmsNorm {
    pub eps: f32,
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (x, weight) = (cpu_slice(x, x_layout)?, cpu_slice(weight, weight_layout)?);
        let mut y = vec![0.0; x.len()];
        y.par_chunks_mut(TILE * weight.len())
            .zip(x.par_chunks(TILE * weight.len()))
            .for_each(|(y, x)| rms_norm(x, weight, self.eps, y));
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let (dx, dweight) = with_cpu([x, weight, dy], |[x, weight, dy]| {
            let hidden = weight.len();
            let bounds = groups(x.len() / hidden);
            let mut dx = vec![0.0; x.len()];
            let mut dweights = vec![vec![0.0; hidden]; bounds.len() - 1];
            split_rows(&mut dx, &bounds, hidden).into_par_iter().zip(&mut dweights).enumerate().for_each(
                |(group, (dx, dweight))| {
                    let rows = bounds[group] * hidden..bounds[group + 1] * hidden;
                    rms_norm_backward(&x[rows.clone()], weight, self.eps, &dy[rows], dx, dweight);
                },
            );
            (dx, reduce(dweights))
        })?;
        let dx = Tensor::from_vec(dx, x.shape(), x.device())?;
        Ok((Some(dx), Some(Tensor::from_vec(dweight, weight.shape(), weight.device())?)))
    }
}
