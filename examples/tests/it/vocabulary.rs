//! Vocabularies: values with counts, most frequent first.

use pipeline::progress::Progress;
use pipeline::vocabulary::{self, VocabularyConfig};

use crate::log::{Log, MAPPING};

fn config(log: &Log) -> VocabularyConfig {
    let mut config = VocabularyConfig::new(
        log.path("mapping.toml"),
        log.path("plays.csv"),
        log.path("out"),
    );
    config.users = Some(log.path("users.csv"));
    config.videos = Some(log.path("videos.csv"));
    config
}

const PLAYS: [&str; 4] = [
    "1,u1,v1,home,1,0,0",
    "2,u1,v1,b,1,0,0",
    "2,u1,v1,a,1,0,0",
    "3,u1,v1,late,1,0,0",
];

#[test]
fn values_come_most_frequent_first_and_plays_only_before_the_time() {
    let log = Log::new(&PLAYS);
    let written = vocabulary::run(&config(&log), Progress::silent()).unwrap();
    assert_eq!(
        written.iter().map(|one| one.values).collect::<Vec<_>>(),
        [2, 3]
    );
    let read = |name: &str| std::fs::read_to_string(log.path("out").join(name)).unwrap();
    assert_eq!(read("hashtag.tsv"), "#comedy\t2\n#dance\t1\n");
    assert_eq!(read("tab.tsv"), "a\t1\nb\t1\nhome\t1\n");
}

#[test]
fn rare_values_are_left_out() {
    let mapping = MAPPING.replace(
        "of = \"items.hashtag\"",
        "of = \"items.hashtag\"\nminimum_count = 2",
    );
    let log = Log::with(&mapping, &PLAYS);
    let written = vocabulary::run(&config(&log), Progress::silent()).unwrap();
    assert_eq!((written[0].values, written[0].rare), (1, 1));
}

#[test]
fn tabs_line_ends_and_backslashes_are_escaped() {
    let log = Log::new(&["1,u1,v1,\"a\tb\nc\rd\\\",1,0,0"]);
    vocabulary::run(&config(&log), Progress::silent()).unwrap();
    let text = std::fs::read_to_string(log.path("out/tab.tsv")).unwrap();
    assert_eq!(text, "a\\tb\\nc\\rd\\\\\t1\n");
}

#[test]
fn an_empty_vocabulary_is_an_error() {
    let log = Log::new(&PLAYS[3..]);
    let failure = vocabulary::run(&config(&log), Progress::silent()).unwrap_err();
    let expected = "error: vocabulary tab: no value in at least 1 rows";
    assert_eq!(log.explain(&failure), (1, expected.to_owned()));
}

#[test]
fn a_table_that_is_needed_and_not_given_is_wrong_usage() {
    let log = Log::new(&PLAYS);
    let mut config = config(&log);
    config.videos = None;
    let failure = vocabulary::run(&config, Progress::silent()).unwrap_err();
    let expected = "error: --videos is needed: the mapping has a vocabulary of that table";
    assert_eq!(log.explain(&failure), (2, expected.to_owned()));
}
