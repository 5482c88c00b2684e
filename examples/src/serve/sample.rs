//! Users and videos to choose from on the page, out of a stretch of events.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use feature_spec::{Context, Entity, Event};
use serde::Serialize;

use crate::blocks::Blocks;
use crate::cli::Failure;
use crate::{event_files, text};

/// Events that are looked at.
const MAX_EVENTS: usize = 5_000;

/// Files of a folder that are looked at, the newest ones.
const MAX_FILES: usize = 8;

/// Users, and videos, that the page offers.
const OFFERED: usize = 40;

/// Users and videos with what was last known of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Sample {
    users: Vec<Entity<'static>>,
    items: Vec<Entity<'static>>,
    /// That of the newest event.
    context: Context<'static>,
    /// Time of the newest event.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
}

impl Sample {
    /// Looks at a file of events, or at the newest files of a folder of them: the users and the
    /// videos with most events, at most 40 of each.
    ///
    /// A user's history holds what any of the events said of it, the newest count of each, so that
    /// it goes with any video.
    ///
    /// # Errors
    ///
    /// There is no event, or a file cannot be read; lines that are no events are passed over.
    pub fn read(place: &Path, language: &str) -> Result<Self, Failure> {
        let mut found = Found::default();
        for file in files(place, language)? {
            let mut blocks = Blocks::new(file.display(), text::open(&file)?);
            while let Some(block) = blocks.read()?
                && found.events < MAX_EVENTS
            {
                for (_, line, _) in block.lines() {
                    if let Ok(event) = Event::from_json(line) {
                        found.push(event.into_owned());
                    }
                }
            }
        }
        if found.events == 0 {
            return Err(Failure::file(place, "holds no event"));
        }
        Ok(Self {
            users: most_frequent(found.users),
            items: most_frequent(found.items),
            context: found.context,
            time: found.time,
        })
    }
}

fn files(place: &Path, language: &str) -> Result<Vec<PathBuf>, Failure> {
    if !place.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let mut files = event_files::list(place, language)?;
    Ok(files.split_off(files.len().saturating_sub(MAX_FILES)))
}

#[derive(Debug, Default)]
struct Found {
    events: usize,
    users: HashMap<String, Counted>,
    items: HashMap<String, Counted>,
    context: Context<'static>,
    time: Option<String>,
}

#[derive(Debug, Default)]
struct Counted {
    events: usize,
    entity: Entity<'static>,
}

impl Found {
    fn push(&mut self, event: Event<'static>) {
        if event.user.id.is_empty() || event.item.id.is_empty() {
            return;
        }
        self.events += 1;
        self.time = Some(event.time.to_string());
        self.context = event.context;
        let user = self.users.entry(event.user.id.to_string()).or_default();
        user.events += 1;
        let mut known = std::mem::take(&mut user.entity.history);
        for group in event.user.history.groups() {
            for (key, counters) in event.user.history.entries(group) {
                let metrics: Vec<_> = counters
                    .iter()
                    .map(|(name, count)| (name.to_owned(), count))
                    .collect();
                known.insert(group.to_owned(), key.to_owned(), counters.last(), metrics);
            }
        }
        user.entity = event.user;
        user.entity.history = known;
        let item = self.items.entry(event.item.id.to_string()).or_default();
        item.events += 1;
        item.entity = event.item;
    }
}

fn most_frequent(found: HashMap<String, Counted>) -> Vec<Entity<'static>> {
    let mut found: Vec<Counted> = found.into_values().collect();
    found.sort_by(|a, b| {
        let ids = || a.entity.id.cmp(&b.entity.id);
        b.events.cmp(&a.events).then_with(ids)
    });
    found.truncate(OFFERED);
    found.into_iter().map(|counted| counted.entity).collect()
}
