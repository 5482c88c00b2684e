//! Event generation: plays, users and items in, events out.
//!
//! Plays are read once, put in order of time, joined with what is known of their user and item, and
//! written with the counters of all plays of a strictly smaller time.

mod fields;
mod line;
mod order;
mod output;
mod side;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use feature_spec::history::{History, Play};
use feature_spec::{Event, Time};
use serde::Serialize;

use crate::cli::Failure;
use crate::event_files::{EventFilesConfig, EventWriter};
use crate::mapping::Mapping;
use crate::progress::{Progress, Stage};
use crate::rejects::Rejects;
use crate::table::{Found, Row, Table};

use self::fields::PlayFields;
use self::order::Orderer;
use self::output::Output;
use self::side::SideTable;

/// What to generate events from, and where to.
#[derive(Debug, Clone, clap::Args)]
#[non_exhaustive]
pub struct EventGenConfig {
    /// Mapping file: which column is what, and what is counted (TOML)
    #[arg(long)]
    pub mapping: PathBuf,
    /// The plays: CSV, JSON Lines or Parquet, plain, gzip or zstd; a path or a URL
    #[arg(long)]
    pub plays: PathBuf,
    /// The users, in any of these formats
    #[arg(long)]
    pub users: Option<PathBuf>,
    /// The videos, in any of these formats
    #[arg(long)]
    pub videos: Option<PathBuf>,
    /// Language of the stream, a folder of the output
    #[arg(long, default_value = "HI")]
    pub language: String,
    /// Label: one of the 0/1 columns that the mapping lists; its first by default
    #[arg(long)]
    pub label: Option<String>,
    /// Folder or URL for the events, `<output>/<language>/dt=…/hour=…/part-….jsonl.zst`, and rejects
    #[arg(long)]
    pub output: PathBuf,
    /// Share of rejected plays beyond which the job stops, judged from 1,000 plays on
    #[arg(long, default_value_t = 0.01)]
    pub max_reject_share: f64,
}

impl EventGenConfig {
    /// A configuration with the defaults of the flags.
    #[must_use]
    pub fn new(
        mapping: impl Into<PathBuf>,
        plays: impl Into<PathBuf>,
        output: impl Into<PathBuf>,
    ) -> Self {
        Self {
            mapping: mapping.into(),
            plays: plays.into(),
            users: None,
            videos: None,
            language: "HI".to_owned(),
            label: None,
            output: output.into(),
            max_reject_share: 0.01,
        }
    }
}

/// What was generated.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct EventGenSummary {
    /// Rows of the plays file.
    pub plays: u64,
    /// Events written.
    pub events: u64,
    /// Events with label 1.
    pub positives: u64,
    /// Plays left out because they equal another of the same time in every column.
    pub duplicates: u64,
    /// Plays that came before another of a smaller time and were put in order.
    pub out_of_order: u64,
    /// Rows set aside under `<output>/rejects/`, by reason: `late`, `time`, `label`, …
    pub rejected: BTreeMap<String, u64>,
    /// Rows of the side tables set aside, by reason.
    pub rejected_side_rows: BTreeMap<String, u64>,
    /// Events whose user is not in the table of users.
    pub unknown_users: u64,
    /// Events whose item is not in the table of items.
    pub unknown_items: u64,
    /// Event files written.
    pub files: u64,
    /// Event files of the same language that stand there from an earlier run.
    pub older_files: u64,
    /// Wall time.
    pub seconds: f64,
}

/// Generates events; each file of them appears whole or not at all.
///
/// Memory in proportion to the side tables, the counters and the plays within the lateness.
///
/// # Errors
///
/// - A file is missing, malformed or empty, or has not a column that the mapping names.
/// - `--label` is none of the mapping's labels: wrong usage.
/// - More than the allowed share of plays is rejected; files of completed hours remain.
/// - The output cannot be written.
pub fn run(config: &EventGenConfig, progress: Progress) -> Result<EventGenSummary, Failure> {
    let started = Instant::now();
    if !(0.0..=1.0).contains(&config.max_reject_share) {
        let share = config.max_reject_share;
        return Err(Failure::usage(format!(
            "--max-reject-share {share} is not between 0 and 1"
        )));
    }
    let mapping = Mapping::from_path(&config.mapping)?;
    let label = mapping.label(config.label.as_deref())?.to_owned();
    let history = History::new(mapping.history.clone())
        .map_err(|source| Failure::file(&config.mapping, source))?;
    let rejects_folder = config.output.join("rejects");
    let mut rejected_side_rows = BTreeMap::new();
    let mut side = |name: &str, mapping: Option<&_>, path: Option<&PathBuf>| {
        let rejects = Rejects::new(
            &rejects_folder.join(format!("{name}.jsonl")),
            path.map(|path| path.display().to_string())
                .unwrap_or_default(),
            config.max_reject_share,
        );
        let (table, rejected) =
            SideTable::load(name, mapping, path.map(PathBuf::as_path), rejects)?;
        for (reason, count) in rejected {
            *rejected_side_rows.entry(reason.to_owned()).or_insert(0) += count;
        }
        Ok::<_, Failure>(table)
    };
    let users = side("users", mapping.users.as_ref(), config.users.as_ref())?;
    let items = side("videos", mapping.items.as_ref(), config.videos.as_ref())?;
    let fields = PlayFields::new(&mapping, &label, &history)
        .map_err(|message| Failure::data(format!("{}: {message}", config.mapping.display())))?;
    let table = Table::open(&config.plays, fields.columns())?;
    let rejects = Rejects::new(
        &rejects_folder.join("plays.jsonl"),
        config.plays.display(),
        config.max_reject_share,
    );
    let mut generator = Generator {
        language: &config.language,
        fields: &fields,
        users: &users,
        items: &items,
        history,
        output: Output::new(EventWriter::new(
            &config.output,
            &config.language,
            EventFilesConfig::default(),
        )?),
        rejects,
        stage: progress.stage("event_gen", "plays", None),
        summary: EventGenSummary::default(),
    };
    generator.read_all(table, &mapping)?;
    let mut summary = generator.finish(&config.plays)?;
    summary.rejected_side_rows = rejected_side_rows;
    summary.seconds = started.elapsed().as_secs_f64();
    Ok(summary)
}

