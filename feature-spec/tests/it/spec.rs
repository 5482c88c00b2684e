//! The compiled spec: positions, names, canonical text, fingerprints.

use std::collections::BTreeMap;

use feature_spec::{FeatureSpec, LoadOptions, Vector};
use proptest::prelude::*;
use zscore_stats::{Absent, Scale, Transform};

/// A spec that uses every part of the schema.
pub(crate) const WHOLE: &str = r##"
format = 1
name = "whole"
version = "7"
language = "HI"
time_zone = "Asia/Kolkata"
dimension = 2_000
counters = ["plays", "liked", "watched_10s"]

[defaults]
transform = "log1p"
scale = "z_score"
clip = [-8, 8]

[vocabulary.hashtag]
values = ["#comedy", "#funny", "#dance", "a/b=c", ""]
capacity = 8
[vocabulary.location]
values = ["delhi", "mumbai"]
[calendar.festival]
days = ["2022-10-24 diwali", "2022-03-18..2022-03-19 holi"]

[metric.share]
share = "plays"
[metric.like_rate]
rate = "liked"
per = "plays"
a = 0.5
b = 30
as = "logit"
[metric.recency]
recency = "hours"
transform = "log1p"

[user.hashtag]
history = "user.hashtag"
metrics = ["share", "plays", "liked"]
vocabulary = "hashtag"
unknown = "other"
start = 10
[user.location]
from = "user.location"
vocabulary = "location"
unknown = { size = 5, seed = 3 }
[user.days]
number = "user.days_registered"
[user.age]
number = "user.age"
edges = [18, 25, 40]
positions = [0, 7, 3, 5]
[user.all]
history = "user.all"
metrics = ["recency", "plays", "like_rate"]
absent = "skip"
[item.all]
history = "item.all"
metrics = ["like_rate"]
[item.live]
boolean = "item.live"
[item.size]
number = "item.bytes"
powers_of_two = 10
[item.author]
from = "item.author"
hash = { size = 50, seed = 11 }
[event.match]
history = "user.hashtag"
match = "item.hashtag"
combine = "sum"
metrics = ["plays", "like_rate"]
[event.match_each]
history = "user.hashtag"
match = "item.hashtag"
metrics = ["plays", "liked"]
vocabulary = "hashtag"
order = "value_fastest"
[event.pairs]
from = ["user.location", "item.hashtag"]
hash = { size = 100, seed = 5 }
[event.hour]
from = "time.hour"
[event.weekday]
from = "time.weekday"
[event.weekend]
from = "time.weekend"
[event.festival]
from = "calendar.festival"
[event.rate_by_location]
from = [{ history = "user.all", metric = "like_rate", edges = [-4, -3] }, "user.location"]
hash = { size = 40 }
[event.duration_by_location]
from = "user.location"
number = "item.duration_s"
vocabulary = "location"
"##;

