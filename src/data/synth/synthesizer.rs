//! Draws candidate chains, keeps the valid ones, picks among them and makes them problems.

use std::collections::{BTreeMap, HashSet};

use crate::base::error::{Error, Result};
use crate::base::seed::Seed;
use crate::data::catalog::{Atom, Catalog};
use crate::data::probe::{domain_probes, shared_probes};
use crate::data::problem::{Case, Problem, Set};
use crate::data::python::{self, assemble};
use crate::data::synth::behavior::{BehaviorIndex, Fingerprint};
use crate::data::synth::chain::{Chain, Topics, TypeGraph};
use crate::data::synth::oracle::{FunctionId, Oracle, Outputs};
use crate::data::synth::rivals::{self, Rival, Rivals, Trial};
use crate::data::synth::rules::{Rejection, Rules};
use crate::data::synth::{cases, prompt};
use crate::data::value::Value;
use crate::sandbox::{CaseOutput, Job, Limits, Sandbox};

/// Hidden cases a problem, before those that are added to refuse wrong programs.
pub const N_CASES: usize = 12;

/// Most hidden cases a problem.
pub const MAX_CASES: usize = 20;

/// Shared probe inputs a type: on these, chains are told apart.
const SHARED_PROBES: usize = 48;

/// Inputs from the first atom's own domain: on these, outputs must vary and steps must matter.
const DOMAIN_PROBES: usize = 40;

/// Inputs that hidden cases are chosen from.
const CASE_POOL: usize = 160;

/// Chains whose rivals are run together; bounds the memory that takes.
const CHAINS_PER_BATCH: usize = 64;

/// Valid candidates wanted for each chain that is picked; more make atoms occur more evenly.
const OVERSAMPLING: usize = 3;

/// Rounds of drawing before a request is given up as too large.
const MAX_ROUNDS: usize = 8;

/// How often each atom occurs in the chains picked so far.
#[derive(Debug, Clone, Default)]
pub struct Usage(BTreeMap<usize, usize>);

impl Usage {
    pub fn of(&self, atom: usize) -> usize {
        self.0.get(&atom).copied().unwrap_or(0)
    }

    fn add(&mut self, chain: &[usize]) {
        for &atom in chain {
            *self.0.entry(atom).or_default() += 1;
        }
    }
}

/// A chain whose hidden cases are being chosen.
struct Draft<'d> {
    chain: &'d [usize],
    pool: &'d [Value],
    outputs: &'d Outputs,
    /// Places in the pool.
    chosen: Vec<usize>,
}

impl Draft<'_> {
    fn cases(&self) -> Vec<Case> {
        let case = |&place: &usize| {
            let expected = self.outputs[place].clone()?;
            Some(Case { input: self.pool[place].clone(), expected })
        };
        self.chosen.iter().filter_map(case).collect()
    }
}

fn in_batches(drafts: Vec<Draft<'_>>) -> Vec<Vec<Draft<'_>>> {
    let mut batches: Vec<Vec<Draft>> = Vec::new();
    for draft in drafts {
        match batches.last_mut() {
            Some(batch) if batch.len() < CHAINS_PER_BATCH => batch.push(draft),
            _ => batches.push(vec![draft]),
        }
    }
    batches
}

/// A chain that keeps all rules that concern it alone.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub chain: Chain,
    pub fingerprint: Fingerprint,
}

pub struct Synthesizer<'a> {
    atoms: &'a [Atom],
    sandbox: &'a Sandbox,
    rules: Rules,
    seed: Seed,
    /// The atoms are its first functions, at their places in the catalog.
    oracle: Oracle<'a>,
    rivals: Rivals,
    /// Atoms, and chains that were picked.
    taken: BehaviorIndex,
    /// Behaviors of all pairs of atoms, picked or not; filled when a deeper chain is asked for.
    pairs: Option<HashSet<Fingerprint>>,
    /// Candidates that were looked at, and what became of those that were not kept.
    pub considered: usize,
    pub rejected: BTreeMap<Rejection, usize>,
}

