//! The bank's step: margins of every member, then an update of every member.
//!
//! A position's numbers fill one cache line of sixteen `f32`, so a step touches a line to read it
//! and the same line to write it:
//!
//! ```text
//! 0 … 10   weights of the members, in units of the scaled value
//! 11       c / (c + count)         share of newcomers; 0 where there was no event
//! 12       n = Σ i g²           squared gradients of the stacked prediction
//! 13       h = Σ i p (1 − p) x² curvature of the stacked prediction
//! 14       Σ (1 − v²)           room: below 0 where the RMS of the values v is above 1
//! 15       count of events
//! ```
//!
//! What differs by position but not by member (a root, a division) is computed for sixteen features
//! at a time; what differs by member is computed for all members of a position at once.
//!
//! With AVX2 and AVX-512 the lines travel between memory and registers by hand (`registers`), because
//! sixteen small stores that are read back as one vector wait for each other. `plain` does the same
//! arithmetic, to the same bits.

mod plain;
#[cfg(target_arch = "x86_64")]
mod registers;

use super::{Checked, Instructions, Soon, Stack, TERMS, Work, dispatch, run};
#[cfg(target_arch = "x86_64")]
use super::{
    Kernel,
    registers::{Avx2, Avx512},
};
use crate::{row::Ordered, rules::Lesson};

/// Numbers kept a position.
pub(crate) const LINE: usize = 16;
/// Members a line has room for.
pub(crate) const MEMBERS: usize = 11;
/// Different curvature members.
pub(crate) const CURVATURES: usize = 3;
pub(crate) const SHARE: usize = 11;
pub(crate) const N: usize = 12;
pub(crate) const H: usize = 13;
pub(crate) const ROOM: usize = 14;
pub(crate) const COUNT: usize = 15;

/// What is kept for one position.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [f32; LINE]);

impl Line {
    /// Returns 1 / max(1, RMS of the values so far) − 1, so that `v + v · shrink` is the scaled value.
    #[inline(always)]
    pub(crate) fn shrink(&self) -> f32 {
        let (room, count) = (self.0[ROOM], self.0[COUNT]);
        if room < 0.0 {
            (count / (count - room)).sqrt() - 1.0
        } else {
            0.0
        }
    }
}

/// One number a feature of a block, or one a member of a bank; aligned, so that no vector straddles
/// two cache lines.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub(crate) struct Lanes(pub(crate) [f32; LINE]);

const ZERO: Lanes = Lanes([0.0; LINE]);

/// Features whose rates are computed at once.
const BLOCK: usize = 16;

/// How the rate of each lane of a line falls.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Kinds {
    /// All bits set in the lanes of the members whose rate does not fall.
    constant: [u32; LINE],
    /// All bits set in the lanes of the members whose rate falls with the root of n, then with the
    /// curvature under each of the prior variances.
    falling: [[u32; LINE]; 1 + CURVATURES],
    /// Which of those a lane belongs to; 0 in lanes of neither.
    index: [u32; LINE],
    /// One bit a lane: whether its rate falls.
    mask: u16,
}

impl Kinds {
    /// Nobody is a member yet.
    pub(crate) const NONE: Self = Self {
        constant: [0; LINE],
        falling: [[0; LINE]; 1 + CURVATURES],
        index: [0; LINE],
        mask: 0,
    };

    /// The member's rate stays as it is.
    pub(crate) fn set_constant(&mut self, member: usize) {
        self.constant[member] = u32::MAX;
    }

    /// The member's rate falls with the root of n.
    pub(crate) fn set_root(&mut self, member: usize) {
        self.set_falling(member, 0);
    }

    /// The member's rate falls with the curvature under prior variance number `variance`.
    pub(crate) fn set_curvature(&mut self, member: usize, variance: u32) {
        self.set_falling(member, 1 + variance);
    }

    /// Whether falling rates are those of the first eight members alone.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn are_early(&self) -> bool {
        self.mask >> 8 == 0
    }

    fn set_falling(&mut self, member: usize, kind: u32) {
        self.falling[kind as usize][member] = u32::MAX;
        self.index[member] = kind;
        self.mask |= 1 << member;
    }
}

/// Where the terms of the stacker come from: the margins of the members, in their lanes, then those
/// of the newcomers, then the constant.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Sources {
    /// Lane of the newcomers' margins that a term is taken from.
    lane: [u32; TERMS],
    /// One bit a term: whether it is that of a member.
    members: u16,
    /// One bit a term: whether it is that of a member's newcomers.
    newcomers: u16,
    /// Whether there are all members, and newcomers are those of the first four.
    #[cfg(target_arch = "x86_64")]
    are_early: bool,
}

impl Sources {
    /// The first `members` lanes, and the newcomers of the lanes given.
    pub(crate) fn new(members: usize, newcomers: &[u32]) -> Self {
        let mut sources = Self {
            lane: [0; TERMS],
            members: (1 << members) - 1,
            newcomers: 0,
            #[cfg(target_arch = "x86_64")]
            are_early: members == MEMBERS && newcomers == [0, 1, 2, 3],
        };
        for (term, &lane) in (MEMBERS..TERMS - 1).zip(newcomers) {
            sources.lane[term] = lane;
            sources.newcomers |= 1 << term;
        }
        sources
    }
}

