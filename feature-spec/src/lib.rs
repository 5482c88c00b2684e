//! Declared, checked and versioned mapping from features to positions of sparse vectors.
//!
//! A click or like model is an array of numbers, and its config says what each of them means. This
//! crate is that config: a TOML spec, checked as a compiler checks a program, compiled to a position
//! map with a fingerprint that statistics, checkpoints and models carry. It encodes events into
//! sparse rows and keeps the history that events are made of. It does not know what a weight is
//! (`lr-core`), how a value is scaled (`zscore-stats`), or where models are stored (`model-io`).
//!
//! ```
//! use feature_spec::{Encoder, Event, FeatureSpec, Row};
//!
//! let spec = FeatureSpec::from_toml(r##"
//!     format = 1
//!     name = "first"
//!     counters = ["plays"]
//!     [vocabulary.hashtag]
//!     values = ["#comedy", "#funny"]
//!     [metric.share]
//!     share = "plays"
//!     [user.hashtag]
//!     history = "user.hashtag"
//!     metrics = ["share"]
//!     vocabulary = "hashtag"
//! "##)?;
//! let event = Event::from_json(br##"{"event_id": "1", "time": "2022-05-04T10:00:00Z", "user":
//!     {"history": {"all": {"": {"plays": 30}}, "hashtag": {"#comedy": {"plays": 18}}}}}"##)?;
//! let mut row = Row::default();
//! Encoder::new(&spec).encode(&event, &mut row)?;
//! assert_eq!((row.positions(), row.values()), (&[0][..], &[0.6][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Overview
//!
//! - [`Event`]: one example before encoding, from JSON or built in code. [`history::History`] keeps
//!   the counters it carries, point in time.
//! - [`FeatureSpec`]: the compiled spec: names of positions and back, scale policies for
//!   `zscore-stats`, canonical text, fingerprints. [`SpecError`] lists all problems at once.
//! - [`Encoder`]: event in, [`Row`] out, without allocating once warm. Other sources implement
//!   [`Record`].
//! - [`SpecDiff`] and [`PositionMap`]: what changed between two specs, and where weights go.
//!
//! # Writing a spec
//!
//! A feature is a table `[user.NAME]`, `[item.NAME]` or `[event.NAME]` that says where its values or
//! numbers come from, which positions they take, and how they are scaled:
//!
//! | what | source | mapping |
//! |---|---|---|
//! | location, one-hot | `from = "user.location"` | `vocabulary = "location"` |
//! | author, hashed | `from = "item.author"` | `hash = { size = 5000 }` |
//! | age in buckets | `number = "user.age"`, `edges = [18, 25, 40]` | |
//! | counters of every hashtag | `history = "user.hashtag"`, `metrics = […]` | `vocabulary = "hashtag"` |
//! | counters of the video | `history = "item.all"`, `metrics = […]` | |
//! | the user's history of the video's hashtags | `history = "user.hashtag"`, `match = "item.hashtag"`, `combine = "sum"`, `metrics = […]` | |
//! | location × hashtag | `from = ["user.location", "item.hashtag"]` | `hash = { size = 5000 }` |
//! | hour of day | `from = "time.hour"` | |
//!
//! Positions follow one another unless `start` or `positions` says where. Every key, with type,
//! default, range and errors, is in the [spec reference].
//!
//! [spec reference]: https://github.com/ctr-predict/ctr-predict/blob/main/docs/spec-reference.md
//!
//! # Contract
//!
//! Raw values are computed in `f64` and stored as `f32`. Rows are sorted, unique, finite. The same
//! event gives the same row on every platform: `ln` is `libm`'s, hashes are XXH64, time zones are
//! compiled in. The crate reads no clock, draws no random number, and does no IO but
//! [`FeatureSpec::from_path`].
//!
//! # Errors and panics
//!
//! No function panics on outside input. What a file can make the crate allocate is bounded by
//! [`LoadOptions`]; an event by its own size and by 2²⁰ values a row.
//!
//! # Crate features
//!
//! None.

// docs.rs builds on nightly and marks what a feature adds.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod calendar;
mod diff;
mod encoder;
mod event;
mod hash;
pub mod history;
mod owner;
mod problem;
mod row;
mod schema;
mod spec;
mod vocabulary;

pub use diff::{FeatureChange, MigrateError, PositionMap, SpecDiff};
pub use encoder::{EncodeError, Encoder, FeatureCounts, Record};
pub use event::{
    Attributes, Context, Counters, Entity, Event, EventError, HistorySnapshot, Numbers, Time,
    Values,
};
pub use owner::Owner;
pub use problem::{Problem, SpecError};
pub use row::Row;
pub use spec::{
    FeatureSpec, Fingerprint, FingerprintError, Layout, Listed, LoadOptions, NoFiles,
    PopulationKind, Sources, Vector,
};
pub use sprs;
pub use vocabulary::vocabulary_line;
pub use zscore_stats;

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
