//! The inner loops, and the choice of the instructions they run on.
//!
//! Each loop is written once, in plain Rust over fixed arrays, and compiled three times: for the
//! baseline, for AVX2 and for AVX-512.
//! Rust neither reorders floating-point operations nor contracts a product and a sum into one
//! fused operation, so the three give the same bits; the loops fix the order of every sum.
//! Roots and divisions are the IEEE ones, never the approximate instructions.

pub(crate) mod bank;
mod check;
mod exp;
pub(crate) mod single;
mod stack;

use crate::row::Row;
pub(crate) use check::summary as row_summary;
pub(crate) use stack::{Stack, TERMS};

/// Which instructions the inner loops use. All give the same bits.
///
/// The best available is chosen when a learner is built; naming one is for tests and benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// What the compilation target guarantees.
    Plain,
    /// 256-bit vectors, x86-64 only.
    Avx2,
    /// 512-bit vectors, x86-64 only.
    Avx512,
}

impl Kernel {
    /// Returns the kernels that this CPU can run, slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        [Self::Plain, Self::Avx2, Self::Avx512]
            .into_iter()
            .filter(|k| k.is_available())
            .collect()
    }

    /// Returns the fastest kernel that this CPU can run.
    #[must_use]
    pub fn best() -> Self {
        [Self::Avx512, Self::Avx2]
            .into_iter()
            .find(|k| k.is_available())
            .unwrap_or(Self::Plain)
    }

    /// Returns whether this CPU can run the kernel.
    #[must_use]
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            match self {
                Self::Plain => true,
                Self::Avx2 => is_x86_feature_detected!("avx2"),
                Self::Avx512 => {
                    is_x86_feature_detected!("avx512f")
                        && is_x86_feature_detected!("avx512dq")
                        && is_x86_feature_detected!("avx512vl")
                        && is_x86_feature_detected!("avx512bw")
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::Plain
        }
    }
}

/// Calls a generic loop compiled for the kernel's instructions.
///
/// `dispatch!(kernel, name, (arguments: types) -> result)` expects an `#[inline(always)]`
/// function `name` in scope.
macro_rules! dispatch {
    ($kernel:expr, $body:path, ($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?) => {{
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2")]
            fn avx2($($argument: $type),*) $(-> $result)? {
                $body($($argument),*)
            }
            #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
            fn avx512($($argument: $type),*) $(-> $result)? {
                $body($($argument),*)
            }
            #[allow(unsafe_code)]
            match $kernel.get() {
                // SAFETY: a `Checked` kernel was found to be available on this CPU.
                $crate::kernel::Kernel::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                $crate::kernel::Kernel::Avx2 => unsafe { avx2($($argument),*) },
                $crate::kernel::Kernel::Plain => $body($($argument),*),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = $kernel;
            $body($($argument),*)
        }
    }};
}
pub(crate) use dispatch;

/// A kernel that this CPU can run: the proof that the unsafe calls rest on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checked(Kernel);

impl Checked {
    /// Takes a kernel if this CPU can run it, the plain one otherwise.
    pub(crate) fn new(kernel: Kernel) -> Self {
        Self(if kernel.is_available() {
            kernel
        } else {
            Kernel::Plain
        })
    }

    pub(crate) fn best() -> Self {
        Self(Kernel::best())
    }

    pub(crate) fn get(self) -> Kernel {
        self.0
    }
}

/// Asks for the cache line that holds `item`, without waiting for it.
#[inline(always)]
pub(crate) fn prefetch<T>(item: &T) {
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    // SAFETY: the address of a live reference; a prefetch reads nothing that can be observed.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(item).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = item;
}

/// Lanes of the fixed summation order of a margin.
const LANES: usize = 8;

/// Returns `Σ weight(i)·x[i]` over the row.
///
/// Entry `j` of the row is added to lane `j mod 8` in `f32`, and the lanes are added pairwise in
/// `f64`, so the order does not depend on the CPU, and each lane sums few enough entries that its
/// error stays near that of the weights' own rounding.
#[inline(always)]
pub(crate) fn dot(weight: impl Fn(usize) -> f32, row: Row<'_>) -> f64 {
    let mut sums = [0.0_f32; LANES];
    let (position_chunks, position_rest) = row.positions().as_chunks::<LANES>();
    let (value_chunks, value_rest) = row.values().as_chunks::<LANES>();
    for (positions, values) in position_chunks.iter().zip(value_chunks) {
        for lane in 0..LANES {
            sums[lane] += weight(positions[lane] as usize) * values[lane];
        }
    }
    for ((sum, &position), &value) in sums.iter_mut().zip(position_rest).zip(value_rest) {
        *sum += weight(position as usize) * value;
    }
    let [a, b, c, d, e, f, g, h] = sums.map(f64::from);
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
