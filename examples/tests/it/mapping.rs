//! Mapping files that are wrong, each with its message.

use pipeline::mapping::Mapping;

use crate::log::MAPPING;

#[test]
fn a_wrong_mapping_is_told_with_its_key() {
    let cases = [
        (
            "format = 1",
            "format = 7",
            "format: 7 is not known; this program reads format 1",
        ),
        (
            "lateness_s = 1",
            "latness_s = 1",
            "line 9, column 1: unknown field `latness_s`, expected one of `time`, `time_unit`, \
             `user`, `item`, `id`, `labels`, `attributes`, `numbers`, `duplicates`, `lateness_s`",
        ),
        (
            "lateness_s = 1",
            "lateness_s = -1",
            "line 9, column 14: invalid value: integer `-1`, expected u32",
        ),
        (
            "labels = [\"like\", \"share\"]",
            "labels = []",
            "plays.labels: lists no column",
        ),
        (
            "\"like\", \"share\"",
            "\"like\", \"like\"",
            "plays.labels: `like` stands there twice",
        ),
        (
            "[\"location\"]",
            "[\"location\", \"location\"]",
            "users.attributes: `location` stands there twice",
        ),
        (
            "separator = \",\"",
            "separator = \"\"",
            "items.attributes: `hashtag` has an empty separator",
        ),
        (
            "factor = 0.001",
            "factor = inf",
            "items.numbers: the factor of `duration_s` is not finite",
        ),
        (
            "of = \"items.hashtag\"",
            "of = \"items.tags\"",
            "vocabularies.hashtag: \"items.tags\" is neither an attribute nor the id of its table",
        ),
        (
            "of = \"items.hashtag\"",
            "of = \"hashtag\"",
            "vocabularies.hashtag: `of` is \"hashtag\", not users.…, items.… or plays.…",
        ),
        (
            "before = \"1970-01-01T00:00:00.003Z\"",
            "",
            "vocabularies.tab: from plays, `before` must say up to when, so that it knows the past alone",
        ),
        (
            "of = \"items.hashtag\"",
            "of = \"items.hashtag\"\nbefore = \"1970-01-01T00:00:00Z\"",
            "vocabularies.hashtag: `before` is for vocabularies of plays",
        ),
    ];
    for (from, to, expected) in cases {
        assert!(MAPPING.contains(from), "{from}");
        let wrong = MAPPING.replacen(from, to, 1);
        assert_eq!(Mapping::parse(&wrong).unwrap_err(), expected);
    }
}

#[test]
fn the_mappings_beside_the_programs_can_be_read() {
    for name in ["demo", "kuairand"] {
        let path = format!("{}/config/{name}/mapping.toml", env!("CARGO_MANIFEST_DIR"));
        let mapping = Mapping::from_path(path.as_ref()).unwrap();
        feature_spec::history::History::new(mapping.history).unwrap();
        assert_eq!(mapping.plays.labels[0], "is_like");
    }
}

#[test]
fn the_mapping_in_the_documentation_can_be_read() {
    let source = include_str!("../../src/mapping.rs");
    let lines = source.lines().filter_map(|line| line.strip_prefix("//!"));
    let block = lines.skip_while(|line| *line != " ```toml").skip(1);
    let block: Vec<&str> = block.take_while(|line| *line != " ```").collect();
    let mapping = Mapping::parse(&block.join("\n")).unwrap();
    assert_eq!(mapping.history.groups.len(), 3);
    assert_eq!(mapping.vocabularies[0].minimum_count, 2);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = Mapping::parse(&text);
    }
}
