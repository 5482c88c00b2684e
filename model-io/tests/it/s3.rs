//! A real S3 server behind a proxy that breaks one request in every way that was seen in the field.
//!
//! Runs where `CTR_TEST_S3_ENDPOINT` names a server with a bucket `probe`; `.ci/run` starts one.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model_io::{Checkpoint, PublishOptions, Registry};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use crate::common::{numbered, test, version};

const ENDPOINT: &str = "CTR_TEST_S3_ENDPOINT";

/// The server of the environment, and a root that no other test uses.
pub(crate) fn server() -> Option<(Arc<dyn ObjectStore>, Path)> {
    let endpoint = std::env::var(ENDPOINT).ok()?;
    Some((client(&endpoint, Duration::from_secs(30)), fresh_root()))
}

fn fresh_root() -> Path {
    static COUNTER: AtomicUsize = AtomicUsize::new(0);
    let count = COUNTER.fetch_add(1, Ordering::SeqCst);
    let time = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    Path::from(format!("t{}-{time}-{count}", std::process::id()))
}

fn client(endpoint: &str, timeout: Duration) -> Arc<dyn ObjectStore> {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(5),
        max_backoff: Duration::from_millis(20),
        base: 2.0,
    };
    let retry = RetryConfig {
        backoff,
        max_retries: 3,
        retry_timeout: Duration::from_secs(20),
    };
    let key = |name, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let builder = AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_bucket_name("probe")
        .with_region("us-east-1")
        .with_access_key_id(key("CTR_TEST_S3_KEY", "testkey"))
        .with_secret_access_key(key("CTR_TEST_S3_SECRET", "testsecret1234"))
        .with_retry(retry)
        .with_client_options(
            ClientOptions::new()
                .with_timeout(timeout)
                .with_allow_http(true),
        );
    Arc::new(builder.build().unwrap())
}

/// What the proxy does with one request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// Applied; the connection is closed without a response.
    Closed,
    /// Applied; the client gets 500.
    Error500,
    /// Applied; the client gets a TCP reset.
    Reset,
    /// Applied; the response never comes.
    TimeOut,
    /// Not applied; 503.
    Unavailable,
    /// Not applied; 409.
    Conflict,
    /// The response's body ends early.
    Truncated,
    /// The response comes in small pieces.
    Slow,
}

const FAULTS: [Fault; 8] = [
    Fault::Closed,
    Fault::Error500,
    Fault::Reset,
    Fault::TimeOut,
    Fault::Unavailable,
    Fault::Conflict,
    Fault::Truncated,
    Fault::Slow,
];

/// An HTTP/1.1 proxy that breaks request number `at`.
struct Proxy {
    address: String,
    plan: Arc<Mutex<Option<(usize, Fault)>>>,
    requests: Arc<AtomicUsize>,
}

impl Proxy {
    fn start(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (plan, requests) = (Arc::new(Mutex::new(None)), Arc::new(AtomicUsize::new(0)));
        let (shared, counter) = (plan.clone(), requests.clone());
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (plan, requests, upstream) =
                    (shared.clone(), counter.clone(), upstream.clone());
                // A connection that the client gave up on is no failure of the proxy.
                std::thread::spawn(move || relay(connection, &upstream, &plan, &requests).ok());
            }
        });
        Self {
            address,
            plan,
            requests,
        }
    }

    fn set(&self, plan: Option<(usize, Fault)>) {
        *self.plan.lock().unwrap() = plan;
        self.requests.store(0, Ordering::SeqCst);
    }
}

/// Relays one request and closes the connection.
fn relay(
    mut client: TcpStream,
    upstream: &str,
    plan: &Mutex<Option<(usize, Fault)>>,
    requests: &AtomicUsize,
) -> io::Result<()> {
    let request = read_request(&mut client)?;
    let number = requests.fetch_add(1, Ordering::SeqCst);
    let plan = *plan.lock().unwrap();
    let fault = plan.and_then(|(at, fault)| (at == number).then_some(fault));
    let answer = |status: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    };
    match fault {
        Some(Fault::Unavailable) => {
            return client.write_all(answer("503 Service Unavailable").as_bytes());
        }
        Some(Fault::Conflict) => return client.write_all(answer("409 Conflict").as_bytes()),
        _ => {}
    }
    let mut server = TcpStream::connect(upstream)?;
    server.write_all(&request)?;
    let mut response = Vec::new();
    server.read_to_end(&mut response)?;
    match fault {
        None => client.write_all(&response),
        Some(Fault::Error500) => client.write_all(answer("500 Internal Server Error").as_bytes()),
        Some(Fault::Reset) => socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)),
        Some(Fault::TimeOut) => {
            std::thread::sleep(Duration::from_millis(1500));
            Ok(())
        }
        Some(Fault::Truncated) => {
            let body = response
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n")
                .unwrap_or(0)
                + 4;
            let kept = body + (response.len() - body) / 2;
            client.write_all(&response[..kept])
        }
        Some(Fault::Slow) => response
            .chunks(64.max(response.len() / 8))
            .try_for_each(|piece| {
                std::thread::sleep(Duration::from_millis(10));
                client.write_all(piece)
            }),
        Some(_) => Ok(()),
    }
}

