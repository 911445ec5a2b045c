//! Runs functions on values through the sandbox and remembers the answers.
//!
//! Atoms are pure, so a chain's output is its last atom's output on the output of the rest. The
//! oracle therefore runs each *atom* once on each value that reaches it, many calls to a program,
//! and composes chains from its memory: thousands of candidate chains cost a few hundred programs.
//! (The hidden cases do not rely on this alone: the verifier judges every reference program on them.)

use std::collections::HashMap;
use std::rc::Rc;

use itertools::Itertools;
use serde_json::json;

use crate::base::{Error, Result, Seed};
use crate::data::catalog::Catalog;
use crate::data::probe::shared_probes;
use crate::data::problem::Problem;
use crate::data::python::assemble;
use crate::data::synth::chain::Chain;
use crate::data::synth::rules::{Fingerprint, Outputs, Types};
use crate::data::value::Value;
use crate::sandbox::{CaseOutput, CaseWord, Job, Limits, Sandbox, Verdict};

/// Index of a function in an [`Oracle`].
pub type FunctionId = usize;

/// Index of a value in an [`Oracle`]: chains share most of what they pass on, and a number is hashed at once.
type ValueId = usize;

/// A function and what it is called with.
type Call = (FunctionId, ValueId);

/// Calls to one program: enough to pay for its process, few enough to keep the answer small.
const CALLS_PER_PROGRAM: usize = 256;

/// Generous for 256 calls that should take microseconds each: only an endless loop gets here.
const LIMITS: Limits = Limits { cpu_s: 0.5, wall_s: 20.0, memory_mb: 256 };

struct Function {
    source: String,
    types: Types,
    /// A call ended the process (an endless loop, say): counted as failing on every later input.
    dead: bool,
    known: HashMap<ValueId, Option<ValueId>>,
}

/// The atoms are its first functions, at their places in the catalog.
pub struct Oracle<'a> {
    pub catalog: &'a Catalog,
    sandbox: &'a Sandbox,
    functions: Vec<Function>,
    /// By source and types: the same text may be a function of lists and one of strings.
    ids: HashMap<(String, Types), FunctionId>,
    /// All values that were met, and their places.
    values: Vec<Rc<Value>>,
    places: HashMap<Rc<Value>, ValueId>,
}

impl<'a> Oracle<'a> {
    pub fn new(catalog: &'a Catalog, sandbox: &'a Sandbox) -> Self {
        let (functions, ids, values, places) = Default::default();
        let mut oracle = Oracle { catalog, sandbox, functions, ids, values, places };
        for atom in catalog.atoms() {
            oracle.add(&atom.source, (atom.input, atom.output));
        }
        oracle
    }

    /// Makes known, unless it is, the function that `source` defines, the last one of several.
    pub fn add(&mut self, source: &str, types: Types) -> FunctionId {
        *self.ids.entry((source.to_owned(), types)).or_insert_with(|| {
            let source = source.to_owned();
            self.functions.push(Function { source, types, dead: false, known: HashMap::new() });
            self.functions.len() - 1
        })
    }

    /// What a chain of functions takes and returns.
    pub fn types(&self, chain: &[FunctionId]) -> Types {
        (self.functions[chain[0]].types.0, self.functions[chain[chain.len() - 1]].types.1)
    }

    /// What chains do on `count` inputs that all functions of their input type share.
    pub fn fingerprints(&mut self, chains: &[Chain], count: usize, seed: Seed) -> Result<Vec<Fingerprint>> {
        let types: Vec<_> = chains.iter().map(|chain| self.types(chain)).collect();
        let probes = |input| (input, shared_probes(input, count, seed));
        let probes: HashMap<_, _> = types.iter().map(|(input, _)| *input).unique().map(probes).collect();
        let outputs = self.run(chains.iter().zip(types.iter().map(|(input, _)| &probes[input])))?;
        Ok(types.into_iter().zip(outputs).map(|(types, outputs)| Fingerprint { types, outputs }).collect())
    }

    /// The whole program that a chain of functions is.
    pub fn program(&self, chain: &[FunctionId]) -> String {
        assemble(chain.iter().map(|id| self.functions[*id].source.as_str()))
    }

    /// Lets the verifier judge whole programs on the cases of their problems: those with `true` must
    /// pass, the others must not, as was found step by step. Returns how many there were.
    pub fn confirm(&self, programs: &[(&Problem, String, bool)]) -> Result<usize> {
        let job = |(problem, program, _): &(&Problem, String, bool)| problem.job(program.clone());
        let jobs: Vec<Job> = programs.iter().map(job).collect();
        for ((problem, program, passes), verdict) in programs.iter().zip(self.sandbox.judge(&jobs)) {
            if let Verdict::Infra(message) = verdict {
                return Err(Error::Sandbox(message));
            }
            if verdict.passed() != Some(*passes) {
                let found = if *passes { "accepted" } else { "refused" };
                let message = format!(
                    "step by step it is {found}, but the verifier says {verdict:?} of the whole program; \
                     is an atom impure?\n{program}"
                );
                return Err(Error::Chain { chain: problem.key.clone(), message });
            }
        }
        Ok(programs.len())
    }

