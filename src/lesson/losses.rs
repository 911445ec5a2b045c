//! A program colored by how hard each of its tokens is for a model.

use itertools::Itertools;

use crate::report::{escape, show};

/// The loss from which on a token is as dark as it gets, in nats: the model gave it one chance in twenty.
const DARKEST: f32 = 3.0;

/// The tokens of a reference program and the loss of each.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLosses {
    /// What is read and not learned.
    pub prompt: String,
    /// Text, and negative log-likelihood in nats.
    pub tokens: Vec<(String, f32)>,
}

impl TokenLosses {
    /// What SFT minimizes, nats a token.
    pub fn mean(&self) -> f32 {
        self.tokens.iter().map(|(_, loss)| loss).sum::<f32>() / self.tokens.len().max(1) as f32
    }

    /// What a notebook renders: the darker, the less expected.
    pub fn html(&self) -> String {
        let span = |(text, loss): &(String, f32)| {
            let opacity = (loss / DARKEST).clamp(0.0, 1.0);
            let shown = if text.is_empty() { "&#9632;".to_owned() } else { escape(text) }; // the end token
            format!(
                "<span title=\"{loss:.2}\" style=\"background:rgba(213,94,0,{opacity:.2})\">{shown}</span>"
            )
        };
        format!(
            "<pre>{}</pre><pre>{}</pre><p>mean {:.3} nats a token; dark is {DARKEST:.0} or more</p>",
            escape(self.prompt.trim_end()),
            self.tokens.iter().map(span).join(""),
            self.mean()
        )
    }

    /// Called by a notebook to show the value of a cell.
    pub fn evcxr_display(&self) {
        show("text/html", &self.html());
    }
}
