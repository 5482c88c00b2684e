//! Declared, checked and versioned mapping from features to positions of sparse vectors.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout, clippy::print_stderr)]
