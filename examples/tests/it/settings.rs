//! Settings: flags over the file over the defaults, and messages that show the line.

use std::path::Path;

use bytes::Bytes;
use clap::{CommandFactory, FromArgMatches, Parser};
use model_io::{ArtifactKind, Blocking, Location, Registry, Version};
use pipeline::cli::Failure;
use pipeline::settings::{Job, Settings};
use pipeline::spec_source;
use pipeline::train::TrainConfig;

#[derive(Debug, Parser)]
#[command(name = "train")]
struct Args {
    #[command(flatten)]
    settings: Settings,
}

fn flags(flags: &[&str]) -> Settings {
    let arguments = std::iter::once(&"train").chain(flags);
    Args::try_parse_from(arguments).unwrap().settings
}

fn stream(settings: &Settings) -> TrainConfig {
    match settings.job().unwrap() {
        Job::Stream(config) => *config,
        job => panic!("no stream: {job:?}"),
    }
}

fn message(settings: Result<Settings, Failure>) -> String {
    let failure = settings.unwrap_err();
    assert_eq!(failure.exit_code(), 2);
    failure.render()
}

/// A spec with a vocabulary in a file of its own.
const SPEC: &str = r#"
format = 1
name = "test"
dimension = 16
[vocabulary.tab]
file = "tabs.txt"
[event.tab]
from = "context.tab"
vocabulary = "tab"
"#;

const FILE: &str = r#"
input_path = "s3-of-the-file"
spec = "spec.toml"
output = "models"
language = "BN"
threads = 3
max_reject_share = 0.25
threshold = 0.125

[learner]
optimizer = "ftrl"
learning_rate = 0.5

[eyes]
log = "warn"
listen = "127.0.0.1:9090"
"#;

#[test]
fn a_flag_counts_before_the_file_and_the_file_before_the_default() {
    let file = Settings::from_toml("trainer.toml", FILE).unwrap();
    let given = flags(&[
        "--input-path",
        "of-the-flag",
        "--threshold=0.75",
        "--learning-rate=2",
    ]);
    let merged = given.over(&file).unwrap();
    let config = stream(&merged);
    // Flags.
    assert_eq!(config.input, Path::new("of-the-flag"));
    assert!((config.threshold - 0.75).abs() < 1e-12);
    let lr_core::OptimizerConfig::Ftrl(ftrl) = &config.learner.optimizer else {
        panic!("{:?}", config.learner.optimizer);
    };
    assert!((ftrl.alpha - 2.0).abs() < 1e-12);
    // The file.
    assert_eq!(config.language, "BN");
    assert_eq!(config.threads, 3);
    assert!((config.max_reject_share - 0.25).abs() < 1e-12);
    assert_eq!(merged.log(), "warn");
    // Defaults.
    let default = TrainConfig::new("", "", "HI", "");
    let nothing = flags(&["--input-path=e", "--spec=s", "--output=m"]);
    let config = stream(&nothing);
    assert_eq!(config.language, default.language);
    assert!((config.max_reject_share - default.max_reject_share).abs() < 1e-12);
    assert!((config.threshold - default.threshold).abs() < 1e-12);
    assert_eq!(config.learner, default.learner);
    assert_eq!(nothing.log(), "info");
}

#[test]
fn the_names_of_the_old_job_are_flags() {
    let given = flags(&[
        "--input-path=s3://bucket/events",
        "--model-version=v7",
        "--config-version=2022-05-01",
        "--output=s3://bucket",
    ]);
    let config = stream(&given);
    assert_eq!(config.model_version.as_deref(), Some("v7"));
    assert_eq!(config.config_version.as_deref(), Some("2022-05-01"));
}

#[test]
fn what_is_printed_is_complete_and_gives_the_same_settings_back() {
    for settings in [
        Settings::default(),
        Settings::defaults(),
        Settings::from_toml("trainer.toml", FILE).unwrap(),
        flags(&["--evaluate-from", "quote\"and\nline", "--plays=7"]),
    ] {
        let printed = settings.print().unwrap();
        let read = Settings::from_toml("printed", &printed).unwrap();
        assert_eq!(read, settings, "{printed}");
        // Every flag has its key, set or as a comment.
        for arg in Args::command().get_arguments() {
            let key = format!("{} = ", arg.get_id());
            let there = |line: &str| line.trim_start_matches("# ").starts_with(&key);
            assert!(printed.lines().any(there), "{key}\n{printed}");
        }
    }
}

#[test]
fn keys_of_a_printed_file_can_be_changed_and_turned_on() {
    let given = flags(&["--input-path=e", "--spec=s", "--output=m"]);
    let printed = given.with_defaults().unwrap().print().unwrap();
    let edited = printed
        .replace("# learning_rate = RATE", "learning_rate = 0.5")
        .replace("\"bank\"", "\"sgd\"");
    let settings = Settings::from_toml("trainer.toml", &edited).unwrap();
    let lr_core::OptimizerConfig::Sgd(sgd) = stream(&settings).learner.optimizer else {
        panic!("not sgd:\n{edited}");
    };
    assert!((sgd.learning_rate - 0.5).abs() < 1e-12);
}

