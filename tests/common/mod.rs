//! What tests of the whole have in common.

use std::fs;
use std::path::Path;

/// A project of a test's own, with the real one's catalog and settings and without runs: nothing is written
/// into the real one.
pub fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (from, to) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("data"), folder.path().join("data"));
    fs::create_dir_all(to.join("catalog")).expect("a folder");
    let topics = fs::read_dir(from.join("catalog")).expect("the catalog").flatten();
    let topics = topics.map(|entry| Path::new("catalog").join(entry.file_name()));
    for name in topics.chain(["arms.toml", "claims.toml", "ledger.toml", "tiers.toml"].map(Into::into)) {
        fs::copy(from.join(&name), to.join(&name)).expect("a copy");
    }
    folder
}
