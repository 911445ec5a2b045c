//! The corpus that the small base model is pretrained on: "wild" Python, generated.
//!
//! A real base LLM has seen much code, little of it in the format of a benchmark, and many
//! comments that do not say what the code does. The generator imitates that: mislabeled comments,
//! filler functions from outside the catalog, few and noisy documents in the task's own format.
//! What results is a base with *partial* zero-shot ability, which both SFT and RL need.
//!
//! Invariant: no document contains a chain of the data set, neither of a test set nor of a training
//! set, neither in what it describes nor in what its code does. Other chains of atoms do occur, of
//! all topics, as a real base LLM has seen functions composed; `docs/regime.md` tells what happens
//! without them. Nor does a task-format document use a description that is held out for paraphrases;
//! wild comments do, as a base LLM knows the words that a benchmark happens to avoid.

use std::collections::BTreeSet;
use std::rc::Rc;

use rand::Rng;
use rand::seq::IndexedRandom;
use serde::{Deserialize, Serialize};

use crate::base::{ChaCha8Rng, Seed};
use crate::data::catalog::{Atom, Catalog, ENGLISH};
use crate::data::problem::chain_key;
use crate::data::python::{Step, assemble};
use crate::data::synth::prompt::{CONNECTIVES, N_TRAINING_DESCRIPTIONS, prompt_text};
use crate::data::value::ValueType;

/// Shares of the kinds of documents and their noise. All are probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusConfig {
    /// Documents in the task's format: the prompt of a problem, then its program.
    pub task: f64,
    /// Task-format documents in which one step's code is another atom's.
    pub task_corrupted: f64,
    /// Documents, of either format, whose program chains steps (atoms and filler).
    pub chained: f64,
    /// Wild documents about filler functions only.
    pub filler: f64,
    /// Wild documents whose comment describes another function.
    pub mislabeled: f64,
}

/// One document, split where a prompt would end so that it tokenizes as the task does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The comment in front, ending in a newline; empty where the comment is inside the function.
    pub prompt: String,
    /// The code, without a newline at the end.
    pub response: String,
}

/// The generator: documents on request, none kept.
pub struct Corpus<'a> {
    catalog: &'a Catalog,
    config: &'a CorpusConfig,
    /// Keys of all chains of the data set.
    withheld: Rc<BTreeSet<String>>,
    seed: Seed,
}

/// A described piece of code: an atom or a filler function.
struct Piece {
    /// The atom that the description is of; `None` for filler.
    described: Option<String>,
    description: String,
    name: String,
    source: String,
    output: ValueType,
}

/// How an atom becomes a piece: described in one of its first `wordings` descriptions; with
/// probability `noise` its code is that of another atom of its signature.
#[derive(Clone, Copy)]
struct Style {
    noise: f64,
    wordings: usize,
}

impl<'a> Corpus<'a> {
    /// `withheld` are the keys of the chains that must not occur.
    pub fn new(
        catalog: &'a Catalog,
        config: &'a CorpusConfig,
        withheld: BTreeSet<String>,
        seed: Seed,
    ) -> Self {
        Corpus { catalog, config, withheld: Rc::new(withheld), seed }
    }

