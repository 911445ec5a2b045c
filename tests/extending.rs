//! `docs/extending.md`, followed: a project that gets an atom, an arm and a claim of its own, without a
//! line of Rust, runs them at the smoke size.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::project;

/// One entry of a file in `data/catalog`, any number of which may be added.
const ATOM: &str = r#"
[[atom]]
id = "double_first"
input = "list[int]"
output = "list[int]"
en = [
    "double the first number",
    "put twice the first number in its place",
    "multiply only the first item by two",
    "replace the first number by its double",
    "make the item at the front twice as large",
]
zh = ["将第一个数加倍", "把首个元素替换为其两倍"]
source = '''
def double_first(x):
    return [2 * x[0]] + x[1:] if x else []
'''
domain = { range = [-20, 20], length = [0, 8], edges = [[], [1], [-3, 0]] }
"#;

/// One entry of `data/arms.toml`.
const ARM: &str = r#"
[[arm]]
name = "sft-mix-8"
parent = "base"
recipe.sft = { on = { atoms = "all", composites = 8 }, length = "full", balanced = true }
about = "SFT on atoms and 8 composites"
"#;

/// One entry of `data/claims.toml`.
const CLAIM: &str = r#"
[[clause]]
id = "f1.eight-beats-none"
finding = 1
role = "report"
text = "8 composites beat the base model on held-out chains"
metric = "sampled"
left = { arm = "sft-mix-8", set = "composite_a_held_out" }
right = { arm = "base", set = "composite_a_held_out" }
relation = ">="
threshold = 0.0
"#;

/// Appends to files of a project.
fn extended_project() -> tempfile::TempDir {
    let project = project();
    for (name, addition) in [("arms.toml", ARM), ("claims.toml", CLAIM), ("catalog/sorting.toml", ATOM)] {
        let path = project.path().join("data").join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text + addition).unwrap();
    }
    project
}

fn kit(project: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sft-vs-rl")).args(words).current_dir(project).output().unwrap()
}

/// What the command printed; it must have ended well.
fn printed(output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_atom_an_arm_and_a_claim_are_an_entry_each() {
    let folder = extended_project();
    let checked = printed(kit(folder.path(), &["catalog", "check"]));
    let row = checked.lines().find(|line| line.contains("double_first")).expect("the atom has a row");
    assert!(row.contains("list[int] -> list[int]"), "{row}");

    let ran = printed(kit(folder.path(), &["run", "sft-mix-8", "--tier", "smoke", "--seed", "5"]));
    assert!(ran.contains("sft-mix-8 seed 5"), "{ran}");
    let splits =
        std::fs::read_dir(folder.path().join("data/generated")).unwrap().next().unwrap().unwrap().path();
    let problems = std::fs::read_to_string(splits.join("splits.jsonl")).unwrap();
    assert!(problems.contains("double_first"), "the atom is asked");

    let judged = printed(kit(folder.path(), &["claims", "--tier", "smoke"]));
    let row = judged.lines().find(|line| line.contains("f1.eight-beats-none")).expect("the clause is judged");
    assert!(row.contains("[+") || row.contains("[-"), "it has an interval, so both arms have runs: {row}");
    let none = kit(folder.path(), &["claims", "--tier", "smoke", "--records", "data/records/none"]);
    assert_eq!(none.status.code(), Some(2), "{none:?}");

    // The page and the README's table are written from what was exported.
    printed(kit(folder.path(), &["export", "--tier", "smoke"]));
    let exported =
        printed(kit(folder.path(), &["claims", "--tier", "smoke", "--records", "data/records/smoke"]));
    assert_eq!(exported, judged);
    let readme = folder.path().join("README.md");
    std::fs::write(&readme, "# Ours\n").unwrap();
    let ledger = folder.path().join("docs/ambiguities.md");
    std::fs::create_dir(ledger.parent().unwrap()).unwrap();
    let rows = "<!-- measured rows: written by `make results` -->\n<!-- end of measured rows -->\n";
    std::fs::write(&ledger, rows).unwrap();
    let refused = kit(folder.path(), &["results", "--tier", "smoke"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let marks = ["<!-- verdicts: written by `make results` -->\n", "<!-- end of verdicts -->\n"];
    std::fs::write(&readme, format!("# Ours\n{}old\n{}The end\n", marks[0], marks[1])).unwrap();
    printed(kit(folder.path(), &["results", "--tier", "smoke"]));
    let page = std::fs::read_to_string(folder.path().join("docs/results.md")).unwrap();
    assert!(page.contains("8 composites beat the base model on held-out chains (report)"), "{page}");
    let rows = std::fs::read_to_string(&ledger).unwrap();
    assert!(rows.contains("| KL penalty | 0.1 a nat | none | not concerned | not measured yet |"), "{rows}");
    let readme = std::fs::read_to_string(&readme).unwrap();
    assert!(readme.starts_with("# Ours\n<!-- verdicts") && readme.ends_with("verdicts -->\nThe end\n"));
    assert!(readme.contains("| **not judged yet** |") && !readme.contains("old"), "{readme}");
}

/// `claims | head -1`: the reader leaves, which is no failure.
#[test]
fn a_reader_that_leaves_is_no_panic() {
    let mut words = Command::new(env!("CARGO_BIN_EXE_sft-vs-rl"));
    words
        .args(["claims", "--records", "data/records/version1/quick"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let mut kit = words.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(kit.stdout.take());
    let output = kit.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn an_entry_that_cannot_be_is_named_with_its_file() {
    let folder = extended_project();
    let arms = folder.path().join("data/arms.toml");
    let text = std::fs::read_to_string(&arms).unwrap();
    std::fs::write(&arms, text.replace("composites = 8", "composites = -8")).unwrap();
    let output = kit(folder.path(), &["run", "sft-mix-8", "--tier", "smoke"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("data/arms.toml:"), "{errors}");
}
