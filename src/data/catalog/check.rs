//! Runs every atom in the sandbox and says which do not keep what the catalog promises:
//!
//! 1. total: no input of the declared type makes it fail, extremes included;
//! 2. typed: every output has the declared type, integers within ±2^53 (for extreme inputs such as
//!    2^53 itself an integer may grow beyond that, which ends a chain but is no failure);
//! 3. deterministic: a second run gives the same outputs;
//! 4. of use: more than one output over its domain, and not the identity;
//! 5. its own: no other atom gives the same outputs on the probes that all atoms of one input type
//!    share (its behavioral *fingerprint*).
//!
//! The inputs are the same in every run: they come from one fixed seed.

use std::collections::HashMap;
use std::{fmt, iter};

use itertools::Itertools;
use serde_json::{Value as Json, json};

use super::{Atom, Catalog};
use crate::base::{Error, Result, Seed};
use crate::data::probe::shared_probes;
use crate::data::table::table;
use crate::data::value::{MAX_INT, Value, ValueType};
use crate::sandbox::{CaseOutput, CaseWord, Job, Limits, Sandbox};

/// Edges and random inputs of each atom's own domain.
const DOMAIN_INPUTS: usize = 64;
/// Inputs that all atoms of one input type share.
const SHARED_INPUTS: usize = 72;

/// What was seen of one atom.
#[derive(Debug, Clone, PartialEq)]
pub struct AtomCheck {
    /// The atom.
    pub atom: Atom,
    /// Inputs run (each of them twice).
    pub n_inputs: usize,
    /// Distinct outputs over the edges and the domain inputs.
    pub n_outputs: usize,
    /// Extreme inputs whose output is an integer beyond ±2^53.
    pub n_beyond: usize,
    /// Empty where everything holds.
    pub problems: Vec<String>,
}

/// What [`check_catalog`] found, one entry an atom, in catalog order. Displays as a table.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckReport {
    /// In catalog order.
    pub atoms: Vec<AtomCheck>,
}

impl CheckReport {
    /// Whether every atom keeps what the catalog promises.
    pub fn passed(&self) -> bool {
        self.atoms.iter().all(|atom| atom.problems.is_empty())
    }
}

/// Checks all atoms; takes a few seconds.
///
/// # Errors
/// `Error::Sandbox` where the sandbox itself failed; an atom that misbehaves is in the report.
pub fn check_catalog(catalog: &Catalog, sandbox: &Sandbox) -> Result<CheckReport> {
    let seed = Seed::new(0).child("catalog check");
    let inputs_of = |atom: &Atom| {
        let own = atom.probes(DOMAIN_INPUTS, seed);
        [own, shared_probes(atom.input, SHARED_INPUTS, seed), extremes(atom.input)]
    };
    let inputs: Vec<[Vec<Value>; 3]> = catalog.atoms().iter().map(inputs_of).collect();
    let job = |(atom, inputs): (&Atom, &Vec<Value>)| Job {
        program: atom.source.clone(),
        entry: atom.id.clone(),
        inputs: inputs.iter().map(|input| vec![input.to_json()]).collect(),
        expected: Vec::new(),
        limits: Limits::default(),
        stop_at_first_failure: false,
    };
    let parts = catalog.atoms().iter().zip(&inputs).flat_map(|(atom, parts)| iter::repeat(atom).zip(parts));
    let jobs: Vec<Job> = parts.map(job).collect();
    let run = || sandbox.outputs(&jobs).into_iter().collect::<Result<Vec<_>, _>>().map_err(Error::Sandbox);
    let (first, second) = (run()?, run()?);

    let mut behaviors: HashMap<(ValueType, String), &str> = HashMap::new();
    let mut checks = Vec::with_capacity(inputs.len());
    let outputs = first.chunks(3).zip(second.chunks(3));
    for ((atom, inputs), (first, second)) in catalog.atoms().iter().zip(&inputs).zip(outputs) {
        let mut check = judge(atom, inputs, first);
        if first != second {
            check.problems.push("a second run gave other outputs".to_owned());
        }
        let behavior = (atom.input, format!("{:?}", first[1]));
        if let Some(other) = behaviors.insert(behavior, &atom.id) {
            check.problems.push(format!("behaves like `{other}`"));
        }
        checks.push(check);
    }
    Ok(CheckReport { atoms: checks })
}

