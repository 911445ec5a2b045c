//! A program that takes one step for another: what a control teaches in the place of a reference.

use rand::seq::IndexedRandom;

use crate::base::Seed;
use crate::data::catalog::{Atom, Catalog};
use crate::data::problem::Problem;
use crate::data::python::assemble;

impl Catalog {
    /// The reference program of a chain with another atom of the same types in the place of one of its steps;
    /// always the same one. `None` where no step's types have another atom.
    pub fn with_wrong_helper(&self, problem: &Problem) -> Option<String> {
        let steps: Vec<&Atom> = problem.atoms.iter().filter_map(|id| self.get(id)).collect();
        let mut wrong = Vec::new();
        for (place, step) in steps.iter().enumerate() {
            let alike = |other: &&Atom| (other.input, other.output) == (step.input, step.output);
            let others = self.atoms().iter().filter(alike).filter(|other| other.id != step.id);
            wrong.extend(others.map(|other| (place, other)));
        }
        let mut random = Seed::new(0).child(&problem.key).stream("wrong helper");
        let (place, other) = *wrong.choose(&mut random)?;
        let source =
            |(at, step): (usize, &&'_ Atom)| if at == place { &other.source } else { &step.source }.clone();
        let sources: Vec<String> = steps.iter().enumerate().map(source).collect();
        Some(assemble(sources.iter().map(String::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Set, Splits};
    use crate::sandbox::{Sandbox, SandboxConfig};

    /// A rare one may happen to be right (docs/sandbox.md counts them); the others have the reference's form.
    #[test]
    fn programs_with_a_wrong_helper_have_the_form_and_fail() {
        let catalog = Catalog::shipped();
        let chains = Splits::small().get(Set::CompositeATrain);
        let programs: Vec<String> =
            chains.iter().map(|problem| catalog.with_wrong_helper(problem).unwrap()).collect();
        for (problem, program) in chains.iter().zip(&programs) {
            let call = |text: &str| text.lines().last().unwrap().to_owned();
            assert_eq!(call(program), call(&problem.reference));
        }
        let sandbox = Sandbox::start(&SandboxConfig::strict(1)).unwrap();
        let jobs: Vec<_> =
            chains.iter().zip(programs).map(|(problem, program)| problem.job(program)).collect();
        let passed = sandbox.judge(&jobs).iter().filter(|verdict| verdict.passed() == Some(true)).count();
        assert!(passed * 20 <= jobs.len(), "{passed} of {}", jobs.len());
    }
}
