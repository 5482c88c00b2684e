//! Charts as inline SVG without text, between labels in HTML.
//!
//! The drawing is stretched to its box, so a chart fills a phone and a desk alike while letters and
//! strokes keep their size; colours are the page's, for light and dark.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

/// Side of the drawing's own square.
const SIDE: f64 = 1000.0;

/// One direction of a chart.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    ticks: Vec<(f64, String)>,
}

/// Points to draw, in the order of `x`.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: &'static str,
    /// Class of the page's style: `a`, `b` or `reference`.
    pub(super) class: &'static str,
    pub(super) mark: Mark,
    pub(super) points: Vec<(f64, f64)>,
}

/// How points are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Line,
    Area,
    Dots,
    /// Each two points are the ends of a stroke.
    Strokes,
}

impl Axis {
    /// From `low` to `high`, with ticks at round numbers.
    pub(super) fn linear(low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        let (step, digits) = round_step((high - low) / 4.0);
        let first = (low / step).ceil();
        let ticks = (0..12)
            .map(|index| (first + f64::from(index)) * step)
            .take_while(|tick| *tick <= high + step * 1e-9)
            .map(|tick| (tick, format!("{tick:.digits$}")))
            .collect();
        Self {
            low,
            high,
            logarithmic: false,
            ticks,
        }
    }

    /// Powers of ten; both ends must be above 0.
    pub(super) fn logarithmic(low: f64, high: f64) -> Self {
        let (first, last) = (low.log10().floor(), high.log10().ceil());
        let ticks = (0..24)
            .map(|index| first + f64::from(index))
            .take_while(|exponent| *exponent <= last)
            .map(|exponent| {
                let tick = 10_f64.powf(exponent);
                (tick, format!("{tick}"))
            })
            .filter(|(tick, _)| (low * 0.999..=high * 1.001).contains(tick))
            .collect();
        Self {
            low,
            high,
            logarithmic: true,
            ticks,
        }
    }

    /// Wide enough for all but the most extreme values, and for `needed`.
    pub(super) fn around(values: &[f64], needed: f64) -> Self {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |part: usize| {
            sorted
                .get(sorted.len().saturating_sub(1) * part / 50)
                .copied()
        };
        let low = at(1).unwrap_or(needed).min(needed);
        let high = at(49).unwrap_or(needed).max(needed);
        let room = ((high - low) * 0.12).max(high.abs() * 0.02);
        let floor = if low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
        Self::linear((low - room).max(floor), high + room)
    }

    /// With given ticks.
    pub(super) fn with_ticks(low: f64, high: f64, ticks: Vec<(f64, String)>) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self {
            low,
            high,
            logarithmic: false,
            ticks,
        }
    }

    /// Share of the way from the low to the high end, kept within the chart.
    fn place(&self, value: f64) -> f64 {
        let map = |v: f64| {
            if self.logarithmic {
                v.max(1e-300).log10()
            } else {
                v
            }
        };
        let (low, high) = (map(self.low), map(self.high));
        ((map(value) - low) / (high - low)).clamp(0.0, 1.0)
    }
}

/// A chart; `tips`: what a pointer at an `x` is told.
pub(super) fn chart(
    x: &Axis,
    y: &Axis,
    square: bool,
    series: &[Series],
    tips: &[(f64, String)],
) -> Markup {
    let class = if square { "chart square" } else { "chart" };
    html! {
        div class=(class) aria-hidden="true" {
            div.y { @for (value, label) in &y.ticks {
                span style=(format!("bottom:{:.2}%", 100.0 * y.place(*value))) { (label) }
            } }
            div.plot { svg viewBox="0 0 1000 1000" preserveAspectRatio="none" {
                @for (value, _) in &y.ticks {
                    @let at = SIDE * (1.0 - y.place(*value));
                    path.grid d=(format!("M0 {at:.1}H1000")) {}
                }
                @for one in series { (draw(one, x, y)) }
                (PreEscaped(hover(x, tips)))
            } }
            div.x { @for (value, label) in &x.ticks {
                span style=(format!("left:{:.2}%", 100.0 * x.place(*value))) { (label) }
            } }
        }
        @if series.len() > 1 {
            ul.legend { @for one in series.iter().filter(|one| !one.name.is_empty()) {
                li class=(one.class) { (one.name) }
            } }
        }
    }
}

