//! Honest programs: answers as people and models write them, each with the words that it must get, on
//! every Python that is found here.
//!
//! A program is a file of `programs/`. Comment lines at its top are taken away before it is run; what they
//! say, one a line:
//!
//! ```text
//! # entry: two_sum                        the function that is called
//! # case: [[2, 7], 9] -> [0, 1]           arguments and the expected value, as JSON; as many as there are
//! # word: pass                            of all cases, or one a case, separated by commas
//! # python: 3.10                          the first version that can run it; else 3.9
//! # limits: {"cpu_s": 0.3}                else those that the kit takes by itself
//! # needs: /usr/share/zoneinfo/Asia/Tokyo a file without which nobody could run it
//! ```
//!
//! Where a program does what the sandbox refuses and does not catch it, its word is `forbidden`; what
//! belongs to no program at all is in `tests/hostile`.

#[path = "../common/unprivileged.rs"]
mod unprivileged;

use std::collections::BTreeMap;
use std::io::{BufReader, Cursor};
use std::path::{Path, PathBuf};

use itertools::Itertools;
use sft_vs_rl::{CaseWord, Sandbox, SandboxConfig, serve_jsonl};

/// What the programs are written for, unless they say more.
const OLDEST: Version = (3, 9);

/// Fewer programs than this is not the set.
const AT_LEAST: usize = 64;

/// Major and minor.
type Version = (u32, u32);

struct Program {
    file: String,
    /// As the command line takes it.
    job: String,
    /// One a case.
    words: Vec<CaseWord>,
    python: Version,
    needs: Option<PathBuf>,
}

/// `3.10`, or more of it.
fn version(text: &str) -> Option<Version> {
    let (major, rest) = text.split_once('.')?;
    Some((major.parse().ok()?, rest.split('.').next()?.parse().ok()?))
}

/// Splits a file into what the lines at its top say and the program, of which nothing is changed.
fn read(path: &Path) -> Program {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (mut rest, mut cases) = (text.as_str(), Vec::new());
    let mut said: BTreeMap<&str, &str> = BTreeMap::new();
    while let Some((line, after)) = rest.split_once('\n') {
        let Some((name, value)) = line.strip_prefix("# ").and_then(|line| line.split_once(": ")) else {
            break;
        };
        match name {
            "case" => {
                let case = value.split_once(" -> ");
                cases.push(case.unwrap_or_else(|| panic!("{file}: no ` -> ` in {value}")));
            }
            "entry" | "word" | "python" | "limits" | "needs" => {
                assert!(said.insert(name, value).is_none(), "{file}: `{name}` twice");
            }
            _ => break,
        }
        rest = after;
    }
    let need = |name: &str| said.get(name).copied().unwrap_or_else(|| panic!("{file}: no `# {name}: `"));
    let word = |word: &str| word.parse().unwrap_or_else(|_| panic!("{file}: no word: {word}"));
    let mut words: Vec<CaseWord> = need("word").split(", ").map(word).collect();
    if let [all] = words[..] {
        words = vec![all; cases.len()];
    }
    assert!(!cases.is_empty() && words.len() == cases.len(), "{file}: {} cases", cases.len());
    let quoted = |text: &str| serde_json::to_string(text).expect("a string");
    let job = format!(
        r#"{{"id":{},"program":{},"entry":{},"inputs":[{}],"expected":[{}],"limits":{}}}"#,
        quoted(&file),
        quoted(rest),
        quoted(need("entry")),
        cases.iter().map(|(inputs, _)| inputs).join(","),
        cases.iter().map(|(_, expected)| expected).join(","),
        said.get("limits").unwrap_or(&"{}"),
    );
    let python = said.get("python").map(|text| version(text).unwrap_or_else(|| panic!("{file}: {text}")));
    let needs = said.get("needs").map(PathBuf::from);
    Program { file, job, words, python: python.unwrap_or(OLDEST), needs }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/honest/programs")
}

fn programs() -> Vec<Program> {
    let entries = std::fs::read_dir(std::env::var_os(unprivileged::FILES).map_or(folder(), PathBuf::from))
        .expect("a folder of programs");
    let paths = entries.map(|entry| entry.expect("an entry of it").path());
    paths
        .filter(|path| path.extension().is_some_and(|name| name == "py"))
        .sorted()
        .map(|path| read(&path))
        .collect()
}

