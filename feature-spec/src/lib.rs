//! Declared, checked and versioned mapping from features to positions of sparse vectors.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod event;
pub mod history;
mod owner;

pub use event::{
    Attributes, Context, Counters, Entity, Event, EventError, HistorySnapshot, Numbers, Time,
    Values,
};
pub use owner::Owner;
