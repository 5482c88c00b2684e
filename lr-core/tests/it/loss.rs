use approx::assert_relative_eq;
use lr_core::{log_loss, logistic_gradient, logistic_loss, logit, sigmoid};
use proptest::prelude::{prop_assert, proptest};

// 50-digit values by mpmath, rounded to 17 digits.
const SIGMOID: &[(f64, f64)] = &[
    (-745.0, f64::from_bits(1)),
    (-30.0, 9.357_622_968_839_299e-14),
    (-1.5, 0.182_425_523_806_356_34),
    (0.0, 0.5),
    (2.25, 0.904_650_535_100_890_5),
    (40.0, 1.0),
];

#[test]
fn sigmoid_matches_reference() {
    for &(margin, expected) in SIGMOID {
        assert_relative_eq!(
            sigmoid(margin),
            expected,
            epsilon = 1e-323,
            max_relative = 4e-16
        );
    }
}

#[test]
fn loss_matches_reference() {
    // ln(1 + e^-1.5), ln(1 + e^1.5), ln(1 + e^-40) and ln(1 + e^800).
    for (margin, label, expected) in [
        (1.5, true, 0.201_413_277_982_752_46),
        (1.5, false, 1.701_413_277_982_752_5),
        (40.0, true, 4.248_354_255_291_589e-18),
        (800.0, false, 800.0),
        (-800.0, true, 800.0),
    ] {
        assert_relative_eq!(
            logistic_loss(margin, label),
            expected,
            epsilon = 0.0,
            max_relative = 4e-16
        );
    }
}

#[test]
fn nan_stays_nan() {
    assert!(sigmoid(f64::NAN).is_nan());
    assert!(logistic_loss(f64::NAN, true).is_nan());
    assert!(logistic_gradient(f64::NAN, false).is_nan());
}

proptest! {
    #[test]
    fn gradient_is_the_central_difference_of_the_loss(margin in -20.0..20.0_f64, label: bool) {
        let h = 1e-5;
        let difference =
            (logistic_loss(margin + h, label) - logistic_loss(margin - h, label)) / (2.0 * h);
        // Truncation is h²/6 · |ℓ'''| < 2e-12, rounding 20·2⁻⁵³/h < 3e-10.
        prop_assert!((difference - logistic_gradient(margin, label)).abs() < 1e-9);
    }

    #[test]
    fn logit_inverts_sigmoid(margin in -30.0..15.0_f64) {
        // Near 1 the probability itself has lost the digits, hence the asymmetric range.
        prop_assert!((logit(sigmoid(margin)) - margin).abs() <= 1e-8 * (1.0 + margin.abs()));
    }

    #[test]
    fn loss_of_a_margin_is_the_loss_of_its_probability(margin in -30.0..30.0_f64, label: bool) {
        let (a, b) = (logistic_loss(margin, label), log_loss(sigmoid(margin), label));
        prop_assert!((a - b).abs() <= 1e-3 * a + 1e-15, "{a} {b}");
    }
}
