//! Python values on their way through the sandbox, read strictly and compared strictly.
//!
//! Two texts are read by one parser:
//!
//! * **JSON** as Python writes it (job lines, inputs, expected values): big integers stay exact,
//!   `1` and `1.0` stay apart, `NaN`, `Infinity` and lone surrogates (`"\ud800"`) are values, and
//!   a duplicate key is an error. `serde_json` would lose each of these.
//! * **answers** as the child writes them: `repr` of exact types only, with big integers in hex
//!   and strings as ASCII Python literals.
//!
//! ```
//! use sft_vs_rl::sandbox::PyValue;
//! let json = |text: &str| PyValue::from_json(text.as_bytes()).unwrap();
//! let answer = |text: &str| PyValue::from_answer(text.as_bytes()).unwrap();
//! assert!(json("[1, true, 1e0]").same(&answer("[1,True,1.0]")));
//! assert!(!json("1").same(&answer("True")));
//! assert!(!json("1").same(&answer("1.0")));
//! assert!(!json("[1, 2]").same(&answer("(1,2)")));
//! ```

use super::parse::Parser;

/// A Python value of an exact built-in type. Strings are UTF-8 in which a lone surrogate is also
/// written, as three bytes (Python's `surrogatepass`).
#[derive(Debug, Clone, PartialEq)]
pub enum PyValue {
    None,
    Bool(bool),
    Int(i64),
    /// An integer that no `i64` holds: sign and lower-case hexadecimal digits, no leading zero.
    BigInt {
        negative: bool,
        hex: String,
    },
    Float(f64),
    Str(Vec<u8>),
    List(Vec<PyValue>),
    /// Only an answer can be a tuple: JSON has none, so no expected value ever equals one.
    Tuple(Vec<PyValue>),
    Dict(Vec<(Vec<u8>, PyValue)>),
}

impl PyValue {
    /// Reads one JSON value (see the module's header for what is stricter and laxer than JSON).
    pub fn from_json(text: &[u8]) -> Result<PyValue, String> {
        Parser::json(text).whole()
    }

    /// Reads one answer of the child.
    pub fn from_answer(text: &[u8]) -> Result<PyValue, String> {
        Parser::answer(text).whole()
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
                let mut a: Vec<_> = a.iter().collect();
                let mut b: Vec<_> = b.iter().collect();
                a.sort_by(|x, y| x.0.cmp(&y.0));
                b.sort_by(|x, y| x.0.cmp(&y.0));
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && a.1.same(&b.1))
            }
            _ => self == other,
        }
    }

    /// The value as JSON, for library callers. `None` where JSON (as `serde_json` holds it) cannot
    /// express it: tuples, integers beyond 64 bits, NaN, infinities, lone surrogates.
    pub fn to_serde(&self) -> Option<serde_json::Value> {
        use serde_json::Value;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        Some(match self {
            PyValue::None => Value::Null,
            PyValue::Bool(b) => Value::Bool(*b),
            PyValue::Int(i) => Value::from(*i),
            PyValue::BigInt { negative, hex } => {
                Value::from(u64::from_str_radix(hex, 16).ok().filter(|_| !negative)?)
            }
            PyValue::Float(f) => Value::Number(serde_json::Number::from_f64(*f)?),
            PyValue::Str(bytes) => Value::String(text(bytes)?),
            PyValue::List(items) => Value::Array(items.iter().map(PyValue::to_serde).collect::<Option<_>>()?),
            PyValue::Tuple(_) => return None,
            PyValue::Dict(items) => Value::Object(
                items
                    .iter()
                    .map(|(key, item)| Some((text(key)?, item.to_serde()?)))
                    .collect::<Option<_>>()?,
            ),
        })
    }

    /// Appends the value as the JSON text that the child's `json.loads` reads.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            PyValue::None => out.extend_from_slice(b"null"),
            PyValue::Bool(true) => out.extend_from_slice(b"true"),
            PyValue::Bool(false) => out.extend_from_slice(b"false"),
            PyValue::Int(i) => out.extend_from_slice(i.to_string().as_bytes()),
            PyValue::BigInt { negative, hex } => {
                if *negative {
                    out.push(b'-');
                }
                out.extend_from_slice(super::parse::hex_to_decimal(hex).as_bytes());
            }
            PyValue::Float(f) if f.is_nan() => out.extend_from_slice(b"NaN"),
            PyValue::Float(f) if f.is_infinite() => {
                out.extend_from_slice(if *f > 0.0 { b"Infinity" } else { b"-Infinity" });
            }
            // `{:?}` is the shortest text that reads back as the same float, and always a float.
            PyValue::Float(f) => out.extend_from_slice(format!("{f:?}").as_bytes()),
            PyValue::Str(bytes) => write_json_string(bytes, out),
            PyValue::List(items) | PyValue::Tuple(items) => {
                write_separated(out, b'[', items, b']', |item, out| item.write_json(out));
            }
            PyValue::Dict(items) => write_separated(out, b'{', items, b'}', |(key, item), out| {
                write_json_string(key, out);
                out.push(b':');
                item.write_json(out);
            }),
        }
    }
}

fn write_separated<T>(out: &mut Vec<u8>, open: u8, items: &[T], close: u8, write: impl Fn(&T, &mut Vec<u8>)) {
    out.push(open);
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(close);
}

/// A JSON string. Bytes above ASCII pass as they are, except surrogates (`ED A0..BF xx`), which
/// become `\udxxx`: UTF-8 has no other text that starts with those two bytes.
pub(crate) fn write_json_string(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=0x1f | 0x7f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            0xed if tail.len() >= 2 && tail[0] >= 0xa0 => {
                let unit = 0xd000 | (u32::from(tail[0] & 0x3f) << 6) | u32::from(tail[1] & 0x3f);
                out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                rest = &tail[2..];
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// `serde_json` values of library callers, which hold no more than 64-bit integers.
impl From<&serde_json::Value> for PyValue {
    fn from(json: &serde_json::Value) -> PyValue {
        use serde_json::Value;
        match json {
            Value::Null => PyValue::None,
            Value::Bool(b) => PyValue::Bool(*b),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(i), _) => PyValue::Int(i),
                (None, Some(u)) => PyValue::BigInt { negative: false, hex: format!("{u:x}") },
                (None, None) => PyValue::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => PyValue::Str(text.as_bytes().to_vec()),
            Value::Array(items) => PyValue::List(items.iter().map(PyValue::from).collect()),
            Value::Object(items) => PyValue::Dict(
                items.iter().map(|(key, item)| (key.as_bytes().to_vec(), PyValue::from(item))).collect(),
            ),
        }
    }
}
