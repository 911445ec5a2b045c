//! Small changes to a function's source, each of which a good set of hidden cases should notice.
//!
//! `mutants("def a(x):\n    return x + 1")` are `x - 1`, `x + 2` and `x + 0`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::data::python::{Token, TokenKind, tokens};

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Operator {
    /// `+` for `-`, `*` for `+`, `//` for `*`, ...
    Arithmetic,
    /// `<` for `<=`, `==` for `!=`, ...
    Comparison,
    /// A number one larger or smaller, another string, `True` for `False`.
    Constant,
    /// `and` for `or`, a `not` left out.
    Logic,
    /// A bound of a slice left out.
    Slice,
    /// `min` for `max`, `upper` for `lower`, ...
    Call,
    /// A step of a chain left out, where the types allow it.
    #[strum(serialize = "dropped step")]
    DroppedStep,
    /// Two neighboring steps swapped, where the types allow it.
    #[strum(serialize = "swapped steps")]
    SwappedSteps,
    /// Another atom of the same types in the place of a step.
    #[strum(serialize = "wrong helper")]
    WrongHelper,
    /// One more atom, before, between or behind, where the types allow it.
    #[strum(serialize = "extra step")]
    ExtraStep,
}

impl Operator {
    /// The name in tables and figures.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A changed source, and the change in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    pub operator: Operator,
    pub source: String,
    /// ``line 2: `<` -> `<=` ``
    pub change: String,
}

/// By the kind of change, what a token is (first) and what it may be replaced by.
static REPLACEMENTS: LazyLock<BTreeMap<Operator, Vec<[String; 2]>>> = LazyLock::new(|| {
    // Compiled in, and read by every test that mutates.
    toml::from_str(include_str!("../../../data/mutations.toml")).expect("data/mutations.toml holds pairs")
});

/// All single changes to a source that [`Operator`]s of one function make, without repeats. The
/// line with the `def` is left alone.
pub fn mutants(source: &str) -> Vec<Mutant> {
    let tokens = tokens(source);
    let body = tokens.iter().position(|token| token.text.contains('\n')).unwrap_or(tokens.len());
    let mut found: Vec<Mutant> = Vec::new();
    for place in body..tokens.len() {
        let (token, here) = (tokens[place], place..place + 1);
        let mut replace = |operator, range: Range<usize>, by: &str| {
            let text =
                |range: Range<usize>| -> String { tokens[range].iter().map(|token| token.text).collect() };
            let (before, old) = (text(0..range.start), text(range.clone()));
            let line = before.matches('\n').count() + 1;
            let source = format!("{before}{by}{}", text(range.end..tokens.len()));
            if !found.iter().any(|mutant| mutant.source == source) {
                found.push(Mutant { operator, source, change: format!("line {line}: `{old}` -> `{by}`") });
            }
        };
        for (operator, pairs) in &*REPLACEMENTS {
            let of_token = pairs.iter().filter(|[old, _]| old == token.text);
            of_token.for_each(|[_, new]| replace(*operator, here.clone(), new));
        }
        match token.kind {
            TokenKind::Number => {
                if let Ok(number) = token.text.parse::<i64>() {
                    replace(Operator::Constant, here.clone(), &(number + 1).to_string());
                    if number > 0 {
                        replace(Operator::Constant, here, &(number - 1).to_string());
                    }
                }
                if let Some(bound) = slice_bound(&tokens, place) {
                    replace(Operator::Slice, bound, "");
                }
            }
            TokenKind::Text => {
                let quote = &token.text[token.text.len() - 1..];
                let other = if token.text.len() > 2 { "" } else { "w" };
                replace(Operator::Constant, here, &format!("{quote}{other}{quote}"));
            }
            _ => {}
        }
    }
    found
}

/// The tokens of the slice bound that the number at `place` is, its minus included; `None` where
/// the number does not stand alone beside a colon within square brackets.
fn slice_bound(tokens: &[Token<'_>], place: usize) -> Option<Range<usize>> {
    let text = |place: usize| tokens.get(place).map_or("", |token| token.text);
    let start = if text(place - 1) == "-" { place - 1 } else { place };
    let (before, after) = (text(start - 1), text(place + 1));
    let alone = matches!((before, after), (":", "]" | ":") | ("[", ":"));
    alone.then_some(start..place + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(source: &str) -> Vec<String> {
        mutants(source).into_iter().map(|mutant| mutant.change).collect()
    }

    #[test]
    fn each_operator_changes_one_thing() {
        assert_eq!(
            changes("def a(x):\n    return x + 1"),
            ["line 2: `+` -> `-`", "line 2: `1` -> `2`", "line 2: `1` -> `0`"]
        );
        assert_eq!(
            changes("def a(x):\n    return x[::-1]"),
            ["line 2: `-` -> `+`", "line 2: `1` -> `2`", "line 2: `1` -> `0`", "line 2: `-1` -> ``"]
        );
        let logic = changes("def a(x):\n    return [v for v in x if v > 0 and not v == max(x)]");
        for change in
            ["`>` -> `>=`", "`>` -> `<=`", "`and` -> `or`", "`not` -> ``", "`==` -> `!=`", "`max` -> `min`"]
        {
            assert!(logic.iter().any(|found| found.ends_with(change)), "{change} missing in {logic:?}");
        }
        assert_eq!(changes("def a(x):\n    return ' '"), ["line 2: `' '` -> `''`"]);
    }

    #[test]
    fn mutants_differ_from_the_source_and_from_each_other() {
        let source = "def a(x):\n    s = 0\n    for v in x[1:]:\n        s += v * 2\n    return s";
        let found = mutants(source);
        let distinct: std::collections::HashSet<&String> =
            found.iter().map(|mutant| &mutant.source).collect();
        assert_eq!(distinct.len(), found.len());
        assert!(!distinct.contains(&source.to_owned()));
    }
}
