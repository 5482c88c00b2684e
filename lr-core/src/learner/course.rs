//! The way of a learner from example to example.

use super::{MOST_GAIN, bounds::Bounds};
use crate::{
    config::LearnerConfig,
    example::CheckedExample,
    kernel::{self, Checked, Instructions, Soon, Work},
    row::{CheckedRow, check_importance},
    rules::{Decay, Lesson},
};

/// The memory is asked for a row while the row so many before it is learned: asked one row ahead, what
/// comes from beyond the second cache is late.
const AHEAD: usize = 2;

/// What changes from example to example, beside what is learned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// Examples learned.
    pub(super) events: u64,
    /// Average loss, as [`Bounds`] has it.
    pub(super) mean_loss: f64,
    /// What an example adds to decayed sums.
    pub(super) gain: f64,
    /// That of the gain.
    pub(super) decay: Decay,
}

impl Progress {
    pub(super) fn set_gain(&mut self, gain: f64) {
        self.gain = gain;
        self.decay = Decay::new(gain);
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            events: 0,
            mean_loss: 0.0,
            gain: 1.0,
            decay: Decay::new(1.0),
        }
    }
}

/// The progress of a learner, with what it hangs on.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    /// Importance of a class, of the negative one first.
    classes: [f32; 2],
    max_margin: f64,
    max_mean_loss: f64,
    /// By how much the gain grows from one example to the next.
    growth: f64,
    pub(super) progress: Progress,
}

impl Course {
    pub(super) fn new(config: &LearnerConfig) -> Self {
        Self {
            classes: [config.negative_importance, config.positive_importance],
            max_margin: config.max_margin,
            max_mean_loss: config.max_mean_loss,
            // ln 2 over the half-life; exactly 1 where nothing is forgotten.
            growth: libm::exp(std::f64::consts::LN_2 / config.half_life),
            progress: Progress::default(),
        }
    }

    /// Returns the importance of an example, that of its class included.
    #[inline(always)]
    pub(super) fn importance(&self, example: &CheckedExample<'_>) -> f32 {
        example.importance * self.classes[usize::from(example.label)]
    }

    /// Whether decayed sums are to be brought to new units before the next example.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.growth > 1.0 && self.progress.gain * self.growth >= MOST_GAIN
    }

    /// What the next example adds to decayed sums.
    #[inline(always)]
    fn aged(&self) -> (f64, Decay) {
        let Progress { gain, decay, .. } = self.progress;
        if self.growth <= 1.0 {
            return (gain, decay);
        }
        let gain = gain * self.growth;
        (gain, Decay::new(gain))
    }

    #[inline(always)]
    pub(super) fn bounds(&self, example: &CheckedExample<'_>, importance: f32) -> Bounds {
        Bounds {
            max_margin: self.max_margin,
            max_mean_loss: self.max_mean_loss,
            mean_loss: self.progress.mean_loss,
            events: self.progress.events,
            label: example.label,
            // The bias sees a value of 1, even where the row is empty.
            step: f64::from(importance.max(1.0)) * f64::from(example.row.largest().max(1.0)),
        }
    }

    /// Counts an example.
    #[inline(always)]
    pub(super) fn advance(&mut self, mean_loss: f64) {
        let (gain, decay) = self.aged();
        self.progress = Progress {
            events: self.progress.events + 1,
            mean_loss,
            gain,
            decay,
        };
    }
}

/// What learns: a bank, or a learner of another kind.
pub(crate) trait Learn: Sized {
    /// What is kept for a position.
    type Slot;

    /// The instructions to learn with.
    fn kernel(&self) -> Checked;

    fn dimension(&self) -> usize;

    /// Whether asking the memory for a row before it is needed pays.
    fn is_large(&self) -> bool;

    /// What a row of these positions will need.
    fn soon<'a>(&self, positions: &'a [u32]) -> Soon<'a, Self::Slot>;

    /// Predicts a row, asks whether the margin is good, and learns if so; returns whether it was.
    fn learn(
        &mut self,
        on: impl Instructions,
        row: &CheckedRow<'_>,
        lesson: &Lesson,
        soon: &Soon<'_, Self::Slot>,
        is_good: impl FnOnce(f64) -> bool,
    ) -> bool;

    /// Learns examples up to the first one that is to be refused, or is not ordinary: of no importance,
    /// or to be learned in new units. Returns the number of those before it.
    fn learn_ordinary(&mut self, course: &mut Course, examples: Examples<'_, '_>) -> usize {
        let kernel = self.kernel();
        let work = Lessons {
            learner: self,
            course,
            examples,
        };
        kernel::run(kernel, work)
    }
}

/// Examples to be learned.
pub(crate) struct Examples<'a, 'r> {
    /// Those, and what follows them.
    pub(super) all: &'a [CheckedExample<'r>],
    /// Where their margins go, one for each.
    pub(super) margins: &'a mut [f64],
}

struct Lessons<'a, 'r, L> {
    learner: &'a mut L,
    course: &'a mut Course,
    examples: Examples<'a, 'r>,
}

impl<L: Learn> Work for Lessons<'_, '_, L> {
    type Output = usize;

    #[inline(always)]
    fn run<I: Instructions>(self, on: I) -> usize {
        let Self {
            learner,
            course,
            examples: Examples { all, margins },
        } = self;
        let ahead = learner.is_large();
        let mut taken = 0;
        for (example, place) in all.iter().zip(margins) {
            let importance = course.importance(example);
            let is_valid = check_importance(example.importance).is_ok()
                && example.row.ordered().fits(learner.dimension());
            if !is_valid || importance <= 0.0 || course.is_full() {
                break;
            }
            let lesson = Lesson {
                label: example.label,
                importance,
                before: course.progress.events,
                decay: course.aged().1,
            };
            let bounds = course.bounds(example, importance);
            let following = all.get(taken + AHEAD).filter(|_| ahead);
            let soon = learner.soon(following.map_or(&[], |next| next.row.positions()));
            let course = &mut *course;
            // While the step waits for its gradient there is time for all this.
            let learned = learner.learn(on, &example.row, &lesson, &soon, move |margin| {
                let Some(mean_loss) = bounds.check(margin) else {
                    return false;
                };
                course.advance(mean_loss);
                *place = margin;
                true
            });
            if !learned {
                break;
            }
            taken += 1;
        }
        taken
    }
}
