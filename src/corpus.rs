//! The corpus that the small base model is pretrained on: "wild" Python, generated.
//!
//! A real base LLM has seen much code, little of it in the format of a benchmark, and many
//! comments that do not say what the code does. The generator imitates that: mislabeled comments,
//! filler functions from outside the catalog, few and noisy documents in the task's own format.
//! What results is a base with *partial* zero-shot ability, which both SFT and RL need.
//!
//! Invariant: no document chains two atoms of the catalog. Composition is seen only between an
//! atom and filler steps, so no chain of any test set, and no chain of any training set either,
//! occurs in pretraining. Nor does a task-format document use a description that is held out for
//! paraphrases; wild comments do, as a base LLM knows the words that a benchmark happens to avoid.

use rand::Rng;
use rand::seq::IndexedRandom;
use serde::{Deserialize, Serialize};

use crate::catalog::{Atom, Catalog, ENGLISH};
use crate::seed::{ChaCha8Rng, Seed};
use crate::synth::prompt::{CONNECTIVES, N_TRAINING_DESCRIPTIONS};
use crate::synth::{Step, assemble, prompt_text};
use crate::value::ValueType;

/// Shares of the kinds of documents and their noise. All are probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusConfig {
    /// Documents in the task's format: the prompt of a problem, then its program.
    pub task: f64,
    /// Task-format documents in which one step's code is another atom's.
    pub task_corrupted: f64,
    /// Documents, of either format, whose program chains steps (one of them at most an atom).
    pub chained: f64,
    /// Wild documents about filler functions only.
    pub filler: f64,
    /// Wild documents whose comment describes another function.
    pub mislabeled: f64,
}

impl CorpusConfig {
    /// The mixture of the quick tier; `docs/regime.md` tells how it was found.
    pub fn quick() -> Self {
        CorpusConfig { task: 0.25, task_corrupted: 0.3, chained: 0.4, filler: 0.1, mislabeled: 0.2 }
    }
}

/// One document, split where a prompt would end so that it tokenizes as the task does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub prompt: String,
    pub response: String,
}

pub struct Corpus<'a> {
    catalog: &'a Catalog,
    config: &'a CorpusConfig,
    seed: Seed,
}

/// A described piece of code: an atom or a filler function.
struct Piece {
    description: String,
    name: String,
    source: String,
}

impl<'a> Corpus<'a> {
    pub fn new(catalog: &'a Catalog, config: &'a CorpusConfig, seed: Seed) -> Self {
        Corpus { catalog, config, seed }
    }

    /// The same corpus, read under another seed.
    pub fn with_seed(&self, seed: Seed) -> Corpus<'a> {
        Corpus { seed, ..*self }
    }

    /// The `count` documents of training step `step`: a pure function of seed and step.
    pub fn documents(&self, step: usize, count: usize) -> Vec<Document> {
        let mut rng = self.seed.child_index(step as u64).stream("documents");
        (0..count).map(|_| self.document(&mut rng)).collect()
    }

    fn document(&self, rng: &mut ChaCha8Rng) -> Document {
        let chained = rng.random_bool(self.config.chained);
        if rng.random_bool(self.config.task) {
            let noise = self.config.task_corrupted;
            let pieces = if chained { self.chain(noise, N_TRAINING_DESCRIPTIONS, rng) } else { vec![self.atom(noise, N_TRAINING_DESCRIPTIONS, rng)] };
            let descriptions: Vec<&str> = pieces.iter().map(|piece| piece.description.as_str()).collect();
            let connective = CONNECTIVES.choose(rng).copied().unwrap_or(CONNECTIVES[0]);
            return Document { prompt: prompt_text(&descriptions, connective), response: program(&pieces) };
        }
        let noise = self.config.mislabeled;
        if chained {
            return wild_chain(&self.chain(noise, ENGLISH, rng), rng);
        }
        let piece = if rng.random_bool(self.config.filler) {
            let kind = *FILLER_TYPES.choose(rng).unwrap_or(&ValueType::Int);
            filler(kind, rng)
        } else {
            self.atom(noise, ENGLISH, rng)
        };
        wild_function(&piece, rng)
    }

    /// A random atom in one of its first `wordings` descriptions; with probability `noise` its code
    /// is that of another atom of its signature.
    fn atom(&self, noise: f64, wordings: usize, rng: &mut ChaCha8Rng) -> Piece {
        let atoms = self.catalog.atoms();
        let described = &atoms[rng.random_range(0..atoms.len())];
        let coded = if rng.random_bool(noise) {
            let alike: Vec<&Atom> = atoms
                .iter()
                .filter(|atom| atom.input == described.input && atom.output == described.output)
                .collect();
            alike.choose(rng).copied().unwrap_or(described)
        } else {
            described
        };
        let description = described.en[rng.random_range(0..wordings)].clone();
        Piece { description, name: coded.id.clone(), source: coded.source.clone() }
    }

    /// Two or three steps, exactly one of them an atom, types fitting.
    fn chain(&self, noise: f64, wordings: usize, rng: &mut ChaCha8Rng) -> Vec<Piece> {
        let piece = self.atom(noise, wordings, rng);
        let Some(atom) = self.catalog.get(&piece.name) else { return vec![piece] };
        let (input, output) = (atom.input, atom.output);
        let fillable = |kind: ValueType| FILLER_TYPES.contains(&kind);
        let before = fillable(input) && (!fillable(output) || rng.random_bool(0.6));
        let after = fillable(output) && (!before || rng.random_bool(0.3));
        let mut pieces = Vec::with_capacity(3);
        if before {
            pieces.push(filler(input, rng));
        }
        pieces.push(piece);
        if after {
            pieces.push(filler(output, rng));
        }
        pieces
    }
}