/// Types, failures and usefulness, by the outputs on an atom's own, the shared and the extreme inputs.
/// Only the first failure on ordinary and on extreme inputs is reported.
fn judge(atom: &Atom, inputs: &[Vec<Value>; 3], outputs: &[Vec<CaseOutput>]) -> AtomCheck {
    let kind = atom.output;
    let fault = |(input, output): &(&Value, &CaseOutput)| match output {
        CaseOutput::Value(json) if Value::from_json(json, kind).is_ok() => None,
        CaseOutput::Value(json) => Some(format!("{} gives {json}, no {kind}", input.to_json())),
        CaseOutput::Failed(word) => Some(format!("{} gives {}", input.to_json(), word.name())),
    };
    let ordinary: Vec<_> = inputs[..2].iter().flatten().zip(outputs[..2].iter().flatten()).collect();
    let (beyond, within): (Vec<_>, Vec<_>) =
        inputs[2].iter().zip(&outputs[2]).partition(|(_, output)| is_beyond(output, kind));
    let mut problems: Vec<String> =
        [ordinary.iter().find_map(fault), within.iter().find_map(fault)].into_iter().flatten().collect();
    let n_outputs = outputs[0].iter().map(|output| format!("{output:?}")).unique().count();
    if n_outputs < 2 {
        problems.push("always gives the same output over its domain".to_owned());
    }
    if ordinary.iter().all(|(input, output)| **output == CaseOutput::Value(input.to_json())) {
        problems.push("gives every input back".to_owned());
    }
    AtomCheck {
        atom: atom.clone(),
        n_inputs: inputs.iter().map(Vec::len).sum(),
        n_outputs,
        n_beyond: beyond.len(),
        problems,
    }
}

/// Integers of the declared shape, but beyond ±2^53. Beyond 64 bits the sandbox has no JSON for the
/// answer and calls it malformed; that a type is right shows on the ordinary inputs.
fn is_beyond(output: &CaseOutput, kind: ValueType) -> bool {
    let integer = |json: &Json| json.is_i64() || json.is_u64();
    let too_large = |json: &Json| json.as_i64().is_none_or(|i| !(-MAX_INT..=MAX_INT).contains(&i));
    match (output, kind) {
        (CaseOutput::Value(json), ValueType::Int) => integer(json) && too_large(json),
        (CaseOutput::Value(Json::Array(items)), ValueType::ListInt) => {
            items.iter().all(integer) && items.iter().any(too_large)
        }
        (CaseOutput::Failed(CaseWord::Malformed), ValueType::Int | ValueType::ListInt) => true,
        _ => false,
    }
}

