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

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use serde_json::Value as Json;

use super::{Atom, Catalog};
use crate::base::error::{Error, Result};
use crate::base::seed::Seed;
use crate::data::value::{Domain, MAX_INT, Value, ValueType};
use crate::sandbox::{CaseOutput, Job, Limits, Sandbox};

/// Random inputs drawn from each atom's own domain.
const DOMAIN_INPUTS: usize = 64;
/// Probes drawn for each input type from each of [`PROBE_RANGES`].
const PROBES_PER_RANGE: usize = 24;
/// Dense (many repeats), ordinary, wide.
const PROBE_RANGES: [[i64; 2]; 3] = [[-4, 6], [-20, 40], [-300, 900]];

/// What was seen of one atom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtomCheck {
    pub id: String,
    pub topic: String,
    pub signature: String,
    /// Inputs run (each of them twice).
    pub n_inputs: usize,
    /// Distinct outputs over the edges and the domain inputs.
    pub n_outputs: usize,
    /// Extreme inputs whose output is an integer beyond ±2^53.
    pub n_beyond: usize,
    /// Empty where everything holds.
    pub problems: Vec<String>,
}

/// What [`check`] found, one entry an atom, in catalog order. Displays as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    pub atoms: Vec<AtomCheck>,
}

impl CheckReport {
    pub fn passed(&self) -> bool {
        self.atoms.iter().all(|atom| atom.problems.is_empty())
    }
}

/// Checks all atoms; takes a few seconds.
///
/// # Errors
/// `Error::Sandbox` where the sandbox itself failed; an atom that misbehaves is in the report.
pub fn check(catalog: &Catalog, sandbox: &Sandbox) -> Result<CheckReport> {
    let seed = Seed::new(0).child("catalog check");
    let trials: Vec<Trial> = catalog.atoms().iter().map(|atom| Trial::new(atom, seed)).collect();
    let jobs: Vec<Job> = trials.iter().flat_map(Trial::jobs).collect();
    let first = run(sandbox, &jobs)?;
    let second = run(sandbox, &jobs)?;

    let mut fingerprints: HashMap<(ValueType, String), String> = HashMap::new();
    let mut atoms = Vec::with_capacity(trials.len());
    for (index, trial) in trials.iter().enumerate() {
        let rows = 2 * index..2 * index + 2;
        let [ordinary, extreme] = &first[rows.clone()] else {
            return Err(Error::Sandbox("the sandbox answered fewer jobs than it was given".to_owned()));
        };
        let mut checked = trial.judge(ordinary, extreme);
        if first[rows.clone()] != second[rows] {
            checked.problems.push("a second run gave other outputs".to_owned());
        }
        let key = (trial.atom.input, format!("{:?}", &ordinary[trial.n_own..]));
        if let Some(other) = fingerprints.insert(key, trial.atom.id.clone()) {
            checked.problems.push(format!("behaves like `{other}`"));
        }
        atoms.push(checked);
    }
    Ok(CheckReport { atoms })
}

fn run(sandbox: &Sandbox, jobs: &[Job]) -> Result<Vec<Vec<CaseOutput>>> {
    sandbox.outputs(jobs).into_iter().map(|outputs| outputs.map_err(Error::Sandbox)).collect()
}

/// One atom and the inputs to run it on.
struct Trial<'a> {
    atom: &'a Atom,
    /// The atom's edges and domain inputs, `n_own` of them, and then the probes of its type.
    ordinary: Vec<Value>,
    n_own: usize,
    extreme: Vec<Value>,
}

