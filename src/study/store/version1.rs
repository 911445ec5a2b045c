//! Records of version 1 of the study (schema 1), read for as long as they are kept: with types of
//! their own, so that nothing that is added to today's can void them. Nothing writes these.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{Cost, FileDigest, MetricRow, OutcomeRow, Prompts, Record, RunFacts, RunSpec};
use crate::base::Result;
use crate::base::{canonical_json, hash_bytes, parse_json, parse_lines};
use crate::data::Set;
use crate::sandbox::CaseWord;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record1 {
    schema: u32,
    arm: String,
    seed: u64,
    tier: String,
    hash: String,
    parent: Option<String>,
    finished_at: u64,
    cost: Cost1,
    isolation: Value,
    versions: BTreeMap<String, String>,
    weights_hash: String,
    files: BTreeMap<String, FileDigest1>,
    seal: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cost1 {
    tokens_trained: u64,
    tokens_sampled: u64,
    verifier_calls: u64,
    flops: f64,
    seconds: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileDigest1 {
    sha256: String,
    bytes: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunSpec1 {
    arm: String,
    seed: u64,
    tier: String,
    config: Value,
    data_hash: String,
    parent: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricRow1 {
    stage: String,
    step: usize,
    values: BTreeMap<String, Option<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutcomeRow1 {
    stage: String,
    set: Set,
    prompts: Prompts,
    problem: String,
    depth: usize,
    greedy: Option<CaseWord>,
    samples: u32,
    passed: u32,
}

/// The record in `json`, whose seal the caller has checked.
pub(super) fn record(json: Value) -> serde_json::Result<Record> {
    let read: Record1 = serde_json::from_value(json)?;
    let Cost1 { tokens_trained, tokens_sampled, verifier_calls, flops, seconds } = read.cost;
    let files = read.files.into_iter();
    Ok(Record {
        schema: read.schema,
        arm: read.arm,
        seed: read.seed,
        tier: read.tier,
        hash: read.hash,
        parent: read.parent,
        finished_at: read.finished_at,
        facts: RunFacts {
            cost: Cost { tokens_trained, tokens_sampled, verifier_calls, flops, seconds },
            isolation: read.isolation,
            environment: read.versions,
            weights_hash: read.weights_hash,
        },
        files: files
            .map(|(name, FileDigest1 { sha256, bytes })| (name, FileDigest { sha256, bytes }))
            .collect(),
        seal: read.seal,
    })
}

/// The settings, and the hash that version 1 named a run by.
pub(super) fn spec(path: &Path, bytes: &[u8]) -> Result<(RunSpec, String)> {
    let RunSpec1 { arm, seed, tier, config, data_hash, parent } = parse_json(path, bytes)?;
    let covered = serde_json::json!({
        "schema": 1, "arm": arm, "seed": seed, "tier": tier, "config": config, "data_hash": data_hash,
        "parent": parent,
    });
    Ok((RunSpec { arm, seed, tier, config, data_hash, parent }, hash_bytes(canonical_json(covered))))
}

pub(super) fn metrics(path: &Path, bytes: &[u8]) -> Result<Vec<MetricRow>> {
    let converted = |row: MetricRow1| {
        let values = row.values.into_iter().map(|(name, value)| (name, value.unwrap_or(f64::NAN))).collect();
        MetricRow { stage: row.stage, step: row.step, values }
    };
    Ok(parse_lines(path, bytes)?.into_iter().map(converted).collect())
}

pub(super) fn outcomes(path: &Path, bytes: &[u8]) -> Result<Vec<OutcomeRow>> {
    let converted = |OutcomeRow1 { stage, set, prompts, problem, depth, greedy, samples, passed }| {
        OutcomeRow { stage, set, prompts, problem, depth, greedy, samples, passed }
    };
    Ok(parse_lines(path, bytes)?.into_iter().map(converted).collect())
}

#[cfg(test)]
mod tests {
    use super::super::RunStore;
    use super::*;

    /// All of them, to the last file: 33 runs of the quick tier, three seeds of eleven arms.
    #[test]
    fn committed_records_of_version_1_are_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/records/version1/quick");
        let all = RunStore::read_only(&folder).all_runs().unwrap();
        let runs = RunStore::read_only(&folder).runs("quick").unwrap();
        assert_eq!((all.len(), runs.len()), (33, 33));
        for run in &all {
            run.verify().unwrap();
            assert!(run.metrics().unwrap().len() > 10, "{}", run.folder().display());
            assert!(run.outcomes().unwrap().iter().any(|row| row.set == Set::CompositeB));
            assert_eq!(run.spec.tier, "quick");
            assert!(run.record.facts.cost.seconds > 0.0 && run.record.facts.weights_hash.len() == 64);
        }
    }
}