/// One request with its body, told to close the connection afterwards.
fn read_request(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 16 << 10]);
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        match client.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&piece[..read]),
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let field = |line: &str| {
        line.split_once(':')
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
    };
    let fields: Vec<_> = text.lines().skip(1).filter_map(field).collect();
    let length = fields.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap_or(0));
    while bytes.len() < head + 4 + length {
        match client.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&piece[..read]),
        }
    }
    let mut request = text.lines().next().unwrap_or_default().to_owned() + "\r\n";
    for (name, value) in fields.iter().filter(|(name, _)| name != "connection") {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("connection: close\r\n\r\n");
    Ok([request.as_bytes(), &bytes[head + 4..]].concat())
}

/// Runs `step` with each of its requests broken in each way, then again without; then `check`.
async fn under_every_fault(
    prepare: impl AsyncFn(&Registry),
    step: impl AsyncFn(&Registry) -> bool,
    check: impl AsyncFn(&Registry, Fault, usize),
) {
    let Ok(endpoint) = std::env::var(ENDPOINT) else {
        return;
    };
    let proxy = Proxy::start(endpoint.trim_start_matches("http://").to_owned());
    let (direct, broken) = (
        client(&endpoint, Duration::from_secs(30)),
        client(&proxy.address, Duration::from_secs(1)),
    );
    let mut cases = 0;
    for fault in FAULTS {
        for at in 0.. {
            let root = fresh_root();
            let sound = Registry::new(direct.clone(), root.clone());
            prepare(&sound).await;
            proxy.set(Some((at, fault)));
            let done = step(&Registry::new(broken.clone(), root)).await;
            if proxy.requests.load(Ordering::SeqCst) <= at {
                assert!(done, "without a fault the step succeeds");
                break;
            }
            assert!(
                step(&sound).await,
                "{fault:?} at {at}: doing it again succeeds"
            );
            check(&sound, fault, at).await;
            let report = sound.verify("HI").await.unwrap();
            assert!(
                report.problems.is_empty(),
                "{fault:?} at {at}: {:?}",
                report.problems
            );
            cases += 1;
        }
    }
    assert!(cases >= 4 * FAULTS.len(), "only {cases} cases");
    println!("{cases} cases");
}

#[test]
fn a_publish_over_a_broken_network_is_never_lost_and_never_doubled() {
    test(async {
        let options = PublishOptions::default();
        under_every_fault(
            async |registry| {
                registry.publish(&numbered(1), &options).await.unwrap();
            },
            async |registry| registry.publish(&numbered(2), &options).await.is_ok(),
            async |registry, fault, at| {
                let commits = registry.commits("HI").await.unwrap();
                let versions: Vec<_> = commits.into_iter().map(|commit| commit.version).collect();
                assert_eq!(versions, [version(1), version(2)], "{fault:?} at {at}");
            },
        )
        .await;
    });
}

#[test]
fn a_rollback_over_a_broken_network_is_never_lost_and_never_doubled() {
    test(async {
        let options = PublishOptions::default();
        under_every_fault(
            async |registry| {
                for events in [1, 2] {
                    registry.publish(&numbered(events), &options).await.unwrap();
                }
            },
            async |registry| registry.rollback("HI", &version(1), None).await.is_ok(),
            async |registry, fault, at| {
                let commits = registry.commits("HI").await.unwrap();
                assert_eq!(commits.len(), 3, "{fault:?} at {at}");
                assert_eq!((&commits[2].version, commits[2].hold), (&version(1), true));
            },
        )
        .await;
    });
}

#[test]
fn a_checkpoint_over_a_broken_network_is_never_lost_and_never_doubled() {
    test(async {
        under_every_fault(
            async |registry| {
                let (mut writer, _) = registry
                    .checkpoints("HI")
                    .unwrap()
                    .take_over()
                    .await
                    .unwrap();
                writer.commit(&mut Checkpoint::default()).await.unwrap();
            },
            async |registry| {
                let Ok((mut writer, Some(mut state))) =
                    registry.checkpoints("HI").unwrap().take_over().await
                else {
                    return false;
                };
                if state.progress.events_learned == 0 {
                    state.progress.events_learned = 10;
                    return writer.commit(&mut state).await.is_ok();
                }
                true
            },
            async |registry, fault, at| {
                let log = registry.checkpoints("HI").unwrap();
                let (_, state) = log.latest().await.unwrap().unwrap();
                assert_eq!(state.progress.events_learned, 10, "{fault:?} at {at}");
            },
        )
        .await;
    });
}

#[test]
fn secrets_are_in_no_error_and_no_debug_output() {
    let secret = "Very5ecretValue";
    let store = AmazonS3Builder::new()
        .with_endpoint("http://127.0.0.1:9")
        .with_bucket_name("probe")
        .with_region("us-east-1")
        .with_access_key_id("Ident1fier")
        .with_secret_access_key(secret)
        .with_retry(RetryConfig {
            max_retries: 0,
            ..RetryConfig::default()
        })
        .with_allow_http(true)
        .build()
        .unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(store);
    let location = model_io::Location::new(store.clone(), Path::from("r"));
    let registry = Registry::open(location.clone());
    let mut shown = format!("{location:?} {location} {registry:?}");
    test(async {
        let log = registry.checkpoints("HI").unwrap();
        let error = registry
            .publish(&numbered(1), &PublishOptions::default())
            .await
            .unwrap_err();
        shown.push_str(&format!("{log:?} {error} {error:?}"));
    });
    assert!(
        !shown.contains(secret) && !shown.contains("Ident1fier"),
        "{shown}"
    );
    let error = model_io::Location::parse(&format!("s3://user:{secret}@bucket/x")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(secret));
}
