//! The inner loops, and the choice of the instructions they run on.
//!
//! Each loop is written in plain Rust over fixed arrays. Rust neither reorders floating-point
//! operations nor contracts a product and a sum into one fused operation, and the loops fix the order
//! of every sum, so whatever instructions they are compiled for, they give the same bits.
//! The loops that every event runs have a twin over vector registers (`registers`), written once for
//! AVX2 and AVX-512, that does the same operations in the same order and moves numbers between memory
//! and registers by hand: small stores that are read back as one vector wait for each other, which a
//! compiler does not see. The others are compiled for each kind of instructions.
//! Roots and divisions are the IEEE ones, never the approximate instructions.

use std::ops::Add;

pub(crate) mod bank;
mod check;
mod dot;
mod draw;
mod exp;
mod instructions;
mod number;
#[cfg(target_arch = "x86_64")]
mod registers;
pub(crate) mod single;
mod stack;
pub(crate) mod tile;

pub(crate) use check::{is_increasing, summary as row_summary};
pub(crate) use dot::dot;
pub(crate) use draw::random;
pub(crate) use exp::{complement_sigmoid, exp_negative, sigmoid_by};

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
    #[inline]
    pub fn best() -> Self {
        [Self::Avx512, Self::Avx2]
            .into_iter()
            .find(|k| k.is_available())
            .unwrap_or(Self::Plain)
    }

    /// Returns whether this CPU can run the kernel.
    #[must_use]
    #[inline]
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

/// Calls a loop compiled for the kernel's instructions.
///
/// `dispatch!(kernel, name, (arguments: types) -> result)` expects an `#[inline(always)]` function `name`
/// in scope; three names in its place are those of plain Rust, AVX2 and AVX-512.
macro_rules! dispatch {
    ($kernel:expr, $body:path, ($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?) => {
        $crate::kernel::dispatch!(
            $kernel, $body, $body, $body, ($($argument: $type),*) $(-> $result)?
        )
    };
    (
        $kernel:expr, $plain:path, $avx2:path, $avx512:path,
        ($($argument:ident: $type:ty),*) $(-> $result:ty)?
    ) => {{
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2")]
            fn avx2($($argument: $type),*) $(-> $result)? {
                $avx2($($argument),*)
            }
            #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
            fn avx512($($argument: $type),*) $(-> $result)? {
                $avx512($($argument),*)
            }
            #[allow(unsafe_code)]
            match $kernel.get() {
                // SAFETY: a `Checked` kernel was found to be available on this CPU.
                $crate::kernel::Kernel::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                $crate::kernel::Kernel::Avx2 => unsafe { avx2($($argument),*) },
                $crate::kernel::Kernel::Plain => $plain($($argument),*),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = $kernel;
            $plain($($argument),*)
        }
    }};
}
pub(crate) use dispatch;

/// Adds `shift` to each margin, and computes its [`sigmoid`](crate::sigmoid), to the same bits.
pub(crate) fn shift_and_squash(margins: &mut [f64], shift: f64, probabilities: &mut [f64]) {
    #[inline(always)]
    fn body(margins: &mut [f64], shift: f64, probabilities: &mut [f64]) {
        for margin in &mut *margins {
            *margin += shift;
        }
        let (blocks, rest) = margins.as_chunks();
        let (results, rest_results) = probabilities.as_chunks_mut();
        for (result, margins) in results.iter_mut().zip(blocks) {
            *result = exp::eight_sigmoids(margins);
        }
        for (result, &margin) in rest_results.iter_mut().zip(rest) {
            *result = crate::sigmoid(margin);
        }
    }
    let kernel = Checked::best();
    dispatch!(kernel, body, (margins: &mut [f64], shift: f64, probabilities: &mut [f64]));
}

pub(crate) use instructions::{Instructions, Work, run};
pub(crate) use number::Number;
pub(crate) use stack::{Stack, TERMS};

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

/// The mask of the first `count` of sixteen lanes; all of them where `count` is more.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn first(count: usize) -> u16 {
    if count >= 16 {
        u16::MAX
    } else {
        (1 << count) - 1
    }
}

/// Adds eight lanes pairwise: the first half to the second, and so on.
#[inline(always)]
fn add_eight<F: Add<Output = F>>([a, b, c, d, e, f, g, h]: [F; 8]) -> F {
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// Asks for the cache line that holds `item`, without waiting for it.
#[inline(always)]
pub(crate) fn prefetch<T>(item: &T) {
    prefetch_at(item);
}

/// Items that will be needed soon.
#[derive(Debug)]
pub(crate) struct Soon<'a, T> {
    items: *const T,
    positions: &'a [u32],
}

impl<'a, T> Soon<'a, T> {
    pub(crate) fn new(items: &[T], positions: &'a [u32]) -> Self {
        Self {
            items: items.as_ptr(),
            positions,
        }
    }

    /// Asks for their cache lines. Positions beyond the end cost time and nothing else.
    #[inline(always)]
    pub(crate) fn prefetch(&self) {
        let ask = |&position: &u32| prefetch_at(self.items.wrapping_add(position as usize));
        let (fours, rest) = self.positions.as_chunks::<4>();
        for four in fours {
            // Unrolled, as four are.
            four.iter().for_each(ask);
        }
        rest.iter().for_each(ask);
    }
}

#[inline(always)]
fn prefetch_at<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    // SAFETY: a prefetch may be of any address: it neither faults nor shows what it read.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