    /// The outputs of each chain of functions on its own inputs, in order.
    pub fn run<'r, I: IntoIterator<Item = &'r Value>>(
        &mut self,
        requests: impl IntoIterator<Item = (&'r Chain, I)>,
    ) -> Result<Vec<Outputs>> {
        let (mut chains, mut outputs): (Vec<&Chain>, Vec<Vec<Option<ValueId>>>) = (Vec::new(), Vec::new());
        for (chain, inputs) in requests {
            chains.push(chain);
            outputs.push(inputs.into_iter().map(|input| Some(self.place(input))).collect());
        }
        let deepest = chains.iter().map(|chain| chain.len()).max().unwrap_or(0);
        for step in 0..deepest {
            let at_step = chains.iter().zip(&mut outputs);
            let at_step: Vec<(FunctionId, &mut Vec<Option<ValueId>>)> =
                at_step.filter_map(|(chain, values)| Some((*chain.get(step)?, values))).collect();
            let calls =
                at_step.iter().flat_map(|(id, values)| values.iter().flatten().map(|value| (*id, *value)));
            let mut calls: Vec<Call> = calls.filter(|call| self.is_open(call)).unique().collect();
            // In order: which call of a function ends its process decides what else is known of it.
            calls.sort_unstable_by_key(|(id, input)| (*id, &self.values[*input]));
            self.learn(calls)?;
            for (id, values) in at_step {
                let known = &self.functions[id].known;
                for value in values {
                    *value = value.and_then(|input| known.get(&input).copied()?);
                }
            }
        }
        let value = |place: Option<ValueId>| place.map(|place| (*self.values[place]).clone());
        Ok(outputs.into_iter().map(|places| places.into_iter().map(value).collect()).collect())
    }

    fn place(&mut self, value: &Value) -> ValueId {
        self.places.get(value).copied().unwrap_or_else(|| {
            let value = Rc::new(value.clone());
            self.places.insert(value.clone(), self.values.len());
            self.values.push(value);
            self.values.len() - 1
        })
    }

    /// Whether the answer to a call is neither remembered nor given up.
    fn is_open(&self, (id, input): &Call) -> bool {
        let function = &self.functions[*id];
        !function.dead && !function.known.contains_key(input)
    }

    fn remember(&mut self, (id, input): Call, output: CaseOutput) {
        use CaseWord::{Exception, Malformed, NotRun};
        let value = match output {
            CaseOutput::Value(json) => Value::from_json(&json, self.functions[id].types.1).ok(),
            CaseOutput::Failed(NotRun) => return,
            CaseOutput::Failed(word) => {
                self.functions[id].dead |= !matches!(word, Exception | Malformed);
                None
            }
        };
        let value = value.map(|value| self.place(&value));
        self.functions[id].known.insert(input, value);
    }

    /// Runs the calls that are not remembered yet. A call that ends its process leaves the calls
    /// behind it unanswered; they go into another round, without the culprit.
    fn learn(&mut self, mut calls: Vec<Call>) -> Result<()> {
        let mut n_before = None;
        loop {
            calls.retain(|call| self.is_open(call));
            if calls.is_empty() {
                return Ok(());
            }
            if n_before.replace(calls.len()) == Some(calls.len()) {
                return Err(Error::Sandbox("no call of a whole round was answered".to_owned()));
            }
            let programs = self.programs(&calls);
            let jobs: Vec<Job> = programs.iter().map(|calls| self.job(calls)).collect();
            for (calls, answers) in programs.into_iter().zip(self.sandbox.outputs(&jobs)) {
                for (call, output) in calls.iter().zip(answers.map_err(Error::Sandbox)?) {
                    self.remember(*call, output);
                }
            }
        }
    }

    /// Cuts the calls into programs. A function that might loop for ever has programs of its own,
    /// so that several endless mutants end side by side rather than round after round.
    fn programs<'c>(&self, calls: &'c [Call]) -> Vec<&'c [Call]> {
        let loops = |id: FunctionId| self.functions[id].source.contains("while ");
        calls
            .chunk_by(|(a, _), (b, _)| a == b || !(loops(*a) || loops(*b)))
            .flat_map(|calls| calls.chunks(CALLS_PER_PROGRAM))
            .collect()
    }

    /// One program that answers many calls: its entry takes which function, and the input.
    fn job(&self, calls: &[Call]) -> Job {
        let mut ids: Vec<FunctionId> = calls.iter().map(|(id, _)| *id).collect();
        ids.dedup();
        let place = |id: FunctionId| ids.iter().position(|other| *other == id);
        let sources: Vec<&String> = ids.iter().map(|id| &self.functions[*id].source).collect();
        // A JSON array of strings is a Python list of strings, and compiling each source on its
        // first call keeps one broken mutant from spoiling the others.
        let program = format!(
            "S = {}\nC = {{}}\ndef f(i, x):\n    if i not in C:\n        n = {{}}\n        \
             exec(S[i], n)\n        *_, C[i] = n.values()\n    return C[i](x)\n",
            json!(sources)
        );
        Job {
            program,
            entry: "f".to_owned(),
            inputs: calls
                .iter()
                .map(|&(id, input)| vec![json!(place(id)), self.values[input].to_json()])
                .collect(),
            expected: Vec::new(),
            limits: LIMITS,
            stop_at_first_failure: false,
        }
    }
}
