//! The service over real connections: answers, refusals, limits, hot reload and a graceful end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use feature_spec::FeatureSpec;
use lr_core::LinearModel;
use model_io::{Blocking, Location, ModelInfo, PublishOptions, Registry, Snapshot, Version};
use pipeline::cli::Failure;
use pipeline::serve::{ModelSource, ServeConfig, Server};
use serde_json::{Value, json};
use zscore_stats::Scaler;

const SPEC: &str = r##"
format = 1
name = "test"
dimension = 8
counters = ["plays"]
[vocabulary.hashtag]
values = ["#comedy", "#funny", "#dance"]
[user.plays]
history = "user.all"
metrics = ["plays"]
[item.hashtag]
from = "item.hashtag"
vocabulary = "hashtag"
"##;

/// One play adds 0.5 to the log-odds; #dance adds 2 and #comedy takes 1.
fn snapshot(events: u64, bias: f64) -> Snapshot {
    let spec = FeatureSpec::from_toml(SPEC).unwrap();
    let weights = (0..spec.columns())
        .map(
            |position| match &*spec.describe(u32::try_from(position).unwrap()) {
                "user/plays/plays" => 0.5,
                "item/hashtag=#dance" => 2.0,
                "item/hashtag=#comedy" => -1.0,
                _ => 0.0,
            },
        )
        .collect();
    let model = LinearModel::new(weights, bias).unwrap();
    let scaler = Scaler::identity(spec.policies());
    let version = Version::of_model(None, 1_651_658_400_000, events).unwrap();
    Snapshot::new(model, &scaler, &spec, ModelInfo::new(version, "HI")).unwrap()
}

fn sigmoid(margin: f64) -> f64 {
    1.0 / (1.0 + (-margin).exp())
}

fn event(id: &str, plays: u32, hashtag: &str) -> String {
    json!({
        "event_id": id,
        "time": "2022-05-04T10:00:00.000Z",
        "user": {"id": "u", "history": {"all": {"": {"plays": plays}}}},
        "item": {"id": "v", "attributes": {"hashtag": hashtag}},
    })
    .to_string()
}

/// A service with a registry of its own, stopped at the end.
struct Service {
    folder: tempfile::TempDir,
    runtime: Blocking,
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), Failure>>>,
}

