//! The learner on libsvm and svmlight files.

pub mod parse;
