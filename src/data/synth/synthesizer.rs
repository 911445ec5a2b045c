//! Draws candidate chains, keeps the valid ones, picks among them and makes them problems.

use std::collections::{BTreeMap, HashSet};

use crate::base::Seed;
use crate::base::{Error, Result};
use crate::data::catalog::{Atom, Catalog};
use crate::data::probe::{self, shared_probes};
use crate::data::problem::{Case, Problem, Set, chain_key};
use crate::data::python::{self, assemble};
use crate::data::synth::behavior::Fingerprint;
use crate::data::synth::chain::{Chain, Topics, TypeGraph};
use crate::data::synth::oracle::Outputs;
use crate::data::synth::rivals::{Exam, Rivals};
use crate::data::synth::rules::{Rejection, Rules};
use crate::data::synth::{cases, prompt};
use crate::data::value::Value;
use crate::sandbox::{CaseOutput, Sandbox};

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

/// Number of chains by depth.
pub type Sizes = BTreeMap<usize, usize>;

/// Candidates by depth.
pub type Pools = BTreeMap<usize, Vec<Candidate>>;

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
    rivals: Rivals<'a>,
    /// What atoms do, and chains that were picked.
    taken: Vec<Fingerprint>,
    /// What pairs of atoms do, picked or not; filled when a deeper chain is asked for.
    pairs: Option<HashSet<Fingerprint>>,
    /// Candidates that were looked at, and what became of those that were not kept.
    pub considered: usize,
    pub rejected: BTreeMap<Rejection, usize>,
}

impl<'a> Synthesizer<'a> {
    pub fn new(catalog: &'a Catalog, sandbox: &'a Sandbox, rules: Rules, seed: Seed) -> Result<Self> {
        let atoms = catalog.atoms();
        let mut synthesizer = Synthesizer {
            atoms,
            sandbox,
            rules,
            seed,
            rivals: Rivals::new(catalog, sandbox),
            taken: Vec::new(),
            pairs: None,
            considered: 0,
            rejected: BTreeMap::new(),
        };
        let alone: Vec<Chain> = (0..atoms.len()).map(|place| vec![place]).collect();
        for (atom, fingerprint) in atoms.iter().zip(synthesizer.fingerprints(&alone)?) {
            let (chain, message) = (atom.id.clone(), "fails on a probe; see `catalog check`".to_owned());
            synthesizer.taken.push(fingerprint.ok_or(Error::Chain { chain, message })?);
        }
        Ok(synthesizer)
    }

    /// `sizes` many chains over `topics`, those of rarely used atoms first.
    pub fn chains(
        &mut self,
        topics: Topics,
        sizes: &Sizes,
        allowed: impl Fn(&Chain) -> bool,
    ) -> Result<Vec<Chain>> {
        let mut pools = self.pools(topics, sizes)?;
        self.pick(&mut pools, sizes, allowed)
    }

    /// Candidates for `sizes` many chains, by depth.
    pub fn pools(&mut self, topics: Topics, sizes: &Sizes) -> Result<Pools> {
        sizes.iter().map(|(&depth, &count)| Ok((depth, self.pool(topics, depth, count)?))).collect()
    }

