//! Wrong versions of a chain: one atom mutated, a step left out, two steps swapped. Hidden cases
//! are there to refuse them.

use std::collections::HashMap;

use itertools::Itertools;

use crate::base::error::Result;
use crate::data::catalog::Atom;
use crate::data::problem::{Case, Problem, chain_key};
use crate::data::synth::chain::{Chain, TypeGraph};
use crate::data::synth::mutate::{self, Mutant, Operator};
use crate::data::synth::oracle::{FunctionId, Oracle, Outputs};
use crate::data::value::Value;

/// A chain of functions that is the reference but for one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rival {
    pub operator: Operator,
    /// What was changed, in words.
    pub change: String,
    pub functions: Vec<FunctionId>,
}

/// The mutants of atoms, as functions of an oracle whose first functions are the atoms. An atom
/// is mutated when it is first asked for.
#[derive(Default)]
pub struct Rivals {
    by_atom: HashMap<usize, Vec<(Mutant, FunctionId)>>,
}

impl Rivals {
    /// All rivals of a chain that take and return what it takes and returns.
    pub fn of(&mut self, chain: &Chain, atoms: &[Atom], oracle: &mut Oracle<'_>) -> Vec<Rival> {
        let mut rivals = Vec::new();
        for (place, &atom) in chain.iter().enumerate() {
            for (mutant, function) in self.mutants(atom, &atoms[atom], oracle) {
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

    fn mutants(&mut self, place: usize, atom: &Atom, oracle: &mut Oracle<'_>) -> &[(Mutant, FunctionId)] {
        self.by_atom.entry(place).or_insert_with(|| {
            let add = |mutant: Mutant| {
                let function = oracle.add(&mutant.source, &atom.id, atom.output);
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
    pub on_cases: Failures,
    pub accepted: Vec<Vec<Rival>>,
    pub on_more: Failures,
}

impl Trial {
    pub fn run(
        oracle: &mut Oracle<'_>,
        rivals: &[Vec<Rival>],
        cases: &[Exam],
        more: &[Exam],
    ) -> Result<Trial> {
        let on_cases = failures(oracle, rivals, cases)?;
        let accepted = |(rivals, failures): (&Vec<Rival>, &Vec<Vec<bool>>)| {
            let rivals = rivals.iter().zip(failures).filter(|(_, wrong)| !wrong.contains(&true));
            rivals.map(|(rival, _)| rival.clone()).collect_vec()
        };
        let accepted = rivals.iter().zip(&on_cases).map(accepted).collect_vec();
        let on_more = failures(oracle, &accepted, more)?;
        Ok(Trial { on_cases, accepted, on_more })
    }
}

fn failures(oracle: &mut Oracle<'_>, rivals: &[Vec<Rival>], exams: &[Exam]) -> Result<Failures> {
    let requests = rivals
        .iter()
        .zip(exams)
        .flat_map(|(rivals, exam)| rivals.iter().map(|rival| (&rival.functions, &exam.inputs)));
    let mut outputs = oracle.run(requests)?.into_iter();
    let wrong = |(rivals, exam): (&Vec<Rival>, &Exam)| {
        let differs = |outputs: Outputs| outputs.iter().zip(&exam.expected).map(|(a, b)| a != b).collect();
        outputs.by_ref().take(rivals.len()).map(differs).collect()
    };
    Ok(rivals.iter().zip(exams).map(wrong).collect())
}
