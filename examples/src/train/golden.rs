//! Raw events that travel with a dump, so that whoever loads it can check the whole chain.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Events that a dump carries at most.
const CARRIED: usize = 3;

/// The newest samples of the stream, oldest first.
///
/// Which lines are samples depends on the bytes of the files alone, so these are the same for any
/// number of threads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Samples {
    lines: VecDeque<Box<str>>,
}

impl Samples {
    /// Adds the JSON line of an event that was learned, in place of the oldest of three.
    pub fn push(&mut self, line: &str) {
        if self.lines.len() == CARRIED {
            self.lines.pop_front();
        }
        self.lines.push_back(Box::from(line));
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| &**line)
    }
}

impl<L: AsRef<str>> FromIterator<L> for Samples {
    /// The last three of `lines`.
    fn from_iter<I: IntoIterator<Item = L>>(lines: I) -> Self {
        let mut samples = Self::default();
        for line in lines {
            samples.push(line.as_ref());
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_three_are_kept_in_order() {
        let samples: Samples = ["1", "2", "3", "4", "5"].into_iter().collect();
        assert_eq!(samples.lines().collect::<Vec<_>>(), ["3", "4", "5"]);
        assert_eq!(samples.lines().collect::<Samples>(), samples);
    }
}