    /// The same corpus, read under another seed.
    pub fn with_seed(&self, seed: Seed) -> Corpus<'a> {
        Corpus { seed, withheld: Rc::clone(&self.withheld), ..*self }
    }

    /// The `count` documents of training step `step`: a pure function of seed and step.
    pub fn documents(&self, step: usize, count: usize) -> Vec<Document> {
        let mut rng = self.seed.child_index(step as u64).stream("documents");
        (0..count).map(|_| self.document(&mut rng)).collect()
    }

    fn document(&self, rng: &mut ChaCha8Rng) -> Document {
        let chained = rng.random_bool(self.config.chained);
        let task = rng.random_bool(self.config.task);
        let style = if task {
            Style { noise: self.config.task_corrupted, wordings: N_TRAINING_DESCRIPTIONS }
        } else {
            Style { noise: self.config.mislabeled, wordings: ENGLISH }
        };
        let pieces = if chained {
            self.chain(style, rng)
        } else if !task && rng.random_bool(self.config.filler) {
            vec![filler(*FILLER_TYPES.choose(rng).unwrap_or(&ValueType::Int), rng)]
        } else {
            let atoms = self.catalog.atoms();
            vec![self.piece(&atoms[rng.random_range(0..atoms.len())], style, rng)]
        };
        match &*pieces {
            _ if task => task_document(&pieces, rng),
            [piece] => wild_function(piece, rng),
            _ => wild_chain(&pieces, rng),
        }
    }

    fn piece(&self, described: &Atom, style: Style, rng: &mut ChaCha8Rng) -> Piece {
        let mut coded = described;
        if rng.random_bool(style.noise) {
            let alike = |atom: &&Atom| atom.input == described.input && atom.output == described.output;
            let alike: Vec<&Atom> = self.catalog.atoms().iter().filter(alike).collect();
            coded = alike.choose(rng).copied().unwrap_or(described);
        }
        Piece {
            described: Some(described.id.clone()),
            description: described.en[rng.random_range(0..style.wordings)].clone(),
            name: coded.id.clone(),
            source: coded.source.clone(),
            output: described.output,
        }
    }

    /// Two or three steps, atoms and filler, types fitting, no chain of the data set among them.
    fn chain(&self, style: Style, rng: &mut ChaCha8Rng) -> Vec<Piece> {
        loop {
            let depth = if rng.random_bool(0.65) { 2 } else { 3 };
            let mut pieces: Vec<Piece> = Vec::with_capacity(depth);
            while pieces.len() < depth {
                let Some(piece) = self.step(pieces.last().map(|last| last.output), style, rng) else { break };
                pieces.push(piece);
            }
            if pieces.len() == depth && !self.tells_of_data_set(&pieces) {
                return pieces;
            }
        }
    }

    /// A step that accepts `kind` (`None`: anything); none where nothing does.
    fn step(&self, kind: Option<ValueType>, style: Style, rng: &mut ChaCha8Rng) -> Option<Piece> {
        let accepts = |input: ValueType| kind.is_none_or(|kind| kind == input);
        let fillable: Vec<ValueType> = FILLER_TYPES.into_iter().filter(|kind| accepts(*kind)).collect();
        if let (true, Some(kind)) = (rng.random_bool(FILLER_SHARE), fillable.choose(rng)) {
            return Some(filler(*kind, rng));
        }
        let accepting: Vec<&Atom> = self.catalog.atoms().iter().filter(|atom| accepts(atom.input)).collect();
        let described = accepting.choose(rng)?;
        Some(self.piece(described, style, rng))
    }

    /// Whether some run of atoms within `pieces`, as described or as coded, is a chain of the data
    /// set.
    fn tells_of_data_set(&self, pieces: &[Piece]) -> bool {
        let ids: [fn(&Piece) -> &str; 2] =
            [|piece| piece.described.as_deref().unwrap_or(""), |piece| &piece.name];
        let key = |run: &[Piece], id: fn(&Piece) -> &str| chain_key(run.iter().map(id));
        let withheld = |run| ids.iter().any(|id| self.withheld.contains(&key(run, *id)));
        (2..=pieces.len()).any(|length| pieces.windows(length).any(withheld))
    }
}

/// Share of filler among the steps of a chain.
const FILLER_SHARE: f64 = 0.3;

const FILLER_TYPES: [ValueType; 4] = [ValueType::Int, ValueType::ListInt, ValueType::Str, ValueType::ListStr];

fn descriptions(pieces: &[Piece]) -> Vec<&str> {
    pieces.iter().map(|piece| piece.description.as_str()).collect()
}

fn program(pieces: &[Piece]) -> String {
    assemble(pieces.iter().map(|piece| Step { name: &piece.name, source: &piece.source }))
}

/// The prompt of a problem, then its program.
fn task_document(pieces: &[Piece], rng: &mut ChaCha8Rng) -> Document {
    let connective = CONNECTIVES.choose(rng).copied().unwrap_or(CONNECTIVES[0]);
    Document { prompt: prompt_text(&descriptions(pieces), connective), response: program(pieces) }
}

/// A comment style that no task prompt uses, then a chain of helpers.
fn wild_chain(pieces: &[Piece], rng: &mut ChaCha8Rng) -> Document {
    let prompt = if rng.random_bool(0.5) {
        let step = |(index, text)| format!("# step {}: {text}\n", index + 1);
        descriptions(pieces).into_iter().enumerate().map(step).collect()
    } else {
        format!("\"\"\"{}.\"\"\"\n", descriptions(pieces).join(", then "))
    };
    Document { prompt, response: program(pieces) }
}