/// The settings in the form that the kernels take.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) kernel: Checked,
    /// Learning rates of the members; 0 in other lanes.
    pub(crate) rates: Lanes,
    pub(crate) kinds: Kinds,
    pub(crate) sources: Sources,
    pub(crate) members: usize,
    /// c: events after which half of a position's weight no longer counts as a newcomer's.
    pub(crate) newness: f32,
    /// Prior variances of the curvature members; 0 where there are fewer.
    pub(crate) variances: [f32; CURVATURES],
    pub(crate) l1: f32,
    pub(crate) l2: f32,
}

#[cfg(target_arch = "x86_64")]
impl Plan {
    /// Whether the steps of an event are shortened or penalized, which only `plain` does.
    #[inline(always)]
    fn is_careful(&self, lesson: &Lesson) -> bool {
        lesson.importance > 1.0 || self.l1 > 0.0 || self.l2 > 0.0
    }
}

/// What a row looks like to the bank.
#[derive(Debug, Clone, Default)]
#[repr(C, align(64))]
pub(crate) struct Look {
    /// Terms of the stacker.
    pub(crate) terms: [f64; TERMS],
    /// Margins by member, in the first lanes; the others mean nothing.
    whole: Lanes,
    /// By how much the event pushes each member, its learning rate included, before the steps of an
    /// important one are shortened.
    pub(crate) pushes: Lanes,
    /// What the steps need, in blocks of sixteen features, where the kernel keeps it.
    #[cfg(target_arch = "x86_64")]
    ahead: Vec<registers::Ahead>,
}

/// Returns the margin of a row, and computes its terms. A row that does not fit counts as empty.
pub(crate) fn look(
    lines: &[Line],
    row: &Ordered<'_>,
    plan: &Plan,
    stack: &Stack,
    look: &mut Look,
) -> f64 {
    let work = Looking {
        lines,
        row,
        plan,
        stack,
        look,
    };
    run(plan.kernel, work)
}

struct Looking<'a, 'r> {
    lines: &'a [Line],
    row: &'a Ordered<'r>,
    plan: &'a Plan,
    stack: &'a Stack,
    look: &'a mut Look,
}

impl Work for Looking<'_, '_> {
    type Output = f64;

    #[inline(always)]
    fn run<I: Instructions>(self, _: I) -> f64 {
        let Self {
            lines,
            row,
            plan,
            stack,
            look,
        } = self;
        #[cfg(target_arch = "x86_64")]
        if row.fits(lines.len()) {
            #[allow(unsafe_code)]
            // SAFETY: `I` says what this is compiled for; the row fits.
            unsafe {
                match I::KERNEL {
                    Kernel::Avx512 => {
                        return registers::look::<Avx512>(lines, row, plan, stack, look);
                    }
                    Kernel::Avx2 => return registers::look::<Avx2>(lines, row, plan, stack, look),
                    Kernel::Plain => {}
                }
            }
        }
        plain::look(lines, row, plan, stack, look)
    }
}

/// Looks at a row, asks whether its margin is good, and learns it if so, the members, then the stacker.
/// Returns how often the event counted, `None` if its margin was not good. A row that does not fit counts
/// as empty.
#[expect(clippy::too_many_arguments, reason = "the parts of a bank")]
#[inline(always)]
pub(crate) fn learn<I: Instructions>(
    _: I,
    lines: &mut [Line],
    row: &Ordered<'_>,
    plan: &Plan,
    stack: &mut Stack,
    look: &mut Look,
    lesson: &Lesson,
    soon: &Soon<'_, Line>,
    is_good: impl FnOnce(f64) -> bool,
) -> Option<f32> {
    #[cfg(target_arch = "x86_64")]
    if row.fits(lines.len()) && !plan.is_careful(lesson) {
        #[allow(unsafe_code)]
        // SAFETY: `I` says what this is compiled for; the row fits.
        unsafe {
            match I::KERNEL {
                Kernel::Avx512 => {
                    return registers::learn::<Avx512>(
                        lines, row, plan, stack, look, lesson, soon, is_good,
                    );
                }
                Kernel::Avx2 => {
                    return registers::learn::<Avx2>(
                        lines, row, plan, stack, look, lesson, soon, is_good,
                    );
                }
                Kernel::Plain => {}
            }
        }
    }
    soon.prefetch();
    let margin = self::look(lines, row, plan, stack, look);
    is_good(margin).then(|| learn_seen(lines, row, plan, stack, look, lesson, margin))
}

/// Learns a row that has just been looked at, the members, then the stacker; returns how often the event
/// counted.
fn learn_seen(
    lines: &mut [Line],
    row: &Ordered<'_>,
    plan: &Plan,
    stack: &mut Stack,
    look: &mut Look,
    lesson: &Lesson,
    margin: f64,
) -> f32 {
    dispatch!(
        plan.kernel,
        plain::learn,
        (
            lines: &mut [Line],
            row: &Ordered<'_>,
            plan: &Plan,
            stack: &mut Stack,
            look: &mut Look,
            lesson: &Lesson,
            margin: f64,
        ) -> f32
    )
}
