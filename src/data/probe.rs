//! Inputs that functions are compared on.

use itertools::Itertools;
use rand::Rng;
use serde_json::json;

use crate::base::Seed;
use crate::data::value::{Domain, Value, ValueType};

/// So many of the shared probes, the first ones, are hidden cases of every problem: telling inputs, neither
/// large nor short. They let [`solvers`](super::synth::solvers) compare all problems of a type at once.
pub const N_COMMON: usize = 3;

/// `count` distinct inputs that every function over `kind` is compared on: [`N_COMMON`] telling ones, small
/// edge cases, then draws from a usual, a narrow and a wide domain in turn.
pub fn shared_probes(kind: ValueType, count: usize, seed: Seed) -> Vec<Value> {
    let edges = match kind {
        ValueType::Int => json!([0, 1, -1, 2, 7, 10, 100, 121]),
        ValueType::Bool => json!([false, true]),
        ValueType::Str => json!(["", "a", "Ab", "noon", "b a", "x1 x1"]),
        ValueType::ListInt => json!([[], [5], [0, 0], [1, 2, 3], [-3, 3]]),
        ValueType::ListStr => json!([[], [""], ["a", "a"], ["Ab", "b", "c1"]]),
    };
    let domain = |range, length| Domain { range, length, edges: Vec::new() };
    let domains = [Domain::default(), domain([0, 9], [1, 6]), domain([-1000, 1000], [3, 12])];
    let mut rng = seed.stream(&format!("shared probes {kind}"));
    let mut probes = distinct(Vec::new(), N_COMMON, kind, &[domain([0, 30], [3, 6])], &mut rng);
    let edges = Value::list(kind, edges).into_iter().filter(|edge| !probes.contains(edge)).collect_vec();
    probes.extend(edges);
    distinct(probes, count, kind, &domains, &mut rng)
}

/// The edges, then draws from the domains in turn: `count` distinct inputs, fewer where the domains
/// have no more.
pub fn distinct(
    edges: Vec<Value>,
    count: usize,
    kind: ValueType,
    domains: &[Domain],
    rng: &mut impl Rng,
) -> Vec<Value> {
    const DRAWS_PER_PROBE: usize = 20;
    let mut probes = edges;
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
    probes
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// A fingerprint is only worth as much as its probes differ.
    #[test]
    fn probes_are_distinct_and_repeat_with_the_seed() {
        for kind in [ValueType::Int, ValueType::Str, ValueType::ListInt, ValueType::ListStr] {
            let probes = shared_probes(kind, 64, Seed::new(1));
            assert_eq!(probes.len(), 64);
            assert_eq!(probes.iter().collect::<HashSet<_>>().len(), 64);
            assert_eq!(probes, shared_probes(kind, 64, Seed::new(1)));
            assert_ne!(probes, shared_probes(kind, 64, Seed::new(2)));
        }
    }
}
