//! The sections of the page, each a few charts or tables.

use lr_core::{CalibrationBucket, Metrics};
use maud::{Markup, html};

use super::chart::{Axis, Mark, Series, chart};
use super::curve::Point;
use super::features::RankedFeature;
use super::format::{self, count, fixed, percent};
use super::page::Facts;
use super::{DumpKind, Recorder};

const HOUR_MS: i64 = 3_600_000;
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Dumps and drifted positions that are shown.
const SHOWN: usize = 15;

/// Log loss, calibration and volume over event time.
pub(super) fn over_time(recorder: &Recorder) -> Markup {
    let points: Vec<Point<'_>> = recorder.curve.points().collect();
    let width_ms = recorder.curve.width_ms();
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return html! {};
    };
    let x = time_axis(first.start_ms, last.start_ms + width_ms, recorder);
    let at = |point: &Point<'_>| (point.start_ms + width_ms / 2) as f64;
    let line = |figure: fn(&Metrics) -> Option<f64>| -> Vec<(f64, f64)> {
        let points = points.iter();
        points
            .filter_map(|point| Some((at(point), figure(point.metrics)?)))
            .collect()
    };
    let tips: Vec<(f64, String)> = points
        .iter()
        .map(|point| (at(point), tip(point, recorder)))
        .collect();
    let loss = line(Metrics::log_loss);
    let base = line(base_rate_loss);
    let losses: Vec<f64> = loss.iter().chain(&base).map(|point| point.1).collect();
    let calibration = line(Metrics::calibration);
    let ratios: Vec<f64> = calibration.iter().map(|point| point.1).collect();
    let volume = line(|metrics| Some(metrics.events() as f64));
    let most = volume
        .iter()
        .fold(1.0, |most: f64, point| most.max(point.1));
    let ends = vec![
        (first.start_ms as f64, 1.0),
        ((last.start_ms + width_ms) as f64, 1.0),
    ];
    let middle = losses.first().copied().unwrap_or(0.0);
    html! {
        section {
            h2 { "Over time" }
            p.soft { "A point is " (format::duration(width_ms)) " of event time. Every prediction was made before its event was learned from." }
            div.grid {
                figure.card.wide {
                    figcaption { h3 { "Log loss" } p { "Lower is better. The dashed line always predicts that stretch's own base rate." } }
                    (chart(&x, &Axis::around(&losses, middle), false, &[
                        Series { name: "model", class: "a", mark: Mark::Area, points: loss },
                        Series { name: "base rate", class: "reference", mark: Mark::Line, points: base },
                    ], &tips))
                }
                figure.card {
                    figcaption { h3 { "Calibration" } p { "Predicted over observed likes; 1 is right on average." } }
                    (chart(&x, &Axis::around(&ratios, 1.0), false, &[
                        Series { name: "model", class: "b", mark: Mark::Line, points: calibration },
                        Series { name: "exact", class: "reference", mark: Mark::Line, points: ends },
                    ], &tips))
                }
                figure.card {
                    figcaption { h3 { "Events" } p { "Learned from, in each stretch." } }
                    (chart(&x, &Axis::linear(0.0, most * 1.05), false, &[
                        Series { name: "events", class: "a", mark: Mark::Area, points: volume },
                    ], &tips))
                }
            }
            details { summary { "Numbers" } (metrics_table("From", points.iter().rev().take(48).map(|point|
                (format::minute(point.start_ms, &recorder.zone), point.metrics)))) }
        }
    }
}

