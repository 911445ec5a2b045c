//! Reading and writing `safetensors`: typed errors in, whole files out.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{Device, Tensor, safetensors};

use super::DTYPE;
use crate::base::write_atomically;
use crate::{Error, Result};

/// The tensors of a file with the names and shapes `expected`, as `f32`.
///
/// # Errors
/// Naming a tensor that is missing, or has another shape.
pub fn read_tensors(
    path: &Path,
    expected: impl IntoIterator<Item = (String, Vec<usize>)>,
    device: &Device,
) -> Result<BTreeMap<String, Tensor>> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    // A file that was cut off is found here: the header is checked against its length.
    let mut found = safetensors::load_buffer(&bytes, device).map_err(|error| {
        Error::damaged(path, format!("not a readable safetensors file ({error}); write it again"))
    })?;
    let take = |(name, expected): (String, Vec<usize>)| {
        let missing = || Error::damaged(path, format!("tensor `{name}` is missing; is the file complete?"));
        let tensor = found.remove(&name).ok_or_else(missing)?;
        let (path, found) = (path.to_path_buf(), tensor.dims().to_vec());
        if found != expected {
            return Err(Error::Shape { path, tensor: name, expected, found });
        }
        Ok((name, tensor.to_dtype(DTYPE)?))
    };
    expected.into_iter().map(take).collect()
}

/// Writes `f32` tensors under a temporary name, syncs and renames: a reader finds the old file or
/// the new one, never half of one.
pub fn write_tensors(path: &Path, tensors: impl IntoIterator<Item = (String, Tensor)>) -> Result<()> {
    // On the CPU, because candle panics where a device cannot be read.
    let on_cpu = |(name, tensor): (String, Tensor)| Ok((name, tensor.to_device(&Device::Cpu)?));
    let views: Vec<(String, Tensor)> = tensors.into_iter().map(on_cpu).collect::<Result<_>>()?;
    // `transformers` asks for this entry.
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    let bytes =
        ::safetensors::serialize(views, Some(metadata)).map_err(|error| Error::damaged(path, error))?;
    write_atomically(path, &bytes)
}
