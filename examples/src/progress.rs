//! Progress on standard error: bars on a terminal, a plain line every few seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Time between two plain lines when standard error is not a terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Where stages report to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Silent,
    Plain,
    Bar,
}

impl Progress {
    /// Bars when standard error is a terminal, plain lines otherwise.
    #[must_use]
    pub fn stderr() -> Self {
        let kind = if std::io::stderr().is_terminal() {
            Kind::Bar
        } else {
            Kind::Plain
        };
        Self { kind }
    }

    /// Says nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self { kind: Kind::Silent }
    }

    /// Starts a stage of `total` units (`None`: unknown), counted in `unit` ("plays", "events").
    #[must_use]
    pub fn stage(self, name: &str, unit: &str, total: Option<u64>) -> Stage {
        let bar = (self.kind == Kind::Bar).then(|| {
            let template = match total {
                Some(_) => "{prefix:<18} {bar:32} {human_pos}/{human_len} {msg} ({per_sec}, {eta})",
                None => "{prefix:<18} {spinner} {human_pos} {msg} ({per_sec})",
            };
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(10))
                .with_style(style)
                .with_prefix(name.to_owned())
                .with_message(unit.to_owned())
        });
        let now = Instant::now();
        Stage {
            kind: self.kind,
            name: name.to_owned(),
            unit: unit.to_owned(),
            total,
            done: 0,
            bar,
            started: now,
            printed: now,
        }
    }
}

/// One stage of the work under way.
#[derive(Debug)]
pub struct Stage {
    kind: Kind,
    name: String,
    unit: String,
    total: Option<u64>,
    done: u64,
    bar: Option<ProgressBar>,
    started: Instant,
    printed: Instant,
}

impl Stage {
    /// Counts `by` more units as done.
    pub fn advance(&mut self, by: u64) {
        self.done += by;
        if let Some(bar) = &self.bar {
            bar.inc(by);
        } else if self.kind == Kind::Plain && self.printed.elapsed() >= PLAIN_INTERVAL {
            self.printed = Instant::now();
            match self.total {
                Some(total) => eprintln!("{}: {} of {total} {}", self.name, self.done, self.unit),
                None => eprintln!("{}: {} {}", self.name, self.done, self.unit),
            }
        }
    }

    /// Ends the stage with a line that says how much was done in how long.
    pub fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.kind != Kind::Silent {
            let seconds = self.started.elapsed().as_secs_f64();
            eprintln!(
                "{}: {} {} in {seconds:.1} s",
                self.name, self.done, self.unit
            );
        }
    }
}
