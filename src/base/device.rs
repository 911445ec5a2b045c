//! The device, chosen at run time.

use candle_core::Device;
use candle_core::utils::{cuda_is_available, metal_is_available};
use kernels::InstructionSet;

use crate::base::{Error, Result};

/// Reads `--device`: `auto` (the best there is), `cpu`, `cuda:0`, `metal`.
pub fn choose(name: &str) -> Result<Device> {
    let (kind, index) = name.split_once(':').unwrap_or((name, "0"));
    let made = match (kind, index.parse()) {
        ("auto", _) if cuda_is_available() => Device::new_cuda(0),
        ("auto", _) if metal_is_available() => Device::new_metal(0),
        ("auto" | "cpu", _) => Ok(Device::Cpu),
        ("cuda", Ok(index)) => Device::new_cuda(index),
        ("metal", _) => Device::new_metal(0),
        _ => {
            let known = "auto, cpu, cuda:<index>, metal".to_owned();
            return Err(Error::Unknown { kind: "device", name: name.to_owned(), known });
        }
    };
    made.map_err(|error| {
        let remedy = format!("build with `--features {kind}` or use `--device cpu`");
        Error::config("device", format!("`{name}` is not available ({error}); {remedy}"))
    })
}

/// The vector instructions that the CPU kernels use. Every program asks before it computes, because a
/// kernel cannot refuse.
///
/// # Errors
/// Where `SFT_VS_RL_INSTRUCTIONS` names a set that does not exist or that this CPU does not have.
pub fn instructions() -> Result<InstructionSet> {
    InstructionSet::chosen().map_err(|message| Error::config("instructions", message))
}

/// `cpu`, `cuda`, `metal`: for records.
pub fn describe(device: &Device) -> String {
    match device {
        Device::Cpu => format!("cpu, {} threads", rayon::current_num_threads()),
        Device::Cuda(_) => "cuda".to_owned(),
        Device::Metal(_) => "metal".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_or_missing_device_is_named() {
        assert!(choose("cpu").is_ok());
        assert!(choose("tpu").unwrap_err().to_string().contains("`tpu`"));
        if !candle_core::utils::cuda_is_available() {
            assert!(choose("cuda:0").unwrap_err().to_string().contains("--features cuda"));
        }
    }
}
