use super::*;
use crate::sandbox::SandboxConfig;
use crate::sandbox::verdict::CaseWord;

/// A catalog of the given bodies, each in place of the body of a real atom.
fn catalog_of(bodies: &[(&str, &str)]) -> Catalog {
    let real = Catalog::load(&Catalog::default_dir()).unwrap();
    let atoms = bodies.iter().map(|(id, body)| {
        let atom = real.get(id).unwrap().clone();
        Atom { source: format!("def {id}(x):\n    {body}"), ..atom }
    });
    Catalog::from_atoms(atoms.collect())
}

fn sandbox() -> Sandbox {
    Sandbox::start(&SandboxConfig::for_this_machine()).unwrap()
}

#[test]
fn every_atom_of_the_catalog_keeps_its_promises() {
    let catalog = Catalog::load(&Catalog::default_dir()).unwrap();
    let report = check(&catalog, &sandbox()).unwrap();
    assert!(report.passed(), "{report}");
    assert_eq!(report.atoms.len(), 100);
}

#[test]
fn each_broken_promise_is_reported() {
    let catalog = catalog_of(&[
        ("largest", "return max(x)"),                       // fails on []
        ("mean_floor", "return sum(x) / max(len(x), 1)"),   // a float
        ("is_sorted", "return 1 if x == sorted(x) else 0"), // an int, not a bool
        ("digit_list", "return list(str(x))"),              // strings
        ("keep_even", "return x"),                          // identity
        ("count_bits", "return 7"),                         // constant
        ("reverse_list", "return list(reversed(x))"),       // fine, but ...
        ("rotate_left", "return [v for v in x[::-1]]"),     // ... the same
        ("sum_numbers", "return sum(x)"),                   // fine
    ]);
    let report = check(&catalog, &sandbox()).unwrap();
    let problem = |id: &str| {
        report.atoms.iter().find(|atom| atom.id == id).map(|atom| atom.problems.join("; ")).unwrap()
    };
    for (id, says) in [
        ("largest", "[] gives exception"),
        ("mean_floor", "no int"),
        ("is_sorted", "no bool"),
        ("digit_list", "no list[int]"),
        ("keep_even", "gives every input back"),
        ("count_bits", "the same output"),
        ("rotate_left", "behaves like `reverse_list`"),
    ] {
        assert!(problem(id).contains(says), "{id}: {}", problem(id));
    }
    assert_eq!(problem("sum_numbers"), "");
    assert_eq!(problem("reverse_list"), "");
    assert!(!report.passed());
    let table = report.to_string();
    assert!(table.contains("data::problem: [] gives exception"), "{table}");
    assert!(table.ends_with("of 9 atoms have a problem"), "{table}");
}

#[test]
fn integers_beyond_the_bound_are_told_from_wrong_types() {
    let value = |text: &str| CaseOutput::Value(serde_json::from_str(text).unwrap());
    assert!(is_beyond(&value("9007199254740993"), ValueType::Int));
    assert!(is_beyond(&value("[1, -9007199254740993]"), ValueType::ListInt));
    assert!(is_beyond(&value("18446744073709551615"), ValueType::Int));
    assert!(is_beyond(&CaseOutput::Failed(CaseWord::Malformed), ValueType::Int));
    assert!(!is_beyond(&value("9007199254740992"), ValueType::Int));
    assert!(!is_beyond(&value("1e300"), ValueType::Int));
    assert!(!is_beyond(&value("[9007199254740993]"), ValueType::Int));
    assert!(!is_beyond(&CaseOutput::Failed(CaseWord::Malformed), ValueType::Str));
    assert!(!is_beyond(&CaseOutput::Failed(CaseWord::Exception), ValueType::Int));
}

/// A fingerprint is only worth as much as its probes differ.
#[test]
fn probes_are_many_and_repeat_from_run_to_run() {
    let seed = Seed::new(1);
    for kind in [ValueType::Int, ValueType::Str, ValueType::ListInt, ValueType::ListStr] {
        let probes = probes(kind, seed);
        assert_eq!(probes, super::probes(kind, seed));
        let distinct: BTreeSet<&Value> = probes.iter().collect();
        assert!(distinct.len() > 40, "{kind}: {} distinct", distinct.len());
    }
}
