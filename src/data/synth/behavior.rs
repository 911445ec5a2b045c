//! Behavior: what a function returns on inputs that all functions of its type share. Two chains
//! with different names but the same behavior are the same problem, and a leak if one is trained
//! on and the other tested.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::data::synth::oracle::Outputs;
use crate::data::value::{Value, ValueType};

/// A function's outputs on the shared probes, one hash a probe. Only ever compared within one
/// process, so the hash need not be stable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    types: (ValueType, ValueType),
    outputs: Vec<u64>,
}

impl Fingerprint {
    pub fn new(input: ValueType, output: ValueType, outputs: &Outputs) -> Self {
        let hash = |output: &Option<Value>| {
            let mut hasher = DefaultHasher::new();
            output.hash(&mut hasher);
            hasher.finish()
        };
        Fingerprint { types: (input, output), outputs: outputs.iter().map(hash).collect() }
    }

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

/// Fingerprints with the keys of what behaves so.
#[derive(Debug, Default)]
pub struct BehaviorIndex {
    by_types: HashMap<(ValueType, ValueType), Vec<(String, Fingerprint)>>,
}

impl BehaviorIndex {
    pub fn insert(&mut self, key: &str, fingerprint: Fingerprint) {
        self.by_types.entry(fingerprint.types).or_default().push((key.to_owned(), fingerprint));
    }

    /// The key of the entry that agrees most, and its agreement.
    pub fn nearest(&self, fingerprint: &Fingerprint) -> Option<(&str, f64)> {
        self.by_types
            .get(&fingerprint.types)?
            .iter()
            .map(|(key, other)| (key.as_str(), fingerprint.agreement(other)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_is_a_share_and_types_count() {
        let outputs = |items: &[i64]| items.iter().map(|i| Some(Value::Int(*i))).collect::<Outputs>();
        let print = |items: &[i64]| Fingerprint::new(ValueType::Int, ValueType::Int, &outputs(items));
        assert_eq!(print(&[1, 2, 3, 4]).agreement(&print(&[1, 2, 3, 5])), 0.75);
        let boolean = Fingerprint::new(ValueType::Int, ValueType::Bool, &outputs(&[1, 2, 3, 4]));
        assert_eq!(print(&[1, 2, 3, 4]).agreement(&boolean), 0.0);
        let mut index = BehaviorIndex::default();
        index.insert("far", print(&[0, 0, 3, 4]));
        index.insert("near", print(&[1, 2, 3, 5]));
        assert_eq!(index.nearest(&print(&[1, 2, 3, 4])), Some(("near", 0.75)));
    }
}
