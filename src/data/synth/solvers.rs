//! Which chains solve a problem, whatever their atoms are called: commuting steps, idle steps, another way.
//!
//! `reverse_text > spaces_to_hyphens` solves `spaces_to_hyphens > reverse_text`. Every chain of up to three
//! functions is tried; that is a million and more, so the search runs as one program a type of input, and not
//! call by call through an [`Oracle`](super::Oracle).

use std::collections::BTreeMap;

use itertools::Itertools;
use serde_json::{Value as Json, json};

use crate::base::{Error, Result};
use crate::data::probe::N_COMMON;
use crate::data::problem::Case;
use crate::data::synth::chain::Chain;
use crate::data::synth::rules::Types;
use crate::data::value::Value;
use crate::sandbox::{CaseOutput, Job, Limits, Sandbox};

/// A type of input takes seconds; the memory holds what all chains of two steps return.
const LIMITS: Limits = Limits { cpu_s: 300.0, wall_s: 900.0, memory_mb: 2048 };

/// The chains of up to three functions, by their places in `functions`, that return what one of the `exams`
/// expects. Chains that go on from such a chain are left out. Exams are fast that have their first
/// [`N_COMMON`] inputs in common.
///
/// # Errors
/// `Error::Sandbox` where the search fails or finds more than an answer may hold.
pub fn solvers(
    functions: &[(&str, Types)],
    exams: &[(Types, Vec<Case>)],
    sandbox: &Sandbox,
) -> Result<Vec<Chain>> {
    let functions: Vec<Json> =
        functions.iter().map(|(source, (takes, gives))| json!([source, takes, gives])).collect();
    let mut groups: BTreeMap<_, Vec<Json>> = BTreeMap::new();
    for ((takes, gives), cases) in exams {
        let common = cases.iter().take(N_COMMON).map(|case| case.input.clone()).collect_vec();
        let (inputs, outputs): (Vec<&Value>, Vec<&Value>) =
            cases.iter().map(|case| (&case.input, &case.expected)).unzip();
        groups.entry((*takes, common)).or_default().push(json!([gives, inputs, outputs]));
    }
    let job = |((input, common), problems): (_, Vec<Json>)| {
        let common: Vec<_> = common;
        Job {
            program: include_str!("solvers.py").to_owned(),
            entry: "f".to_owned(),
            inputs: vec![vec![json!(functions), json!(input), json!(common.len()), json!(problems)]],
            expected: Vec::new(),
            limits: LIMITS,
            stop_at_first_failure: false,
        }
    };
    let jobs: Vec<Job> = groups.into_iter().map(job).collect();
    let mut found: Vec<Chain> = Vec::new();
    for answers in sandbox.outputs(&jobs) {
        for answer in answers.map_err(Error::Sandbox)? {
            let chains = match answer {
                CaseOutput::Value(chains) => chains,
                CaseOutput::Failed(word) => {
                    return Err(Error::Sandbox(format!("the search for solutions ended as {word:?}")));
                }
            };
            found.extend(serde_json::from_value::<Vec<Chain>>(chains)?);
        }
    }
    Ok(found)
}
