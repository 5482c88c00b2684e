//! Small groups of numbers from scattered places.

use std::arch::x86_64::{__m128, _mm_load_ps, _mm_setzero_ps};

use super::{Floats, turn};

/// Numbers of the largest register.
const MOST: usize = 16;

/// Places of as many items as a register has lanes, as positions or in bytes.
pub(crate) trait Places: Copy {
    /// Place `j`, or another one of the block where there is none.
    fn at(self, j: usize) -> usize;
}

impl<const COUNT: usize> Places for &[u32; COUNT] {
    #[inline(always)]
    fn at(self, j: usize) -> usize {
        self[j] as usize
    }
}

/// Positions with the first one in the place of those that are missing.
#[repr(C, align(64))]
pub(crate) struct Padded([u32; MOST]);

impl Padded {
    #[inline(always)]
    pub(crate) fn new<F: Floats>(positions: &[u32]) -> Self {
        let mut padded = Self([0; MOST]);
        let first = f32::from_bits(positions.first().copied().unwrap_or_default());
        #[allow(unsafe_code)]
        // SAFETY: no more are loaded than there are, and there is room for sixteen. The bits are moved
        // as they are.
        unsafe {
            F::load_first(positions.as_ptr().cast(), positions.len(), first)
                .store(padded.0.as_mut_ptr().cast());
        }
        padded
    }
}

impl Places for &Padded {
    #[inline(always)]
    fn at(self, j: usize) -> usize {
        let position: &u32 = &self.0[j];
        #[allow(unsafe_code)]
        // SAFETY: a live reference. Volatile because the compiler would otherwise take the positions
        // out of the register one by one, which costs more than loading them.
        unsafe {
            std::ptr::from_ref(position).read_volatile() as usize
        }
    }
}

/// Loads four numbers of each place, one register for the first ones, one for the second ones, and so
/// on.
///
/// # Safety
///
/// `place` gives, for every place of the block, the address of four numbers, aligned to 16.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) unsafe fn fours<F: Floats>(
    places: impl Places,
    place: impl Fn(usize) -> *const __m128,
) -> [F; 4] {
    // SAFETY: as required of the caller.
    unsafe {
        let mut lines = [[_mm_setzero_ps(); 4]; 4];
        for j in 0..F::LANES {
            lines[j % 4][j / 4] = _mm_load_ps(place(places.at(j)).cast());
        }
        // A function that is handed over to another one is not compiled for the registers.
        let [a, b, c, d] = lines;
        turn([
            F::of_quads(a),
            F::of_quads(b),
            F::of_quads(c),
            F::of_quads(d),
        ])
    }
}
