//! Damage to one copied file at a time, and what the loader says about it.

use std::path::Path;

use tempfile::TempDir;

use super::super::Catalog;
use super::*;

/// A copy of the real catalog.
fn copied() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (topic, _) in TOPICS {
        let name = format!("{topic}.toml");
        std::fs::copy(Catalog::default_dir().join(&name), dir.path().join(&name)).unwrap();
    }
    dir
}

/// Loads a catalog whose `file` has the first `from` replaced by `to`.
fn load_damaged(file: &str, from: &str, to: &str) -> Error {
    let dir = copied();
    let path = dir.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "`{from}` is not in {file}: the test would damage nothing");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    Catalog::load(dir.path()).expect_err("a damaged catalog was accepted")
}

/// The atom and field of an `Error::Catalog` about `sorting.toml`, and its message.
fn fault(from: &str, to: &str) -> (String, String, String) {
    match load_damaged("sorting.toml", from, to) {
        Error::Catalog { path, atom, field, message } => {
            assert!(path.ends_with("sorting.toml"), "{}", path.display());
            (atom, field, message)
        }
        other => panic!("not a catalog error: {other}"),
    }
}

fn assert_fault(from: &str, to: &str, field: &str, says: &str) {
    let (atom, found, message) = fault(from, to);
    assert_eq!((atom.as_str(), found.as_str()), ("sort_descending", field), "{message}");
    assert!(message.contains(says), "{message}");
}

#[test]
fn an_undamaged_copy_loads() {
    let (copy, real) = (copied(), Catalog::load(&Catalog::default_dir()).unwrap());
    assert_eq!(Catalog::load(copy.path()).unwrap().content_hash(), real.content_hash());
}

#[test]
fn a_missing_file_is_named() {
    let dir = copied();
    std::fs::remove_file(dir.path().join("digits.toml")).unwrap();
    let message = Catalog::load(dir.path()).unwrap_err().to_string();
    assert!(message.contains("digits.toml"), "{message}");
    assert!(matches!(Catalog::load(Path::new("no/such/folder")), Err(Error::Io { .. })));
}

#[test]
fn a_file_of_no_topic_is_refused() {
    let dir = copied();
    std::fs::write(dir.path().join("sortings.toml"), "").unwrap();
    let message = Catalog::load(dir.path()).unwrap_err().to_string();
    assert!(message.contains("sortings.toml") && message.contains("predicates"), "{message}");
}

#[test]
fn broken_toml_has_a_line() {
    for (from, to) in [
        ("output = \"list[int]\"\n", "output = \n"),
        ("output = \"list[int]\"\n", "output = \"list[float]\"\n"),
        ("output = \"list[int]\"\n", "outputs = \"list[int]\"\n"),
        ("edges = [[], [5]", "edges = [[], [0.5]"),
    ] {
        match load_damaged("sorting.toml", from, to) {
            Error::Parse { path, line, message } => {
                assert!(path.ends_with("sorting.toml"));
                assert!((5..=24).contains(&line.unwrap_or(0)), "{to}: line {line:?}: {message}");
            }
            other => panic!("not a parse error: {other}"),
        }
    }
}

#[test]
fn topic_and_side_belong_to_the_file_name() {
    let wrong_topic = load_damaged("sorting.toml", "topic = \"sorting\"", "topic = \"words\"").to_string();
    assert!(wrong_topic.contains("sorting.toml") && wrong_topic.contains("`words`"), "{wrong_topic}");
    let wrong_side = load_damaged("words.toml", "side = \"target\"", "side = \"source\"").to_string();
    assert!(wrong_side.contains("words.toml") && wrong_side.contains("source"), "{wrong_side}");
}