/// One function under its own name, its description in one of three places.
fn wild_function(piece: &Piece, rng: &mut ChaCha8Rng) -> Document {
    let source = piece.source.trim_end();
    let (head, body) = source.split_once('\n').unwrap_or((source, "    return x"));
    let (prompt, response) = match rng.random_range(0..3u8) {
        0 => (format!("# {}: {}\n", piece.name, piece.description), source.to_owned()),
        1 => (String::new(), format!("{head}\n    # {}\n{body}", piece.description)),
        _ => (String::new(), format!("{head}\n    \"\"\"{}.\"\"\"\n{body}", piece.description)),
    };
    Document { prompt, response }
}

/// A function from outside the catalog: simple, parametrized by a random constant or word.
fn filler(kind: ValueType, rng: &mut ChaCha8Rng) -> Piece {
    let n = rng.random_range(3..10);
    let m = rng.random_range(3..10);
    let word = *["a", "ok", "end", "x", "no"].choose(rng).unwrap_or(&"a");
    let choice = rng.random_range(0..3u8);
    let (description, expression) = match (kind, choice) {
        (ValueType::Int, 0) => (format!("add {n}"), format!("x + {n}")),
        (ValueType::Int, 1) => (format!("multiply by {n} and subtract {m}"), format!("x * {n} - {m}")),
        (ValueType::Int, _) => (format!("subtract {n}"), format!("x - {n}")),
        (ValueType::ListInt, 0) => (format!("add {n} to each number"), format!("[v + {n} for v in x]")),
        (ValueType::ListInt, 1) => (format!("append the number {n}"), format!("x + [{n}]")),
        (ValueType::ListInt, _) => {
            (format!("multiply each number by {n} and add {m}"), format!("[v * {n} + {m} for v in x]"))
        }
        (ValueType::Str, 0) => (format!("append the text {word}"), format!("x + '{word}'")),
        (ValueType::Str, 1) => (format!("put the text {word} in front"), format!("'{word}' + x")),
        (ValueType::Str, _) => (format!("repeat the text {n} times"), format!("x * {n}")),
        (_, 0) => (format!("append the word {word}"), format!("x + ['{word}']")),
        (_, 1) => (format!("append the text {word} to each word"), format!("[w + '{word}' for w in x]")),
        (_, _) => (format!("put the word {word} in front"), format!("['{word}'] + x")),
    };
    let source = format!("def g(x):\n    return {expression}\n");
    Piece { described: None, description, name: "g".to_owned(), source, output: kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: CorpusConfig =
        CorpusConfig { task: 0.35, task_corrupted: 0.4, chained: 0.5, filler: 0.1, mislabeled: 0.2 };

    #[test]
    fn documents_are_a_function_of_seed_and_step() {
        let catalog = Catalog::shipped();
        let corpus = Corpus::new(&catalog, &CONFIG, BTreeSet::new(), Seed::new(1));
        assert_eq!(corpus.documents(5, 20), corpus.documents(5, 20));
        assert_ne!(corpus.documents(5, 20), corpus.documents(6, 20));
        assert_ne!(corpus.documents(5, 20), corpus.with_seed(Seed::new(2)).documents(5, 20));
    }

    /// The invariant of the module: what the data set holds is not read in pretraining.
    #[test]
    fn no_document_holds_a_chain_of_the_data_set() {
        let catalog = Catalog::shipped();
        let config = CorpusConfig { chained: 1.0, ..CONFIG };
        let seed = Seed::new(2);
        let keys = |corpus: &Corpus| -> Vec<String> {
            let mut rng = seed.stream("test");
            let chain = |_| corpus.chain(Style { noise: 0.0, wordings: ENGLISH }, &mut rng);
            let chains: Vec<Vec<Piece>> = (0..400).map(chain).collect();
            let id = |piece: &Piece| piece.described.clone().unwrap_or_default();
            let key = |pieces: &Vec<Piece>| chain_key(pieces.iter().map(id));
            chains.iter().map(key).collect()
        };
        let free = keys(&Corpus::new(&catalog, &config, BTreeSet::new(), seed));
        let first = free.iter().find(|key| !key.contains(" >  ") && !key.starts_with(' ')).unwrap();
        let pair = chain_key(first.split(" > ").take(2));
        let held = keys(&Corpus::new(&catalog, &config, BTreeSet::from([pair.clone()]), seed));
        assert!(free.iter().any(|key| key.contains(&pair)));
        assert!(!held.iter().any(|key| key.contains(&pair)), "{pair}");
    }
}
