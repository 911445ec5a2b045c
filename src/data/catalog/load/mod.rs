//! Reads `data/catalog/<topic>.toml`, strictly: whatever breaks the format is an error that names
//! the file, the atom and the field.
//!
//! Checked here is what the text shows. That an atom is total, deterministic and unlike every other
//! atom takes running it: `catalog::check`.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;

use super::{ATOMS_PER_TOPIC, Atom, CHINESE, ENGLISH, RESERVED_NAMES, Side, TOPICS};
use crate::base::error::{Error, Result};
use crate::data::value::{Domain, MAX_INT, Value, ValueType};

/// A description stays short enough to be a step of a longer one.
const MAX_DESCRIPTION_WORDS: usize = 10;
const MAX_SOURCE_LINES: usize = 9;

/// Words of Python that no atom needs: they reach outside the function or hide a second one.
const FORBIDDEN_WORDS: [&str; 12] = [
    "import",
    "global",
    "nonlocal",
    "print",
    "input",
    "open",
    "eval",
    "exec",
    "class",
    "yield",
    "async",
    "__import__",
];

/// A file as it is written, before validation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicFile {
    topic: String,
    side: Side,
    atom: Vec<AtomEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtomEntry {
    id: String,
    input: ValueType,
    output: ValueType,
    en: Vec<String>,
    zh: Vec<String>,
    source: String,
    domain: Domain,
}

/// The atoms of all ten files, each valid, ids and descriptions unique across the files.
pub(super) fn read_dir(dir: &Path) -> Result<Vec<Atom>> {
    refuse_unknown_files(dir)?;
    let mut atoms = Vec::with_capacity(TOPICS.len() * ATOMS_PER_TOPIC);
    let mut seen = Seen::default();
    for (topic, side) in TOPICS {
        let path = dir.join(format!("{topic}.toml"));
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        for atom in read_topic(&path, &text, topic, side)? {
            seen.insert(&path, &atom)?;
            atoms.push(atom);
        }
    }
    Ok(atoms)
}

/// A file that no topic names would be ignored in silence.
fn refuse_unknown_files(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        let path = entry.map_err(Error::io(dir))?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        if is_toml && !TOPICS.iter().any(|(topic, _)| *topic == stem) {
            let known = TOPICS.map(|(topic, _)| topic).join(", ");
            return Err(Error::parse(
                &path,
                0,
                format!("no topic has this file name; the topics are {known}"),
            ));
        }
    }
    Ok(())
}

/// Parses and validates one file.
fn read_topic(path: &Path, text: &str, topic: &str, side: Side) -> Result<Vec<Atom>> {
    let file: TopicFile = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(0, |span| 1 + text[..span.start].matches('\n').count());
        Error::parse(path, line, error.message())
    })?;
    if file.topic != topic {
        let message = format!("`topic` is `{}`, but the file is named after `{topic}`", file.topic);
        return Err(Error::damaged(path, message));
    }
    if file.side != side {
        return Err(Error::damaged(path, format!("`side` is {}, but {topic} is a {side} topic", file.side)));
    }
    if file.atom.len() != ATOMS_PER_TOPIC {
        let message = format!("{} atoms, expected {ATOMS_PER_TOPIC}", file.atom.len());
        return Err(Error::damaged(path, message));
    }
    file.atom.into_iter().map(|entry| validate(entry, topic, side, path)).collect()
}

fn validate(entry: AtomEntry, topic: &str, side: Side, path: &Path) -> Result<Atom> {
    let AtomEntry { id, input, output, en, zh, source, domain } = entry;
    let fault = |field: &str, message: String| Error::Catalog {
        path: path.to_path_buf(),
        atom: id.clone(),
        field: field.to_owned(),
        message,
    };
    let source = source.trim_end().to_owned();
    check_id(&id).map_err(|message| fault("id", message))?;
    if input == ValueType::Bool {
        return Err(fault("input", "no atom takes a bool".to_owned()));
    }
    check_source(&source, &id).map_err(|message| fault("source", message))?;
    check_descriptions(&en, ENGLISH, english).map_err(|message| fault("en", message))?;
    check_descriptions(&zh, CHINESE, chinese).map_err(|message| fault("zh", message))?;
    let domain = check_domain(domain, input).map_err(|message| fault("domain", message))?;
    Ok(Atom { id, topic: topic.to_owned(), side, input, output, source, en, zh, domain })
}

type Check = std::result::Result<(), String>;

fn check_id(id: &str) -> Check {
    let plain = id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if id.len() < 2 || !plain || !id.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err("an id is two or more of a-z, 0-9 and _, and starts with a letter".to_owned());
    }
    Ok(())
}

