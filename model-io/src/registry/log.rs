//! The commit log: what is live, and how a record is appended.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::registry::layout::{LanguageKeys, sequence_of};
use crate::registry::objects::{self, Created};
use crate::registry::record::{self, Commit};
use crate::registry::{Registry, RegistryError};
use crate::version::utc_text;

/// Races lost in a row before a writer gives up.
const MOST_RACES: u32 = 1000;

const READS_AT_ONCE: usize = 16;

/// What a writer wants to append, given the newest record.
pub(crate) enum Step {
    /// This record, whose number, identifier and time the log fills in.
    Append(Box<Commit>),
    /// Nothing; the newest record already says it.
    Done(Box<Commit>),
}

impl Registry {
    /// The newest record, or `None` when nothing was ever committed.
    pub(crate) async fn head(&self, keys: &LanguageKeys) -> Result<Option<Commit>, RegistryError> {
        let hint = self.hint(keys).await;
        let after = hint.as_ref().map(|commit| keys.commit(commit.n));
        let newer = objects::list(&self.store, &keys.commits(), after.as_ref()).await?;
        match newer
            .iter()
            .filter_map(|object| sequence_of(&object.location, "json"))
            .max()
        {
            Some(n) => self.commit(keys, n).await.map(Some),
            None => Ok(hint),
        }
    }

    /// What `LATEST` says, if it is a record that the log has: it is a hint and may be anything.
    async fn hint(&self, keys: &LanguageKeys) -> Option<Commit> {
        let bytes = objects::read(&self.store, &keys.latest()).await.ok()??;
        let hint: Commit = record::decode(&keys.latest(), &bytes).ok()?;
        let stored = self.commit(keys, hint.n).await.ok()?;
        (stored == hint).then_some(stored)
    }

    /// Record `n`.
    pub(crate) async fn commit(
        &self,
        keys: &LanguageKeys,
        n: u64,
    ) -> Result<Commit, RegistryError> {
        let key = keys.commit(n);
        let bytes =
            objects::read(&self.store, &key)
                .await?
                .ok_or_else(|| RegistryError::NotFound {
                    what: format!("commit {n}"),
                    key: key.to_string(),
                })?;
        let commit: Commit = record::decode(&key, &bytes)?;
        if commit.n == n {
            return Ok(commit);
        }
        let reason = format!("it says that it is commit {}", commit.n);
        Err(RegistryError::Damaged {
            key: key.to_string(),
            reason,
        })
    }

    /// Appends what `decide` makes of the newest record, again whenever another writer was first.
    ///
    /// `done` is asked about every record that other writers appended meanwhile, in order: a writer
    /// that must not repeat what another has just done gets that record back. The flag says whether
    /// a record was appended.
    pub(crate) async fn append(
        &self,
        keys: &LanguageKeys,
        mut newest: Option<Commit>,
        done: impl Fn(&Commit) -> bool,
        decide: impl Fn(Option<&Commit>) -> Result<Step, RegistryError>,
    ) -> Result<(Commit, bool), RegistryError> {
        for attempt in 0..MOST_RACES {
            let mut commit = match decide(newest.as_ref())? {
                Step::Append(commit) => *commit,
                Step::Done(commit) => return Ok((*commit, false)),
            };
            let now = utc_text(self.now());
            commit.n = newest.as_ref().map_or(1, |newest| newest.n + 1);
            commit.commit_id = objects::unique_id();
            // The texts have one form, so they sort as their times do.
            commit.committed_at = newest
                .as_ref()
                .map_or(now.clone(), |newest| now.max(newest.committed_at.clone()));
            let key = keys.commit(commit.n);
            let bytes = record::encode(&key, &commit)?;
            let ours = |there: &[u8]| there == bytes;
            match objects::create(&self.store, &key, bytes.clone(), ours).await? {
                Created::Ours | Created::Same => {
                    self.write_hint(keys, bytes).await;
                    return Ok((commit, true));
                }
                Created::Theirs(_) => {}
            }
            for other in self.commits_from(keys, commit.n).await? {
                if done(&other) {
                    return Ok((other, false));
                }
                newest = Some(other);
            }
            if attempt >= 4 {
                objects::pause(0).await;
            }
        }
        Err(RegistryError::Contended {
            attempts: MOST_RACES,
            key: keys.commits().to_string(),
        })
    }

    /// Records `first` and all after it, in order, read several at a time: one that read them one
    /// by one would never catch up with a crowd of writers.
    pub(crate) async fn commits_from(
        &self,
        keys: &LanguageKeys,
        first: u64,
    ) -> Result<Vec<Commit>, RegistryError> {
        let before = first.checked_sub(1).map(|n| keys.commit(n));
        let listed = objects::list(&self.store, &keys.commits(), before.as_ref()).await?;
        let last = listed
            .iter()
            .filter_map(|object| sequence_of(&object.location, "json"))
            .max();
        stream::iter(first..=last.unwrap_or(first))
            .map(|n| self.commit(keys, n))
            .buffered(READS_AT_ONCE)
            .try_collect()
            .await
    }

    /// A failure is no failure of the commit: readers find it in the log.
    async fn write_hint(&self, keys: &LanguageKeys, bytes: Bytes) {
        let _ = objects::overwrite(&self.store, &keys.latest(), bytes).await;
    }
}
