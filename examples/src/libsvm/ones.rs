//! Features of value 1, eight at a time.

use wide::{i8x64, i16x8, i32x8, u8x64};

/// Most features taken from a window.
const SLOTS: usize = 8;

/// Features `position:1`, each with a blank or the end of the line after it, that a stretch of text
/// starts with.
#[derive(Debug)]
pub(super) struct Ones {
    /// Their positions, and anything in the places from `count` on.
    pub(super) positions: [u32; SLOTS],
    /// How many there are.
    pub(super) count: usize,
    /// Bytes that they take, with what stands after the last.
    pub(super) bytes: usize,
}

impl Ones {
    /// Bytes of a window; 64 of them are looked at, and up to 10 more loaded with a last position.
    pub(super) const WINDOW: usize = 80;

    /// The first up to eight of a window in which the line ends at byte `end`.
    ///
    /// Positions have one to eight digits. What is not a feature of this form ends them.
    ///
    /// Every byte is a bit of a mask: the ends of features are found by logic on masks, with no branch
    /// for a feature. After Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019.
    #[inline(always)]
    pub(super) fn first(window: &[u8; Self::WINDOW], end: usize) -> Self {
        let ends = ends(window, end);
        let mut rest = ends;
        let mut start = 0;
        let words: [u64; SLOTS] = std::array::from_fn(|_| {
            let end = rest.trailing_zeros() as usize;
            rest &= rest.wrapping_sub(1);
            let bytes = window.get(start..).and_then(<[u8]>::first_chunk);
            let word = bytes.map_or(0, |&bytes| u64::from_le_bytes(bytes));
            // Its digits, which end before `:1`, as the last bytes of eight.
            let digits = end.wrapping_sub(start + 2);
            start = end + 1;
            word << (digits.wrapping_neg().wrapping_mul(8) % 64)
        });
        let taken = ends & !rest;
        Self {
            positions: numbers(words),
            count: taken.count_ones() as usize,
            bytes: (u64::BITS - taken.leading_zeros()) as usize,
        }
    }
}

/// A bit for the byte after each feature of value 1, up to the first thing that is not one.
#[inline(always)]
fn ends(window: &[u8; Ones::WINDOW], end: usize) -> u64 {
    let load = |from: usize| -> u8x64 {
        let bytes = window.get(from..).and_then(<[u8]>::first_chunk);
        bytes.map_or(u8x64::ZERO, |&bytes| u8x64::new(bytes))
    };
    let is = |bytes: u8x64, byte: u8| bytes.simd_eq(u8x64::splat(byte));
    let bytes = load(0);
    // Digits are moved to the end of the signed range.
    let moved: i8x64 = bytemuck::cast(bytes + u8x64::splat(127 - b'9'));
    let digits = moved.simd_gt(i8x64::splat(127 - 10)).to_bitmask();
    let colons = (is(bytes, b':') & is(load(1), b'1')).to_bitmask();
    let last = end.min(63);
    let blanks = is(bytes, b' ').to_bitmask() | u64::from(end < 64) << last;

    let expected = colons << 2;
    let runs_of_two = digits & digits << 1;
    let runs_of_four = runs_of_two & runs_of_two << 2;
    let nine_digits = runs_of_four & runs_of_four << 4 & digits << 8;
    let no_digit = expected & (blanks << 3 | 4);
    let wrong = !(digits | colons | blanks) | (blanks ^ expected) | nine_digits | no_digit;
    let wrong = wrong | u64::MAX << 1 << last;
    blanks & (wrong & wrong.wrapping_neg()).wrapping_sub(1)
}

/// The numbers that eight words spell, whose last bytes are digits and the others zero.
#[inline(always)]
fn numbers(words: [u64; SLOTS]) -> [u32; SLOTS] {
    let words: [i16x8; SLOTS / 2] = bytemuck::cast(words);
    let fours = words.map(|word| {
        // Of two digits the first is the low byte: ten times it is added to the second.
        let tens = (word & i16x8::splat(0x0f0f)) * i16x8::splat((10 << 8) + 1);
        let tens: i16x8 = tens >> 8;
        tens.dot(i16x8::new([100, 1, 100, 1, 100, 1, 100, 1]))
    });
    let fours: [i32x8; SLOTS / 4] = bytemuck::cast(fours);
    let high_and_low = i16x8::new([10_000, 1, 10_000, 1, 10_000, 1, 10_000, 1]);
    bytemuck::cast(fours.map(|fours| i16x8::from_i32x8_saturate(fours).dot(high_and_low)))
}
