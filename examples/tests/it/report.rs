//! The report: its figures are those of a plain sum over all events, its memory is bounded, it
//! survives a restart, and the page holds what it should and nothing from elsewhere.

use std::collections::BTreeMap;

use feature_spec::FeatureSpec;
use lr_core::Metrics;
use pipeline::encode::{EncodedEvent, Reason};
use pipeline::report::page::{self, Facts};
use pipeline::report::{DumpFact, DumpKind, Recorder, curve};
use proptest::prelude::*;

/// 2022-05-04T10:00:00Z, a Wednesday; 15:30 in Delhi.
const START_MS: i64 = 1_651_658_400_000;
const MINUTE_MS: i64 = 60_000;

const SPEC: &str = r#"
format = 1
name = "likes <of> HI & more"
dimension = 8
time_zone = "+05:30"
[vocabulary.tab]
values = ["home", "search"]
[event.tab]
from = "context.tab"
vocabulary = "tab"
"#;

fn spec() -> FeatureSpec {
    FeatureSpec::from_toml(SPEC).unwrap()
}

/// One event: time, probability, label, importance, tab.
type Given = (i64, f64, bool, f32, u32);

fn record(recorder: &mut Recorder, &(time_ms, probability, label, importance, tab): &Given) {
    let event = EncodedEvent {
        event_id: "1",
        user_id: "u",
        item_id: "v",
        time_ms,
        label,
        importance,
        positions: &[tab],
        values: &mut [2.0],
        sample: None,
    };
    recorder.event(&event, probability).unwrap();
}

fn by_tab() -> Vec<String> {
    vec!["event/tab".to_owned()]
}

fn recorded(events: &[Given]) -> Recorder {
    let mut recorder = Recorder::new(&spec(), "HI", &by_tab()).unwrap();
    events.iter().for_each(|event| record(&mut recorder, event));
    recorder
}

fn events(count: i64) -> Vec<Given> {
    (0..count)
        .map(|index| {
            let probability = 0.02 + 0.9 * ((index * 37) % 100) as f64 / 100.0;
            let label = ((index * 61) % 100) as f64 <= 100.0 * probability;
            let tab = u32::from(index % 3 == 0);
            (
                START_MS + index * 7 * MINUTE_MS,
                probability,
                label,
                1.0,
                tab,
            )
        })
        .collect()
}

fn rendered(recorder: &Recorder, weights: &[f32]) -> String {
    let rejected = BTreeMap::from([(Reason::NotJson, 3), (Reason::NoLabel, 1)]);
    let spec = spec();
    let facts = Facts {
        title: "Training report",
        spec: &spec,
        weights,
        rejected: &rejected,
        files: &[("read to the end", 12)],
        drift: None,
        events_per_second: Some(1_234_567.8),
    };
    page::render(recorder, &facts).unwrap()
}

/// The text of the rows of the table after a heading, cells parted by `|`.
fn rows_after(page: &str, heading: &str) -> Vec<String> {
    let after = page
        .split_once(heading)
        .unwrap_or_else(|| panic!("no {heading}"))
        .1;
    let body = after
        .split_once("<tbody>")
        .unwrap()
        .1
        .split_once("</tbody>")
        .unwrap()
        .0;
    let rows = body.split("</tr>").filter(|row| !row.is_empty());
    rows.map(|row| {
        let cells = row.split("</td>").map(|cell| {
            let mut text = String::new();
            let mut inside = false;
            for character in cell.chars() {
                match character {
                    '<' => inside = true,
                    '>' => inside = false,
                    _ if !inside => text.push(character),
                    _ => {}
                }
            }
            text
        });
        cells.collect::<Vec<_>>().join("|")
    })
    .collect()
}

#[test]
fn overall_figures_are_those_of_all_events() {
    let events = events(2_000);
    let mut all = Metrics::with_resolution(8).unwrap();
    for (_, probability, label, importance, _) in &events {
        all.push(*probability, *label, *importance).unwrap();
    }
    assert_eq!(recorded(&events).overall().unwrap(), all);
}

