//! The commit log: what is live, and how a record is appended.

use bytes::Bytes;

use crate::registry::layout::{LanguageKeys, sequence_of};
use crate::registry::objects::{self, Created};
use crate::registry::record::{self, Commit};
use crate::registry::{Registry, RegistryError};
use crate::version::utc_text;

/// Races lost in a row before a writer gives up.
const MOST_RACES: u32 = 1000;

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
    /// `decide` sees every record that it did not lose to itself, in order, so a writer that must
    /// not repeat what another has just done finds out.
    pub(crate) async fn append(
        &self,
        keys: &LanguageKeys,
        mut newest: Option<Commit>,
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
                Created::Theirs(there) => newest = Some(record::decode(&key, &there)?),
            }
            // The loser knows the next number and may try at once; a pause now and then lets a
            // crowd drift apart.
            if attempt % 8 == 7 {
                objects::pause(attempt / 8).await;
            }
        }
        Err(RegistryError::Contended {
            attempts: MOST_RACES,
            key: keys.commits().to_string(),
        })
    }

    /// A failure is no failure of the commit: readers find it in the log.
    async fn write_hint(&self, keys: &LanguageKeys, bytes: Bytes) {
        let _ = objects::overwrite(&self.store, &keys.latest(), bytes).await;
    }
}
