//! Progress on stderr: a bar where stderr is a terminal, now and then a plain line elsewhere.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The bars on the terminal, one below the other: several runs may be in progress.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// How often a plain line is written.
const PLAIN_EVERY: Duration = Duration::from_secs(15);

/// How far a long command is: a bar on a terminal, else plain lines.
pub struct Progress {
    /// Draws nothing where stderr is no terminal, and knows label, length and time all the same.
    bar: ProgressBar,
    last_line: Instant,
    first_step: Option<usize>,
}

impl Progress {
    /// `total` steps of what `label` names.
    pub fn new(label: &str, total: usize) -> Progress {
        let style = ProgressStyle::with_template("{prefix:24} {wide_bar} {pos}/{len} {eta} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total as u64).with_style(style).with_prefix(label.to_owned());
        let bar = BARS.add(bar);
        Progress { bar, last_line: Instant::now(), first_step: None }
    }

    /// `done` steps are behind us; `message` says how it goes.
    pub fn at(&mut self, done: usize, message: impl FnOnce() -> String) {
        if !self.bar.is_hidden() {
            self.bar.set_position(done as u64);
            self.bar.set_message(message());
            return;
        }
        let first = *self.first_step.get_or_insert(done.saturating_sub(1));
        if self.last_line.elapsed() < PLAIN_EVERY {
            return;
        }
        self.last_line = Instant::now();
        let per_step = self.bar.elapsed().as_secs_f64() / (done.saturating_sub(first)).max(1) as f64;
        let total = self.bar.length().unwrap_or_default();
        let left = per_step * total.saturating_sub(done as u64) as f64;
        eprintln!("{}: {done}/{total}, about {left:.0} s left; {}", self.bar.prefix(), message());
    }

    /// Ends the bar, or writes the last line.
    pub fn done(self, message: &str) {
        self.bar.finish_and_clear();
        BARS.remove(&self.bar);
        let seconds = self.bar.elapsed().as_secs_f64();
        BARS.suspend(|| eprintln!("{}: {message} ({seconds:.0} s)", self.bar.prefix()));
    }
}