/// ROC and calibration curves over all events.
pub(super) fn ranking(recorder: &Recorder) -> Markup {
    let metrics = &recorder.overall;
    if metrics.auc().is_none() {
        return html! {};
    }
    let buckets = metrics.calibration_quantiles(20);
    let rates = |bucket: &CalibrationBucket| bucket.predicted_rate().zip(bucket.observed_rate());
    let observed: Vec<(f64, f64)> = buckets
        .iter()
        .filter_map(rates)
        .filter(|rate| rate.1 > 0.0)
        .collect();
    let low = (observed.iter())
        .fold(1.0, |low: f64, rate| low.min(rate.0).min(rate.1))
        .max(1e-7)
        / 1.5;
    let unit = Axis::linear(0.0, 1.0);
    let log = Axis::logarithmic(low, 1.0);
    let whiskers = buckets.iter().filter_map(whisker).flatten().collect();
    let diagonal = |low: f64| vec![(low, low), (1.0, 1.0)];
    html! {
        section {
            h2 { "Ranking and calibration" }
            div.grid {
                figure.card {
                    figcaption { h3 { "ROC curve" } p { "Of two videos, one liked: the liked one is ranked higher " (percent(metrics.auc(), 1)) " of the time." } }
                    (chart(&unit, &unit, true, &[
                        Series { name: "model", class: "a", mark: Mark::Area, points: roc(metrics) },
                        Series { name: "chance", class: "reference", mark: Mark::Line, points: diagonal(0.0) },
                    ], &[]))
                    p.axes { "x: share of the unliked passed over · y: share of the liked found" }
                }
                figure.card {
                    figcaption { h3 { "Calibration curve" } p { "Twenty groups of equal size: what was predicted and what happened, with 95\u{202f}% intervals." } }
                    (chart(&log, &log, true, &[
                        Series { name: "", class: "b", mark: Mark::Strokes, points: whiskers },
                        Series { name: "groups", class: "b", mark: Mark::Dots, points: observed },
                        Series { name: "exact", class: "reference", mark: Mark::Line, points: diagonal(low) },
                    ], &[]))
                    p.axes { "x: mean prediction · y: share liked · both logarithmic" }
                }
            }
            details { summary { "Numbers" } div.scroll { table {
                thead { tr { th { "Predicted" } th { "Mean prediction" } th { "Liked" } th { "Weight" } } }
                tbody { @for bucket in &buckets { tr {
                    td { (fixed(Some(bucket.low), 5)) " to " (fixed(Some(bucket.high), 5)) }
                    td { (fixed(bucket.predicted_rate(), 5)) }
                    td { (fixed(bucket.observed_rate(), 5)) }
                    td { (fixed(Some(bucket.importance), 0)) }
                } } }
            } } }
        }
    }
}

/// Figures by category.
pub(super) fn slices(recorder: &Recorder) -> Markup {
    let hours = (recorder.hours.iter()).map(|(hour, metrics)| (format!("{hour:02}:00"), metrics));
    let weekdays = (recorder.weekdays.iter()).map(|(day, metrics)| {
        let index = usize::try_from(*day - 1).unwrap_or(0);
        ((*WEEKDAYS.get(index).unwrap_or(&"?")).to_owned(), metrics)
    });
    let languages = recorder
        .languages
        .iter()
        .map(|(name, metrics)| (name.clone(), metrics));
    html! {
        section {
            h2 { "Slices" }
            p.soft { "Where the model does well and where it does not. Hours and weekdays are those of the spec's time zone." }
            @for category in &recorder.categories {
                @let others = category.slices.others();
                @let others = (others.events() > 0).then(|| ("all others".to_owned(), others));
                @let slices = category.slices.iter().map(|(name, metrics)| (name.to_owned(), metrics));
                (slice_card(&category.feature, "Value", slices.chain(others)))
            }
            (slice_card("Hour of the day", "Hour", hours))
            (slice_card("Weekday", "Day", weekdays))
            (slice_card("Language", "Language", languages))
        }
    }
}

fn slice_card<'m>(
    title: &str,
    name: &str,
    rows: impl Iterator<Item = (String, &'m Metrics)>,
) -> Markup {
    html! { div.card.slice { h3 { (title) } (metrics_table(name, rows)) } }
}

/// The features that matter most.
pub(super) fn features(recorder: &Recorder, facts: &Facts<'_>) -> Markup {
    let ranked = recorder.ranked(facts.weights);
    let list = |features: &[RankedFeature], by_weight: bool| {
        let size = |feature: &RankedFeature| {
            if by_weight {
                feature.weight.abs()
            } else {
                feature.contribution
            }
        };
        let largest = features.first().map_or(1.0, size);
        html! { div.scroll { table.features {
            thead { tr { th { "Feature" } th { "Weight" } th { "Contribution" } th.bar-head { "" } } }
            tbody { @for feature in features { tr {
                td { code { (facts.spec.describe(feature.column)) } }
                td { (fixed(Some(feature.weight), 4)) }
                td { (fixed(Some(feature.contribution), 4)) }
                td.bar-cell { (bar(size(feature) / largest, if feature.weight < 0.0 { "down" } else { "up" })) }
            } } }
        } } }
    };
    html! {
        section {
            h2 { "Features" }
            p.soft {
                "Positive weights speak for a like, negative ones against it. A contribution is the weight's size times the root mean square of the stored value over the "
                (count(ranked.events)) " events of the newest day: what the feature typically adds to the log-odds."
            }
            div.grid {
                div.card { h3 { "By contribution" } (list(&ranked.by_contribution, false)) }
                div.card { h3 { "By weight" } (list(&ranked.by_weight, true)) }
            }
        }
    }
}

