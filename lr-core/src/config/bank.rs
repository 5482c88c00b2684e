//! Settings of the bank.

use super::{ConfigError, in_range, not_negative, positive, variance};

/// How a bank member's rate falls as evidence adds up at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RateDecay {
    /// Not at all: `w ← w − η g`. The member forgets, and follows drift.
    None,
    /// With the root of the sum of squared gradients, as FTRL-Proximal's and AdaGrad's:
    /// `w ← w − η g / (1 + √n)`.
    Root,
    /// With the curvature: `w ← w − η g / (1 + η h)`, `h = Σ p (1 − p) x²`. It is the diagonal of
    /// a second-order step; η is the variance that the weight is believed to have beforehand.
    Curvature,
}

impl RateDecay {
    pub(super) fn number(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Root => 1.0,
            Self::Curvature => 2.0,
        }
    }
}

/// One member of a bank.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Member {
    /// η, dimensionless; in `(0, 100]`.
    pub learning_rate: f32,
    /// How η falls with evidence.
    pub decay: RateDecay,
    /// Whether the stacker also weighs this member's share that comes from positions seen rarely.
    pub newcomers: bool,
    /// Whether the member takes joint Newton steps at the positions with most curvature; at most
    /// one member, with [`RateDecay::Curvature`].
    pub joint: bool,
}

impl Member {
    /// Joins a rate and its decay; the stacker weighs the member as a whole.
    #[must_use]
    pub const fn new(learning_rate: f32, decay: RateDecay) -> Self {
        Self {
            learning_rate,
            decay,
            newcomers: false,
            joint: false,
        }
    }

    /// Lets the stacker also weigh the share that comes from positions seen rarely.
    #[must_use]
    pub const fn with_newcomers(mut self) -> Self {
        self.newcomers = true;
        self
    }

    /// Lets the member take joint Newton steps at the positions with most curvature.
    #[must_use]
    pub const fn with_joint_steps(mut self) -> Self {
        self.joint = true;
        self
    }
}

/// Settings of the bank: members side by side, stacked online. The default needs no tuning.
///
/// ```text
/// mₖ = Σᵢ wₖᵢ x̂ᵢ                    margin of member k, x̂ᵢ = xᵢ / max(1, RMS of xᵢ so far)
/// rₖ = Σᵢ wₖᵢ x̂ᵢ c / (c + countᵢ)    its share of newcomers, for some members
/// margin = Σ aₖ mₖ + Σ bₖ rₖ + a₀
/// ```
///
/// Each member learns from its own margin; a second-order online logistic regression learns
/// `a` and `b`.
/// One member, with η as its rate, also replaces its steps at the positions with most curvature by
/// a joint Newton step every 64 to 2,048 events:
///
/// ```text
/// w ← w₀ − (A + I/η)⁻¹ G,   Gᵢ = (w₀ᵢ − wᵢ) (1/η + h̄ᵢ),   A = Σ s x̂ x̂ᵀ
/// ```
///
/// with w₀ the weights when those events began, G the sum of their gradients, and A over one event of
/// many, each with the sum s of the curvatures σ(m) (1 − σ(m)) since the one before.
/// Of events that were predicted well the bank draws some and learns them for all (`docs/numerics.md`
/// has the rule).
/// Because the margin is linear in `x`, the bank is at any time **one** linear model.
/// What each part gains is measured in the [numerics notes].
///
/// [numerics notes]: https://github.com/ctr-predict/ctr-predict/blob/main/docs/numerics.md
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BankConfig {
    /// 1 to 11 members, at most 3 different rates among those with [`RateDecay::Curvature`] and at
    /// most 4 with newcomers. Their order changes speed alone: an event takes less time where those with
    /// newcomers are among the first four, and those whose rate falls among the first eight.
    pub members: Vec<Member>,
    /// c: events after which half of a position's weight no longer counts as a newcomer's; finite,
    /// above 0, default 10.
    pub newness: f32,
    /// Variance of each mixing coefficient before any event, dimensionless; in `(0, 1000]`,
    /// default 1e-3.
    pub prior_variance: f64,
    /// Variance of the constant `a₀` before any event; in `(0, 1000]`, default 1.
    pub bias_variance: f64,
    /// Share of the mixing evidence that is forgotten at each event, in `[0, 0.5]`, default 3e-5.
    pub forgetting: f64,
    /// λ₁ of the members, by proximal steps at present positions; finite, at least 0, default 0.
    /// A weight of the dump is 0 where every member's is.
    pub l1: f32,
    /// λ₂ of the members, by proximal steps at present positions; finite, at least 0, default 0.
    pub l2: f32,
    /// Positions of the joint Newton steps, 1 to 1,024; default 256. No steps are taken where λ₁ or
    /// λ₂ is above 0. Memory and a step grow with the square, the few factorisations with the cube.
    pub joint_positions: usize,
}

impl BankConfig {
    /// Members that fit in one cache line a position.
    pub const MOST_MEMBERS: usize = 11;
    /// Different rates among members with [`RateDecay::Curvature`].
    pub const MOST_CURVATURES: usize = 3;
    /// Members whose newcomers the stacker can weigh.
    pub const MOST_NEWCOMERS: usize = 4;
    /// Positions of the joint Newton steps.
    pub const MOST_JOINT_POSITIONS: usize = 1024;