#[test]
fn slices_are_by_local_hour_weekday_and_category() {
    let events = [
        // 15:30 and 15:59 on Wednesday, 16:00, and 00:10 on Thursday in Delhi.
        (START_MS, 0.25, true, 1.0, 0),
        (START_MS + 29 * MINUTE_MS, 0.75, true, 1.0, 1),
        (START_MS + 30 * MINUTE_MS, 0.5, false, 1.0, 1),
        (START_MS + 520 * MINUTE_MS, 0.125, false, 1.0, 7),
    ];
    let page = rendered(&recorded(&events), &[0.0; 8]);
    // −(ln 0.25 + ln 0.75) / 2 = 0.8370; predicted 1 over observed 2.
    assert_eq!(
        rows_after(&page, "Hour of the day"),
        [
            "00:00|1||0.00\u{202f}%|0.1335|–|–|–|",
            "15:00|2||100.00\u{202f}%|0.8370|–|–|0.500|",
            "16:00|1||0.00\u{202f}%|0.6931|–|–|–|",
        ]
    );
    let weekdays = rows_after(&page, "Weekday");
    assert!(weekdays[0].starts_with("Wed|3|"), "{weekdays:?}");
    assert!(weekdays[1].starts_with("Thu|1|"), "{weekdays:?}");
    let tabs = rows_after(&page, "<h3>event/tab");
    let starts: Vec<&str> = tabs
        .iter()
        .map(|row| row.split_once("||").unwrap().0)
        .collect();
    assert_eq!(starts, ["(none)|1", "home|1", "search|2"]);
}

#[test]
fn a_curve_stays_bounded_and_keeps_every_event() {
    let mut curve = curve::Curve::new();
    let mut all = Metrics::with_resolution(2).unwrap();
    // Five years, an event every three hours, some out of order.
    for index in 0..14_600_i64 {
        let shuffled = if index % 5 == 4 { index - 3 } else { index };
        let (probability, label) = (0.1 + 0.05 * (index % 9) as f64, index % 4 == 0);
        let time_ms = START_MS + shuffled * 3 * 60 * MINUTE_MS;
        curve.push(time_ms, probability, label, 1.0).unwrap();
        all.push(probability, label, 1.0).unwrap();
        assert!(curve.points().len() <= curve::POINTS);
    }
    assert!(curve.points().len() > curve::POINTS / 3);
    let mut sum = Metrics::with_resolution(2).unwrap();
    for (before, point) in curve.points().zip(curve.points().skip(1)) {
        assert!(point.start_ms - before.start_ms >= curve.width_ms());
    }
    for point in curve.points() {
        sum.merge(point.metrics).unwrap();
    }
    assert_eq!(sum, all);
}

#[test]
fn features_are_ranked_by_weight_and_by_contribution_on_the_newest_day() {
    let mut recorder = Recorder::new(&spec(), "HI", &[]).unwrap();
    // Of the day before, which counts no more: position 3 everywhere.
    record(&mut recorder, &(START_MS - 86_400_000, 0.5, true, 1.0, 3));
    for (index, tab) in [0, 0, 0, 1].into_iter().enumerate() {
        record(
            &mut recorder,
            &(START_MS + index as i64, 0.5, true, 1.0, tab),
        );
    }
    let ranked = recorder.ranked(&[0.5, -0.75, 0.0, 9.0]);
    assert_eq!(ranked.events, 4);
    let columns: Vec<u32> = ranked
        .by_weight
        .iter()
        .map(|feature| feature.column)
        .collect();
    assert_eq!(columns, [3, 1, 0]);
    let found: Vec<(u32, f64)> = (ranked.by_contribution.iter())
        .map(|feature| (feature.column, feature.contribution))
        .collect();
    // 0.5 · √(3 · 2² / 4) and 0.75 · √(1 · 2² / 4).
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].0, found[1].0), (0, 1));
    assert!((found[0].1 - 0.5 * 3.0_f64.sqrt()).abs() < 1e-12);
    assert!((found[1].1 - 0.75).abs() < 1e-12);
}

