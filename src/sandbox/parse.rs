//! One strict, depth-limited reader for the two texts of [`PyValue`]: JSON and answers.

use super::value::PyValue;

/// Lists nested deeper than this are refused, in job lines and in answers alike. The child stops
/// at 100 by itself; the rest is room for the job line's own brackets.
const DEPTH_LIMIT: usize = 110;

/// Digits of the longest decimal integer: conversion takes time quadratic in them.
const DIGITS_LIMIT: usize = 20_000;

#[derive(Clone, Copy, PartialEq)]
enum Dialect {
    Json,
    Answer,
}

pub(crate) struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    dialect: Dialect,
}

impl<'a> Parser<'a> {
    pub(crate) fn json(text: &'a [u8]) -> Self {
        Parser { text, at: 0, dialect: Dialect::Json }
    }

    pub(crate) fn answer(text: &'a [u8]) -> Self {
        Parser { text, at: 0, dialect: Dialect::Answer }
    }

    /// The one value that the whole text must be.
    pub(crate) fn whole(mut self) -> Result<PyValue, String> {
        let value = self.value(DEPTH_LIMIT)?;
        self.skip_space();
        if self.at == self.text.len() { Ok(value) } else { Err(self.unexpected("the end")) }
    }

    fn value(&mut self, depth: usize) -> Result<PyValue, String> {
        self.skip_space();
        if depth == 0 {
            return Err(format!("nested deeper than {DEPTH_LIMIT} levels"));
        }
        let words: &[(&str, PyValue)] = match self.dialect {
            Dialect::Json => &JSON_WORDS,
            Dialect::Answer => &ANSWER_WORDS,
        };
        match self.peek() {
            Some(b'[') => Ok(PyValue::List(self.items(b']', depth)?)),
            Some(b'(') if self.dialect == Dialect::Answer => Ok(PyValue::Tuple(self.items(b')', depth)?)),
            Some(b'{') => self.dict(depth),
            Some(b'"') => Ok(PyValue::Str(self.string(b'"')?)),
            Some(b'\'') if self.dialect == Dialect::Answer => Ok(PyValue::Str(self.string(b'\'')?)),
            _ => {
                for (word, value) in words {
                    if self.text[self.at..].starts_with(word.as_bytes()) {
                        self.at += word.len();
                        return Ok(value.clone());
                    }
                }
                self.number()
            }
        }
    }

    fn items(&mut self, close: u8, depth: usize) -> Result<Vec<PyValue>, String> {
        self.at += 1; // the opening bracket
        let mut items = Vec::new();
        self.skip_space();
        if self.take(close) {
            return Ok(items);
        }
        loop {
            items.push(self.value(depth - 1)?);
            self.skip_space();
            if self.take(close) {
                return Ok(items);
            }
            self.expect(b',')?;
        }
    }

    fn dict(&mut self, depth: usize) -> Result<PyValue, String> {
        self.at += 1; // the opening brace
        let mut items: Vec<(Vec<u8>, PyValue)> = Vec::new();
        self.skip_space();
        while !self.take(b'}') {
            if !items.is_empty() {
                self.expect(b',')?;
                self.skip_space();
            }
            let key = match self.peek() {
                Some(b'"') => self.string(b'"')?,
                Some(b'\'') if self.dialect == Dialect::Answer => self.string(b'\'')?,
                _ => return Err(self.unexpected("a key in quotes")),
            };
            self.skip_space();
            self.expect(b':')?;
            items.push((key, self.value(depth - 1)?));
            self.skip_space();
        }
        let mut keys: Vec<&Vec<u8>> = items.iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("duplicate key `{}`", String::from_utf8_lossy(pair[0])));
        }
        Ok(PyValue::Dict(items))
    }

    fn number(&mut self) -> Result<PyValue, String> {
        let start = self.at;
        while let Some(b'0'..=b'9' | b'a'..=b'f' | b'x' | b'E' | b'+' | b'-' | b'.') = self.peek() {
            self.at += 1;
        }
        let text = std::str::from_utf8(&self.text[start..self.at]).unwrap_or_default();
        let number = match self.dialect {
            Dialect::Json => json_number(text),
            Dialect::Answer => answer_number(text),
        };
        number.unwrap_or_else(|| {
            self.at = start;
            Err(self.unexpected("a value"))
        })
    }

    /// A string in `quote`s: JSON's escapes, or those that Python's `ascii()` writes.
    fn string(&mut self, quote: u8) -> Result<Vec<u8>, String> {
        self.at += 1; // the opening quote
        let mut out = Vec::new();
        loop {
            let byte = self.next("the end of a string")?;
            match byte {
                _ if byte == quote => return Ok(out),
                b'\\' => {
                    let unit = self.escape()?;
                    // JSON writes one character above U+FFFF as two surrogates.
                    let low = match (self.dialect, unit) {
                        (Dialect::Json, 0xd800..=0xdbff) => self.low_surrogate(),
                        _ => None,
                    };
                    match low {
                        Some(low) => push_code_point(0x10000 + ((unit - 0xd800) << 10) + low, &mut out),
                        None => push_code_point(unit, &mut out),
                    }
                }
                0..=0x1f => return Err("a control character inside a string".into()),
                _ => out.push(byte),
            }
        }
    }

    fn escape(&mut self) -> Result<u32, String> {
        let byte = self.next("an escape")?;
        Ok(match (byte, self.dialect) {
            (b'\\' | b'"', _) | (b'/', Dialect::Json) | (b'\'', Dialect::Answer) => byte.into(),
            (b'n', _) => 10,
            (b'r', _) => 13,
            (b't', _) => 9,
            (b'b', Dialect::Json) => 8,
            (b'f', Dialect::Json) => 12,
            (b'u', _) => self.hex(4)?,
            (b'x', Dialect::Answer) => self.hex(2)?,
            (b'U', Dialect::Answer) => self.hex(8)?,
            _ => return Err(self.unexpected("an escape")),
        })
    }

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
        let end = self.at + digits;
        let value = self
            .text
            .get(self.at..end)
            .filter(|text| text.iter().all(u8::is_ascii_hexdigit))
            .and_then(|text| std::str::from_utf8(text).ok())
            .and_then(|text| u32::from_str_radix(text, 16).ok())
            .filter(|value| *value <= 0x0010_ffff)
            .ok_or_else(|| self.unexpected("hexadecimal digits"))?;
        self.at = end;
        Ok(value)
    }

    fn skip_space(&mut self) {
        if self.dialect == Dialect::Json {
            while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
                self.at += 1;
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self, what: &str) -> Result<u8, String> {
        let byte = self.peek().ok_or_else(|| self.unexpected(what))?;
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
        match self.peek() {
            Some(byte) => {
                format!("column {}: expected {wanted}, found `{}`", self.at + 1, byte.escape_ascii())
            }
            None => format!("column {}: expected {wanted}, found the end", self.at + 1),
        }
    }
}