/// Values at the rim of a type: an atom must survive them, fast.
fn extremes(kind: ValueType) -> Vec<Value> {
    let values = match kind {
        ValueType::Bool => json!([false, true]),
        // 6361 is prime and so is 999,983: slow cases of trial division.
        ValueType::Int => {
            json!([0, 1, -1, MAX_INT, -MAX_INT, MAX_INT - 1, 1 - MAX_INT, 6361 * 6361, 999_983])
        }
        ValueType::ListInt => {
            let (most, none, long) = (vec![MAX_INT; 40], vec![0; 60], (-100..100).collect::<Vec<i64>>());
            json!([[], [MAX_INT], [-MAX_INT], [MAX_INT, -MAX_INT, 0], most, none, long])
        }
        ValueType::Str => {
            let (rare, long) = ("é ß 中文 İ \u{1f600}", " a".repeat(200));
            json!(["", " ", "   ", "\n\t x", "\0", "-", "aA bB  cC ", rare, long])
        }
        ValueType::ListStr => {
            json!([[], [""], ["", "", " "], ["é", "ß", "中文", "\0"], vec!["ab".repeat(50); 50]])
        }
    };
    Value::list(kind, values)
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |check: &AtomCheck| {
            let result = match (check.problems.is_empty(), check.n_beyond) {
                (true, 0) => "ok".to_owned(),
                (true, n) => format!("ok (extreme inputs beyond 2^53: {n})"),
                (false, _) => format!("problem: {}", check.problems.join("; ")),
            };
            let (atom, [inputs, outputs]) =
                (&check.atom, [check.n_inputs, check.n_outputs].map(|count| count.to_string()));
            [atom.id.clone(), atom.topic.clone(), atom.signature(), inputs, outputs, result]
        };
        let head = ["atom", "topic", "signature", "inputs", "distinct", "result"].map(str::to_owned);
        f.write_str(&table(&[head].into_iter().chain(self.atoms.iter().map(row)).collect_vec(), 3..5))?;
        let faulty = self.atoms.iter().filter(|atom| !atom.problems.is_empty()).count();
        match (faulty, self.atoms.len()) {
            (0, n) => write!(f, "{n} atoms, all ok"),
            (_, n) => write!(f, "{faulty} of {n} atoms have a problem"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::SandboxConfig;

    /// A catalog of the given bodies, each in place of the body of a real atom.
    fn catalog_of(bodies: &[(&str, &str)]) -> Catalog {
        let real = Catalog::shipped();
        let atoms = bodies.iter().map(|(id, body)| {
            let atom = real.get(id).unwrap().clone();
            Atom { source: format!("def {id}(x):\n    {body}"), ..atom }
        });
        Catalog { atoms: atoms.collect() }
    }

    fn sandbox() -> Sandbox {
        Sandbox::start(&SandboxConfig::for_this_machine()).unwrap()
    }

    #[test]
    fn every_atom_of_the_catalog_keeps_its_promises() {
        let catalog = Catalog::shipped();
        let report = check_catalog(&catalog, &sandbox()).unwrap();
        assert!(report.passed(), "{report}");
        assert_eq!(report.atoms.len(), 100);
    }

    #[test]
    fn each_broken_promise_is_reported() {
        let catalog = catalog_of(&[
            ("largest", "return max(x)"),                       // fails on []
            ("mean_floor", "return sum(x) / max(len(x), 1)"),   // a float
            ("is_sorted", "return 1 if x == sorted(x) else 0"), // an int, not a bool
            ("digit_list", "return list(str(x))"),              // strings
            ("keep_even", "return x"),                          // identity
            ("count_bits", "return 7"),                         // constant
            ("reverse_list", "return list(reversed(x))"),       // fine, but ...
            ("rotate_left", "return [v for v in x[::-1]]"),     // ... the same
            ("sum_numbers", "return sum(x)"),                   // fine
        ]);
        let report = check_catalog(&catalog, &sandbox()).unwrap();
        let problem = |id: &str| {
            report
                .atoms
                .iter()
                .find(|check| check.atom.id == id)
                .map(|check| check.problems.join("; "))
                .unwrap()
        };
        for (id, says) in [
            ("largest", "[] gives exception"),
            ("mean_floor", "no int"),
            ("is_sorted", "no bool"),
            ("digit_list", "no list[int]"),
            ("keep_even", "gives every input back"),
            ("count_bits", "the same output"),
            ("rotate_left", "behaves like `reverse_list`"),
        ] {
            assert!(problem(id).contains(says), "{id}: {}", problem(id));
        }
        assert_eq!(problem("sum_numbers"), "");
        assert_eq!(problem("reverse_list"), "");
        assert!(!report.passed());
        let table = report.to_string();
        assert!(table.contains("problem: [] gives exception"), "{table}");
        assert!(table.ends_with("of 9 atoms have a problem"), "{table}");
    }

    #[test]
    fn integers_beyond_the_bound_are_told_from_wrong_types() {
        let value = |text: &str| CaseOutput::Value(serde_json::from_str(text).unwrap());
        assert!(is_beyond(&value("9007199254740993"), ValueType::Int));
        assert!(is_beyond(&value("[1, -9007199254740993]"), ValueType::ListInt));
        assert!(is_beyond(&value("18446744073709551615"), ValueType::Int));
        assert!(is_beyond(&CaseOutput::Failed(CaseWord::Malformed), ValueType::Int));
        assert!(!is_beyond(&value("9007199254740992"), ValueType::Int));
        assert!(!is_beyond(&value("1e300"), ValueType::Int));
        assert!(!is_beyond(&value("[9007199254740993]"), ValueType::Int));
        assert!(!is_beyond(&CaseOutput::Failed(CaseWord::Malformed), ValueType::Str));
        assert!(!is_beyond(&CaseOutput::Failed(CaseWord::Exception), ValueType::Int));
    }
}
