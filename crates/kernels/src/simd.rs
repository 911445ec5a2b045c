//! Plain loops that the compiler turns into vector code: each function is compiled for the
//! baseline and again for AVX2 and AVX-512, and the best one the CPU has is chosen at run time.
//!
//! Sums keep sixteen partial sums, in one fixed order, so a result depends on the CPU's
//! instruction set but never on threads.

/// Compiles `body` for each instruction set. Inside it, `FMA` says whether `mul_add` is one
/// instruction (elsewhere it would be a slow library call).
macro_rules! vectorized {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name($($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, clippy::extra_unused_type_parameters)]
            fn body<const FMA: bool>($($arg: $type),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx512($($arg: $type),*) $(-> $ret)? { body::<true>($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx2($($arg: $type),*) $(-> $ret)? { body::<true>($($arg),*) }

                if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                    if std::arch::is_x86_feature_detected!("avx512f") {
                        // SAFETY: the CPU was just seen to have these features.
                        return unsafe { avx512($($arg),*) };
                    }
                    // SAFETY: the CPU was just seen to have these features.
                    return unsafe { avx2($($arg),*) };
                }
            }
            body::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    };
}
pub(crate) use vectorized;

/// Partial sums of a reduction.
const LANES: usize = 16;

#[inline(always)]
pub fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `e^x` to 2 ulp for `x` in `[-87, 88]`, clamped to that range (so `e^-inf` is `1.6e-38`).
/// Cephes' polynomial after reducing `x` by multiples of `ln 2`.
#[inline(always)]
pub fn exp<const FMA: bool>(x: f32) -> f32 {
    // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    // `max`/`min` by comparison: they become one instruction and need no care for NaN.
    let x = if x > -87.0 { x } else { -87.0 };
    let x = if x < 88.0 { x } else { 88.0 };
    let shifted = fma::<FMA>(x, std::f32::consts::LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let r = fma::<FMA>(n, -0.693_359_4, x);
    let r = fma::<FMA>(n, 2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4;
    p = fma::<FMA>(p, r, 1.398_2e-3);
    p = fma::<FMA>(p, r, 8.333_452e-3);
    p = fma::<FMA>(p, r, 4.166_579_6e-2);
    p = fma::<FMA>(p, r, 1.666_666_5e-1);
    p = fma::<FMA>(p, r, 0.5);
    let p = fma::<FMA>(p, r * r, r + 1.0);
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

#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let b = &b[..a.len()];
    sum_by(a.len(), |i| a[i] * b[i])
}

#[inline(always)]
pub fn sum(a: &[f32]) -> f32 {
    sum_by(a.len(), |i| a[i])
}

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
pub fn exp_shifted<const FMA: bool>(row: &mut [f32], shift: f32) {
    for value in row {
        *value = exp::<FMA>(*value - shift);
    }
}

vectorized! {
    /// `x += y`.
    pub fn add_assign(x: &mut [f32], y: &[f32]) {
        for (x, &y) in x.iter_mut().zip(y) {
            *x += y;
        }
        let _ = FMA;
    }
}

vectorized! {
    /// `row[i] = e^((row[i] - largest) * scale)`; returns their sum.
    pub fn exponentials(row: &mut [f32], largest: f32, scale: f32) -> f32 {
        row.iter_mut().for_each(|value| *value = (*value - largest) * scale);
        exp_shifted::<FMA>(row, 0.0);
        sum(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    vectorized! {
        fn exp_all(values: &mut [f32]) {
            exp_shifted::<FMA>(values, 0.0);
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
