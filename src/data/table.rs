//! Tables of the command line: cells under each other.

use std::ops::Range;

use itertools::Itertools;

/// Lines of cells, two blanks between columns, which are as wide as their widest cell. Columns
/// `numbers` are flush right.
pub fn table<const N: usize>(rows: &[[String; N]], numbers: Range<usize>) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let cell = |(column, text): (usize, &String)| {
        let width = widths[column];
        if numbers.contains(&column) { format!("{text:>width$}") } else { format!("{text:width$}") }
    };
    rows.iter().map(|row| row.iter().enumerate().map(cell).join("  ").trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["name", "n", "note"], ["b", "10", ""]].map(|row| row.map(String::from));
        assert_eq!(table(&rows, 1..2), "name   n  note\nb     10\n");
    }
}
