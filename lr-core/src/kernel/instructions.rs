//! Code compiled for several kinds of instructions, with a proof of which.

use super::{Checked, Kernel};

/// The instructions that a piece of code is compiled for. A value is the proof that it is; only [`run`]
/// makes one.
pub(crate) trait Instructions: Copy {
    const KERNEL: Kernel;
}

macro_rules! instructions {
    ($($name:ident),*) => {$(
        #[derive(Debug, Clone, Copy)]
        struct $name(());

        impl Instructions for $name {
            const KERNEL: Kernel = Kernel::$name;
        }
    )*};
}
instructions!(Plain);
#[cfg(target_arch = "x86_64")]
instructions!(Avx2, Avx512);

/// A piece of work that can be compiled for any instructions: `run` and what it calls must be
/// `#[inline(always)]`, as far as it is to profit.
pub(crate) trait Work {
    type Output;

    fn run<I: Instructions>(self, on: I) -> Self::Output;
}

/// Runs a piece of work compiled for the kernel's instructions.
#[inline(always)]
pub(crate) fn run<W: Work>(kernel: Checked, work: W) -> W::Output {
    // Apart, so that the others save no registers for it.
    #[inline(never)]
    fn plain<W: Work>(work: W) -> W::Output {
        work.run(Plain(()))
    }
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn avx2<W: Work>(work: W) -> W::Output {
            work.run(Avx2(()))
        }
        #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
        fn avx512<W: Work>(work: W) -> W::Output {
            work.run(Avx512(()))
        }
        #[allow(unsafe_code)]
        match kernel.get() {
            // SAFETY: a `Checked` kernel was found to be available on this CPU.
            Kernel::Avx512 => unsafe { avx512(work) },
            // SAFETY: as above.
            Kernel::Avx2 => unsafe { avx2(work) },
            Kernel::Plain => plain(work),
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = kernel;
        plain(work)
    }
}