    /// Valid candidates for `count` chains, in an order drawn from the seed: a few times as many
    /// where the catalog has them, fewer than `count` where it has not.
    fn pool(&mut self, topics: Topics, depth: usize, count: usize) -> Result<Vec<Candidate>> {
        if depth > 2 && self.pairs.is_none() {
            let pairs = TypeGraph::new(self.atoms).pairs();
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

    /// Takes `sizes` many chains out of the pools, those of rarely used atoms first. A chain that
    /// behaves like one taken before is passed over.
    pub fn pick(
        &mut self,
        pools: &mut Pools,
        sizes: &Sizes,
        allowed: impl Fn(&Chain) -> bool,
    ) -> Result<Vec<Chain>> {
        let (mut usage, mut chains) = (BTreeMap::<usize, usize>::new(), Vec::new());
        for (depth, &count) in sizes {
            let pool = pools.entry(*depth).or_default();
            let mut picked = 0;
            while picked < count {
                let used = |chain: &Chain| chain.iter().filter_map(|atom| usage.get(atom)).sum::<usize>();
                let next = (0..pool.len())
                    .filter(|&place| allowed(&pool[place].chain))
                    .min_by_key(|&place| (used(&pool[place].chain), place));
                let Some(place) = next else {
                    let message = format!(
                        "the catalog has only {picked} of the {count} chains of depth {depth} asked for; ask for fewer",
                    );
                    return Err(Error::config("count", message));
                };
                let Candidate { chain, fingerprint } = pool.remove(place);
                if self.taken.iter().any(|taken| taken.agreement(&fingerprint) >= self.rules.max_agreement) {
                    self.reject(Rejection::SameBehavior);
                    continue;
                }
                chain.iter().for_each(|&atom| *usage.entry(atom).or_default() += 1);
                self.taken.push(fingerprint);
                chains.push(chain);
                picked += 1;
            }
        }
        Ok(chains)
    }

    /// The chains as problems of `set`, hidden cases computed by their reference programs.
    pub fn problems(&mut self, chains: &[Chain], set: Set) -> Result<Vec<Problem>> {
        let seed = self.seed.child("cases");
        let pools = chains.iter().map(|chain| self.atoms[chain[0]].probes(CASE_POOL, seed)).collect();
        let pools = self.rivals.exams(chains, pools)?;
        let mut problems = Vec::with_capacity(chains.len());
        for (chains, pools) in chains.chunks(CHAINS_PER_BATCH).zip(pools.chunks(CHAINS_PER_BATCH)) {
            for (chain, cases) in chains.iter().zip(self.cases(chains, pools)?) {
                problems.push(self.problem(chain, set, cases));
            }
        }
        self.confirm(&problems)?;
        Ok(problems)
    }

    /// Chooses from each chain's pool: cases by their outputs, then cases that refuse the rivals which
    /// those accept.
    fn cases(&mut self, chains: &[Chain], pools: &[Exam]) -> Result<Vec<Exam>> {
        let choose = |(chain, pool): (&Chain, &Exam)| {
            cases::choose(&pool.expected, self.atoms[chain[0]].domain.edges.len(), N_CASES)
        };
        let mut chosen: Vec<Vec<usize>> = chains.iter().zip(pools).map(choose).collect();
        let select = |chosen: &[Vec<usize>]| {
            pools.iter().zip(chosen).map(|(pool, places)| pool.select(places)).collect()
        };
        let cases: Vec<Exam> = select(&chosen);
        let trial = self.rivals.trial(chains, &cases, pools)?;
        for (chosen, failures) in chosen.iter_mut().zip(&trial.on_more) {
            cases::reinforce(chosen, failures, MAX_CASES);
        }
        Ok(select(&chosen))
    }

    fn problem(&self, chain: &[usize], set: Set, cases: Exam) -> Problem {
        let atoms: Vec<&Atom> = chain.iter().map(|&place| &self.atoms[place]).collect();
        let key = chain_key(atoms.iter().map(|atom| &atom.id));
        let cases = cases.inputs.into_iter().zip(cases.expected);
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
            cases: cases.filter_map(|(input, expected)| Some(Case { input, expected: expected? })).collect(),
        }
    }

    /// Runs every reference program on its cases: it must return what was composed from its atoms.
    fn confirm(&self, problems: &[Problem]) -> Result<()> {
        let inputs = |problem: &Problem| problem.cases.iter().map(|case| case.input.clone()).collect();
        let inputs: Vec<Vec<Value>> = problems.iter().map(inputs).collect();
        let runs = problems.iter().zip(&inputs);
        let runs = runs.map(|(problem, inputs)| (&*problem.reference, &*problem.entry, &**inputs));
        for (problem, outputs) in problems.iter().zip(probe::outputs(self.sandbox, runs)?) {
            for (case, output) in problem.cases.iter().zip(outputs) {
                let expected = case.expected.to_json();
                if output != CaseOutput::Value(expected.clone()) {
                    let message = format!(
                        "on {} the reference program gives {output:?}, its atoms one by one {expected}; \
                         is an atom impure?",
                        case.input.to_json()
                    );
                    return Err(Error::Chain { chain: problem.key.clone(), message });
                }
            }
        }
        Ok(())
    }

    /// Behavior on the shared probes; `None` for a chain that fails on one.
    fn fingerprints(&mut self, chains: &[Chain]) -> Result<Vec<Option<Fingerprint>>> {
        let seed = self.seed.child("probes");
        let probes = |kind| (kind, shared_probes(kind, SHARED_PROBES, seed));
        let probes: BTreeMap<_, _> = self.atoms.iter().map(|atom| probes(atom.input)).collect();
        let graph = TypeGraph::new(self.atoms);
        let requests = chains.iter().map(|chain| (chain, &probes[&graph.types(chain).0]));
        let fingerprint = |(chain, outputs): (&Chain, Outputs)| {
            let complete = outputs.iter().all(Option::is_some);
            complete.then(|| Fingerprint { types: graph.types(chain), outputs })
        };
        Ok(chains.iter().zip(self.rivals.oracle.run(requests)?).map(fingerprint).collect())
    }

    /// The drawn chains that keep the rules, with their fingerprints.
    fn valid(&mut self, drawn: Vec<Chain>) -> Result<Vec<Candidate>> {
        let graph = TypeGraph::new(self.atoms);
        let seed = self.seed.child("domain");
        let own: Vec<_> = self.atoms.iter().map(|atom| atom.probes(DOMAIN_PROBES, seed)).collect();
        let groups: Vec<Vec<Chain>> =
            drawn.into_iter().map(|chain| [vec![chain.clone()], graph.shortened(&chain)].concat()).collect();
        let requests = groups.iter().flat_map(|group| group.iter().map(|chain| (chain, &own[group[0][0]])));
        let mut outputs = self.rivals.oracle.run(requests)?.into_iter();
        let mut kept = Vec::new();
        for group in groups {
            let group_outputs: Vec<Outputs> = outputs.by_ref().take(group.len()).collect();
            match self.judge(&group[0], &group_outputs) {
                Ok(()) => kept.extend(group.into_iter().next()),
                Err(rejection) => self.reject(rejection),
            }
        }
        let mut candidates = Vec::with_capacity(kept.len());
        for (chain, fingerprint) in kept.iter().zip(self.fingerprints(&kept)?) {
            let known =
                |print| chain.len() > 2 && self.pairs.as_ref().is_some_and(|pairs| pairs.contains(print));
            match fingerprint {
                None => self.reject(Rejection::Fails),
                Some(fingerprint) if known(&fingerprint) => self.reject(Rejection::SameBehavior),
                Some(fingerprint) => candidates.push(Candidate { chain: chain.clone(), fingerprint }),
            }
        }
        Ok(candidates)
    }

    /// `outputs`: of the chain, then of the chain with each step left out.
    fn judge(&self, chain: &[usize], outputs: &[Outputs]) -> std::result::Result<(), Rejection> {
        let (whole, shortened) = outputs.split_first().ok_or(Rejection::Fails)?;
        self.rules.check_outputs(TypeGraph::new(self.atoms).types(chain).1, whole)?;
        shortened.iter().try_for_each(|variant| self.rules.check_variant(whole, variant))
    }

    fn reject(&mut self, rejection: Rejection) {
        *self.rejected.entry(rejection).or_default() += 1;
    }
}
