//! Inputs that functions are compared on, and the runs of whole programs on them.

use rand::Rng;

use crate::base::{Error, Result, Seed};
use crate::data::value::{Domain, Value, ValueType};
use crate::sandbox::{CaseOutput, Job, Limits, Sandbox};

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
    let mut probes = domain.edges.clone();
    let mut rng = seed.stream("domain probes");
    fill(&mut probes, count, kind, std::slice::from_ref(domain), &mut rng);
    probes
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

/// A trusted program, the function to call, and one argument a call.
pub(super) type Run<'a> = (&'a str, &'a str, &'a [Value]);

/// What the programs return, call by call.
pub(super) fn outputs<'a>(
    sandbox: &Sandbox,
    runs: impl IntoIterator<Item = Run<'a>>,
) -> Result<Vec<Vec<CaseOutput>>> {
    let job = |(program, entry, inputs): Run| Job {
        program: program.to_owned(),
        entry: entry.to_owned(),
        inputs: inputs.iter().map(|input| vec![input.to_json()]).collect(),
        expected: Vec::new(),
        limits: Limits::default(),
        stop_at_first_failure: false,
    };
    let jobs: Vec<Job> = runs.into_iter().map(job).collect();
    sandbox.outputs(&jobs).into_iter().map(|outputs| outputs.map_err(Error::Sandbox)).collect()
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
