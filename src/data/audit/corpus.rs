//! Corpus audit: what pretraining reads solves no problem of the data set.
//!
//! The generator withholds solutions; the audit does not trust it. It takes documents as text, finds the
//! functions that each describes and holds, and asks of every run of them whether it behaves like a problem: by
//! its outputs on the probes of the leak audit, and by the verifier's word on the hidden cases.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use itertools::Itertools;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result};
use crate::data::catalog::Catalog;
use crate::data::corpus::{Document, Part, parts};
use crate::data::probe::{N_COMMON, shared_probes};
use crate::data::problem::{Problem, Set, chain_key};
use crate::data::split::{N_AUDIT_PROBES, Splits};
use crate::data::synth::{Chain, Fingerprint, Oracle, Types, prompt};
use crate::data::value::Value;
use crate::sandbox::{Sandbox, Verdict};

/// Probes that are tried first: most chains differ from every problem there.
const FIRST_PROBES: usize = 8;

/// A chain in the corpus that behaves like a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorpusHit {
    /// The chain: ids of atoms and descriptions of filler.
    pub chain: String,
    /// How often it was read, in descriptions and in code.
    pub read: usize,
    /// Set of the problem that it solves.
    pub set: Set,
    /// Its key.
    pub key: String,
}

/// What an audit of the corpus found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CorpusReport {
    /// Documents read.
    pub documents: usize,
    /// Those of them that describe or hold more than one step.
    pub chained: usize,
    /// Different chains among them, runs within longer ones included.
    pub chains: usize,
    /// Documents of which a description or a function is none that is known: nothing is said of them.
    pub unknown: usize,
    /// Chains that behave like a problem.
    pub hits: Vec<CorpusHit>,
}

impl CorpusReport {
    /// Whether all was read and nothing was found.
    pub fn is_clean(&self) -> bool {
        self.hits.is_empty() && self.unknown == 0
    }
}

/// Reads documents and looks for chains that behave like a composite problem of `splits`.
///
/// # Errors
/// `Error::Sandbox` where the sandbox fails.
pub fn corpus_audit(
    documents: impl Iterator<Item = Document>,
    splits: &Splits,
    catalog: &Catalog,
    sandbox: &Sandbox,
) -> Result<CorpusReport> {
    let parts = parts(catalog);
    let reader = Reader::new(&parts);
    let mut report = CorpusReport::default();
    let mut read: BTreeMap<Chain, usize> = BTreeMap::new();
    for document in documents {
        report.documents += 1;
        let Some(chains) = reader.read(&document) else {
            report.unknown += 1;
            continue;
        };
        report.chained += usize::from(chains.iter().any(|chain| chain.len() > 1));
        for chain in chains.iter().unique() {
            let runs = (1..=chain.len()).flat_map(|length| chain.windows(length));
            runs.for_each(|run| *read.entry(run.to_vec()).or_default() += 1);
        }
    }
    report.chains = read.len();

    // ---- Places of parts become functions of an oracle.
    let mut oracle = Oracle::new(catalog, sandbox);
    let ids = parts.iter().map(|part| oracle.add(&part.source, part.types)).collect_vec();
    let keys: Vec<&Chain> = read.keys().collect();
    let chains: Vec<Chain> =
        keys.iter().map(|chain| chain.iter().map(|&place| ids[place]).collect()).collect();
    let problems = splits.iter().filter(|problem| problem.depth > 1).collect_vec();
    let mut alike = same_on_probes(&mut oracle, &chains, splits)?;
    let programs = |chain: usize, oracle: &Oracle<'_>| oracle.program(&chains[chain]);
    alike.extend(solving(&mut oracle, &chains, programs, &problems, sandbox)?);
    for (chain, problem) in alike.into_iter().sorted().unique() {
        let (key, Problem { set, key: of, .. }) = (keys[chain], problems[problem]);
        let name = chain_key(key.iter().map(|&place| &parts[place].name));
        report.hits.push(CorpusHit { chain: name, read: read[key], set: *set, key: of.clone() });
    }
    Ok(report)
}

/// A chain and a problem, by their places.
type Pair = (usize, usize);

/// What chains are compared on: types, inputs of the first of these, and what a problem's reference returns.
type Questions = (Types, Vec<Value>, Vec<Option<Value>>);

