//! The catalog as it is shipped; then damage to one copied file at a time, and what the loader says.

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::base::Error;

fn shipped_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/catalog")
}

impl Catalog {
    /// The catalog of this crate's source tree.
    pub(crate) fn shipped() -> Catalog {
        Catalog::load(&shipped_dir()).unwrap()
    }

    /// The topics in order, each with its side.
    fn topics(&self) -> Vec<(&str, Side)> {
        let mut topics: Vec<_> = self.atoms.iter().map(|atom| (atom.topic.as_str(), atom.side)).collect();
        topics.dedup();
        topics
    }
}

#[test]
fn the_shipped_catalog_has_ten_topics_of_ten_atoms() {
    let catalog = Catalog::shipped();
    assert_eq!(catalog.atoms().len(), 100);
    let of_side = |wanted| {
        let topics = catalog.topics().into_iter().filter(|(_, side)| *side == wanted);
        topics.map(|(topic, _)| topic).collect::<Vec<_>>()
    };
    assert_eq!(of_side(Side::Source), ["arithmetic", "mapping", "reducing", "sorting", "strings"]);
    assert_eq!(of_side(Side::Target), ["digits", "filtering", "predicates", "windows", "words"]);
    for (topic, side) in catalog.topics() {
        let atoms: Vec<&Atom> = catalog.atoms().iter().filter(|atom| atom.topic == topic).collect();
        assert_eq!(atoms.len(), 10, "{topic}");
        assert!(atoms.iter().all(|atom| atom.side == side), "{topic}");
    }
    let unique = catalog.get("sort_unique").unwrap();
    assert_eq!(unique.source, "def sort_unique(x):\n    return sorted(set(x))");
    assert_eq!(unique.signature(), "list[int] -> list[int]");
    assert!(catalog.get("sort_nothing").is_none());
}

/// A chain ends at a `bool`, so only a few atoms may return one.
#[test]
fn few_atoms_end_a_chain() {
    let catalog = Catalog::shipped();
    let ends = catalog.atoms().iter().filter(|atom| atom.output == ValueType::Bool).count();
    assert!(ends <= 7, "{ends}");
}

#[test]
fn edges_have_the_type_of_the_input() {
    let catalog = Catalog::shipped();
    // TOML cannot tell the two empty lists apart; the loader can, from the declared type.
    let words = catalog.get("sort_by_length").unwrap();
    assert_eq!(words.domain.edges[0], Value::ListStr(Vec::new()));
    let numbers = catalog.get("sort_ascending").unwrap();
    assert_eq!(numbers.domain.edges[0], Value::ListInt(Vec::new()));
}

