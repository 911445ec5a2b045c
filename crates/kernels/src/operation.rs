//! How a kernel becomes a differentiable operation of candle's: everything here on slices.

use std::sync::{Mutex, MutexGuard};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Storage, Tensor};

/// An operation of two tensors with a backward pass of its own.
pub(crate) trait Operation: Send + Sync {
    const NAME: &'static str;
    /// The result `(shape)` of the elements of both inputs.
    fn forward(&self, a: &[f32], b: &[f32]) -> (Vec<f32>, Shape);
    /// The gradients of both inputs from that of the result. `None` where the forward pass kept nothing
    /// for it: the model is frozen, or this is a second backward pass.
    fn backward(&self, a: &[f32], b: &[f32], dy: &[f32]) -> Option<(Vec<f32>, Vec<f32>)>;
}

/// Puts `operation` into candle's graph.
pub(crate) fn apply(operation: impl Operation + 'static, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.contiguous()?.apply_op2(&b.contiguous()?, Custom(operation))
}

struct Custom<T>(T);

impl<T: Operation> CustomOp2 for Custom<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (y, shape) = self.0.forward(cpu_slice(a, a_layout)?, cpu_slice(b, b_layout)?);
        Ok((CpuStorage::F32(y), shape))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradients = with_cpu([a, b, dy], |[a, b, dy]| self.0.backward(a, b, dy))?;
        let Some((da, db)) = gradients else {
            candle_core::bail!(
                "{}: nothing kept for a backward pass (frozen model, or a second one)",
                T::NAME
            );
        };
        let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device()).map(Some);
        Ok((tensor(da, a)?, tensor(db, b)?))
    }
}

/// What an operation keeps from its forward to its backward pass.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves nothing half-done here: kept values are written before they are read.
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The elements of a contiguous `f32` tensor.
pub(crate) fn cpu_slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("a fused operation needs contiguous inputs"),
    }
}

/// Calls `f` with the elements of `tensors`, which lie on the CPU.
pub(crate) fn with_cpu<const N: usize, R>(
    tensors: [&Tensor; N],
    f: impl FnOnce([&[f32]; N]) -> R,
) -> Result<R> {
    let contiguous = tensors.into_iter().map(Tensor::contiguous).collect::<Result<Vec<_>>>()?;
    let guards: Vec<_> = contiguous.iter().map(|tensor| tensor.storage_and_layout()).collect();
    let mut slices = [&[][..]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&guards) {
        match &**storage {
            Storage::Cpu(storage) => *slice = cpu_slice(storage, layout)?,
            _ => candle_core::bail!("a fused operation runs on the CPU only"),
        }
    }
    Ok(f(slices))
}
