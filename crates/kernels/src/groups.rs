//! How work is cut so that the number of threads changes no bit: rows fall into tiles, tiles into
//! groups. Both are functions of the number of rows. Whatever sums over rows is summed per group,
//! and then over the groups in order.

use rayon::prelude::*;

use super::simd::add_assign;

/// Rows of a tile: its activations stay in the second-level cache.
pub const TILE: usize = 96;
/// Most groups, and so the most threads a backward pass can use.
const MOST_GROUPS: usize = 8;

/// Boundaries of the groups: the first row of each, and the end of the last.
pub fn groups(rows: usize) -> Vec<usize> {
    let tiles = rows.div_ceil(TILE);
    let count = tiles.clamp(1, MOST_GROUPS);
    (0..=count).map(|group| (tiles * group / count * TILE).min(rows)).collect()
}

/// Cuts `data`, rows of `width`, at the row boundaries `bounds` (first zero, last the end).
pub fn split_rows<'a>(data: &'a mut [f32], bounds: &[usize], width: usize) -> Vec<&'a mut [f32]> {
    let mut rest = data;
    let mut parts = Vec::with_capacity(bounds.len());
    for pair in bounds.windows(2) {
        let (part, tail) = rest.split_at_mut((pair[1] - pair[0]) * width);
        parts.push(part);
        rest = tail;
    }
    parts
}

/// Sums the gradients of the groups, in their order, into `total`.
pub fn reduce(groups: &[Vec<f32>], total: &mut [f32]) {
    const CHUNK: usize = 4096;
    total.par_chunks_mut(CHUNK).enumerate().for_each(|(index, total)| {
        for (number, group) in groups.iter().enumerate() {
            let part = &group[index * CHUNK..][..total.len()];
            if number == 0 {
                total.copy_from_slice(part);
            } else {
                add_assign(total, part);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_whole_tiles_and_cover_all_rows() {
        for rows in [0, 1, TILE, TILE + 1, 5 * TILE, 100 * TILE + 3] {
            let bounds = groups(rows);
            assert_eq!((bounds[0], bounds[bounds.len() - 1]), (0, rows));
            assert!(bounds.len() - 1 <= MOST_GROUPS);
            assert!(bounds[..bounds.len() - 1].iter().all(|bound| bound % TILE == 0));
        }
    }
}
