//! Runs functions on values through the sandbox and remembers the answers.
//!
//! Atoms are pure, so a chain's output is its last atom's output on the output of the rest. The
//! oracle therefore runs each *atom* once on each value that reaches it, many calls to a program,
//! and composes chains from its memory: thousands of candidate chains cost a few hundred programs.
//! (The hidden cases do not rely on this: they are computed by the whole reference program.)

use std::collections::{BTreeSet, HashMap};

use serde_json::json;

use crate::base::error::{Error, Result};
use crate::data::python::Step;
use crate::data::value::{Value, ValueType};
use crate::sandbox::{CaseOutput, CaseWord, Job, Limits, Sandbox};

/// Index of a function in an [`Oracle`].
pub type FunctionId = usize;

/// What a function or a chain returned on each input; `None` where it failed or returned
/// something that is not of its declared type (`None`, an integer beyond ±2^53, ...).
pub type Outputs = Vec<Option<Value>>;

/// Calls to one program: enough to pay for its process, few enough to keep the answer small.
const CALLS_PER_PROGRAM: usize = 256;

/// Generous for 256 calls that should take microseconds each: only an endless loop gets here.
const LIMITS: Limits = Limits { cpu_s: 0.5, wall_s: 20.0, memory_mb: 256 };

struct Function {
    source: String,
    /// The name that `source` defines.
    name: String,
    output: ValueType,
    /// A call ended the process (an endless loop, say): counted as failing on every later input.
    dead: bool,
    known: HashMap<Value, Option<Value>>,
}

pub struct Oracle<'a> {
    sandbox: &'a Sandbox,
    functions: Vec<Function>,
}

impl<'a> Oracle<'a> {
    pub fn new(sandbox: &'a Sandbox) -> Self {
        Oracle { sandbox, functions: Vec::new() }
    }

    /// Makes known the function that `source` defines as `name`.
    pub fn add(&mut self, source: &str, name: &str, output: ValueType) -> FunctionId {
        let (source, name) = (source.to_owned(), name.to_owned());
        self.functions.push(Function { source, name, output, dead: false, known: HashMap::new() });
        self.functions.len() - 1
    }

    /// The function as a step of a program.
    pub fn step(&self, id: FunctionId) -> Step<'_> {
        Step { name: &self.functions[id].name, source: &self.functions[id].source }
    }

    /// The outputs of each chain of functions on its own inputs, in order.
    pub fn run(&mut self, requests: &[(&[FunctionId], &[Value])]) -> Result<Vec<Outputs>> {
        let mut outputs: Vec<Outputs> =
            requests.iter().map(|(_, inputs)| inputs.iter().cloned().map(Some).collect()).collect();
        let deepest = requests.iter().map(|(chain, _)| chain.len()).max().unwrap_or(0);
        for step in 0..deepest {
            // In order: which call of a function ends its process decides what else is known of it.
            let mut wanted: Vec<BTreeSet<&Value>> = vec![BTreeSet::new(); self.functions.len()];
            for ((chain, _), values) in requests.iter().zip(&outputs) {
                if let Some(&id) = chain.get(step) {
                    wanted[id].extend(values.iter().flatten());
                }
            }
            let wanted: Vec<(FunctionId, Value)> = wanted
                .iter()
                .enumerate()
                .flat_map(|(id, values)| values.iter().map(move |value| (id, (*value).clone())))
                .collect();
            self.learn(wanted)?;
            for ((chain, _), values) in requests.iter().zip(&mut outputs) {
                if let Some(&id) = chain.get(step) {
                    for value in values {
                        *value = value.take().and_then(|value| self.recall(id, &value));
                    }
                }
            }
        }
        Ok(outputs)
    }

    /// The remembered output of one call; a dead function has none.
    fn recall(&self, id: FunctionId, input: &Value) -> Option<Value> {
        self.functions[id].known.get(input).cloned().flatten()
    }

    /// Runs the calls that are not remembered yet. A call that ends its process leaves the calls
    /// behind it unanswered; they go into another round, without the culprit.
    fn learn(&mut self, mut calls: Vec<(FunctionId, Value)>) -> Result<()> {
        loop {
            calls.retain(|(id, input)| {
                !self.functions[*id].dead && !self.functions[*id].known.contains_key(input)
            });
            if calls.is_empty() {
                return Ok(());
            }
            let before = calls.len();
            let programs = self.programs(&calls);
            let jobs: Vec<Job> = programs.iter().map(|calls| self.job(calls)).collect();
            let answers = self.sandbox.outputs(&jobs);
            for (calls, answer) in programs.into_iter().zip(answers) {
                let answer = answer.map_err(Error::Sandbox)?;
                for ((id, input), output) in calls.iter().zip(answer) {
                    self.remember(*id, input, output);
                }
            }
            calls.retain(|(id, input)| {
                !self.functions[*id].dead && !self.functions[*id].known.contains_key(input)
            });
            if calls.len() == before {
                return Err(Error::Sandbox("no call of a whole round was answered".to_owned()));
            }
        }
    }

    /// Cuts the calls into programs. A function that might loop for ever has programs of its own,
    /// so that several endless mutants end side by side rather than round after round.
    fn programs<'c>(&self, calls: &'c [(FunctionId, Value)]) -> Vec<&'c [(FunctionId, Value)]> {
        let loops = |id: FunctionId| self.functions[id].source.contains("while ");
        calls
            .chunk_by(|(a, _), (b, _)| a == b || !(loops(*a) || loops(*b)))
            .flat_map(|calls| calls.chunks(CALLS_PER_PROGRAM))
            .collect()
    }

    fn remember(&mut self, id: FunctionId, input: &Value, output: CaseOutput) {
        let function = &mut self.functions[id];
        let value = match output {
            CaseOutput::Value(json) => Value::from_json(&json, function.output).ok(),
            CaseOutput::Failed(CaseWord::NotRun) => return,
            CaseOutput::Failed(CaseWord::Exception | CaseWord::Malformed) => None,
            CaseOutput::Failed(_) => {
                function.dead = true;
                None
            }
        };
        function.known.insert(input.clone(), value);
    }

    /// One program that answers many calls: its entry takes which function, and the input.
    fn job(&self, calls: &[(FunctionId, Value)]) -> Job {
        let mut ids: Vec<FunctionId> = calls.iter().map(|(id, _)| *id).collect();
        ids.dedup();
        let place = |id: FunctionId| ids.iter().position(|other| *other == id).unwrap_or(0);
        let sources: Vec<[&str; 2]> = ids
            .iter()
            .map(|id| [self.functions[*id].source.as_str(), self.functions[*id].name.as_str()])
            .collect();
        // A JSON array of strings is a Python list of strings, and compiling each source on its
        // first call keeps one broken mutant from spoiling the others.
        let program = format!(
            "S = {}\nC = {{}}\ndef f(i, x):\n    if i not in C:\n        n = {{}}\n        \
             exec(S[i][0], n)\n        C[i] = n[S[i][1]]\n    return C[i](x)\n",
            json!(sources)
        );
        Job {
            program,
            entry: "f".to_owned(),
            inputs: calls.iter().map(|(id, input)| vec![json!(place(*id)), input.to_json()]).collect(),
            expected: Vec::new(),
            limits: LIMITS,
            stop_at_first_failure: false,
        }
    }
}
