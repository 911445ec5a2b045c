//! Matrix product of one thread, for tiles that fit the second-level cache.
//!
//! Why not the `gemm` crate, which candle uses and which is as fast on large matrices: here the
//! right-hand side is packed once and used by every tile, a product can run over part of the inner
//! dimension (causal attention), and each element is one chain of multiply-adds in the order of the
//! inner index *whatever the number of rows*. A row's result therefore never depends on the batch it
//! is in, which sampling promises.

use std::ops::Range;

use super::instructions::vectorized;
use super::lanes::{LANES as PANEL, Lanes};

/// A matrix inside a slice: element `(i, j)` is `data[i * row_stride + j * col_stride]`. One of the two
/// strides is one.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    pub data: &'a [f32],
    pub row_stride: usize,
    pub col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows one after another, `stride` apart.
    pub fn rows(data: &'a [f32], stride: usize) -> Matrix<'a> {
        Matrix { data, row_stride: stride, col_stride: 1 }
    }

    pub fn transposed(self) -> Matrix<'a> {
        Matrix { data: self.data, row_stride: self.col_stride, col_stride: self.row_stride }
    }
}

/// The right-hand side of a product, `(inner, columns)`, in panels of sixteen columns, each stored
/// row after row and padded with zeros.
#[derive(Default)]
pub struct Panels {
    data: Vec<f32>,
    inner: usize,
    columns: usize,
}

impl Panels {
    pub fn zeros(inner: usize, columns: usize) -> Panels {
        Panels { data: vec![0.0; columns.div_ceil(PANEL) * inner * PANEL], inner, columns }
    }

    pub fn packed(matrix: Matrix, inner: usize, columns: usize) -> Panels {
        let mut panels = Panels::default();
        panels.pack(matrix, inner, columns);
        panels
    }

    /// Packs `matrix (inner, columns)`, reusing the memory of what was packed before.
    pub fn pack(&mut self, matrix: Matrix, inner: usize, columns: usize) {
        self.resize(inner, columns);
        if matrix.col_stride == 1 {
            (0..inner).for_each(|k| self.set_row(k, &matrix.data[k * matrix.row_stride..][..columns]));
        } else {
            (0..columns).for_each(|j| self.set_column(j, &matrix.data[j * matrix.col_stride..][..inner]));
        }
    }

    /// Makes room for a matrix `(inner, columns)`, to be set row by row or column by column.
    pub fn resize(&mut self, inner: usize, columns: usize) {
        (self.inner, self.columns) = (inner, columns);
        self.data.resize(columns.div_ceil(PANEL) * inner * PANEL, 0.0);
        if !columns.is_multiple_of(PANEL) {
            self.data.fill(0.0); // the padding of the last panel
        }
    }

    pub fn set_row(&mut self, row: usize, values: &[f32]) {
        for (panel, values) in self.data.chunks_exact_mut(self.inner * PANEL).zip(values.chunks(PANEL)) {
            panel[row * PANEL..][..values.len()].copy_from_slice(values);
        }
    }

    pub fn set_column(&mut self, column: usize, values: &[f32]) {
        let panel = &mut self.data[column / PANEL * self.inner * PANEL..];
        for (row, &value) in panel.chunks_exact_mut(PANEL).zip(values) {
            row[column % PANEL] = value;
        }
    }

    /// Copies `inner` rows of `columns` columns, and what stands beside them in their last panel.
    pub fn copy_from(&mut self, other: &Panels, inner: usize, columns: usize) {
        let panels =
            self.data.chunks_exact_mut(self.inner * PANEL).zip(other.data.chunks_exact(other.inner * PANEL));
        for (to, from) in panels.take(columns.div_ceil(PANEL)) {
            to[..inner * PANEL].copy_from_slice(&from[..inner * PANEL]);
        }
    }

    pub fn columns(&self) -> usize {
        self.columns
    }
}

/// What becomes of the old contents of the result.
#[derive(Clone, Copy, PartialEq)]
pub enum Store {
    Overwrite,
    Add,
}

vectorized! {
    /// `c (m, n) = a (m, k.len()) @ b[k] (k.len(), n)`: `k` picks rows of `b`, and `n` may be fewer
    /// columns than `b` has. `c` has rows `ldc` apart.
    pub fn gemm(m: usize, n: usize, k: Range<usize>, a: Matrix, b: &Panels, c: &mut [f32], ldc: usize, store: Store) {
        if m == 0 || n == 0 {
            return;
        }
        assert!(n <= b.columns && k.start <= k.end && k.end <= b.inner);
        assert!(c.len() >= (m - 1) * ldc + n);
        if !k.is_empty() {
            assert!(a.data.len() > (m - 1) * a.row_stride + (k.len() - 1) * a.col_stride);
        }
        let mut start = 0;
        while start < n {
            let panels = &b.data[start / PANEL * b.inner * PANEL..];
            // Few rows are few chains of multiply-adds, each waiting for its own last result: more panels
            // at a time make more chains.
            let together = match m {
                1 if start + 4 * PANEL <= n => 4,
                1..=3 if start + 2 * PANEL <= n => 2,
                _ => 1,
            };
            let width = (n - start).min(together * PANEL);
            let mut row = 0;
            while row < m {
                // Empty when there is no inner index at all.
                let data = a.data.get(row * a.row_stride..).unwrap_or(&[]);
                let a = Matrix { data, ..a };
                let c = &mut c[row * ldc + start..];
                let (inner, k) = (b.inner, k.clone());
                // SAFETY: the assertions above cover the last row and inner index of `a`, and each case
                // has at most `m - row` rows.
                row += unsafe {
                    match (m - row, together) {
                        (1, 4) => micro::<L, 1, 4>(a, panels, inner, k, c, ldc, width, store),
                        (1, 2) => micro::<L, 1, 2>(a, panels, inner, k, c, ldc, width, store),
                        (1, _) => micro::<L, 1, 1>(a, panels, inner, k, c, ldc, width, store),
                        (2, 2) => micro::<L, 2, 2>(a, panels, inner, k, c, ldc, width, store),
                        (2, _) => micro::<L, 2, 1>(a, panels, inner, k, c, ldc, width, store),
                        (3, 2) => micro::<L, 3, 2>(a, panels, inner, k, c, ldc, width, store),
                        (3, _) => micro::<L, 3, 1>(a, panels, inner, k, c, ldc, width, store),
                        (8.., _) if L::ROWS == 8 => micro::<L, 8, 1>(a, panels, inner, k, c, ldc, width, store),
                        _ => micro::<L, 4, 1>(a, panels, inner, k, c, ldc, width, store),
                    }
                };
            }
            start += together * PANEL;
        }
    }
}

