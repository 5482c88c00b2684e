//! Step one: transforms, their tables and their inverses.

use proptest::prelude::*;
use zscore_stats::sprs::{CsMatI, CsVecI};
use zscore_stats::{ScalePolicies, ScalePolicy, Transform, ValueError};

const TRANSFORMS: [Transform; 4] = [
    Transform::None,
    Transform::Log1p,
    Transform::Sqrt,
    Transform::Log,
];

fn transformed(policy: ScalePolicy, x: f32) -> Result<f32, ValueError> {
    let mut values = [x];
    ScalePolicies::uniform(policy, 1)
        .unwrap()
        .transform_in_place(&[0], &mut values)?;
    Ok(values[0])
}

#[test]
#[expect(clippy::cast_possible_truncation, reason = "as a row stores it")]
fn looked_up_counts_have_the_bits_of_libm() {
    for count in 1_u16..2000 {
        let x = f32::from(count);
        let log1p = transformed(ScalePolicy::default().transform(Transform::Log1p), x).unwrap();
        assert_eq!(
            log1p.to_bits(),
            (libm::log1p(x.into()) as f32).to_bits(),
            "{count}"
        );

        let log = ScalePolicy::default()
            .transform(Transform::Log)
            .absent_value(3.0);
        let expected = (libm::log(x.into()) - libm::log(3.0)) as f32;
        assert_eq!(
            transformed(log, x).unwrap().to_bits(),
            expected.to_bits(),
            "{count}"
        );
    }
}

#[test]
fn edges_of_the_domains() {
    let outside = |transform, x: f32| {
        let policy = ScalePolicy::default()
            .transform(transform)
            .absent_value(1.0);
        matches!(transformed(policy, x), Err(ValueError::OutOfDomain { value, .. }) if value.to_bits() == x.to_bits())
    };
    assert!(outside(Transform::Log, 0.0) && outside(Transform::Log, -1.0));
    assert!(!outside(Transform::Log, f32::MIN_POSITIVE));
    assert!(outside(Transform::Sqrt, -f32::MIN_POSITIVE) && !outside(Transform::Sqrt, 0.0));
    assert!(outside(Transform::Log1p, -1.0) && !outside(Transform::Log1p, -0.999));
    assert_eq!(
        transformed(ScalePolicy::default(), 16_777_216.0),
        Ok(16_777_216.0)
    );
    let too_large = Err(ValueError::TooLarge {
        position: 0,
        value: 16_777_218.0,
    });
    assert_eq!(transformed(ScalePolicy::default(), 16_777_218.0), too_large);
    assert_eq!(
        transformed(ScalePolicy::default().absent_value(-2.0), 16_777_216.0),
        too_large
    );
}

#[test]
fn rows_and_batches_are_transformed_in_place() {
    let sqrt = ScalePolicy::default()
        .transform(Transform::Sqrt)
        .absent_value(4.0);
    let policies = ScalePolicies::new(vec![ScalePolicy::default(), sqrt], vec![1, 0, 1]).unwrap();
    let mut row = CsVecI::new(3, vec![0_u32, 1], vec![9.0_f32, 9.0]);
    policies.transform_row(row.view_mut()).unwrap();
    assert_eq!(row.data(), [1.0, 9.0]);

    let indptr = vec![0_usize, 2, 3];
    let mut batch = CsMatI::new((2, 3), indptr, vec![0_u32, 1, 2], vec![9.0_f32, 9.0, 25.0]);
    policies.transform_batch(batch.view_mut()).unwrap();
    assert_eq!(batch.data(), [1.0, 9.0, 3.0]);
    let mut wide = CsMatI::new((1, 4), vec![0_usize, 1], vec![0_u32], vec![1.0_f32]);
    let columns = ValueError::Columns {
        columns: 4,
        dimension: 3,
    };
    assert_eq!(policies.transform_batch(wide.view_mut()), Err(columns));
    assert_eq!(
        policies.transform_batch(wide.transpose_view().to_owned().view_mut()),
        Err(ValueError::ByColumn)
    );
}

proptest! {
    #[test]
    fn inverse_undoes_the_transform(x in 1e-3..1e6_f64) {
        for transform in TRANSFORMS {
            let y = transform.apply(x).unwrap();
            let back = transform.invert(y).unwrap();
            // exp turns an error of ln x, up to 14 · 2⁻⁵³, into a relative one.
            approx::assert_relative_eq!(back, x, epsilon = 0.0, max_relative = 4e-15 + 4e-16 / x);
        }
    }

    #[test]
    fn any_value_gives_a_result_or_an_error(x in any::<f32>(), absent in 0.5..9.0_f64) {
        for transform in TRANSFORMS {
            let policy = ScalePolicy::default().transform(transform).absent_value(absent);
            if let Ok(found) = transformed(policy, x) {
                prop_assert!(found.abs() <= 16_777_216.0);
            }
        }
    }
}
