//! One typed error for the whole crate: each variant says *where* (file, line, field, tensor)
//! and *what to do*, so that the command line can print it as it is and exit with code 2.

use std::path::{Path, PathBuf};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },

    /// A file that exists but does not say what it should. `line` is 1-based; none where the whole file
    /// is meant, or it has no lines.
    #[error("{}{}: {message}", path.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
    Parse { path: PathBuf, line: Option<usize>, message: String },

    #[error("{}:{line}: atom `{atom}`, field `{field}`: {message}", path.display())]
    Catalog { path: PathBuf, line: usize, atom: String, field: &'static str, message: String },

    #[error("setting `{field}`: {message}")]
    Config { field: String, message: String },

    #[error("unknown {kind} `{name}`; known: {known}")]
    Unknown { kind: &'static str, name: String, known: String },

    #[error("{}: tensor `{tensor}` has shape {found:?}, expected {expected:?}", path.display())]
    Shape { path: PathBuf, tensor: String, expected: Vec<usize>, found: Vec<usize> },

    #[error("tokenizer: {0}")]
    Tokenizer(String),

    /// The sandbox itself failed. Never turned into a reward.
    #[error("sandbox: {0}")]
    Sandbox(String),

    /// The kernel or the platform does not offer the isolation that was asked for.
    #[error(
        "sandbox isolation is too weak: {missing}. To accept the weaker level, pass `--isolation {level}` (programs written by a model will then run with less protection)"
    )]
    Isolation { missing: String, level: &'static str },

    #[error("python3: {0}")]
    Python(String),

    #[error("run store, {}: {message}", path.display())]
    RunStore { path: PathBuf, message: String },

    #[error("{} is in use by process {pid}; wait for it or stop it", path.display())]
    Locked { path: PathBuf, pid: String },

    /// A list that must hold something: prompts, documents, examples.
    #[error("{what} is empty; {needed}")]
    Empty { what: String, needed: &'static str },

    #[error(
        "{place}: token {token} with a vocabulary of {vocabulary}; was the text encoded by this model's tokenizer?"
    )]
    Token { place: String, token: u32, vocabulary: usize },

    #[error("{what}: {found}, expected {expected}")]
    Count { what: String, expected: usize, found: usize },

    #[error("{what} is {value} at step {step}; lower the learning rate, or look for a damaged checkpoint")]
    NotFinite { what: String, step: usize, value: f64 },

    #[error("{json} is not a {kind}")]
    Value { json: String, kind: String },

    /// A chain or an atom that does not do what the catalog says.
    #[error("`{chain}`: {message}")]
    Chain { chain: String, message: String },

    /// Something is asked of runs that are not there.
    #[error("no finished run {what}; `make study` trains the arms of a tier")]
    MissingRuns { what: String },

    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),

    #[error("data: {0}")]
    Data(String),

    #[error("figure: {0}")]
    Figure(String),

    #[error("frame: {0}")]
    Frame(#[from] polars::error::PolarsError),

    #[error("tensor: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// For `map_err`: an I/O error together with the path it happened at.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.as_ref().to_path_buf();
        move |source| Error::Io { path, source }
    }

    /// A line (1-based) of a file does not say what it should.
    pub fn parse(path: impl AsRef<Path>, line: usize, message: impl ToString) -> Error {
        Error::Parse { path: path.as_ref().to_path_buf(), line: Some(line), message: message.to_string() }
    }

    /// A file as a whole does not say what it should.
    pub fn damaged(path: impl AsRef<Path>, message: impl ToString) -> Error {
        Error::Parse { path: path.as_ref().to_path_buf(), line: None, message: message.to_string() }
    }

    pub fn config(field: impl Into<String>, message: impl ToString) -> Error {
        Error::Config { field: field.into(), message: message.to_string() }
    }
}