impl Service {
    /// An empty registry, polled every 10 ms.
    fn start(change: impl FnOnce(&mut ServeConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().to_str().unwrap().to_owned();
        let mut config = ServeConfig::new(ModelSource::Registry(place), "HI");
        config.listen.set_port(0);
        config.poll_interval = Duration::from_millis(10);
        config.threads = 2;
        change(&mut config);
        let server = Server::bind(&config).unwrap();
        let address = server.address();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            server.run(async move {
                let _ = stopped.await;
            })
        });
        Self {
            folder,
            runtime: Blocking::new().unwrap(),
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// The same with a model whose bias is 0.
    fn with_model(change: impl FnOnce(&mut ServeConfig)) -> Self {
        let service = Self::start(change);
        service.publish(1, 0.0);
        service.wait_for("2022-05-04T10-1");
        service
    }

    fn registry(&self) -> Registry {
        Registry::open(Location::parse(self.folder.path().to_str().unwrap()).unwrap())
    }

    fn publish(&self, events: u64, bias: f64) {
        let snapshot = snapshot(events, bias);
        self.runtime
            .run(
                self.registry()
                    .publish(&snapshot, &PublishOptions::default()),
            )
            .unwrap();
    }

    fn wait_for(&self, version: &str) {
        let started = Instant::now();
        while self.get("/readyz").json()["model_version"] != version {
            assert!(started.elapsed() < Duration::from_secs(20), "{version}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    /// Sends the head of a prediction and waits until the service waits for the body.
    fn begin(&self, body: &str) -> TcpStream {
        let mut stream = self.connect();
        let head = format!(
            "POST /predict HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let started = Instant::now();
        let begun = "serve_requests_in_flight 2";
        while !self.get("/metrics").body.contains(begun) {
            assert!(started.elapsed() < Duration::from_secs(10));
        }
        stream
    }

    fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "")
    }

    fn post(&self, path: &str, body: &str) -> Answer {
        self.request("POST", path, body)
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Answer {
        let mut stream = self.connect();
        let length = body.len();
        // The service may answer before it has read all of a body that is too long.
        let _ = write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        Answer::read(stream)
    }

    fn stop(mut self) -> Result<(), Failure> {
        self.stop.take();
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn read(mut stream: TcpStream) -> Self {
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        let text = String::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).unwrap_or("0").parse().unwrap();
        Self {
            status,
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

fn close(value: &Value, expected: f64) {
    let value = value.as_f64().unwrap();
    assert!((value - expected).abs() < 1e-9, "{value} {expected}");
}

#[test]
fn an_answer_has_the_shape_of_its_question() {
    let service = Service::with_model(|_| {});
    let (dance, comedy) = (event("a", 2, "#dance"), event("b", 1, "#comedy"));

    let answer = service.post("/predict", &dance);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("content-type: application/json"));
    let prediction = answer.json();
    close(&prediction["probability"], sigmoid(0.5 * 2.0 + 2.0));
    assert_eq!(prediction["like"], true);
    assert_eq!(prediction["event_id"], "a");
    assert_eq!(prediction["model_version"], "2022-05-04T10-1");

    let answers = service
        .post("/predict", &format!("[{dance}, {comedy}]"))
        .json();
    assert_eq!(answers[0], prediction);
    close(&answers[1]["probability"], sigmoid(0.5 - 1.0));
    assert_eq!(answers[1]["like"], false);

    let lines = service.post("/predict", &format!("{dance}\n{comedy}\n"));
    assert!(
        lines.head.contains("application/x-ndjson"),
        "{}",
        lines.head
    );
    let lines: Vec<Value> = lines
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(Value::from(lines), answers);
    assert_eq!(service.post("/predict", "[]").json(), json!([]));
}

#[test]
fn an_explanation_names_features_and_adds_up() {
    let service = Service::with_model(|_| {});
    let explained = service.post("/explain", &event("a", 3, "#comedy")).json();
    close(&explained["margin"], 0.5 * 3.0 - 1.0);
    close(&explained["probability"], sigmoid(0.5));
    close(&explained["bias"], 0.0);
    assert_eq!(explained["threshold"], 0.5);
    let parts: Vec<_> = explained["contributions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| {
            let name = part["feature"].as_str().unwrap();
            (name, part["contribution"].as_f64().unwrap())
        })
        .collect();
    assert_eq!(
        parts,
        [("user/plays/plays", 1.5), ("item/hashtag=#comedy", -1.0)]
    );
    let two = format!("[{0},{0}]", event("a", 3, "#comedy"));
    let refused = service.post("/explain", &two);
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.json(),
        json!({"error": "2 events, one is explained at a time"})
    );
}

#[test]
fn a_bad_event_says_what_is_wrong_and_where_and_spoils_no_other() {
    let service = Service::with_model(|_| {});
    let good = event("a", 2, "#dance");
    let negative = good.replace("\"plays\":2", "\"plays\":-2");
    let other = good.replace("{\"event_id\"", "{\"language\":\"TA\",\"event_id\"");
    let unknown = good.replace("\"item\"", "\"itme\"");
    let refused = [
        (&*negative, 400, "user.history.all..plays", "-2"),
        (
            &*other,
            422,
            "language",
            "language \"TA\", the model is for \"HI\"",
        ),
        (&*unknown, 400, "event", "unknown field `itme`"),
        ("{\"event_id\":", 400, "line 1, column", "not JSON"),
        ("{}", 400, "event", "missing field `event_id`"),
    ];
    for (text, status, place, error) in refused {
        let answer = service.post("/predict", text);
        let problem = answer.json();
        assert_eq!(answer.status, status, "{problem}");
        assert!(
            problem["error"].as_str().unwrap().contains(error),
            "{problem}"
        );
        let found = problem["place"]
            .as_str()
            .unwrap_or_else(|| panic!("{problem}"));
        assert!(found.contains(place), "{problem}");
    }
    let mixed = service.post("/predict", &format!("[{good},{negative},{good}]"));
    assert_eq!(mixed.status, 200);
    let mixed = mixed.json();
    assert_eq!(mixed[0], mixed[2]);
    assert!(mixed[1]["error"].is_string() && mixed[0]["probability"].is_number());
    let metrics = service.get("/metrics").body;
    assert!(
        metrics.contains("serve_rejected_events_total{reason=\"other_language\"} 1"),
        "{metrics}"
    );
    assert!(metrics.contains("serve_predictions_total 2"), "{metrics}");
    assert!(
        metrics.contains("serve_requests_total{route=\"/predict\",status=\"422\"} 1"),
        "{metrics}"
    );
    assert!(
        metrics.contains("serve_model_info{version=\"2022-05-04T10-1\",language=\"HI\"} 1"),
        "{metrics}"
    );
}

#[test]
fn the_description_names_every_path_and_no_other() {
    let service = Service::with_model(|_| {});
    let description = service.get("/openapi.json").json();
    let paths = description["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 8);
    for (path, methods) in paths {
        for (method, about) in methods.as_object().unwrap() {
            let answer = service.request(&method.to_uppercase(), path, &event("a", 1, "#dance"));
            let status = answer.status.to_string();
            assert!(about["responses"][&status].is_object(), "{path}: {status}");
            assert_eq!(status, "200", "{path}");
        }
        let other = if methods["post"].is_object() {
            "GET"
        } else {
            "POST"
        };
        assert_eq!(service.request(other, path, "").status, 405, "{path}");
    }
    // The keys of an answer are those that the description requires.
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    for (path, schema) in [("/predict", "Prediction"), ("/explain", "Explanation")] {
        let answer = service.post(path, &event("a", 1, "#dance")).json();
        let schema = &description["components"]["schemas"][schema];
        assert_eq!(keys(&answer), keys(&schema["properties"]), "{path}");
        let required = schema["required"].as_array().unwrap();
        assert_eq!(required.len(), keys(&answer).len(), "{path}");
    }
}

#[test]
fn limits_are_told_with_their_status() {
    let service = Service::with_model(|config| {
        config.limits.body_bytes = 2_000;
        config.limits.events = 3;
        config.limits.timeout = Duration::from_millis(300);
        config.limits.keep_alive = Duration::from_millis(100);
    });
    let events = |count| format!("[{}]", vec!["{}"; count].join(","));
    assert_eq!(service.post("/predict", &events(3)).status, 200);
    let refused = [
        ("POST", "/predict", events(4), 413, "a request may hold 3"),
        (
            "POST",
            "/predict",
            " ".repeat(2_001),
            413,
            "longer than 2000 bytes",
        ),
        ("POST", "/predict", String::new(), 400, "the body is empty"),
        (
            "GET",
            "/predict",
            String::new(),
            405,
            "/predict does not answer GET",
        ),
        ("GET", "/model", String::new(), 404, "nothing is at /model"),
    ];
    for (method, path, body, status, error) in refused {
        let answer = service.request(method, path, &body);
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(error), "{}", answer.body);
    }

    // A body that does not come, and a connection that says nothing.
    let mut stalled = service.connect();
    let head =
        "POST /predict HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 10\r\n\r\n{";
    stalled.write_all(head.as_bytes()).unwrap();
    let answer = Answer::read(stalled);
    assert_eq!(answer.status, 408, "{}", answer.body);
    assert!(
        answer.body.contains("took longer than 0.3 s"),
        "{}",
        answer.body
    );
    let mut silent = service.connect();
    let started = Instant::now();
    assert_eq!(silent.read(&mut [0; 16]).unwrap(), 0);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn more_requests_than_may_be_are_turned_away_and_health_is_not() {
    let service = Service::with_model(|config| {
        config.limits.requests = 1;
        config.limits.timeout = Duration::from_secs(10);
    });
    let body = event("a", 1, "#dance");
    let mut first = service.begin(&body);
    let busy = service.post("/predict", &body);
    assert_eq!(busy.status, 503, "{}", busy.body);
    assert!(busy.head.contains("retry-after: 1"), "{}", busy.head);
    assert_eq!(service.get("/healthz").status, 200);
    first.write_all(body.as_bytes()).unwrap();
    assert_eq!(Answer::read(first).status, 200);
}

#[test]
fn requests_wait_for_no_model_and_follow_every_change() {
    let service = Service::start(|_| {});
    let body = event("a", 0, "#funny");
    let early = service.post("/predict", &body);
    assert_eq!((early.status, service.get("/readyz").status), (503, 503));
    assert_eq!(early.json(), json!({"error": "no model is loaded yet"}));
    assert_eq!(service.get("/healthz").status, 200);
    let started = Instant::now();
    while service.get("/readyz").json()["failure"].is_null() {
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    service.publish(1, 0.0);
    service.wait_for("2022-05-04T10-1");
    close(&service.post("/predict", &body).json()["probability"], 0.5);
    service.publish(2, 1.0);
    service.wait_for("2022-05-04T10-2");
    close(
        &service.post("/predict", &body).json()["probability"],
        sigmoid(1.0),
    );
    let back = Version::new("2022-05-04T10-1").unwrap();
    service
        .runtime
        .run(service.registry().rollback("HI", &back, Some("a test")))
        .unwrap();
    service.wait_for("2022-05-04T10-1");
    let ready = service.get("/readyz").json();
    assert_eq!(
        (&ready["rolled_back"], &ready["commit"]),
        (&json!(true), &json!(3))
    );
    assert!(
        service
            .get("/metrics")
            .body
            .contains("serve_model_reloads_total 2")
    );
}

#[test]
fn no_request_fails_and_none_mixes_models_while_they_change() {
    let service = Service::with_model(|config| config.poll_interval = Duration::from_millis(3));
    let body = format!("[{0},{0},{0},{0}]", event("a", 0, "#funny"));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut asked = 0;
                    while !done.load(Ordering::Relaxed) {
                        let answer = service.post("/predict", &body);
                        assert_eq!(answer.status, 200, "{}", answer.body);
                        let answers = answer.json();
                        let version = answers[0]["model_version"].as_str().unwrap();
                        let events: f64 = version.rsplit('-').next().unwrap().parse().unwrap();
                        for answer in answers.as_array().unwrap() {
                            assert_eq!(answer["model_version"], version);
                            close(&answer["probability"], sigmoid((events - 1.0) / 10.0));
                        }
                        asked += 1;
                    }
                    asked
                })
            })
            .collect();
        for events in 2..=21 {
            service.publish(events, (events - 1) as f64 / 10.0);
            service.wait_for(&format!("2022-05-04T10-{events}"));
        }
        done.store(true, Ordering::Relaxed);
        let asked: usize = asking
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
        assert!(asked > 20, "{asked}");
    });
    assert!(
        service
            .get("/metrics")
            .body
            .contains("serve_model_reloads_total 20")
    );
}

