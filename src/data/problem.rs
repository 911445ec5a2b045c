//! What a model is asked and how its answer is judged: problems and their cases.
//!
//! Nothing here starts a process or knows about tensors; every later module speaks these words.

use std::fmt::Display;
use std::path::Path;

use itertools::Itertools;
use serde::{Deserialize, Serialize};
use strum::VariantNames;

use crate::base::{Error, Result, parse_lines, to_lines, write_atomically};
use crate::data::value::{Value, ValueType};
use crate::sandbox::{Job, Limits};

/// One hidden test: the argument of the entry point and what the reference returned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// The argument, of the type that the problem declares.
    pub input: Value,
    /// What the reference returned for it.
    pub expected: Value,
}

/// Which data set a problem belongs to (paper: *Atom_base* and the three composite sets).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantNames)]
#[strum(serialize_all = "snake_case", parse_err_ty = Error, parse_err_fn = unknown_set)]
pub enum Set {
    /// The atoms alone, depth 1.
    AtomBase,
    /// Chains over the source topics that may be trained on.
    CompositeATrain,
    /// Chains over the source topics that nothing is trained on.
    CompositeAHeldOut,
    /// Chains over the target topics: the target domain. Nothing is trained on them.
    CompositeB,
    /// Chains that mix source and target atoms. Nothing is trained on them.
    CompositeC,
    /// Chains of depth 4 and 5 over the source topics. Nothing is trained on them.
    Deep,
}

impl Set {
    /// In the order of files and tables.
    pub const ALL: [Set; 6] = {
        use Set::*;
        [AtomBase, CompositeATrain, CompositeAHeldOut, CompositeB, CompositeC, Deep]
    };

    /// The name used in records, figures and `--set`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

fn unknown_set(name: &str) -> Error {
    Error::Unknown { kind: "set", name: name.to_owned(), known: Set::VARIANTS.join(", ") }
}

/// A chain's key: the ids of its atoms joined by ` > `.
pub(super) fn chain_key(ids: impl IntoIterator<Item: Display>) -> String {
    ids.into_iter().join(" > ")
}

/// A programming problem: a description, a reference program, hidden cases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// Atom ids joined by ` > ` in the order they are applied.
    pub key: String,
    /// Ids of its atoms, in order of application.
    pub atoms: Vec<String>,
    /// The topic of each atom.
    pub topics: Vec<String>,
    /// Number of atoms.
    pub depth: usize,
    /// The set it belongs to.
    pub set: Set,
    /// Type of the argument.
    pub input: ValueType,
    /// Type of the result.
    pub output: ValueType,
    /// Prompts that training may use: whole prompt texts, ending in a newline.
    pub prompts: Vec<String>,
    /// Paraphrases that no training prompt contains.
    pub held_out_prompts: Vec<String>,
    /// Name of the function the cases call.
    pub entry: String,
    /// The reference program: what SFT teaches as the response.
    pub reference: String,
    /// Hidden cases, edge cases among them; expected outputs come from running the reference.
    pub cases: Vec<Case>,
}

impl Problem {
    /// Runs `program` on the hidden cases, up to the first it fails.
    pub(crate) fn job(&self, program: String) -> Job {
        Job {
            program,
            entry: self.entry.clone(),
            inputs: self.cases.iter().map(|case| vec![case.input.to_json()]).collect(),
            expected: self.cases.iter().map(|case| case.expected.to_json()).collect(),
            limits: Limits::default(),
            stop_at_first_failure: true,
        }
    }

    /// The problem as a notebook prints it: set and key, prompt, reference, and the first `cases`
    /// hidden cases.
    pub fn show(&self, cases: usize) -> String {
        let mut text =
            format!("{}: {}\n\n{}{}\n", self.set.name(), self.key, self.prompts[0], self.reference);
        for case in self.cases.iter().take(cases) {
            text += &format!("    f({}) == {}\n", case.input.to_json(), case.expected.to_json());
        }
        match self.cases.len().saturating_sub(cases) {
            0 => text,
            more => text + &format!("    and {more} more hidden cases\n"),
        }
    }
}

/// Problems as JSON lines. Written whole or not at all.
pub fn write_problems(path: &Path, problems: &[Problem]) -> Result<()> {
    write_atomically(path, &to_lines(problems)?)
}

/// Reads what [`write_problems`] wrote.
pub fn read_problems(path: &Path) -> Result<Vec<Problem>> {
    parse_problems(path, &std::fs::read(path).map_err(Error::io(path))?)
}

/// Problems from JSON lines; `path` is for the error.
pub(super) fn parse_problems(path: &Path, lines: &[u8]) -> Result<Vec<Problem>> {
    let mut problems: Vec<Problem> = parse_lines(path, lines)?;
    for problem in &mut problems {
        let wrong = |error| Error::damaged(path, format!("problem `{}`: {error}", problem.key));
        for case in &mut problem.cases {
            // JSON does not say what an empty list holds; the problem does.
            case.input = case.input.typed(problem.input).map_err(wrong)?;
            case.expected = case.expected.typed(problem.output).map_err(wrong)?;
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_problem_says_how_much_is_left_out() {
        let case = |x: i64| Case { input: Value::Int(x), expected: Value::Int(x + 1) };
        let problem = Problem {
            key: "increment".into(),
            atoms: vec!["increment".into()],
            topics: vec!["arithmetic".into()],
            depth: 1,
            set: Set::AtomBase,
            input: ValueType::Int,
            output: ValueType::Int,
            prompts: vec!["# add one\n".into()],
            held_out_prompts: Vec::new(),
            entry: "f".into(),
            reference: "def f(x):\n    return x + 1".into(),
            cases: vec![case(1), case(2), case(5)],
        };
        let expected = "atom_base: increment\n\n# add one\ndef f(x):\n    return x + 1\n    f(1) == 2\n";
        assert_eq!(problem.show(1), format!("{expected}    and 2 more hidden cases\n"));
        assert!(problem.show(3).ends_with("f(5) == 6\n"));
    }
}