/// Pairs of a chain and of questions that it answers as the reference does. Questions with the same inputs are
/// asked once.
fn matching(oracle: &mut Oracle<'_>, chains: &[Chain], questions: Vec<Questions>) -> Result<Vec<Pair>> {
    let by_inputs = questions.into_iter().enumerate();
    let by_inputs = by_inputs.map(|(place, (types, inputs, outputs))| ((types, inputs), (outputs, place)));
    let mut pairs = Vec::new();
    for ((types, inputs), answers) in by_inputs.into_group_map().into_iter().sorted() {
        let answers = answers.into_iter().into_group_map();
        let fitting = (0..chains.len()).filter(|&chain| oracle.types(&chains[chain]) == types).collect_vec();
        let outputs = oracle.run(fitting.iter().map(|&chain| (&chains[chain], &inputs)))?;
        let found =
            |(chain, outputs)| answers.get(outputs).into_iter().flatten().map(move |place| (chain, *place));
        pairs.extend(fitting.into_iter().zip(&outputs).flat_map(found));
    }
    Ok(pairs)
}

/// Pairs of a chain and a composite problem that return the same on all probes of the leak audit.
fn same_on_probes(oracle: &mut Oracle<'_>, chains: &[Chain], splits: &Splits) -> Result<Vec<Pair>> {
    let mut pairs = |chains: &[Chain], count| {
        let behaviors = splits.iter().zip(splits.behaviors(oracle, count)?);
        let composites = behaviors.filter(|(problem, _)| problem.depth > 1);
        let questions = |Fingerprint { types, outputs }| {
            (types, shared_probes(types.0, count, splits.audit_seed()), outputs)
        };
        matching(oracle, chains, composites.map(|(_, does)| questions(does)).collect())
    };
    let near = pairs(chains, FIRST_PROBES)?.into_iter().map(|(chain, _)| chain).unique().collect_vec();
    let left = near.iter().map(|&chain| chains[chain].clone()).collect_vec();
    Ok(pairs(&left, N_AUDIT_PROBES)?.into_iter().map(|(chain, problem)| (near[chain], problem)).collect())
}

/// Pairs where the verifier accepts the chain, a `program` as a whole, as a solution of the problem.
pub(super) fn solving<'o>(
    oracle: &mut Oracle<'o>,
    chains: &[Chain],
    program: impl Fn(usize, &Oracle<'o>) -> String,
    problems: &[&Problem],
    sandbox: &Sandbox,
) -> Result<Vec<Pair>> {
    // Problems of the same types share their first cases.
    let questions = |problem: &&Problem| {
        let first = problem.cases.iter().take(N_COMMON).cloned();
        let (inputs, outputs) = first.map(|case| (case.input, Some(case.expected))).unzip();
        ((problem.input, problem.output), inputs, outputs)
    };
    let pairs = matching(oracle, chains, problems.iter().map(questions).collect())?;
    let job = |(chain, place): &Pair| problems[*place].job(program(*chain, oracle));
    let mut accepted = Vec::new();
    for (pair, verdict) in pairs.iter().zip(sandbox.judge(&pairs.iter().map(job).collect_vec())) {
        if let Verdict::Infra(message) = verdict {
            return Err(Error::Sandbox(message));
        }
        accepted.extend((verdict.passed() == Some(true)).then_some(*pair));
    }
    Ok(accepted)
}

/// Finds parts in the text of documents.
struct Reader<'p> {
    /// Places by what documents say of a part.
    described: HashMap<&'p str, usize>,
    /// Places by a function's text from its parameter on.
    coded: HashMap<&'p str, usize>,
}

impl<'p> Reader<'p> {
    fn new(parts: &'p [Part]) -> Self {
        let (mut described, mut coded) = (HashMap::new(), HashMap::new());
        for (place, part) in parts.iter().enumerate() {
            described.extend(part.descriptions.iter().map(|text| (text.as_str(), place)));
            coded.extend(part.source.trim_end().split_once('(').map(|(_, text)| (text, place)));
        }
        Reader { described, coded }
    }