/// What may be a Python: `python3`, and every version from 3.9 to 3.13 that lies where they usually do.
fn candidates() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // pyenv's shims have a name for each installed version, whether or not it may be called by it; the
    // versions themselves come below.
    let folders = std::env::split_paths(&path).filter(|folder| !folder.ends_with("shims")).collect_vec();
    let named = (9..=13).map(|minor| format!("python3.{minor}"));
    let named = named.flat_map(|name| folders.iter().map(move |folder| folder.join(&name)));
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let pyenvs = [Path::new("/root").to_owned(), home].map(|home| home.join(".pyenv/versions"));
    // Not readable for other users than root, or not there: then none of its versions can be run.
    let installed = pyenvs.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let installed = installed.map(|entry| entry.path().join("bin/python3"));
    let others = named.chain(installed).chain(["/usr/bin/python3".into()]);
    ["python3".into()].into_iter().chain(others.filter(|path| path.is_file())).collect()
}

/// The interpreters behind the candidates, each once, the one on the PATH first, with the full version.
fn pythons() -> Vec<(PathBuf, String)> {
    let question = "import os, sys; print(sys.version.split()[0], os.path.realpath(sys.executable))";
    let ask = |candidate: PathBuf| {
        let said = duct::cmd(candidate.as_os_str(), ["-s", "-S", "-c", question]).dir("/").read();
        let said = said.unwrap_or_else(|error| panic!("{} does not start: {error}", candidate.display()));
        let (version, executable) = said.split_once(' ').expect("two words");
        (PathBuf::from(executable), version.to_owned())
    };
    let found = candidates().into_iter().map(ask).unique();
    let (new, old): (Vec<_>, Vec<_>) = found.partition(|(_, text)| version(text) >= Some(OLDEST));
    for (executable, version) in old {
        println!("{version}  {}: older than the programs", executable.display());
    }
    new
}

/// All programs that this Python can run, in one go. What is not as it should be, one line a case.
fn run(executable: &Path, text: &str, programs: &[Program]) -> Vec<String> {
    let config = SandboxConfig { python: Some(executable.to_owned()), ..SandboxConfig::strict(2) };
    let sandbox = match Sandbox::start(&config) {
        Ok(sandbox) => sandbox,
        Err(error) => return vec![format!("{text}  {}: {error}", executable.display())],
    };
    let missing = |program: &&Program| program.needs.as_ref().is_some_and(|path| !path.exists());
    let (without, programs): (Vec<&Program>, Vec<&Program>) =
        programs.iter().filter(|program| version(text) >= Some(program.python)).partition(missing);
    let lines = programs.iter().map(|program| &program.job).join("\n");
    let mut output = Vec::new();
    serve_jsonl(&sandbox, BufReader::new(Cursor::new(lines)), &mut output)
        .expect("memory can be read and written");
    let output = String::from_utf8(output).expect("verdicts are UTF-8");
    let verdicts: Vec<serde_json::Value> =
        output.lines().map(|line| serde_json::from_str(line).expect("a verdict is JSON")).collect();
    assert_eq!(verdicts.len(), programs.len(), "one verdict a program");
    let mut wrong = Vec::new();
    for (program, verdict) in programs.iter().zip(&verdicts) {
        let Program { file, words, .. } = program;
        assert_eq!(verdict["id"], file.as_str(), "verdicts are in order");
        let Some(cases) = verdict["cases"].as_array().filter(|cases| cases.len() == words.len()) else {
            wrong.push(format!("{file}, {text}: {verdict}"));
            continue;
        };
        for (case, (wanted, got)) in words.iter().zip(cases).enumerate() {
            if got != wanted.name() {
                wrong.push(format!("{file}, {text}, case {case}: wanted {}, got {got}", wanted.name()));
            }
        }
    }
    let without =
        without.iter().map(|program| format!("; {} needs a file that is not here", program.file)).join("");
    println!(
        "{text}  {}: {} programs, {} cases not as they should be{without}",
        executable.display(),
        programs.len(),
        wrong.len()
    );
    wrong
}

#[test]
fn honest_programs_get_their_words_on_every_python() {
    let programs = programs();
    assert!(programs.len() >= AT_LEAST, "only {} programs", programs.len());
    let pythons = pythons();
    assert!(!pythons.is_empty(), "no Python of version 3.9 or later");
    let wrong = pythons.iter().flat_map(|(executable, text)| run(executable, text, &programs)).collect_vec();
    assert!(wrong.is_empty(), "not as they should be:\n{}", wrong.join("\n"));
}

#[test]
fn as_an_unprivileged_user() {
    unprivileged::run_all_tests(1, Some(&folder()));
}