impl<'a> Synthesizer<'a> {
    pub fn new(catalog: &'a Catalog, sandbox: &'a Sandbox, rules: Rules, seed: Seed) -> Result<Self> {
        let atoms = catalog.atoms();
        let mut oracle = Oracle::new(sandbox);
        for atom in atoms {
            oracle.add(&atom.source, &atom.id, atom.output);
        }
        let mut synthesizer = Synthesizer {
            atoms,
            sandbox,
            rules,
            seed,
            oracle,
            rivals: Rivals::default(),
            taken: BehaviorIndex::default(),
            pairs: None,
            considered: 0,
            rejected: BTreeMap::new(),
        };
        let alone: Vec<Chain> = (0..atoms.len()).map(|place| vec![place]).collect();
        for (chain, fingerprint) in alone.iter().zip(synthesizer.fingerprints(&alone)?) {
            let id = key(atoms, chain);
            let fingerprint = fingerprint
                .ok_or_else(|| Error::Data(format!("atom `{id}` fails on a probe; see `catalog check`")))?;
            synthesizer.taken.insert(&id, fingerprint);
        }
        Ok(synthesizer)
    }

    /// Valid candidates for `count` chains, in an order drawn from the seed: a few times as many
    /// where the catalog has them, fewer than `count` where it has not.
    pub fn pool(&mut self, topics: Topics, depth: usize, count: usize) -> Result<Vec<Candidate>> {
        if depth > 2 && self.pairs.is_none() {
            let pairs = TypeGraph::new(self.atoms).pairs(None);
            self.pairs = Some(self.fingerprints(&pairs)?.into_iter().flatten().collect());
        }
        let mut rng = self.seed.stream(&format!("chains {topics} {depth}"));
        let mut seen = HashSet::new();
        let mut pool = Vec::new();
        for _ in 0..MAX_ROUNDS {
            let wanted = OVERSAMPLING * count;
            let drawn = TypeGraph::new(self.atoms).draw(topics, depth, wanted, &mut seen, &mut rng);
            if drawn.is_empty() || pool.len() >= wanted {
                break;
            }
            self.considered += drawn.len();
            pool.extend(self.valid(drawn)?);
        }
        Ok(pool)
    }

    /// Picks `count` chains out of the pool, those of rarely used atoms first, and returns them
    /// with what is left of the pool. A chain that behaves like one taken before is passed over.
    pub fn pick(
        &mut self,
        mut pool: Vec<Candidate>,
        count: usize,
        usage: &mut Usage,
        allowed: impl Fn(&Chain) -> bool,
    ) -> Result<(Vec<Chain>, Vec<Candidate>)> {
        let mut picked = Vec::with_capacity(count);
        while picked.len() < count {
            let rank =
                |candidate: &Candidate| -> usize { candidate.chain.iter().map(|&atom| usage.of(atom)).sum() };
            let next = pool
                .iter()
                .enumerate()
                .filter(|(_, candidate)| allowed(&candidate.chain))
                .min_by_key(|(place, candidate)| (rank(candidate), *place))
                .map(|(place, _)| place);
            let Some(place) = next else {
                return Err(Error::Data(format!(
                    "the catalog has only {} of the {count} chains asked for; ask for fewer",
                    picked.len()
                )));
            };
            let candidate = pool.remove(place);
            let nearest = self.taken.nearest(&candidate.fingerprint);
            if nearest.is_some_and(|(_, agreement)| agreement >= self.rules.max_agreement) {
                self.reject(Rejection::SameBehavior);
                continue;
            }
            usage.add(&candidate.chain);
            self.taken.insert(&key(self.atoms, &candidate.chain), candidate.fingerprint);
            picked.push(candidate.chain);
        }
        Ok((picked, pool))
    }

