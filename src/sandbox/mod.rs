//! The verifier: runs programs written by a model and says, case by case, what they did.
//!
//! It is the reward of RL and the judge of every evaluation, so it is built around four rules
//! (`docs/sandbox.md` lists what is covered and what is not, with the test that shows each):
//!
//! 1. **Expected values never leave this process.** A program is sent its inputs and returns
//!    answers; whether they are right is decided here ([`PyValue::same`]). Whatever a program does
//!    to its own interpreter, it can only change its own answers.
//! 2. **The program's process is locked from outside Python**: resource limits, Landlock, a
//!    seccomp allowlist, no capabilities, one process only, killed when it is done.
//! 3. **A failure of the sandbox is never a judgement**: it is [`Verdict::Infra`].
//! 4. **Weaker than asked is refused**, and attacks are tried at each start ([`Canary`]).
//!
//! No other module starts a process. Files in reading order:

mod verdict; // what is asked and answered
mod value; // Python values, compared type for type
mod parse; // reading them
mod wire; // bytes between the kit and a zygote
mod python; // which interpreter
mod isolation; // how strong the locks are
#[cfg(target_os = "linux")]
mod filter; // the system calls that a program may make
mod locks; // Landlock, and all locks together
mod start_state; // what programs inherit
mod child; // one program while it runs
mod zygote; // one Python process, which forks a child a program
mod worker; // threads that own one zygote each
mod canary; // attacks at each start
mod judge; // the sandbox as a whole
mod jsonl; // the command line's job lines
#[cfg(test)]
mod tests;

pub use isolation::{Canary, Isolation, IsolationLevel};
pub use jsonl::serve_jsonl;
pub use judge::{Sandbox, SandboxConfig};
pub use python::Python;
pub use value::PyValue;
pub use verdict::{CaseOutput, CaseWord, Job, Limits, Verdict};
