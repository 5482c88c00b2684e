//! Encoding allocates nothing once the buffers are warm.
//!
//! A binary of its own: it counts the allocations of the whole process.

#![allow(clippy::unwrap_used)]

use std::alloc::System;

use feature_spec::{Encoder, Event, FeatureSpec, Row};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SPEC: &str = r##"
format = 1
name = "x"
time_zone = "Asia/Kolkata"
counters = ["plays", "liked"]
[vocabulary.tag]
values = ["#comedy", "#funny"]
[calendar.festival]
days = ["2022-05-04 eid"]
[metric.rate]
rate = "liked"
per = "plays"
a = 0.5
b = 30
[metric.share]
share = "plays"
[user.tags]
history = "user.hashtag"
metrics = ["plays", "rate", "share"]
vocabulary = "tag"
unknown = { size = 5 }
[user.days]
number = "user.days"
edges = [1, 7, 30]
[event.match]
history = "user.hashtag"
match = "item.hashtag"
combine = "mean"
metrics = ["plays", "rate"]
[event.pairs]
from = ["user.location", "item.hashtag"]
hash = { size = 3 }
[event.hour]
from = "time.hour"
[event.festival]
from = "calendar.festival"
"##;

#[test]
fn encoding_allocates_nothing_once_warm() {
    let spec = FeatureSpec::from_toml(SPEC).unwrap();
    let json = br##"{"event_id": "1", "time": "2022-05-04T10:00:00Z",
        "user": {"attributes": {"location": "delhi"}, "numbers": {"days": 8},
                 "history": {"all": {"": {"plays": 9}}, "hashtag": {"#comedy": {"plays": 4}, "#x": {"plays": 5}}}},
        "item": {"attributes": {"hashtag": ["#comedy", "#dance", "#z", "#y"]}}}"##;
    let event = Event::from_json(json).unwrap();
    let (mut encoder, mut row) = (Encoder::new(&spec), Row::default());
    encoder.encode(&event, &mut row).unwrap();
    let region = Region::new(GLOBAL);
    for _ in 0..100 {
        encoder.encode(&event, &mut row).unwrap();
    }
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0));
    assert!(row.nnz() > 8);
}
