//! The programs themselves, as built: what they say, and how they end.
//!
//! Debug builds, in which the parser of command lines checks its own definitions.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where cargo puts the examples of the build that this test is of.
fn folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples")
}

/// The program, as cargo built it beside this test.
fn program(name: &str) -> Command {
    let path = folder().join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.is_file(),
        "{} is not built; `cargo test -p examples` without `--test` builds the programs",
        path.display()
    );
    Command::new(path)
}

/// Every program: the files beside the manifest.
fn names() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = folder.read_dir().unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".rs").map(str::to_owned)
    });
    names
        .filter(|name| cfg!(feature = "http") || name != "serve")
        .collect()
}

fn run(name: &str, arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = program(name).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn every_program_tells_its_name_version_and_flags() {
    for name in names() {
        // To `evaluate`, a version is that of a model.
        if name != "evaluate" {
            let (code, version, _) = run(&name, &["--version"]);
            let expected = format!("{name} {}\n", env!("CARGO_PKG_VERSION"));
            assert_eq!((code, version), (0, expected));
        }
        let (code, help, _) = run(&name, &["--help"]);
        assert_eq!(code, 0, "{name}");
        assert!(help.contains("Usage: "), "{name}: {help}");
        let first = help.lines().next().unwrap_or_default();
        assert!(
            first.contains(' '),
            "{name} does not say what it does: {help}"
        );
    }
}

#[test]
fn wrong_usage_ends_with_2_and_leaves_standard_output_alone() {
    for name in names() {
        let (code, output, message) = run(&name, &["--no-such-flag"]);
        assert_eq!((code, &*output), (2, ""), "{name}: {message}");
        assert!(message.starts_with("error: "), "{name}: {message}");
        assert!(message.contains("--no-such-flag"), "{name}: {message}");
    }
    let wrong: [(&str, &[&str]); 4] = [
        (
            "predict",
            &["--model", "m", "--events", "e", "--threshold", "2"],
        ),
        ("libsvm", &["--passes", "0", "file"]),
        ("train", &["--threshold", "1.5", "--plays", "10"]),
        ("registry", &["s3://key:secret@bucket/root", "list"]),
    ];
    for (name, arguments) in wrong {
        let (code, output, message) = run(name, arguments);
        assert_eq!((code, &*output), (2, ""), "{name}: {message}");
        assert!(message.starts_with("error: "), "{name}: {message}");
    }
}

#[test]
fn a_missing_file_ends_with_1_and_one_message_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let missing = missing.to_str().unwrap();
    let output = folder.path().join("output");
    let output = output.to_str().unwrap();
    let spec = concat!(env!("CARGO_MANIFEST_DIR"), "/config/demo/spec.toml");
    let cases: Vec<(&str, Vec<&str>)> = vec![
        ("predict", vec!["--model", missing, "--events", missing]),
        ("libsvm", vec![missing]),
        ("spec", vec!["check", missing]),
        (
            "train",
            vec![
                "--input-path",
                missing,
                "--spec",
                missing,
                "--output",
                output,
            ],
        ),
        (
            "population",
            vec!["--input", missing, "--spec", missing, "--output", output],
        ),
        (
            "evaluate",
            vec!["--input-path", missing, "--models", missing],
        ),
        ("exact", vec!["--input-path", missing, "--spec", missing]),
        (
            "event_gen",
            vec!["--mapping", missing, "--plays", missing, "--output", output],
        ),
        (
            "vocabulary",
            vec!["--mapping", missing, "--plays", missing, "--output", output],
        ),
        ("feed", vec!["--events", missing, "--output", output]),
        ("registry", vec![output, "publish", missing]),
        ("simulate", vec!["--output", spec]),
        #[cfg(feature = "http")]
        ("serve", vec!["--model", missing, "--listen", "127.0.0.1:0"]),
    ];
    for (name, arguments) in &cases {
        let (code, _, message) = run(name, arguments);
        assert_eq!(code, 1, "{name}: {message}");
        let errors: Vec<_> = message
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        assert_eq!(errors.len(), 1, "{name}: {message}");
        let named = errors[0].contains("missing") || errors[0].contains("config/demo/spec.toml");
        assert!(named, "{name}: {message}");
        assert!(!message.contains("panicked"), "{name}: {message}");
    }
}

/// Runs a program that must succeed and returns what it prints.
fn succeed(name: &str, arguments: &[&str]) -> String {
    let (code, output, log) = run(name, arguments);
    assert_eq!(code, 0, "{name}: {log}");
    output
}

#[test]
fn the_steps_of_the_guide_lead_from_plays_to_a_prediction() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (log, vocabularies, events) = (path("log"), path("vocabularies"), path("events"));
    let (registry, spec) = (path("registry"), path("spec.toml"));
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo");
    for name in ["spec.toml", "mapping.toml", "festivals.txt"] {
        std::fs::copy(config.join(name), folder.path().join(name)).unwrap();
    }
    let mapping = path("mapping.toml");
    let tables = [
        ("--users", path("log/users.csv")),
        ("--videos", path("log/videos.csv")),
        ("--plays", path("log/plays.csv")),
    ];
    let mut from_log = vec!["--mapping", &mapping];
    from_log.extend(tables.iter().flat_map(|(flag, file)| [*flag, file]));

    succeed(
        "simulate",
        &["--output", &log, "--plays", "900", "--hours", "3"],
    );
    let arguments = [&from_log[..], &["--output", &vocabularies]].concat();
    succeed("vocabulary", &arguments);
    let arguments = [&from_log[..], &["--language", "HI", "--output", &events]].concat();
    succeed("event_gen", &arguments);
    let report = succeed(
        "train",
        &[
            "--input-path",
            &events,
            "--spec",
            &spec,
            "--vocabularies",
            &vocabularies,
            "--language",
            "HI",
            "--output",
            &registry,
        ],
    );
    let last = report.lines().last().unwrap();
    assert!(last.starts_with("models "), "{report}");
    let model = last.rsplit(' ').next().unwrap();
    assert!(Path::new(model).is_file(), "{last}");

    let listed = succeed("registry", &[&registry, "list", "HI"]);
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(listed.lines().last().unwrap().contains(" live"), "{listed}");
    let hour = std::fs::read_dir(path("events/HI"))
        .unwrap()
        .next()
        .unwrap();
    let hour = std::fs::read_dir(hour.unwrap().path())
        .unwrap()
        .next()
        .unwrap();
    let part = hour.unwrap().path().join("part-00000.jsonl.zst");
    let csv = succeed(
        "predict",
        &["--model", model, "--events", part.to_str().unwrap()],
    );
    assert!(csv.starts_with("event_id,probability,like\n"), "{csv}");
    assert!(csv.lines().count() > 100, "{csv}");
}

#[cfg(all(feature = "http", unix))]
#[test]
fn a_service_says_where_it_listens_and_ends_well_when_told() {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::process::Stdio;

    let registry = tempfile::tempdir().unwrap();
    let mut service = program("serve")
        .args(["--models", registry.path().to_str().unwrap()])
        .args(["--listen", "127.0.0.1:0", "--log-format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(service.stdout.as_mut().unwrap())
        .read_line(&mut first)
        .unwrap();
    let address = first.trim_end().strip_prefix("http://").unwrap().to_owned();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("{\"status\":\"ok\"}"), "{answer}");

    let id = service.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    let ended = service.wait_with_output().unwrap();
    assert!(ended.status.success(), "{:?}", ended.status);
    let log = String::from_utf8(ended.stderr).unwrap();
    for line in log.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(entry["level"].is_string(), "{line}");
    }
    assert!(log.contains("stopping"), "{log}");
}
