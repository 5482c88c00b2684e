//! The page: what it shows, from top to bottom.

use std::collections::BTreeMap;
use std::path::Path;

use feature_spec::FeatureSpec;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use zscore_stats::Drift;

use super::format::{self, NONE};
use super::{DumpKind, Recorder, sections};
use crate::cli::Failure;
use crate::encode::Reason;
use crate::whole_file;

const STYLE: &str = include_str!("style.css");

/// What a run knows besides its recorder.
#[derive(Debug)]
pub struct Facts<'f> {
    /// What the page is about: "Training report".
    pub title: &'f str,
    /// What stands at which position.
    pub spec: &'f FeatureSpec,
    /// Weights of the model as it is now, by column.
    pub weights: &'f [f32],
    /// Lines set aside, by reason.
    pub rejected: &'f BTreeMap<Reason, u64>,
    /// What became of files, in words and numbers.
    pub files: &'f [(&'f str, u64)],
    /// How the newest values differ from the statistics that they are scaled with.
    pub drift: Option<&'f Drift>,
    /// Events learned from in a second of wall time.
    pub events_per_second: Option<f64>,
}

/// Writes the page, whole or not at all.
///
/// # Errors
///
/// The file cannot be written, or figures overflow.
pub fn write(path: &Path, recorder: &Recorder, facts: &Facts<'_>) -> Result<(), Failure> {
    whole_file::write(path, render(recorder, facts)?.as_bytes())
}

/// The page as HTML.
///
/// # Errors
///
/// Figures overflow.
pub fn render(recorder: &Recorder, facts: &Facts<'_>) -> Result<String, Failure> {
    let recorder = recorder.flushed()?;
    let title = format!(
        "{} · {} · {}",
        facts.title,
        recorder.language,
        facts.spec.name()
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { (head(&recorder, facts)) }
                main {
                    (tiles(&recorder, facts))
                    (sections::over_time(&recorder))
                    (sections::ranking(&recorder))
                    (sections::slices(&recorder))
                    (sections::features(&recorder, facts))
                    (sections::data(&recorder, facts))
                }
                footer { (sections::legend()) }
            }
        }
    };
    Ok(page.into_string())
}

fn head(recorder: &Recorder, facts: &Facts<'_>) -> Markup {
    let spec = facts.spec;
    let points = recorder.curve.points();
    let span = (recorder.curve.points().next()).zip(points.last());
    let zone = spec.time_zone();
    html! {
        p.eyebrow { (facts.title) }
        h1 { (spec.name()) " " span.tag { (recorder.language) } }
        p.lead { (verdict(recorder)) }
        p.soft {
            @if let Some((first, last)) = span {
                "Events from " (format::minute(first.start_ms, &recorder.zone)) " to "
                (format::minute(last.start_ms + recorder.curve.width_ms(), &recorder.zone))
                " (" (zone) ")"
            } @else { "No events yet" }
            @if !spec.version().is_empty() { " · spec version " (spec.version()) }
        }
    }
}

/// The figures in a sentence.
fn verdict(recorder: &Recorder) -> String {
    let metrics = &recorder.overall;
    let (Some(entropy), Some(calibration)) = (metrics.normalized_entropy(), metrics.calibration())
    else {
        return "There are not yet events of both kinds to judge by.".to_owned();
    };
    let better = format::percent(Some((1.0 - entropy).abs()), 1);
    let than = if entropy <= 1.0 { "better" } else { "worse" };
    let off = format::percent(Some((calibration - 1.0).abs()), 1);
    let side = if calibration >= 1.0 { "more" } else { "fewer" };
    format!(
        "Predictions are {better} {than} than the base rate, and expected {off} {side} likes than there were."
    )
}

fn tiles(recorder: &Recorder, facts: &Facts<'_>) -> Markup {
    let metrics = &recorder.overall;
    let interval = metrics.auc_interval(0.95).ok().flatten();
    let auc_note = interval.map_or_else(String::new, |interval| {
        format!(
            "95\u{202f}% interval {:.4} to {:.4}",
            interval.low, interval.high
        )
    });
    let interval = metrics.log_loss_interval(0.95).ok().flatten();
    let loss_note = interval.map_or_else(String::new, |interval| {
        format!(
            "nats; 95\u{202f}% interval {:.4} to {:.4}",
            interval.low, interval.high
        )
    });
    let rejected: u64 = facts.rejected.values().sum();
    let lines = metrics.events() + rejected;
    let dumps = |kind| recorder.dump_counts.get(&kind).copied().unwrap_or(0);
    let rate = format::percent(format::share(metrics.positives(), metrics.events()), 2);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a rate for people
    let speed = (facts.events_per_second).map_or_else(
        || NONE.to_owned(),
        |rate| format::count(rate.max(0.0) as u64),
    );
    let tiles = [
        (
            "Events",
            format::count(metrics.events()),
            format!("{rate} liked"),
        ),
        ("Log loss", format::fixed(metrics.log_loss(), 4), loss_note),
        ("AUC", format::fixed(metrics.auc(), 4), auc_note),
        (
            "Calibration",
            format::fixed(metrics.calibration(), 3),
            "predicted over observed; 1 is right".to_owned(),
        ),
        (
            "Normalized entropy",
            format::fixed(metrics.normalized_entropy(), 4),
            "below 1 beats the base rate".to_owned(),
        ),
        (
            "Dumps",
            format::count(dumps(DumpKind::Published)),
            format!("{} withheld", format::count(dumps(DumpKind::Withheld))),
        ),
        (
            "Rejected lines",
            format::percent(format::share(rejected, lines), 2),
            format!("{} lines", format::count(rejected)),
        ),
        ("Speed", speed, "events a second".to_owned()),
    ];
    html! {
        section.tiles aria-label="Key figures" {
            @for (label, value, note) in tiles {
                div.tile { span.label { (label) } strong { (value) } span.note { (note) } }
            }
        }
    }
}
