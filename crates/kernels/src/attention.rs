//! Causal softmax attention with rotary positions, one family of sequences at a time, in blocks of query
//! rows: memory beside inputs and outputs is `BLOCK * length`, never `length * length` (as FlashAttention,
//! Dao et al. 2022, keeps only the logarithm of each row's softmax sum for the backward pass).
//!
//! Sequences of a family start alike, and what they share is computed once (`families.rs`).

use super::families::Sequence;
use super::gemm::{Matrix, Panels, Store, gemm};
use super::instructions::vectorized;
use super::simd::{dot, exp, exp_shifted, max, sum};

/// Query rows treated together.
const BLOCK: usize = 32;

/// Sizes of attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heads {
    /// Query heads.
    pub heads: usize,
    /// Key-value heads; each serves as many query heads as the others.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
}

impl Heads {
    /// Width of all query heads together.
    pub fn q_size(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all key heads together.
    pub fn kv_size(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Width of a row that holds queries, keys and values.
    pub fn qkv_size(&self) -> usize {
        self.q_size() + 2 * self.kv_size()
    }

    /// Where the queries of head `head` start in such a row, its keys and its values.
    fn starts(&self, head: usize) -> [usize; 3] {
        let keys = self.q_size() + head / (self.heads / self.kv_heads) * self.head_dim;
        [head * self.head_dim, keys, keys + self.kv_size()]
    }

    /// What scores are multiplied by: `1 / sqrt(head_dim)`.
    pub fn scale(&self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }
}

/// Cosines and sines by position, `(positions, head_dim / 2)`.
#[derive(Debug, Clone, PartialEq)]
pub struct RotaryTable {
    /// `(positions, head_dim / 2)`
    pub cos: Vec<f32>,
    /// `(positions, head_dim / 2)`
    pub sin: Vec<f32>,
    half: usize,
}

impl RotaryTable {
    /// Frequencies are `theta^(-2i / head_dim)`, in `f32` as PyTorch computes them.
    pub fn new(theta: f64, head_dim: usize, positions: usize) -> RotaryTable {
        let frequency = |i: usize| (1.0 / libm::pow(theta, 2.0 * i as f64 / head_dim as f64)) as f32;
        let frequencies: Vec<f32> = (0..head_dim / 2).map(frequency).collect();
        let angles = (0..positions)
            .flat_map(|position| frequencies.iter().map(move |&f| f64::from(position as f32 * f)));
        let (sin, cos) = angles.map(|angle| (libm::sin(angle) as f32, libm::cos(angle) as f32)).unzip();
        RotaryTable { cos, sin, half: frequencies.len() }
    }

    /// Rotates the queries and keys of rows `(tokens, qkv)` in place: the row at index `i` by the
    /// angles of `positions[i]`; `direction` is `1.0`, or `-1.0` to rotate back.
    pub fn rotate(&self, heads: Heads, qkv: &mut [f32], positions: &[u32], direction: f32) {
        for (row, &position) in qkv.chunks_exact_mut(heads.qkv_size()).zip(positions) {
            let start = position as usize * self.half;
            let cos = &self.cos[start..start + self.half];
            let sin = &self.sin[start..start + self.half];
            let rotated = heads.q_size() + heads.kv_size();
            for head in row[..rotated].chunks_exact_mut(2 * self.half) {
                let (first, second) = head.split_at_mut(self.half);
                for (((a, b), &cos), &sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                    let (x, y) = (*a, *b);
                    *a = x * cos - y * sin * direction;
                    *b = y * cos + x * sin * direction;
                }
            }
        }
    }
}

/// Working memory of one thread.
#[derive(Default)]
pub struct Scratch {
    scores: Vec<f32>,
    dscores: Vec<f32>,
    keys_t: Panels,
    values: Panels,
    values_t: Panels,
    keys: Panels,
    queries: Panels,
    douts: Panels,
}

/// Attention of one family, after rotation. Rows are those of the family: it starts at row zero of all
/// slices, whatever row its sequences say.
///
/// # Shapes
/// `qkv (tokens, qkv)`; writes `out (tokens, heads * head_dim)` and `log_sums (tokens, heads)`, the
/// logarithm of each softmax's sum
pub fn attention(
    heads: Heads,
    family: &[Sequence],
    qkv: &[f32],
    out: &mut [f32],
    log_sums: &mut [f32],
    scratch: &mut Scratch,
) {
    let Heads { heads: n_heads, kv_heads, head_dim } = heads;
    let (width, q_size) = (heads.qkv_size(), heads.q_size());
    let (longest, group) = (longest(family), n_heads / kv_heads);
    let Scratch { scores, keys_t, values, .. } = scratch;
    for kv_head in 0..kv_heads {
        let [_, k_start, v_start] = heads.starts(kv_head * group);
        keys_t.resize(head_dim, longest);
        values.resize(longest, head_dim);
        let mut kept = 0;
        for sequence in family.iter().filter(|sequence| !sequence.own.is_empty()) {
            for position in kept.min(sequence.shared)..sequence.len() {
                let row = &qkv[sequence.row_in_family(position) * width..];
                keys_t.set_column(position, &row[k_start..][..head_dim]);
                values.set_row(position, &row[v_start..][..head_dim]);
            }
            kept = kept_of_first(sequence);
            for head in kv_head * group..(kv_head + 1) * group {
                let [q_start, ..] = heads.starts(head);
                for start in (sequence.shared..sequence.len()).step_by(BLOCK) {
                    let end = (start + BLOCK).min(sequence.len());
                    let (rows, first) = (end - start, sequence.row_in_family(start));
                    scores.resize(rows * end, 0.0);
                    let q = Matrix::rows(&qkv[first * width + q_start..], width);
                    gemm(rows, end, 0..head_dim, q, keys_t, scores, end, Store::Overwrite);
                    let log_sums = &mut log_sums[first * n_heads + head..];
                    softmax(scores, end, start, heads.scale(), log_sums, n_heads);
                    let (weights, out) = (Matrix::rows(scores, end), &mut out[first * q_size + q_start..]);
                    gemm(rows, head_dim, 0..end, weights, values, out, q_size, Store::Overwrite);
                }
            }
        }
    }
}

/// Gradients of one family's queries, keys and values (rotated, as `attention` took them).
///
/// # Shapes
/// `qkv`, `dqkv (tokens, qkv)`; `out`, `dout (tokens, heads * head_dim)`; `log_sums (tokens, heads)`
pub fn attention_backward(
    heads: Heads,
    family: &[Sequence],
    qkv: &[f32],
    [out, dout]: [&[f32]; 2],
    log_sums: &[f32],
    dqkv: &mut [f32],
    scratch: &mut Scratch,
) {
    let Heads { heads: n_heads, kv_heads, head_dim } = heads;
    let (width, q_size) = (heads.qkv_size(), heads.q_size());
    let (longest, group) = (longest(family), n_heads / kv_heads);
    let Scratch { scores: weights, dscores, keys_t, values_t, keys, queries, douts, .. } = scratch;
    dqkv.fill(0.0);
    for kv_head in 0..kv_heads {
        let [_, k_start, v_start] = heads.starts(kv_head * group);
        keys_t.resize(head_dim, longest);
        values_t.resize(head_dim, longest);
        keys.resize(longest, head_dim);
        let mut kept = 0;
        for sequence in family.iter().filter(|sequence| !sequence.own.is_empty()) {
            for position in kept.min(sequence.shared)..sequence.len() {
                let row = &qkv[sequence.row_in_family(position) * width..];
                keys_t.set_column(position, &row[k_start..][..head_dim]);
                values_t.set_column(position, &row[v_start..][..head_dim]);
                keys.set_row(position, &row[k_start..][..head_dim]);
            }
            kept = kept_of_first(sequence);
            let (shared, own) = (sequence.shared, sequence.row_in_family(sequence.shared));
            for head in kv_head * group..(kv_head + 1) * group {
                let [q_start, ..] = heads.starts(head);
                let count = sequence.own.len();
                queries.pack(Matrix::rows(&qkv[own * width + q_start..], width), count, head_dim);
                douts.pack(Matrix::rows(&dout[own * q_size + q_start..], q_size), count, head_dim);
                for start in (shared..sequence.len()).step_by(BLOCK) {
                    let end = (start + BLOCK).min(sequence.len());
                    let (rows, first) = (end - start, own + start - shared);
                    weights.resize(rows * end, 0.0);
                    dscores.resize(rows * end, 0.0);
                    let q = Matrix::rows(&qkv[first * width + q_start..], width);
                    gemm(rows, end, 0..head_dim, q, keys_t, weights, end, Store::Overwrite);
                    let block_out = Matrix::rows(&dout[first * q_size + q_start..], q_size);
                    gemm(rows, end, 0..head_dim, block_out, values_t, dscores, end, Store::Overwrite);
                    let both = weights.chunks_exact_mut(end).zip(dscores.chunks_exact_mut(end));
                    for (i, (weights, dscores)) in both.enumerate() {
                        let row = first + i;
                        let log_sum = log_sums[row * n_heads + head];
                        let [out, dout] = [out, dout].map(|rows| &rows[row * q_size + q_start..][..head_dim]);
                        let seen = start + i + 1;
                        softmax_backward(weights, dscores, seen, heads.scale(), log_sum, out, dout);
                    }
                    // From here on `dscores` is the gradient of `q . k`.
                    let dq = &mut dqkv[first * width + q_start..];
                    let by_row = Matrix::rows(dscores, end);
                    gemm(rows, head_dim, 0..end, by_row, keys, dq, width, Store::Overwrite);
                    // Keys and values collect from all blocks, in grouped attention from all heads, and where
                    // they are shared from all sequences.
                    let block = start - shared..end - shared;
                    for (positions, row) in [(0..shared, 0), (shared..end, own)] {
                        let parts = [(&*dscores, &*queries, k_start), (&*weights, &*douts, v_start)];
                        for (scores, of_queries, column) in parts {
                            let by_key = Matrix::rows(&scores[positions.start..], end).transposed();
                            let (keys, sum) = (positions.len(), &mut dqkv[row * width + column..]);
                            gemm(keys, head_dim, block.clone(), by_key, of_queries, sum, width, Store::Add);
                        }
                    }
                }
            }
        }
    }
}

fn longest(family: &[Sequence]) -> usize {
    family.iter().map(Sequence::len).max().unwrap_or(0)
}

/// How many positions of the packed keys are those of the family's first sequence after `sequence`.
fn kept_of_first(sequence: &Sequence) -> usize {
    if sequence.own.start == sequence.family { sequence.len() } else { sequence.shared }
}

vectorized! {
    /// Softmax of rows of scores `(rows, columns)`; row `i` sees columns `0..=start + i`, the others
    /// become zero.
    fn softmax(scores: &mut [f32], columns: usize, start: usize, scale: f32, log_sums: &mut [f32], stride: usize) {
        for (i, row) in scores.chunks_exact_mut(columns).enumerate() {
            let (seen, hidden) = row.split_at_mut(start + i + 1);
            hidden.fill(0.0);
            log_sums[i * stride] = softmax_in_place(seen, scale);
        }
    }

    /// Softmax of one row of scores, all of them seen.
    pub fn softmax_row(row: &mut [f32], scale: f32) {
        softmax_in_place(row, scale);
    }
    /// One row: turns scores into `weights` again and `dscores` (so far the gradient of the weights)
    /// into the gradient of the unscaled scores: `weight * (dweight - out . dout) * scale`.
    fn softmax_backward(weights: &mut [f32], dscores: &mut [f32], seen: usize, scale: f32, log_sum: f32, out: &[f32], dout: &[f32]) {
        let mean = dot(out, dout);
        weights[seen..].fill(0.0);
        dscores[seen..].fill(0.0);
        for (weight, dscore) in weights[..seen].iter_mut().zip(&mut dscores[..seen]) {
            *weight = exp(*weight * scale - log_sum);
            *dscore = *weight * (*dscore - mean) * scale;
        }
    }
}

/// Returns the logarithm of the sum.
#[inline(always)]
fn softmax_in_place(row: &mut [f32], scale: f32) -> f32 {
    row.iter_mut().for_each(|score| *score *= scale);
    let max = max(row);
    exp_shifted(row, max);
    let total = sum(row);
    let inverse = 1.0 / total;
    row.iter_mut().for_each(|weight| *weight *= inverse);
    max + libm::logf(total)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_gradient, numbers};
    use super::*;

    fn run(heads: Heads, family: &[Sequence], qkv: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let tokens = qkv.len() / heads.qkv_size();
        let (mut out, mut log_sums) = (vec![0.0; tokens * heads.q_size()], vec![0.0; tokens * heads.heads]);
        attention(heads, family, qkv, &mut out, &mut log_sums, &mut Scratch::default());
        (out, log_sums)
    }

    /// A family of a sequence of `first` tokens and of others, as `(shared, own)` tokens.
    fn family(first: usize, others: &[(usize, usize)]) -> Vec<Sequence> {
        let mut end = 7; // what lies before the family is none of its business
        let mut sequence = |(shared, own): (usize, usize)| {
            end += own;
            Sequence { family: 7, shared, own: end - own..end }
        };
        [(0, first)].iter().chain(others).map(|&sizes| sequence(sizes)).collect()
    }

    /// Alone; sharing more, less, all and nothing of the first; one that is the first again.
    fn families() -> Vec<Vec<Sequence>> {
        let alone = [1, 2, 5, 31, 32, 33, 70].map(|tokens| family(tokens, &[]));
        let together =
            [family(1, &[(1, 1)]), family(40, &[(3, 35), (33, 2), (40, 0), (40, 5), (0, 3), (17, 20)])];
        alone.into_iter().chain(together).collect()
    }

    fn tokens(family: &[Sequence]) -> usize {
        family.iter().map(|sequence| sequence.own.len()).sum()
    }

    /// Straight from the definition, in `f64`, of one sequence.
    fn plain(heads: Heads, qkv: &[f32]) -> Vec<f32> {
        let width = heads.qkv_size();
        let (tokens, dim) = (qkv.len() / width, heads.head_dim);
        let at = |token: usize, start: usize, i: usize| f64::from(qkv[token * width + start + i]);
        let mut out = vec![0.0; tokens * heads.q_size()];
        for token in 0..tokens {
            for head in 0..heads.heads {
                let key = heads.q_size() + head / (heads.heads / heads.kv_heads) * dim;
                let value = key + heads.kv_size();
                let weight = |other: usize| {
                    let dot: f64 = (0..dim).map(|i| at(token, head * dim, i) * at(other, key, i)).sum();
                    (dot / (dim as f64).sqrt()).exp()
                };
                let total: f64 = (0..=token).map(weight).sum();
                for i in 0..dim {
                    let sum: f64 = (0..=token).map(|other| weight(other) * at(other, value, i)).sum();
                    out[token * heads.q_size() + head * dim + i] = (sum / total) as f32;
                }
            }
        }
        out
    }

    const SHAPES: [(usize, usize, usize); 3] = [(1, 1, 2), (4, 2, 6), (3, 1, 16)];

    #[test]
    fn attention_agrees_with_its_definition() {
        for (n_heads, kv_heads, head_dim) in SHAPES {
            let heads = Heads { heads: n_heads, kv_heads, head_dim };
            let (width, q_size) = (heads.qkv_size(), heads.q_size());
            for family in families() {
                let qkv = numbers(tokens(&family) * width, 3);
                let found = run(heads, &family, &qkv).0;
                for sequence in &family {
                    let rows = (0..sequence.len()).map(|position| sequence.row_in_family(position));
                    let whole: Vec<f32> =
                        rows.clone().flat_map(|row| &qkv[row * width..][..width]).copied().collect();
                    let found = rows.flat_map(|row| &found[row * q_size..][..q_size]);
                    assert!(
                        found.zip(&plain(heads, &whole)).all(|(a, b)| (a - b).abs() < 1e-5),
                        "{sequence:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for (n_heads, kv_heads, head_dim) in SHAPES {
            let heads = Heads { heads: n_heads, kv_heads, head_dim };
            for family in families() {
                let qkv = numbers(tokens(&family) * heads.qkv_size(), 1);
                let dout = numbers(tokens(&family) * heads.q_size(), 2);
                let (out, log_sums) = run(heads, &family, &qkv);
                let mut dqkv = vec![7.0; qkv.len()];
                let scratch = &mut Scratch::default();
                attention_backward(heads, &family, &qkv, [&out, &dout], &log_sums, &mut dqkv, scratch);
                assert_gradient(&qkv, &dqkv, &dout, |qkv| run(heads, &family, qkv).0);
            }
        }
    }

    #[test]
    fn rotating_there_and_back_changes_nothing() {
        let heads = Heads { heads: 2, kv_heads: 1, head_dim: 4 };
        let table = RotaryTable::new(100.0, 4, 5);
        let start = numbers(3 * heads.qkv_size(), 1);
        let mut qkv = start.clone();
        table.rotate(heads, &mut qkv, &[0, 4, 2], 1.0);
        assert_eq!(qkv[..16], start[..16], "position 0 is not rotated");
        assert_ne!(qkv[16..28], start[16..28]);
        assert_eq!(qkv[28..32], start[28..32], "values are not rotated");
        table.rotate(heads, &mut qkv, &[0, 4, 2], -1.0);
        assert!(qkv.iter().zip(&start).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}
