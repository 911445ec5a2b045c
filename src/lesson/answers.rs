//! Programs that a model wrote, side by side with what became of them.

use std::fmt;

use itertools::Itertools;

use crate::model::Completion;
use crate::report::{escape, show};
use crate::study::AnswerWord;

/// One program.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// `likeliest`, `sample 2`, or whose it is.
    pub label: String,
    /// Python.
    pub program: String,
    /// Its tokens, and, where a model drew it, their log-probabilities.
    pub completion: Completion,
    /// What the sandbox says; `None` where nothing was run.
    pub word: Option<AnswerWord>,
    /// The first hidden case that it fails.
    pub fails: Option<String>,
}

impl Answer {
    /// What RL would pay for it: 1 or 0; `None` where it was not judged.
    pub fn reward(&self) -> Option<f32> {
        Some(f32::from(self.word?.passed()?))
    }

    /// Its label and its word.
    fn head(&self) -> String {
        self.word.map_or_else(|| self.label.clone(), |word| format!("{}: {}", self.label, word.name()))
    }
}

/// Programs after one prompt. A notebook shows them side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// What was asked.
    pub prompt: String,
    /// The likeliest first, where a model wrote them.
    pub answers: Vec<Answer>,
}

impl Answers {
    /// How many passed.
    pub fn passed(&self) -> usize {
        self.answers.iter().filter(|answer| answer.reward() == Some(1.0)).count()
    }

    /// What a notebook renders.
    pub fn html(&self) -> String {
        let card = |answer: &Answer| {
            let color = match answer.reward() {
                None => "#828282",
                Some(reward) if reward > 0.0 => "#009e73",
                Some(_) => "#d55e00",
            };
            let fails = answer.fails.as_deref().map(|fails| format!("<small>{}</small>", escape(fails)));
            format!(
                "<div style=\"border:2px solid {color};border-radius:4px;padding:4px 8px;max-width:100%;overflow-x:auto\">\
                 <b style=\"color:{color}\">{}</b><pre>{}</pre>{}</div>",
                escape(&answer.head()),
                escape(answer.program.trim_end()),
                fails.unwrap_or_default()
            )
        };
        format!(
            "<pre>{}</pre>\n<div style=\"display:flex;flex-wrap:wrap;gap:8px\">\n{}\n</div>",
            escape(self.prompt.trim_end()),
            self.answers.iter().map(card).join("\n")
        )
    }

    /// Called by a notebook to show the value of a cell.
    pub fn evcxr_display(&self) {
        show("text/html", &self.html());
    }
}

/// The same as plain text.
impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "{}", self.prompt.trim_end())?;
        for answer in &self.answers {
            let fails = answer.fails.as_ref().map_or_else(String::new, |fails| format!(" ({fails})"));
            writeln!(f, "\n# {}{fails}\n{}", answer.head(), answer.program.trim_end())?;
        }
        Ok(())
    }
}
