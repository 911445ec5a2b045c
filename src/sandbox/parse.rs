//! One strict, depth-limited reader for the two texts of [`PyValue`]:
//!
//! * **JSON** as Python writes it (job lines, inputs, expected values): big integers stay exact,
//!   `1` and `1.0` stay apart, `NaN`, `Infinity` and lone surrogates (`"\ud800"`) are values, and
//!   a duplicate key is an error. `serde_json` would lose each of these.
//! * **answers** as the child writes them: `repr` of exact types only, with big integers in hex
//!   and strings as ASCII Python literals.
//!
//! ```
//! use sft_vs_rl::PyValue;
//! let json = |text: &str| PyValue::from_json(text.as_bytes()).unwrap();
//! let answer = |text: &str| PyValue::from_answer(text.as_bytes()).unwrap();
//! assert!(json("[1, true, 1e0]").same(&answer("[1,True,1.0]")));
//! assert!(!json("1").same(&answer("True")));
//! assert!(!json("1").same(&answer("1.0")));
//! assert!(!json("[1, 2]").same(&answer("(1,2)")));
//! ```

use std::collections::HashSet;

use serde::de::IgnoredAny;

use super::value::{PyValue, decimal_to_hex};

/// Lists nested deeper than this are refused, in job lines and in answers alike. The child stops
/// at [`ANSWER_DEPTH`] by itself; the rest is room for the job line's own brackets.
const DEPTH_LIMIT: usize = ANSWER_DEPTH + 10;

/// The depth of the most nested answer, as `program.py` has it.
pub(super) const ANSWER_DEPTH: usize = 200;

/// Digits of the longest decimal integer: conversion takes time quadratic in them.
const DIGITS_LIMIT: usize = 20_000;

/// Words that are values, in JSON and in answers.
const WORDS: [(&str, &str, PyValue); 6] = [
    ("null", "None", PyValue::None),
    ("true", "True", PyValue::Bool(true)),
    ("false", "False", PyValue::Bool(false)),
    ("NaN", "nan", PyValue::Float(f64::NAN)),
    ("Infinity", "inf", PyValue::Float(f64::INFINITY)),
    ("-Infinity", "-inf", PyValue::Float(f64::NEG_INFINITY)),
];

impl PyValue {
    /// Reads one JSON value. The error says where the text stops being one.
    pub fn from_json(text: &[u8]) -> Result<PyValue, String> {
        Parser { text, at: 0, dialect: Dialect::Json, keep: true }.whole(Parser::any)
    }

    /// Reads one answer of the child. The error says where the text stops being one.
    pub fn from_answer(text: &[u8]) -> Result<PyValue, String> {
        Parser { text, at: 0, dialect: Dialect::Answer, keep: true }.whole(Parser::any)
    }
}

/// Name and text of a field.
pub(super) type Field<'a> = (Vec<u8>, &'a [u8]);

/// Name and text of each field of the JSON object that the whole text must be. Everything is checked and
/// nothing is built, so that memory does not grow with what the fields hold. `None`: JSON, but no object.
pub(super) fn fields_of(text: &[u8]) -> Result<Option<Vec<Field<'_>>>, String> {
    let mut parser = Parser { text, at: 0, dialect: Json, keep: false };
    parser.skip_space();
    if parser.peek() != Some(b'{') {
        return parser.whole(Parser::any).map(|_| None);
    }
    let mut ranges = Vec::new();
    parser.whole(|parser| {
        parser.members(|parser, name| {
            parser.skip_space();
            let start = parser.at;
            parser.value(DEPTH_LIMIT - 1)?;
            ranges.push((name.to_vec(), start..parser.at));
            Ok(())
        })
    })?;
    Ok(Some(ranges.into_iter().map(|(name, range)| (name, &text[range])).collect()))
}

/// How many lists a JSON list holds, where it holds nothing else; without building them. `Err(None)`: it is
/// no list; `Err(Some(i))`: its item `i` is none. The text has been checked before.
pub(super) fn count_lists(text: &[u8]) -> Result<usize, Option<usize>> {
    let mut parser = Parser { text, at: 0, dialect: Json, keep: false };
    parser.skip_space();
    if parser.peek() != Some(b'[') {
        return Err(None);
    }
    let (mut count, mut stranger) = (0, None);
    let read = parser.items(b']', |parser| {
        parser.skip_space();
        if parser.peek() != Some(b'[') {
            stranger.get_or_insert(count);
        }
        count += 1;
        parser.value(DEPTH_LIMIT)
    });
    match (read, stranger) {
        (Ok(_), None) => Ok(count),
        (Ok(_), stranger) => Err(stranger),
        (Err(_), _) => Err(None),
    }
}

