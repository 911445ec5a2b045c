//! Wrong versions of a chain: one atom mutated, a step left out, two steps swapped. Hidden cases
//! are there to refuse them.

use std::collections::HashMap;

use crate::base::error::Result;
use crate::data::catalog::Atom;
use crate::data::synth::chain::TypeGraph;
use crate::data::synth::mutate::{self, Operator};
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

struct AtomMutant {
    operator: Operator,
    change: String,
    function: FunctionId,
}

/// The mutants of atoms, as functions of an oracle whose first functions are the atoms. An atom
/// is mutated when it is first asked for.
#[derive(Default)]
pub struct Rivals {
    by_atom: HashMap<usize, Vec<AtomMutant>>,
}

impl Rivals {
    /// All rivals of a chain that take and return what it takes and returns.
    pub fn of(&mut self, chain: &[usize], atoms: &[Atom], oracle: &mut Oracle<'_>) -> Vec<Rival> {
        let graph = TypeGraph::new(atoms);
        let mut rivals = Vec::new();
        for (place, &atom) in chain.iter().enumerate() {
            for mutant in self.mutants(atom, atoms, oracle) {
                let mut functions = chain.to_vec();
                functions[place] = mutant.function;
                let change = format!("{}, {}", atoms[atom].id, mutant.change);
                rivals.push(Rival { operator: mutant.operator, change, functions });
            }
        }
        let output = |chain: &[usize]| atoms[chain[chain.len() - 1]].output;
        let ids = |chain: &[usize]| {
            chain.iter().map(|&atom| atoms[atom].id.as_str()).collect::<Vec<_>>().join(" > ")
        };
        let dropped = graph.shortened(chain).into_iter().filter(|shorter| output(shorter) == output(chain));
        let structural = dropped
            .map(|shorter| (Operator::DroppedStep, shorter))
            .chain(graph.swapped(chain).into_iter().map(|other| (Operator::SwappedSteps, other)));
        rivals.extend(structural.map(|(operator, functions)| {
            let change = format!("only {}", ids(&functions));
            Rival { operator, change, functions }
        }));
        rivals
    }

    fn mutants(&mut self, place: usize, atoms: &[Atom], oracle: &mut Oracle<'_>) -> &[AtomMutant] {
        self.by_atom.entry(place).or_insert_with(|| {
            let atom = &atoms[place];
            let add = |mutant: mutate::Mutant| AtomMutant {
                operator: mutant.operator,
                change: mutant.change,
                function: oracle.add(&mutant.source, &atom.id, atom.output),
            };
            mutate::mutants(&atom.source).into_iter().map(add).collect()
        })
    }
}

/// Inputs, what a chain returns on each, and the rivals that are tried on them.
pub struct Trial<'t> {
    pub inputs: &'t [Value],
    pub expected: &'t Outputs,
    pub rivals: &'t [Rival],
}

/// For each trial and each of its rivals, on which inputs the rival is wrong.
pub fn failures(oracle: &mut Oracle<'_>, trials: &[Trial<'_>]) -> Result<Vec<Vec<Vec<bool>>>> {
    let requests: Vec<(&[FunctionId], &[Value])> = trials
        .iter()
        .flat_map(|trial| trial.rivals.iter().map(|rival| (rival.functions.as_slice(), trial.inputs)))
        .collect();
    let mut outputs = oracle.run(&requests)?.into_iter();
    let wrong = |trial: &Trial<'_>, outputs: Outputs| -> Vec<bool> {
        outputs.iter().zip(trial.expected).map(|(output, expected)| output != expected).collect()
    };
    Ok(trials
        .iter()
        .map(|trial| outputs.by_ref().take(trial.rivals.len()).map(|found| wrong(trial, found)).collect())
        .collect())
}