/// What came in, what was set aside, what was published.
pub(super) fn data(recorder: &Recorder, facts: &Facts<'_>) -> Markup {
    let rejected: u64 = facts.rejected.values().sum();
    html! {
        section {
            h2 { "Data and dumps" }
            div.grid {
                div.card {
                    h3 { "Rejected lines" }
                    @if facts.rejected.is_empty() { p.soft { "Every line could be used." } }
                    @else { table {
                        thead { tr { th { "Reason" } th { "Lines" } th { "Share" } } }
                        tbody { @for (reason, lines) in facts.rejected { tr {
                            td { code { (reason.name()) } } td { (count(*lines)) }
                            td { (percent(format::share(*lines, rejected), 1)) }
                        } } }
                    } }
                    @if !facts.files.is_empty() {
                        h3 { "Files" }
                        table { tbody { @for (what, files) in facts.files { tr { td { (what) } td { (count(*files)) } } } } }
                    }
                }
                div.card.wide { h3 { "Drift" } (drift(facts)) }
                div.card.wide { h3 { "Dumps" } (dumps(recorder)) }
            }
        }
    }
}

/// What the words of the page mean.
pub(super) fn legend() -> Markup {
    html! {
        dl {
            div { dt { "Log loss" } dd { "Mean of −ln of the probability given to what happened, in nats." } }
            div { dt { "Base rate" } dd { "The share of events that are likes." } }
            div { dt { "Normalized entropy" } dd { "Log loss over that of always predicting the base rate." } }
            div { dt { "AUC" } dd { "The chance that a liked video is ranked above one that is not; 0.5 is a coin." } }
            div { dt { "Calibration" } dd { "Predicted over observed likes." } }
            div { dt { "Withheld" } dd { "A dump that failed the gate: services keep the one before." } }
        }
    }
}

fn drift(facts: &Facts<'_>) -> Markup {
    let Some(drift) = facts.drift else {
        return html! { p.soft { "Nothing is scaled with statistics, or there are none of an earlier day yet." } };
    };
    let moved = |least: f64| {
        let is_over =
            |p: &&zscore_stats::PositionDrift| p.standardized_mean_difference.abs() >= least;
        drift.positions().iter().filter(is_over).count() as u64
    };
    html! {
        p.soft {
            "Means that moved against the statistics in use, in standard deviations: "
            (count(moved(0.1))) " of " (count(drift.positions().len() as u64)) " positions by 0.1 or more, "
            (count(moved(0.5))) " by 0.5 or more."
        }
        div.scroll { table {
            thead { tr { th { "Feature" } th { "Mean was" } th { "Mean is" } th { "Moved by" } } }
            tbody { @for position in drift.positions().iter().take(SHOWN) { tr {
                td { code { (facts.spec.describe(position.position)) } }
                td { (fixed(Some(position.mean.0), 4)) }
                td { (fixed(Some(position.mean.1), 4)) }
                td { (fixed(Some(position.standardized_mean_difference), 3)) }
            } } }
        } }
    }
}

fn dumps(recorder: &Recorder) -> Markup {
    if recorder.dumps.is_empty() {
        return html! { p.soft { "None yet." } };
    }
    let first = recorder.dumps.iter().rev();
    html! { div.scroll { table {
        thead { tr { th { "Until" } th { "Version" } th { "Events" } th { "Log loss" } th { "Calibration" } th { "State" } } }
        tbody { @for dump in first.take(SHOWN) { tr {
            td { (format::minute(dump.time_ms, &recorder.zone)) }
            td { code { (dump.version) } }
            td { (count(dump.events)) }
            td { (fixed(dump.log_loss, 4)) }
            td { (fixed(dump.calibration, 3)) }
            td { @match dump.kind {
                DumpKind::Published => span.good { "published" },
                DumpKind::Withheld => { span.bad { "withheld" } " " (dump.why) }
            } }
        } } }
    } }
    @if recorder.dumps.len() > SHOWN { p.soft { "The newest " (SHOWN) " are shown." } } }
}

