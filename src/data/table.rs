//! Tables of the command line: cells under each other.

use std::ops::Range;

use itertools::Itertools;

/// Lines of cells, two blanks between columns, which are as wide as their widest cell. Columns
/// `numbers` are flush right.
pub fn table(rows: &[impl AsRef<[String]>], numbers: Range<usize>) -> String {
    let width = |column: usize| rows.iter().map(|row| row.as_ref()[column].len()).max().unwrap_or(0);
    let widths = rows.first().map_or(vec![], |row| (0..row.as_ref().len()).map(width).collect_vec());
    let cell = |(column, text): (usize, &String)| {
        let width = widths[column];
        if numbers.contains(&column) { format!("{text:>width$}") } else { format!("{text:width$}") }
    };
    let line = |row: &[String]| row.iter().enumerate().map(cell).join("  ").trim_end().to_owned() + "\n";
    rows.iter().map(|row| line(row.as_ref())).collect()
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