#[test]
fn unknown_categories_are_wrong_usage() {
    let failure = Recorder::new(&spec(), "HI", &["event/tap".to_owned()]).unwrap_err();
    assert_eq!(failure.exit_code(), 2);
    assert_eq!(
        failure.render(),
        "error: --report-by event/tap: the spec has no feature of this name with a value a position"
    );
}

#[test]
fn the_page_is_whole_escaped_and_needs_nothing_else() {
    let mut recorder = recorded(&events(3_000));
    recorder.dump(DumpFact {
        time_ms: START_MS,
        version: "2022-05-04T10-42".to_owned(),
        kind: DumpKind::Withheld,
        why: "log loss <0.9> is above 0.8".to_owned(),
        log_loss: Some(0.9),
        calibration: None,
        events: 42,
    });
    let page = rendered(&recorder, &[0.5, -0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    for part in [
        "likes &lt;of&gt; HI &amp; more",
        "3\u{202f}000",
        "Log loss",
        "Calibration curve",
        "ROC curve",
        "event/tab=home",
        "not_json",
        "2022-05-04T10-42",
        "log loss &lt;0.9&gt; is above 0.8",
        "1\u{202f}234\u{202f}567",
        "prefers-color-scheme: dark",
        "width=device-width",
    ] {
        assert!(page.contains(part), "no {part}");
    }
    for part in [
        "http://", "https://", "<script", "NaN", "inf", "@import", "url(",
    ] {
        assert!(!page.contains(part), "has {part}");
    }
    assert_eq!(page.matches("<svg").count(), 5);
    // As XML it would break where a tag or a quote is not closed.
    assert_eq!(
        page.matches("<table").count(),
        page.matches("</table>").count()
    );
}

#[test]
fn a_page_of_nothing_is_a_page() {
    let recorder = Recorder::new(&spec(), "HI", &[]).unwrap();
    let page = rendered(&recorder, &[0.0; 8]);
    assert!(page.contains("No events yet"));
    assert!(page.contains("not yet events of both kinds"));
}

#[test]
fn damaged_states_are_errors() {
    let spec = spec();
    let whole = recorded(&events(100)).to_bytes().unwrap();
    let read = |bytes: &[u8]| Recorder::from_bytes(&spec, "HI", &by_tab(), bytes);
    assert!(read(&whole).is_ok());
    for length in [0, 7, 8, 100, whole.len() - 8, whole.len() - 1] {
        assert!(read(&whole[..length]).is_err(), "{length} bytes");
    }
    let mut longest = whole.clone();
    longest[..8].fill(255);
    assert!(read(&longest).is_err());
    let mut nan = whole.clone();
    let end = nan.len();
    nan[end - 8..].copy_from_slice(&f64::NAN.to_le_bytes());
    assert!(read(&nan).is_err());
    assert!(Recorder::from_bytes(&spec, "HI", &[], &whole).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Stopping anywhere and going on from the bytes gives the same page, for events in any order.
    #[test]
    fn a_restart_anywhere_changes_nothing(
        given in prop::collection::vec(
            (0_i64..40_000, 0.001_f64..0.999, any::<bool>(), 0_u32..8),
            1..120,
        ),
        cut in any::<prop::sample::Index>(),
    ) {
        let events: Vec<Given> = given
            .into_iter()
            .map(|(minute, probability, label, tab)| {
                (START_MS + minute * MINUTE_MS, probability, label, 1.0, tab)
            })
            .collect();
        let whole = recorded(&events);
        let cut = cut.index(events.len());
        let first = recorded(&events[..cut]).to_bytes().unwrap();
        let mut second = Recorder::from_bytes(&spec(), "HI", &by_tab(), &first).unwrap();
        events[cut..].iter().for_each(|event| record(&mut second, event));
        prop_assert_eq!(second.to_bytes().unwrap(), whole.to_bytes().unwrap());
        let weights = [0.5; 8];
        prop_assert_eq!(rendered(&second, &weights), rendered(&whole, &weights));
    }
}
