//! Records of version 1 of the study (schema 1), and the rows of schema 2, which were the same, read for as long as they are kept: with a list of
//! fields of their own, so that nothing that is added to today's can void them (a later field of one of
//! today's structs is named here, too, and skipped). Nothing writes these.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    AnswerWord, Connective, Cost, Drift, FileDigest, MetricRow, OutcomeRow, Prompts, Record, RunFacts,
    RunSpec, nan_for_null,
};
use crate::data::Set;
use crate::sandbox::CaseWord;

#[derive(Deserialize)]
#[serde(remote = "Record")]
pub(super) struct Record1 {
    schema: u32,
    arm: String,
    seed: u64,
    tier: String,
    hash: String,
    parent: Option<String>,
    finished_at: u64,
    #[serde(flatten, with = "RunFacts1")]
    facts: RunFacts,
    files: BTreeMap<String, FileDigest>,
    seal: String,
}

#[derive(Deserialize)]
#[serde(remote = "RunFacts")]
struct RunFacts1 {
    #[serde(with = "Cost1")]
    cost: Cost,
    #[serde(skip)]
    evaluation: Cost,
    #[serde(skip)]
    drift: Option<Drift>,
    isolation: Value,
    #[serde(rename = "versions")]
    environment: BTreeMap<String, String>,
    weights_hash: String,
}

#[derive(Deserialize)]
#[serde(remote = "Cost", deny_unknown_fields)]
struct Cost1 {
    tokens_trained: u64,
    tokens_sampled: u64,
    verifier_calls: u64,
    flops: f64,
    seconds: f64,
}

#[derive(Deserialize)]
#[serde(remote = "RunSpec", deny_unknown_fields)]
pub(super) struct RunSpec1 {
    arm: String,
    seed: u64,
    tier: String,
    config: Value,
    data_hash: String,
    parent: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetricRow1 {
    stage: String,
    step: usize,
    #[serde(deserialize_with = "nan_for_null")]
    values: BTreeMap<String, f64>,
}

impl From<MetricRow1> for MetricRow {
    fn from(MetricRow1 { stage, step, values }: MetricRow1) -> MetricRow {
        MetricRow { stage, step, values }
    }
}

/// Of schema 2, too. Only the first of a problem's wordings was asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutcomeRow1 {
    stage: String,
    set: Set,
    prompts: Prompts,
    problem: String,
    depth: usize,
    greedy: Option<CaseWord>,
    samples: u32,
    passed: u32,
}

impl From<OutcomeRow1> for OutcomeRow {
    fn from(row: OutcomeRow1) -> OutcomeRow {
        let OutcomeRow1 { stage, set, prompts, problem, depth, greedy, samples, passed } = row;
        let word =
            |sample| if sample < passed { AnswerWord::Judged(CaseWord::Pass) } else { AnswerWord::Failed };
        OutcomeRow {
            stage,
            set,
            prompts,
            problem,
            depth,
            wording: 0,
            connective: (depth > 1).then_some(Connective::Then),
            greedy: greedy.map_or(AnswerWord::Infra, AnswerWord::Judged),
            sampled: (0..samples).map(word).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::RunStore;
    use super::*;

    /// All of them, to the last file: 33 runs of the quick tier, three seeds of eleven arms.
    #[test]
    fn committed_records_of_version_1_are_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/records/version1/quick");
        let all = RunStore::new(&folder).all_runs().unwrap();
        let runs = RunStore::new(&folder).runs("quick").unwrap();
        assert_eq!((all.len(), runs.len()), (33, 33));
        for run in &all {
            run.verify().unwrap();
            assert!(run.metrics().unwrap().len() > 10, "{}", run.folder().display());
            assert!(run.outcomes().unwrap().iter().any(|row| row.set == Set::CompositeB));
            assert_eq!(run.spec.tier, "quick");
            assert!(run.record.facts.cost.seconds > 0.0 && run.record.facts.weights_hash.len() == 64);
        }
    }

    /// A run of the smoke tier, made by the last program that wrote schema 2 (commit 5d6502a).
    #[test]
    fn a_record_of_schema_2_is_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/schema2");
        let runs = RunStore::new(&folder).runs("smoke-custom").unwrap();
        let [run] = &runs[..] else { panic!("{} runs", runs.len()) };
        run.verify().unwrap();
        assert_eq!((run.record.schema, run.spec.arm.as_str(), run.spec.seed), (2, "sft-start", 3));
        assert_eq!((run.metrics().unwrap().len(), run.answers().unwrap()), (2, vec![]));
        let rows = run.outcomes().unwrap();
        assert_eq!(rows.len(), 2 * 8); // six sets, and two of them once more in held-out wordings
        assert!(rows.iter().all(|row| row.greedy == AnswerWord::Judged(CaseWord::OutputLimit)));
        assert!(rows.iter().all(|row| row.sampled == [AnswerWord::Failed; 4] && row.wording == 0));
        assert!(rows.iter().all(|row| row.connective.is_some() == (row.depth > 1)));
    }

    #[test]
    fn counts_become_words() {
        let line = r#"{"stage":"final","set":"deep","prompts":"train","problem":"p","depth":4,"greedy":null,"samples":3,"passed":2}"#;
        let row = OutcomeRow::from(serde_json::from_str::<OutcomeRow1>(line).unwrap());
        assert_eq!((row.samples(), row.passed(), row.greedy), (3, 2, AnswerWord::Infra));
    }
}
