//! The same weights, bit for bit, whatever vector instructions the CPU has: the first steps of all methods give
//! the hashes of `tests/golden/weights.toml`, a small model's with AVX-512, with AVX2 and with the portable kernels,
//! and one of the judged tier's shape, all arms of the study, with the first two.
//!
//! A change that is meant to change weights writes the table anew:
//! `SFT_VS_RL_WRITE_WEIGHTS=1 cargo test --test same_bits`.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use common::project;
use kernels::InstructionSet::{self, Avx2, Avx512, Portable};

/// What is trained, and with what.
struct Training {
    /// Its table.
    name: &'static str,
    /// What `run` is asked to train; their parents come with them.
    arms: &'static [&'static str],
    settings: &'static [&'static str],
}

/// The smoke tier with fewer steps: on the portable path of a CPU without FMA, each multiply-add is a
/// call of the C library.
const SMALL: Training = Training {
    name: "small",
    arms: &["sft-rl", "rl-base"],
    settings: &[
        "pretrain_steps=4",
        "pretrain.batch_size=8",
        "start_steps=2",
        "sft.batch_size=12",
        "rl_steps=2",
        "ppo.prompts_per_step=4",
        "ppo.max_new_tokens=30",
        "ppo.value_warmup_steps=0",
        "eval.problems_per_set=1",
        "eval.samples=1",
        "eval.max_new_tokens=8",
    ],
};

/// First steps of every arm, with the network of the judged tier.
const JUDGED: Training = Training {
    name: "judged",
    arms: &["study", "controls", "ledger"],
    settings: &[
        "model.hidden_size=128",
        "model.intermediate_size=344",
        "model.layers=4",
        "model.heads=4",
        "pretrain_steps=2",
        "sft_steps=1",
        "start_steps=1",
        "tuned_steps=1",
        "rl_steps=1",
        "ppo.max_new_tokens=30",
        "eval.problems_per_set=1",
        "eval.samples=1",
        "eval.max_new_tokens=8",
    ],
};

/// Where glibc has variants by CPU, this takes the plain ones, as on a CPU without the instructions.
const PLAIN_C_LIBRARY: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4,-AVX2_Usable,-FMA_Usable";

type Table = BTreeMap<String, String>;

/// Trains all arms with `set`; the weights hash of each.
fn train(project: &Path, training: &Training, set: InstructionSet) -> Table {
    let mut hashes = BTreeMap::new();
    for arm in training.arms {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sft-vs-rl"));
        command
            .args(["run", arm, "--seed", "0", "--tier", "smoke", "--isolation", "process"])
            .current_dir(project);
        command.args(training.settings.iter().flat_map(|setting| ["--set", setting]));
        command.env("SFT_VS_RL_INSTRUCTIONS", set.to_string());
        if set == Portable {
            command.env("GLIBC_TUNABLES", PLAIN_C_LIBRARY);
        }
        let output = command.output().expect("the binary starts");
        assert!(output.status.success(), "{set}: {}", String::from_utf8_lossy(&output.stderr));
    }
    for arm in std::fs::read_dir(project.join("data/runs")).expect("runs").flatten() {
        for run in std::fs::read_dir(arm.path()).into_iter().flatten().flatten() {
            let Ok(record) = std::fs::read_to_string(run.path().join("record.json")) else { continue };
            let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
            let hash = record["weights_hash"].as_str().expect("a hash").to_owned();
            hashes.insert(arm.file_name().to_string_lossy().into_owned(), hash);
        }
    }
    std::fs::remove_dir_all(project.join("data/runs")).expect("no runs");
    hashes
}

#[test]
fn weights_are_the_same_bits_with_every_instruction_set() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/weights.toml");
    let project = project();
    let best = InstructionSet::best();
    if std::env::var_os("SFT_VS_RL_WRITE_WEIGHTS").is_some() {
        let head =
            "# Weights hashes of first steps at seed 0: see tests/same_bits.rs, which rewrites them.\n";
        let tables: BTreeMap<&str, Table> =
            [SMALL, JUDGED].iter().map(|of| (of.name, train(project.path(), of, best))).collect();
        std::fs::write(&path, format!("{head}{}", toml::to_string(&tables).expect("TOML")))
            .expect("the tables can be written");
    }
    let tables: BTreeMap<String, Table> =
        toml::from_str(&std::fs::read_to_string(&path).expect("the tables")).expect("TOML");
    let n_arms = include_str!("../data/arms.toml").matches("\n[[arm]]").count();
    for (training, sets, at_least) in
        [(&SMALL, [Avx512, Avx2, Portable].as_slice(), 4), (&JUDGED, &[Avx512, Avx2], n_arms)]
    {
        let expected = &tables[training.name];
        assert!(expected.len() >= at_least, "{}: {} arms of {at_least}", training.name, expected.len());
        for &set in sets {
            if set > best {
                println!("{set}: this CPU does not have it; not run");
                continue;
            }
            assert_eq!(train(project.path(), training, set), *expected, "{} with {set}", training.name);
            println!("{set}: {} arms have the weights of the table `{}`", expected.len(), training.name);
        }
    }
}

#[test]
fn an_instruction_set_that_is_not_there_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_sft-vs-rl"))
        .arg("doctor")
        .env("SFT_VS_RL_INSTRUCTIONS", "sse9")
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("sse9") && message.contains("avx512, avx2, portable"), "{message}");
}
