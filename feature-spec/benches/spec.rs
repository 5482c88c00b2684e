//! Loading a spec of 100,000 positions, and encoding events of about 40 features with it.
//!
//! `cargo bench -p feature-spec`. The groups `vocabulary` and `json` hold what was tried besides.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)]

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use feature_spec::{Encoder, Event, FeatureSpec, LoadOptions, Row};

const VALUES: usize = 15_000;

/// 15,000 hashtags × 6 metrics, and features of every kind around them.
fn spec_text() -> (String, BTreeMap<String, Vec<u8>>) {
    let mut tags = String::new();
    for i in 0..VALUES {
        let _ = writeln!(tags, "#hashtag_{i}\t{}", VALUES - i);
    }
    let text = r##"
format = 1
name = "bench"
time_zone = "Asia/Kolkata"
dimension = 100_000
counters = ["plays", "watched_10s", "watched_under_10s", "watched_90pct", "watched_50pct", "liked", "shared"]
[defaults]
transform = "log1p"
scale = "z_score"
[vocabulary.hashtag]
file = "hashtag.tsv"
[vocabulary.tab]
values = ["0", "1", "2", "3"]
[metric.like_rate]
rate = "liked"
per = "plays"
a = 0.5
b = 30
as = "log"
[metric.share]
share = "plays"
[user.hashtag]
history = "user.hashtag"
metrics = ["watched_10s", "watched_under_10s", "watched_90pct", "watched_50pct", "liked", "shared"]
vocabulary = "hashtag"
[user.all]
history = "user.all"
metrics = ["plays", "watched_10s", "watched_90pct", "liked", "shared", "like_rate"]
[user.days]
number = "user.days_registered"
[user.location]
from = "user.location"
hash = { size = 500 }
[item.author]
from = "item.author"
hash = { size = 5_000 }
[item.all]
history = "item.all"
metrics = ["plays", "watched_10s", "watched_90pct", "liked", "shared", "like_rate"]
[item.author_history]
history = "item.author"
match = "item.author"
combine = "sum"
metrics = ["plays", "liked", "like_rate"]
[item.duration]
number = "item.duration_s"
powers_of_two = 10
[event.match]
history = "user.hashtag"
match = "item.hashtag"
combine = "sum"
metrics = ["plays", "watched_10s", "watched_90pct", "liked", "like_rate"]
[event.author]
history = "user.author"
match = "item.author"
combine = "sum"
metrics = ["plays", "liked"]
[event.pairs]
from = ["user.location", "item.hashtag"]
hash = { size = 2_000 }
[event.tab]
from = "context.tab"
vocabulary = "tab"
[event.hour]
from = "time.hour"
[event.weekday]
from = "time.weekday"
"##;
    (
        text.to_owned(),
        BTreeMap::from([("hashtag.tsv".to_owned(), tags.into_bytes())]),
    )
}

fn load() -> FeatureSpec {
    let (text, files) = spec_text();
    FeatureSpec::from_reader(
        "spec.toml",
        &mut text.as_bytes(),
        &files,
        &LoadOptions::default(),
    )
    .unwrap()
}

const EVENT: &str = r##"{"event_id":"171670","time":"2022-05-04T10:00:00.123Z","language":"HI","label":1,"user":{"id":"712","attributes":{"location":"delhi"},"numbers":{"days_registered":799},"history":{"all":{"":{"liked":3,"plays":30,"shared":1,"watched_10s":15,"watched_50pct":12,"watched_90pct":6,"watched_under_10s":15,"last":1651650000000}},"author":{"7349":{"liked":1,"plays":1,"last":1651650000000}},"hashtag":{"#hashtag_17":{"liked":2,"plays":18,"shared":1,"watched_10s":15,"watched_50pct":12,"watched_90pct":6,"watched_under_10s":3,"last":1651650000000},"#hashtag_9041":{"plays":4,"watched_10s":2,"watched_50pct":2,"watched_90pct":1,"watched_under_10s":2,"last":1651640000000}}}},"item":{"id":"5239","attributes":{"author":"7349","hashtag":["#hashtag_17","#hashtag_9041"]},"numbers":{"duration_s":49.9},"history":{"all":{"":{"liked":20,"plays":900,"shared":4,"watched_10s":500,"watched_50pct":300,"watched_90pct":120,"watched_under_10s":400,"last":1651651000000}},"author":{"7349":{"liked":41,"plays":2000,"shared":9,"watched_10s":900,"watched_50pct":500,"watched_90pct":200,"watched_under_10s":1100,"last":1651651000000}}}},"context":{"tab":"1"}}"##;

fn loading(c: &mut Criterion) {
    let (text, files) = spec_text();
    let spec = load();
    let mut group = c.benchmark_group("load");
    group.sample_size(10);
    group.bench_function("100,000 positions, 15,000 values x 6 metrics", |b| {
        b.iter(|| {
            let options = LoadOptions::default();
            FeatureSpec::from_reader("spec.toml", &mut text.as_bytes(), &files, &options).unwrap()
        });
    });
    group.bench_function("from canonical text", |b| {
        b.iter(|| FeatureSpec::from_canonical(black_box(spec.canonical())).unwrap());
    });
    group.finish();
}

