use std::sync::LazyLock;

use itertools::Itertools;

use super::*;
use crate::data::problem::Problem;
use crate::data::split::Splits;
use crate::sandbox::{Sandbox, SandboxConfig};

const CONFIG: CorpusConfig = CorpusConfig {
    task: 0.35,
    task_chained: 0.5,
    task_corrupted: 0.4,
    wild_chained: 0.5,
    announced: 1.0,
    filler: 0.1,
    mislabeled: 0.2,
    connectives: 3,
};

static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::shipped);

fn documents(config: &CorpusConfig, withheld: &BTreeSet<String>, count: usize) -> Vec<Document> {
    Corpus::new(&CATALOG, config, withheld).unwrap().documents(Seed::new(2), 0, count)
}

#[test]
fn documents_are_a_function_of_seed_and_step() {
    let nothing = BTreeSet::new();
    let corpus = Corpus::new(&CATALOG, &CONFIG, &nothing).unwrap();
    let documents = |seed, step| corpus.documents(Seed::new(seed), step, 20);
    assert_eq!(documents(1, 5), documents(1, 5));
    assert_ne!(documents(1, 5), documents(1, 6));
    assert_ne!(documents(1, 5), documents(2, 5));
}

/// Each setting does what its name says, at both ends.
#[test]
fn settings_decide_what_documents_are_like() {
    let share = |config: CorpusConfig, is: fn(&Document) -> bool| {
        let documents = documents(&config, &BTreeSet::new(), 400);
        documents.iter().filter(|document| is(document)).count() as f64 / 400.0
    };
    let chained = |document: &Document| document.response.contains("def q(x):");
    let wild = CorpusConfig { task: 0.0, ..CONFIG };
    let task = CorpusConfig { task: 1.0, ..CONFIG };
    assert_eq!(share(CorpusConfig { wild_chained: 0.0, ..wild.clone() }, chained), 0.0);
    assert_eq!(share(CorpusConfig { wild_chained: 1.0, ..wild.clone() }, chained), 1.0);
    assert_eq!(share(CorpusConfig { task_chained: 0.0, ..task.clone() }, chained), 0.0);
    assert!((share(CorpusConfig { task_chained: 0.25, ..task.clone() }, chained) - 0.25).abs() < 0.08);

    let chains = CorpusConfig { wild_chained: 1.0, ..wild };
    let silent = |document: &Document| document.prompt.is_empty();
    assert_eq!(share(chains.clone(), silent), 0.0);
    assert_eq!(share(CorpusConfig { announced: 0.0, ..chains.clone() }, silent), 1.0);
    assert!((share(CorpusConfig { announced: 0.15, ..chains.clone() }, silent) - 0.85).abs() < 0.08);
    // Then each helper says its own step, inside.
    let inside = |document: &Document| {
        let (helpers, says) = (document.response.matches("\ndef ").count(), |line: &str| {
            line.starts_with("    # ") || line.starts_with("    \"\"\"")
        });
        document.response.lines().filter(|line| says(line)).count() == helpers
    };
    assert_eq!(share(CorpusConfig { announced: 0.0, ..chains.clone() }, inside), 1.0);

    let later = |document: &Document| CONNECTIVES[1..].iter().any(|text| document.prompt.contains(text));
    for config in [chains, CorpusConfig { task_chained: 1.0, ..task }] {
        assert_eq!(share(CorpusConfig { connectives: 1, ..config.clone() }, later), 0.0);
        assert!(share(config, later) > 0.25);
    }
}

#[test]
fn settings_that_cannot_be_are_named() {
    let nothing = BTreeSet::new();
    for (config, field) in [
        (CorpusConfig { wild_chained: 1.5, ..CONFIG }, "corpus.wild_chained"),
        (CorpusConfig { task: f64::NAN, ..CONFIG }, "corpus.task"),
        (CorpusConfig { connectives: 0, ..CONFIG }, "corpus.connectives"),
    ] {
        let error = Corpus::new(&CATALOG, &config, &nothing).err().unwrap().to_string();
        assert!(error.contains(field), "{error}");
    }
}