#[test]
fn a_topic_has_ten_atoms() {
    let dir = copied();
    let path = dir.path().join("words.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..text.rfind("[[atom]]").unwrap()]).unwrap();
    let message = Catalog::load(dir.path()).unwrap_err().to_string();
    assert!(message.contains("words.toml") && message.contains("9 atoms"), "{message}");
}

#[test]
fn ids_are_unique_and_plain() {
    let duplicate = fault("id = \"sort_descending\"", "id = \"sort_ascending\"");
    assert_eq!(duplicate.1, "source", "the function keeps the old name: {}", duplicate.2);
    let (atom, field, _) = fault("id = \"sort_descending\"", "id = \"sort-descending\"");
    assert_eq!((atom.as_str(), field.as_str()), ("sort-descending", "id"));

    let other_file = load_damaged("mapping.toml", "def square_each(x)", "def sort_unique(x)");
    assert!(other_file.to_string().contains("`square_each`"), "{other_file}");
    let dir = copied();
    let path = dir.path().join("mapping.toml");
    let text = std::fs::read_to_string(&path).unwrap().replace("square_each", "sort_unique");
    std::fs::write(&path, text).unwrap();
    let message = Catalog::load(dir.path()).unwrap_err().to_string();
    assert!(message.contains("mapping.toml") && message.contains("same id"), "{message}");
}

#[test]
fn descriptions_are_counted_unique_and_plain() {
    let first = "\"sort the numbers from largest to smallest\",";
    assert_fault(first, "", "en", "4 descriptions");
    assert_fault(
        first,
        "\"put the numbers in ascending order\",",
        "en",
        "already describes `sort_ascending`",
    );
    assert_fault(first, "\"Sort the numbers.\",", "en", "a-z");
    assert_fault(first, "\"sort and then reverse\",", "en", "`then`");
    assert_fault(first, "\"a b c d e f g h i j k\",", "en", "11 words");
    assert_fault("\"把列表按降序排列\"", "\"sort down\"", "zh", "no Chinese");
}

#[test]
fn a_source_is_one_small_closed_function() {
    let body = "    return sorted(x, reverse=True)";
    for (to, says) in [
        ("    import os\n    return x", "`import`"),
        ("    return sort_descending(x)", "no recursion"),
        ("    return [u for u in x]", "`u` is reserved"),
        ("    return sorted(x, key=lambda k: k)", "`k` is reserved"),
        ("    def g(v):\n        return v\n    return g(x)", "exactly one `def`"),
        ("    pass", "no `return`"),
        ("    return x # all", "comments"),
        ("\n    return x", "indented"),
        ("return x", "indented"),
    ] {
        assert_fault(body, to, "source", says);
    }
    assert_fault("def sort_descending(x):", "def sort_descending(y):", "source", "first line");
    assert_fault("def sort_descending(x):", "def sort_down(x):", "source", "first line");
}

#[test]
fn words_in_string_literals_are_no_names() {
    assert_eq!(words_of_code(r#"return "f \" q".join(x) + 'it''s' or 1e3"#), ["return", "join", "x", "or"]);
    assert!(check_source("def glue(x):\n    return \"f\".join(x)", "glue").is_ok());
}

#[test]
fn a_domain_is_ordered_and_typed() {
    let domain = "range = [-20, 40], length = [0, 8], edges = [[], [5], [1, 2], [3, 3, -3]]";
    for (to, says) in [
        ("range = [40, -20], length = [0, 8], edges = [[], [5]]", "`range`"),
        ("range = [0, 9007199254740993], length = [0, 8], edges = [[], [5]]", "`range`"),
        ("range = [0, 9], length = [8, 0], edges = [[], [5]]", "`length`"),
        ("range = [0, 9], length = [0, 8], edges = [[]]", "1 edges"),
        ("range = [0, 9], length = [0, 8], edges = [[], 5]", "not a list[int]"),
        ("range = [0, 9], length = [0, 8], edges = [[], [\"5\"]]", "not a list[int]"),
        ("range = [0, 9], length = [0, 8], edges = [[], true]", "not a list[int]"),
    ] {
        assert_fault(domain, to, "domain", says);
    }
}