    /// Sets the members.
    #[must_use]
    pub fn members(mut self, members: Vec<Member>) -> Self {
        self.members = members;
        self
    }

    /// Sets the number of events after which a position is half a newcomer.
    #[must_use]
    pub fn newness(mut self, newness: f32) -> Self {
        self.newness = newness;
        self
    }

    /// Sets the prior variance of the mixing coefficients.
    #[must_use]
    pub fn prior_variance(mut self, prior_variance: f64) -> Self {
        self.prior_variance = prior_variance;
        self
    }

    /// Sets the prior variance of the constant.
    #[must_use]
    pub fn bias_variance(mut self, bias_variance: f64) -> Self {
        self.bias_variance = bias_variance;
        self
    }

    /// Sets the forgetting of the mixing coefficients.
    #[must_use]
    pub fn forgetting(mut self, forgetting: f64) -> Self {
        self.forgetting = forgetting;
        self
    }

    /// Sets λ₁.
    #[must_use]
    pub fn l1(mut self, l1: f32) -> Self {
        self.l1 = l1;
        self
    }

    /// Sets λ₂.
    #[must_use]
    pub fn l2(mut self, l2: f32) -> Self {
        self.l2 = l2;
        self
    }

    /// Sets the number of positions of the joint Newton steps.
    #[must_use]
    pub fn joint_positions(mut self, positions: usize) -> Self {
        self.joint_positions = positions;
        self
    }

    /// Different rates of the curvature members, in order of first use.
    pub(crate) fn curvature_rates(&self) -> Vec<f32> {
        let mut rates: Vec<f32> = Vec::new();
        for member in self
            .members
            .iter()
            .filter(|m| m.decay == RateDecay::Curvature)
        {
            if !rates
                .iter()
                .any(|r| r.to_bits() == member.learning_rate.to_bits())
            {
                rates.push(member.learning_rate);
            }
        }
        rates
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let members = self.members.len();
        if members == 0 || members > Self::MOST_MEMBERS {
            return Err(ConfigError::MemberCount {
                members,
                most: Self::MOST_MEMBERS,
            });
        }
        let curvatures = self.curvature_rates().len();
        if curvatures > Self::MOST_CURVATURES {
            return Err(ConfigError::CurvatureCount {
                curvatures,
                most: Self::MOST_CURVATURES,
            });
        }
        let newcomers = self.members.iter().filter(|m| m.newcomers).count();
        if newcomers > Self::MOST_NEWCOMERS {
            return Err(ConfigError::NewcomerCount {
                newcomers,
                most: Self::MOST_NEWCOMERS,
            });
        }
        for member in &self.members {
            let rate = f64::from(member.learning_rate);
            in_range(
                "learning_rate",
                rate,
                rate > 0.0 && rate <= 100.0,
                "in (0, 100]",
            )?;
        }
        let joint: Vec<&Member> = self.members.iter().filter(|m| m.joint).collect();
        if joint.len() > 1 || joint.iter().any(|m| m.decay != RateDecay::Curvature) {
            return Err(ConfigError::JointMember);
        }
        #[expect(clippy::cast_precision_loss, reason = "for the message")]
        in_range(
            "joint_positions",
            self.joint_positions as f64,
            (1..=Self::MOST_JOINT_POSITIONS).contains(&self.joint_positions),
            "in 1 to 1024",
        )?;
        positive("newness", f64::from(self.newness))?;
        variance("prior_variance", self.prior_variance)?;
        variance("bias_variance", self.bias_variance)?;
        not_negative("l1", f64::from(self.l1))?;
        not_negative("l2", f64::from(self.l2))?;
        in_range(
            "forgetting",
            self.forgetting,
            (0.0..=0.5).contains(&self.forgetting),
            "in [0, 0.5]",
        )
    }

    #[expect(clippy::cast_precision_loss, reason = "at most 1,024")]
    pub(super) fn numbers(&self) -> Vec<f64> {
        let mut numbers = vec![
            0.0,
            f64::from(self.newness),
            self.prior_variance,
            self.bias_variance,
            self.forgetting,
            f64::from(self.l1),
            f64::from(self.l2),
            self.joint_positions as f64,
        ];
        for member in &self.members {
            numbers.push(f64::from(member.learning_rate));
            numbers.push(member.decay.number());
            numbers.push(f64::from(u8::from(member.newcomers)));
            numbers.push(f64::from(u8::from(member.joint)));
        }
        numbers
    }
}

impl Default for BankConfig {
    fn default() -> Self {
        use RateDecay::{Curvature, None, Root};
        Self {
            members: vec![
                // Newcomers among the first four and falling rates among the first eight: see `members`.
                Member::new(0.1, Root).with_newcomers(),
                Member::new(0.3, Root).with_newcomers(),
                Member::new(1.0, Curvature).with_newcomers(),
                Member::new(0.03, None).with_newcomers(),
                Member::new(1.0, Root),
                Member::new(0.1, Curvature).with_joint_steps(),
                Member::new(0.3, Curvature),
                Member::new(0.003, None),
                Member::new(0.01, None),
                Member::new(0.1, None),
                Member::new(0.3, None),
            ],
            newness: 10.0,
            prior_variance: 1e-3,
            bias_variance: 1.0,
            forgetting: 3e-5,
            l1: 0.0,
            l2: 0.0,
            joint_positions: 256,
        }
    }
}
