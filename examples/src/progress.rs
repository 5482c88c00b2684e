//! Progress on standard error: bars on a terminal, a line every few seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::telemetry::{Status, Telemetry};

/// Time between two plain lines when standard error is not a terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Time between two looks at the stream beside a bar.
const BAR_INTERVAL: Duration = Duration::from_millis(500);

/// Where a run reports to: stages to standard error, and counts to its [`Telemetry`].
#[derive(Debug, Clone)]
pub struct Progress {
    kind: Kind,
    telemetry: Option<Telemetry>,
}

#[derive(Debug, Clone)]
enum Kind {
    Silent,
    Plain,
    Log,
    Bars(MultiProgress),
}

impl Progress {
    /// Bars when standard error is a terminal, plain lines otherwise.
    #[must_use]
    pub fn stderr() -> Self {
        let kind = if std::io::stderr().is_terminal() {
            Kind::Bars(MultiProgress::new())
        } else {
            Kind::Plain
        };
        Self::new(kind)
    }

    /// Bars that whoever else writes to the terminal can move aside.
    pub(crate) fn bars(bars: MultiProgress) -> Self {
        Self::new(Kind::Bars(bars))
    }

    /// Log events in place of plain lines.
    pub(crate) fn log() -> Self {
        Self::new(Kind::Log)
    }

    /// Says nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(Kind::Silent)
    }

    /// Counts into `telemetry` as well, which others may be watching.
    #[must_use]
    pub fn telemetry(self, telemetry: Telemetry) -> Self {
        Self {
            telemetry: Some(telemetry),
            ..self
        }
    }

    /// Where a run over a language counts: one that nobody watches unless one was given.
    #[must_use]
    pub fn telemetry_of(&self, language: &str) -> Telemetry {
        match &self.telemetry {
            Some(telemetry) => telemetry.for_language(language),
            None => Telemetry::new(language),
        }
    }

    fn new(kind: Kind) -> Self {
        Self {
            kind,
            telemetry: None,
        }
    }

    /// Starts a stage of `total` units (`None`: unknown), counted in `unit` ("plays", "events").
    #[must_use]
    pub fn stage(&self, name: &str, unit: &str, total: Option<u64>) -> Stage {
        let bar = match &self.kind {
            Kind::Bars(bars) => Some(bars.add(bar(name, unit, total))),
            _ => None,
        };
        let now = Instant::now();
        Stage {
            kind: self.kind.clone(),
            name: name.to_owned(),
            unit: unit.to_owned(),
            total,
            done: 0,
            bar,
            watched: None,
            started: now,
            printed: now,
            printed_at: 0,
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
    /// Tells where the stream is.
    watched: Option<Telemetry>,
    started: Instant,
    printed: Instant,
    /// What was done when it was last printed.
    printed_at: u64,
}

impl Stage {
    /// Also tells where the stream of `telemetry` is: its newest event, how long ago that was, and
    /// the time to the next dump.
    #[must_use]
    pub fn watching(self, telemetry: Telemetry) -> Self {
        Self {
            watched: Some(telemetry),
            ..self
        }
    }

    /// Counts `by` more units as done.
    pub fn advance(&mut self, by: u64) {
        self.done += by;
        if let Some(bar) = &self.bar {
            bar.inc(by);
            if self.watched.is_some() && self.printed.elapsed() >= BAR_INTERVAL {
                self.printed = Instant::now();
                bar.set_message(format!("{} · {}", self.unit, self.status()));
            }
        } else if self.printed.elapsed() >= PLAIN_INTERVAL {
            self.print();
            self.printed = Instant::now();
            self.printed_at = self.done;
        }
    }

    /// Ends the stage with a line that says how much was done in how long.
    pub fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let (name, done, unit) = (&self.name, self.done, &self.unit);
        let seconds = self.started.elapsed().as_secs_f64();
        match self.kind {
            Kind::Silent => {}
            Kind::Log => tracing::info!(stage = name, done, unit, seconds, "finished"),
            Kind::Plain | Kind::Bars(_) => eprintln!("{name}: {done} {unit} in {seconds:.1} s"),
        }
    }

    fn status(&self) -> Status {
        let watched = self.watched.as_ref();
        watched.map(Telemetry::status).unwrap_or_default()
    }

    fn print(&self) {
        let (name, done, unit, total) = (&self.name, self.done, &self.unit, self.total);
        #[allow(clippy::cast_precision_loss)] // a rate for people
        let rate = (done - self.printed_at) as f64 / self.printed.elapsed().as_secs_f64();
        let status = self.status();
        match self.kind {
            Kind::Log => tracing::info!(
                stage = name,
                done,
                total,
                unit,
                per_second = rate.round(),
                newest_event = status.newest_event(),
                lag_seconds = status.lag_seconds.map(f64::round),
                next_dump_seconds = status.next_dump_seconds.map(f64::round),
                backlog_files = status.backlog_files,
                "progress"
            ),
            Kind::Plain => {
                let of = total.map_or_else(String::new, |total| format!(" of {total}"));
                eprintln!("{name}: {done}{of} {unit}, {rate:.0} a second");
            }
            Kind::Silent | Kind::Bars(_) => {}
        }
    }
}

fn bar(name: &str, unit: &str, total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "{prefix:<18} {bar:32} {human_pos}/{human_len} {msg} ({per_sec}, {eta})",
        None => "{prefix:<18} {spinner} {human_pos} {msg} ({per_sec})",
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::new_spinner(),
    };
    bar.with_style(style)
        .with_prefix(name.to_owned())
        .with_message(unit.to_owned())
}
