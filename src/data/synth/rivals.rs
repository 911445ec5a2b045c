//! Wrong versions of a chain: one atom mutated, a step left out, two steps swapped. Hidden cases
//! are there to refuse them.

use std::collections::HashMap;

use crate::base::{Result, Seed};
use crate::data::catalog::Catalog;
use crate::data::problem::{Case, Problem, chain_key};
use crate::data::synth::chain::Chain;
use crate::data::synth::mutate::{self, Mutant, Operator};
use crate::data::synth::oracle::{FunctionId, Oracle, Outputs};
use crate::data::value::Value;
use crate::sandbox::Sandbox;

/// A chain of functions that is the reference but for one change, and what became of it.
#[derive(Debug, Clone)]
pub struct Rival {
    /// Place of the reference among the chains that were asked for.
    pub chain: usize,
    pub operator: Operator,
    /// What was changed, in words.
    pub change: String,
    pub functions: Vec<FunctionId>,
    /// The first hidden case that refuses it.
    pub refused_by: Option<usize>,
    /// On which further questions it is wrong; empty where it is refused.
    pub wrong_on: Vec<bool>,
}

/// Makes and tries rivals of chains.
pub struct Rivals<'a> {
    catalog: &'a Catalog,
    /// The atoms are its first functions, at their places in the catalog; mutants come behind them.
    pub oracle: Oracle<'a>,
    /// An atom is mutated when it is first asked for.
    by_atom: HashMap<usize, Vec<(Mutant, FunctionId)>>,
}

impl<'a> Rivals<'a> {
    pub fn new(catalog: &'a Catalog, sandbox: &'a Sandbox) -> Self {
        Rivals { catalog, oracle: Oracle::new(catalog.atoms(), sandbox), by_atom: HashMap::new() }
    }

    /// What each chain returns on `count` inputs of its first atom's domain, computed atom by atom.
    pub fn exams(&mut self, chains: &[Chain], count: usize, seed: Seed) -> Result<Vec<Exam>> {
        let probes = |chain: &Chain| self.catalog.atoms()[chain[0]].probes(count, seed);
        let inputs: Vec<Vec<Value>> = chains.iter().map(probes).collect();
        let outputs = self.oracle.run(chains.iter().zip(&inputs))?;
        Ok(inputs.into_iter().zip(outputs).map(|(inputs, expected)| Exam { inputs, expected }).collect())
    }

    /// Tries all rivals of each chain on its hidden cases, and those that the cases accept on more.
    pub fn trial(&mut self, chains: &[Chain], cases: &[Exam], more: &[Exam]) -> Result<Vec<Rival>> {
        let mut rivals = Vec::new();
        for (index, chain) in chains.iter().enumerate() {
            self.add_rivals(index, chain, &mut rivals);
        }
        self.run(&mut rivals, cases)?;
        for rival in &mut rivals {
            rival.refused_by = std::mem::take(&mut rival.wrong_on).iter().position(|wrong| *wrong);
        }
        self.run(rivals.iter_mut().filter(|rival| rival.refused_by.is_none()), more)?;
        Ok(rivals)
    }

    /// On which questions of its chain's exam each rival is wrong.
    fn run<'r>(&mut self, rivals: impl IntoIterator<Item = &'r mut Rival>, exams: &[Exam]) -> Result<()> {
        let rivals: Vec<&mut Rival> = rivals.into_iter().collect();
        let requests = rivals.iter().map(|rival| (&rival.functions, &exams[rival.chain].inputs));
        let outputs = self.oracle.run(requests)?;
        for (rival, outputs) in rivals.into_iter().zip(outputs) {
            rival.wrong_on = outputs.iter().zip(&exams[rival.chain].expected).map(|(a, b)| a != b).collect();
        }
        Ok(())
    }

    /// All rivals of a chain that take and return what it takes and returns.
    fn add_rivals(&mut self, index: usize, chain: &Chain, rivals: &mut Vec<Rival>) {
        let (catalog, atoms) = (self.catalog, self.catalog.atoms());
        let mut add = |operator, change, functions| {
            let (refused_by, wrong_on) = (None, Vec::new());
            rivals.push(Rival { chain: index, operator, change, functions, refused_by, wrong_on });
        };
        for (place, &atom) in chain.iter().enumerate() {
            for (mutant, function) in self.mutants(atom) {
                let mut functions = chain.clone();
                functions[place] = *function;
                add(mutant.operator, format!("{}, {}", atoms[atom].id, mutant.change), functions);
            }
        }
        let dropped = catalog.shortened(chain).into_iter().map(|chain| (Operator::DroppedStep, chain));
        let swapped = catalog.swapped(chain).into_iter().map(|chain| (Operator::SwappedSteps, chain));
        for (operator, functions) in dropped.chain(swapped) {
            if catalog.types(&functions) == catalog.types(chain) {
                let key = chain_key(functions.iter().map(|&atom| &atoms[atom].id));
                add(operator, format!("only {key}"), functions);
            }
        }
    }

    fn mutants(&mut self, place: usize) -> &[(Mutant, FunctionId)] {
        self.by_atom.entry(place).or_insert_with(|| {
            let atom = &self.catalog.atoms()[place];
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
