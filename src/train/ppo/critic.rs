//! What PPO expects of a state: the critics there are, what they learn from, and baselines that learn
//! nothing.

use std::collections::BTreeMap;
use std::iter::repeat_n;
use std::path::Path;

use candle_core::Var;
use itertools::Itertools;
use serde::{Deserialize, Serialize};

use super::rollouts::Rollout;
use super::{Baseline, PpoConfig};
use crate::Result;
use crate::base::{read_json, write_json};
use crate::model::{Decoder, ValueHead};
use crate::train::optim::AdamW;
use crate::train::packing::{self, Microbatch, Passage};
use crate::train::statistics::mean_and_deviation;

/// The critic of a run, as its [`Baseline`] names it.
pub enum Critic {
    /// [`Baseline::Surprise`].
    Surprise(Box<Surprise>),
    /// [`Baseline::Head`]: a linear layer on the policy's hidden states.
    Head(ValueHead, AdamW),
    /// [`Baseline::Trunk`]: the same on a decoder of its own, a copy of the start.
    Trunk(Box<Decoder>, ValueHead, AdamW),
    /// All other baselines: nothing to learn.
    None,
}

const HEAD: &str = "value.safetensors";
const TRUNK: &str = "value_trunk";
const OPTIMIZER: &str = "value_optimizer.safetensors";
const SURPRISE: &str = "critic.json";

impl Critic {
    /// One that has seen nothing; or as [`Critic::save`] left it in the folder `checkpoint`.
    pub(super) fn new(start: &Decoder, config: &PpoConfig, checkpoint: Option<&Path>) -> Result<Critic> {
        let (hidden_size, device) = (start.config().hidden_size, start.device());
        let head = || match checkpoint {
            Some(folder) => ValueHead::load(&folder.join(HEAD), hidden_size, device),
            None => ValueHead::new(hidden_size, device),
        };
        let optimizer = |variables: Vec<(String, Var)>| -> Result<AdamW> {
            let mut optimizer = AdamW::new(variables, config.value_optimizer.clone())?;
            checkpoint.map_or(Ok(()), |folder| optimizer.load(&folder.join(OPTIMIZER)))?;
            Ok(optimizer)
        };
        Ok(match config.baseline {
            Baseline::Surprise => Critic::Surprise(Box::new(match checkpoint {
                Some(folder) => read_json(&folder.join(SURPRISE))?,
                None => Surprise::default(),
            })),
            Baseline::Head => {
                let head = head()?;
                let optimizer = optimizer(head.variables())?;
                Critic::Head(head, optimizer)
            }
            Baseline::Trunk => {
                let trunk = match checkpoint {
                    Some(folder) => Decoder::load(&folder.join(TRUNK), device, start.kernels())?,
                    None => start.copy()?,
                };
                let head = head()?;
                // Not under the policy's names: gradients are told apart by them.
                let of_trunk =
                    trunk.variables().into_iter().map(|(name, var)| (format!("{TRUNK}.{name}"), var));
                let optimizer = optimizer(of_trunk.chain(head.variables()).collect())?;
                Critic::Trunk(Box::new(trunk), head, optimizer)
            }
            _ => Critic::None,
        })
    }

    pub(super) fn save(&self, folder: &Path) -> Result<()> {
        match self {
            Critic::Surprise(surprise) => write_json(&folder.join(SURPRISE), surprise),
            Critic::Head(head, optimizer) | Critic::Trunk(_, head, optimizer) => {
                if let Critic::Trunk(trunk, ..) = self {
                    trunk.save(&folder.join(TRUNK))?;
                }
                head.save(&folder.join(HEAD))?;
                optimizer.save(&folder.join(OPTIMIZER))
            }
            Critic::None => Ok(()),
        }
    }

    /// What its own optimizer steps; empty where it has none.
    pub(super) fn variables(&self) -> Vec<(String, Var)> {
        match self {
            Critic::Head(_, optimizer) | Critic::Trunk(_, _, optimizer) => optimizer.variables(),
            Critic::Surprise(_) | Critic::None => Vec::new(),
        }
    }