#[test]
fn the_hash_sees_content_and_nothing_else() {
    let (catalog, copy) = (Catalog::shipped(), copied());
    let path = copy.path().join("words.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("# A comment.\n{text}")).unwrap();
    let mut commented = Catalog::load(copy.path()).unwrap();
    assert_eq!(commented.content_hash(), catalog.content_hash());
    commented.atoms[99].domain.edges.pop();
    assert_ne!(commented.content_hash(), catalog.content_hash());
}

/// A copy of the real catalog.
fn copied() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(shipped_dir()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
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
        Error::Catalog { path, line, atom, field, message } => {
            assert!(path.ends_with("sorting.toml") && (22..42).contains(&line), "{}:{line}", path.display());
            (atom, field.to_owned(), message)
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
fn an_atom_is_one_entry_and_a_topic_one_file() {
    let entry = r#"
[[atom]]
id = "negate"
input = "int"
output = "int"
en = ["negate it", "flip its sign", "change its sign", "subtract it from zero", "take its opposite"]
zh = ["取相反数", "变号"]
source = """
def negate(x):
    return -x
"""
domain = { edges = [0, 1] }
"#;
    // To a topic that is there, then to one of its own.
    for (file, to, n_topics) in [("words.toml", Side::Target, 10), ("signs.toml", Side::Source, 11)] {
        let dir = copied();
        let path = dir.path().join(file);
        let head = std::fs::read_to_string(&path).unwrap_or_else(|_| "side = \"source\"\n".to_owned());
        std::fs::write(&path, head + entry).unwrap();
        let catalog = Catalog::load(dir.path()).unwrap();
        assert_eq!((catalog.atoms().len(), catalog.topics().len()), (101, n_topics));
        let negate = catalog.get("negate").unwrap();
        assert_eq!((format!("{}.toml", negate.topic).as_str(), negate.side), (file, to));
    }
}

#[test]
fn a_folder_that_cannot_be_read_or_holds_no_topic_is_named() {
    assert!(matches!(Catalog::load(Path::new("no/such/folder")), Err(Error::Io { .. })));
    let dir = tempfile::tempdir().unwrap();
    let message = Catalog::load(dir.path()).unwrap_err().to_string();
    assert!(
        message.contains(&*dir.path().to_string_lossy()) && message.contains("<topic>.toml"),
        "{message}"
    );
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
fn a_topic_has_a_plain_name_a_side_and_atoms() {
    let no_side = load_damaged("sorting.toml", "side = \"source\"\n", "").to_string();
    assert!(no_side.contains("sorting.toml") && no_side.contains("side"), "{no_side}");
    let wrong_side = load_damaged("words.toml", "\"target\"", "\"goal\"").to_string();
    assert!(wrong_side.contains("words.toml:2") && wrong_side.contains("`goal`"), "{wrong_side}");

    let dir = copied();
    std::fs::write(dir.path().join("empty.toml"), "side = \"source\"\n").unwrap();
    let message = Catalog::load(dir.path()).unwrap_err().to_string();
    assert!(message.contains("empty.toml") && message.contains("atom"), "{message}");
    std::fs::rename(dir.path().join("empty.toml"), dir.path().join("Empty topic.toml")).unwrap();
    let message = Catalog::load(dir.path()).unwrap_err().to_string();
    assert!(message.contains("Empty topic") && message.contains("a-z"), "{message}");
}

#[test]
fn ids_are_unique_and_plain() {
    let duplicate = fault("id = \"sort_descending\"", "id = \"sort_ascending\"");
    assert_eq!((duplicate.0.as_str(), duplicate.1.as_str()), ("sort_ascending", "id"), "{}", duplicate.2);
    let (atom, field, _) = fault("id = \"sort_descending\"", "id = \"sort-descending\"");
    assert_eq!((atom.as_str(), field.as_str()), ("sort-descending", "id"));

    let other_file = load_damaged("mapping.toml", "def square_each(x)", "def sort_unique(x)");
    assert!(other_file.to_string().contains("`square_each`"), "{other_file}");
    let dir = copied();
    let path = dir.path().join("words.toml");
    let text = std::fs::read_to_string(&path).unwrap().replace("split_words", "sort_unique");
    std::fs::write(&path, text).unwrap();
    let message = Catalog::load(dir.path()).unwrap_err().to_string();
    assert!(message.contains("words.toml") && message.contains("same id"), "{message}");
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
    let body = "    return sorted(x, reverse=True)";
    let dir = copied();
    let path = dir.path().join("sorting.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let quoting = "    return 'f \\' q'.join(x) + 'it''s' + \"import\"";
    std::fs::write(&path, text.replacen(body, quoting, 1)).unwrap();
    Catalog::load(dir.path()).unwrap();
    assert_fault(body, "    return f'{open(x)}'", "source", "no prefix");
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
        ("range = [0, 9], length = [0, 8], edges = [[5], [5]]", "twice"),
        ("range = [0, 9], length = [0, 8], edges = [[], true]", "not a list[int]"),
    ] {
        assert_fault(domain, to, "domain", says);
    }
}

#[test]
fn dealt_sides_are_other_ones_and_as_many() {
    let shipped = Catalog::shipped();
    let sides = |catalog: &Catalog| -> Vec<(String, Side)> {
        catalog.atoms().iter().map(|atom| (atom.topic.clone(), atom.side)).unique().collect()
    };
    let dealt = Catalog::shipped().with_dealt_sides(Seed::new(1));
    assert_ne!(sides(&dealt), sides(&shipped));
    assert_ne!(dealt.content_hash(), shipped.content_hash(), "data are made anew");
    let sources = |catalog: &Catalog| sides(catalog).iter().filter(|(_, side)| *side == Side::Source).count();
    assert_eq!((sources(&dealt), sides(&dealt).len()), (sources(&shipped), 10));
}

#[test]
fn a_chinese_catalog_has_distinct_chinese_descriptions() {
    let chinese = Catalog::shipped().in_chinese();
    for atom in chinese.atoms() {
        assert_eq!(atom.en.iter().unique().count(), 5, "{}", atom.id);
        assert!(atom.en.iter().all(|text| !text.is_ascii()), "{}", atom.id);
    }
    assert_ne!(chinese.content_hash(), Catalog::shipped().content_hash());
}