#[test]
fn help_names_the_defaults() {
    let mut command = Settings::describe_defaults(Args::command());
    let help = command.render_long_help().to_string();
    for default in [
        "[default: HI]",
        "[default: 0.01]",
        "[default: bank]",
        "[default: info]",
    ] {
        assert!(help.contains(default), "{default}\n{help}");
    }
    let matches = command.try_get_matches_from(["train", "--threshold=0.25"]);
    let args = Args::from_arg_matches(&matches.unwrap()).unwrap();
    assert!((args.settings.threshold.unwrap().get() - 0.25).abs() < 1e-12);
}

#[test]
fn errors_of_the_file_show_line_key_value_and_range() {
    for (text, expected) in [
        (
            "language = \"HI\"\nmax_reject_share = 1.5\n",
            "error: trainer.toml: TOML parse error at line 2, column 20
  |
2 | max_reject_share = 1.5
  |                    ^^^
1.5 is not a share from 0 to 1",
        ),
        (
            "threshold = 1\n",
            "error: trainer.toml: TOML parse error at line 1, column 13
  |
1 | threshold = 1
  |             ^
1 is not a probability between 0 and 1",
        ),
        (
            "threads = 0\n",
            "error: trainer.toml: TOML parse error at line 1, column 11
  |
1 | threads = 0
  |           ^
invalid value: integer `0`, expected a nonzero u16",
        ),
        (
            "[learner]\noptimizer = \"adam\"\n",
            "error: trainer.toml: TOML parse error at line 2, column 13
  |
2 | optimizer = \"adam\"
  |             ^^^^^^
no optimiser is called \"adam\": use bank, ftrl, adagrad, normalized or sgd",
        ),
        (
            "[eyes]\nlog_fromat = \"json\"\n",
            "error: trainer.toml: TOML parse error at line 2, column 1
  |
2 | log_fromat = \"json\"
  | ^^^^^^^^^^
unknown field `log_fromat`, expected one of `log_format`, `log`, `listen`",
        ),
        (
            "language = \"HI\"\nlanguage = \"BN\"\n",
            "error: trainer.toml: TOML parse error at line 2, column 1
  |
2 | language = \"BN\"
  | ^^^^^^^^
duplicate key",
        ),
    ] {
        assert_eq!(message(Settings::from_toml("trainer.toml", text)), expected);
    }
    let missing = message(Settings::from_path(Path::new("no/such/trainer.toml")));
    assert!(
        missing.starts_with("error: --config no/such/trainer.toml: "),
        "{missing}"
    );
}

#[test]
fn errors_of_a_flag_name_flag_value_and_range() {
    let refused = |flag: &str| {
        Args::try_parse_from(["train", flag])
            .unwrap_err()
            .to_string()
    };
    let expected = "invalid value '1.5' for '--max-reject-share <MAX_REJECT_SHARE>': 1.5 is not a share from 0 to 1";
    assert!(refused("--max-reject-share=1.5").contains(expected));
    let nan = refused("--threshold=NaN");
    assert!(
        nan.contains("NaN is not a probability between 0 and 1"),
        "{nan}"
    );
    assert!(refused("--learning-rate=fast").contains("not a number"));
}

#[test]
fn settings_that_do_not_go_together_are_wrong_usage() {
    for (given, expected) in [
        (
            &["--input-path=e", "--output=m"][..],
            "error: --input-path needs one of --spec and --config-version, as a flag or as a key of the --config file",
        ),
        (
            &["--input-path=e", "--spec=s"],
            "error: --input-path needs --output, as a flag or as a key of the --config file",
        ),
        (
            &["--spec=s"],
            "error: --spec needs --input-path, as a flag or as a key of the --config file",
        ),
        (
            &["--input-path=e", "--spec=s", "--output=m", "--plays=5"],
            "error: --plays is for the demo and does not go with --input-path",
        ),
        (
            &[
                "--input-path=e",
                "--spec=s",
                "--output=m",
                "--learning-rate=0.1",
            ],
            "error: --learning-rate: optimizer bank takes none",
        ),
    ] {
        let failure = flags(given).job().unwrap_err();
        assert_eq!(
            (failure.exit_code(), failure.render().as_str()),
            (2, expected)
        );
    }
}

#[test]
fn a_version_of_the_config_is_its_spec_with_its_vocabularies() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    let registry = Registry::open(Location::parse(root).unwrap());
    let version = Version::new("2022-05-01").unwrap();
    let files = [
        ("spec.toml", Bytes::from(SPEC)),
        ("tabs.txt", Bytes::from("home\nsearch\n")),
    ];
    let files: Vec<_> = files.map(|(name, bytes)| (name.to_owned(), bytes)).into();
    let publish = registry.publish_artifact(ArtifactKind::Spec, "HI", &version, &files);
    Blocking::new().unwrap().run(publish).unwrap();

    let output = format!("--output={root}");
    let given = flags(&["--input-path=e", "--config-version=2022-05-01", &output]);
    let spec = spec_source::load(&stream(&given)).unwrap();
    assert_eq!(spec.describe(1), "event/tab=search");

    let given = flags(&["--input-path=e", "--config-version=2022-05-02", &output]);
    let failure = spec_source::load(&stream(&given)).unwrap_err();
    assert_eq!(failure.exit_code(), 1);
    let expected = "error: --config-version 2022-05-02: spec version 2022-05-02 ";
    assert!(
        failure.render().starts_with(expected),
        "{}",
        failure.render()
    );
}