    /// The chains as problems of `set`, hidden cases computed by their reference programs.
    pub fn problems(&mut self, chains: &[Chain], set: Set) -> Result<Vec<Problem>> {
        let pools: Vec<Vec<Value>> = chains.iter().map(|chain| self.case_pool(chain)).collect();
        let requests: Vec<(&[FunctionId], &[Value])> =
            chains.iter().zip(&pools).map(|(chain, pool)| (chain.as_slice(), pool.as_slice())).collect();
        let outputs = self.oracle.run(&requests)?;
        let mut problems = Vec::with_capacity(chains.len());
        let drafts: Vec<Draft> = chains
            .iter()
            .zip(&pools)
            .zip(&outputs)
            .map(|((chain, pool), outputs)| {
                let first = &self.atoms[chain[0]];
                let n_edges = first.domain.edges.len();
                Draft { chain, pool, outputs, chosen: cases::choose(pool, n_edges, outputs, N_CASES) }
            })
            .collect();
        for mut batch in in_batches(drafts) {
            self.reinforce(&mut batch)?;
            problems.extend(batch.iter().map(|draft| self.problem(draft.chain, set, draft.cases())));
        }
        self.confirm(&problems)?;
        Ok(problems)
    }

    /// Adds cases that refuse the rivals which the chosen cases accept.
    fn reinforce(&mut self, drafts: &mut [Draft<'_>]) -> Result<()> {
        let rivals: Vec<Vec<Rival>> =
            drafts.iter().map(|draft| self.rivals.of(draft.chain, self.atoms, &mut self.oracle)).collect();
        let cases: Vec<(Vec<Value>, Outputs)> = drafts
            .iter()
            .map(|draft| draft.cases().into_iter().map(|case| (case.input, Some(case.expected))).unzip())
            .collect();
        let trials: Vec<Trial> = cases
            .iter()
            .zip(&rivals)
            .map(|((inputs, expected), rivals)| Trial { inputs, expected, rivals })
            .collect();
        let failures = rivals::failures(&mut self.oracle, &trials)?;
        let accepted: Vec<Vec<Rival>> = rivals
            .iter()
            .zip(failures)
            .map(|(rivals, failures)| {
                let accepted = rivals.iter().zip(failures).filter(|(_, wrong)| !wrong.contains(&true));
                accepted.map(|(rival, _)| rival.clone()).collect()
            })
            .collect();
        let trials: Vec<Trial> = drafts
            .iter()
            .zip(&accepted)
            .map(|(draft, rivals)| Trial { inputs: draft.pool, expected: draft.outputs, rivals })
            .collect();
        let failures = rivals::failures(&mut self.oracle, &trials)?;
        for (draft, failures) in drafts.iter_mut().zip(failures) {
            cases::reinforce(&mut draft.chosen, &failures, MAX_CASES);
        }
        Ok(())
    }

    fn problem(&self, chain: &[usize], set: Set, cases: Vec<Case>) -> Problem {
        let atoms: Vec<&Atom> = chain.iter().map(|&place| &self.atoms[place]).collect();
        let key = key(self.atoms, chain);
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
            reference: assemble(atoms.iter().map(|atom| atom.step())),
            cases,
        }
    }

    /// Runs every reference program on its cases: it must return what was composed from its atoms.
    fn confirm(&self, problems: &[Problem]) -> Result<()> {
        let jobs: Vec<Job> = problems.iter().map(reference_job).collect();
        for (problem, outputs) in problems.iter().zip(self.sandbox.outputs(&jobs)) {
            let outputs = outputs.map_err(Error::Sandbox)?;
            for (case, output) in problem.cases.iter().zip(outputs) {
                let expected = case.expected.to_json();
                if output != CaseOutput::Value(expected.clone()) {
                    return Err(Error::Data(format!(
                        "`{}` on {}: the reference program gives {output:?}, its atoms one by one {expected}; \
                         is an atom impure?",
                        problem.key,
                        case.input.to_json()
                    )));
                }
            }
        }
        Ok(())
    }

    fn case_pool(&self, chain: &[usize]) -> Vec<Value> {
        let first = &self.atoms[chain[0]];
        let seed = self.seed.child("cases").child(&first.id);
        domain_probes(&first.domain, first.input, CASE_POOL, seed)
    }

