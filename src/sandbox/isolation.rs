//! How strongly programs are held on this machine, and how that is reported.

use std::fmt;

use itertools::Itertools;
use serde::{Deserialize, Serialize};
use strum::VariantNames;

use super::python::Python;
use crate::base::{Error, Result};

/// How strongly programs are held, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum IsolationLevel {
    /// A process of its own with resource limits, and no more: what macOS offers here.
    Process,
    /// And a seccomp allowlist. Without all of Landlock, a program can read what its user can read.
    Seccomp,
    /// And Landlock, fully enforced: no file but the standard library, no TCP, no foreign signals.
    Full,
}

impl IsolationLevel {
    /// `full`, as `--isolation` takes it.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The level of this name; the error lists all names.
    pub fn named(name: &str) -> Result<Self> {
        name.parse().map_err(|_| Error::Unknown {
            kind: "isolation level",
            name: name.to_owned(),
            known: IsolationLevel::VARIANTS.iter().rev().join(", "),
        })
    }
}

/// One attack that was tried when the sandbox started, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// The attack, in words.
    pub name: String,
    /// The word that the attack got, or the reason why the sandbox failed.
    pub word: String,
    /// Is it the word that it should get?
    pub held: bool,
}

/// The report that `doctor` prints and every run record keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Isolation {
    /// What all of the below amounts to.
    pub level: IsolationLevel,
    /// `linux x86_64`
    pub platform: String,
    /// The interpreter that runs programs.
    pub python: Python,
    /// User id that programs run under. Root keeps its id but loses every capability.
    pub uid: u32,
    /// What is enforced, in words.
    pub enforced: Vec<String>,
    /// What is missing, in words; empty at [`IsolationLevel::Full`].
    pub missing: Vec<String>,
    /// The attacks that were tried.
    pub canaries: Vec<Canary>,
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "isolation  {} ({}, uid {})", self.level.name(), self.platform, self.uid)?;
        writeln!(f, "python     {} {}", self.python.executable.display(), self.python.version)?;
        self.enforced.iter().try_for_each(|item| writeln!(f, "enforced   {item}"))?;
        self.missing.iter().try_for_each(|item| writeln!(f, "MISSING    {item}"))?;
        let (held, lost): (Vec<_>, Vec<_>) = self.canaries.iter().partition(|canary| canary.held);
        write!(f, "canaries   {} of {} attacks held", held.len(), self.canaries.len())?;
        lost.iter().try_for_each(|canary| write!(f, "\nNOT HELD   {}: {}", canary.name, canary.word))
    }
}
