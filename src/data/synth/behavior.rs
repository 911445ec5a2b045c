//! Behavior: what a function returns on inputs that all functions of its type share. Two chains
//! with different names but the same behavior are the same problem, and a leak if one is trained
//! on and the other tested.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rand::Rng;

use crate::base::seed::Seed;
use crate::data::synth::oracle::Outputs;
use crate::data::value::{Domain, Value, ValueType};

/// `count` distinct inputs that every function over `kind` is compared on: small edge cases, then
/// draws from a usual, a narrow and a wide domain in turn.
pub fn shared_probes(kind: ValueType, count: usize, seed: Seed) -> Vec<Value> {
    let ints = |items: &[i64]| Value::ListInt(items.to_vec());
    let words = |items: &[&str]| Value::ListStr(items.iter().map(|word| (*word).to_owned()).collect());
    let mut probes = match kind {
        ValueType::Int => [0, 1, -1, 2, 7, 10, 100, 121].map(Value::Int).to_vec(),
        ValueType::Bool => vec![Value::Bool(false), Value::Bool(true)],
        ValueType::Str => ["", "a", "Ab", "noon", "b a", "x1 x1"].map(|s| Value::Str(s.to_owned())).to_vec(),
        ValueType::ListInt => vec![ints(&[]), ints(&[5]), ints(&[0, 0]), ints(&[1, 2, 3]), ints(&[-3, 3])],
        ValueType::ListStr => vec![words(&[]), words(&[""]), words(&["a", "a"]), words(&["Ab", "b", "c1"])],
    };
    let domain = |range, length| Domain { range, length, edges: Vec::new() };
    let domains = [Domain::default(), domain([0, 9], [1, 6]), domain([-1000, 1000], [3, 12])];
    let mut rng = seed.stream(&format!("shared probes {kind}"));
    fill(&mut probes, count, kind, &domains, &mut rng);
    probes
}

/// The edge cases of `domain`, then draws from it: `count` distinct inputs, fewer where the
/// domain has no more.
pub fn domain_probes(domain: &Domain, kind: ValueType, count: usize, seed: Seed) -> Vec<Value> {
    let mut probes = edges(domain, kind);
    let mut rng = seed.stream("domain probes");
    fill(&mut probes, count, kind, std::slice::from_ref(domain), &mut rng);
    probes
}

/// The edge cases of `domain` as values of `kind` (an empty list in the file fits both lists).
pub fn edges(domain: &Domain, kind: ValueType) -> Vec<Value> {
    let mut edges: Vec<Value> = Vec::new();
    for edge in domain.edges.iter().filter_map(|edge| Value::from_json(&edge.to_json(), kind).ok()) {
        if !edges.contains(&edge) {
            edges.push(edge);
        }
    }
    edges
}

fn fill(probes: &mut Vec<Value>, count: usize, kind: ValueType, domains: &[Domain], rng: &mut impl Rng) {
    const DRAWS_PER_PROBE: usize = 20;
    for draw in 0..count * DRAWS_PER_PROBE {
        if probes.len() >= count {
            break;
        }
        let value = domains[draw % domains.len()].sample(kind, rng);
        if !probes.contains(&value) {
            probes.push(value);
        }
    }
    probes.truncate(count);
}

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
    fn probes_are_distinct_and_repeat_with_the_seed() {
        for kind in [ValueType::Int, ValueType::Str, ValueType::ListInt, ValueType::ListStr] {
            let probes = shared_probes(kind, 64, Seed::new(1));
            assert_eq!(probes.len(), 64);
            assert_eq!(probes.iter().collect::<std::collections::HashSet<_>>().len(), 64);
            assert_eq!(probes, shared_probes(kind, 64, Seed::new(1)));
            assert_ne!(probes, shared_probes(kind, 64, Seed::new(2)));
        }
    }

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
