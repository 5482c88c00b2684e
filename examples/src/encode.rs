//! Blocks of event lines to blocks of rows: the part of the work that many threads share.

mod reject;
mod stored;
mod stream;

use std::ops::Range;
use std::sync::Arc;

use feature_spec::{Encoder, Event, EventError, FeatureSpec, Row};

use crate::blocks::Block;

pub use self::reject::{Reason, Reject};
pub use self::stored::StoredError;
pub use self::stream::{Input, Step, map_files, map_stream};

/// Longest line, in bytes, that can be a sample: it travels in model files.
const MAX_SAMPLE_BYTES: usize = 16 << 10;

/// Events of one block as transformed, not yet scaled rows, in the order of the lines.
#[derive(Debug, Default)]
pub struct EncodedBlock {
    events: Vec<Meta>,
    positions: Vec<u32>,
    values: Vec<f32>,
    names: String,
    rejects: Vec<(usize, Reject)>,
    sample: Option<(usize, Box<str>)>,
}

/// One event of a block.
#[derive(Debug)]
pub struct EncodedEvent<'a> {
    /// Id of the event.
    pub event_id: &'a str,
    /// Id of the user; empty when the event does not say.
    pub user_id: &'a str,
    /// Id of the item; empty when the event does not say.
    pub item_id: &'a str,
    /// Event time, in milliseconds since the Unix epoch.
    pub time_ms: i64,
    /// What happened.
    pub label: bool,
    /// How many plain events this one stands for.
    pub importance: f32,
    /// Present positions, strictly increasing.
    pub positions: &'a [u32],
    /// Transformed values at these positions; scaled in place by the fold.
    pub values: &'a mut [f32],
    /// The line, when the event is the block's sample.
    pub sample: Option<&'a str>,
}

/// What a block yields, in order.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a line is one or the other")]
pub enum Encoded<'a> {
    /// An event to learn from.
    Event(EncodedEvent<'a>),
    /// A line that is set aside.
    Reject(&'a Reject),
}

#[derive(Debug)]
struct Meta {
    time_ms: i64,
    label: bool,
    importance: f32,
    event_id: Range<usize>,
    user_id: Range<usize>,
    item_id: Range<usize>,
    row: Range<usize>,
}

impl EncodedBlock {
    /// The index of an event of this block and its JSON line: the first one whose line is not
    /// too long to travel in a model file. Blocks are cut by the bytes of a file, so it does not
    /// depend on threads.
    #[must_use]
    pub fn sample(&self) -> Option<(usize, &str)> {
        let (index, line) = self.sample.as_ref()?;
        Some((*index, line))
    }

    /// Hands every event and reject to `each`, in the order of the lines, until one fails.
    ///
    /// # Errors
    ///
    /// The first error of `each`.
    pub fn for_each<E>(
        &mut self,
        mut each: impl FnMut(Encoded<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rejects = self.rejects.iter().peekable();
        for (index, meta) in self.events.iter().enumerate() {
            while let Some((_, reject)) = rejects.next_if(|(before, _)| *before <= index) {
                each(Encoded::Reject(reject))?;
            }
            each(Encoded::Event(EncodedEvent {
                event_id: &self.names[meta.event_id.clone()],
                user_id: &self.names[meta.user_id.clone()],
                item_id: &self.names[meta.item_id.clone()],
                time_ms: meta.time_ms,
                label: meta.label,
                importance: meta.importance,
                positions: &self.positions[meta.row.clone()],
                values: &mut self.values[meta.row.clone()],
                sample: (self.sample.as_ref())
                    .filter(|(sample, _)| *sample == index)
                    .map(|(_, line)| &**line),
            }))?;
        }
        rejects.try_for_each(|(_, reject)| each(Encoded::Reject(reject)))
    }

    fn push(&mut self, event: &Event<'_>, label: bool, row: &Row) {
        let start = self.positions.len();
        self.positions.extend_from_slice(row.positions());
        self.values.extend_from_slice(row.values());
        let meta = Meta {
            time_ms: event.time.milliseconds(),
            label,
            importance: event.importance,
            event_id: self.name(&event.event_id),
            user_id: self.name(&event.user.id),
            item_id: self.name(&event.item.id),
            row: start..self.positions.len(),
        };
        self.events.push(meta);
    }

    fn name(&mut self, name: &str) -> Range<usize> {
        let start = self.names.len();
        self.names.push_str(name);
        start..self.names.len()
    }
}

/// Encodes blocks of lines; one for each thread.
#[derive(Debug)]
pub struct BlockEncoder {
    spec: FeatureSpec,
    language: Arc<str>,
    encoder: Encoder,
    row: Row,
}

impl BlockEncoder {
    /// Prepares to encode events of one language under a spec.
    #[must_use]
    pub fn new(spec: &FeatureSpec, language: &str) -> Self {
        Self {
            spec: spec.clone(),
            language: Arc::from(language),
            encoder: Encoder::new(spec),
            row: Row::default(),
        }
    }

    /// Encodes the events of a block and sets aside the lines that are none; blank lines are
    /// skipped.
    pub fn encode(&mut self, block: &Block) -> EncodedBlock {
        let mut encoded = EncodedBlock::default();
        for (number, line, cut) in block.lines() {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if let Err((reason, detail)) = self.line(line, cut, &mut encoded) {
                let reject = Reject {
                    source: Arc::clone(&block.place),
                    line: number,
                    reason,
                    detail,
                    text: String::from_utf8_lossy(line).into_owned(),
                };
                encoded.rejects.push((encoded.events.len(), reject));
            }
        }
        encoded
    }

    fn line(
        &mut self,
        line: &[u8],
        cut: bool,
        encoded: &mut EncodedBlock,
    ) -> Result<(), (Reason, String)> {
        if cut {
            return Err((
                Reason::TooLong,
                "line is longer than any event may be".to_owned(),
            ));
        }
        let event = Event::from_json(line).map_err(|error| match error {
            EventError::Syntax { .. } => (Reason::NotJson, error.to_string()),
            _ => (Reason::InvalidEvent, error.to_string()),
        })?;
        if !event.language.is_empty() && *event.language != *self.language {
            let message = format!(
                "language {:?} in a stream of {:?}",
                event.language, self.language
            );
            return Err((Reason::OtherLanguage, message));
        }
        let Some(label) = event.label else {
            return Err((
                Reason::NoLabel,
                format!("event {:?} has no label", event.event_id),
            ));
        };
        let not_encodable = |message: String| (Reason::NotEncodable, message);
        self.encoder
            .encode(&event, &mut self.row)
            .map_err(|error| not_encodable(error.to_string()))?;
        let (positions, values) = self.row.parts_mut();
        self.spec
            .policies()
            .transform_in_place(positions, values)
            .map_err(|error| not_encodable(format!("event {:?}: {error}", event.event_id)))?;
        if encoded.sample.is_none()
            && line.len() <= MAX_SAMPLE_BYTES
            && let Ok(line) = str::from_utf8(line)
        {
            encoded.sample = Some((encoded.events.len(), Box::from(line)));
        }
        encoded.push(&event, label, &self.row);
        Ok(())
    }
}
