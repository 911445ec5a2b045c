//! Draws candidate chains, keeps the valid ones, picks among them and makes them problems.

use std::collections::{BTreeMap, HashSet};

use itertools::Itertools;

use crate::base::{Error, Result, Seed};
use crate::data::catalog::{Atom, Catalog};
use crate::data::problem::{Case, Problem, Set, chain_key};
use crate::data::python::{self, assemble};
use crate::data::synth::chain::{Chain, Topics};
use crate::data::synth::oracle::Oracle;
use crate::data::synth::rivals::Exam;
use crate::data::synth::rules::{Fingerprint, Outputs, Rejection, Rules};
use crate::data::synth::{cases, prompt};
use crate::data::value::Value;
use crate::sandbox::Sandbox;

/// Hidden cases a problem, before those that are added to refuse wrong programs.
pub const N_CASES: usize = 12;

/// Most hidden cases a problem.
pub const MAX_CASES: usize = 20;

/// Shared probe inputs a type: on these, chains are told apart.
const SHARED_PROBES: usize = 48;

/// Inputs from the first atom's own domain: on these, outputs must vary and steps must matter.
const DOMAIN_PROBES: usize = 40;

/// Inputs that hidden cases are chosen from. A wrong program that differs on one input of so many is noticed.
const CASE_POOL: usize = 320;

/// Inputs of a domain that two chains are compared on first.
const FIRST_INPUTS: usize = 20;

/// Two chains that agree on this share of the shared probes are compared on their own domains, too.
const NEAR: f64 = 0.25;

/// Chains whose rivals are run together; bounds the memory that takes.
const CHAINS_PER_BATCH: usize = 64;

/// Valid candidates wanted for each chain that is picked; more make atoms occur more evenly.
const OVERSAMPLING: usize = 3;

/// Rounds of drawing before a request is given up as too large.
const MAX_ROUNDS: usize = 8;

/// Number of chains by depth.
pub type Sizes = BTreeMap<usize, usize>;

/// A chain that keeps all rules that concern it alone, and what it does.
pub type Candidate = (Chain, Fingerprint);

pub struct Synthesizer<'a> {
    oracle: Oracle<'a>,
    rules: Rules,
    seed: Seed,
    /// The atoms, and the chains that were picked.
    taken: Vec<Candidate>,
    /// Of each atom's domain, the inputs that hidden cases are chosen from.
    pools: Vec<Vec<Value>>,
    /// What pairs of atoms do, picked or not; filled when a deeper chain is asked for.
    pairs: HashSet<Fingerprint>,
    /// Candidates that were looked at, and what became of those that were not kept.
    pub considered: usize,
    pub rejected: BTreeMap<Rejection, usize>,
}

impl<'a> Synthesizer<'a> {
    pub fn new(catalog: &'a Catalog, sandbox: &'a Sandbox, rules: Rules, seed: Seed) -> Result<Self> {
        let pool = |atom: &Atom| atom.probes(CASE_POOL, seed.child("cases"));
        let mut synthesizer = Synthesizer {
            oracle: Oracle::new(catalog, sandbox),
            rules,
            seed,
            taken: Vec::new(),
            pools: catalog.atoms().iter().map(pool).collect(),
            pairs: HashSet::new(),
            considered: 0,
            rejected: BTreeMap::new(),
        };
        let alone: Vec<Chain> = (0..catalog.atoms().len()).map(|place| vec![place]).collect();
        let fingerprints = synthesizer.fingerprints(&alone)?;
        for ((atom, place), fingerprint) in catalog.atoms().iter().zip(alone).zip(fingerprints) {
            let (chain, message) = (atom.id.clone(), "fails on a probe; see `catalog check`".to_owned());
            synthesizer.taken.push((place, fingerprint.ok_or(Error::Chain { chain, message })?));
        }
        Ok(synthesizer)
    }

    /// Valid candidates for `sizes` many chains over `topics`, in an order drawn from the seed: a few
    /// times as many where the catalog has them, fewer than asked for where it has not.
    pub fn candidates(&mut self, topics: Topics, sizes: &Sizes) -> Result<Vec<Candidate>> {
        let mut candidates = Vec::new();
        for (&depth, &count) in sizes {
            if depth > 2 && self.pairs.is_empty() {
                let pairs = self.oracle.catalog.pairs();
                self.pairs = self.fingerprints(&pairs)?.into_iter().flatten().collect();
            }
            let mut rng = self.seed.stream(&format!("chains {topics} {depth}"));
            let (mut seen, enough) = (HashSet::new(), candidates.len() + OVERSAMPLING * count);
            for _ in 0..MAX_ROUNDS {
                let drawn =
                    self.oracle.catalog.draw(topics, depth, OVERSAMPLING * count, &mut seen, &mut rng);
                if drawn.is_empty() || candidates.len() >= enough {
                    break;
                }
                self.considered += drawn.len();
                candidates.extend(self.valid(drawn)?);
            }
        }
        Ok(candidates)
    }

