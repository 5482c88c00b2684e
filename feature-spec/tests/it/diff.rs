//! Diff and migration between versions of a spec.

use feature_spec::{Encoder, Event, FeatureSpec, PositionMap, Row, SpecDiff};
use proptest::prelude::*;

use crate::spec::{WHOLE, spec};

fn weights(spec: &FeatureSpec) -> Vec<f32> {
    (0..spec.columns())
        .map(|i| ((i * 37 + 11) % 101) as f32 / 101.0 - 0.5)
        .collect()
}

/// A week later: the feature `days` is renamed and moved, a hashtag is new, the festival is gone,
/// and likes are scaled otherwise.
fn next_version() -> FeatureSpec {
    let text = WHOLE
        .replace("[user.days]\n", "[user.registered]\nstart = 600\n")
        .replace("\"#dance\", ", "\"#dance\", \"#food\", ")
        .replace("[event.festival]\nfrom = \"calendar.festival\"\n", "")
        .replace(
            "recency = \"hours\"\n",
            "recency = \"hours\"\nscale = \"unit\"\n",
        );
    spec(&text)
}

#[test]
fn a_diff_of_two_realistic_versions() {
    let (old, new) = (spec(WHOLE), next_version());
    let diff = SpecDiff::between(&old, &new);
    assert_eq!(
        diff.to_string(),
        include_str!("../data/diff.txt").trim_end()
    );
    assert!(!diff.keeps_weights());
    assert!(!diff.keeps_statistics());
    let map = diff.position_map();
    let names: Vec<_> = map.dropped().iter().map(|c| old.describe(*c)).collect();
    assert!(names.contains(&"event/festival=holi".to_owned()));
    for (from, to) in map.iter() {
        let (before, after) = (old.describe(from), new.describe(to));
        if !before.contains('~') {
            assert_eq!(before.replace("user/days", "user/registered"), after);
        }
    }
    let json = serde_json::to_string(&diff).unwrap();
    assert!(
        json.contains(r#""feature":"user/registered","was":"user/days""#),
        "{json}"
    );
}

#[test]
fn a_spec_does_not_differ_from_itself() {
    let spec = spec(WHOLE);
    let diff = SpecDiff::between(&spec, &spec);
    assert!(diff.is_empty() && diff.keeps_weights() && diff.keeps_statistics());
    assert_eq!(diff.to_string(), "no position changed");
    assert!(diff.position_map().dropped().is_empty());
}

#[test]
fn weights_of_another_length_are_refused() {
    let spec = spec(WHOLE);
    let error = PositionMap::between(&spec, &spec)
        .apply(&[0.0_f32; 3], 0.0)
        .unwrap_err();
    assert_eq!(error.to_string(), "3 values for a spec of 2000 columns");
}

/// Predictions on events that touch only carried positions are those of before.
#[test]
fn predictions_on_carried_features_do_not_change() {
    let (old, new) = (spec(WHOLE), next_version());
    let map = PositionMap::between(&old, &new);
    let before = weights(&old);
    let after = map.apply(&before, 0.0).unwrap();
    let json = br##"{"event_id": "1", "time": "2022-05-04T10:00:00Z",
        "user": {"attributes": {"location": "delhi"}, "numbers": {"days_registered": 7, "age": 30},
                 "history": {"all": {"": {"plays": 9, "liked": 2}}, "hashtag": {"#comedy": {"plays": 4}}}},
        "item": {"attributes": {"hashtag": ["#comedy", "#dance"], "author": "3"}, "numbers": {"bytes": 5}}}"##;
    let event = Event::from_json(json).unwrap();
    let margin = |spec: &FeatureSpec, weights: &[f32]| {
        let mut row = Row::default();
        Encoder::new(spec).encode(&event, &mut row).unwrap();
        let mut products: Vec<f64> = (row.positions().iter().zip(row.values()))
            .map(|(p, v)| f64::from(weights[*p as usize]) * f64::from(*v))
            .collect();
        products.sort_by(f64::total_cmp);
        (products.len(), products.iter().sum::<f64>().to_bits())
    };
    assert_eq!(margin(&old, &before), margin(&new, &after));
}

proptest! {
    /// There and back along a change that loses nothing is the identity.
    #[test]
    fn there_and_back_is_the_identity(shift in 0_u32..50, seed in 0_u8..3, swap in any::<bool>()) {
        let old = spec(WHOLE);
        let mut text = WHOLE.replace("start = 10", &format!("start = {}", 20 + shift));
        if swap {
            text = text.replace("\"#comedy\", \"#funny\"", "\"#funny\", \"#comedy\"");
        }
        // Hashed and pooled unknown values depend on the vocabulary as a set, which stays.
        let text = text.replace("[event.match]", &format!("[event.matching{seed}]"));
        let new = spec(&text);
        let (there, back) = (PositionMap::between(&old, &new), PositionMap::between(&new, &old));
        prop_assert!(there.dropped().is_empty() && back.dropped().is_empty());
        prop_assert_eq!(there.inverse().iter().collect::<Vec<_>>(), back.iter().collect::<Vec<_>>());
        let mut weights = weights(&old);
        for (column, weight) in weights.iter_mut().enumerate() {
            if there.target(u32::try_from(column).unwrap()).is_none() {
                *weight = 0.0; // no feature uses it
            }
        }
        let moved = there.apply(&weights, 0.0).unwrap();
        prop_assert_eq!(back.apply(&moved, 0.0).unwrap(), weights);
    }
}
