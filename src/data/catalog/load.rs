//! Reads `data/catalog/<topic>.toml`, strictly: whatever breaks the format is an error that names
//! the file, the line, the atom and the field.
//!
//! Checked here is what the text shows. That an atom is total, deterministic and unlike every other
//! atom takes running it: [`super::check`].

use std::ops::Range;
use std::path::Path;

use itertools::Itertools;
use serde::Deserialize;
use toml::Spanned;

use super::{Atom, CHINESE, ENGLISH, Side};
use crate::base::{Error, Result, entries, parse_toml};
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
    dir.metadata().map_err(Error::io(dir))?; // a missing folder is not an empty one
    let mut paths = entries(dir)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    if paths.is_empty() {
        let what = format!("the catalog {}", dir.display());
        return Err(Error::Empty { what, needed: "it takes one <topic>.toml a topic" });
    }
    let mut atoms = Vec::new();
    paths.iter().try_for_each(|path| read_topic(path, &mut atoms))?;
    Ok(atoms)
}

/// Adds the atoms of a file to those of earlier files.
fn read_topic(path: &Path, atoms: &mut Vec<Atom>) -> Result<()> {
    let topic = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    check_name(topic).map_err(|message| Error::damaged(path, message))?;
    let text = &std::fs::read_to_string(path).map_err(Error::io(path))?;
    let file: TopicFile = parse_toml(path, text)?;
    for AtomEntry { id, input, output, en, zh, source, domain } in file.atom {
        let name = id.as_ref();
        let fault = |field, at: Range<usize>| {
            move |message| {
                let line = 1 + text[..at.start].matches('\n').count();
                Error::Catalog { path: path.to_path_buf(), line, atom: name.clone(), field, message }
            }
        };
        check_id(name, atoms).map_err(fault("id", id.span()))?;
        ensure(*input.as_ref() != ValueType::Bool, "no atom takes a bool")
            .map_err(fault("input", input.span()))?;
        check_source(source.as_ref(), name).map_err(fault("source", source.span()))?;
        check_descriptions(en.as_ref(), ENGLISH, check_english, atoms).map_err(fault("en", en.span()))?;
        check_descriptions(zh.as_ref(), CHINESE, check_chinese, atoms).map_err(fault("zh", zh.span()))?;
        let (at, input) = (domain.span(), input.into_inner());
        let domain = check_domain(domain.into_inner(), input).map_err(fault("domain", at))?;
        atoms.push(Atom {
            id: name.clone(),
            topic: topic.to_owned(),
            side: file.side,
            input,
            output,
            source: source.as_ref().trim_end().to_owned(),
            en: en.into_inner(),
            zh: zh.into_inner(),
            domain,
        });
    }
    Ok(())
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

fn check_id(id: &str, earlier: &[Atom]) -> Check {
    check_name(id)?;
    ensure(earlier.iter().all(|atom| atom.id != id), "an earlier atom has the same id")
}

/// One `def <id>(x):` with an indented body that returns, names nothing reserved and stays inside.
fn check_source(source: &str, id: &str) -> Check {
    let source = source.trim_end();
    let (first, body) = source.split_once('\n').unwrap_or((source, ""));
    let head = format!("def {id}(x):");
    ensure(first == head, format!("the first line must be `{head}`"))?;
    let indented = |line: &str| line.starts_with("    ") && !line.trim().is_empty();
    ensure(
        body.split('\n').all(indented),
        "every line after the first must be indented by four spaces or more",
    )?;
    let n_lines = source.lines().count();
    ensure(n_lines <= MAX_SOURCE_LINES, format!("{n_lines} lines, at most {MAX_SOURCE_LINES} are allowed"))?;
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
    let reserved = HELPERS.iter().chain([&ENTRY]).find(|name| count(name) > 0);
    reserved.map_or(Ok(()), |name| Err(format!("the name `{name}` is reserved for chains")))
}

fn check_descriptions(
    texts: &[String],
    expected: usize,
    check: fn(&str) -> Check,
    earlier: &[Atom],
) -> Check {
    ensure(texts.len() == expected, format!("{} descriptions, expected {expected}", texts.len()))?;
    ensure(texts.iter().all_unique(), "a description stands twice")?;
    for text in texts {
        check(text).map_err(|message| format!("\"{text}\": {message}"))?;
        let other = earlier.iter().find(|atom| atom.en.contains(text) || atom.zh.contains(text));
        other.map_or(Ok(()), |atom| Err(format!("\"{text}\" already describes `{}`", atom.id)))?;
    }
    Ok(())
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
