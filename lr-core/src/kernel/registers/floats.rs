//! Eight or sixteen `f32`.

use std::arch::x86_64::{__m128, _mm_cvtss_f32};

use super::super::{Number, number::ROUND};

/// Numbers in registers, [`Self::LANES`] of them.
pub(crate) trait Floats: Number {
    /// 8 or 16.
    const LANES: usize;

    /// The quads in order; those beyond the register are left out.
    fn of_quads(quads: [__m128; 4]) -> Self;

    /// The quads in order; those beyond the register mean nothing.
    fn quads(self) -> [__m128; 4];

    /// The first number of a quad.
    #[inline(always)]
    fn first_of(self, quad: usize) -> f32 {
        #[allow(unsafe_code)]
        // SAFETY: one of the first instructions of this kind of CPU.
        unsafe {
            _mm_cvtss_f32(self.quads()[quad])
        }
    }

    /// Loads as many numbers as there are lanes.
    ///
    /// # Safety
    ///
    /// There are that many.
    #[allow(unsafe_code)]
    unsafe fn load(place: *const f32) -> Self;

    /// Loads `count` numbers into the first lanes, at most as many as there are; the others are `rest`.
    ///
    /// # Safety
    ///
    /// There are that many.
    #[allow(unsafe_code)]
    unsafe fn load_first(place: *const f32, count: usize, rest: f32) -> Self;

    /// Stores all numbers.
    ///
    /// # Safety
    ///
    /// There is room for them.
    #[allow(unsafe_code)]
    unsafe fn store(self, place: *mut f32);

    /// Takes the bits as whole numbers and stores 2^`SHIFT` times each.
    ///
    /// # Safety
    ///
    /// There is room for as many as there are lanes.
    #[allow(unsafe_code)]
    unsafe fn store_shifted<const SHIFT: u32>(self, place: *mut u64);

    /// Of every quad, the first half of the one and of the other, in turns.
    fn zip_low(self, other: Self) -> Self;

    /// Of every quad, the second half of the one and of the other, in turns.
    fn zip_high(self, other: Self) -> Self;

    /// Of every quad, the first half of the one, then of the other.
    fn join_low(self, other: Self) -> Self;

    /// Of every quad, the second half of the one, then of the other.
    fn join_high(self, other: Self) -> Self;

    /// Of every quad, the first and the third number of the one, then of the other.
    fn evens(self, other: Self) -> Self;

    /// Of every quad, the second and the fourth number of the one, then of the other.
    fn odds(self, other: Self) -> Self;

    /// The last `count` lanes in the first ones, at least one; what the others hold means nothing.
    fn last_first(self, count: usize) -> Self;

    /// The first `count` lanes of another, the others of this one.
    fn with_first(self, count: usize, other: Self) -> Self;

    /// The sum of all lanes, in pairs: the first half to the second, and so on.
    fn total(self) -> f32;

    /// Some of the lanes.
    type Mask: Copy;

    /// The lanes whose bit is set.
    fn mask(bits: u16) -> Self::Mask;

    /// The lanes of either.
    fn either(some: Self::Mask, others: Self::Mask) -> Self::Mask;

    /// Whether there is any lane.
    fn any(mask: Self::Mask) -> bool;

    /// The lanes in which a comparison holds, one of those that instructions have.
    fn compare<const HOW: i32>(self, other: Self) -> Self::Mask;

    /// `yes` in some lanes, `no` in the others.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// The smaller of the two; the other where either is not a number.
    fn least(self, other: Self) -> Self;
}

/// What is done with sixteen numbers only.
pub(crate) trait Sixteen: Floats {
    /// Which lanes to take numbers from.
    type Lanes: Copy;

    /// Those of a list.
    fn lanes(list: &[u32; 16]) -> Self::Lanes;

    /// Each lane takes the number of the lane that is listed for it.
    fn permuted(self, lanes: Self::Lanes) -> Self;

    /// Each lane of a mask takes the number of quad `quad` whose number from 0 to 3 is listed for it,
    /// each other lane that of `no`. The registers also lie in memory at `place`. With `EARLY` only the
    /// first eight lanes are in the mask.
    ///
    /// # Safety
    ///
    /// There are sixteen numbers at `place`, aligned to 16.
    #[allow(unsafe_code)]
    unsafe fn chosen<const EARLY: bool>(
        self,
        place: *const f32,
        quad: usize,
        lanes: Self::Lanes,
        mask: Self::Mask,
        no: Self,
    ) -> Self;

    /// The number before the last quad becomes another.
    fn with_before_last(self, number: f32) -> Self;

    /// The last quad becomes quad `quad` of another.
    fn with_last(self, other: Self, quad: usize) -> Self;
}

/// Turns four registers, quad by quad: number `4 l + k` of register `m` becomes number `4 l + m` of
/// register `k`. Turning twice changes nothing.
#[inline(always)]
pub(crate) fn turn<F: Floats>([a, b, c, d]: [F; 4]) -> [F; 4] {
    let (ab_low, ab_high) = (a.zip_low(b), a.zip_high(b));
    let (cd_low, cd_high) = (c.zip_low(d), c.zip_high(d));
    [
        ab_low.join_low(cd_low),
        ab_low.join_high(cd_low),
        ab_high.join_low(cd_high),
        ab_high.join_high(cd_high),
    ]
}

/// What makes the bits of a number the bits of its exponent, for [`Number::power_of_two`].
pub(super) const EXPONENT: i32 = 127_u32.wrapping_sub(ROUND.to_bits()).cast_signed();

/// Control of a shuffle: the first and third number of each.
pub(super) const EVENS: i32 = 0b10_00_10_00;
/// Control of a shuffle: the second and fourth number of each.
pub(super) const ODDS: i32 = 0b11_01_11_01;
