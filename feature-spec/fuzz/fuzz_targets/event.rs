//! Any bytes as an event: no panic; what is accepted is written and read back equal, and encodes to
//! a sorted, finite row or is rejected.
//!
//! `cargo +nightly fuzz run event` in `feature-spec/`.

#![no_main]

use std::cell::RefCell;

use feature_spec::{Encoder, Event, FeatureSpec, Row};
use libfuzzer_sys::fuzz_target;

const SPEC: &str = r##"
format = 1
name = "x"
time_zone = "Asia/Kolkata"
counters = ["plays", "liked"]
[vocabulary.tag]
values = ["#comedy", "#funny"]
[metric.rate]
rate = "liked"
per = "plays"
a = 0.5
b = 30
as = "logit"
[metric.share]
share = "plays"
[metric.recency]
recency = "hours"
[user.tags]
history = "user.hashtag"
metrics = ["plays", "rate", "share", "recency"]
vocabulary = "tag"
unknown = "other"
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
hash = { size = 100 }
[event.hour]
from = "time.hour"
"##;

thread_local! {
    static ENCODER: RefCell<(Encoder, Row)> = RefCell::new((
        Encoder::new(&FeatureSpec::from_toml(SPEC).expect("a valid spec")),
        Row::default(),
    ));
}

fuzz_target!(|data: &[u8]| {
    let Ok(event) = Event::from_json(data) else { return };
    let text = event.to_json();
    assert_eq!(Event::from_json(text.as_bytes()).as_ref(), Ok(&event));
    ENCODER.with_borrow_mut(|(encoder, row)| {
        if encoder.encode(&event, row).is_ok() {
            assert!(row.positions().is_sorted_by(|a, b| a < b));
            assert!(row.values().iter().all(|v| v.is_finite()));
        }
    });
});
