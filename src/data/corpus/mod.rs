//! The corpus that the small base model is pretrained on: "wild" Python, generated.
//!
//! A real base LLM has seen much code, little of it in the format of a benchmark, and many
//! comments that do not say what the code does. The generator imitates that: mislabeled comments,
//! filler functions from outside the catalog, few and noisy documents in the task's own format.
//! What results is a base with *partial* zero-shot ability, which both SFT and RL need.
//!
//! Invariant: no document contains a solution of a problem of the data set, of a test set or a training
//! set, neither in what it describes nor in what its code does, whatever steps it takes ([`withheld`]).
//! Other chains of atoms do occur, of all topics, as a real base LLM has seen functions composed;
//! `docs/regime.md` tells what happens without them. Nor does a task-format document use a description
//! that is held out for paraphrases; wild comments do, as a base LLM knows the words that a benchmark
//! happens to avoid.

mod part;

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use rand::seq::IndexedRandom;
use serde::{Deserialize, Serialize};

pub use part::{Part, parts, withheld};

use crate::base::{ChaCha8Rng, Error, Result, Seed};
use crate::data::catalog::{Atom, Catalog, ENGLISH};
use crate::data::problem::chain_key;
use crate::data::python::assemble;
use crate::data::synth::prompt::{CONNECTIVES, N_TRAINING_DESCRIPTIONS, joined, prompt_text};
use crate::data::value::ValueType;
use part::{FILLER_TYPES, filler};

/// Shares of the kinds of documents and their noise. All but the last are probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusConfig {
    /// Documents in the task's format: the prompt of a problem, then its program. The others are wild.
    pub task: f64,
    /// Task-format documents whose program chains steps (atoms and filler).
    pub task_chained: f64,
    /// Steps of task-format documents whose code is another atom's.
    pub task_corrupted: f64,
    /// Wild documents whose program chains steps.
    pub wild_chained: f64,
    /// Wild chains that say all their steps before the code; in the others each step says its own, inside.
    pub announced: f64,
    /// Wild documents of one function that is filler.
    pub filler: f64,
    /// Steps of wild documents whose comment describes another atom.
    pub mislabeled: f64,
    /// How many of the three connectives of prompts join steps in the corpus, the first ones (1 to 3).
    pub connectives: usize,
}

impl CorpusConfig {
    fn check(&self) -> Result<()> {
        let all: BTreeMap<String, Option<f64>> = serde_json::from_value(serde_json::to_value(self)?)?;
        for (field, value) in all {
            // JSON has no NaN.
            let value = value.unwrap_or(f64::NAN);
            let (low, high) =
                if field == "connectives" { (1.0, CONNECTIVES.len() as f64) } else { (0.0, 1.0) };
            if !(low..=high).contains(&value) {
                return Err(Error::config(
                    format!("corpus.{field}"),
                    format!("{value} is not within {low}..{high}"),
                ));
            }
        }
        Ok(())
    }
}

/// One document, split where a prompt would end so that it tokenizes as the task does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The comment in front, ending in a newline; empty where comments are inside the functions.
    pub prompt: String,
    /// The code, without a newline at the end.
    pub response: String,
}

/// The generator: documents on request, none kept.
pub struct Corpus<'a> {
    catalog: &'a Catalog,
    config: &'a CorpusConfig,
    /// Keys of all chains that must not occur.
    withheld: &'a BTreeSet<String>,
}

/// A described piece of code: an atom or a filler function.
struct Piece {
    /// The [`Part`] that the description is of, by its name.
    described: String,
    description: String,
    /// The [`Part`] that the code is.
    coded: String,
    source: String,
    output: ValueType,
}

/// What documents of one format are like: how often they chain steps; steps are described in one of the first
/// `wordings` descriptions, and with probability `noise` the code is that of another atom of the signature.
#[derive(Clone, Copy)]
struct Style {
    chained: f64,
    filler: f64,
    noise: f64,
    wordings: usize,
}

impl<'a> Corpus<'a> {
    /// `withheld` are the keys of the chains that must not occur.
    ///
    /// # Errors
    /// `Error::Config` for a share that is none.
    pub fn new(
        catalog: &'a Catalog,
        config: &'a CorpusConfig,
        withheld: &'a BTreeSet<String>,
    ) -> Result<Self> {
        config.check()?;
        Ok(Corpus { catalog, config, withheld })
    }

    /// The `count` documents of training step `step`: a pure function of seed and step.
    pub fn documents(&self, seed: Seed, step: usize, count: usize) -> Vec<Document> {
        let mut rng = seed.child_index(step as u64).stream("documents");
        (0..count).map(|_| self.document(&mut rng)).collect()
    }

    fn document(&self, rng: &mut ChaCha8Rng) -> Document {
        let CorpusConfig { task, task_chained, task_corrupted, wild_chained, filler, mislabeled, .. } =
            *self.config;
        let task = rng.random_bool(task);
        let style = if task {
            let wordings = N_TRAINING_DESCRIPTIONS;
            Style { chained: task_chained, filler: 0.0, noise: task_corrupted, wordings }
        } else {
            Style { chained: wild_chained, filler, noise: mislabeled, wordings: ENGLISH }
        };
        let pieces = self.pieces(style, rng);
        match &*pieces {
            _ if task => self.task_document(&pieces, rng),
            [piece] => wild_function(piece, rng),
            _ if rng.random_bool(self.config.announced) => self.announced_chain(&pieces, rng),
            _ => chain_that_says_itself(&pieces, rng),
        }
    }

