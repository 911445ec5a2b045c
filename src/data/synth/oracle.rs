//! Runs functions on values through the sandbox and remembers the answers.
//!
//! Atoms are pure, so a chain's output is its last atom's output on the output of the rest. The
//! oracle therefore runs each *atom* once on each value that reaches it, many calls to a program,
//! and composes chains from its memory: thousands of candidate chains cost a few hundred programs.
//! (The hidden cases do not rely on this alone: the verifier judges every reference program on them.)

use std::collections::{BTreeSet, HashMap};

use serde_json::json;

use crate::base::{Error, Result};
use crate::data::catalog::Atom;
use crate::data::problem::Problem;
use crate::data::python::{Step, assemble};
use crate::data::value::{Value, ValueType};
use crate::sandbox::{CaseOutput, CaseWord, Job, Limits, Sandbox, Verdict};

/// Index of a function in an [`Oracle`].
pub type FunctionId = usize;

/// A function and what it is called with.
type Call<'v> = (FunctionId, &'v Value);

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

impl Function {
    fn remember(&mut self, input: &Value, output: CaseOutput) {
        use CaseWord::{Exception, Malformed, NotRun};
        let value = match output {
            CaseOutput::Value(json) => Value::from_json(&json, self.output).ok(),
            CaseOutput::Failed(NotRun) => return,
            CaseOutput::Failed(word) => {
                self.dead |= !matches!(word, Exception | Malformed);
                None
            }
        };
        self.known.insert(input.clone(), value);
    }
}

pub struct Oracle<'a> {
    sandbox: &'a Sandbox,
    functions: Vec<Function>,
}

impl<'a> Oracle<'a> {
    /// An oracle whose first functions are the atoms, at their places in the catalog.
    pub fn new(atoms: &[Atom], sandbox: &'a Sandbox) -> Self {
        let mut oracle = Oracle { sandbox, functions: Vec::new() };
        for atom in atoms {
            oracle.add(&atom.source, &atom.id, atom.output);
        }
        oracle
    }

    /// Makes known the function that `source` defines as `name`.
    pub fn add(&mut self, source: &str, name: &str, output: ValueType) -> FunctionId {
        let (source, name) = (source.to_owned(), name.to_owned());
        self.functions.push(Function { source, name, output, dead: false, known: HashMap::new() });
        self.functions.len() - 1
    }

    fn step(&self, id: FunctionId) -> Step<'_> {
        Step { name: &self.functions[id].name, source: &self.functions[id].source }
    }

    /// The whole program that a chain of functions is.
    pub fn program(&self, chain: &[FunctionId]) -> String {
        assemble(chain.iter().map(|id| self.step(*id)))
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
    pub fn run<'r>(
        &mut self,
        requests: impl IntoIterator<Item = (&'r Vec<FunctionId>, &'r Vec<Value>)>,
    ) -> Result<Vec<Outputs>> {
        let start = |(chain, inputs): (_, &Vec<Value>)| (chain, inputs.iter().cloned().map(Some).collect());
        let (chains, mut outputs): (Vec<&Vec<FunctionId>>, Vec<Outputs>) =
            requests.into_iter().map(start).unzip();
        let deepest = chains.iter().map(|chain| chain.len()).max().unwrap_or(0);
        for step in 0..deepest {
            let at_step = chains.iter().zip(&mut outputs);
            let at_step: Vec<(FunctionId, &mut Outputs)> =
                at_step.filter_map(|(chain, values)| Some((*chain.get(step)?, values))).collect();
            // In order: which call of a function ends its process decides what else is known of it.
            let calls: BTreeSet<Call<'_>> = at_step
                .iter()
                .flat_map(|(id, values)| values.iter().flatten().map(|value| (*id, value)))
                .collect();
            self.learn(calls.into_iter().collect())?;
            for (id, values) in at_step {
                let known = &self.functions[id].known;
                for value in values {
                    *value = value.take().and_then(|input| known.get(&input).cloned()?);
                }
            }
        }
        Ok(outputs)
    }

    /// Runs the calls that are not remembered yet. A call that ends its process leaves the calls
    /// behind it unanswered; they go into another round, without the culprit.
    fn learn(&mut self, mut calls: Vec<Call<'_>>) -> Result<()> {
        let mut n_before = None;
        loop {
            calls.retain(|(id, input)| {
                let function = &self.functions[*id];
                !function.dead && !function.known.contains_key(*input)
            });
            if calls.is_empty() {
                return Ok(());
            }
            if n_before.replace(calls.len()) == Some(calls.len()) {
                return Err(Error::Sandbox("no call of a whole round was answered".to_owned()));
            }
            let programs = self.programs(&calls);
            let jobs: Vec<Job> = programs.iter().map(|calls| self.job(calls)).collect();
            for (calls, answers) in programs.into_iter().zip(self.sandbox.outputs(&jobs)) {
                for ((id, input), output) in calls.iter().zip(answers.map_err(Error::Sandbox)?) {
                    self.functions[*id].remember(input, output);
                }
            }
        }
    }

    /// Cuts the calls into programs. A function that might loop for ever has programs of its own,
    /// so that several endless mutants end side by side rather than round after round.
    fn programs<'c>(&self, calls: &'c [Call<'c>]) -> Vec<&'c [Call<'c>]> {
        let loops = |id: FunctionId| self.functions[id].source.contains("while ");
        calls
            .chunk_by(|(a, _), (b, _)| a == b || !(loops(*a) || loops(*b)))
            .flat_map(|calls| calls.chunks(CALLS_PER_PROGRAM))
            .collect()
    }

    /// One program that answers many calls: its entry takes which function, and the input.
    fn job(&self, calls: &[Call<'_>]) -> Job {
        let mut ids: Vec<FunctionId> = calls.iter().map(|(id, _)| *id).collect();
        ids.dedup();
        let place = |id: FunctionId| ids.iter().position(|other| *other == id);
        let sources: Vec<[&str; 2]> =
            ids.iter().map(|id| self.step(*id)).map(|step| [step.source, step.name]).collect();
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
