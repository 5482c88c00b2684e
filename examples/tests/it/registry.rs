//! The commands of the `registry` program on a folder.

use feature_spec::FeatureSpec;
use lr_core::LinearModel;
use model_io::{ArtifactKind, ModelInfo, Snapshot, Version};
use pipeline::registry::{Export, Session};
use zscore_stats::Scaler;

const SPEC: &str = r##"
format = 1
name = "program"
dimension = 2
layout = "shared"
counters = ["plays"]
[vocabulary.hashtag]
values = ["#comedy", "#funny"]
[user.hashtag]
history = "user.hashtag"
metrics = ["plays"]
vocabulary = "hashtag"
"##;

fn snapshot(events: u64, weights: [f32; 2]) -> Snapshot {
    let spec = FeatureSpec::from_toml(SPEC).unwrap();
    let version = Version::of_model(None, 1_651_658_400_000, events).unwrap();
    let mut info = ModelInfo::new(version, "HI");
    info.events_learned = events;
    let model = LinearModel::new(weights.to_vec(), -1.0).unwrap();
    Snapshot::new(model, &Scaler::identity(spec.policies()), &spec, info).unwrap()
}

#[test]
fn every_command_of_the_registry_program_works_on_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::open(folder.path().join("registry").to_str().unwrap()).unwrap();
    session.probe().unwrap();
    let file = folder.path().join("model.safetensors");
    for (events, weights) in [(10, [0.5, 0.0]), (20, [0.25, 1.0])] {
        snapshot(events, weights).save(&file).unwrap();
        assert!(
            session
                .publish(&file, false, false)
                .unwrap()
                .contains("publish 2022-05-04T10-")
        );
    }
    assert!(
        session
            .publish(&file, false, false)
            .unwrap()
            .contains("was live before")
    );
    let list = session.list(None).unwrap();
    assert!(list.contains("HI 2022-05-04T10-20 events 20") && list.contains("commits [2] live"));

    let diff = session.diff("HI", "2022-05-04T10-10", "latest", 5).unwrap();
    let expected = "+1.000000 - 1 user/hashtag=#funny/plays\n\
        -0.250000 0.5 0.25 user/hashtag=#comedy/plays\n\
        +0.000000 -1 -1 bias\n";
    assert_eq!(diff, expected);

    let rollback = session
        .rollback("HI", "2022-05-04T10-10", Some("worse"))
        .unwrap();
    assert!(
        rollback.starts_with("3 ") && rollback.ends_with("hold (worse)\n"),
        "{rollback}"
    );
    snapshot(30, [0.0, 0.0]).save(&file).unwrap();
    assert!(
        session
            .publish(&file, false, false)
            .unwrap()
            .contains("stored and not live")
    );
    session.release("HI", None).unwrap();
    session.pin("HI", "latest", true).unwrap();
    assert_eq!(session.log("HI").unwrap().lines().count(), 4);
    assert!(
        session
            .show("HI", "latest")
            .unwrap()
            .contains("\"events_learned\": 10")
    );
    assert!(
        session
            .retain("HI", 1, 7, true)
            .unwrap()
            .contains("would delete 0")
    );

    let out = folder.path().join("weights.csv");
    session
        .export("HI", "latest", Export::Csv, false, &out)
        .unwrap();
    let csv = std::fs::read_to_string(out).unwrap();
    assert!(csv.contains("0,user/hashtag=#comedy/plays,0.5"), "{csv}");

    let config = folder.path().join("config");
    std::fs::create_dir(&config).unwrap();
    std::fs::write(config.join("spec.toml"), SPEC).unwrap();
    session
        .publish_folder(ArtifactKind::Spec, "HI", "v1", &config)
        .unwrap();
    let fetched = folder.path().join("fetched");
    session
        .fetch(Some(ArtifactKind::Spec), "HI", "v1", &fetched)
        .unwrap();
    assert_eq!(
        std::fs::read_to_string(fetched.join("spec.toml")).unwrap(),
        SPEC
    );
    session.fetch(None, "HI", "latest", &fetched).unwrap();
    assert!(model_io::ServingModel::open(fetched.join("model.safetensors")).is_ok());

    assert!(
        session
            .verify("HI")
            .unwrap()
            .contains("4 commits, 3 models, 1 artifacts")
    );
    let model = folder
        .path()
        .join("registry/models/HI/2022-05-04T10-20/model.safetensors");
    std::fs::write(model, b"damage").unwrap();
    let failure = session.verify("HI").unwrap_err();
    assert_eq!(failure.exit_code(), 1);
    assert!(failure.to_string().contains("1 problems"), "{failure}");
}

#[test]
fn wrong_usage_has_its_own_exit_code() {
    let exit_code =
        |result: Result<String, pipeline::cli::Failure>| result.unwrap_err().exit_code();
    assert_eq!(Session::open("ftp://host/x").unwrap_err().exit_code(), 2);
    let session = Session::open("memory://r").unwrap();
    assert_eq!(exit_code(session.show("HI", "../x")), 2);
    assert_eq!(exit_code(session.show("HI", "at:yesterday")), 2);
    assert_eq!(exit_code(session.show("HI", "v1")), 1);
    assert_eq!(exit_code(session.show("../HI", "latest")), 1);
}
