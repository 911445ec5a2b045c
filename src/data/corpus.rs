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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use rand::Rng;
use rand::seq::IndexedRandom;
use serde::{Deserialize, Serialize};

use crate::base::{ChaCha8Rng, Seed};
use crate::data::catalog::{Atom, Catalog, ENGLISH};
use crate::data::problem::chain_key;
use crate::data::python::assemble;
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
    withheld: BTreeSet<String>,
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
    pub fn new(catalog: &'a Catalog, config: &'a CorpusConfig, withheld: BTreeSet<String>) -> Self {
        Corpus { catalog, config, withheld }
    }

    /// The `count` documents of training step `step`: a pure function of seed and step.
    pub fn documents(&self, seed: Seed, step: usize, count: usize) -> Vec<Document> {
        let mut rng = seed.child_index(step as u64).stream("documents");
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

/// Of each type three functions: what they do, and the expression that does it.
static FILLER: LazyLock<BTreeMap<ValueType, [[String; 2]; 3]>> = LazyLock::new(|| {
    // Compiled in, and read by every test that makes documents.
    toml::from_str(include_str!("../../data/filler.toml")).expect("data/filler.toml holds twelve functions")
});

/// The types of [`FILLER`], in the order they are drawn from.
const FILLER_TYPES: [ValueType; 4] = [ValueType::Int, ValueType::ListInt, ValueType::Str, ValueType::ListStr];

fn descriptions(pieces: &[Piece]) -> Vec<&str> {
    pieces.iter().map(|piece| piece.description.as_str()).collect()
}

fn program(pieces: &[Piece]) -> String {
    assemble(pieces.iter().map(|piece| piece.source.as_str()))
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
    let [n, m] = std::array::from_fn(|_| rng.random_range::<i32, _>(3..10).to_string());
    let word = *["a", "ok", "end", "x", "no"].choose(rng).unwrap_or(&"a");
    let choice = usize::from(rng.random_range(0..3u8));
    let fill = |text: &String| text.replace("{n}", &n).replace("{m}", &m).replace("{word}", word);
    let [description, expression] = FILLER[&kind][choice].each_ref().map(fill);
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
        let corpus = Corpus::new(&catalog, &CONFIG, BTreeSet::new());
        let documents = |seed, step| corpus.documents(Seed::new(seed), step, 20);
        assert_eq!(documents(1, 5), documents(1, 5));
        assert_ne!(documents(1, 5), documents(1, 6));
        assert_ne!(documents(1, 5), documents(2, 5));
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
        let free = keys(&Corpus::new(&catalog, &config, BTreeSet::new()));
        let first = free.iter().find(|key| !key.contains(" >  ") && !key.starts_with(' ')).unwrap();
        let pair = chain_key(first.split(" > ").take(2));
        let held = keys(&Corpus::new(&catalog, &config, BTreeSet::from([pair.clone()])));
        assert!(free.iter().any(|key| key.contains(&pair)));
        assert!(!held.iter().any(|key| key.contains(&pair)), "{pair}");
    }
}