    /// One step, or two or three whose types fit: atoms and filler, no withheld chain among them.
    fn pieces(&self, style: Style, rng: &mut ChaCha8Rng) -> Vec<Piece> {
        let chained = rng.random_bool(style.chained);
        loop {
            let depth = if !chained {
                1
            } else if rng.random_bool(0.65) {
                2
            } else {
                3
            };
            let filler_share = if chained { FILLER_SHARE } else { style.filler };
            let mut pieces: Vec<Piece> = Vec::with_capacity(depth);
            while pieces.len() < depth {
                let kind = pieces.last().map(|last| last.output);
                let Some(piece) = self.step(kind, filler_share, style, rng) else { break };
                pieces.push(piece);
            }
            if pieces.len() == depth && !self.holds_withheld(&pieces) {
                return pieces;
            }
        }
    }

    /// A step that accepts `kind` (`None`: anything); none where nothing does.
    fn step(
        &self,
        kind: Option<ValueType>,
        filler_share: f64,
        style: Style,
        rng: &mut ChaCha8Rng,
    ) -> Option<Piece> {
        let accepts = |input: ValueType| kind.is_none_or(|kind| kind == input);
        let fillable: Vec<ValueType> = FILLER_TYPES.into_iter().filter(|kind| accepts(*kind)).collect();
        if let (true, Some(kind)) = (rng.random_bool(filler_share), fillable.choose(rng)) {
            let Part { name, source, types, .. } = filler(*kind, rng);
            let [described, description, coded] = [name.clone(), name.clone(), name];
            return Some(Piece { described, description, coded, source, output: types.1 });
        }
        let accepting: Vec<&Atom> = self.catalog.atoms().iter().filter(|atom| accepts(atom.input)).collect();
        let described = *accepting.choose(rng)?;
        let mut coded = described;
        if rng.random_bool(style.noise) {
            let alike = |atom: &&Atom| atom.input == described.input && atom.output == described.output;
            let alike: Vec<&Atom> = self.catalog.atoms().iter().filter(alike).collect();
            coded = alike.choose(rng).copied().unwrap_or(described);
        }
        Some(Piece {
            described: described.id.clone(),
            description: described.en[rng.random_range(0..style.wordings)].clone(),
            coded: coded.id.clone(),
            source: coded.source.clone(),
            output: described.output,
        })
    }

    /// Whether some run of steps within `pieces`, as described or as coded, is withheld.
    fn holds_withheld(&self, pieces: &[Piece]) -> bool {
        let names: [fn(&Piece) -> &str; 2] = [|piece| &piece.described, |piece| &piece.coded];
        let key = |run: &[Piece], name: fn(&Piece) -> &str| chain_key(run.iter().map(name));
        let withheld = |run| names.iter().any(|name| self.withheld.contains(&key(run, *name)));
        (1..=pieces.len()).any(|length| pieces.windows(length).any(withheld))
    }

    fn connective(&self, rng: &mut ChaCha8Rng) -> &'static str {
        CONNECTIVES[rng.random_range(0..self.config.connectives)]
    }

    /// The prompt of a problem, then its program.
    fn task_document(&self, pieces: &[Piece], rng: &mut ChaCha8Rng) -> Document {
        let prompt = prompt_text(&descriptions(pieces), self.connective(rng));
        Document { prompt, response: program(pieces) }
    }

    /// A comment style that no task prompt uses, then a chain of helpers.
    fn announced_chain(&self, pieces: &[Piece], rng: &mut ChaCha8Rng) -> Document {
        let prompt = if rng.random_bool(0.5) {
            let step = |(index, text)| format!("# step {}: {text}\n", index + 1);
            descriptions(pieces).into_iter().enumerate().map(step).collect()
        } else {
            format!("\"\"\"{}.\"\"\"\n", joined(&descriptions(pieces), self.connective(rng)))
        };
        Document { prompt, response: program(pieces) }
    }
}

/// Share of filler among the steps of a chain.
const FILLER_SHARE: f64 = 0.3;

fn descriptions(pieces: &[Piece]) -> Vec<&str> {
    pieces.iter().map(|piece| piece.description.as_str()).collect()
}

fn program(pieces: &[Piece]) -> String {
    assemble(pieces.iter().map(|piece| piece.source.as_str()))
}

/// A chain of helpers, each with its description inside, all in the same place.
fn chain_that_says_itself(pieces: &[Piece], rng: &mut ChaCha8Rng) -> Document {
    let docstring = rng.random_bool(0.5);
    let sources: Vec<String> = pieces.iter().map(|piece| described_inside(piece, docstring)).collect();
    Document { prompt: String::new(), response: assemble(sources.iter().map(String::as_str)) }
}

/// The source of a function with its description as its first line, a docstring or a comment.
fn described_inside(piece: &Piece, docstring: bool) -> String {
    let source = piece.source.trim_end();
    let (head, body) = source.split_once('\n').unwrap_or((source, "    return x"));
    let [open, close] = if docstring { ["\"\"\"", ".\"\"\""] } else { ["# ", ""] };
    format!("{head}\n    {open}{}{close}\n{body}", piece.description)
}

/// One function under its own name, its description in one of three places.
fn wild_function(piece: &Piece, rng: &mut ChaCha8Rng) -> Document {
    match rng.random_range(0..3u8) {
        0 => {
            let source = piece.source.trim_end();
            let name = source.trim_start_matches("def ").split('(').next().unwrap_or_default();
            Document { prompt: format!("# {name}: {}\n", piece.description), response: source.to_owned() }
        }
        place => Document { prompt: String::new(), response: described_inside(piece, place == 2) },
    }
}

#[cfg(test)]
mod tests;
