//! The steps of the lines: what is known before the margin, and what hangs on it.

use std::{
    arch::x86_64::{_CMP_GT_OQ, _CMP_LT_OQ, _CMP_NLT_UQ},
    sync::atomic::{Ordering, compiler_fence},
};

use super::{
    super::{
        super::{
            exp::one_plus_exp,
            registers::{Floats, Places, Sixteen, fours, turn},
        },
        COUNT, CURVATURES, H, Lanes, Line, N, Plan,
        plain::{self, Update},
    },
    Ahead,
};
use crate::rules::Lesson;

/// Works out what the steps of up to sixteen features need that does not hang on the margin; the same
/// as in `plain`.
///
/// # Safety
///
/// The caller is compiled for the registers, and the offsets are those of lines.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn prepare<F: Floats>(
    lines: *const Line,
    values: &[f32],
    plan: &Plan,
    evidence: f32,
    ahead: &mut Ahead,
) {
    // SAFETY: as required of the caller; numbers 12 to 15 of a line are aligned to 16, `Lanes` have
    // sixteen numbers, and no more values are loaded than there are.
    unsafe {
        let [n, h, room, count] = fours::<F>(&ahead.offsets, |offset| {
            lines.byte_add(offset).cast::<f32>().add(N).cast()
        });
        let mut rates = falling(n, h, plan, evidence);
        let (one, newness) = (F::of(1.0), F::of(plan.newness));
        // No event adds as much as half of the limit of n and h.
        let most = F::of(plain::MOST / 2.0);
        let full = F::either(
            n.compare::<_CMP_NLT_UQ>(most),
            h.compare::<_CMP_NLT_UQ>(most),
        );
        let many = count.compare::<_CMP_NLT_UQ>(F::of(plain::MOST_COUNT));
        ahead.unit &= !F::any(F::either(full, many));
        let mut after = count + one;
        if !ahead.unit {
            let value = F::load_first(values.as_ptr(), values.len(), 1.0);
            let keep = F::select(many, F::of(0.5), one);
            let room = room * keep + (one - value * value);
            after = count * keep + one;
            let mut x = value;
            let none = F::of(0.0);
            let large = room.compare::<_CMP_LT_OQ>(none);
            if F::any(large) {
                let least = F::select(large, room, none);
                let shrink = (after / (after - least)).root() - one;
                x = value + value * shrink;
            }
            for rate in &mut rates {
                *rate = *rate * x;
            }
            for (lanes, sums) in ahead.sums.iter_mut().zip([n, h, room, after]) {
                sums.store(lanes.0.as_mut_ptr());
            }
            x.store(ahead.scaled.0.as_mut_ptr());
        }
        (newness / (newness + after)).store(ahead.shares.0.as_mut_ptr());
        for (lanes, rates) in ahead.rates.iter_mut().zip(turn(rates)) {
            rates.store(lanes.0.as_mut_ptr());
        }
    }
}

/// Returns the rates that fall, of as many features as there are lanes.
#[inline(always)]
fn falling<F: Floats>(n: F, h: F, plan: &Plan, evidence: f32) -> [F; 1 + CURVATURES] {
    let one = F::of(1.0);
    let (now_n, now_h) = (n * F::of(evidence), h * F::of(evidence));
    let [v0, v1, v2] = plan.variances;
    let (a, b) = (one + now_n.root(), one + F::of(v0) * now_h);
    let (c, d) = (one + F::of(v1) * now_h, one + F::of(v2) * now_h);
    let (ab, cd) = (a * b, c * d);
    let inverse = one / (ab * cd);
    let (inverse_ab, inverse_cd) = (inverse * cd, inverse * ab);
    [
        inverse_ab * b,
        inverse_ab * a,
        inverse_cd * d,
        inverse_cd * c,
    ]
}

/// What is added to the lines.
#[derive(Clone, Copy)]
pub(super) struct Pushes<F> {
    /// Less what each member is pushed by, as in `plain`; other lanes mean nothing.
    members: F,
    /// The same, and in the lanes of the sums what a feature of value 1 adds to them.
    unit: F,
}

impl<F: Floats> Pushes<F> {
    /// Those of an event that counts so many times; it is one for the count all the same.
    #[inline(always)]
    pub(super) fn times(&self, times: f32) -> Self {
        let count = F::mask(1 << COUNT);
        let times = F::of(times);
        Self {
            members: self.members * times,
            unit: F::select(count, self.unit, self.unit * times),
        }
    }

    /// Keeps those of the members.
    #[inline(always)]
    pub(super) fn keep(&self, lanes: &mut Lanes) {
        #[allow(unsafe_code)]
        // SAFETY: `Lanes` have sixteen numbers.
        unsafe {
            (self.members * F::of(-1.0)).store(lanes.0.as_mut_ptr());
        }
    }
}

