//! The long-form documents, whose code blocks are compiled and run as tests.

/// The map of the code.
#[doc = include_str!("../../docs/architecture.md")]
pub mod architecture {}

/// Figures and the commands that give them.
#[doc = include_str!("../../docs/benchmarks.md")]
pub mod benchmarks {}

/// From plays to a prediction.
#[doc = include_str!("../../docs/guide.md")]
pub mod guide {}

/// The model file, byte by byte.
#[doc = include_str!("../../docs/model-format.md")]
pub mod model_format {}

/// Every formula, and what was tried.
#[doc = include_str!("../../docs/numerics.md")]
pub mod numerics {}

/// For whoever is on call.
#[doc = include_str!("../../docs/operations.md")]
pub mod operations {}

/// Every key of a spec.
#[doc = include_str!("../../docs/spec-reference.md")]
pub mod spec_reference {}
