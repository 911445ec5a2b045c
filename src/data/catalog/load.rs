//! Reads `data/catalog/<topic>.toml`, strictly: whatever breaks the format is an error that names
//! the file, the line, the atom and the field.
//!
//! Checked here is what the text shows. That an atom is total, deterministic and unlike every other
//! atom takes running it: [`super::check`].

use std::collections::{HashMap, HashSet};
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use itertools::Itertools;
use serde::Deserialize;
use toml::Spanned;

use super::{Atom, CHINESE, ENGLISH, Side};
use crate::base::{Error, Result};
use crate::data::python::{self, ENTRY, HELPERS, TokenKind};
use crate::data::value::{Domain, MAX_INT, Value, ValueType};

/// A description stays short enough to be a step of a longer one.
const MAX_DESCRIPTION_WORDS: usize = 10;
const MAX_SOURCE_LINES: usize = 9;

/// Words of Python that no atom needs: they reach outside the function or hide a second one.
const FORBIDDEN_WORDS: &str =
    "import __import__ global nonlocal print input open eval exec class yield async";

/// A file as it is written, before validation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicFile {
    side: Side,
    atom: Vec<AtomEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtomEntry {
    id: Spanned<String>,
    input: Spanned<ValueType>,
    output: ValueType,
    en: Spanned<Vec<String>>,
    zh: Spanned<Vec<String>>,
    source: Spanned<String>,
    domain: Spanned<Domain>,
}

/// The atoms of all topics, each valid, ids and descriptions unique across the files.
pub(super) fn read_dir(dir: &Path) -> Result<Vec<Atom>> {
    let path = |entry: std::io::Result<DirEntry>| entry.map(|entry| entry.path());
    let paths: Result<Vec<PathBuf>, _> =
        std::fs::read_dir(dir).and_then(|entries| entries.map(path).collect());
    let mut paths = paths.map_err(Error::io(dir))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    if paths.is_empty() {
        let what = format!("the catalog {}", dir.display());
        return Err(Error::Empty { what, needed: "it takes one <topic>.toml a topic" });
    }
    let mut taken = Taken::default();
    let mut atoms = Vec::new();
    for path in paths {
        read_topic(&path, &mut taken, &mut atoms)?;
    }
    Ok(atoms)
}

/// What earlier atoms have taken: ids, and descriptions with the id that holds each.
#[derive(Default)]
struct Taken {
    ids: HashSet<String>,
    descriptions: HashMap<String, String>,
}

fn read_topic(path: &Path, taken: &mut Taken, atoms: &mut Vec<Atom>) -> Result<()> {
    let topic = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    check_name(topic).map_err(|message| Error::damaged(path, message))?;
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let line_of = |at: usize| 1 + text[..at].matches('\n').count();
    let file: TopicFile = toml::from_str(&text).map_err(|error| match error.span() {
        Some(span) => Error::parse(path, line_of(span.start), error.message()),
        None => Error::damaged(path, error.message()),
    })?;
    for entry in file.atom {
        let id = entry.id.get_ref().clone();
        let atom = validate(entry, topic, file.side, taken).map_err(|Fault { field, at, message }| {
            Error::Catalog { path: path.to_path_buf(), line: line_of(at), atom: id, field, message }
        })?;
        atoms.push(atom);
    }
    Ok(())
}

/// A rule that a field breaks, and where in the file the field's value starts.
struct Fault {
    field: &'static str,
    at: usize,
    message: String,
}

fn validate(entry: AtomEntry, topic: &str, side: Side, taken: &mut Taken) -> Result<Atom, Fault> {
    fn rule<T>(
        field: &'static str,
        entry: Spanned<T>,
        check: impl FnOnce(T) -> Result<T, String>,
    ) -> Result<T, Fault> {
        let at = entry.span().start;
        check(entry.into_inner()).map_err(|message| Fault { field, at, message })
    }
    let id = rule("id", entry.id, |id| {
        check_name(&id)?;
        ensure(taken.ids.insert(id.clone()), "an earlier atom has the same id").map(|()| id)
    })?;
    let input = rule("input", entry.input, |input| {
        ensure(input != ValueType::Bool, "no atom takes a bool").map(|()| input)
    })?;
    let source = rule("source", entry.source, |source| check_source(&source, &id))?;
    let mut descriptions = |field, texts, count, check: fn(&str) -> Check| {
        rule(field, texts, |texts| check_descriptions(texts, count, check, &id, &mut taken.descriptions))
    };
    let en = descriptions("en", entry.en, ENGLISH, check_english)?;
    let zh = descriptions("zh", entry.zh, CHINESE, check_chinese)?;
    let domain = rule("domain", entry.domain, |domain| check_domain(domain, input))?;
    Ok(Atom { id, topic: topic.to_owned(), side, input, output: entry.output, source, en, zh, domain })
}

