//! Showing tables and figures in an evcxr notebook: a value whose last-expression type has
//! `evcxr_display` is shown by calling it, and what it prints between the two marks is rendered.

use polars::prelude::{AnyValue, DataFrame};

/// A frame that a notebook shows as an HTML table.
#[derive(Debug, Clone)]
pub struct Table {
    pub frame: DataFrame,
    /// What stands above it; may be empty.
    pub caption: String,
}

impl Table {
    pub fn new(frame: DataFrame) -> Table {
        Table { frame, caption: String::new() }
    }

    pub fn with_caption(self, caption: &str) -> Table {
        Table { caption: caption.to_owned(), ..self }
    }

    /// More rows than this are left out, and said to be.
    const MAX_ROWS: usize = 40;

    pub fn html(&self) -> String {
        let frame = &self.frame;
        let mut html = String::new();
        if !self.caption.is_empty() {
            html.push_str(&format!("<p><b>{}</b></p>", escape(&self.caption)));
        }
        html.push_str("<table><thead><tr>");
        for name in frame.get_column_names() {
            html.push_str(&format!("<th>{}</th>", escape(name.as_str())));
        }
        html.push_str("</tr></thead><tbody>\n");
        for row in 0..frame.height().min(Self::MAX_ROWS) {
            html.push_str("<tr>");
            for column in frame.columns() {
                let cell = match column.get(row) {
                    Ok(AnyValue::Null) | Err(_) => String::new(),
                    Ok(AnyValue::Float64(value)) => format!("{value:.3}"),
                    Ok(AnyValue::String(text)) => escape(text),
                    Ok(other) => escape(&other.to_string()),
                };
                html.push_str(&format!("<td>{cell}</td>"));
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table>");
        if frame.height() > Self::MAX_ROWS {
            html.push_str(&format!("<p>first {} of {} rows</p>", Self::MAX_ROWS, frame.height()));
        }
        html
    }

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
