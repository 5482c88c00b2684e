//! Exact, mergeable population statistics per position, and the z-score scales built on them.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout, clippy::print_stderr)]