/// Library callers have their values as `serde_json` holds them.
impl PyValue {
    /// The value that this JSON is; an error where it is nested too deep.
    pub(super) fn from_serde(json: &serde_json::Value) -> Result<PyValue, String> {
        PyValue::from_json(json.to_string().as_bytes())
    }

    /// The value as JSON. `None` where JSON cannot express it: NaN, infinities, lone surrogates, and what
    /// it would turn into something else, tuples and integers beyond 64 bits.
    pub fn to_serde(&self) -> Option<serde_json::Value> {
        let json = serde_json::from_slice(&self.to_json()).ok()?;
        PyValue::from_serde(&json).is_ok_and(|back| back.same(self)).then_some(json)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Dialect {
    Json,
    Answer,
}
use Dialect::{Answer, Json};

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    dialect: Dialect,
    /// Build what is read; or else check it only, and return lists and dicts that are empty.
    keep: bool,
}

impl Parser<'_> {
    /// The one value that the whole text must be.
    fn whole<T>(mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        let value = read(&mut self)?;
        self.skip_space();
        if self.at == self.text.len() { Ok(value) } else { Err(self.unexpected("the end")) }
    }

    fn any(&mut self) -> Result<PyValue, String> {
        self.value(DEPTH_LIMIT)
    }

    fn value(&mut self, depth: usize) -> Result<PyValue, String> {
        self.skip_space();
        if depth == 0 {
            return Err(format!("nested deeper than {DEPTH_LIMIT} levels"));
        }
        match (self.peek(), self.dialect) {
            (Some(b'['), _) => Ok(PyValue::List(self.items(b']', |parser| parser.value(depth - 1))?)),
            (Some(b'('), Answer) => Ok(PyValue::Tuple(self.items(b')', |parser| parser.value(depth - 1))?)),
            (Some(b'{'), _) => self.dict(depth),
            (Some(b'"'), _) | (Some(b'\''), Answer) => Ok(PyValue::Str(self.string()?)),
            _ => self.word_or_number(),
        }
    }

    /// What stands between two brackets, separated by commas.
    fn items<T>(
        &mut self,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        self.at += 1; // the opening bracket
        let (mut items, mut first) = (Vec::new(), true);
        self.skip_space();
        while !self.take(close) {
            if !first {
                self.expect(b',')?;
            }
            first = false;
            let item = item(self)?;
            if self.keep {
                items.push(item);
            }
            self.skip_space();
        }
        Ok(items)
    }

    fn dict(&mut self, depth: usize) -> Result<PyValue, String> {
        let mut items = Vec::new();
        self.members(|parser, key| {
            let value = parser.value(depth - 1)?;
            if parser.keep {
                items.push((key.to_vec(), value));
            }
            Ok(())
        })?;
        Ok(PyValue::Dict(items))
    }

