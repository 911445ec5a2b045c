//! Which chains are worth asking about.
//!
//! The paper keeps a chain that runs without error, never returns `None`, and gives different
//! outputs for different inputs. Ours besides: every step matters, and no chain behaves like an
//! atom or another chain.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::data::value::{Value, ValueType};

/// What a function or a chain returned on each input; `None` where it failed or returned
/// something that is not of its declared type (`None`, an integer beyond ±2^53, ...).
pub type Outputs = Vec<Option<Value>>;

/// What a function takes, and what it returns.
pub type Types = (ValueType, ValueType);

/// Thresholds of the validity rules; shares are of probe inputs, in 0..=1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Fewest distinct outputs over the probes (a `bool` needs both).
    pub min_distinct: usize,
    /// Largest share of the probes that the commonest output may have.
    pub max_common: f64,
    /// Smallest share of the rarer value of a `bool`.
    pub min_minority: f64,
    /// Smallest share of the probes on which leaving a step out must change the output.
    pub min_step_effect: f64,
    /// Two chains that agree on this share of the shared probes, or more, count as the same.
    pub max_agreement: f64,
}

impl Rules {
    /// The thresholds of every tier (ours; the paper gives none).
    pub const STANDARD: Rules = Rules {
        min_distinct: 6,
        max_common: 0.5,
        min_minority: 0.15,
        min_step_effect: 0.2,
        max_agreement: 0.8,
    };

    /// `outputs` on the domain of the first atom: of a chain that returns `output`, then of the chain
    /// with each step left out.
    pub fn check(&self, output: ValueType, outputs: &[Outputs]) -> Result<(), Rejection> {
        let (whole, shortened) = outputs.split_first().ok_or(Rejection::Fails)?;
        self.check_outputs(output, whole)?;
        shortened.iter().try_for_each(|variant| self.check_variant(whole, variant))
    }

    /// Whether the outputs of a chain on its own domain are varied enough.
    fn check_outputs(&self, output: ValueType, outputs: &Outputs) -> Result<(), Rejection> {
        let mut counts: HashMap<&Value, usize> = HashMap::new();
        for value in outputs {
            *counts.entry(value.as_ref().ok_or(Rejection::Fails)?).or_default() += 1;
        }
        let share = |count: usize| count as f64 / outputs.len().max(1) as f64;
        let varied = if output == ValueType::Bool {
            counts.len() == 2 && counts.values().all(|count| share(*count) >= self.min_minority)
        } else {
            counts.len() >= self.min_distinct && counts.values().all(|count| share(*count) <= self.max_common)
        };
        if varied { Ok(()) } else { Err(Rejection::TooUniform) }
    }

    /// Whether a chain with a step left out behaves differently enough from the whole.
    /// A variant that fails differs there.
    fn check_variant(&self, whole: &Outputs, variant: &Outputs) -> Result<(), Rejection> {
        let changed = whole.iter().zip(variant).filter(|(a, b)| a != b).count();
        let share = changed as f64 / whole.len().max(1) as f64;
        if share >= self.min_step_effect { Ok(()) } else { Err(Rejection::IdleStep) }
    }
}

/// Why a candidate chain is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// It raised, ran too long, or returned something that is not of its type (`None` included).
    Fails,
    /// Too few distinct outputs, or one that is too common.
    TooUniform,
    /// A step can be left out and the outputs hardly change.
    IdleStep,
    /// Behaves like an atom, a shorter chain or a chain that was kept before it.
    SameBehavior,
}

/// Behavior: what a function returns on inputs that all functions of its type share. Two chains
/// with different names but the same behavior are the same problem, and a leak if one is trained
/// on and the other tested.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    pub types: Types,
    pub outputs: Outputs,
}

impl Fingerprint {
    /// Share of the probes on which both return the same; 0 for functions of different types.
    ///
    /// Types that differ only in what a list holds count as different too, although both may
    /// return `[]`.
    pub fn agreement(&self, other: &Fingerprint) -> f64 {
        if self.types != other.types || self.outputs.is_empty() {
            return 0.0;
        }
        let same = self.outputs.iter().zip(&other.outputs).filter(|(a, b)| a == b).count();
        same as f64 / self.outputs.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(items: impl IntoIterator<Item = i64>) -> Outputs {
        items.into_iter().map(|i| Some(Value::Int(i))).collect()
    }

    #[test]
    fn outputs_must_exist_and_vary() {
        let rules = Rules::STANDARD;
        assert_eq!(rules.check_outputs(ValueType::Int, &ints(0..20)), Ok(()));
        assert_eq!(rules.check_outputs(ValueType::Int, &ints([1; 20])), Err(Rejection::TooUniform));
        let mostly_zero = ints((0..20).map(|i| if i < 11 { 0 } else { i }));
        assert_eq!(rules.check_outputs(ValueType::Int, &mostly_zero), Err(Rejection::TooUniform));
        let failing = vec![Some(Value::Int(1)), None];
        assert_eq!(rules.check_outputs(ValueType::Int, &failing), Err(Rejection::Fails));
    }

    #[test]
    fn a_bool_needs_both_values_often_enough() {
        let bools = |n_true: usize| (0..20).map(|i| Some(Value::Bool(i < n_true))).collect::<Outputs>();
        assert_eq!(Rules::STANDARD.check_outputs(ValueType::Bool, &bools(3)), Ok(()));
        assert_eq!(Rules::STANDARD.check_outputs(ValueType::Bool, &bools(2)), Err(Rejection::TooUniform));
        assert_eq!(Rules::STANDARD.check_outputs(ValueType::Bool, &bools(20)), Err(Rejection::TooUniform));
    }

    #[test]
    fn a_step_that_hardly_changes_anything_is_idle() {
        let whole = ints(0..20);
        let hardly = ints((0..20).map(|i| if i < 3 { -1 } else { i }));
        let enough = ints((0..20).map(|i| if i < 4 { -1 } else { i }));
        assert_eq!(Rules::STANDARD.check_variant(&whole, &hardly), Err(Rejection::IdleStep));
        assert_eq!(Rules::STANDARD.check_variant(&whole, &enough), Ok(()));
    }

    #[test]
    fn agreement_is_a_share_and_types_count() {
        let print = |items: &[i64], output| Fingerprint {
            types: (ValueType::Int, output),
            outputs: items.iter().map(|i| Some(Value::Int(*i))).collect(),
        };
        let int = |items: &[i64]| print(items, ValueType::Int);
        assert_eq!(int(&[1, 2, 3, 4]).agreement(&int(&[1, 2, 3, 5])), 0.75);
        assert_eq!(int(&[1, 2, 3, 4]).agreement(&print(&[1, 2, 3, 4], ValueType::Bool)), 0.0);
        assert_eq!(int(&[]).agreement(&int(&[])), 0.0);
    }
}