type Check = Result<(), String>;

fn ensure(holds: bool, message: impl Into<String>) -> Check {
    if holds { Ok(()) } else { Err(message.into()) }
}

/// Of a topic or an atom.
fn check_name(name: &str) -> Check {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    ensure(
        name.len() >= 2 && plain && name.as_bytes()[0].is_ascii_lowercase(),
        format!("the name `{name}` is not two or more of a-z, 0-9 and _ with a letter in front"),
    )
}

/// One `def <id>(x):` with an indented body that returns, names nothing reserved and stays inside.
fn check_source(source: &str, id: &str) -> Result<String, String> {
    let source = source.trim_end();
    let mut lines = source.lines();
    let head = format!("def {id}(x):");
    ensure(lines.next() == Some(&head), format!("the first line must be `{head}`"))?;
    let body: Vec<&str> = lines.collect();
    let indented = body.iter().all(|line| line.starts_with("    ") && !line.trim().is_empty());
    ensure(
        indented && !body.is_empty(),
        "every line after the first must be indented by four spaces or more",
    )?;
    ensure(
        body.len() < MAX_SOURCE_LINES,
        format!("{} lines, at most {MAX_SOURCE_LINES} are allowed", body.len() + 1),
    )?;
    ensure(!source.contains('#'), "no comments: the model would have to reproduce them")?;
    let tokens = python::tokens(source);
    let prefixed = tokens.iter().find(|t| t.kind == TokenKind::Text && !t.text.starts_with(['"', '\'']));
    ensure(prefixed.is_none(), "a string has no prefix: code within it would go unseen")?;
    let names = tokens.iter().filter(|token| token.kind == TokenKind::Name).map(|token| token.text);
    let count = names.counts();
    let count = |name: &str| count.get(name).copied().unwrap_or(0);
    ensure(count("def") == 1, "exactly one `def` is allowed")?;
    ensure(count(id) == 1, format!("`{id}` must occur once, as the function's name: no recursion"))?;
    ensure(count("return") > 0, "there is no `return`")?;
    if let Some(word) = FORBIDDEN_WORDS.split(' ').find(|word| count(word) > 0) {
        return Err(format!("`{word}` is not allowed"));
    }
    if let Some(name) = HELPERS.iter().chain([&ENTRY]).find(|name| count(name) > 0) {
        return Err(format!("the name `{name}` is reserved for chains"));
    }
    Ok(source.to_owned())
}

fn check_descriptions(
    texts: Vec<String>,
    expected: usize,
    check: fn(&str) -> Check,
    id: &str,
    taken: &mut HashMap<String, String>,
) -> Result<Vec<String>, String> {
    ensure(texts.len() == expected, format!("{} descriptions, expected {expected}", texts.len()))?;
    for text in &texts {
        check(text).map_err(|message| format!("\"{text}\": {message}"))?;
        let other = taken.insert(text.clone(), id.to_owned());
        other.map_or(Ok(()), |other| Err(format!("\"{text}\" already describes `{other}`")))?;
    }
    Ok(texts)
}

/// Lower-case words and digits only, so that a description is a step of "X, then Y".
fn check_english(text: &str) -> Check {
    let words: Vec<&str> = text.split(' ').collect();
    let plain =
        |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    ensure(words.iter().all(plain), "only words of a-z and 0-9 with single spaces are allowed")?;
    ensure(
        words.len() <= MAX_DESCRIPTION_WORDS,
        format!("{} words, at most {MAX_DESCRIPTION_WORDS} are allowed", words.len()),
    )?;
    ensure(!words.contains(&"then"), "`then` joins the steps of a chain and cannot be part of one")
}

fn check_chinese(text: &str) -> Check {
    let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    ensure(text.chars().any(is_han), "there is no Chinese character")?;
    ensure(!text.contains(['。', '.', '\n']), "a description is one phrase without a period")
}

/// Ranges in order and in bounds; edges of the declared type, which they then carry.
fn check_domain(domain: Domain, input: ValueType) -> Result<Domain, String> {
    let Domain { range, length, edges } = domain;
    ensure(
        range[0] <= range[1] && -MAX_INT <= range[0] && range[1] <= MAX_INT,
        format!("`range` {range:?} must be [low, high] within plus or minus 2^53"),
    )?;
    ensure(length[0] <= length[1], format!("`length` {length:?} must be [low, high]"))?;
    ensure((2..=5).contains(&edges.len()), format!("{} edges, expected 2 to 5", edges.len()))?;
    let typed: Result<Vec<Value>> = edges.iter().map(|edge| edge.typed(input)).collect();
    let edges = typed.map_err(|error| format!("`edges`: {error}"))?;
    ensure(edges.iter().all_unique(), "an edge stands twice in `edges`")?;
    Ok(Domain { range, length, edges })
}
