//! The `sandbox` command: jobs in, verdicts out, one a line (written next).