/// The work under way.
struct Generator<'a> {
    language: &'a str,
    fields: &'a PlayFields,
    users: &'a SideTable,
    items: &'a SideTable,
    history: History,
    output: Output,
    rejects: Rejects,
    stage: Stage,
    summary: EventGenSummary,
}

impl Generator<'_> {
    fn read_all(&mut self, mut table: Table, mapping: &Mapping) -> Result<(), Failure> {
        let mut orderer = Orderer::new(mapping.plays.lateness_ms, mapping.plays.duplicates);
        let mut row = Row::default();
        let mut ready = Vec::new();
        loop {
            let found = table.read(&mut row)?;
            self.summary.plays = table.rows();
            match found {
                Found::End => break,
                Found::Bad(detail) => self.reject("malformed", &detail, &row)?,
                Found::Row => match self.fields.time(&row) {
                    Err(detail) => self.reject("time", &detail, &row)?,
                    Ok(time_ms) => {
                        if let Err(detail) = orderer.push(time_ms, &mut row) {
                            self.reject("late", &detail, &row)?;
                        }
                    }
                },
            }
            orderer.release(&mut ready);
            self.generate_all(&mut ready, &mut orderer)?;
            self.advance(table.rows());
        }
        orderer.release_all(&mut ready);
        self.generate_all(&mut ready, &mut orderer)?;
        self.rejects.judge(self.summary.plays)?;
        self.summary.duplicates = orderer.duplicates();
        self.summary.out_of_order = orderer.out_of_order();
        Ok(())
    }

    fn generate_all(
        &mut self,
        ready: &mut Vec<(i64, Row)>,
        orderer: &mut Orderer,
    ) -> Result<(), Failure> {
        for (time_ms, row) in ready.drain(..) {
            self.generate(time_ms, &row)?;
            orderer.recycle(row);
        }
        Ok(())
    }

    /// Counts a play and writes its event; the counters that it carries are of earlier plays alone.
    fn generate(&mut self, time_ms: i64, row: &Row) -> Result<(), Failure> {
        let read = match self.fields.read(row, self.users, self.items) {
            Ok(read) => read,
            Err((reason, detail)) => return self.reject(reason, &detail, row),
        };
        let play = Play {
            time: Time::from_milliseconds(time_ms),
            user: read.user,
            item: read.item,
            fields: &read.fields,
            keys: &read.keys,
        };
        if let Err(error) = self.history.push(&play) {
            return self.reject("metric", &error.to_string(), row);
        }
        let mut event = Event::new(read.id.as_ref(), play.time);
        event.language = self.language.into();
        event.label = Some(read.label);
        self.fields.context(row, &mut event.context);
        self.history
            .snapshot(&play, &mut event)
            .map_err(|source| Failure::at(format!("line {}", row.line()), source))?;
        let user = side::as_json(read.user_known, read.user);
        let item = side::as_json(read.item_known, read.item);
        self.output
            .write(time_ms, |out| line::write(&event, &user, &item, out))?;
        self.summary.events += 1;
        self.summary.positives += u64::from(read.label);
        self.summary.unknown_users += u64::from(self.users.is_given() && read.user_known.is_none());
        self.summary.unknown_items += u64::from(self.items.is_given() && read.item_known.is_none());
        Ok(())
    }

    fn reject(&mut self, reason: &'static str, detail: &str, row: &Row) -> Result<(), Failure> {
        self.rejects.push(reason, detail, row.line(), row.raw())?;
        self.rejects.judge(self.summary.plays)
    }

    fn advance(&mut self, rows: u64) {
        const STEP: u64 = 1024;
        if rows.is_multiple_of(STEP) {
            self.stage.advance(STEP);
        }
    }

    fn finish(self, plays: &Path) -> Result<EventGenSummary, Failure> {
        let mut summary = self.summary;
        let reasons = self.rejects.describe();
        let rejected = self.rejects.finish()?;
        if summary.plays == 0 {
            return Err(Failure::data(format!(
                "{}: holds no plays",
                plays.display()
            )));
        }
        let written = self.output.finish()?;
        if summary.events == 0 {
            return Err(Failure::data(format!(
                "{}: none of {} plays could be used ({reasons})",
                plays.display(),
                summary.plays
            )));
        }
        let mut stage = self.stage;
        stage.advance(summary.plays % 1024);
        stage.finish();
        summary.files = written.files;
        summary.older_files = written.older_files;
        summary.rejected = rejected
            .into_iter()
            .map(|(reason, count)| (reason.to_owned(), count))
            .collect();
        Ok(summary)
    }
}