fn metrics_table<'m>(name: &str, rows: impl Iterator<Item = (String, &'m Metrics)>) -> Markup {
    let rows: Vec<(String, &Metrics)> = rows.collect();
    let most = rows
        .iter()
        .map(|(_, metrics)| metrics.events())
        .max()
        .unwrap_or(1);
    html! { div.scroll { table.slices {
        thead { tr {
            th { (name) } th { "Events" } th.bar-head.desk { "" } th { "Liked" } th { "Log loss" }
            th.desk { "Norm. entropy" } th { "AUC" } th { "Calibration" }
        } }
        tbody { @for (name, metrics) in rows { tr {
            td { (name) }
            td { (count(metrics.events())) }
            td.bar-cell.desk { (bar(format::share(metrics.events(), most).unwrap_or(0.0), "volume")) }
            td { (percent(metrics.base_rate(), 2)) }
            td { (fixed(metrics.log_loss(), 4)) }
            td.desk { (fixed(metrics.normalized_entropy(), 3)) }
            td { (fixed(metrics.auc(), 3)) }
            td { (fixed(metrics.calibration(), 3)) }
        } } }
    } } }
}

fn bar(share: f64, class: &str) -> Markup {
    html! { span class=(format!("bar {class}")) style=(format!("width:{:.1}%", 100.0 * share.clamp(0.0, 1.0))) {} }
}

/// What a pointer at a point of a curve is told.
fn tip(point: &Point<'_>, recorder: &Recorder) -> String {
    let metrics = point.metrics;
    format!(
        "{}\nlog loss {}\ncalibration {}\n{} events, {} liked",
        format::minute(point.start_ms, &recorder.zone),
        fixed(metrics.log_loss(), 4),
        fixed(metrics.calibration(), 3),
        count(metrics.events()),
        count(metrics.positives()),
    )
}

/// Log loss of always predicting the base rate.
fn base_rate_loss(metrics: &Metrics) -> Option<f64> {
    metrics
        .log_loss()
        .zip(metrics.normalized_entropy())
        .map(|(loss, entropy)| loss / entropy)
}

/// Share of positives found over share of negatives passed over, as the threshold falls.
fn roc(metrics: &Metrics) -> Vec<(f64, f64)> {
    let buckets = metrics.calibration_quantiles(400);
    let positives: f64 = buckets.iter().map(|bucket| bucket.observed).sum();
    let negatives: f64 = buckets
        .iter()
        .map(|bucket| bucket.importance - bucket.observed)
        .sum();
    let mut points = vec![(0.0, 0.0)];
    let (mut found, mut passed) = (0.0, 0.0);
    for bucket in buckets.iter().rev() {
        found += bucket.observed;
        passed += bucket.importance - bucket.observed;
        points.push((passed / negatives, found / positives));
    }
    points
}

/// Ends of the 95 % interval of a group's rate (Wilson 1927).
fn whisker(bucket: &CalibrationBucket) -> Option<[(f64, f64); 2]> {
    const Z: f64 = 1.959_963_984_540_054;
    let (n, rate) = (bucket.importance, bucket.observed_rate()?);
    let middle = rate + Z * Z / (2.0 * n);
    let half = Z * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    let at = bucket.predicted_rate()?;
    Some([(at, (middle - half) / scale), (at, (middle + half) / scale)])
}

/// Time, with ticks at round hours or at midnights of the spec's time zone.
fn time_axis(first_ms: i64, last_ms: i64, recorder: &Recorder) -> Axis {
    let span = (last_ms - first_ms).max(HOUR_MS);
    let steps = [1, 3, 6, 12, 24, 48, 96, 168, 336, 720, 2_160, 8_760];
    let step = steps
        .into_iter()
        .map(|hours| hours * HOUR_MS)
        .find(|step| span / step <= 6);
    let step = step.unwrap_or(span / 4);
    let offset = jiff::Timestamp::from_millisecond(first_ms).map_or(0, |time| {
        i64::from(recorder.zone.to_offset(time).seconds()) * 1000
    });
    let first_tick = (first_ms + offset + step - 1).div_euclid(step) * step - offset;
    let mut ticks = Vec::new();
    let mut tick = first_tick;
    while tick <= last_ms {
        ticks.push((tick as f64, format::tick(tick, &recorder.zone, span)));
        tick += step;
    }
    Axis::with_ticks(first_ms as f64, last_ms as f64, ticks)
}
