//! Values that are no longer what they were: the gate keeps the dumps back.

use model_io::{Blocking, Location, Registry};
use pipeline::summary::Summary;

use crate::following::{Input, lines};

/// Follows 17 hours; from hour 15 on every counter is a thousand times what it was. The statistics
/// in use then are those of the first day, which are hours 0 to 13.
fn a_jump(is_on: bool) -> (Summary, Input) {
    let mut input = Input::new();
    let gate = &mut input.config.gate;
    gate.is_on = is_on;
    (gate.min_events, gate.min_positives) = (30, 5);
    // Only drift is judged here. The users' latest rows of the first day are all of 23 to 39 plays,
    // so that the few rows of an hour are further away than the default allows.
    gate.max_drift = 20.0;
    gate.max_loss_increase = 1e6;
    (gate.min_calibration, gate.max_calibration) = (0.0, 1e6);
    input.appear(0..15);
    for hour in 15..17 {
        let text: String = (lines(&input, hour).iter())
            .map(|line| {
                let (before, rest) = line.split_once("\"plays\":").unwrap();
                let (plays, rest) = rest.split_once(',').unwrap();
                let plays: u64 = plays.parse().unwrap();
                format!("{before}\"plays\":{},{rest}\n", plays * 1_000)
            })
            .collect();
        input.put(&Input::name(hour).replace(".zst", ""), text.as_bytes());
    }
    input.appear([17]);
    (input.follow(18.0), input)
}

#[test]
fn values_that_jump_keep_the_dump_back_and_the_position_is_named() {
    let (summary, input) = a_jump(true);
    assert_eq!((summary.dumps.len(), summary.withheld.len()), (15, 2));
    for withheld in &summary.withheld {
        let [reason] = &withheld.reasons[..] else {
            panic!("{:?}", withheld.reasons);
        };
        let expected = "the mean of position 0 (user/plays/plays) is ";
        assert!(reason.starts_with(expected), "{reason}");
        assert!(
            reason.contains(" standard deviations from that of the statistics, more than 20: "),
            "{reason}"
        );
        // ln(1 + x) of 23 to 39 plays; of 0, 8,000, 16,000, 24,000 and 32,000.
        let (now, then) = reason
            .rsplit_once(": ")
            .unwrap()
            .1
            .split_once(" was ")
            .unwrap();
        let (now, then): (f64, f64) = (now.parse().unwrap(), then.parse().unwrap());
        assert!(
            (3.2..3.7).contains(&then) && (7.0..11.0).contains(&now),
            "{reason}"
        );
    }
    assert_eq!(input.models().len(), 15);

    let (summary, input) = a_jump(false);
    assert_eq!((summary.dumps.len(), summary.withheld.len()), (17, 0));
    assert_eq!(input.models().len(), 17);
}

#[test]
fn a_checkpoint_from_before_the_gate_watched_drift_is_gone_on_from() {
    let mut undisturbed = Input::new();
    undisturbed.appear(0..6);
    undisturbed.follow(6.0);

    let mut input = Input::new();
    input.appear(0..3);
    input.follow(3.0);
    let registry = Registry::open(Location::parse(&input.config.output).unwrap());
    let log = registry.checkpoints("HI").unwrap();
    Blocking::new().unwrap().run(async {
        let (mut writer, newest) = log.take_over().await.unwrap();
        let mut newest = newest.unwrap();
        assert!(newest.parts.remove("recent-population").is_some());
        writer.commit(&mut newest).await.unwrap();
    });
    input.appear(3..6);
    input.follow(3.0);
    assert!(input.models() == undisturbed.models(), "the models differ");
}
