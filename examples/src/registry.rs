//! What the `registry` program does, one method a command; each returns what to print.

mod inspect;

use std::fmt::Write as _;
use std::fs;
use std::future::Future;
use std::io;
use std::path::Path;

use bytes::Bytes;
use model_io::{
    ArtifactKind, Blocking, Commit, CommitKind, Location, PublishOptions, PublishOutcome, Registry,
    RegistryError, RetainPolicy, Selector, Snapshot, Version,
};

use crate::cli::Failure;

pub use inspect::Export;

/// A registry and a runtime to reach it with.
#[derive(Debug)]
pub struct Session {
    registry: Registry,
    runtime: Blocking,
}

impl Session {
    /// Opens the registry at a folder or URL.
    ///
    /// # Errors
    ///
    /// The text names no place, or one that this build cannot reach.
    pub fn open(location: &str) -> Result<Self, Failure> {
        let parsed = Location::parse(location)
            .map_err(|error| Failure::usage(format!("{location}: {error}")))?;
        let runtime = Blocking::new().map_err(|error| Failure::at("starting", error))?;
        Ok(Self {
            registry: Registry::open(parsed),
            runtime,
        })
    }

    /// Versions of one language, or of all.
    ///
    /// # Errors
    ///
    /// The store failed or holds damaged records; so for every method below.
    pub fn list(&self, language: Option<&str>) -> Result<String, Failure> {
        let languages = match language {
            Some(language) => vec![language.to_owned()],
            None => self.wait(self.registry.languages())?,
        };
        let mut text = String::new();
        for language in languages {
            for entry in self.wait(self.registry.list(&language))? {
                let commits: Vec<String> = entry.commits.iter().map(u64::to_string).collect();
                let (events, bytes) = entry.manifest.as_ref().map_or((0, 0), |manifest| {
                    (manifest.events_learned, manifest.file.size)
                });
                let marks = match (entry.manifest.is_some(), entry.live, entry.pinned) {
                    (false, ..) => " unfinished",
                    (true, true, true) => " live pinned",
                    (true, true, false) => " live",
                    (true, false, true) => " pinned",
                    (true, false, false) => "",
                };
                let _ = writeln!(
                    text,
                    "{language} {} events {events} bytes {bytes} commits [{}]{marks}",
                    entry.version,
                    commits.join(" ")
                );
            }
        }
        Ok(text)
    }

    /// The commit log.
    ///
    /// # Errors
    ///
    /// See [`Session::list`].
    pub fn log(&self, language: &str) -> Result<String, Failure> {
        let commits = self.wait(self.registry.commits(language))?;
        Ok(commits.iter().map(line).collect())
    }

    /// Publishes a model file under its own language and version.
    ///
    /// # Errors
    ///
    /// The file is not a valid model, or it may not become live; see [`Session::list`].
    pub fn publish(
        &self,
        path: &Path,
        allow_spec_change: bool,
        override_hold: bool,
    ) -> Result<String, Failure> {
        let bytes = fs::read(path).map_err(|error| Failure::file(path, error))?;
        let mut options = PublishOptions::default();
        options.allow_spec_change = allow_spec_change;
        options.override_hold = override_hold;
        let published = self.wait(self.registry.publish_bytes(bytes.into(), &options))?;
        let version = &published.version;
        Ok(match published.outcome {
            PublishOutcome::Committed => line(&published.commit),
            PublishOutcome::AlreadyCommitted => {
                format!(
                    "{version} was live before, by commit {}\n",
                    published.commit.n
                )
            }
            _ => format!(
                "{version} is stored and not live: commit {} holds {}\n",
                published.commit.n, published.commit.version
            ),
        })
    }

