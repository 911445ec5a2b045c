//! Wrong versions of a chain: one atom mutated, a step left out, two steps swapped. Hidden cases
//! are there to refuse them.

use std::collections::HashMap;

use crate::base::Result;
use crate::data::catalog::{Atom, Catalog};
use crate::data::problem::{Case, Problem, chain_key};
use crate::data::synth::chain::{Chain, TypeGraph};
use crate::data::synth::mutate::{self, Mutant, Operator};
use crate::data::synth::oracle::{FunctionId, Oracle, Outputs};
use crate::data::value::Value;
use crate::sandbox::Sandbox;

/// A chain of functions that is the reference but for one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rival {
    pub operator: Operator,
    /// What was changed, in words.
    pub change: String,
    pub functions: Vec<FunctionId>,
}

/// Makes and tries rivals of chains.
pub struct Rivals<'a> {
    atoms: &'a [Atom],
    /// The atoms are its first functions, at their places in the catalog; mutants come behind them.
    pub oracle: Oracle<'a>,
    /// An atom is mutated when it is first asked for.
    by_atom: HashMap<usize, Vec<(Mutant, FunctionId)>>,
}

impl<'a> Rivals<'a> {
    pub fn new(catalog: &'a Catalog, sandbox: &'a Sandbox) -> Self {
        let atoms = catalog.atoms();
        Rivals { atoms, oracle: Oracle::new(atoms, sandbox), by_atom: HashMap::new() }
    }

    /// Each chain's outputs on its inputs, computed atom by atom.
    pub fn exams(&mut self, chains: &[Chain], inputs: Vec<Vec<Value>>) -> Result<Vec<Exam>> {
        let outputs = self.oracle.run(chains.iter().zip(&inputs))?;
        Ok(inputs.into_iter().zip(outputs).map(|(inputs, expected)| Exam { inputs, expected }).collect())
    }

    /// Tries all rivals of each chain on its hidden cases, and those that the cases accept on more.
    pub fn trial(&mut self, chains: &[Chain], cases: &[Exam], more: &[Exam]) -> Result<Trial> {
        let rivals: Vec<Vec<Rival>> = chains.iter().map(|chain| self.of(chain)).collect();
        let on_cases = self.failures(&rivals, cases)?;
        let accepted = |(rivals, failures): (&Vec<Rival>, &Vec<Vec<bool>>)| {
            let rivals = rivals.iter().zip(failures).filter(|(_, wrong)| !wrong.contains(&true));
            rivals.map(|(rival, _)| rival.clone()).collect()
        };
        let accepted: Vec<Vec<Rival>> = rivals.iter().zip(&on_cases).map(accepted).collect();
        let on_more = self.failures(&accepted, more)?;
        Ok(Trial { rivals, on_cases, accepted, on_more })
    }

    fn failures(&mut self, rivals: &[Vec<Rival>], exams: &[Exam]) -> Result<Failures> {
        let requests = rivals
            .iter()
            .zip(exams)
            .flat_map(|(rivals, exam)| rivals.iter().map(|rival| (&rival.functions, &exam.inputs)));
        let mut outputs = self.oracle.run(requests)?.into_iter();
        let wrong = |(rivals, exam): (&Vec<Rival>, &Exam)| {
            let differs =
                |outputs: Outputs| outputs.iter().zip(&exam.expected).map(|(a, b)| a != b).collect();
            outputs.by_ref().take(rivals.len()).map(differs).collect()
        };
        Ok(rivals.iter().zip(exams).map(wrong).collect())
    }

    /// All rivals of a chain that take and return what it takes and returns.
    fn of(&mut self, chain: &Chain) -> Vec<Rival> {
        let atoms = self.atoms;
        let mut rivals = Vec::new();
        for (place, &atom) in chain.iter().enumerate() {
            for (mutant, function) in self.mutants(atom) {
                let mut functions = chain.clone();
                functions[place] = *function;
                let change = format!("{}, {}", atoms[atom].id, mutant.change);
                rivals.push(Rival { operator: mutant.operator, change, functions });
            }
        }
        let graph = TypeGraph::new(atoms);
        let dropped = graph.shortened(chain).into_iter().map(|chain| (Operator::DroppedStep, chain));
        let swapped = graph.swapped(chain).into_iter().map(|chain| (Operator::SwappedSteps, chain));
        let same_types = |other: &Chain| graph.types(other) == graph.types(chain);
        rivals.extend(dropped.chain(swapped).filter(|(_, other)| same_types(other)).map(
            |(operator, functions)| {
                let change = format!("only {}", chain_key(functions.iter().map(|&atom| &atoms[atom].id)));
                Rival { operator, change, functions }
            },
        ));
        rivals
    }

    fn mutants(&mut self, place: usize) -> &[(Mutant, FunctionId)] {
        self.by_atom.entry(place).or_insert_with(|| {
            let atom = &self.atoms[place];
            let add = |mutant: Mutant| {
                let function = self.oracle.add(&mutant.source, &atom.id, atom.output);
                (mutant, function)
            };
            mutate::mutants(&atom.source).into_iter().map(add).collect()
        })
    }
}

/// Inputs, and what a chain returns on each.
#[derive(Debug, Clone, Default)]
pub struct Exam {
    pub inputs: Vec<Value>,
    pub expected: Outputs,
}

impl Exam {
    /// The hidden cases of a problem.
    pub fn of(problem: &Problem) -> Exam {
        let pair = |case: &Case| (case.input.clone(), Some(case.expected.clone()));
        let (inputs, expected) = problem.cases.iter().map(pair).unzip();
        Exam { inputs, expected }
    }

    /// The questions at these places.
    pub fn select(&self, places: &[usize]) -> Exam {
        let pair = |&place: &usize| (self.inputs[place].clone(), self.expected[place].clone());
        let (inputs, expected) = places.iter().map(pair).unzip();
        Exam { inputs, expected }
    }
}

/// For each chain and each of its rivals, on which questions of an exam the rival is wrong.
pub type Failures = Vec<Vec<Vec<bool>>>;

/// Rivals tried on the hidden cases, and those that the cases accept on further questions.
pub struct Trial {
    pub rivals: Vec<Vec<Rival>>,
    pub on_cases: Failures,
    pub accepted: Vec<Vec<Rival>>,
    pub on_more: Failures,
}