    /// The value of each state that a response token was sampled in, rollout after rollout, before this
    /// step's returns are known. `passages` are the same rollouts, by groups; `returns` serve the first
    /// step, of which nobody knows anything, and baselines that are made of them.
    pub(super) fn values(
        &self,
        rollouts: &[Rollout],
        passages: &[&[Passage]],
        returns: &[f32],
        step: usize,
        config: &PpoConfig,
    ) -> Result<Vec<f32>> {
        let tokens = |rollout: &Rollout| rollout.tokens.len();
        let mean = mean_and_deviation(returns).0 as f32;
        Ok(match self {
            Critic::Head(..) | Critic::Trunk(..) if step == 0 => vec![mean; returns.len()],
            Critic::Head(..) => {
                rollouts.iter().flat_map(|rollout| rollout.completion.values.iter().copied()).collect()
            }
            Critic::Trunk(trunk, head, _) => {
                let mut values = Vec::with_capacity(returns.len());
                for members in packing::split(passages.iter().copied(), config.tokens_per_microbatch) {
                    let packed = Microbatch::pack_groups(passages[members].iter().copied(), trunk.device())?;
                    let hidden = trunk.hidden(&packed.batch)?.detach();
                    values.extend(head.forward(&packed.select(&hidden)?)?.to_vec1::<f32>()?);
                }
                values
            }
            Critic::Surprise(surprise) => surprise.values(rollouts).unwrap_or(vec![mean; returns.len()]),
            Critic::None => {
                let groups = rollouts.chunk_by(|a, b| a.group == b.group);
                let of_group = |group: &[Rollout]| {
                    let (sum, count) = (group.iter().map(|of| of.score).sum::<f32>(), group.len() as f32);
                    let value = |rollout: &Rollout| match config.baseline {
                        Baseline::Group => sum / count,
                        // A lone one has no others.
                        Baseline::LeaveOneOut if count > 1.0 => (sum - rollout.score) / (count - 1.0),
                        Baseline::Batch => mean,
                        _ => 0.0,
                    };
                    group.iter().flat_map(|of| repeat_n(value(of), tokens(of))).collect_vec()
                };
                groups.flat_map(of_group).collect()
            }
        })
    }

