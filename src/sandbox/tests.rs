//! Bytes that nobody thought of, into everything that reads bytes from outside: job lines and the replies of a
//! child. `SFT_VS_RL_FUZZ_SECONDS=3600 cargo test --lib fuzz` goes on for an hour.
//!
//! The corpus (`tests/sandbox/corpus`) is what mutations start from. An input that breaks something is printed,
//! and goes there.

use std::path::Path;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::seq::IndexedRandom;

use super::jsonl;
use super::parse::{count_lists, fields_of};
use super::value::PyValue;
use super::verdict::{CaseWord, Limits};
use super::wire::{End, EndKind, Request};
use crate::base::{ChaCha8Rng, Seed};

/// What parsers take for the beginning of something.
const TOKENS: [&[u8]; 40] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b",",
    b":",
    b"\"",
    b"'",
    b"\\",
    b"\\u",
    b"\\ud800",
    b"\\udc00",
    b"\\U0010ffff",
    b"\\x",
    b"null",
    b"true",
    b"NaN",
    b"-Infinity",
    b"None",
    b"True",
    b"nan",
    b"-inf",
    b"0x",
    b"-",
    b"1e",
    b"1e999",
    b"9223372036854775808",
    b"0.",
    b"\n",
    b".\n",
    b"R\n",
    b"L\n",
    b"L!",
    b"0=",
    b"1!",
    b"\0",
    b"\xed\xa0\x80",
    b"\"id\":",
];

fn corpus(kind: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sandbox/corpus");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with(kind));
    assert!(paths.len() >= 10);
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// A few changes to an entry of the corpus.
fn mutated(corpus: &[Vec<u8>], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut text = corpus.choose(random).unwrap().clone();
    for _ in 0..random.random_range(1..8) {
        let at = random.random_range(0..=text.len());
        let end = (at + random.random_range(0..20)).min(text.len());
        match random.random_range(0..8) {
            0 if at < text.len() => text[at] ^= 1 << random.random_range(0..8),
            1 => drop(text.drain(at..end)),
            2 => text.truncate(at),
            3 => {
                let other = corpus.choose(random).unwrap();
                text.splice(at..end, other[random.random_range(0..=other.len())..].iter().copied());
            }
            4 => {
                let again = text[at..end].repeat(random.random_range(1..400));
                text.splice(at..at, again);
            }
            5 => {
                let token = TOKENS.choose(random).unwrap().repeat(random.random_range(1..300));
                text.splice(at..at, token);
            }
            _ => {
                text.splice(at..at, TOKENS.choose(random).unwrap().iter().copied());
            }
        }
    }
    text.truncate(1 << 16);
    text
}

/// Calls `check` with mutations for as long as the environment says; 2 s without it.
fn fuzz(kind: &str, check: impl Fn(&[u8]) + std::panic::RefUnwindSafe) {
    let seconds =
        std::env::var("SFT_VS_RL_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let (corpus, started) = (corpus(kind), Instant::now());
    let mut random = Seed::new(if seconds == 2 { 0 } else { u64::from(std::process::id()) }).stream(kind);
    let mut count = 0u64;
    while started.elapsed() < Duration::from_secs(seconds) {
        for _ in 0..200 {
            let text = mutated(&corpus, &mut random);
            let tried = std::panic::catch_unwind(|| check(&text));
            assert!(tried.is_ok(), "put this into the corpus: {}", text.escape_ascii());
            count += 1;
        }
    }
    println!("{kind}: {count} inputs in {seconds} s");
    assert!(count > 1000);
}

#[test]
fn fuzz_job_lines() {
    fuzz("job", |text| {
        let (id, job) = jsonl::parse(text);
        assert!(matches!(id, PyValue::None | PyValue::Str(_) | PyValue::Int(_)));
        if let Ok((request, expected)) = job {
            assert_eq!(request.n_cases, expected.len());
            // What the child is sent reads as what was given.
            let PyValue::List(sent) = PyValue::from_json(&request.bytes[20..]).unwrap() else {
                panic!("no list")
            };
            assert!(matches!(&sent[..], [PyValue::Str(_), PyValue::Str(_), PyValue::List(_)]));
        }
        // Checking without building and building agree on what is JSON.
        let built = PyValue::from_json(text);
        assert_eq!(fields_of(text).is_ok(), built.is_ok());
        if let Ok(PyValue::List(items)) = &built {
            let lists = items.iter().all(|item| matches!(item, PyValue::List(_)));
            assert_eq!(count_lists(text).ok(), lists.then_some(items.len()));
        }
        if let (Ok(value), true) = (built, std::str::from_utf8(text).is_ok()) {
            // Two surrogates that come to stand side by side are one character in JSON.
            let surrogates = text.to_ascii_lowercase().windows(3).any(|part| part == b"\\ud");
            let back = PyValue::from_json(&value.to_json()).unwrap();
            assert!(back.same(&value) || surrogates);
        }
    });
}

#[test]
fn fuzz_replies() {
    let request = Request::new(b"[]", 2, Limits::default());
    let kinds = [EndKind::Done, EndKind::ByItself, EndKind::TimedOut, EndKind::ClosedChannel];
    fuzz("reply", |text| {
        for kind in kinds {
            let end = End { kind, status: 9, cpu_us: 1, wall_us: 1, output: text.to_vec() };
            let answers = end.answers(&request);
            assert_eq!(answers.len(), 2, "one answer a case, whatever was said");
            assert!(
                !answers.contains(&Err(CaseWord::Pass)) && !answers.contains(&Err(CaseWord::WrongAnswer))
            );
        }
        let _ = PyValue::from_answer(text);
    });
}
