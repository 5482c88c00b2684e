//! The compiled spec.

mod canonical;
mod describe;
mod fingerprint;
mod layout;
mod options;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use zscore_stats::{Cohorts, Membership, ScalePolicies};

use crate::problem::SpecError;
use crate::schema::{self, model::Declaration};

pub use describe::Listed;
pub(crate) use fingerprint::Meaning;
pub use fingerprint::{Fingerprint, FingerprintError};
pub(crate) use layout::Feature;
use options::Directory;
pub use options::{Layout, LoadOptions, NoFiles, PopulationKind, Sources, Vector};

/// A checked mapping from features to positions, ready to encode with.
///
/// Immutable, `Send + Sync`, and cheap to clone: all clones share one compiled spec.
///
/// # Examples
///
/// ```
/// use feature_spec::FeatureSpec;
///
/// let spec = FeatureSpec::from_toml(r##"
///     format = 1
///     name = "old system"
///     dimension = 4
///     counters = ["plays"]
///     [vocabulary.hashtag]
///     values = ["#comedy", "#funny"]
///     [metric.share]
///     share = "plays"
///     [user.hashtag]
///     history = "user.hashtag"
///     metrics = ["share"]
///     vocabulary = "hashtag"
///     start = 0
/// "##)?;
/// assert_eq!(spec.describe(1), "user/hashtag=#funny/share");
/// assert_eq!(spec.position_of("user/hashtag=#comedy/share"), Some(0));
/// # Ok::<(), feature_spec::SpecError>(())
/// ```
#[derive(Debug, Clone)]
pub struct FeatureSpec(Arc<Compiled>);

#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) declaration: Declaration,
    /// In order of their first column.
    pub(crate) features: Vec<Feature>,
    /// Column → feature, `u32::MAX` where there is none.
    pub(crate) owners: Vec<u32>,
    policies: ScalePolicies,
    cohorts: Cohorts,
    canonical: String,
    fingerprint: Fingerprint,
    scaling_fingerprint: Fingerprint,
}

