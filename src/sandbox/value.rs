//! Python values on their way through the sandbox: compared strictly, and written as JSON.

use itertools::Itertools;

/// Key and value of a dict.
type Entry = (Vec<u8>, PyValue);

/// A Python value of an exact built-in type. Strings are UTF-8 in which a lone surrogate is also
/// written, as three bytes (Python's `surrogatepass`).
#[derive(Debug, Clone, PartialEq)]
pub enum PyValue {
    /// `None`
    None,
    /// `True` or `False`: never equal to an integer here.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// An integer that no `i64` holds: sign and lower-case hexadecimal digits, no leading zero.
    BigInt {
        /// Is it below zero?
        negative: bool,
        /// Its digits.
        hex: String,
    },
    /// A float, NaN and infinities included.
    Float(f64),
    /// A string.
    Str(Vec<u8>),
    /// A list.
    List(Vec<PyValue>),
    /// Only an answer can be a tuple: JSON has none, so no expected value ever equals one.
    Tuple(Vec<PyValue>),
    /// A dict whose keys are strings, each once.
    Dict(Vec<(Vec<u8>, PyValue)>),
}

impl PyValue {
    /// `i64` where it fits, so that equal integers are equal values.
    pub(super) fn int_from_hex(negative: bool, hex: String) -> PyValue {
        match i128::from_str_radix(&hex, 16).map(|i| if negative { -i } else { i }).map(i64::try_from) {
            Ok(Ok(small)) => PyValue::Int(small),
            _ => PyValue::BigInt { negative, hex },
        }
    }

