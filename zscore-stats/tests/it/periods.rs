//! Windows and decay over whole periods.

use approx::assert_relative_eq;
use zscore_stats::{
    Cohorts, PeriodError, Periods, Population, PopulationError, Scale, ScalePolicies, ScalePolicy,
    Scaler,
};

fn days(rows: &[(i64, f32)]) -> Periods {
    let mut days = Periods::new(Cohorts::single(2).unwrap(), 4);
    for &(day, value) in rows {
        days.push(day, 0, (&[1], &[value])).unwrap();
    }
    days
}

#[test]
fn a_window_is_the_population_of_its_rows() {
    let days = days(&[(-3, 9.0), (1, 4.0), (2, 0.5), (2, 7.0)]);
    let mut expected = Population::new(Cohorts::single(2).unwrap());
    for value in [7.0, 4.0, 0.5] {
        expected.push(0, (&[1], &[value])).unwrap();
    }
    assert_eq!(days.window(0..=2).unwrap(), expected);
    assert_eq!(days.window(3..=9).unwrap().size(0), 0);
    #[expect(clippy::reversed_empty_ranges, reason = "the case")]
    let reversed = days.window(2..=1);
    assert_eq!(reversed.unwrap().size(0), 0);
}

#[test]
fn decay_is_a_weighted_mean_and_variance() {
    let days = days(&[(0, 8.0), (0, 2.0), (1, 1.0), (3, 6.0), (4, 1000.0)]);
    let found = days.decayed(3, 2.0).unwrap();
    // Ages 3, 2 and 0 in half-lives of 2 days; day 4 is in the future. Row by row:
    let old = 2.0_f64.powf(-1.5);
    let rows = [(old, 8.0), (old, 2.0), (0.5, 1.0), (1.0, 6.0)];
    let total: f64 = rows.iter().map(|(w, _)| w).sum();
    let mean = rows.iter().map(|(w, x)| w * x).sum::<f64>() / total;
    let variance = rows
        .iter()
        .map(|(w, x)| w * (x - mean) * (x - mean))
        .sum::<f64>()
        / total;
    assert_relative_eq!(
        found.mean(1).unwrap(),
        mean,
        epsilon = 0.0,
        max_relative = 1e-14
    );
    let std_dev = found.population_std_dev(1).unwrap();
    assert_relative_eq!(
        std_dev,
        variance.sqrt(),
        epsilon = 0.0,
        max_relative = 1e-14
    );
    assert_eq!(found.mean(0), None);
    assert_eq!(found.mean(2), None);

    let z_score = ScalePolicy::default().scale(Scale::ZScore);
    let policies = ScalePolicies::uniform(z_score, 2).unwrap();
    let scaler = Scaler::from_statistics(&policies, |position| found.at(position)).unwrap();
    assert_eq!(scaler.parts().positions, [1]);
    assert_eq!(scaler.parts().mean, [found.mean(1).unwrap()]);
}

#[test]
fn merged_in_any_order_decay_has_the_same_bits() {
    let (a, b) = (days(&[(0, 0.1), (2, 0.7)]), days(&[(2, 0.3), (1, 0.9)]));
    let (mut ab, mut ba) = (a.clone(), b.clone());
    ab.merge(&b).unwrap();
    ba.merge(&a).unwrap();
    assert_eq!(ab, ba);
    let bits = |days: &Periods| {
        days.decayed(2, 0.7)
            .unwrap()
            .at(1)
            .map(|(m, d)| (m.to_bits(), d.to_bits()))
    };
    assert_eq!(bits(&ab), bits(&ba));
}

#[test]
fn periods_are_bounded_and_never_dropped_unasked() {
    let mut full = days(&[(1, 1.0), (2, 1.0), (3, 1.0), (4, 1.0)]);
    let no_room = PeriodError::Full {
        period: 20_000_000,
        capacity: 4,
    };
    assert_eq!(full.push(20_000_000, 0, (&[], &[])), Err(no_room.clone()));
    assert_eq!(
        no_room.to_string(),
        "no room for period 20000000 beside 4 others"
    );
    let before = full.clone();
    assert!(full.merge(&days(&[(1, 1.0), (9, 1.0)])).is_err());
    assert_eq!(full, before);
    full.forget_before(3);
    assert_eq!(full.iter().map(|(day, _)| day).collect::<Vec<_>>(), [3, 4]);
    full.push(9, 0, (&[], &[])).unwrap();

    for half_life in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            full.decayed(0, half_life),
            Err(PeriodError::HalfLife { .. })
        ));
    }
    let mut other = Periods::new(Cohorts::single(3).unwrap(), 4);
    other.push(3, 0, (&[], &[])).unwrap();
    let source = PopulationError::OtherCohorts;
    assert_eq!(full.merge(&other), Err(PeriodError::Population { source }));
}
