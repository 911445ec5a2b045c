//! Reading and writing `safetensors`: typed errors in, whole files out.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{Device, Tensor};
use safetensors::SafeTensors;

use super::DTYPE;
use crate::base::write_atomically;
use crate::{Error, Result};

/// All tensors of a file, as `f32`.
pub fn read_tensors(path: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    let damaged = |error: &dyn std::fmt::Display| {
        Error::damaged(path, format!("not a readable safetensors file ({error}); write it again"))
    };
    // Checks the header against the length of the file, so a cut-off file is found here.
    let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(&error))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let dtype = candle_core::DType::try_from(view.dtype()).map_err(|error| damaged(&error))?;
        let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), device)?;
        tensors.insert(name.to_string(), tensor.to_dtype(DTYPE)?);
    }
    Ok(tensors)
}

/// Takes tensor `name` out of what [`read_tensors`] found in the file `path`.
///
/// # Errors
/// Naming a tensor that is missing, or has another shape than `expected`.
pub fn take_tensor(
    found: &mut BTreeMap<String, Tensor>,
    path: &Path,
    name: &str,
    expected: &[usize],
) -> Result<Tensor> {
    let missing = || Error::damaged(path, format!("tensor `{name}` is missing; is the file complete?"));
    let tensor = found.remove(name).ok_or_else(missing)?;
    if tensor.dims() != expected {
        let (expected, found) = (expected.to_vec(), tensor.dims().to_vec());
        return Err(Error::Shape { path: path.into(), tensor: name.into(), expected, found });
    }
    Ok(tensor)
}

/// Writes `f32` tensors under a temporary name, syncs and renames: a reader finds the old file or
/// the new one, never half of one.
pub fn write_tensors(path: &Path, tensors: &[(String, Tensor)]) -> Result<()> {
    // On the CPU, because candle panics where a device cannot be read.
    let mut views = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        views.push((name, tensor.to_device(&Device::Cpu)?));
    }
    // `transformers` asks for this entry.
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|error| Error::damaged(path, error))?;
    write_atomically(path, &bytes)
}