#[test]
fn a_request_under_way_is_answered_after_the_signal_to_stop() {
    let mut service = Service::with_model(|_| {});
    let body = event("a", 1, "#dance");
    let mut stream = service.begin(&body);
    let started = Instant::now();
    service.stop.take();
    while TcpStream::connect(service.address).is_ok() {
        assert!(started.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(5));
    }
    stream.write_all(body.as_bytes()).unwrap();
    assert_eq!(Answer::read(stream).status, 200);
    service.stop().unwrap();
}

#[test]
fn a_request_that_never_ends_does_not_keep_the_service() {
    let service = Service::with_model(|config| {
        config.limits.timeout = Duration::from_secs(60);
        config.limits.drain = Duration::from_millis(200);
    });
    let mut stream = service.begin("{ no end ");
    stream.write_all(b"{").unwrap();
    let failure = service.stop().unwrap_err();
    assert!(
        failure.to_string().contains("still under way 0.2 s after"),
        "{failure}"
    );
}

#[test]
fn one_model_file_is_enough_and_an_unfit_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("model.safetensors");
    snapshot(7, 0.0).save(&path).unwrap();
    let source = ModelSource::File(path.clone());
    let service = Service::start(|config| config.models = source.clone());
    let answer = service.post("/predict", &event("a", 2, "#dance")).json();
    close(&answer["probability"], sigmoid(3.0));
    assert_eq!(
        service.get("/readyz").json()["model_version"],
        "2022-05-04T10-7"
    );
    drop(service);

    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let failure = Server::bind(&ServeConfig::new(source, "HI")).unwrap_err();
    assert_eq!(failure.exit_code(), 1);
    assert!(
        failure.to_string().contains("model.safetensors"),
        "{failure}"
    );
}

