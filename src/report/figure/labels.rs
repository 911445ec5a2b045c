//! Labels that do not overlap.

/// Moves label centers apart until neighbors are `height` apart, all between `low` and `high`,
/// with the smallest sum of squared moves that keeps their order (isotonic regression after
/// taking the wanted distances out). Returns one position for each of `wanted`, in its order.
///
/// Where they cannot all fit they are spread over the range and overlap evenly.
pub(super) fn spread(wanted: &[f64], height: f64, low: f64, high: f64) -> Vec<f64> {
    let count = wanted.len();
    if count == 0 {
        return Vec::new();
    }
    let room = (high - low) / (count.max(2) - 1) as f64;
    let height = height.min(room.max(0.0));
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    // Pool adjacent violators: blocks of (mean, size) whose means ascend.
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for (rank, index) in order.iter().enumerate() {
        blocks.push((wanted[*index] - rank as f64 * height, 1));
        while let [.., (before, n), (last, m)] = blocks[..]
            && before > last
        {
            blocks.truncate(blocks.len() - 2);
            blocks.push(((before * n as f64 + last * m as f64) / (n + m) as f64, n + m));
        }
    }
    let highest = high - (count - 1) as f64 * height;
    let flat = blocks.iter().flat_map(|(mean, size)| std::iter::repeat_n(*mean, *size));
    let mut placed = vec![0.0; count];
    for (rank, (position, index)) in flat.zip(&order).enumerate() {
        placed[*index] = position.clamp(low, highest.max(low)) + rank as f64 * height;
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
