//! Synthesis (paper, data construction): atoms -> typed chains -> problems.
//!
//! > pick an atom, append atoms whose input type accepts the previous output type, join them, and
//! > keep the result only if it runs without error, never returns `None`, and gives different
//! > outputs for different inputs
//!
//! Candidates are drawn from a seed, run on probe inputs, held against [`Rules`], and picked so
//! that all atoms occur about equally often. The same seed gives the same problems, byte by byte.

mod cases;
mod chain;
mod mutate;
mod oracle;
pub(super) mod prompt;
mod rivals;
mod rules;
mod solvers;
mod synthesizer;
mod wrong_helper;

pub use chain::{Chain, Topics};
pub use mutate::Operator;
pub use oracle::Oracle;
pub(crate) use prompt::CONNECTIVES;
pub use prompt::connective;
pub use rivals::{Exam, Rival};
pub use rules::{Fingerprint, Rejection, Rules, Types};
pub use solvers::solvers;
pub use synthesizer::{Sizes, Synthesizer};

use crate::base::{Error, Result, Seed};
use crate::data::catalog::Catalog;
use crate::data::problem::Problem;
use crate::data::python::MAX_DEPTH;
use crate::sandbox::Sandbox;

/// What to synthesize: `count` chains, spread evenly over the depths.
#[derive(Debug, Clone, PartialEq)]
pub struct ChainRequest {
    /// Where the atoms come from.
    pub topics: Topics,
    /// Fewest and most atoms in a chain, both included; within 2 to 5.
    pub depth: [usize; 2],
    /// Chains in all.
    pub count: usize,
}

impl ChainRequest {
    /// Reads depths as the command line writes them: `3` or `2..3`, both ends included.
    pub fn parse_depth(text: &str) -> Result<[usize; 2]> {
        let (low, high) = text.split_once("..").unwrap_or((text, text));
        match (low.parse(), high.trim_start_matches('=').parse()) {
            (Ok(low), Ok(high)) => Ok([low, high]),
            _ => Err(Error::config("depth", format!("`{text}` is neither a depth nor a range such as 2..3"))),
        }
    }

    /// How many chains of each depth: the shallowest take what does not divide evenly.
    fn sizes(&self) -> Result<Sizes> {
        let [low, high] = self.depth;
        if low < 2 || high > MAX_DEPTH || low > high {
            let message = format!("{low}..{high} is not a range of depths within 2..{MAX_DEPTH}");
            return Err(Error::config("depth", message));
        }
        let depths = high - low + 1;
        let count = |depth| self.count / depths + usize::from(depth - low < self.count % depths);
        Ok((low..=high).map(|depth| (depth, count(depth))).collect())
    }
}

/// `request.count` problems, for use on their own (the study's sets are [`Splits`](crate::data::Splits)).
pub fn synthesize(
    catalog: &Catalog,
    sandbox: &Sandbox,
    request: &ChainRequest,
    seed: Seed,
) -> Result<Vec<Problem>> {
    let (topics, sizes) = (request.topics, request.sizes()?);
    let mut synthesizer = Synthesizer::new(catalog, sandbox, Rules::STANDARD, seed)?;
    let mut candidates = synthesizer.candidates(topics, &sizes)?;
    let chains = synthesizer.pick(&mut candidates, &sizes, |_| true)?;
    let of_one_depth = chains.chunk_by(|a, b| a.len() == b.len());
    let problems = of_one_depth.map(|chains| synthesizer.problems(chains, topics.set(chains[0].len())));
    Ok(problems.collect::<Result<Vec<_>>>()?.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::problem::{read_problems, write_problems};
    use crate::data::value::ValueType;
    use crate::sandbox::SandboxConfig;

    #[test]
    fn depths_are_read_as_the_command_line_writes_them() {
        assert_eq!(ChainRequest::parse_depth("3").unwrap(), [3, 3]);
        assert_eq!(ChainRequest::parse_depth("2..3").unwrap(), [2, 3]);
        assert_eq!(ChainRequest::parse_depth("2..=3").unwrap(), [2, 3]);
        assert!(ChainRequest::parse_depth("two").is_err());
        let request = |depth| ChainRequest { topics: Topics::Source, depth, count: 5 };
        assert_eq!(request([2, 3]).sizes().unwrap(), Sizes::from([(2, 3), (3, 2)]));
        assert!(request([1, 3]).sizes().is_err() && request([2, 6]).sizes().is_err());
    }

    #[test]
    fn an_exported_file_reads_back_and_every_chain_fits() {
        let catalog = Catalog::shipped();
        let sandbox = Sandbox::start(&SandboxConfig::for_this_machine()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("problems.jsonl");
        let request = ChainRequest { topics: Topics::Mixed, depth: [2, 2], count: 12 };
        let problems = synthesize(&catalog, &sandbox, &request, Seed::new(4)).unwrap();
        write_problems(&path, &problems).unwrap();
        assert_eq!(read_problems(&path).unwrap(), problems);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        for problem in &problems {
            let atoms: Vec<_> = problem.atoms.iter().map(|id| catalog.get(id).unwrap()).collect();
            assert!(atoms.windows(2).all(|pair| pair[0].output == pair[1].input && pair[0].id != pair[1].id));
            assert!(atoms.iter().any(|atom| atom.side != atoms[0].side), "{} is not mixed", problem.key);
            let distinct: std::collections::HashSet<_> =
                problem.cases.iter().map(|case| &case.expected).collect();
            assert!(
                distinct.len() >= if problem.output == ValueType::Bool { 2 } else { 4 },
                "{}",
                problem.key
            );
        }
    }
}
