//! The unbiased estimator of pass@k.

/// Probability that at least one of `k` answers passes, estimated without bias from `n` sampled
/// answers of which `c` passed: `1 - C(n-c, k) / C(n, k)` (Chen et al. 2021, arXiv 2107.03374,
/// section 2.1), as a product that cannot overflow. `None` where `k` is 0 or above `n`, or `c`
/// is above `n`.
///
/// ```
/// // Two of four answers passed: of the 6 pairs of answers, one has none that passed.
/// let estimate = sft_vs_rl::pass_at_k(4, 2, 2).unwrap();
/// assert!((estimate - 5.0 / 6.0).abs() < 1e-12);
/// ```
pub fn pass_at_k(n: u32, c: u32, k: u32) -> Option<f64> {
    if k == 0 || k > n || c > n {
        return None;
    }
    if n - c < k {
        return Some(1.0);
    }
    // C(n-c, k) / C(n, k) = product over i in n-c+1..=n of (1 - k/i)
    let none_passes: f64 = (n - c + 1..=n).map(|i| 1.0 - f64::from(k) / f64::from(i)).product();
    Some(1.0 - none_passes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the subsets of size `k` of `n` answers, the first `c` of which pass.
    fn by_enumeration(n: u32, c: u32, k: u32) -> f64 {
        let subsets: Vec<u32> = (0..1u32 << n).filter(|subset| subset.count_ones() == k).collect();
        let passing = (1u32 << c) - 1;
        let good = subsets.iter().filter(|subset| **subset & passing != 0).count();
        good as f64 / subsets.len() as f64
    }

    #[test]
    fn equals_enumeration() {
        for n in 1..=9 {
            for c in 0..=n {
                for k in 1..=n {
                    let found = pass_at_k(n, c, k).unwrap();
                    assert!((found - by_enumeration(n, c, k)).abs() < 1e-12, "{n} {c} {k}: {found}");
                }
            }
        }
    }

    #[test]
    fn limits() {
        assert_eq!(pass_at_k(8, 0, 4), Some(0.0));
        assert_eq!(pass_at_k(8, 8, 1), Some(1.0));
        assert!((pass_at_k(8, 3, 1).unwrap() - 3.0 / 8.0).abs() < 1e-12);
        assert_eq!(pass_at_k(4, 1, 5), None);
        assert_eq!(pass_at_k(4, 1, 0), None);
        assert!(pass_at_k(1_000_000, 10, 1000).unwrap().is_finite());
    }
}