const JSON_WORDS: [(&str, PyValue); 6] = [
    ("null", PyValue::None),
    ("true", PyValue::Bool(true)),
    ("false", PyValue::Bool(false)),
    ("NaN", PyValue::Float(f64::NAN)),
    ("Infinity", PyValue::Float(f64::INFINITY)),
    ("-Infinity", PyValue::Float(f64::NEG_INFINITY)),
];

const ANSWER_WORDS: [(&str, PyValue); 6] = [
    ("None", PyValue::None),
    ("True", PyValue::Bool(true)),
    ("False", PyValue::Bool(false)),
    ("nan", PyValue::Float(f64::NAN)),
    ("inf", PyValue::Float(f64::INFINITY)),
    ("-inf", PyValue::Float(f64::NEG_INFINITY)),
];

/// A JSON number, by JSON's grammar; `None` if it is no number at all.
fn json_number(text: &str) -> Option<Result<PyValue, String>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = &digits[..digits.bytes().take_while(u8::is_ascii_digit).count()];
    if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    if whole.len() == digits.len() {
        return Some(decimal_int(text));
    }
    let (fraction, exponent) = match digits[whole.len()..].split_once(['e', 'E']) {
        Some((fraction, exponent)) => (fraction, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (&digits[whole.len()..], None),
    };
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let fraction_fits = fraction.is_empty() || fraction.strip_prefix('.').is_some_and(all_digits);
    if !fraction_fits || !exponent.is_none_or(all_digits) {
        return None;
    }
    text.parse().ok().map(PyValue::Float).map(Ok)
}

/// A number as the child writes it: decimal, `0x` hexadecimal, or a float's `repr`.
fn answer_number(text: &str) -> Option<Result<PyValue, String>> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if let Some(hex) = digits.strip_prefix("0x") {
        let canonical = hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        return (canonical && !hex.is_empty() && !hex.starts_with('0'))
            .then(|| Ok(int_from_hex(negative, hex.to_owned())));
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit()) || digits.contains('x') {
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(PyValue::Int).map(Ok);
    }
    text.parse().ok().map(PyValue::Float).map(Ok)
}

fn decimal_int(text: &str) -> Result<PyValue, String> {
    if let Ok(small) = text.parse() {
        return Ok(PyValue::Int(small));
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.len() > DIGITS_LIMIT {
        return Err(format!("an integer of more than {DIGITS_LIMIT} digits"));
    }
    Ok(int_from_hex(text.starts_with('-'), decimal_to_hex(digits)))
}

/// `i64` where it fits, so that equal integers are equal values.
fn int_from_hex(negative: bool, hex: String) -> PyValue {
    match i128::from_str_radix(&hex, 16).map(|i| if negative { -i } else { i }).map(i64::try_from) {
        Ok(Ok(small)) => PyValue::Int(small),
        _ => PyValue::BigInt { negative, hex },
    }
}

/// Decimal digits to lower-case hexadecimal, nine decimal digits at a time.
fn decimal_to_hex(digits: &str) -> String {
    let mut limbs: Vec<u32> = Vec::new(); // little-endian, base 2^32
    let first = digits.len() % 9;
    let chunks =
        [&digits[..first]].into_iter().chain((first..digits.len()).step_by(9).map(|at| &digits[at..at + 9]));
    for chunk in chunks.filter(|chunk| !chunk.is_empty()) {
        let mut carry = chunk.bytes().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        for limb in &mut limbs {
            carry += u64::from(*limb) * 1_000_000_000;
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            limbs.push(carry as u32);
        }
    }
    let hex: String = limbs.iter().rev().map(|limb| format!("{limb:08x}")).collect();
    let significant = hex.trim_start_matches('0');
    if significant.is_empty() { "0".to_owned() } else { significant.to_owned() }
}

/// The way back, for inputs on their way to the child.
pub(crate) fn hex_to_decimal(hex: &str) -> String {
    let mut limbs: Vec<u32> = Vec::new(); // little-endian, base 10^9
    for digit in hex.chars().filter_map(|digit| digit.to_digit(16)) {
        let mut carry = u64::from(digit);
        for limb in &mut limbs {
            carry += u64::from(*limb) * 16;
            *limb = (carry % 1_000_000_000) as u32;
            carry /= 1_000_000_000;
        }
        if carry > 0 {
            limbs.push(carry as u32);
        }
    }
    let decimal: String = limbs.iter().rev().map(|limb| format!("{limb:09}")).collect();
    let significant = decimal.trim_start_matches('0');
    if significant.is_empty() { "0".to_owned() } else { significant.to_owned() }
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
