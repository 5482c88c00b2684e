//! An evaluation as tables for people.

use std::fmt;

use super::paired::Verdict;
use super::{Evaluation, Scores};

impl fmt::Display for Evaluation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{} events, {} of them positive; {} older than the versions, {} lines rejected",
            self.events,
            self.positives,
            self.unserved,
            self.rejected.values().sum::<u64>()
        )?;
        writeln!(formatter)?;
        writeln!(
            formatter,
            "{:<34} {:>9} {:>21} {:>7} {:>19} {:>9} {:>12}",
            "selection",
            "log loss",
            "95 % interval",
            "AUC",
            "95 % interval",
            "norm.ent.",
            "calibration"
        )?;
        for scores in std::iter::once(&self.model).chain(&self.compared) {
            row(formatter, scores)?;
        }
        for scores in std::iter::once(&self.model).chain(&self.compared) {
            if scores.versions.len() > 1 {
                versions(formatter, scores)?;
            }
        }
        if let (Some(difference), Some(compared)) = (&self.difference, &self.compared) {
            let better = match difference.verdict {
                Verdict::FirstIsBetter => format!("{} is better", self.model.selection),
                Verdict::SecondIsBetter => format!("{} is better", compared.selection),
                Verdict::Undecided => "these events do not tell which is better".to_owned(),
            };
            writeln!(formatter)?;
            writeln!(
                formatter,
                "log loss of {} minus that of {}: {:+.6} nats, 95 % interval {} over {} users: {better}",
                self.model.selection,
                compared.selection,
                difference.log_loss,
                match (difference.low, difference.high) {
                    (Some(low), Some(high)) => format!("{low:+.6} to {high:+.6}"),
                    _ => "unknown".to_owned(),
                },
                difference.users
            )?;
        }
        Ok(())
    }
}

fn row(formatter: &mut fmt::Formatter<'_>, scores: &Scores) -> fmt::Result {
    let quality = &scores.quality;
    writeln!(
        formatter,
        "{:<34} {:>9} {:>21} {:>7} {:>19} {:>9} {:>12}",
        scores.selection,
        number(quality.log_loss, 5),
        interval(scores.log_loss_interval, 5),
        number(quality.auc, 4),
        interval(scores.auc_interval, 4),
        number(quality.normalized_entropy, 4),
        number(quality.calibration, 4)
    )
}

fn versions(formatter: &mut fmt::Formatter<'_>, scores: &Scores) -> fmt::Result {
    writeln!(formatter)?;
    writeln!(
        formatter,
        "{:<34} {:>9} {:>9} {:>7} {:>9} {:>12}",
        format!("served of {}", scores.selection),
        "events",
        "log loss",
        "AUC",
        "norm.ent.",
        "calibration"
    )?;
    for one in &scores.versions {
        writeln!(
            formatter,
            "{:<34} {:>9} {:>9} {:>7} {:>9} {:>12}",
            one.version,
            one.events,
            number(one.quality.log_loss, 5),
            number(one.quality.auc, 4),
            number(one.quality.normalized_entropy, 4),
            number(one.quality.calibration, 4)
        )?;
    }
    Ok(())
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

fn interval(ends: Option<[f64; 2]>, digits: usize) -> String {
    ends.map_or_else(
        || "-".to_owned(),
        |[low, high]| format!("{low:.digits$} to {high:.digits$}"),
    )
}
