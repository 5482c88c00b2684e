//! Positive and negative importance by margin, in bins of equal width.

use crate::kernel::prefetch;

/// Half of the range of margins that bins divide; margins beyond it are in the outermost bins.
const RANGE: i32 = 32;
/// Bins per page; pages are allocated when first touched.
const PAGE: usize = 256;

/// Importance of one bin, in units of 2^-24.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bin {
    pub(super) positive: u64,
    pub(super) negative: u64,
}

/// A histogram of margins over [-32, 32) with 2^`resolution` bins per unit of log-odds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScoreHistogram {
    resolution: u32,
    pages: Vec<Option<Box<[Bin; PAGE]>>>,
}

impl ScoreHistogram {
    /// Creates an empty histogram; `resolution` is in 2 to 16.
    pub(super) fn new(resolution: u32) -> Self {
        debug_assert!((2..=16).contains(&resolution));
        let bins = (2 * RANGE as usize) << resolution;
        Self {
            resolution,
            pages: vec![None; bins / PAGE],
        }
    }

    /// Adds importance to the bin of an index below [`len`](Self::len).
    pub(super) fn push(&mut self, index: usize, label: bool, units: u64) {
        let bin = self.bin_mut(index);
        if label {
            bin.positive += units;
        } else {
            bin.negative += units;
        }
    }

    /// Asks the memory for the bin of an index, without waiting.
    pub(super) fn prefetch(&mut self, index: usize) {
        prefetch(self.bin_mut(index));
    }

    /// Adds importance to the bin of an index; `None` if there is no such bin.
    pub(super) fn add(&mut self, index: u64, added: Bin) -> Option<()> {
        let index = usize::try_from(index)
            .ok()
            .filter(|&index| index < self.len())?;
        let bin = self.bin_mut(index);
        bin.positive = bin.positive.checked_add(added.positive)?;
        bin.negative = bin.negative.checked_add(added.negative)?;
        Some(())
    }

    /// Adds the bins of a histogram of the same resolution.
    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.pages.iter_mut().zip(&other.pages) {
            match (mine, theirs) {
                (Some(mine), Some(theirs)) => {
                    for (bin, added) in mine.iter_mut().zip(theirs.iter()) {
                        bin.positive += added.positive;
                        bin.negative += added.negative;
                    }
                }
                (mine @ None, Some(theirs)) => *mine = Some(theirs.clone()),
                (_, None) => {}
            }
        }
    }

    /// Bins per unit of log-odds, as a power of two.
    pub(super) fn resolution(&self) -> u32 {
        self.resolution
    }

    /// Number of bins.
    pub(super) fn len(&self) -> usize {
        self.pages.len() * PAGE
    }

    /// The bins that are not empty, by increasing margin, with their indices.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (usize, Bin)> + '_ {
        self.pages
            .iter()
            .enumerate()
            .filter_map(|(page, bins)| bins.as_deref().map(|bins| (page, bins)))
            .flat_map(|(page, bins)| {
                bins.iter()
                    .enumerate()
                    .map(move |(slot, &bin)| (page * PAGE + slot, bin))
            })
            .filter(|(_, bin)| *bin != Bin::default())
    }

    /// Smallest margin of a bin, in log-odds.
    pub(super) fn lower_margin(&self, index: usize) -> f64 {
        index as f64 / self.bins_per_unit() - f64::from(RANGE)
    }

    /// Margin in the middle of a bin, in log-odds.
    pub(super) fn middle_margin(&self, index: usize) -> f64 {
        (index as f64 + 0.5) / self.bins_per_unit() - f64::from(RANGE)
    }

    /// Index of the bin that holds a margin; NaN counts as the lowest.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to [0, len) before the cast, which also truncates towards the lower edge"
    )]
    pub(super) fn index(&self, margin: f64) -> usize {
        let position = (margin + f64::from(RANGE)) * self.bins_per_unit();
        position.clamp(0.0, (self.len() - 1) as f64) as usize
    }

    fn bins_per_unit(&self) -> f64 {
        f64::from(1_u32 << self.resolution)
    }

    fn bin_mut(&mut self, index: usize) -> &mut Bin {
        let page = self.pages[index / PAGE].get_or_insert_with(|| Box::new([Bin::default(); PAGE]));
        &mut page[index % PAGE]
    }
}