    /// Publishes the files of a folder.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or other content stands under the version; see [`Session::list`].
    pub fn publish_folder(
        &self,
        kind: ArtifactKind,
        language: &str,
        version: &str,
        folder: &Path,
    ) -> Result<String, Failure> {
        let version = parse_version(version)?;
        let failed = |error: io::Error| Failure::file(folder, error);
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_type().map_err(failed)?.is_file() {
                let name = entry.file_name().to_string_lossy().into_owned();
                files.push((name, Bytes::from(fs::read(entry.path()).map_err(failed)?)));
            }
        }
        files.sort_by(|a, b| a.0.cmp(&b.0));
        let published = self
            .registry
            .publish_artifact(kind, language, &version, &files);
        let manifest = self.wait(published)?;
        Ok(format!(
            "{} {version}: {} files\n",
            kind.name(),
            manifest.files.len()
        ))
    }

    /// Copies a version into a folder.
    ///
    /// # Errors
    ///
    /// There is no such version, it is damaged, or the folder cannot be written.
    pub fn fetch(
        &self,
        kind: Option<ArtifactKind>,
        language: &str,
        version: &str,
        folder: &Path,
    ) -> Result<String, Failure> {
        let written = match kind {
            Some(kind) => {
                let version = parse_version(version)?;
                self.wait(
                    self.registry
                        .fetch_artifact(kind, language, &version, folder),
                )?
            }
            None => {
                let version = self.resolve(language, version)?;
                self.wait(self.registry.fetch_model(language, &version, folder))?
            }
        };
        Ok(written
            .iter()
            .map(|path| format!("{}\n", path.display()))
            .collect())
    }

    /// Makes an old version live and holds it.
    ///
    /// # Errors
    ///
    /// The version is not there as it was published; see [`Session::list`].
    pub fn rollback(
        &self,
        language: &str,
        version: &str,
        reason: Option<&str>,
    ) -> Result<String, Failure> {
        let version = self.resolve(language, version)?;
        Ok(line(&self.wait(
            self.registry.rollback(language, &version, reason),
        )?))
    }

    /// Ends a hold.
    ///
    /// # Errors
    ///
    /// Nothing was ever live; see [`Session::list`].
    pub fn release(&self, language: &str, reason: Option<&str>) -> Result<String, Failure> {
        Ok(line(&self.wait(self.registry.release(language, reason))?))
    }

    /// Spares a version from retention, or not any more.
    ///
    /// # Errors
    ///
    /// There is no such version; see [`Session::list`].
    pub fn pin(&self, language: &str, version: &str, pin: bool) -> Result<String, Failure> {
        let version = self.resolve(language, version)?;
        if pin {
            self.wait(self.registry.pin(language, &version))?;
            return Ok(format!("{version} is pinned\n"));
        }
        self.wait(self.registry.unpin(language, &version))?;
        Ok(format!("{version} is not pinned\n"))
    }

    /// Deletes old versions.
    ///
    /// # Errors
    ///
    /// See [`Session::list`].
    pub fn retain(
        &self,
        language: &str,
        keep: usize,
        days: u64,
        dry_run: bool,
    ) -> Result<String, Failure> {
        let mut policy = RetainPolicy::default();
        policy.keep = keep;
        policy.recent_commits = 1;
        policy.min_age = days.saturating_mul(86_400);
        policy.dry_run = dry_run;
        let report = self.wait(self.registry.retain(language, &policy))?;
        let word = if dry_run { "would delete" } else { "deleted" };
        let mut text: String = report
            .deleted
            .iter()
            .map(|version| format!("{word} {version}\n"))
            .collect();
        let _ = writeln!(
            text,
            "{word} {}, kept {}",
            report.deleted.len(),
            report.kept.len()
        );
        Ok(text)
    }

    /// Reads everything again.
    ///
    /// # Errors
    ///
    /// Something is damaged: the message lists all of it; see [`Session::list`].
    pub fn verify(&self, language: &str) -> Result<String, Failure> {
        let report = self.wait(self.registry.verify(language))?;
        let counts = format!(
            "{} commits, {} models, {} artifacts, {} checkpoints, {} unfinished",
            report.commits,
            report.models,
            report.artifacts,
            report.checkpoints,
            report.unfinished.len()
        );
        if report.problems.is_empty() {
            return Ok(format!("{counts}: sound\n"));
        }
        let problems: Vec<String> = report
            .problems
            .iter()
            .map(|one| format!("  {one}"))
            .collect();
        let count = problems.len();
        Err(Failure::data(format!(
            "{counts}, {count} problems:\n{}",
            problems.join("\n")
        )))
    }

    /// Checks the store itself.
    ///
    /// # Errors
    ///
    /// The store is unfit or cannot be reached.
    pub fn probe(&self) -> Result<String, Failure> {
        self.wait(self.registry.probe())?;
        Ok("the store refuses to overwrite and keeps what it confirms\n".to_owned())
    }

    /// Versions of a language that are complete, sorted by name.
    pub(crate) fn versions(&self, language: &str) -> Result<Vec<Version>, Failure> {
        let listed = self.wait(self.registry.list(language))?;
        let complete = listed.into_iter().filter(|one| one.manifest.is_some());
        Ok(complete.map(|one| one.version).collect())
    }

    pub(crate) fn model(
        &self,
        language: &str,
        version: &str,
    ) -> Result<(model_io::Manifest, Snapshot), Failure> {
        let version = self.resolve(language, version)?;
        let (manifest, bytes) = self.wait(self.registry.model(language, &version))?;
        let snapshot =
            Snapshot::from_bytes(&bytes).map_err(|error| Failure::at(&version, error))?;
        Ok((manifest, snapshot))
    }

    /// A version, `latest`, or `at:` and a time.
    pub(crate) fn resolve(&self, language: &str, text: &str) -> Result<Version, Failure> {
        let selector = if text == "latest" {
            Selector::Latest
        } else if let Some(time) = text.strip_prefix("at:") {
            let time: jiff::Timestamp = time
                .parse()
                .map_err(|error| Failure::usage(format!("{text}: {error}")))?;
            Selector::At(time.as_millisecond())
        } else {
            return parse_version(text);
        };
        self.wait(self.registry.resolve(language, &selector))
    }

    fn wait<T>(
        &self,
        future: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, Failure> {
        self.runtime
            .run(future)
            .map_err(|error| Failure::at("registry", error))
    }
}

fn parse_version(text: &str) -> Result<Version, Failure> {
    Version::new(text).map_err(|error| Failure::usage(error.to_string()))
}

fn line(commit: &Commit) -> String {
    let kind = match commit.kind {
        CommitKind::Publish => "publish",
        CommitKind::Rollback => "rollback",
        _ => "release",
    };
    let hold = if commit.hold { " hold" } else { "" };
    let reason = commit
        .reason
        .as_ref()
        .map_or(String::new(), |reason| format!(" ({reason})"));
    let Commit {
        n,
        committed_at,
        version,
        epoch,
        ..
    } = commit;
    format!("{n} {committed_at} {kind} {version} epoch {epoch}{hold}{reason}\n")
}
