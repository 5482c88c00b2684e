//! Verified model files, checkpoints and an atomic model registry on any object store.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout, clippy::print_stderr)]