    /// Behavior on the shared probes; `None` for a chain that fails on one.
    fn fingerprints(&mut self, chains: &[Chain]) -> Result<Vec<Option<Fingerprint>>> {
        let seed = self.seed.child("probes");
        let probes: BTreeMap<_, _> = self
            .atoms
            .iter()
            .map(|atom| (atom.input, shared_probes(atom.input, SHARED_PROBES, seed)))
            .collect();
        let types = |chain: &Chain| (self.atoms[chain[0]].input, self.atoms[chain[chain.len() - 1]].output);
        let requests: Vec<(&[FunctionId], &[Value])> =
            chains.iter().map(|chain| (chain.as_slice(), probes[&types(chain).0].as_slice())).collect();
        let outputs = self.oracle.run(&requests)?;
        Ok(chains
            .iter()
            .zip(&outputs)
            .map(|(chain, outputs)| {
                let complete = outputs.iter().all(Option::is_some);
                complete.then(|| Fingerprint::new(types(chain).0, types(chain).1, outputs))
            })
            .collect())
    }

    /// The drawn chains that keep the rules, with their fingerprints.
    fn valid(&mut self, drawn: Vec<Chain>) -> Result<Vec<Candidate>> {
        let graph = TypeGraph::new(self.atoms);
        let own: Vec<Vec<Value>> = self
            .atoms
            .iter()
            .map(|atom| {
                let seed = self.seed.child("domain").child(&atom.id);
                domain_probes(&atom.domain, atom.input, DOMAIN_PROBES, seed)
            })
            .collect();
        let with_shortened: Vec<Vec<Chain>> =
            drawn.iter().map(|chain| [vec![chain.clone()], graph.shortened(chain)].concat()).collect();
        let requests: Vec<(&[FunctionId], &[Value])> = with_shortened
            .iter()
            .flatten()
            .zip(with_shortened.iter().flat_map(|group| group.iter().map(|_| group[0][0])))
            .map(|(chain, first)| (chain.as_slice(), own[first].as_slice()))
            .collect();
        let mut outputs = self.oracle.run(&requests)?.into_iter();
        let mut kept = Vec::new();
        for group in with_shortened {
            let group_outputs: Vec<Outputs> = outputs.by_ref().take(group.len()).collect();
            match self.judge(&group[0], &group_outputs) {
                Ok(()) => kept.extend(group.into_iter().next()),
                Err(rejection) => self.reject(rejection),
            }
        }
        let fingerprints = self.fingerprints(&kept)?;
        let mut candidates = Vec::with_capacity(kept.len());
        for (chain, fingerprint) in kept.into_iter().zip(fingerprints) {
            let Some(fingerprint) = fingerprint else {
                self.reject(Rejection::Fails);
                continue;
            };
            if chain.len() > 2 && self.pairs.as_ref().is_some_and(|pairs| pairs.contains(&fingerprint)) {
                self.reject(Rejection::SameBehavior);
            } else {
                candidates.push(Candidate { chain, fingerprint });
            }
        }
        Ok(candidates)
    }

    /// `outputs`: of the chain, then of the chain with each step left out.
    fn judge(&self, chain: &[usize], outputs: &[Outputs]) -> std::result::Result<(), Rejection> {
        let (whole, shortened) = outputs.split_first().ok_or(Rejection::Fails)?;
        self.rules.check_outputs(self.atoms[chain[chain.len() - 1]].output, whole)?;
        shortened.iter().try_for_each(|variant| self.rules.check_variant(whole, variant))
    }

    fn reject(&mut self, rejection: Rejection) {
        *self.rejected.entry(rejection).or_default() += 1;
    }
}

/// The reference program of a problem on the inputs of its cases.
pub fn reference_job(problem: &Problem) -> Job {
    Job {
        program: problem.reference.clone(),
        entry: problem.entry.clone(),
        inputs: problem.cases.iter().map(|case| vec![case.input.to_json()]).collect(),
        expected: Vec::new(),
        limits: Limits::default(),
        stop_at_first_failure: false,
    }
}

/// A chain's key: the ids of its atoms joined by ` > `.
fn key(atoms: &[Atom], chain: &[usize]) -> String {
    let ids: Vec<&str> = chain.iter().map(|&place| atoms[place].id.as_str()).collect();
    ids.join(" > ")
}
