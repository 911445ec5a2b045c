//! Tables of text. In an evcxr notebook a value whose last-expression type has `evcxr_display` is shown
//! by calling it, and what it prints between the two marks is rendered.

use itertools::Itertools;
use polars::prelude::{AnyValue, DataFrame};

use crate::base::Result;

/// A table that a notebook shows as HTML.
#[derive(Debug, Clone)]
pub struct Table {
    /// What stands above it; may be empty.
    pub caption: String,
    /// The columns' names.
    pub names: Vec<String>,
    /// One cell a column.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Of a frame; floats are shown with three significant digits.
    pub fn of(frame: &DataFrame) -> Result<Table> {
        let shown = |value: AnyValue| match value {
            AnyValue::Null => String::new(),
            AnyValue::Float64(number) => three_digits(number),
            other => other.str_value().into_owned(),
        };
        let row = |at| frame.columns().iter().map(|column| Ok(shown(column.get(at)?))).collect();
        Ok(Table {
            caption: String::new(),
            names: frame.get_column_names().into_iter().map(ToString::to_string).collect(),
            rows: (0..frame.height()).map(row).collect::<Result<_>>()?,
        })
    }

    /// As Markdown shows it.
    pub fn markdown(&self) -> String {
        let row = |cells: &[String]| {
            format!("| {} |\n", cells.iter().map(|cell| cell.replace('|', "\\|")).join(" | "))
        };
        let rule = vec!["---".to_owned(); self.names.len()];
        [&self.names, &rule].into_iter().chain(&self.rows).map(|cells| row(cells)).collect()
    }

    /// More rows than this are left out, and said to be.
    const MAX_ROWS: usize = 40;

    /// What a notebook renders.
    pub fn html(&self) -> String {
        let row = |tag: &str, cells: &[String]| {
            let cells = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell)));
            format!("<tr>{}</tr>", cells.collect::<String>())
        };
        let mut html = format!(
            "<table><thead>{}</thead><tbody>\n{}\n</tbody></table>",
            row("th", &self.names),
            self.rows.iter().take(Self::MAX_ROWS).map(|cells| row("td", cells)).join("\n")
        );
        if !self.caption.is_empty() {
            html.insert_str(0, &format!("<p><b>{}</b></p>", escape(&self.caption)));
        }
        if self.rows.len() > Self::MAX_ROWS {
            html += &format!("<p>first {} of {} rows</p>", Self::MAX_ROWS, self.rows.len());
        }
        html
    }

    /// Called by a notebook to show the value of a cell.
    pub fn evcxr_display(&self) {
        show("text/html", &self.html());
    }
}

pub(crate) fn show(mime: &str, content: &str) {
    println!("EVCXR_BEGIN_CONTENT {mime}\n{content}\nEVCXR_END_CONTENT");
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn three_digits(number: f64) -> String {
    let magnitude = if number == 0.0 { 0 } else { number.abs().log10().floor() as i32 };
    format!("{number:.digits$}", digits = (2 - magnitude).clamp(0, 8) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_kept_at_any_size() {
        let frame = polars::df!("x" => [0.0, 0.0012345, 0.999, 12.34, 12345.6]).unwrap();
        let shown = Table::of(&frame).unwrap().rows.concat();
        assert_eq!(shown, ["0.00", "0.00123", "0.999", "12.3", "12346"]);
    }

    #[test]
    fn tables_escape_what_they_show() {
        let frame = polars::df!("arm" => ["<b>"], "n" => [4]).unwrap();
        let html = Table { caption: "<b>".to_owned(), ..Table::of(&frame).unwrap() }.html();
        assert_eq!(html.matches("&lt;b&gt;").count(), 2);
        assert!(html.contains("<p><b>&lt;b&gt;</b></p>") && !html.contains("<td><b>"));
        assert_eq!(html.matches("<tr>").count(), 2);
    }
}
