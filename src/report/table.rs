//! Showing tables and figures in an evcxr notebook: a value whose last-expression type has
//! `evcxr_display` is shown by calling it, and what it prints between the two marks is rendered.

use polars::prelude::{AnyValue, DataFrame};

/// A frame that a notebook shows as an HTML table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its rows and columns, in their order.
    pub frame: DataFrame,
    /// What stands above it; may be empty.
    pub caption: String,
}

impl Table {
    /// Without a caption.
    pub fn new(frame: DataFrame) -> Table {
        Table { frame, caption: String::new() }
    }

    /// The same table under a caption.
    pub fn with_caption(self, caption: &str) -> Table {
        Table { caption: caption.to_owned(), ..self }
    }

    /// More rows than this are left out, and said to be.
    const MAX_ROWS: usize = 40;

    /// What a notebook renders.
    pub fn html(&self) -> String {
        let frame = &self.frame;
        let row = |tag: &str, cells: Vec<String>| {
            let cells = cells.into_iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(&cell)));
            format!("<tr>{}</tr>", cells.collect::<String>())
        };
        let names = frame.get_column_names().into_iter().map(ToString::to_string).collect();
        let shown = |value: AnyValue| match value {
            AnyValue::Null => String::new(),
            AnyValue::Float64(value) => format!("{value:.3}"),
            AnyValue::String(text) => text.to_owned(),
            other => other.to_string(),
        };
        let cells = |row: usize| {
            frame
                .columns()
                .iter()
                .map(|column| column.get(row).map_or_else(|_| String::new(), shown))
                .collect()
        };
        let rows = (0..frame.height().min(Self::MAX_ROWS)).map(|index| row("td", cells(index)));
        let mut html = format!(
            "<table><thead>{}</thead><tbody>\n{}\n</tbody></table>",
            row("th", names),
            rows.collect::<Vec<_>>().join("\n")
        );
        if !self.caption.is_empty() {
            html.insert_str(0, &format!("<p><b>{}</b></p>", escape(&self.caption)));
        }
        if frame.height() > Self::MAX_ROWS {
            html += &format!("<p>first {} of {} rows</p>", Self::MAX_ROWS, frame.height());
        }
        html
    }

    /// Called by a notebook to show the value of a cell.
    pub fn evcxr_display(&self) {
        show("text/html", &self.html());
    }
}

pub(super) fn show(mime: &str, content: &str) {
    println!("EVCXR_BEGIN_CONTENT {mime}\n{content}\nEVCXR_END_CONTENT");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
