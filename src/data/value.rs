//! The Python values that cross the boundary between Rust and a program: typed, generated, encoded.
//!
//! Five types are enough for the catalog. Integers stay inside ±2^53, so that every value
//! survives JSON readers that only know doubles.

use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::base::{Error, Result};

/// Largest absolute integer that an atom or a chain may produce.
pub const MAX_INT: i64 = 1 << 53;

/// The type of an argument or a result, written as Python annotates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ValueType {
    /// `int`
    #[serde(rename = "int")]
    Int,
    /// `bool`
    #[serde(rename = "bool")]
    Bool,
    /// `str`
    #[serde(rename = "str")]
    Str,
    /// `list[int]`
    #[serde(rename = "list[int]")]
    ListInt,
    /// `list[str]`
    #[serde(rename = "list[str]")]
    ListStr,
}

impl std::fmt::Display for ValueType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A formatter takes what serde writes of a variant: its name.
        self.serialize(f)
    }
}

/// One Python value. Serializes as plain JSON: `3`, `true`, `"ab"`, `[1, 2]`, `["a"]`.
///
/// An empty list reads back as `ListInt([])`; compare through [`Value::to_json`], where both
/// kinds of empty list are `[]`, as they are in Python.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// `True` or `False`.
    Bool(bool),
    /// An integer within ±2^53.
    Int(i64),
    /// A text.
    Str(String),
    /// A list of integers.
    ListInt(Vec<i64>),
    /// A list of texts.
    ListStr(Vec<String>),
}

impl Value {
    /// The value as plain JSON.
    pub fn to_json(&self) -> Json {
        json!(self)
    }

    /// The values of a list that is written in the code.
    ///
    /// # Panics
    /// Where one is of another kind.
    pub(super) fn list(kind: ValueType, items: Json) -> Vec<Value> {
        let items: Vec<Value> = serde_json::from_value(items).expect("a list of values");
        items.iter().map(|item| item.typed(kind).expect("a value of the kind")).collect()
    }

    /// The same value as `kind`: an empty list becomes one of that kind, anything else must be one.
    pub fn typed(&self, kind: ValueType) -> Result<Value> {
        Value::from_json(&self.to_json(), kind)
    }

    /// Reads a JSON value as `kind`, strictly: `true` is no `int`, `1.0` is no `int`, and an
    /// integer outside ±2^53 is refused.
    pub fn from_json(json: &Json, kind: ValueType) -> Result<Value> {
        let in_range = |i: &i64| (-MAX_INT..=MAX_INT).contains(i);
        // Serde is as strict: it takes no bool or float for an integer.
        let value = match kind {
            ValueType::Bool => bool::deserialize(json).ok().map(Value::Bool),
            ValueType::Int => i64::deserialize(json).ok().filter(in_range).map(Value::Int),
            ValueType::Str => String::deserialize(json).ok().map(Value::Str),
            ValueType::ListInt => {
                let items = Vec::deserialize(json).ok();
                items.filter(|items: &Vec<i64>| items.iter().all(in_range)).map(Value::ListInt)
            }
            ValueType::ListStr => Vec::deserialize(json).ok().map(Value::ListStr),
        };
        value.ok_or_else(|| Error::Value { json: json.to_string(), kind: kind.to_string() })
    }
}

/// Where an atom's inputs come from: ranges for random inputs, and the edge cases to always try.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Domain {
    /// Inclusive range of an `int` input, or of the items of a `list[int]`.
    pub range: [i64; 2],
    /// Inclusive range of the length of a list, or of the number of words of a `str`.
    pub length: [usize; 2],
    /// Inputs that are always tried, whatever is drawn.
    pub edges: Vec<Value>,
}

impl Default for Domain {
    fn default() -> Self {
        Domain { range: [-20, 40], length: [0, 8], edges: Vec::new() }
    }
}

/// Words that random strings are made of: short, with repeats, palindromes, capitals and digits.
const WORDS: [&str; 32] = [
    "apple", "Banana", "kiwi", "level", "noon", "Code", "a", "bb", "tree", "Rust", "x1", "42", "data",
    "hello", "World", "moon", "Eve", "sky", "loop", "queue", "zebra", "ice", "Otto", "7up", "B2", "test",
    "sum", "UP", "low", "mix", "radar", "egg",
];

impl Domain {
    /// Draws one value of `kind`. Lists repeat an earlier item now and then and are sometimes
    /// sorted, so that functions about duplicates and order meet what they are about.
    pub fn sample(&self, kind: ValueType, rng: &mut impl Rng) -> Value {
        let [low, high] = self.range;
        let length = rng.random_range(self.length[0]..=self.length[1]);
        match kind {
            ValueType::Bool => Value::Bool(rng.random()),
            ValueType::Int => Value::Int(rng.random_range(low..=high)),
            ValueType::ListInt => {
                let mut items = with_repeats(length, 0.25, rng, |rng| rng.random_range(low..=high));
                if rng.random_bool(0.1) {
                    items.sort_unstable();
                }
                Value::ListInt(items)
            }
            ValueType::ListStr => Value::ListStr(words(length, rng)),
            ValueType::Str => Value::Str(words(length.min(5), rng).join(" ")),
        }
    }
}

fn words<R: Rng>(count: usize, rng: &mut R) -> Vec<String> {
    with_repeats(count, 0.2, rng, |rng| WORDS[rng.random_range(0..WORDS.len())].to_owned())
}

/// `n` items drawn by `draw`, or, with probability `share`, equal to an earlier one.
fn with_repeats<T: Clone, R: Rng>(n: usize, share: f64, rng: &mut R, draw: impl Fn(&mut R) -> T) -> Vec<T> {
    let mut items: Vec<T> = Vec::with_capacity(n);
    for _ in 0..n {
        let repeat = !items.is_empty() && rng.random_bool(share);
        let item = if repeat { items[rng.random_range(0..items.len())].clone() } else { draw(rng) };
        items.push(item);
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Seed;

    #[test]
    fn reading_is_strict_about_types() {
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert!(Value::from_json(&json("true"), ValueType::Int).is_err());
        assert!(Value::from_json(&json("1"), ValueType::Bool).is_err());
        assert!(Value::from_json(&json("1.0"), ValueType::Int).is_err());
        assert!(Value::from_json(&json("[1, true]"), ValueType::ListInt).is_err());
        assert!(Value::from_json(&json("9007199254740993"), ValueType::Int).is_err());
        assert!(Value::from_json(&json("-9223372036854775808"), ValueType::Int).is_err());
        assert_eq!(
            Value::from_json(&json("[1, -2]"), ValueType::ListInt).unwrap(),
            Value::ListInt(vec![1, -2])
        );
    }

    #[test]
    fn every_drawn_value_survives_json() {
        let mut rng = Seed::new(3).stream("values");
        for kind in [ValueType::Int, ValueType::Bool, ValueType::Str, ValueType::ListInt, ValueType::ListStr]
        {
            for _ in 0..200 {
                let value = Domain::default().sample(kind, &mut rng);
                let text = value.to_json().to_string();
                let back = Value::from_json(&serde_json::from_str(&text).unwrap(), kind).unwrap();
                assert_eq!(back, value);
            }
        }
    }
}