#[test]
fn a_withheld_chain_is_in_no_document_as_described_or_as_coded() {
    let config = CorpusConfig { wild_chained: 1.0, ..CONFIG };
    let keys = |withheld: &BTreeSet<String>| {
        let corpus = Corpus::new(&CATALOG, &config, withheld).unwrap();
        let mut rng = Seed::new(2).stream("test");
        let style = Style { chained: 1.0, filler: 0.0, noise: 0.3, wordings: ENGLISH };
        let chains = (0..400).map(|_| corpus.pieces(style, &mut rng)).collect_vec();
        let key = |name: fn(&Piece) -> &String| {
            chains.iter().map(|pieces| chain_key(pieces.iter().map(name))).collect_vec()
        };
        [key(|piece| &piece.described), key(|piece| &piece.coded)].concat()
    };
    let free = keys(&BTreeSet::new());
    // A chain whose second step is filler: keys name filler, too.
    let pair = free.iter().map(|key| key.split(" > ").take(2).join(" > ")).find(|pair| {
        pair.split(" > ").nth(1).is_some_and(|second| second.contains(' ')) && pair.contains('_')
    });
    let pair = pair.unwrap();
    assert!(free.iter().any(|key| key.contains(&pair)));
    let held = keys(&BTreeSet::from([pair.clone()]));
    assert!(!held.iter().any(|key| key.contains(&pair)), "{pair}");
}

/// The verifier is the judge: what is withheld solves a problem (or differs from one on a hidden case, but on no
/// probe: few), and what is written solves none.
#[test]
fn what_is_withheld_is_what_the_verifier_calls_a_solution() {
    let sandbox = Sandbox::start(&SandboxConfig::for_this_machine()).unwrap();
    let splits = Splits::small();
    let withheld = withheld(&CATALOG, &sandbox, splits).unwrap();
    let chains = splits.iter().filter(|problem| problem.depth > 1).collect_vec();
    assert!(chains.iter().all(|problem| withheld.contains(&problem.key)));
    let others =
        withheld.iter().filter(|key| chains.iter().all(|problem| problem.key != **key)).collect_vec();
    assert!(others.len() > 20, "{others:?}");

    let parts = parts(&CATALOG);
    let part = |name: &str| parts.iter().find(|part| part.name == name).unwrap();
    let solved = |steps: &[&Part]| {
        let program = assemble(steps.iter().map(|part| part.source.as_str()));
        let types = (steps[0].types.0, steps[steps.len() - 1].types.1);
        let alike = |problem: &&&Problem| (problem.input, problem.output) == types;
        let jobs = chains.iter().filter(alike).map(|problem| problem.job(program.clone())).collect_vec();
        sandbox.judge(&jobs).iter().any(|verdict| verdict.passed() == Some(true))
    };
    let tried = others.iter().step_by(others.len().div_ceil(60)).collect_vec();
    let good = tried.iter().filter(|key| solved(&key.split(" > ").map(part).collect_vec())).count();
    assert!(good * 10 > tried.len() * 9, "{good} of {}", tried.len());
    let config = CorpusConfig { task: 1.0, task_chained: 1.0, ..CONFIG };
    let corpus = Corpus::new(&CATALOG, &config, &withheld).unwrap();
    let mut rng = Seed::new(3).stream("test");
    let style = Style { chained: 1.0, filler: 0.0, noise: 0.0, wordings: ENGLISH };
    for _ in 0..60 {
        let pieces = corpus.pieces(style, &mut rng);
        let steps = pieces.iter().map(|piece| part(&piece.coded)).collect_vec();
        for length in 2..=steps.len() {
            assert!(!steps.windows(length).any(solved), "{}", chain_key(steps.iter().map(|part| &part.name)));
        }
    }
}