/// The same as in `plain`; the gradient of the stack is in the lanes of n and h.
#[inline(always)]
pub(super) fn update_of<F: Sixteen>(
    whole: F,
    plan: &Plan,
    lesson: &Lesson,
    margin: f64,
) -> (Pushes<F>, Update) {
    let stack = F::mask(1 << N | 1 << H);
    #[allow(unsafe_code)]
    // SAFETY: `Lanes` have sixteen numbers.
    let rates = unsafe { F::load(plan.rates.0.as_ptr()) };
    let members = rates.compare::<_CMP_GT_OQ>(F::of(0.0));
    let less_signed = rates * F::of(-(lesson.importance * lesson.sign()));
    let above = F::select(stack, F::of(1.0), less_signed);
    let one = F::select(F::mask(1 << COUNT), F::of(1.0), F::of(0.0));
    #[expect(clippy::cast_possible_truncation, reason = "steps are taken in f32")]
    let margins = F::select(stack, F::of(margin as f32), whole);
    let agreements = F::of(-lesson.sign()) * margins;
    let below = one_plus_exp(agreements);
    let members = F::select(F::either(members, stack), above / below, one);
    // The size of the gradient, times itself for n and times one less it for h.
    let others = F::select(F::mask(1 << H), F::of(1.0) - members, members);
    let sizes = (members * others) * F::of(Update::units(lesson));
    let unit = F::select(stack, sizes, members);
    (
        Pushes { members, unit },
        Update::new(members.first_of(N / 4), lesson),
    )
}

/// Steps the lines of up to sixteen features.
///
/// # Safety
///
/// The caller is compiled for the registers, and the offsets are those of lines.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn step<F: Sixteen>(
    lines: *mut Line,
    features: usize,
    ahead: &Ahead,
    plan: &Plan,
    pushes: &Pushes<F>,
    update: &Update,
) {
    // SAFETY: as required of the caller.
    unsafe {
        match (ahead.unit, plan.kinds.are_early()) {
            (true, true) => {
                step_by::<true, true, F>(lines, features, ahead, plan, pushes, update);
            }
            (true, false) => {
                step_by::<true, false, F>(lines, features, ahead, plan, pushes, update);
            }
            (false, true) => {
                step_by::<false, true, F>(lines, features, ahead, plan, pushes, update);
            }
            (false, false) => {
                step_by::<false, false, F>(lines, features, ahead, plan, pushes, update);
            }
        }
    }
}

/// [`step`], with `UNIT` of features of value 1, with `EARLY` of a bank in which only rates of the first
/// eight members fall. Always inlined, so that whole blocks are unrolled.
///
/// # Safety
///
/// The caller is compiled for the registers, and the offsets are those of lines.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn step_by<const UNIT: bool, const EARLY: bool, F: Sixteen>(
    lines: *mut Line,
    features: usize,
    ahead: &Ahead,
    plan: &Plan,
    pushes: &Pushes<F>,
    update: &Update,
) {
    // SAFETY: as required of the caller; `Lanes` and lines have sixteen numbers.
    unsafe {
        let load = |lanes: &Lanes| F::load(lanes.0.as_ptr());
        let one = F::of(1.0);
        let (kinds, falling) = (F::lanes(&plan.kinds.index), F::mask(plan.kinds.mask));
        let [a, b, c, d] = &ahead.rates;
        let rates = [load(a), load(b), load(c), load(d)];
        let pushes = if UNIT { pushes.unit } else { pushes.members };
        // Those of unit features are in the pushes.
        let mut sums = [one; 4];
        if !UNIT {
            let [n, h, room, count] = &ahead.sums;
            let x = load(&ahead.scaled);
            let xx = x * x;
            let most = F::of(plain::MOST);
            let n = (load(n) + F::of(update.square) * xx).least(most);
            let h = (load(h) + F::of(update.curvature) * xx).least(most);
            sums = turn([n, h, load(room), load(count)]);
        }
        let block = Block::<F> {
            lines,
            ahead,
            kinds,
            falling,
            rates,
            pushes,
            sums,
        };
        for quad in 0..features / 4 {
            for m in 0..4 {
                block.step::<UNIT, EARLY>(quad, m);
            }
        }
        for m in 0..features % 4 {
            block.step::<UNIT, EARLY>(features / 4, m);
        }
    }
}

/// What steps the lines of a block.
struct Block<'a, F: Sixteen> {
    lines: *mut Line,
    ahead: &'a Ahead,
    kinds: F::Lanes,
    falling: F::Mask,
    /// Of the four features `4 g + m` with the same m, the rates and sums are in one register.
    rates: [F; 4],
    pushes: F,
    sums: [F; 4],
}

impl<F: Sixteen> Block<'_, F> {
    /// Steps the line of feature `4 quad + m`.
    ///
    /// # Safety
    ///
    /// The caller is compiled for the registers, and the feature's offset is that of a line.
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn step<const UNIT: bool, const EARLY: bool>(&self, quad: usize, m: usize) {
        let j = 4 * quad + m;
        // SAFETY: as required of the caller; `Lanes` and lines have sixteen numbers.
        unsafe {
            let x = F::of(if UNIT { 1.0 } else { self.ahead.scaled.0[j] });
            let place = self.ahead.rates[m].0.as_ptr();
            let rate = self.rates[m].chosen::<EARLY>(place, quad, self.kinds, self.falling, x);
            let place = self.lines.byte_add((&self.ahead.offsets).at(j)).cast();
            let mut line = F::load(place) + self.pushes * rate;
            if !UNIT {
                // The sums of the feature become the last four numbers of its line.
                line = line.with_last(self.sums[m], quad);
            }
            line.with_before_last(self.ahead.shares.0[j]).store(place);
            // As in `look`.
            compiler_fence(Ordering::AcqRel);
        }
    }
}
