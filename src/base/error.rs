//! One typed error for the whole crate: each variant says *where* (file, line, field, tensor)
//! and *what to do*, so that the command line can print it as it is and exit with code 2.

use std::path::{Path, PathBuf};

/// What every function of the kit returns that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and where there is something to do, what. The fields' names say what they hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // of fields: each variant's message names all of them
pub enum Error {
    /// The system refused to read or write.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },

    /// A file that exists but does not say what it should. `line` is 1-based; none where the whole file
    /// is meant, or it has no lines.
    #[error("{}{}: {message}", path.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
    Parse { path: PathBuf, line: Option<usize>, message: String },

    /// An atom of the catalog breaks the format.
    #[error("{}:{line}: atom `{atom}`, field `{field}`: {message}", path.display())]
    Catalog { path: PathBuf, line: usize, atom: String, field: &'static str, message: String },

    /// A setting of a tier, an arm or a command that cannot be.
    #[error("setting `{field}`: {message}")]
    Config { field: String, message: String },

    /// A name that stands for nothing, beside those that do.
    #[error("unknown {kind} `{name}`; known: {known}")]
    Unknown { kind: &'static str, name: String, known: String },

    /// A tensor of a file that does not fit the model.
    #[error("{}: tensor `{tensor}` has shape {found:?}, expected {expected:?}", path.display())]
    Shape { path: PathBuf, tensor: String, expected: Vec<usize>, found: Vec<usize> },

    /// What the crate `tokenizers` says.
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

    /// There is no Python to run programs with, or it does not answer.
    #[error("python3: {0}")]
    Python(String),

    /// A folder of the run store is not what it should be.
    #[error("run store, {}: {message}", path.display())]
    RunStore { path: PathBuf, message: String },

    /// Another process works on the same run.
    #[error("{} is in use by process {pid}; wait for it or stop it", path.display())]
    Locked { path: PathBuf, pid: String },

    /// A list that must hold something: prompts, documents, examples.
    #[error("{what} is empty; {needed}")]
    Empty { what: String, needed: &'static str },

    /// A token that the model does not know.
    #[error(
        "{place}: token {token} with a vocabulary of {vocabulary}; was the text encoded by this model's tokenizer?"
    )]
    Token { place: String, token: u32, vocabulary: usize },

    /// Two lists that belong together differ in length.
    #[error("{what}: {found}, expected {expected}")]
    Count { what: String, expected: usize, found: usize },

    /// A training that has diverged.
    #[error("{what} is {value} at step {step}; lower the learning rate, or look for a damaged checkpoint")]
    NotFinite { what: String, step: usize, value: f64 },

    /// JSON that is no value of the type.
    #[error("{json} is not a {kind}")]
    Value { json: String, kind: String },

    /// A chain or an atom that does not do what the catalog says.
    #[error("`{chain}`: {message}")]
    Chain { chain: String, message: String },

    /// Something is asked of runs that are not there.
    #[error("no finished run {what}; `make study` trains the arms of a tier")]
    MissingRuns { what: String },

    /// A value that JSON cannot hold.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),

    /// What the crate `plotters` says.
    #[error("figure: {0}")]
    Figure(String),

    /// What the crate `polars` says.
    #[error("frame: {0}")]
    Frame(#[from] polars::error::PolarsError),

    /// What the crate `candle` says.
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

    /// A setting that cannot be.
    pub fn config(field: impl Into<String>, message: impl ToString) -> Error {
        Error::Config { field: field.into(), message: message.to_string() }
    }
}