    /// The chain that a document describes, and the one that its code is; `None` where a part is not known.
    fn read(&self, document: &Document) -> Option<[Chain; 2]> {
        let mut said: Vec<String> = document.prompt.lines().flat_map(prompt::steps).collect();
        let mut coded = Chain::new();
        for function in format!("\n{}", document.response).split("\ndef ").skip(1) {
            let is_comment = |line: &&str| line.starts_with("    # ") || line.starts_with("    \"\"\"");
            let (comments, code): (Vec<&str>, Vec<&str>) = function.lines().partition(is_comment);
            said.extend(comments.into_iter().map(str::to_owned));
            match code.join("\n").split_once('(') {
                // The entry of a chain, which only calls.
                Some(("f", _)) => {}
                function => coded.push(*self.coded.get(function?.1)?),
            }
        }
        let text = |line: &String| {
            // `# step 1: ...`, `# name: ...`, `"""....""", `# ...`
            let line = line.trim().trim_start_matches("# ").trim_matches('"').trim_end_matches('.');
            line.rsplit(": ").next().and_then(|text| self.described.get(text).copied())
        };
        Some([said.iter().map(text).collect::<Option<_>>()?, coded])
    }
}

impl fmt::Display for CorpusReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CorpusReport { documents, chained, chains, unknown, hits } = self;
        writeln!(f, "corpus: {documents} documents read, {chained} with chains, {chains} different chains")?;
        if *unknown > 0 {
            writeln!(f, "UNKNOWN: {unknown} documents have a description or a function that no one knows")?;
        }
        for CorpusHit { chain, read, set, key } in hits {
            writeln!(f, "READ: `{chain}`, {read} times, behaves like {} `{key}`", set.name())?;
        }
        write!(f, "{}", if self.is_clean() { "no solution in the corpus" } else { "solutions in the corpus" })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::Seed;
    use crate::data::corpus::{Corpus, CorpusConfig, withheld};
    use crate::sandbox::SandboxConfig;

    #[test]
    fn a_withheld_corpus_is_clean_and_one_that_is_not_is_found_out() {
        let (catalog, splits) = (Catalog::shipped(), Splits::small());
        let sandbox = Sandbox::start(&SandboxConfig::for_this_machine()).unwrap();
        let config = CorpusConfig {
            task: 0.3,
            task_chained: 0.5,
            task_corrupted: 0.4,
            wild_chained: 0.5,
            announced: 0.5,
            filler: 0.1,
            mislabeled: 0.2,
            connectives: 3,
        };
        let audit = |withheld: &BTreeSet<String>, more: Vec<Document>| {
            let corpus = Corpus::new(&catalog, &config, withheld).unwrap();
            let documents = corpus.documents(Seed::new(4), 0, 3_000).into_iter().chain(more);
            corpus_audit(documents, splits, &catalog, &sandbox).unwrap()
        };
        let found = withheld(&catalog, &sandbox, splits).unwrap();
        let report = audit(&found, vec![]);
        assert!(report.is_clean(), "{report}");
        assert_eq!((report.documents, report.unknown), (3_000, 0));
        assert!(report.chained > 1_200 && report.chains > 2_000, "{report}");

        // By ids only, as data of format 3 had it: twins are read.
        let ids =
            splits.iter().map(|problem| problem.key.clone()).filter(|key| key.contains(" > ")).collect();
        let hits = audit(&ids, vec![]).hits;
        assert!(!hits.is_empty());
        assert!(hits.iter().all(|hit| found.iter().any(|key| hit.chain.contains(key))), "{hits:?}");

        // A problem itself, only described or only coded; and a text that nobody knows.
        let problem = &splits.get(Set::CompositeB)[0];
        let other = catalog.get("sort_ascending").unwrap().source.clone();
        let document =
            |prompt: &str, response: &str| Document { prompt: prompt.into(), response: response.into() };
        let planted = [document(&problem.prompts[0], &other), document("", &problem.reference)];
        for document in planted.clone() {
            let report = audit(&found, vec![document]);
            assert_eq!(report.hits.iter().map(|hit| &hit.key).collect_vec(), [&problem.key], "{report}");
        }
        let report = audit(&found, vec![document("# make it nice\n", &other)]);
        assert!(report.unknown == 1 && !report.is_clean(), "{report}");
    }
}