    /// The members of an object: `read` reads the value of each, whose name must be new.
    fn members(
        &mut self,
        mut read: impl FnMut(&mut Self, &[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut known = HashSet::new();
        self.items(b'}', |parser| {
            parser.skip_space();
            let key = match (parser.peek(), parser.dialect) {
                (Some(b'"'), _) | (Some(b'\''), Answer) => parser.string()?,
                _ => return Err(parser.unexpected("a key in quotes")),
            };
            parser.skip_space();
            parser.expect(b':')?;
            read(parser, &key)?;
            match known.replace(key) {
                Some(key) => Err(format!("duplicate key `{}`", String::from_utf8_lossy(&key))),
                None => Ok(()),
            }
        })?;
        Ok(())
    }

    fn word_or_number(&mut self) -> Result<PyValue, String> {
        let rest = &self.text[self.at..];
        for (json, answer, value) in WORDS {
            let word = if self.dialect == Json { json } else { answer };
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        let part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'x' | b'E' | b'+' | b'-' | b'.');
        let text = std::str::from_utf8(&rest[..rest.iter().take_while(part).count()]).unwrap_or_default();
        let number = if self.dialect == Json { json_number(text)? } else { answer_number(text) };
        let number = number.ok_or_else(|| self.unexpected("a value"))?;
        self.at += text.len();
        Ok(number)
    }

    /// A string in the quotes that it starts with: JSON's escapes, or those that Python's `ascii()` writes.
    fn string(&mut self) -> Result<Vec<u8>, String> {
        let quote = self.next("a string")?;
        let mut out = Vec::new();
        loop {
            match self.next("the end of a string")? {
                byte if byte == quote => return Ok(out),
                b'\\' => {
                    let mut point = self.escape()?;
                    // JSON writes one character above U+FFFF as two surrogates.
                    if self.dialect == Json && (0xd800..=0xdbff).contains(&point) {
                        point = self
                            .low_surrogate()
                            .map_or(point, |low| 0x10000 + ((point - 0xd800) << 10) + low);
                    }
                    push_code_point(point, &mut out);
                }
                0..=0x1f => return Err("a control character inside a string".into()),
                byte => out.push(byte),
            }
        }
    }

    fn escape(&mut self) -> Result<u32, String> {
        let byte = self.next("an escape")?;
        Ok(match (byte, self.dialect) {
            (b'\\' | b'"', _) | (b'/', Json) | (b'\'', Answer) => byte.into(),
            (b'n', _) => 10,
            (b'r', _) => 13,
            (b't', _) => 9,
            (b'b', Json) => 8,
            (b'f', Json) => 12,
            (b'u', _) => self.hex(4)?,
            (b'x', Answer) => self.hex(2)?,
            (b'U', Answer) => self.hex(8)?,
            _ => return Err(self.unexpected("an escape")),
        })
    }

    /// The second half of a pair, if one follows.
    fn low_surrogate(&mut self) -> Option<u32> {
        let start = self.at;
        if self.text[start..].starts_with(b"\\u") {
            self.at += 2;
            if let Ok(unit @ 0xdc00..=0xdfff) = self.hex(4) {
                return Some(unit - 0xdc00);
            }
            self.at = start;
        }
        None
    }

    fn hex(&mut self, digits: usize) -> Result<u32, String> {
        let mut point = 0;
        for _ in 0..digits {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            point = (point << 4) | digit.ok_or_else(|| self.unexpected("hexadecimal digits"))?;
            self.at += 1;
        }
        if point <= 0x0010_ffff { Ok(point) } else { Err(self.unexpected("a character")) }
    }

    fn skip_space(&mut self) {
        while self.dialect == Json && matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self, wanted: &str) -> Result<u8, String> {
        let byte = self.peek().ok_or_else(|| self.unexpected(wanted))?;
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected(&format!("`{}`", byte as char))) }
    }

    fn unexpected(&self, wanted: &str) -> String {
        let found = self.peek().map_or("the end".to_owned(), |byte| format!("`{}`", byte.escape_ascii()));
        format!("column {}: expected {wanted}, found {found}", self.at + 1)
    }
}

/// A JSON number, by JSON's grammar; `None` if it is no number at all.
fn json_number(text: &str) -> Result<Option<PyValue>, String> {
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Ok(None);
    }
    let digits = text.trim_start_matches('-');
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.parse().ok().map(PyValue::Float));
    }
    match text.parse() {
        Ok(small) => Ok(Some(PyValue::Int(small))),
        Err(_) if digits.len() > DIGITS_LIMIT => {
            Err(format!("an integer of more than {DIGITS_LIMIT} digits"))
        }
        Err(_) => Ok(Some(PyValue::int_from_hex(text.starts_with('-'), decimal_to_hex(digits)))),
    }
}

/// A number as the child writes it: decimal, `0x` hexadecimal, or a float's `repr`.
fn answer_number(text: &str) -> Option<PyValue> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    if let Some(hex) = digits.strip_prefix("0x") {
        let canonical = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        return (canonical && !hex.is_empty() && !hex.starts_with('0'))
            .then(|| PyValue::int_from_hex(negative, hex.to_owned()));
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit()) || digits.contains('x') {
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(PyValue::Int);
    }
    text.parse().ok().map(PyValue::Float)
}

/// UTF-8, also of surrogates (as Python's `surrogatepass`), which `char` cannot hold.
fn push_code_point(point: u32, out: &mut Vec<u8>) {
    match char::from_u32(point) {
        Some(char) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.extend_from_slice(&[
            0xe0 | (point >> 12) as u8,
            0x80 | ((point >> 6) & 0x3f) as u8,
            0x80 | (point & 0x3f) as u8,
        ]),
    }
}
