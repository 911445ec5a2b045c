//! What methods that learn from rewards share: whitening, estimators of the KL, explained variance.
//!
//! Plain slices: nothing here carries a gradient. Every sum is taken in `f64` and in the order of its
//! slice, so that no number depends on the instruction set. The names of sources are explained in
//! `ppo/mod.rs`; golden numbers come from PyTorch through `tests/golden/make_ppo.py`.

/// Shifts to mean 0 and scales to standard deviation 1 (lm-human-preferences, `whiten`: over the
/// whole rollout batch, population variance; 37 details 7 does it per minibatch).
///
/// Ours: a deviation below `smallest_deviation` counts as `smallest_deviation`. Where all rollouts
/// of a batch pass, or all fail, the advantages are the critic's noise and nothing else; scaling
/// them up to 1 would turn that noise into a full-sized update.
///
/// ```
/// let mut advantages = [3.0, 1.0];
/// sft_vs_rl::whiten(&mut advantages, 0.1);
/// assert_eq!(advantages, [1.0, -1.0]);
/// ```
pub fn whiten(numbers: &mut [f32], smallest_deviation: f64) {
    shift_and_scale(numbers, smallest_deviation, true);
}

/// As [`whiten`]; without `centered` the mean stays where it is.
pub fn shift_and_scale(numbers: &mut [f32], smallest_deviation: f64, centered: bool) {
    let (mean, deviation) = mean_and_deviation(numbers);
    let mean = if centered { mean } else { 0.0 };
    let scale = 1.0 / deviation.max(smallest_deviation).max(1e-8);
    for number in numbers {
        *number = ((f64::from(*number) - mean) * scale) as f32;
    }
}

/// Mean and population standard deviation, summed in `f64`; zeros for no numbers.
pub fn mean_and_deviation(numbers: &[f32]) -> (f64, f64) {
    if numbers.is_empty() {
        return (0.0, 0.0);
    }
    let count = numbers.len() as f64;
    let mean = numbers.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
    let variance = numbers.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

/// Estimator `k1` of `KL(p || q)` from one token drawn from `p`: unbiased, can be negative.
/// Its gradient through the reward is the exact policy gradient of the KL, which is why the reward
/// uses this one (KL approx).
///
/// ```
/// assert_eq!(sft_vs_rl::kl_k1(-1.0, -1.5), 0.5);
/// ```
pub fn kl_k1(log_p: f32, log_q: f32) -> f32 {
    log_p - log_q
}

/// Estimator `k3` of `KL(p || q)` from one token drawn from `p`: unbiased, never negative, low in
/// variance; the one to log (KL approx). `(q/p - 1) - log(q/p)`.
///
/// ```
/// let q_is_half = sft_vs_rl::kl_k3(0.0, 0.5_f32.ln()); // (1/2 - 1) + log 2
/// assert!((q_is_half - 0.193147).abs() < 1e-6);
/// ```
pub fn kl_k3(log_p: f32, log_q: f32) -> f32 {
    let log_ratio = log_q - log_p;
    libm::expm1f(log_ratio) - log_ratio
}

/// `1 - Var(returns - values) / Var(returns)`: 1 is a perfect critic, 0 one that knows only the
/// mean, negative one that is worse than that (37 details 12). `None` where all returns are equal.
pub fn explained_variance(values: &[f32], returns: &[f32]) -> Option<f64> {
    let errors: Vec<f32> = returns.iter().zip(values).map(|(ret, value)| ret - value).collect();
    let (_, error_deviation) = mean_and_deviation(&errors);
    let (_, return_deviation) = mean_and_deviation(returns);
    (return_deviation > 0.0).then(|| 1.0 - (error_deviation / return_deviation).powi(2))
}
