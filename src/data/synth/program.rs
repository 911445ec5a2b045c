//! A chain of atoms as the text a model is taught: helper functions and an entry point.
//!
//! A chain of `double` and `add_one` is
//!
//! ```python
//! def p(x):
//!     return x * 2
//! def q(x):
//!     return x + 1
//! def f(x):
//!     return q(p(x))
//! ```
//!
//! One atom alone takes the same form, with one helper: what is learned from atoms is then written as
//! it is needed in chains (`docs/regime.md`, attempt 6).

use crate::data::catalog::Atom;
use crate::data::synth::python;

/// The function that the hidden cases call.
pub const ENTRY: &str = "f";

/// Names of the helper functions, in order of application.
pub const HELPERS: [&str; 5] = ["p", "q", "u", "k", "z"];

/// Deepest chain that has a name for each step.
pub const MAX_DEPTH: usize = HELPERS.len();

/// One function of a program: its source, and the name that the source defines.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    pub name: &'a str,
    pub source: &'a str,
}

/// The program that applies `steps` from first to last. No newline at the end.
///
/// # Panics
/// Where there are no steps or more than [`MAX_DEPTH`]; requests are checked before they get here.
pub fn assemble(steps: &[Step<'_>]) -> String {
    assert!((1..=MAX_DEPTH).contains(&steps.len()), "a program has 1 to {MAX_DEPTH} steps");
    let mut program = String::new();
    let mut call = "x".to_owned();
    for (step, helper) in steps.iter().zip(HELPERS) {
        program.push_str(&python::rename(step.source.trim_end(), step.name, helper));
        program.push('\n');
        call = format!("{helper}({call})");
    }
    program.push_str(&format!("def {ENTRY}(x):\n    return {call}"));
    program
}

/// The reference program of a chain of atoms.
pub fn reference(atoms: &[&Atom]) -> String {
    let steps: Vec<Step> = atoms.iter().map(|atom| Step { name: &atom.id, source: &atom.source }).collect();
    assemble(&steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOUBLE: Step = Step { name: "double", source: "def double(x):\n    return x * 2\n" };
    const ADD_ONE: Step = Step { name: "add_one", source: "def add_one(x):\n    return x + 1" };

    #[test]
    fn one_step_takes_the_form_of_several() {
        assert_eq!(assemble(&[DOUBLE]), "def p(x):\n    return x * 2\ndef f(x):\n    return p(x)");
    }

    #[test]
    fn steps_become_helpers_in_order_of_application() {
        let expected =
            "def p(x):\n    return x * 2\ndef q(x):\n    return x + 1\ndef f(x):\n    return q(p(x))";
        assert_eq!(assemble(&[DOUBLE, ADD_ONE]), expected);
    }
}
