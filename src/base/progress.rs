//! Progress on stderr: a bar where stderr is a terminal, now and then a plain line elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a plain line is written.
const PLAIN_EVERY: Duration = Duration::from_secs(15);

/// How far a long command is: a bar on a terminal, else plain lines.
pub struct Progress {
    label: String,
    total: usize,
    bar: Option<ProgressBar>,
    started: Instant,
    last_line: Instant,
    first_step: Option<usize>,
}

impl Progress {
    /// `total` steps of what `label` names.
    pub fn new(label: &str, total: usize) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{prefix:24} {wide_bar} {pos}/{len} {eta} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total as u64).with_style(style).with_prefix(label.to_owned())
        });
        let now = Instant::now();
        Progress { label: label.to_owned(), total, bar, started: now, last_line: now, first_step: None }
    }

    /// `done` steps are behind us; `message` says how it goes.
    pub fn at(&mut self, done: usize, message: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
            bar.set_message(message());
            return;
        }
        let first = *self.first_step.get_or_insert(done.saturating_sub(1));
        if self.last_line.elapsed() < PLAIN_EVERY {
            return;
        }
        self.last_line = Instant::now();
        let per_step = self.started.elapsed().as_secs_f64() / (done.saturating_sub(first)).max(1) as f64;
        let left = per_step * self.total.saturating_sub(done) as f64;
        eprintln!("{}: {done}/{}, about {left:.0} s left; {}", self.label, self.total, message());
    }

    /// Ends the bar, or writes the last line.
    pub fn done(self, message: &str) {
        let seconds = self.started.elapsed().as_secs_f64();
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        eprintln!("{}: {message} ({seconds:.0} s)", self.label);
    }
}