    /// Takes `sizes` many chains out of the candidates, those of rarely used atoms first. A chain that
    /// behaves like one taken before is passed over.
    pub fn pick(
        &mut self,
        candidates: &mut Vec<Candidate>,
        sizes: &Sizes,
        allowed: impl Fn(&Chain) -> bool,
    ) -> Result<Vec<Chain>> {
        let (mut usage, mut chains) = (vec![0; self.oracle.catalog.atoms().len()], Vec::new());
        for (&depth, &count) in sizes {
            let mut picked = 0;
            while picked < count {
                let used = |chain: &Chain| chain.iter().map(|&atom| usage[atom]).sum::<usize>();
                let left = candidates.iter().map(|(chain, _)| chain).enumerate();
                let fitting = left.filter(|(_, chain)| chain.len() == depth && allowed(chain));
                let Some((place, _)) = fitting.min_by_key(|(_, chain)| used(chain)) else {
                    let message = format!(
                        "the catalog has only {picked} of the {count} chains of depth {depth} asked for; ask for fewer",
                    );
                    return Err(Error::config("count", message));
                };
                let (chain, fingerprint) = candidates.remove(place);
                if self.behaves_like_taken(&chain, &fingerprint)? {
                    self.reject(Rejection::SameBehavior);
                    continue;
                }
                chain.iter().for_each(|&atom| usage[atom] += 1);
                self.taken.push((chain.clone(), fingerprint));
                chains.push(chain);
                picked += 1;
            }
        }
        Ok(chains)
    }

    /// Whether a chain behaves like one that was taken: on most shared probes, or on all inputs of the domain of
    /// either's first atom, as `sort_unique > sort_by_last_digit` and `sort_unique > sort_by_digit_sum` do
    /// where numbers have one digit.
    fn behaves_like_taken(&mut self, chain: &Chain, fingerprint: &Fingerprint) -> Result<bool> {
        let mut near: Vec<Chain> = Vec::new();
        for (taken, print) in &self.taken {
            match print.agreement(fingerprint) {
                agreement if agreement >= self.rules.max_agreement => return Ok(true),
                agreement if agreement >= NEAR => near.push(taken.clone()),
                _ => {}
            }
        }
        // Nearly all differ on the first few.
        for count in [FIRST_INPUTS, CASE_POOL] {
            let domain = |first: usize| self.pools[first].iter().take(count);
            let asked = near.iter().flat_map(|other| {
                [chain[0], other[0]].map(|first| [(chain, domain(first)), (other, domain(first))])
            });
            let outputs = self.oracle.run(asked.flatten())?;
            let mut same = outputs.chunks(4).map(|pairs| pairs[0] == pairs[1] || pairs[2] == pairs[3]);
            near.retain(|_| same.next().unwrap_or(false));
        }
        Ok(!near.is_empty())
    }

    /// The chains as problems of `set`. Hidden cases are computed atom by atom, and every reference
    /// program must pass them.
    pub fn problems(&mut self, chains: &[Chain], set: Set) -> Result<Vec<Problem>> {
        let mut problems = Vec::with_capacity(chains.len());
        for chains in chains.chunks(CHAINS_PER_BATCH) {
            let exams = self.cases(chains)?;
            problems.extend(chains.iter().zip(exams).map(|(chain, cases)| self.problem(chain, set, cases)));
        }
        let references = problems.iter().map(|problem| (problem, problem.reference.clone(), true));
        self.oracle.confirm(&references.collect::<Vec<_>>())?;
        Ok(problems)
    }

    /// Chooses from inputs of each chain: cases by their outputs, then cases that refuse the rivals
    /// which those accept.
    fn cases(&mut self, chains: &[Chain]) -> Result<Vec<Exam>> {
        let common = Some(self.seed.child("probes"));
        let pools = self.oracle.exams(chains, common, CASE_POOL, self.seed.child("cases"))?;
        let edges = |chain: &Chain| self.oracle.catalog.atoms()[chain[0]].domain.edges.len();
        let choose = |(chain, pool): (_, &Exam)| cases::choose(pool, edges(chain), N_CASES);
        let mut chosen: Vec<Vec<usize>> = chains.iter().zip(&pools).map(choose).collect();
        let at = |(pool, places): (&Exam, &Vec<usize>)| places.iter().map(|&at| pool[at].clone()).collect();
        let select = |chosen: &[Vec<usize>]| -> Vec<Exam> { pools.iter().zip(chosen).map(at).collect() };
        let rivals = self.oracle.trial(chains, &select(&chosen), &pools)?;
        let accepted = rivals.into_iter().filter(|rival| rival.refused_by.is_none());
        for (index, failures) in accepted.map(|rival| (rival.chain, rival.wrong_on)).into_group_map() {
            cases::reinforce(&mut chosen[index], &failures, MAX_CASES);
        }
        Ok(select(&chosen))
    }