fn encoding(c: &mut Criterion) {
    let spec = load();
    let mut encoder = Encoder::new(&spec);
    let event = Event::from_json(EVENT.as_bytes()).unwrap();
    let mut row = Row::default();
    encoder.encode(&event, &mut row).unwrap();
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Elements(row.nnz() as u64));
    group.bench_function(format!("parsed record, {} values", row.nnz()), |b| {
        b.iter(|| encoder.encode(black_box(&event), &mut row).unwrap());
    });
    group.finish();
    let mut group = c.benchmark_group("json");
    group.throughput(Throughput::Elements(1));
    group.bench_function(format!("parse, {} bytes", EVENT.len()), |b| {
        b.iter(|| Event::from_json(black_box(EVENT.as_bytes())).unwrap());
    });
    group.bench_function("parse and encode", |b| {
        b.iter(|| {
            let event = Event::from_json(black_box(EVENT.as_bytes())).unwrap();
            encoder.encode(&event, &mut row).unwrap();
        });
    });
    group.bench_function("parse, owned strings", |b| {
        b.iter(|| {
            Event::from_json(black_box(EVENT.as_bytes()))
                .unwrap()
                .into_owned()
        });
    });
    group.bench_function("parse to serde_json::Value", |b| {
        b.iter(|| {
            serde_json::from_slice::<serde_json::Value>(black_box(EVENT.as_bytes())).unwrap()
        });
    });
    group.finish();
}

/// The multiply-and-rotate hash of the Rust compiler, eight bytes at a time.
#[derive(Default)]
struct FxHasher(u64);

impl FxHasher {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517C_C1B7_2722_0A95);
    }
}

impl Hasher for FxHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.add(u64::from_le_bytes(last));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A perfect hash: a displacement for each bucket of about four keys, one probe a lookup (Belazzougui,
/// Botelho & Dietzfelbinger 2009, "Hash, displace, and compress").
struct Perfect {
    displacements: Vec<u32>,
    keys: Vec<String>,
}

impl Perfect {
    fn new(values: Vec<String>) -> Self {
        let (size, buckets) = (values.len() * 5 / 4, values.len() / 4);
        let mut groups = vec![Vec::new(); buckets];
        for value in values {
            let bucket = Self::hash(&value) as usize % buckets;
            groups[bucket].push(value);
        }
        let mut order: Vec<usize> = (0..buckets).collect();
        order.sort_by_key(|b| std::cmp::Reverse(groups[*b].len()));
        let mut this = Self {
            displacements: vec![0; buckets],
            keys: vec![String::new(); size],
        };
        for bucket in order {
            for displacement in 0.. {
                let mut places: Vec<_> = groups[bucket]
                    .iter()
                    .map(|v| this.place(Self::hash(v), displacement))
                    .collect();
                places.sort_unstable();
                let free = places.iter().all(|p| this.keys[*p].is_empty());
                if free && places.is_sorted_by(|a, b| a < b) {
                    this.displacements[bucket] = displacement;
                    for value in std::mem::take(&mut groups[bucket]) {
                        let place = this.place(Self::hash(&value), displacement);
                        this.keys[place] = value;
                    }
                    break;
                }
            }
        }
        this
    }

    fn hash(value: &str) -> u64 {
        let mut hasher = FxHasher::default();
        hasher.write(value.as_bytes());
        hasher.0 ^ hasher.0 >> 32
    }

    fn place(&self, hash: u64, displacement: u32) -> usize {
        let mixed = (hash ^ u64::from(displacement)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((u128::from(mixed) * self.keys.len() as u128) >> 64) as usize
    }

    fn contains(&self, value: &str) -> bool {
        let hash = Self::hash(value);
        let displacement = self.displacements[hash as usize % self.displacements.len()];
        self.keys[self.place(hash, displacement)] == value
    }
}

fn vocabularies(c: &mut Criterion) {
    let spec = load();
    let names: Vec<String> = (0..1_000)
        .map(|i| format!("#hashtag_{}", i * 7_919 % 30_000))
        .collect();
    let sip: HashMap<String, u32> = (0_u32..15_000)
        .map(|i| (format!("#hashtag_{i}"), i))
        .collect();
    let tree: BTreeMap<String, u32> = sip.clone().into_iter().collect();
    let mut group = c.benchmark_group("vocabulary");
    group.throughput(Throughput::Elements(names.len() as u64));
    group.bench_function("this crate: XXH64, open addressing, one arena", |b| {
        b.iter(|| {
            names
                .iter()
                .filter(|n| spec.has_value("hashtag", n))
                .count()
        });
    });
    group.bench_function("HashMap, SipHash", |b| {
        b.iter(|| {
            names
                .iter()
                .filter(|n| sip.contains_key(n.as_str()))
                .count()
        });
    });
    let fx: HashMap<String, u32, BuildHasherDefault<FxHasher>> = sip.clone().into_iter().collect();
    group.bench_function("HashMap, FxHash", |b| {
        b.iter(|| names.iter().filter(|n| fx.contains_key(n.as_str())).count());
    });
    let perfect = Perfect::new(sip.keys().cloned().collect());
    group.bench_function("perfect hash by displacement", |b| {
        b.iter(|| names.iter().filter(|n| perfect.contains(n)).count());
    });
    group.bench_function("BTreeMap", |b| {
        b.iter(|| {
            names
                .iter()
                .filter(|n| tree.contains_key(n.as_str()))
                .count()
        });
    });
    group.finish();
}

criterion_group!(benches, loading, encoding, vocabularies);
criterion_main!(benches);
