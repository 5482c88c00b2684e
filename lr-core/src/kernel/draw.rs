//! How often an event counts.
//!
//! A prediction that was nearly right has little to teach: its gradient is small, and so is all that it
//! adds to any sum. So an event of a small gradient is drawn, and if it is, counts as often as makes its
//! gradient [`SMALL`]; otherwise it is only predicted. In the mean that is what learning every event is,
//! and no event steps a weight further than one of a gradient of [`SMALL`] would.
//!
//! Positions that have been in few events miss each of them, so a block that holds such a one is learned
//! at every event. Which events are drawn hangs on their number alone, so that it is the same in every
//! run.
//!
//! # References
//!
//! Fithian & Hastie (2014), "Local case-control sampling: efficient subsampling in imbalanced data
//! sets", Annals of Statistics 42(5): keep what was predicted badly, and weigh the rest back.
//! Needell, Srebro & Ward (2014), "Stochastic gradient descent, weighted sampling, and the randomized
//! Kaczmarz algorithm", NIPS 27: sample by the size of the gradient.

use crate::rules::Lesson;

/// Events of which each counts once.
const FIRST: u64 = 8192;

/// Size of a gradient from which on an event counts once.
const SMALL: f32 = 0.07;

/// Least share of the events of a gradient that are drawn.
const LEAST_SHARE: f32 = 1.0 / 32.0;

/// Events that a position must have been stepped at not to be learned at every event.
pub(super) const FREQUENT: f32 = 3.0;

/// Returns how often an event counts whose gradient is of this size: 0 where it is only predicted.
///
/// The first events and those of an importance above 1 count once.
#[inline(always)]
pub(super) fn times(lesson: &Lesson, size: f32) -> f32 {
    let share = size / SMALL;
    if lesson.before < FIRST || lesson.importance > 1.0 || share >= 1.0 {
        return 1.0;
    }
    let share = share.max(LEAST_SHARE);
    if uniform(lesson.before) < share {
        1.0 / share
    } else {
        0.0
    }
}

/// Returns bits that look random, those of an event's number, so that no period of a stream meets what
/// is drawn by them: the last steps of `MurmurHash3` but for the lowest bits.
#[inline(always)]
pub(crate) fn random(event: u64) -> u64 {
    let mixed = (event ^ event >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (mixed ^ mixed >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53)
}

/// Returns a number from 0 to 1, of 24 bits, by an event's number.
#[inline(always)]
#[expect(clippy::cast_precision_loss, reason = "24 bits")]
fn uniform(event: u64) -> f32 {
    (random(event) >> 40) as f32 / (1_u32 << 24) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Decay;

    fn times_of(before: u64, size: f32, importance: f32) -> f32 {
        let lesson = Lesson {
            label: true,
            importance,
            before,
            decay: Decay::new(1.0),
        };
        times(&lesson, size)
    }

    #[test]
    fn early_badly_predicted_and_important_events_count_once() {
        for before in 0..2 * FIRST {
            for times in [
                times_of(before, 0.0701, 1.0),
                times_of(before, 1.0, 1e-3),
                times_of(before, 0.001, 1.001),
                times_of(before % FIRST, 0.001, 1.0),
            ] {
                assert!((times - 1.0).abs() < f32::EPSILON, "{before}: {times}");
            }
        }
    }

    #[test]
    fn other_events_count_once_in_the_mean_whatever_their_period() {
        for period in 1..200 {
            for (phase, size, importance) in [
                (0, 0.069, 1.0),
                (period / 2, 0.01, 0.5),
                (3, 0.0001, 1.0),
                (7, 0.0, 1.0),
            ] {
                let events = (0..80_000).map(|k| FIRST + phase + k * period);
                let all = events.map(|before| times_of(before, size, importance));
                let (drawn, total) = all.fold((0, 0.0), |(drawn, total), times| {
                    (drawn + u32::from(times > 0.0), total + times)
                });
                assert!((total - 80_000.0).abs() < 10_000.0, "{period}: {total}");
                let share = f64::from(size / SMALL).max(1.0 / 32.0);
                let drawn = f64::from(drawn) / 80_000.0;
                assert!((drawn / share - 1.0).abs() < 0.12, "{period}: {drawn}");
            }
        }
    }

    #[test]
    fn an_event_that_is_drawn_steps_as_far_as_one_of_the_largest_small_gradient() {
        for size in [0.002_187_5_f32, 0.01, 0.06] {
            let most = (FIRST..2 * FIRST).map(|before| times_of(before, size, 1.0));
            let most = most.fold(0.0, f32::max);
            assert!((most * size - SMALL).abs() < 1e-6, "{size}: {most}");
        }
    }
}