    fn problem(&self, chain: &[usize], set: Set, cases: Exam) -> Problem {
        let atoms: Vec<&Atom> = chain.iter().map(|&place| &self.oracle.catalog.atoms()[place]).collect();
        let case = |(input, expected): (_, Option<_>)| Some(Case { input, expected: expected? });
        let key = chain_key(atoms.iter().map(|atom| &atom.id));
        Problem {
            prompts: prompt::training(&atoms, self.seed.child("prompts").child(&key)),
            held_out_prompts: prompt::held_out(&atoms),
            key,
            atoms: atoms.iter().map(|atom| atom.id.clone()).collect(),
            topics: atoms.iter().map(|atom| atom.topic.clone()).collect(),
            depth: atoms.len(),
            set,
            input: atoms[0].input,
            output: atoms[atoms.len() - 1].output,
            entry: python::ENTRY.to_owned(),
            reference: assemble(atoms.iter().map(|atom| atom.source.as_str())),
            cases: cases.into_iter().filter_map(case).collect(),
        }
    }

    /// Behavior on the shared probes; `None` for a chain that fails on one.
    fn fingerprints(&mut self, chains: &[Chain]) -> Result<Vec<Option<Fingerprint>>> {
        let prints = self.oracle.fingerprints(chains, SHARED_PROBES, self.seed.child("probes"))?;
        let complete = |print: &Fingerprint| print.outputs.iter().all(Option::is_some);
        Ok(prints.into_iter().map(|print| Some(print).filter(complete)).collect())
    }

    /// The drawn chains that keep the rules, with their fingerprints.
    fn valid(&mut self, drawn: Vec<Chain>) -> Result<Vec<Candidate>> {
        let (catalog, seed) = (self.oracle.catalog, self.seed.child("domain"));
        let own: Vec<_> = catalog.atoms().iter().map(|atom| atom.probes(DOMAIN_PROBES, seed)).collect();
        // Each chain, followed by what it is with one step left out.
        let whole_and_shortened = |chain: Chain| [vec![chain.clone()], catalog.shortened(&chain)].concat();
        let groups: Vec<Vec<Chain>> = drawn.into_iter().map(whole_and_shortened).collect();
        let requests = groups.iter().flat_map(|group| group.iter().map(|chain| (chain, &own[group[0][0]])));
        let mut outputs = self.oracle.run(requests)?.into_iter();
        let mut kept = Vec::new();
        for mut group in groups {
            let outputs: Vec<Outputs> = outputs.by_ref().take(group.len()).collect();
            match self.rules.check(self.oracle.types(&group[0]).1, &outputs) {
                Ok(()) => kept.push(group.swap_remove(0)),
                Err(rejection) => self.reject(rejection),
            }
        }
        let fingerprints = self.fingerprints(&kept)?;
        let mut candidates = Vec::with_capacity(kept.len());
        for (chain, fingerprint) in kept.into_iter().zip(fingerprints) {
            let known = |print| chain.len() > 2 && self.pairs.contains(print);
            match fingerprint {
                None => self.reject(Rejection::Fails),
                Some(fingerprint) if known(&fingerprint) => self.reject(Rejection::SameBehavior),
                Some(fingerprint) => candidates.push((chain, fingerprint)),
            }
        }
        Ok(candidates)
    }

    fn reject(&mut self, rejection: Rejection) {
        *self.rejected.entry(rejection).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::SandboxConfig;

    /// Where numbers have one digit, their digit sum is their last digit: each would solve the other.
    #[test]
    fn chains_that_agree_on_their_own_domain_are_one() {
        let catalog = Catalog::shipped();
        let sandbox = Sandbox::start(&SandboxConfig::for_this_machine()).unwrap();
        let mut synthesizer = Synthesizer::new(&catalog, &sandbox, Rules::STANDARD, Seed::new(3)).unwrap();
        let place = |id: &str| catalog.position(id).unwrap();
        let chains =
            ["sort_by_last_digit", "sort_by_digit_sum"].map(|id| vec![place("sort_unique"), place(id)]);
        let prints = synthesizer.fingerprints(&chains).unwrap().into_iter().flatten().collect_vec();
        assert!(prints[0].agreement(&prints[1]) < Rules::STANDARD.max_agreement);
        let mut candidates: Vec<Candidate> = chains.into_iter().zip(prints).collect();
        let error = synthesizer.pick(&mut candidates, &[(2, 2)].into(), |_| true).unwrap_err();
        assert!(error.to_string().contains("only 1 of the 2"), "{error}");
        assert_eq!(synthesizer.rejected[&Rejection::SameBehavior], 1);
    }
}