    /// Is this the same Python value, type for type? `True` is not `1`, `1` is not `1.0`, a list
    /// is not a tuple. Floats compare as numbers, so `0.0` is `-0.0`; a NaN is the same as a NaN.
    /// The order of a dict's keys does not matter.
    pub fn same(&self, other: &PyValue) -> bool {
        match (self, other) {
            (PyValue::Float(a), PyValue::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (PyValue::List(a), PyValue::List(b)) | (PyValue::Tuple(a), PyValue::Tuple(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
            }
            (PyValue::Dict(a), PyValue::Dict(b)) => {
                let by_key = |x: &&Entry, y: &&Entry| x.0.cmp(&y.0);
                let mut pairs = a.iter().sorted_by(by_key).zip(b.iter().sorted_by(by_key));
                a.len() == b.len() && pairs.all(|(a, b)| a.0 == b.0 && a.1.same(&b.1))
            }
            _ => self == other,
        }
    }

    /// How deep lists and dicts are nested in it: 0 for a number.
    pub(super) fn depth(&self) -> usize {
        match self {
            PyValue::List(items) | PyValue::Tuple(items) => {
                1 + items.iter().map(PyValue::depth).max().unwrap_or(0)
            }
            PyValue::Dict(items) => 1 + items.iter().map(|(_, item)| item.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Bytes that the child needs at least to write it.
    pub(super) fn least_answer_bytes(&self) -> usize {
        let items = |count: usize| 2 + count.saturating_sub(1);
        match self {
            PyValue::None | PyValue::Bool(true) => 4,
            PyValue::Bool(false) => 5,
            PyValue::Int(i) => i.to_string().len(),
            PyValue::BigInt { negative, hex } => usize::from(*negative) + 2 + hex.len(),
            PyValue::Float(_) => 3,
            PyValue::Str(bytes) => 2 + ascii_len(bytes),
            PyValue::List(list) | PyValue::Tuple(list) => {
                items(list.len()) + list.iter().map(PyValue::least_answer_bytes).sum::<usize>()
            }
            PyValue::Dict(dict) => {
                let entry = |(key, item): &Entry| 3 + ascii_len(key) + item.least_answer_bytes();
                items(dict.len()) + dict.iter().map(entry).sum::<usize>()
            }
        }
    }

    /// The JSON text that the child's `json.loads` reads.
    pub fn to_json(&self) -> Vec<u8> {
        match self {
            PyValue::None => b"null".to_vec(),
            PyValue::Bool(b) => b.to_string().into(),
            PyValue::Int(i) => i.to_string().into(),
            PyValue::BigInt { negative, hex } => {
                [if *negative { "-" } else { "" }, &hex_to_decimal(hex)].concat().into()
            }
            PyValue::Float(f) if f.is_nan() => b"NaN".to_vec(),
            PyValue::Float(f64::INFINITY) => b"Infinity".to_vec(),
            PyValue::Float(f64::NEG_INFINITY) => b"-Infinity".to_vec(),
            // `{:?}` is the shortest text that reads back as the same float, and always a float.
            PyValue::Float(f) => format!("{f:?}").into(),
            PyValue::Str(bytes) => json_string(bytes),
            PyValue::List(items) | PyValue::Tuple(items) => {
                let items: Vec<_> = items.iter().map(PyValue::to_json).collect();
                [b"[", items.join(&b',').as_slice(), b"]"].concat()
            }
            PyValue::Dict(items) => {
                let entry = |(key, item): &Entry| [json_string(key), item.to_json()].join(&b':');
                let items: Vec<_> = items.iter().map(entry).collect();
                [b"{", items.join(&b',').as_slice(), b"}"].concat()
            }
        }
    }
}

/// Characters of Python's `ascii()` for this text, without its quotes.
fn ascii_len(bytes: &[u8]) -> usize {
    let len = |byte: &u8| match byte {
        b'\n' | b'\r' | b'\t' | b'\\' => 2,
        0..=0x1f | 0x7f => 4, // \x01
        0x20..0x80 => 1,
        0x80..0xc0 => 0, // the rest of a character
        0xc0..0xc4 => 4, // \xe4, below 256
        0xc4..0xf0 => 6, // \u4e00
        0xf0.. => 10,    // \U0001f600
    };
    bytes.iter().map(len).sum()
}

/// Bytes above ASCII pass as they are, except surrogates (`ED A0..BF xx`), which become `\udxxx`: UTF-8
/// has no other text that starts with those two bytes.
fn json_string(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (vec![b'"'], bytes);
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail) {
            (b'"' | b'\\', _) => out.extend([b'\\', byte]),
            (0..=0x1f | 0x7f, _) => out.extend(format!("\\u{byte:04x}").bytes()),
            (0xed, [high @ 0xa0..=0xff, low, after @ ..]) => {
                let unit = 0xd000 | (u32::from(high & 0x3f) << 6) | u32::from(low & 0x3f);
                out.extend(format!("\\u{unit:04x}").bytes());
                rest = after;
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
    out
}

/// Decimal digits as lower-case hexadecimal ones.
pub(super) fn decimal_to_hex(digits: &str) -> String {
    in_base(digits, (10, 9), 1 << 32, |limb| format!("{limb:08x}"))
}

/// The way back, for inputs on their way to the child.
fn hex_to_decimal(digits: &str) -> String {
    in_base(digits, (16, 7), 1_000_000_000, |limb| format!("{limb:09}"))
}

/// An integer in another base, which `write` writes limb by limb. The digits are read in that radix, as
/// many at a time as fit 32 bits, since each step costs a pass over all limbs so far.
fn in_base(digits: &str, (radix, step): (u64, usize), base: u64, write: impl Fn(&u64) -> String) -> String {
    let mut limbs: Vec<u64> = Vec::new(); // least first
    for digits in digits.as_bytes().chunks(step) {
        let digits = digits.iter().filter_map(|digit| char::from(*digit).to_digit(16));
        let (mut carry, scale) =
            digits.fold((0, 1), |(sum, scale), digit| (sum * radix + u64::from(digit), scale * radix));
        for limb in &mut limbs {
            carry += *limb * scale;
            *limb = carry % base;
            carry /= base;
        }
        limbs.extend((carry > 0).then_some(carry));
    }
    let digits: String = limbs.iter().rev().map(write).collect();
    digits.trim_start_matches('0').to_owned()
}