fn draw(series: &Series, x: &Axis, y: &Axis) -> Markup {
    let place = |(at, value): &(f64, f64)| (SIDE * x.place(*at), SIDE * (1.0 - y.place(*value)));
    let mut path = String::new();
    for (index, point) in series.points.iter().enumerate() {
        let (at, value) = place(point);
        let begins = match series.mark {
            Mark::Line | Mark::Area => index == 0,
            Mark::Dots => true,
            Mark::Strokes => index % 2 == 0,
        };
        let command = if begins { 'M' } else { 'L' };
        // Writing to a String cannot fail.
        let _ = write!(path, "{command}{at:.1} {value:.1}");
        if series.mark == Mark::Dots {
            path.push_str("h0");
        }
    }
    let below = match (series.mark, series.points.first(), series.points.last()) {
        (Mark::Area, Some(first), Some(last)) => {
            let (left, right) = (place(first).0, place(last).0);
            Some(format!("{path}L{right:.1} 1000L{left:.1} 1000Z"))
        }
        _ => None,
    };
    let mark = if series.mark == Mark::Dots {
        "dots"
    } else {
        "line"
    };
    html! {
        @if let Some(below) = below { path class=(format!("area {}", series.class)) d=(below) {} }
        path class=(format!("{mark} {}", series.class)) d=(path) {}
    }
}

/// Invisible columns, each with a tip.
fn hover(x: &Axis, tips: &[(f64, String)]) -> String {
    let places: Vec<f64> = tips.iter().map(|(at, _)| SIDE * x.place(*at)).collect();
    let mut text = String::new();
    for (index, (_, tip)) in tips.iter().enumerate() {
        let at = places[index];
        let left = index
            .checked_sub(1)
            .map_or(0.0, |before| (places[before] + at) / 2.0);
        let right = places
            .get(index + 1)
            .map_or(SIDE, |after| (after + at) / 2.0);
        let width = (right - left).max(0.0);
        let tip = html! { title { (tip) } }.into_string();
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "<rect class=\"tip\" x=\"{left:.1}\" y=\"0\" width=\"{width:.1}\" height=\"1000\">{tip}</rect>"
        );
    }
    text
}

/// The smallest of 1, 2 and 5 times a power of ten that is not below `least`, and the digits after
/// the point that tell its multiples apart.
fn round_step(least: f64) -> (f64, usize) {
    let exponent = least.log10().floor();
    let power = 10_f64.powf(exponent);
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|factor| factor * power >= least * (1.0 - 1e-9));
    let (step, exponent) = match factor {
        Some(factor) => (factor * power, exponent),
        None => (10.0 * power, exponent + 1.0),
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to 12
    let digits = (-exponent).clamp(0.0, 12.0) as usize;
    (step, digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (least, step, digits) in [
            (0.2, 0.2, 1),
            (0.21, 0.5, 1),
            (0.03, 0.05, 2),
            (6.0, 10.0, 0),
            (1.0, 1.0, 0),
            (1_200.0, 2_000.0, 0),
        ] {
            let (found, found_digits) = round_step(least);
            assert!((found - step).abs() < step * 1e-9, "{least}: {found}");
            assert_eq!(found_digits, digits, "{least}");
        }
    }

    #[test]
    fn places_are_from_low_to_high() {
        let axis = Axis::linear(1.0, 3.0);
        assert!((axis.place(2.0) - 0.5).abs() < 1e-12);
        assert!((axis.place(9.0) - 1.0).abs() < 1e-12);
        let ticks: Vec<&str> = axis.ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(ticks, ["1.0", "1.5", "2.0", "2.5", "3.0"]);
        let axis = Axis::logarithmic(0.001, 1.0);
        assert!((axis.place(0.01) - 1.0 / 3.0).abs() < 1e-12);
        let ticks: Vec<&str> = axis.ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(ticks, ["0.001", "0.01", "0.1", "1"]);
    }

    #[test]
    fn a_few_extreme_values_do_not_flatten_the_rest() {
        let mut values = vec![1.0; 99];
        values.push(1e6);
        let axis = Axis::around(&values, 0.5);
        assert!(axis.high < 2.0, "{axis:?}");
        assert!(axis.low < 0.5 && axis.low >= 0.0, "{axis:?}");
    }
}
