//! Reading how a feature's values are scaled.

use toml::de::DeValue;
use zscore_stats::{Absent, Clip, Scale, ScalePolicy, Transform};

use super::Names;
use crate::schema::model::{Measure, PolicyDeclaration};
use crate::schema::table::Table;

pub(in crate::schema) fn read_policy(table: &Table<'_, '_>) -> PolicyDeclaration {
    let transforms = [
        ("none", Transform::None),
        ("log1p", Transform::Log1p),
        ("sqrt", Transform::Sqrt),
        ("log", Transform::Log),
    ];
    let scales = [
        ("none", Scale::None),
        ("z_score", Scale::ZScore),
        ("unit", Scale::Unit),
    ];
    let clip = table.get("clip").and_then(|node| {
        if matches!(node.value, DeValue::Boolean(false)) {
            return Some(None);
        }
        let bounds = table.numbers("clip")?;
        match bounds[..] {
            [low, high] if low < high => Some(Some(Clip { low, high })),
            _ => {
                let message = "`clip` is `[low, high]` with low below high, or `false`".to_owned();
                table.at("clip", message, None);
                None
            }
        }
    });
    PolicyDeclaration {
        transform: table.choice("transform", &transforms),
        scale: table.choice("scale", &scales),
        clip,
        absent: table.choice("absent", &[("zero", Absent::Zero), ("skip", Absent::Skip)]),
        max_inverse_std_dev: table.number("max_inverse_std_dev"),
    }
}

/// The policy of each metric: its own where it says something, else the feature's.
pub(super) fn policies(
    table: &Table<'_, '_>,
    measure: &Measure,
    counted: bool,
    own: PolicyDeclaration,
    names: &Names<'_>,
) -> Option<Vec<ScalePolicy>> {
    let declared = match measure {
        Measure::Number { absent_value, .. } if counted => vec![own.resolve(*absent_value)],
        Measure::History { metrics, .. } => metrics
            .iter()
            .map(|m| {
                let derived = names.metrics.get(&m.name).filter(|_| counted).map(|d| {
                    let transform = d.policy.transform.or(Some(Transform::None));
                    PolicyDeclaration {
                        transform,
                        ..d.policy
                    }
                });
                let absent_value = if counted { m.kind.absent_value() } else { 0.0 };
                derived.unwrap_or_default().or(own).resolve(absent_value)
            })
            .collect(),
        Measure::Indicator | Measure::Number { .. } => vec![own.resolve(0.0)],
    };
    for policy in &declared {
        if let Err(error) = policy.validate() {
            let key = if table.has("transform") {
                "transform"
            } else {
                "clip"
            };
            let help = (policy.transform == Transform::Log)
                .then(|| "`log` has no value at 0; use `log1p`".to_owned());
            table.at(key, error.to_string(), help);
            return None;
        }
        if let (Some(clip), Scale::Unit) = (policy.clip, policy.scale)
            && (clip.high <= 0.0 || clip.low >= 1.0)
        {
            let message = format!(
                "clip [{}, {}] leaves nothing of the scale `unit`, which is between 0 and 1",
                clip.low, clip.high
            );
            table.at("clip", message, None);
            return None;
        }
    }
    Some(declared)
}
