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

/// `make figures` was run after the records changed, and each figure has its twin in pixels.
#[test]
fn figures_are_drawn_from_the_records() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let drawn = Runs::committed(root, "quick").unwrap().draw(folder.path()).unwrap();
    assert!(drawn.len() >= 8, "only {} figures", drawn.len());
    for path in drawn {
        let committed = root.join("figures").join(path.file_name().unwrap());
        for name in [path.with_extension("svg"), path.with_extension("png")] {
            let committed = committed.with_extension(name.extension().unwrap());
            let same = std::fs::read(&name).unwrap() == std::fs::read(&committed).unwrap_or_default();
            assert!(same, "run `make figures`: {}", committed.display());
        }
    }
}
