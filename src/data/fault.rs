//! What is wrong with an answer, told from its text: the steps that it takes beside those that were asked for.

use std::collections::{HashMap, HashSet};

use itertools::Itertools;
use strum::VariantArray;

use crate::data::catalog::{Atom, Catalog};
use crate::data::python::{ENTRY, rename};

/// The first of these that a wrong answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, strum::Display, strum::VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Fault {
    /// Not helpers and a function that applies them one after another.
    Form,
    /// The helpers of the reference, applied in another way.
    Glue,
    /// The steps of the reference in another order.
    Order,
    /// Some of its steps, in its order.
    Missing,
    /// All of them in its order, and others.
    Extra,
    /// One for one, but a step is another function of the catalog.
    Helper,
    /// One for one, but a step is no function of the catalog.
    Altered,
    /// Steps that match in neither way.
    Several,
    /// The very steps of the reference, which failed all the same.
    None,
}

impl Fault {
    /// All of them, in this order.
    pub fn all() -> impl Iterator<Item = Fault> {
        Fault::VARIANTS.iter().copied()
    }
}

/// A fault, and where: the place of the first step that is not the reference's, for [`Fault::Helper`] and
/// [`Fault::Altered`].
pub type Found = (Fault, Option<usize>);

/// Reads programs. Atoms that are written alike (a text and a list are reversed by the same words) are one.
pub struct Steps<'a> {
    /// What the function of an atom looks like under the name that all of them get.
    sources: HashMap<&'a str, String>,
    /// Those, each once.
    known: HashSet<String>,
}

/// The name under which functions are compared.
const ANY: &str = "_";

impl<'a> Steps<'a> {
    /// Of the atoms of `catalog`.
    pub fn new(catalog: &'a Catalog) -> Steps<'a> {
        let source = |atom: &'a Atom| (atom.id.as_str(), rename(atom.source.trim(), &atom.id, ANY));
        let sources: HashMap<_, _> = catalog.atoms().iter().map(source).collect();
        Steps { known: sources.values().cloned().collect(), sources }
    }

    /// What is wrong with `program`, an answer that failed where the atoms `asked` were asked for, in this order.
    pub fn fault(&self, asked: &[&str], program: &str) -> Found {
        let Some((defined, applied)) = parts(program) else { return (Fault::Form, None) };
        let wanted = asked.iter().map(|id| self.sources.get(id)).collect_vec();
        let written = defined.iter().map(|(_, source)| self.known.get(source)).collect_vec();
        let step = |name: &&str| Some(written[defined.iter().rposition(|(other, _)| other == name)?]);
        let steps: Option<Vec<Option<&String>>> = applied.iter().map(step).collect();
        let Some(steps) = steps else {
            return (if written == wanted { Fault::Glue } else { Fault::Form }, None);
        };
        let first_other = steps.iter().zip(&wanted).position(|(step, wanted)| step != wanted);
        match first_other {
            _ if steps == wanted => (Fault::None, None),
            _ if written == wanted => (Fault::Glue, None),
            _ if steps.iter().sorted().eq(wanted.iter().sorted()) => (Fault::Order, None),
            _ if is_part(&steps, &wanted) => (Fault::Missing, None),
            _ if is_part(&wanted, &steps) => (Fault::Extra, None),
            Some(place) if steps.len() == wanted.len() => {
                (if steps[place].is_some() { Fault::Helper } else { Fault::Altered }, Some(place))
            }
            _ => (Fault::Several, None),
        }
    }
}

/// Whether `part` is `whole` with some left out.
fn is_part<T: PartialEq>(part: &[T], whole: &[T]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|step| rest.any(|other| other == step))
}

/// Helpers by name as they are defined, and the names that are applied, first to last.
type Parts<'a> = (Vec<(&'a str, String)>, Vec<&'a str>);

/// Of a program in the form of [`assemble`](super::python::assemble).
fn parts(program: &str) -> Option<Parts<'_>> {
    let (helpers, mut call) = program.trim_end().rsplit_once(&format!("def {ENTRY}(x):\n    return "))?;
    let mut applied = Vec::new();
    while call != "x" {
        let (name, rest) = call.split_once('(')?;
        applied.insert(0, name);
        call = rest.strip_suffix(')')?;
    }
    let mut defined = Vec::new();
    for text in helpers.strip_prefix("def ")?.split("\ndef ") {
        let (name, _) = text.split_once('(')?;
        defined.push((name, rename(&format!("def {}", text.trim_end()), name, ANY)));
    }
    Some((defined, applied))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::python::assemble;
    use crate::data::{Set, Splits};

    /// The reference of a chain of depth three, changed in each way that a model changes one.
    #[test]
    fn each_fault_is_told() {
        let (catalog, splits) = (Catalog::shipped(), Splits::small());
        let steps = Steps::new(&catalog);
        let problem = splits.get(Set::CompositeB).iter().find(|problem| problem.depth == 3).unwrap();
        let source = |id: &String| catalog.get(id).unwrap().source.as_str();
        let [a, b, c] = [0, 1, 2].map(|at| source(&problem.atoms[at]));
        let other = catalog.atoms().iter().find(|atom| !problem.atoms.contains(&atom.id)).unwrap();
        let right = &problem.reference;
        let call = |from: &str, to: &str| right.replace(&format!("return {from}"), &format!("return {to}"));
        for (program, expected) in [
            (right.clone(), (Fault::None, None)),
            (call("u(q(p(x)))", "q(u(p(x)))"), (Fault::Glue, None)),
            (call("u(q(p(x)))", "u(q(k(x)))"), (Fault::Glue, None)),
            (call("u(q(p(x)))", "u(q(p(x))"), (Fault::Form, None)),
            ("def f(x):\n    return x".to_owned(), (Fault::Form, None)),
            (String::new(), (Fault::Form, None)),
            (assemble([b, a, c]), (Fault::Order, None)),
            (assemble([a, c]), (Fault::Missing, None)),
            (assemble([a, b, &other.source, c]), (Fault::Extra, None)),
            (assemble([a, &other.source, c]), (Fault::Helper, Some(1))),
            (assemble([a, b, &c.replace("return ", "return not ")]), (Fault::Altered, Some(2))),
            (assemble([a, &other.source]), (Fault::Several, None)),
        ] {
            let asked = problem.atoms.iter().map(String::as_str).collect_vec();
            assert_eq!(steps.fault(&asked, &program), expected, "{program}");
        }
    }

    #[test]
    fn every_reference_is_read_back() {
        let (catalog, splits) = (Catalog::shipped(), Splits::small());
        let steps = Steps::new(&catalog);
        for problem in splits.iter() {
            let asked = problem.key.split(" > ").collect_vec();
            assert_eq!(steps.fault(&asked, &problem.reference), (Fault::None, None), "{}", problem.key);
        }
    }
}
