//! What documents say of the committed records is what the records say.

// A test that unwraps an error has failed, and says why.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use sft_vs_rl::{Runs, ledger};

/// `make results` was run after the records, the claims or the ledger changed.
#[test]
fn pages_of_results_are_written_from_the_records() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let runs = Runs::committed(root, "quick").unwrap();
    assert!(page("docs/results.md") == runs.results().unwrap(), "run `make results`");
    assert!(page("README.md").contains(&runs.verdicts().unwrap()), "run `make results`");
    assert!(page("docs/ambiguities.md").contains(&ledger(root).unwrap().markdown()), "run `make results`");
}