pub(crate) fn spec(text: &str) -> FeatureSpec {
    FeatureSpec::from_toml(text).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_scattered_feature_sits_where_it_says() {
    let spec = spec(
        r#"
        format = 1
        name = "feature 1 at 0 and 7"
        dimension = 8
        counters = ["plays", "liked"]
        [user.one]
        history = "user.all"
        metrics = ["plays", "liked"]
        positions = [0, 7]
        "#,
    );
    assert_eq!(spec.describe(0), "user/one/plays");
    assert_eq!(spec.describe(7), "user/one/liked");
    assert_eq!(spec.describe(3), "-");
    assert_eq!(spec.position_of("user/one/liked"), Some(7));
    assert_eq!(spec.vector_of(7), Some(Vector::User));
    assert_eq!(spec.vector_of(3), None);
}

#[test]
fn every_name_leads_back_to_its_position() {
    let spec = spec(WHOLE);
    let mut names = std::collections::BTreeSet::new();
    for listed in spec.listing() {
        assert_eq!(
            spec.position_of(&listed.name),
            Some(listed.column),
            "{}",
            listed.name
        );
        assert!(names.insert(listed.name));
    }
    assert!(names.contains("user/hashtag=a/b=c/share"));
    assert!(names.contains("user/hashtag=/plays"));
    assert!(names.contains("user/hashtag~kept6/plays"));
    assert!(names.contains("user/hashtag~other/plays"));
    assert!(names.contains("user/location~4"));
    assert!(names.contains("user/age/18..25"));
    assert!(names.contains("event/festival=holi"));
    assert_eq!(spec.describe(5), "user/age/>=40");
    // Metric fastest: value 1, metric 2 is slot 1 × 3 + 2; value fastest: metric 1, value 2.
    assert_eq!(spec.position_of("user/hashtag=#funny/liked"), Some(10 + 5));
    let first = spec.position_of("event/match_each=#comedy/plays").unwrap();
    assert_eq!(
        spec.position_of("event/match_each=#dance/liked"),
        Some(first + 8 + 2)
    );
}

#[test]
fn policies_come_from_the_metric_then_the_feature_then_the_defaults() {
    let spec = spec(WHOLE);
    let policy = |name: &str| {
        *spec
            .policies()
            .policy(spec.position_of(name).unwrap())
            .unwrap()
    };
    let plays = policy("user/all/plays");
    assert_eq!(
        (plays.transform, plays.scale),
        (Transform::Log1p, Scale::ZScore)
    );
    assert_eq!((plays.absent, plays.absent_value), (Absent::Skip, 0.0));
    assert_eq!(plays.clip.map(|c| (c.low, c.high)), Some((-8.0, 8.0)));
    let rate = policy("user/all/like_rate");
    assert_eq!(
        (rate.transform, rate.scale),
        (Transform::None, Scale::ZScore)
    );
    let p: f64 = 0.5 / 30.0;
    approx::assert_relative_eq!(
        rate.absent_value,
        (p / (1.0 - p)).ln(),
        max_relative = 1e-15
    );
    let recency = policy("user/all/recency");
    assert_eq!(
        (recency.transform, recency.absent_value),
        (Transform::Log1p, 720.0)
    );
    let one_hot = policy("user/location=delhi");
    assert_eq!(
        (one_hot.transform, one_hot.scale, one_hot.clip),
        (Transform::None, Scale::None, None)
    );
    assert_eq!(policy("user/age/<18").scale, Scale::None);
}

#[test]
fn the_canonical_text_reads_back_as_the_same_spec() {
    let spec = spec(WHOLE);
    let again = FeatureSpec::from_canonical(spec.canonical()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(again.canonical(), spec.canonical());
    assert_eq!(again.fingerprint(), spec.fingerprint());
    assert_eq!(again.scaling_fingerprint(), spec.scaling_fingerprint());
    assert_eq!(again.policies(), spec.policies());
    assert!(again.listing().eq(spec.listing()));
    assert_eq!(again.time_zone(), "Asia/Kolkata");
}

#[test]
fn files_and_inline_tables_give_the_same_fingerprint() {
    let (head, _) = WHOLE.split_once("[user.hashtag]").unwrap();
    let inline = format!(
        "{head}[user.hashtag]\nfrom = \"user.hashtag\"\nvocabulary = \"hashtag\"\n[item.x]\nnumber = \"item.x\"\nstart = 20\n"
    );
    let root = head.replace(
        "values = [\"#comedy\", \"#funny\", \"#dance\", \"a/b=c\", \"\"]",
        "file = \"tags/hashtag.tsv\"\nmin_count = 2 # a comment",
    );
    let root = root.replace(
        "format = 1",
        "format = 1\ninclude = [\"user.toml\", \"item.toml\"]",
    );
    let mut files = BTreeMap::new();
    let tags = "#comedy\t9\n#funny\t8\nrare\t1\n#dance\t7\na/b=c\t5\n\t4\n";
    files.insert("tags/hashtag.tsv".to_owned(), tags.as_bytes().to_vec());
    files.insert(
        "item.toml".to_owned(),
        b"[item.x]\nstart = 20\nnumber = 'item.x'\n".to_vec(),
    );
    let user = b"[user.renamed]\nvocabulary = \"hashtag\"\nfrom = \"user.hashtag\"\n".to_vec();
    files.insert("user.toml".to_owned(), user);
    let split = FeatureSpec::from_reader(
        "spec.toml",
        &mut root.as_bytes(),
        &files,
        &LoadOptions::default(),
    )
    .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(split.fingerprint(), spec(&inline).fingerprint());
    assert_eq!(
        split.scaling_fingerprint(),
        spec(&inline).scaling_fingerprint()
    );
}

#[test]
fn the_fingerprint_changes_exactly_with_the_meaning() {
    let base = spec(WHOLE);
    let same = [
        ("name = \"whole\"", "name = \"other\""),
        ("version = \"7\"", "version = \"8\""),
        ("[event.pairs]", "[event.couples]"),
        (
            "days = [\"2022-10-24 diwali\", \"2022-03-18..2022-03-19 holi\"]",
            "days = [\"2022-03-18..2022-03-19 holi\", \"2022-10-24 diwali\"]",
        ),
    ];
    for (from, to) in same {
        let changed = spec(&WHOLE.replace(from, to));
        assert_eq!(changed.fingerprint(), base.fingerprint(), "{to}");
        assert_eq!(
            changed.scaling_fingerprint(),
            base.scaling_fingerprint(),
            "{to}"
        );
    }
    let scaling = [
        ("scale = \"z_score\"", "scale = \"unit\""),
        ("clip = [-8, 8]", "clip = [-8, 7]"),
        ("absent = \"skip\"", "absent = \"zero\""),
        ("[defaults]", "[population]\nuser = \"events\"\n[defaults]"),
    ];
    for (from, to) in scaling {
        let changed = spec(&WHOLE.replace(from, to));
        assert_eq!(changed.fingerprint(), base.fingerprint(), "{to}");
        assert_ne!(
            changed.scaling_fingerprint(),
            base.scaling_fingerprint(),
            "{to}"
        );
    }
    let meaning = [
        ("dimension = 2_000", "dimension = 2_001"),
        (
            "dimension = 2_000",
            "dimension = 2_000\nlayout = \"concatenated\"",
        ),
        ("Asia/Kolkata", "Asia/Kathmandu"),
        ("\"#comedy\", \"#funny\"", "\"#funny\", \"#comedy\""),
        ("seed = 5", "seed = 6"),
        ("size = 100", "size = 99"),
        ("a = 0.5", "a = 0.25"),
        ("as = \"logit\"", "as = \"log\""),
        ("edges = [18, 25, 40]", "edges = [18, 26, 40]"),
        ("combine = \"sum\"", "combine = \"max\""),
        ("2022-10-24 diwali", "2022-10-25 diwali"),
        (
            "number = \"user.days_registered\"",
            "number = \"user.days\"",
        ),
        ("recency = \"hours\"", "recency = \"days\""),
        ("start = 10", "start = 11"),
        ("positions = [0, 7, 3, 5]", "positions = [0, 3, 7, 5]"),
        ("order = \"value_fastest\"", "order = \"metric_fastest\""),
        ("boolean = \"item.live\"", "number = \"item.live\""),
    ];
    for (from, to) in meaning {
        assert!(WHOLE.contains(from), "{from}");
        let changed = spec(&WHOLE.replace(from, to));
        assert_ne!(changed.fingerprint(), base.fingerprint(), "{to}");
    }
}

#[test]
fn the_fingerprint_is_the_same_on_every_machine() {
    assert_eq!(spec(WHOLE).fingerprint().to_string(), FINGERPRINT);
}

/// Changes only with the format of the fingerprint.
const FINGERPRINT: &str = "e3000622f66693d088a096b07f80a71fcbb51c8e98c06ecdde9027a863fbb2b0";

#[test]
fn the_concatenated_layout_keeps_the_vectors_apart() {
    let spec = spec(
        r#"
        format = 1
        name = "apart"
        dimension = 10
        layout = "concatenated"
        [user.a]
        number = "user.a"
        start = 3
        [item.a]
        number = "item.a"
        start = 3
        [event.a]
        number = "context.a"
        start = 3
        "#,
    );
    assert_eq!((spec.dimension(), spec.columns()), (10, 30));
    let columns: Vec<_> = spec
        .listing()
        .map(|l| (l.column, l.position, l.name))
        .collect();
    assert_eq!(
        columns,
        [
            (3, 3, "user/a".to_owned()),
            (13, 3, "item/a".to_owned()),
            (23, 3, "event/a".to_owned()),
        ]
    );
    assert_eq!(spec.vector_of(15), Some(Vector::Item));
    assert_eq!(spec.cohorts().of(13), Some(1));
}

fn is_send_sync<T: Send + Sync + 'static>() {}

#[test]
fn a_spec_crosses_threads() {
    is_send_sync::<FeatureSpec>();
    is_send_sync::<feature_spec::SpecError>();
}

proptest! {
    #[test]
    fn any_text_is_read_or_rejected(text in "\\PC{0,200}") {
        let _ = FeatureSpec::from_toml(&text);
    }

    /// One byte of a whole spec changed: no panic, and what is accepted can be used.
    #[test]
    fn damaged_specs_are_read_or_rejected(at in 0..WHOLE.len(), byte in 0_u8..128) {
        let mut bytes = WHOLE.as_bytes().to_vec();
        bytes[at] = byte;
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        match FeatureSpec::from_toml(&text) {
            Ok(spec) => {
                let again = FeatureSpec::from_canonical(spec.canonical());
                prop_assert_eq!(again.map(|s| s.fingerprint()).map_err(|e| e.to_string()), Ok(spec.fingerprint()));
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    /// Lines of a whole spec in another order of tables: the same meaning where starts are given.
    #[test]
    fn lines_left_out_do_not_panic(out in prop::collection::vec(0_usize..120, 1..6)) {
        let text: Vec<_> =
            WHOLE.lines().enumerate().filter(|(i, _)| !out.contains(i)).map(|(_, l)| l).collect();
        let _ = FeatureSpec::from_toml(&text.join("\n"));
    }
}
