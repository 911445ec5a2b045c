//! Nothing is left behind: processes, zombies, descriptors, files, memory.

use crate::{alone, mixed, processes, sandbox, zygotes};

/// Programs in a normal test run; `SFT_VS_RL_RESIDUE=10000` runs as many as you like.
const PROGRAMS: usize = 300;

fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

fn temporary_files() -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    let ours = |path: &std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("sft-vs-rl"))
    };
    entries.map(|entry| entry.path()).filter(ours).collect()
}

#[derive(Debug, PartialEq)]
struct Residue {
    zygotes: Vec<i32>,
    children_of_zygotes: usize,
    own_descriptors: usize,
    descriptors_of_zygotes: Vec<usize>,
    temporary_files: Vec<std::path::PathBuf>,
}

fn residue() -> Residue {
    let mut zygotes: Vec<i32> = zygotes().iter().map(|zygote| zygote.pid).collect();
    zygotes.sort_unstable();
    Residue {
        children_of_zygotes: processes().iter().filter(|child| zygotes.contains(&child.parent)).count(),
        own_descriptors: descriptors(std::process::id()),
        descriptors_of_zygotes: zygotes.iter().map(|pid| descriptors(*pid as u32)).collect(),
        temporary_files: temporary_files(),
        zygotes,
    }
}

fn pages() -> u64 {
    zygotes().iter().map(|zygote| zygote.pages).sum()
}

#[test]
fn nothing_is_left_behind() {
    let _turn = alone();
    let asked = std::env::var("SFT_VS_RL_RESIDUE").ok().and_then(|count| count.parse().ok());
    let count: usize = asked.unwrap_or(PROGRAMS);
    let sandbox = sandbox(2);
    let (jobs, expected) = mixed(100);
    assert_eq!(sandbox.judge(&jobs), expected);
    let (before, pages_before) = (residue(), pages());
    for _ in 0..count.div_ceil(100) {
        assert_eq!(sandbox.judge(&jobs), expected);
    }
    assert_eq!(residue(), before);
    let grown = pages().saturating_sub(pages_before) * 4;
    println!("after {count} programs: {before:?}, memory of the zygotes grew by {grown} KiB");
    assert!(grown < 2048, "the zygotes grew by {grown} KiB");
}
