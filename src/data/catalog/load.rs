//! Reads `data/catalog/<topic>.toml`, strictly: whatever breaks the format is an error that names
//! the file, the line, the atom and the field.
//!
//! Checked here is what the text shows. That an atom is total, deterministic and unlike every other
//! atom takes running it: [`super::check`].

use std::path::Path;

use itertools::Itertools;
use serde::Deserialize;
use toml::Spanned;

use super::{Atom, CHINESE, ENGLISH, Side};
use crate::base::{Error, Result, entries, parse_toml};
use crate::data::python::{self, ENTRY, HELPERS, Token, TokenKind};
use crate::data::value::{Domain, MAX_INT, ValueType};

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
    atom: Vec<Spanned<Atom>>,
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
    for entry in file.atom {
        let start = entry.span().start;
        let mut atom = Atom { topic: topic.to_owned(), side: file.side, ..entry.into_inner() };
        check_atom(&mut atom, atoms).map_err(|(field, message)| {
            let at = text[start..].find(&format!("\n{field} =")).map_or(start, |at| start + at + 1);
            let line = 1 + text[..at].matches('\n').count();
            Error::Catalog { path: path.to_path_buf(), line, atom: atom.id.clone(), field, message }
        })?;
        atoms.push(atom);
    }
    Ok(())
}

/// Of a rule that is broken, the message is the error.
type Check = Result<(), String>;

/// Every rule, beside the atoms before this one; the field that breaks one is named. Edges get the
/// declared type: TOML does not say what an empty list holds.
fn check_atom(atom: &mut Atom, earlier: &[Atom]) -> Result<(), (&'static str, String)> {
    let of = |field| move |message| (field, message);
    check_id(&atom.id, earlier).map_err(of("id"))?;
    ensure(atom.input != ValueType::Bool, "no atom takes a bool").map_err(of("input"))?;
    atom.source.truncate(atom.source.trim_end().len());
    check_source(&atom.source, &atom.id).map_err(of("source"))?;
    check_descriptions(&atom.en, ENGLISH, check_english, earlier).map_err(of("en"))?;
    check_descriptions(&atom.zh, CHINESE, check_chinese, earlier).map_err(of("zh"))?;
    check_domain(&mut atom.domain, atom.input).map_err(of("domain"))
}

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
    let prefixed =
        |(word, text): (&Token, &Token)| word.kind == TokenKind::Name && text.kind == TokenKind::Text;
    ensure(
        !tokens.iter().tuple_windows().any(prefixed),
        "a string has no prefix: code within it would go unseen",
    )?;
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
fn check_domain(domain: &mut Domain, input: ValueType) -> Check {
    let Domain { range, length, edges } = domain;
    ensure(
        range[0] <= range[1] && -MAX_INT <= range[0] && range[1] <= MAX_INT,
        format!("`range` {range:?} must be [low, high] within plus or minus 2^53"),
    )?;
    ensure(length[0] <= length[1], format!("`length` {length:?} must be [low, high]"))?;
    ensure((2..=5).contains(&edges.len()), format!("{} edges, expected 2 to 5", edges.len()))?;
    for edge in edges.iter_mut() {
        *edge = edge.typed(input).map_err(|error| format!("`edges`: {error}"))?;
    }
    ensure(edges.iter().all_unique(), "an edge stands twice in `edges`")
}