/// `c (rows, columns) = a (rows, inner) @ b (inner, columns)`, all rows following one another.
pub fn linear(a: &[f32], b: &Panels, c: &mut [f32], store: Store) {
    gemm(a.len() / b.inner, b.columns, 0..b.inner, Matrix::rows(a, b.inner), b, c, b.columns, store);
}

/// The gradient of a linear layer's weight, `(out, in)`: `dy^T @ x` over rows of `x (rows, width)`.
/// `panels` is working memory.
pub fn outer(dy: &[f32], x: &[f32], width: usize, panels: &mut Panels, dweight: &mut [f32], store: Store) {
    let (rows, out) = (x.len() / width, dweight.len() / width);
    panels.pack(Matrix::rows(x, width), rows, width);
    gemm(out, width, 0..rows, Matrix::rows(dy, out).transposed(), panels, dweight, width, store);
}

/// `M` rows times the first `P` of `panels` of `inner` rows, all sums in registers. Returns `M`.
///
/// # Safety
/// `a.data` holds `M` rows of `k.len()` elements at the strides of `a`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn micro<L: Lanes, const M: usize, const P: usize>(
    a: Matrix,
    panels: &[f32],
    inner: usize,
    k: Range<usize>,
    c: &mut [f32],
    ldc: usize,
    width: usize,
    store: Store,
) -> usize {
    // The result lies in the third-level cache or beyond: its latency hides behind the products.
    for i in 0..M {
        L::prefetch(&c[i * ldc..]);
    }
    let mut rows: [&[[f32; PANEL]]; P] = [&[]; P];
    for (p, rows) in rows.iter_mut().enumerate() {
        let data = &panels[p * inner * PANEL..][k.start * PANEL..k.end * PANEL];
        *rows = &data.as_chunks::<PANEL>().0[..k.len()];
    }
    let mut sums = [[L::zero(); P]; M];
    let mut column = a.data.as_ptr();
    for index in 0..k.len() {
        let mut b = [L::zero(); P];
        for (b, rows) in b.iter_mut().zip(rows) {
            // SAFETY: each panel was just cut to `k.len()` rows.
            *b = L::load(unsafe { rows.get_unchecked(index) });
        }
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: row `i < M` at the current inner index, which the caller vouches for.
            let x = unsafe { *column.add(i * a.row_stride) };
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = sum.multiply_add(x, b);
            }
        }
        column = column.wrapping_add(a.col_stride);
    }
    for (i, sums) in sums.into_iter().enumerate() {
        for (sum, c) in sums.into_iter().zip(c[i * ldc..][..width].chunks_mut(PANEL)) {
            put(sum, c, store);
        }
    }
    M
}

/// Stores a register to at most sixteen places.
#[inline(always)]
fn put<L: Lanes>(sum: L, c: &mut [f32], store: Store) {
    if let Ok(c) = <&mut [f32; PANEL]>::try_from(&mut *c) {
        let sum = if store == Store::Add { L::load(c).add(sum) } else { sum };
        sum.store(c);
        return;
    }
    // The last, narrower panel.
    let mut values = [0f32; PANEL];
    sum.store(&mut values);
    for (c, value) in c.iter_mut().zip(values) {
        *c = if store == Store::Add { *c + value } else { value };
    }
}

vectorized! {
    /// `c (columns,) = weights (inner,) @ b`, for one row alone, as attention mixes values: `b` may have
    /// more rows than there are weights.
    ///
    /// Unlike [`gemm`], each element is the sum of four interleaved chains, so that a multiply-add does
    /// not wait for the last one. The order depends on `weights.len()` only.
    pub fn mix(weights: &[f32], b: &Panels, c: &mut [f32], store: Store) {
        const CHAINS: usize = 4;
        assert!(weights.len() <= b.inner && c.len() <= b.columns);
        for (panel, c) in b.data.chunks_exact((b.inner * PANEL).max(1)).zip(c.chunks_mut(PANEL)) {
            let rows = &panel.as_chunks::<PANEL>().0[..weights.len()];
            let mut sums = [L::zero(); CHAINS];
            let (quads, rest) = (rows.chunks_exact(CHAINS), weights.len() / CHAINS * CHAINS);
            for (rows, weights) in quads.zip(weights.chunks_exact(CHAINS)) {
                for ((sum, row), &weight) in sums.iter_mut().zip(rows).zip(weights) {
                    *sum = sum.multiply_add(weight, L::load(row));
                }
            }
            for ((sum, row), &weight) in sums.iter_mut().zip(&rows[rest..]).zip(&weights[rest..]) {
                *sum = sum.multiply_add(weight, L::load(row));
            }
            let [first, second, third, fourth] = sums;
            put(first.add(second).add(third.add(fourth)), c, store);
        }
    }
}

#[cfg(test)]
mod tests;
