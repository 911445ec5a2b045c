//! Problems as JSON lines, one a line, written whole or not at all.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Serialize;

use crate::base::error::{Error, Result};
use crate::base::files::write_atomically;
use crate::base::seed::Seed;
use crate::data::catalog::Catalog;
use crate::data::problem::Problem;
use crate::data::synth::{ChainRequest, synthesize};
use crate::data::value::Value;
use crate::sandbox::Sandbox;

/// What `sft-vs-rl synth` does: synthesizes and writes the problems to `path`. Returns them.
pub fn export(
    catalog: &Catalog,
    sandbox: &Sandbox,
    request: &ChainRequest,
    seed: Seed,
    path: &Path,
) -> Result<Vec<Problem>> {
    let problems = synthesize(catalog, sandbox, request, seed)?;
    write_problems(path, &problems)?;
    Ok(problems)
}

pub fn write_problems(path: &Path, problems: &[Problem]) -> Result<()> {
    write_atomically(path, &to_lines(path, problems)?)
}

pub fn read_problems(path: &Path) -> Result<Vec<Problem>> {
    read_problem_lines(path, 0)
}

/// One JSON value a line. `path` is for the error message.
pub(crate) fn to_lines<T: Serialize>(path: &Path, items: &[T]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for item in items {
        serde_json::to_writer(&mut bytes, item).map_err(|error| Error::damaged(path, error))?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// Reads the problems that [`to_lines`] made, passing over the first `skip` lines.
pub(crate) fn read_problem_lines(path: &Path, skip: usize) -> Result<Vec<Problem>> {
    let file = File::open(path).map_err(Error::io(path))?;
    let mut problems = Vec::new();
    for (index, line) in BufReader::new(file).lines().enumerate().skip(skip) {
        let line = line.map_err(Error::io(path))?;
        let mut problem: Problem =
            serde_json::from_str(&line).map_err(|error| Error::parse(path, index + 1, error))?;
        for case in &mut problem.cases {
            // JSON does not say what an empty list holds; the problem does.
            let typed = |value: &Value, kind| {
                Value::from_json(&value.to_json(), kind).map_err(|error| Error::parse(path, index + 1, error))
            };
            case.input = typed(&case.input, problem.input)?;
            case.expected = typed(&case.expected, problem.output)?;
        }
        problems.push(problem);
    }
    Ok(problems)
}
