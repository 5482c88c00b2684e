//! Versions of models and of what they need, on any object store.
//!
//! The one conditional write that every store and every local disk has is "create unless it
//! exists". All of the registry's guarantees rest on it: objects never change, a version becomes
//! live by the creation of the next record of a log, and after an error the key is read to learn
//! what happened.

pub(crate) mod artifact;
pub(crate) mod error;
pub(crate) mod layout;
pub(crate) mod log;
pub(crate) mod objects;
pub(crate) mod publish;
pub(crate) mod record;
pub(crate) mod resolve;
pub(crate) mod retain;
pub(crate) mod rollback;
pub(crate) mod verify;

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use object_store::ObjectStore;
use object_store::path::Path;

use crate::location::Location;
pub(crate) use error::RegistryError;
use layout::Layout;

/// A registry of models, specifications, statistics and code on an object store.
///
/// Opening does no IO; a registry needs no set-up but a writable place. Methods are to be awaited
/// within a tokio runtime (programs without one use [`Blocking`](crate::Blocking)).
///
/// # Examples
///
/// ```
/// use lr_core::LinearModel;
/// use model_io::{Blocking, Location, ModelInfo, PublishOptions, Registry, Snapshot, Version};
///
/// let registry = Registry::open(Location::parse("memory://")?);
/// let snapshot = Snapshot {
///     model: LinearModel::new(vec![0.5, -1.0], 0.25)?,
///     dense_bias: 0.25,
///     statistics: Default::default(),
///     spec: String::new(),
///     info: ModelInfo::new(Version::of_model(None, 1_651_658_400_000, 3)?, "HI"),
/// };
/// let blocking = Blocking::new()?;
/// let published = blocking.run(registry.publish(&snapshot, &PublishOptions::default()))?;
/// assert_eq!(published.commit.n, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Registry {
    store: Arc<dyn ObjectStore>,
    layout: Layout,
    pub(crate) clock: fn() -> i64,
}

impl Registry {
    /// Opens the registry at `location` with the default [`Layout`].
    #[must_use]
    pub fn open(location: Location) -> Self {
        let (store, root) = location.into_parts();
        Self::with_layout(store, Layout::new(root))
    }

    /// Opens a registry on a store of the caller's.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, root: Path) -> Self {
        Self::with_layout(store, Layout::new(root))
    }

    /// Opens a registry whose parts are elsewhere than by default.
    #[must_use]
    pub fn with_layout(store: Arc<dyn ObjectStore>, layout: Layout) -> Self {
        Self {
            store,
            layout,
            clock: system_clock,
        }
    }

    /// Replaces the clock, in milliseconds since the Unix epoch: it dates commits and tells age.
    #[must_use]
    pub fn clock(mut self, clock: fn() -> i64) -> Self {
        self.clock = clock;
        self
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn now(&self) -> i64 {
        (self.clock)()
    }
}

impl fmt::Debug for Registry {
    /// Shows the layout and never the store, whose own output may hold its configuration.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Registry")
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}

fn system_clock() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