impl FeatureSpec {
    /// Reads a spec file, and the files it includes, from its directory.
    ///
    /// # Errors
    ///
    /// - [`SpecError::Read`]: the file itself cannot be read.
    /// - [`SpecError::Invalid`]: the spec breaks rules; all of them are listed.
    pub fn from_path(path: impl AsRef<Path>, options: &LoadOptions) -> Result<Self, SpecError> {
        let path = path.as_ref();
        let name = path
            .file_name()
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let read = |source| SpecError::Read {
            path: path.display().to_string(),
            source,
        };
        let file = std::fs::File::open(path).map_err(read)?;
        let directory = Directory {
            root: path.parent().unwrap_or(Path::new("")).to_owned(),
            vocabularies: options.vocabularies.clone(),
        };
        let bytes = read_limited(file, options.max_file_bytes).map_err(read)?;
        let text = String::from_utf8(bytes).map_err(|e| {
            read(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                e.utf8_error(),
            ))
        })?;
        Self::compile(&name, &text, &directory, options)
    }

    /// Reads a spec that needs no other file.
    ///
    /// # Errors
    ///
    /// [`SpecError::Invalid`]: the spec breaks rules; all of them are listed.
    pub fn from_toml(text: &str) -> Result<Self, SpecError> {
        Self::compile("spec.toml", text, &NoFiles, &LoadOptions::default())
    }

    /// Reads a spec called `name` from `reader`, and the files it names from `sources`.
    ///
    /// # Errors
    ///
    /// - [`SpecError::Read`]: `reader` fails, holds more than
    ///   [`max_file_bytes`](LoadOptions::max_file_bytes) or is not UTF-8.
    /// - [`SpecError::Invalid`]: the spec breaks rules; all of them are listed.
    pub fn from_reader(
        name: &str,
        reader: &mut dyn Read,
        sources: &dyn Sources,
        options: &LoadOptions,
    ) -> Result<Self, SpecError> {
        let read = |source| SpecError::Read {
            path: name.to_owned(),
            source,
        };
        let bytes = read_limited(reader, options.max_file_bytes).map_err(read)?;
        let text = String::from_utf8(bytes).map_err(|e| {
            read(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                e.utf8_error(),
            ))
        })?;
        Self::compile(name, &text, sources, options)
    }

    /// Rebuilds a spec from its [`canonical`](Self::canonical) text, which a model file carries.
    ///
    /// # Errors
    ///
    /// [`SpecError::Invalid`]: the text is not a spec.
    pub fn from_canonical(text: &str) -> Result<Self, SpecError> {
        let options = LoadOptions::default()
            .max_file_bytes(1 << 30)
            .max_dimension(u32::MAX / 4);
        Self::compile("canonical spec", text, &NoFiles, &options)
    }

    /// Name of the spec.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.declaration.name
    }

    /// Version that its authors gave it; empty when they gave none.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.declaration.version
    }

    /// Language of the events it is meant for; empty for any.
    #[must_use]
    pub fn language(&self) -> &str {
        &self.0.declaration.language
    }

    /// Time zone of hours, weekdays and calendars: `UTC`, an offset or an IANA name.
    #[must_use]
    pub fn time_zone(&self) -> String {
        self.0.declaration.zone.name()
    }

    /// Positions of one vector.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.0.declaration.dimension as usize
    }

    /// Columns of a row, and weights of a model: the dimension, or three times it in the
    /// concatenated layout.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.0.owners.len()
    }

    /// How the three vectors share a row.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.0.declaration.layout
    }

    /// The rows that a vector's mean and deviation are taken over.
    #[must_use]
    pub fn population(&self, vector: Vector) -> PopulationKind {
        self.0.declaration.population[vector as usize]
    }

    /// The vector that a column belongs to; `None` for a column that no feature uses in the shared
    /// layout, or beyond the last.
    #[must_use]
    pub fn vector_of(&self, position: u32) -> Option<Vector> {
        let owner = *self.0.owners.get(position as usize)?;
        match self.0.features.get(owner as usize) {
            Some(feature) => Some(feature.declaration.vector),
            None if self.layout() == Layout::Concatenated => {
                Some(Vector::ALL[position as usize / self.dimension()])
            }
            None => None,
        }
    }

    /// Whether a vocabulary has a value; `false` for a vocabulary that is not there.
    #[must_use]
    pub fn has_value(&self, vocabulary: &str, value: &str) -> bool {
        let found = self.0.declaration.vocabularies.get(vocabulary);
        found.is_some_and(|v| v.values.index(value).is_some())
    }

    /// Share of a vocabulary's values that share their slot with another value when they are hashed
    /// into `size` slots with `seed`; 0 to 1, `None` for a vocabulary that is not there.
    ///
    /// # Complexity
    ///
    /// O(values + size).
    #[must_use]
    pub fn collision_rate(&self, vocabulary: &str, size: u32, seed: u64) -> Option<f64> {
        let values = &self.0.declaration.vocabularies.get(vocabulary)?.values;
        let slot = |value: &str| {
            let hash = crate::hash::xxh64(value.as_bytes(), 0);
            crate::hash::reduce(crate::hash::chain(seed, hash), size) as usize
        };
        let mut counts = vec![0_u32; size.max(1) as usize];
        for value in values.iter() {
            counts[slot(value)] += 1;
        }
        let shared: u32 = counts.iter().filter(|n| **n > 1).sum();
        Some(f64::from(shared) / f64::from(values.len()))
    }

    /// Counters that the events' histories must carry.
    #[must_use]
    pub fn counters(&self) -> &[String] {
        &self.0.declaration.counters
    }

    /// Names of the features, `user/hashtag`, in order of their first column.
    pub fn features(&self) -> impl ExactSizeIterator<Item = String> + '_ {
        self.0
            .features
            .iter()
            .map(|f| format!("{}/{}", f.declaration.vector, f.declaration.name))
    }

    /// How each column's raw value becomes the stored one.
    #[must_use]
    pub fn policies(&self) -> &ScalePolicies {
        &self.0.policies
    }

    /// Which columns are counted over the same population: 0 for the user's, 1 for the item's, 2
    /// for the event's and for columns without a feature.
    #[must_use]
    pub fn cohorts(&self) -> Cohorts {
        self.0.cohorts.clone()
    }

    /// The whole resolved spec as TOML, vocabularies and calendars included, in one fixed order.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.0.canonical
    }

    /// SHA-256 of what every column means.
    ///
    /// Independent of key order, comments, file layout, names and platform: it changes when and
    /// only when the meaning of a position, the dimension or the layout changes. Scaling is not in
    /// it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// SHA-256 of how every column is scaled, and over which population.
    #[must_use]
    pub fn scaling_fingerprint(&self) -> Fingerprint {
        self.0.scaling_fingerprint
    }

    pub(crate) fn compiled(&self) -> &Compiled {
        &self.0
    }

    fn compile(
        name: &str,
        text: &str,
        sources: &dyn Sources,
        options: &LoadOptions,
    ) -> Result<Self, SpecError> {
        let schema::Loaded {
            declaration,
            mut problems,
        } = schema::load(name, text, sources, options);
        let laid_out = declaration
            .as_ref()
            .and_then(|d| layout::lay_out(d, &mut problems));
        let (Some(declaration), Some((features, owners)), true) =
            (declaration, laid_out, problems.is_empty())
        else {
            return Err(problems.into_error());
        };
        let invalid = |error: &dyn std::fmt::Display| {
            let mut problems = crate::problem::Problems::default();
            problems.add_file(name, text);
            problems.add(crate::problem::Span::default(), "", error.to_string(), None);
            problems.into_error()
        };
        let policies = layout::policies(&features, owners.len()).map_err(|e| invalid(&e))?;
        let index = owners
            .iter()
            .map(|o| {
                features
                    .get(*o as usize)
                    .map_or(2, |f| f.declaration.vector as u16)
            })
            .collect();
        let cohorts = Cohorts::new(index, vec![Membership::Every; 3]).map_err(|e| invalid(&e))?;
        let fingerprint = fingerprint::meaning(&declaration, &features, &owners);
        let scaling_fingerprint = fingerprint::scaling(&declaration, &features, &owners);
        let canonical = canonical::write(&declaration, &features);
        Ok(Self(Arc::new(Compiled {
            declaration,
            features,
            owners,
            policies,
            cohorts,
            canonical,
            fingerprint,
            scaling_fingerprint,
        })))
    }
}

impl PartialEq for FeatureSpec {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.canonical == other.0.canonical
    }
}

impl Eq for FeatureSpec {}

fn read_limited(reader: impl Read, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let message = format!("the file has more than {limit} bytes");
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            message,
        ));
    }
    Ok(bytes)
}
