//! Behavior: what a function returns on inputs that all functions of its type share. Two chains
//! with different names but the same behavior are the same problem, and a leak if one is trained
//! on and the other tested.

use crate::data::synth::oracle::Outputs;
use crate::data::value::ValueType;

/// A function's types, and its outputs on the shared probes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    pub types: (ValueType, ValueType),
    pub outputs: Outputs,
}

impl Fingerprint {
    /// Share of the probes on which both return the same; 0 for functions of different types.
    ///
    /// Types that differ only in what a list holds count as different too, although both may
    /// return `[]`.
    pub fn agreement(&self, other: &Fingerprint) -> f64 {
        if self.types != other.types || self.outputs.is_empty() {
            return 0.0;
        }
        let same = self.outputs.iter().zip(&other.outputs).filter(|(a, b)| a == b).count();
        same as f64 / self.outputs.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::value::Value;

    #[test]
    fn agreement_is_a_share_and_types_count() {
        let print = |items: &[i64], output| Fingerprint {
            types: (ValueType::Int, output),
            outputs: items.iter().map(|i| Some(Value::Int(*i))).collect(),
        };
        let int = |items: &[i64]| print(items, ValueType::Int);
        assert_eq!(int(&[1, 2, 3, 4]).agreement(&int(&[1, 2, 3, 5])), 0.75);
        assert_eq!(int(&[1, 2, 3, 4]).agreement(&print(&[1, 2, 3, 4], ValueType::Bool)), 0.0);
        assert_eq!(int(&[]).agreement(&int(&[])), 0.0);
    }
}