/// One `def <id>(x):` with an indented body that returns, names nothing reserved and stays inside.
fn check_source(source: &str, id: &str) -> Check {
    let mut lines = source.lines();
    let head = format!("def {id}(x):");
    if lines.next() != Some(head.as_str()) {
        return Err(format!("the first line must be `{head}`"));
    }
    let body: Vec<&str> = lines.collect();
    if body.is_empty() || body.iter().any(|line| !line.starts_with("    ") || line.trim().is_empty()) {
        return Err("every line after the first must be indented by four spaces or more".to_owned());
    }
    if body.len() >= MAX_SOURCE_LINES {
        return Err(format!("{} lines, at most {MAX_SOURCE_LINES} are allowed", body.len() + 1));
    }
    if source.contains('#') {
        return Err("no comments: the model would have to reproduce them".to_owned());
    }
    let words = words_of_code(source);
    let count = |word: &str| words.iter().filter(|found| **found == word).count();
    if count("def") != 1 {
        return Err("exactly one `def` is allowed".to_owned());
    }
    if count(id) != 1 {
        return Err(format!("`{id}` must occur once, as the function's name: no recursion"));
    }
    if count("return") == 0 {
        return Err("there is no `return`".to_owned());
    }
    if let Some(word) = FORBIDDEN_WORDS.iter().find(|word| count(word) > 0) {
        return Err(format!("`{word}` is not allowed"));
    }
    if let Some(name) = RESERVED_NAMES.iter().find(|name| count(name) > 0) {
        return Err(format!("the name `{name}` is reserved for chains"));
    }
    Ok(())
}

/// Identifiers and keywords of `source`, without what string literals contain.
fn words_of_code(source: &str) -> Vec<&str> {
    let bytes = source.as_bytes();
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let mut words = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        if matches!(bytes[at], b'"' | b'\'') {
            at += 1;
            while at < bytes.len() && bytes[at] != bytes[start] {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            at += 1;
        } else if is_word(bytes[at]) {
            while at < bytes.len() && is_word(bytes[at]) {
                at += 1;
            }
            if !bytes[start].is_ascii_digit() {
                words.push(&source[start..at]);
            }
        } else {
            at += 1;
        }
    }
    words
}

fn check_descriptions(texts: &[String], expected: usize, rule: fn(&str) -> Check) -> Check {
    if texts.len() != expected {
        return Err(format!("{} descriptions, expected {expected}", texts.len()));
    }
    texts.iter().try_for_each(|text| rule(text).map_err(|message| format!("\"{text}\": {message}")))
}

/// Lower-case words and digits only, so that a description is a step of "X, then Y".
fn english(text: &str) -> Check {
    let words: Vec<&str> = text.split(' ').collect();
    let plain =
        |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !words.iter().all(plain) {
        return Err("only words of a-z and 0-9 with single spaces are allowed".to_owned());
    }
    if words.len() > MAX_DESCRIPTION_WORDS {
        return Err(format!("{} words, at most {MAX_DESCRIPTION_WORDS} are allowed", words.len()));
    }
    if words.contains(&"then") {
        return Err("`then` joins the steps of a chain and cannot be part of one".to_owned());
    }
    Ok(())
}

fn chinese(text: &str) -> Check {
    let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    if !text.chars().any(is_han) {
        return Err("there is no Chinese character".to_owned());
    }
    if text.contains(['。', '.', '\n']) {
        return Err("a description is one phrase without a period".to_owned());
    }
    Ok(())
}

/// Ranges in order and in bounds; edges of the declared type, which they then carry.
fn check_domain(domain: Domain, input: ValueType) -> std::result::Result<Domain, String> {
    let Domain { range, length, edges } = domain;
    if range[0] > range[1] || range.iter().any(|bound| !(-MAX_INT..=MAX_INT).contains(bound)) {
        return Err(format!("`range` {range:?} must be [low, high] within plus or minus 2^53"));
    }
    if length[0] > length[1] {
        return Err(format!("`length` {length:?} must be [low, high]"));
    }
    if !(2..=5).contains(&edges.len()) {
        return Err(format!("{} edges, expected 2 to 5", edges.len()));
    }
    let typed = |edge: &Value| Value::from_json(&edge.to_json(), input);
    match edges.iter().map(typed).collect::<Result<Vec<Value>>>() {
        Ok(edges) => Ok(Domain { range, length, edges }),
        Err(error) => Err(format!("`edges`: {error}")),
    }
}

/// What earlier atoms have taken: each id and each description, with the id that holds it.
#[derive(Default)]
struct Seen {
    ids: HashSet<String>,
    descriptions: HashMap<String, String>,
}

impl Seen {
    fn insert(&mut self, path: &Path, atom: &Atom) -> Result<()> {
        let fault = |field: &str, message: String| Error::Catalog {
            path: path.to_path_buf(),
            atom: atom.id.clone(),
            field: field.to_owned(),
            message,
        };
        if !self.ids.insert(atom.id.clone()) {
            return Err(fault("id", "an earlier atom has the same id".to_owned()));
        }
        for (field, texts) in [("en", &atom.en), ("zh", &atom.zh)] {
            for text in texts {
                if let Some(other) = self.descriptions.insert(text.clone(), atom.id.clone()) {
                    return Err(fault(field, format!("\"{text}\" already describes `{other}`")));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