const FILLER_TYPES: [ValueType; 4] = [ValueType::Int, ValueType::ListInt, ValueType::Str, ValueType::ListStr];

fn program(pieces: &[Piece]) -> String {
    let steps: Vec<Step> =
        pieces.iter().map(|piece| Step { name: &piece.name, source: &piece.source }).collect();
    assemble(&steps)
}

/// A comment style that no task prompt uses, then a chain of helpers.
fn wild_chain(pieces: &[Piece], rng: &mut ChaCha8Rng) -> Document {
    let mut prompt = String::new();
    if rng.random_bool(0.5) {
        for (index, piece) in pieces.iter().enumerate() {
            prompt.push_str(&format!("# step {}: {}\n", index + 1, piece.description));
        }
    } else {
        let descriptions: Vec<&str> = pieces.iter().map(|piece| piece.description.as_str()).collect();
        prompt = format!("\"\"\"{}.\"\"\"\n", descriptions.join(", then "));
    }
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
    Piece { description, name: "g".to_owned(), source: format!("def g(x):\n    return {expression}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_a_function_of_seed_and_step() {
        let catalog = Catalog::load(&Catalog::default_dir()).unwrap();
        let config = CorpusConfig::quick();
        let corpus = Corpus::new(&catalog, &config, Seed::new(1));
        assert_eq!(corpus.documents(5, 20), corpus.documents(5, 20));
        assert_ne!(corpus.documents(5, 20), corpus.documents(6, 20));
    }

    /// The invariant of the module: a chain in the corpus holds at most one atom.
    #[test]
    fn no_document_chains_two_atoms() {
        let catalog = Catalog::load(&Catalog::default_dir()).unwrap();
        let config = CorpusConfig { chained: 1.0, ..CorpusConfig::quick() };
        let corpus = Corpus::new(&catalog, &config, Seed::new(2));
        let body = |source: &str| source.trim_end().split_once('\n').map(|(_, body)| body.to_owned());
        let bodies: Vec<String> = catalog.atoms().iter().filter_map(|atom| body(&atom.source)).collect();
        let mut chains = 0;
        for document in corpus.documents(0, 500) {
            let helpers: Vec<&str> = document.response.split("def ").skip(1).collect();
            if helpers.len() < 3 {
                continue;
            }
            chains += 1;
            let atoms = helpers
                .iter()
                .filter(|helper| body(helper).is_some_and(|text| bodies.iter().any(|atom| *atom == text)))
                .count();
            assert!(atoms <= 1, "{}", document.response);
        }
        assert!(chains > 300);
    }
}
