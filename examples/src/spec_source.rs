//! Where a job's spec comes from: a file, or a version of the config in a registry.

use std::io::{self, Read};

use feature_spec::{FeatureSpec, LoadOptions, Sources};
use model_io::{ArtifactKind, Blocking, Location, Registry, Version};

use crate::cli::Failure;
use crate::population;
use crate::train::TrainConfig;

const SPEC_FILE: &str = "spec.toml";

/// Reads the spec of a job.
///
/// # Errors
///
/// The file, or the version in the registry of the job's output, is not there, is damaged, or is no
/// valid spec.
pub fn load(config: &TrainConfig) -> Result<FeatureSpec, Failure> {
    match &config.config_version {
        None => population::load_spec(&config.spec, config.vocabularies.as_deref()),
        Some(version) => published(&config.output, &config.language, version),
    }
}

/// The files of a version, by name.
struct Files(Vec<(String, bytes::Bytes)>);

impl Sources for Files {
    fn file(&self, path: &str) -> io::Result<Box<dyn Read + '_>> {
        let found = self.0.iter().find(|(name, _)| name == path);
        found
            .map(|(_, bytes)| Box::new(bytes.as_ref()) as Box<dyn Read>)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "not in this version"))
    }
}

fn published(output: &str, language: &str, version: &str) -> Result<FeatureSpec, Failure> {
    let place = format!("--config-version {version}");
    let usage = |source: &dyn std::error::Error| Failure::usage(format!("{place}: {source}"));
    let version = Version::new(version).map_err(|source| usage(&source))?;
    let location = Location::parse(output)
        .map_err(|source| Failure::usage(format!("--output {output}: {source}")))?;
    let failed = |source| Failure::at(&place, source);
    let runtime = Blocking::new().map_err(|source| Failure::at("runtime", source))?;
    let registry = Registry::open(location);
    let kind = ArtifactKind::Spec;
    let (_, files) = runtime
        .run(registry.artifact(kind, language, &version))
        .map_err(failed)?;
    let files = Files(files);
    let mut spec = files
        .file(SPEC_FILE)
        .map_err(|source| Failure::at(format!("{place}: {SPEC_FILE}"), source))?;
    FeatureSpec::from_reader(SPEC_FILE, &mut spec, &files, &LoadOptions::default())
        .map_err(|source| Failure::at(&place, source))
}
