//! Wrong versions of a chain: one atom mutated, a step left out, two steps swapped, another atom in the place
//! of one, an atom too many. Hidden cases are there to refuse them.

use std::iter::zip;

use itertools::Itertools;

use crate::base::{Result, Seed};
use crate::data::probe::{N_COMMON, shared_probes};
use crate::data::problem::chain_key;
use crate::data::synth::chain::Chain;
use crate::data::synth::mutate::{Operator, mutants};
use crate::data::synth::oracle::Oracle;
use crate::data::value::Value;

/// Inputs, and what a chain returns on each; `None` where it fails.
pub type Exam = Vec<(Value, Option<Value>)>;

/// Most rivals are refused by the first cases, so the others are asked only where these were passed.
const CASES_AT_ONCE: usize = 3;

/// A chain of functions that is the reference but for one change, and what became of it.
#[derive(Debug, Clone)]
pub struct Rival {
    /// Place of the reference among the chains that were asked for.
    pub chain: usize,
    pub operator: Operator,
    /// What was changed, in words.
    pub change: String,
    pub functions: Chain,
    /// The first hidden case that refuses it.
    pub refused_by: Option<usize>,
    /// On which further questions it is wrong; empty where it is refused.
    pub wrong_on: Vec<bool>,
}

impl Oracle<'_> {
    /// What each chain returns on `count` inputs of its first atom's domain, computed atom by atom; first,
    /// where `common` draws them, on the inputs that all chains of its input type share.
    pub fn exams(
        &mut self,
        chains: &[Chain],
        common: Option<Seed>,
        count: usize,
        seed: Seed,
    ) -> Result<Vec<Exam>> {
        let inputs = |chain: &Chain| {
            let first = &self.catalog.atoms()[chain[0]];
            let common = common.map_or(vec![], |seed| shared_probes(first.input, N_COMMON, seed));
            common.into_iter().chain(first.probes(count, seed)).unique().collect()
        };
        let inputs: Vec<Vec<Value>> = chains.iter().map(inputs).collect();
        let outputs = self.run(chains.iter().zip(&inputs))?;
        Ok(inputs.into_iter().zip(outputs).map(|(inputs, outputs)| zip(inputs, outputs).collect()).collect())
    }

    /// Tries all rivals of each chain on its hidden cases, and those that the cases accept on more.
    pub fn trial(&mut self, chains: &[Chain], cases: &[Exam], more: &[Exam]) -> Result<Vec<Rival>> {
        let rivals = chains.iter().enumerate().flat_map(|(index, chain)| self.rivals(index, chain));
        let mut rivals: Vec<Rival> = rivals.collect();
        let most = cases.iter().map(Vec::len).max().unwrap_or(0);
        for asked in (0..most).step_by(CASES_AT_ONCE) {
            let some = |exam: &Exam| exam.iter().skip(asked).take(CASES_AT_ONCE).cloned().collect();
            let mut left = rivals.iter_mut().filter(|rival| rival.refused_by.is_none()).collect_vec();
            self.examine(left.iter_mut().map(|rival| &mut **rival), &cases.iter().map(some).collect_vec())?;
            for rival in left {
                let refusing = std::mem::take(&mut rival.wrong_on).iter().position(|wrong| *wrong);
                rival.refused_by = refusing.map(|place| asked + place);
            }
        }
        self.examine(rivals.iter_mut().filter(|rival| rival.refused_by.is_none()), more)?;
        Ok(rivals)
    }

    /// On which questions of its chain's exam each rival is wrong.
    fn examine<'r>(&mut self, rivals: impl IntoIterator<Item = &'r mut Rival>, exams: &[Exam]) -> Result<()> {
        let rivals: Vec<&mut Rival> = rivals.into_iter().collect();
        let inputs = |rival: &Rival| exams[rival.chain].iter().map(|(input, _)| input);
        let outputs = self.run(rivals.iter().map(|rival| (&rival.functions, inputs(rival))))?;
        for (rival, outputs) in rivals.into_iter().zip(outputs) {
            rival.wrong_on = zip(outputs, &exams[rival.chain]).map(|(a, (_, b))| a != *b).collect();
        }
        Ok(())
    }

    /// All rivals of a chain that take and return what it takes and returns.
    fn rivals(&mut self, index: usize, chain: &Chain) -> Vec<Rival> {
        let (catalog, atoms) = (self.catalog, self.catalog.atoms());
        let rival = |operator, change, functions| Rival {
            chain: index,
            operator,
            change,
            functions,
            refused_by: None,
            wrong_on: Vec::new(),
        };
        let mut rivals = Vec::new();
        for (place, atom) in chain.iter().map(|&atom| &atoms[atom]).enumerate() {
            for mutant in mutants(&atom.source) {
                let mut functions = chain.clone();
                functions[place] = self.add(&mutant.source, (atom.input, atom.output));
                rivals.push(rival(mutant.operator, format!("{}, {}", atom.id, mutant.change), functions));
            }
        }
        let dropped = catalog.shortened(chain).into_iter().map(|chain| (Operator::DroppedStep, chain));
        let swapped = catalog.swapped(chain).into_iter().map(|chain| (Operator::SwappedSteps, chain));
        for (operator, functions) in dropped.chain(swapped) {
            if self.types(&functions) == self.types(chain) {
                let key = chain_key(functions.iter().map(|&atom| &atoms[atom].id));
                rivals.push(rival(operator, format!("only {key}"), functions));
            }
        }
        for (place, &atom) in chain.iter().enumerate() {
            for other in
                (0..atoms.len()).filter(|&other| other != atom && self.types(&[other]) == self.types(&[atom]))
            {
                let mut functions = chain.clone();
                functions[place] = other;
                let change = format!("{} in the place of {}", atoms[other].id, atoms[atom].id);
                rivals.push(rival(Operator::WrongHelper, change, functions));
            }
        }
        for place in 0..=chain.len() {
            let here = chain.get(place).map_or(self.types(chain).1, |&next| atoms[next].input);
            for extra in (0..atoms.len()).filter(|&extra| self.types(&[extra]) == (here, here)) {
                let functions = [&chain[..place], &[extra], &chain[place..]].concat();
                let change = format!("{} besides, as step {}", atoms[extra].id, place + 1);
                rivals.push(rival(Operator::ExtraStep, change, functions));
            }
        }
        rivals
    }
}