    /// What can be learned from a step's returns without a gradient.
    pub(super) fn learn(&mut self, rollouts: &[Rollout], returns: &[f32], step: usize) -> Result<()> {
        match self {
            Critic::Surprise(surprise) => surprise.learn(rollouts, returns),
            Critic::Head(head, _) | Critic::Trunk(_, head, _) if step == 0 => {
                head.set_bias(mean_and_deviation(returns).0 as f32)?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Numbers that describe a state.
const FEATURES: usize = 6;

/// A step's part in what is known, against the next one's.
const KEPT: f64 = 0.95;
/// The same of a problem, from visit to visit.
const PROBLEM_KEPT: f64 = 0.9;
/// A problem's mean return is drawn to that of all problems as by so many rollouts.
const PSEUDO_ROLLOUTS: f64 = 4.0;
/// Ridge, on the scale of correlations.
const RIDGE: f64 = 0.01;

/// Ridge regression of the return on how surprising the response was so far, and on how the problem was
/// solved before.
///
/// A response goes wrong where the policy was unsure: of the answers that a state can lead to, those
/// behind unlikely tokens mostly fail. Of the tokens before `t`, with the policy's own probabilities when
/// they were sampled: their product `p`, the least of them `q`, both as logarithms, `t / 64`, and the
/// problem's mean return in earlier steps. All are functions of the state (and of the past), so that the
/// advantages stay unbiased. docs/ppo.md tells what else was tried.
///
/// Plain sums in `f64`, in one order: the same numbers on every machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Surprise {
    /// Weight, sums and sums of products of the features and, last, the return.
    weight: f64,
    sums: [f64; FEATURES + 1],
    products: [[f64; FEATURES + 1]; FEATURES + 1],
    /// Sum and weight of all returns.
    all: [f64; 2],
    /// Of each problem.
    problems: BTreeMap<usize, [f64; 2]>,
}

impl Surprise {
    /// `None` before it has learned anything.
    pub(super) fn values(&self, rollouts: &[Rollout]) -> Option<Vec<f32>> {
        let [sum, count] = self.all;
        let (overall, fit) = (sum / count, self.fit()?);
        let of_rollout =
            |rollout| self.states(rollout, overall).map(|state| fit.value(&state) as f32).collect_vec();
        Some(rollouts.iter().flat_map(of_rollout).collect())
    }

    /// The states of a rollout before each of its tokens.
    fn states<'a>(
        &self,
        rollout: &'a Rollout,
        overall: f64,
    ) -> impl Iterator<Item = [f64; FEATURES]> + use<'a> {
        let [sum, count] = self.problems.get(&rollout.task.problem).copied().unwrap_or_default();
        let problem = (sum + PSEUDO_ROLLOUTS * overall) / (count + PSEUDO_ROLLOUTS);
        let (mut product, mut least) = (0.0, 0.0f64); // logarithms
        rollout.completion.log_probs.iter().enumerate().map(move |(t, log_prob)| {
            let state = [libm::exp(product), libm::exp(least), product, least, t as f64 / 64.0, problem];
            product += f64::from(*log_prob);
            least = least.min(f64::from(*log_prob));
            state
        })
    }

    pub(super) fn learn(&mut self, rollouts: &[Rollout], returns: &[f32]) {
        let first = |rollout: &Rollout| f64::from(returns[rollout.tokens.start]);
        // In the first step all problems are alike.
        let overall = match self.all {
            [_, 0.0] => rollouts.iter().map(first).sum::<f64>() / rollouts.len() as f64,
            [sum, count] => sum / count,
        };
        self.weight *= KEPT;
        let products = self.products.iter_mut().flatten();
        self.sums.iter_mut().chain(products).chain(&mut self.all).for_each(|sum| *sum *= KEPT);
        for rollout in rollouts {
            for (state, token) in self.states(rollout, overall).zip(rollout.tokens.clone()) {
                let mut row = [0.0; FEATURES + 1];
                row[..FEATURES].copy_from_slice(&state);
                row[FEATURES] = f64::from(returns[token]);
                self.weight += 1.0;
                for i in 0..=FEATURES {
                    self.sums[i] += row[i];
                    (0..=FEATURES).for_each(|j| self.products[i][j] += row[i] * row[j]);
                }
            }
        }
        for group in rollouts.chunk_by(|a, b| a.group == b.group) {
            let known = self.problems.entry(group[0].task.problem).or_default();
            known.iter_mut().for_each(|sum| *sum *= PROBLEM_KEPT);
            for rollout in group {
                for sums in [&mut *known, &mut self.all] {
                    sums[0] += first(rollout);
                    sums[1] += 1.0;
                }
            }
        }
    }

    /// The regression as it stands. A feature that does not vary has no part in it.
    fn fit(&self) -> Option<Fit> {
        let means = self.sums.map(|sum| sum / self.weight);
        let covariance = |i: usize, j: usize| self.products[i][j] / self.weight - means[i] * means[j];
        let deviations: [f64; FEATURES + 1] = std::array::from_fn(|i| covariance(i, i).max(0.0).sqrt());
        let varying = (0..FEATURES).filter(|i| deviations[*i] > 1e-6 * (1.0 + means[*i].abs())).collect_vec();
        let correlation = |i: usize, j: usize| covariance(i, j) / (deviations[i] * deviations[j]);
        let ridge = |i, j| correlation(i, j) + if i == j { RIDGE } else { 0.0 };
        let matrix = varying.iter().map(|i| varying.iter().map(|j| ridge(*i, *j)).collect()).collect();
        let target = varying.iter().map(|i| covariance(*i, FEATURES) / deviations[*i]).collect();
        let mut slopes = [0.0; FEATURES];
        for (i, slope) in varying.iter().zip(solve(matrix, target)) {
            slopes[*i] = slope / deviations[*i];
        }
        (self.weight > 0.0).then_some(Fit { means, slopes })
    }
}

struct Fit {
    means: [f64; FEATURES + 1],
    slopes: [f64; FEATURES],
}

impl Fit {
    fn value(&self, state: &[f64; FEATURES]) -> f64 {
        let parts =
            state.iter().zip(&self.means).zip(&self.slopes).map(|((x, mean), slope)| slope * (x - mean));
        self.means[FEATURES] + parts.sum::<f64>()
    }
}

/// Solves `a x = b` for a symmetric matrix without zero or negative eigenvalues, by elimination.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for pivot in 0..n {
        for row in pivot + 1..n {
            let factor = a[row][pivot] / a[pivot][pivot];
            (pivot..n).for_each(|column| a[row][column] -= factor * a[pivot][column]);
            b[row] -= factor * b[pivot];
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|column| a[row][column] * b[column]).sum();
        b[row] = (b[row] - known) / a[row][row];
    }
    b
}
