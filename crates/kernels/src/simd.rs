//! Plain loops that the compiler turns into vector code, and the mathematics within them.
//!
//! Sums keep sixteen partial sums, in one fixed order, whatever the threads and the instructions.

use super::instructions::vectorized;
use super::lanes::LANES;

/// `e^x` to 2 ulp for `x` in `[-87, 88]`, clamped to that range (so `e^-inf` is `1.6e-38`).
/// Cephes' polynomial after reducing `x` by multiples of `ln 2`.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    // `max`/`min` by comparison: they become one instruction and need no care for NaN.
    let x = if x > -87.0 { x } else { -87.0 };
    let x = if x < 88.0 { x } else { 88.0 };
    let shifted = x.mul_add(std::f32::consts::LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let coefficients = [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let p = coefficients.into_iter().fold(1.987_569_1e-4f32, |p, coefficient| p.mul_add(r, coefficient));
    let p = p.mul_add(r * r, r + 1.0);
    let exponent = shifted.to_bits().wrapping_sub(MAGIC.to_bits()).wrapping_add(127);
    p * f32::from_bits(exponent.wrapping_shl(23))
}

/// `sum(f(i))` over `0..n`, in sixteen partial sums.
#[inline(always)]
fn sum_by(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let whole = n / LANES * LANES;
    let mut start = 0;
    while start < whole {
        for (lane, total) in lanes.iter_mut().enumerate() {
            *total += f(start + lane);
        }
        start += LANES;
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    let mut total = lanes[0];
    for i in whole..n {
        total += f(i);
    }
    total
}

/// Sum of the products, in sixteen partial sums.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let b = &b[..a.len()];
    sum_by(a.len(), |i| a[i] * b[i])
}

/// Sum, in sixteen partial sums.
#[inline(always)]
pub fn sum(a: &[f32]) -> f32 {
    sum_by(a.len(), |i| a[i])
}

/// The largest; minus infinity of nothing.
#[inline(always)]
pub fn max(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = a.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |max, &value| if value > max { value } else { max })
}

/// `row[i] = e^(row[i] - shift)`.
#[inline(always)]
pub fn exp_shifted(row: &mut [f32], shift: f32) {
    for value in row {
        *value = exp(*value - shift);
    }
}

/// Replaces `out` by those rows of `table (any, width)` that have the numbers `rows`.
pub fn gather(table: &[f32], width: usize, rows: impl IntoIterator<Item = u32>, out: &mut Vec<f32>) {
    out.clear();
    for row in rows {
        out.extend_from_slice(&table[row as usize * width..][..width]);
    }
}

vectorized! {
    /// `x += y`.
    pub fn add_assign(x: &mut [f32], y: &[f32]) {
        for (x, &y) in x.iter_mut().zip(y) {
            *x += y;
        }
    }

    /// `row[i] = e^((row[i] - largest) * scale)`; returns their sum.
    pub fn exponentials(row: &mut [f32], largest: f32, scale: f32) -> f32 {
        row.iter_mut().for_each(|value| *value = (*value - largest) * scale);
        exp_shifted(row, 0.0);
        sum(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    vectorized! {
        fn exp_all(values: &mut [f32]) {
            exp_shifted(values, 0.0);
        }
    }

    #[test]
    fn exp_is_accurate_and_clamped() {
        let inputs: Vec<f32> = (0..17_400).map(|i| -87.0 + i as f32 * 0.01).collect();
        let mut outputs = inputs.clone();
        exp_all(&mut outputs);
        for (&x, &y) in inputs.iter().zip(&outputs) {
            let expected = f64::from(x).exp();
            assert!((f64::from(y) / expected - 1.0).abs() < 3e-7, "exp({x}) = {y}, not {expected}");
        }
        let mut extremes = [f32::NEG_INFINITY, -1e30, 1e30];
        exp_all(&mut extremes);
        assert!(extremes[0] < 2e-38 && extremes[1] < 2e-38 && extremes[2] > 1e38 && extremes[2].is_finite());
    }

    #[test]
    fn reductions_take_any_length() {
        for n in [0, 1, 15, 16, 17, 100] {
            let values: Vec<f32> = (0..n).map(|i| (i as f32) - 3.0).collect();
            assert_eq!(sum(&values), values.iter().sum::<f32>());
            assert_eq!(dot(&values, &values), values.iter().map(|v| v * v).sum::<f32>());
            assert_eq!(max(&values), values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
