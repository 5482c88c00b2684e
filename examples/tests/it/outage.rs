//! Following a real S3 server that goes away for a while.
//!
//! Runs where `CTR_TEST_S3_ENDPOINT` names a server with a bucket `probe`; `.ci/run` starts one.
//! `PIPELINE_OUTAGE_SECONDS=600` makes the outage ten minutes long instead of three seconds.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use model_io::Blocking;
use model_io::object_store::aws::AmazonS3Builder;
use model_io::object_store::path::Path;
use model_io::object_store::{ObjectStore, ObjectStoreExt};
use pipeline::logging::LogFormat;
use pipeline::train::{self, TrainConfig};

use crate::following::{HOUR_MS, Input};
use crate::train::START_MS;

const ENDPOINT: &str = "CTR_TEST_S3_ENDPOINT";
const ROOT: &str = "PIPELINE_OUTAGE_ROOT";
const SPEC: &str = "PIPELINE_OUTAGE_SPEC";
/// Length of the outage.
const SECONDS: &str = "PIPELINE_OUTAGE_SECONDS";

/// What the trainer does; returns at once in an ordinary run of the tests.
#[test]
fn worker() {
    let (Ok(root), Ok(spec)) = (std::env::var(ROOT), std::env::var(SPEC)) else {
        return;
    };
    let mut config = TrainConfig::new(
        format!("{root}/events"),
        spec,
        "HI",
        format!("{root}/models"),
    );
    config.threads = 2;
    config.follow = true;
    config.checkpoint = true;
    config.poll = Duration::from_millis(50);
    config.checkpoint_every = Duration::from_millis(100);
    config.until_hour = Some(START_MS.div_euclid(HOUR_MS) + 8);
    let progress = pipeline::logging::init(LogFormat::Text, "info").unwrap();
    match train::train(&config, progress) {
        Ok(summary) => assert_eq!(summary.files.unwrap().consumed, 8),
        Err(failure) => {
            eprintln!("{}", failure.render());
            std::process::exit(i32::from(failure.exit_code()));
        }
    }
}

/// A trainer that does not outlive the test.
struct Trainer(Child);

impl Drop for Trainer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Hands connections on to a server, or closes all of them while it is down.
struct Proxy {
    address: String,
    down: Arc<AtomicBool>,
}

impl Proxy {
    fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let down = Arc::new(AtomicBool::new(false));
        let is_down = Arc::clone(&down);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect(&server) else {
                    continue;
                };
                let pairs = [
                    (client.try_clone().unwrap(), upstream.try_clone().unwrap()),
                    (upstream, client),
                ];
                for (from, to) in pairs {
                    let is_down = Arc::clone(&is_down);
                    std::thread::spawn(move || pump(from, to, &is_down));
                }
            }
        });
        Self { address, down }
    }
}

/// Copies until either side ends or the proxy is down.
fn pump(mut from: TcpStream, mut to: TcpStream, is_down: &AtomicBool) {
    from.set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let mut bytes = [0; 16 << 10];
    while !is_down.load(Ordering::SeqCst) {
        match io::Read::read(&mut from, &mut bytes) {
            Ok(read) if read > 0 => {
                if io::Write::write_all(&mut to, &bytes[..read]).is_err() {
                    break;
                }
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) => {}
            _ => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn a_store_that_is_down_for_a_while_is_waited_for_and_nothing_is_lost() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else {
        eprintln!("skipped: {ENDPOINT} is not set");
        return;
    };
    let seconds = std::env::var(SECONDS).map_or(3, |seconds| seconds.parse().unwrap());
    let mut undisturbed = Input::new();
    undisturbed.config.until_hour = Some(START_MS.div_euclid(HOUR_MS) + 8);
    undisturbed.appear(0..9);
    undisturbed.start().end().unwrap();
    let expected = undisturbed.models();

    let key = |name, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let id = key("CTR_TEST_S3_KEY", "testkey");
    let secret = key("CTR_TEST_S3_SECRET", "testsecret1234");
    let builder = AmazonS3Builder::new()
        .with_endpoint(&endpoint)
        .with_bucket_name("probe")
        .with_region("us-east-1")
        .with_access_key_id(&id)
        .with_secret_access_key(&secret)
        .with_allow_http(true);
    let store: Arc<dyn ObjectStore> = Arc::new(builder.build().unwrap());
    let runtime = Blocking::new().unwrap();
    let time = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let root = format!("follow-{}-{time}", std::process::id());
    let put = |hour: i64| {
        let path = Path::from(format!("{root}/events/{}", Input::name(hour)));
        // A server that has just started may still be making its bucket.
        let deadline = Instant::now() + Duration::from_secs(20);
        while let Err(error) = runtime.run(store.put(&path, undisturbed.bytes(hour).into())) {
            assert!(Instant::now() < deadline, "{error}");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    let model = |name: &PathBuf| {
        let name = name.to_str().unwrap();
        Path::from(format!("{root}/models/models/{name}"))
    };
    let is_there = |name: &PathBuf| runtime.run(store.head(&model(name))).is_ok();

    (0..3).for_each(put);
    let server = endpoint.trim_start_matches("http://").to_owned();
    let proxy = Proxy::start(server);
    let mut trainer = Command::new(std::env::current_exe().unwrap())
        .args(["outage::worker", "--exact", "--nocapture"])
        .env(ROOT, format!("s3://probe/{root}"))
        .env(SPEC, undisturbed.path("spec.toml"))
        .env("AWS_ENDPOINT", &proxy.address)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", id)
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(undisturbed.path("log")).unwrap())
        .spawn()
        .map(Trainer)
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let names: Vec<&PathBuf> = expected.keys().collect();
    assert_eq!(names.len(), 8);
    while !is_there(names[1]) {
        assert!(Instant::now() < deadline, "the second model is not there");
        assert!(trainer.0.try_wait().unwrap().is_none(), "the trainer ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    proxy.down.store(true, Ordering::SeqCst);
    (3..9).for_each(put);
    std::thread::sleep(Duration::from_secs(seconds));
    assert!(
        !is_there(names[3]),
        "nothing passes while the store is down"
    );
    assert!(trainer.0.try_wait().unwrap().is_none(), "the trainer ended");
    proxy.down.store(false, Ordering::SeqCst);
    let back = Instant::now();
    let status = trainer.0.wait().unwrap();
    let log = std::fs::read_to_string(undisturbed.path("log")).unwrap();
    assert!(status.success(), "{status}\n{log}");
    // The client of the store repeats a request itself for a while before it says that it failed.
    let [retries, failures] = ["backing off", "trying again"].map(|said| log.matches(said).count());
    println!(
        "{seconds} s without the store: {retries} retries and {failures} failures were said; all \
         was done {:.1} s after it was back",
        back.elapsed().as_secs_f64()
    );
    if seconds > 60 {
        println!("{log}");
    }
    assert!(retries > 0, "{log}");
    for (name, bytes) in &expected {
        let found = runtime.run(async { store.get(&model(name)).await?.bytes().await });
        assert!(found.unwrap() == *bytes, "{name:?} differs");
    }
}
