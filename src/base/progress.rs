//! Progress: a bar where stderr is a terminal, now and then a plain line elsewhere. In a cell of a notebook, for which
//! what comes on stderr is an error, lines go to stdout.

use std::env;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The bars on the terminal, one below the other: several runs may be in progress.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// How often a plain line is written.
const PLAIN_EVERY: Duration = Duration::from_secs(15);

/// In a notebook a line comes after every so manieth part of the whole, so that two executions of a cell say the same but
/// for the time that is left.
const LINES_IN_A_NOTEBOOK: usize = 40;

/// Is this the process of the notebooks' kernel? evcxr tells it.
fn in_notebook() -> bool {
    env::var_os("EVCXR_IS_RUNTIME").is_some()
}

/// A line about what is going on.
pub fn say(line: &str) {
    if in_notebook() {
        println!("{line}");
    } else {
        BARS.suspend(|| eprintln!("{line}"));
    }
}

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
        let total = self.bar.length().unwrap_or_default() as usize;
        let due = match in_notebook() {
            true => done.is_multiple_of((total / LINES_IN_A_NOTEBOOK).max(1)),
            false => self.last_line.elapsed() >= PLAIN_EVERY,
        };
        if !due {
            return;
        }
        self.last_line = Instant::now();
        let per_step = self.bar.elapsed().as_secs_f64() / (done.saturating_sub(first)).max(1) as f64;
        let left = per_step * total.saturating_sub(done) as f64;
        let (label, message) = (self.bar.prefix(), message());
        let message = if message.is_empty() { message } else { format!("; {message}") };
        say(&format!("{label}: {done}/{total}, about {left:.0} s left{message}"));
    }

    /// Ends the bar, or writes the last line.
    pub fn done(self, message: &str) {
        let (label, seconds) = (self.bar.prefix(), self.bar.elapsed().as_secs_f64());
        self.clear();
        say(&format!("{label}: {message} ({seconds:.0} s)"));
    }

    /// Ends the bar without a word.
    pub fn clear(self) {
        self.bar.finish_and_clear();
        BARS.remove(&self.bar);
    }
}