impl<'a> Trial<'a> {
    fn new(atom: &'a Atom, seed: Seed) -> Trial<'a> {
        let mut rng = seed.stream(&atom.id);
        let mut ordinary = atom.domain.edges.clone();
        ordinary.extend((0..DOMAIN_INPUTS).map(|_| atom.domain.sample(atom.input, &mut rng)));
        let n_own = ordinary.len();
        ordinary.extend(probes(atom.input, seed));
        Trial { atom, ordinary, n_own, extreme: extremes(atom.input) }
    }

    /// Two jobs: ordinary inputs, extreme inputs.
    fn jobs(&self) -> [Job; 2] {
        [&self.ordinary, &self.extreme].map(|inputs| Job {
            program: self.atom.source.clone(),
            entry: self.atom.id.clone(),
            inputs: inputs.iter().map(|input| vec![input.to_json()]).collect(),
            expected: Vec::new(),
            limits: Limits::default(),
            stop_at_first_failure: false,
        })
    }

    /// Types, failures and usefulness. Only the first failure of each kind of input is reported.
    fn judge(&self, ordinary: &[CaseOutput], extreme: &[CaseOutput]) -> AtomCheck {
        let kind = self.atom.output;
        let mut problems = Vec::new();
        if (ordinary.len(), extreme.len()) != (self.ordinary.len(), self.extreme.len()) {
            problems.push("the sandbox did not answer every input".to_owned());
        }
        let fault = |(input, output): (&Value, &CaseOutput)| match output {
            CaseOutput::Value(json) if Value::from_json(json, kind).is_ok() => None,
            CaseOutput::Value(json) => Some(format!("{} gives {json}, no {kind}", input.to_json())),
            CaseOutput::Failed(word) => Some(format!("{} gives {}", input.to_json(), word.name())),
        };
        problems.extend(self.ordinary.iter().zip(ordinary).find_map(fault));
        let (beyond, within): (Vec<_>, Vec<_>) =
            self.extreme.iter().zip(extreme).partition(|(_, output)| is_beyond(output, kind));
        problems.extend(within.into_iter().find_map(fault));

        let own = &ordinary[..self.n_own.min(ordinary.len())];
        let distinct: BTreeSet<String> = own.iter().map(|output| format!("{output:?}")).collect();
        if distinct.len() < 2 {
            problems.push("always gives the same output over its domain".to_owned());
        }
        let returns_input = |(input, output): (&Value, &CaseOutput)| match output {
            CaseOutput::Value(json) => *json == input.to_json(),
            CaseOutput::Failed(_) => false,
        };
        if self.ordinary.iter().zip(ordinary).all(returns_input) {
            problems.push("gives every input back".to_owned());
        }
        AtomCheck {
            id: self.atom.id.clone(),
            topic: self.atom.topic.clone(),
            signature: self.atom.signature(),
            n_inputs: self.ordinary.len() + self.extreme.len(),
            n_outputs: distinct.len(),
            n_beyond: beyond.len(),
            problems,
        }
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
        (CaseOutput::Failed(word), ValueType::Int | ValueType::ListInt) => {
            *word == crate::sandbox::verdict::CaseWord::Malformed
        }
        _ => false,
    }
}

/// The inputs that every atom of this input type gets: what fingerprints are made of.
fn probes(kind: ValueType, seed: Seed) -> Vec<Value> {
    let mut rng = seed.child("probes").stream(&kind.to_string());
    let draw = |range| {
        let domain = Domain { range, length: [0, 9], edges: Vec::new() };
        (0..PROBES_PER_RANGE).map(|_| domain.sample(kind, &mut rng)).collect::<Vec<_>>()
    };
    PROBE_RANGES.into_iter().flat_map(draw).collect()
}

/// Values at the rim of a type: an atom must survive them, fast.
fn extremes(kind: ValueType) -> Vec<Value> {
    let texts = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<String>>();
    match kind {
        ValueType::Bool => vec![Value::Bool(false), Value::Bool(true)],
        // 6361 is prime and so is 999,983: slow cases of trial division.
        ValueType::Int => [0, 1, -1, MAX_INT, -MAX_INT, MAX_INT - 1, 1 - MAX_INT, 6361 * 6361, 999_983]
            .map(Value::Int)
            .to_vec(),
        ValueType::ListInt => vec![
            Value::ListInt(vec![]),
            Value::ListInt(vec![MAX_INT]),
            Value::ListInt(vec![-MAX_INT]),
            Value::ListInt(vec![MAX_INT, -MAX_INT, 0]),
            Value::ListInt(vec![MAX_INT; 40]),
            Value::ListInt(vec![0; 60]),
            Value::ListInt((-100..100).collect()),
        ],
        ValueType::Str => texts(&["", " ", "   ", "\n\t x", "\0", "-", "aA bB  cC ", "é ß 中文 İ \u{1f600}"])
            .into_iter()
            .chain([" a".repeat(200)])
            .map(Value::Str)
            .collect(),
        ValueType::ListStr => vec![
            Value::ListStr(vec![]),
            Value::ListStr(texts(&[""])),
            Value::ListStr(texts(&["", "", " "])),
            Value::ListStr(texts(&["é", "ß", "中文", "\0"])),
            Value::ListStr(vec!["ab".repeat(50); 50]),
        ],
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut id_width, mut signature_width) = ("atom".len(), "signature".len());
        for atom in &self.atoms {
            id_width = id_width.max(atom.id.len());
            signature_width = signature_width.max(atom.signature.len());
        }
        let mut row = |id: &str, topic: &str, signature: &str, inputs: &str, outputs: &str, result: &str| {
            writeln!(
                f,
                "{id:id_width$}  {topic:10}  {signature:signature_width$}  {inputs:>6}  {outputs:>8}  {result}"
            )
        };
        row("atom", "topic", "signature", "inputs", "distinct", "result")?;
        for atom in &self.atoms {
            let result = match (atom.problems.is_empty(), atom.n_beyond) {
                (true, 0) => "ok".to_owned(),
                (true, n) => format!("ok (extreme inputs beyond 2^53: {n})"),
                (false, _) => format!("data::problem: {}", atom.problems.join("; ")),
            };
            let (inputs, outputs) = (atom.n_inputs.to_string(), atom.n_outputs.to_string());
            row(&atom.id, &atom.topic, &atom.signature, &inputs, &outputs, &result)?;
        }
        let faulty = self.atoms.iter().filter(|atom| !atom.problems.is_empty()).count();
        match faulty {
            0 => write!(f, "{} atoms, all ok", self.atoms.len()),
            _ => write!(f, "{faulty} of {} atoms have a problem", self.atoms.len()),
        }
    }
}

#[cfg(test)]
mod tests;
