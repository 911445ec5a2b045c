//! Labels that do not overlap.

use itertools::Itertools;
use statrs::statistics::Statistics;

/// Moves label centers apart until neighbors are `height` apart, all between `low` and `high`,
/// with the smallest sum of squared moves that keeps their order: isotonic regression, by its max-min
/// formula (Barlow et al. 1972), after taking the wanted distances out. Returns one position for each
/// of `wanted`, in its order.
///
/// Where they cannot all fit they are spread over the range and overlap evenly.
pub(super) fn spread(wanted: &[f64], height: f64, low: f64, high: f64) -> Vec<f64> {
    let count = wanted.len();
    let height = height.min((high - low).max(0.0) / (count.max(2) - 1) as f64);
    let order: Vec<usize> = (0..count).sorted_by(|a, b| wanted[*a].total_cmp(&wanted[*b])).collect();
    let free: Vec<f64> = (0..count).map(|rank| wanted[order[rank]] - rank as f64 * height).collect();
    let highest = low.max(high - count.saturating_sub(1) as f64 * height);
    let mut placed = vec![0.0; count];
    for rank in 0..count {
        let mean = |from: usize, to: usize| free[from..=to].iter().mean();
        let least = |from| (rank..count).map(|to| mean(from, to)).fold(f64::INFINITY, f64::min);
        let fitted = (0..=rank).map(least).fold(f64::NEG_INFINITY, f64::max);
        placed[order[rank]] = fitted.clamp(low, highest) + rank as f64 * height;
    }
    placed
}

/// Width of a line of sans-serif text, on the generous side (DejaVu Sans is wide).
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * 0.58
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_labels_stay_and_near_ones_part_evenly() {
        assert_eq!(spread(&[10.0, 50.0], 20.0, 0.0, 100.0), [10.0, 50.0]);
        assert_eq!(spread(&[50.0, 50.0], 20.0, 0.0, 100.0), [40.0, 60.0]);
        assert_eq!(spread(&[52.0, 48.0], 20.0, 0.0, 100.0), [60.0, 40.0]);
    }

    #[test]
    fn labels_keep_their_distance_order_and_range() {
        let wanted = [3.0, 99.0, 1.0, 97.0, 98.0, 50.0];
        let placed = spread(&wanted, 12.0, 0.0, 100.0);
        for i in 0..wanted.len() {
            assert!((0.0..=100.0).contains(&placed[i]));
            for j in 0..wanted.len() {
                if wanted[i] < wanted[j] {
                    assert!(placed[j] - placed[i] >= 12.0 - 1e-9, "{placed:?}");
                }
            }
        }
    }

    #[test]
    fn too_many_labels_share_the_room() {
        let placed = spread(&[5.0; 11], 40.0, 0.0, 100.0);
        assert_eq!((placed[0], placed[10]), (0.0, 100.0));
    }
}