#[test]
fn the_page_offers_users_and_videos_of_a_sample() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events.jsonl");
    let second = event("b", 9, "#funny").replace("\"v\"", "\"w\"").replace(
        "\"all\":{",
        "\"hashtag\":{\"#funny\":{\"plays\":4}},\"all\":{",
    );
    let lines = format!("{}\nno event\n{second}\n", event("a", 2, "#dance"));
    std::fs::write(&events, lines).unwrap();
    let service = Service::with_model(|config| config.sample = Some(events));
    let sample = service.get("/sample").json();
    // What the two events know of the user together, the newest counts.
    assert_eq!(
        sample["users"],
        json!([{"id": "u", "history": {"all": {"": {"plays": 9}}, "hashtag": {"#funny": {"plays": 4}}}}])
    );
    assert_eq!(sample["items"].as_array().unwrap().len(), 2);
    let page = service.get("/");
    assert_eq!(page.status, 200);
    assert!(
        page.head.contains("content-type: text/html"),
        "{}",
        page.head
    );
    assert!(page.head.contains("default-src 'none'"), "{}", page.head);
    assert!(page.body.contains("<!doctype html>"));

    let missing = folder.path().join("missing.jsonl");
    let mut config = ServeConfig::new(ModelSource::Registry("memory://r".to_owned()), "HI");
    config.sample = Some(missing);
    let failure = Server::bind(&config).unwrap_err();
    assert!(failure.to_string().contains("missing.jsonl"), "{failure}");
}
