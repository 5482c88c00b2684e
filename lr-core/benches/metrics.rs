//! Cost of the metrics, error of the bounded AUC, and what recalibration does to a learner.
//!
//! ```text
//! cargo bench -p lr-core --bench metrics -- FILE FIRST
//! ```
//!
//! Learns a libsvm file in one pass with the default learner and scores its progressive predictions
//! from row `FIRST` (0-based) on. Without a file it does nothing.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::time::Instant;

use lr_core::sprs::CsVecViewI;
use lr_core::{
    Example, Isotonic, Learner, LearnerConfig, Metrics, Platt, PlattConfig, exact_auc, sigmoid,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let [file, first] = arguments.as_slice() else {
        println!("usage: metrics FILE FIRST");
        return Ok(());
    };
    let first: usize = first.parse()?;
    let margins = progressive_margins(&fs::read_to_string(file)?)?;

    let mut platt = Platt::new(&PlattConfig::default())?;
    let mut drifting = Platt::new(&PlattConfig::default().forgetting(1e-4))?;
    let mut isotonic = Isotonic::new();
    let [mut plain, mut scaled, mut followed, mut pooled] = [(); 4].map(|()| Metrics::new());
    let mut scores = Vec::new();
    for (row, &(margin, label)) in margins.iter().enumerate() {
        if row >= first {
            plain.push(sigmoid(margin), label, 1.0)?;
            scaled.push(platt.probability(margin), label, 1.0)?;
            followed.push(drifting.probability(margin), label, 1.0)?;
            pooled.push(isotonic.probability(margin), label, 1.0)?;
            scores.push((margin, label, 1.0));
        }
        platt.push(margin, label, 1.0)?;
        drifting.push(margin, label, 1.0)?;
        isotonic.push(margin, label, 1.0)?;
    }
    let exact = exact_auc(&scores)?.ok_or("one label only")?;
    println!(
        "AUC {exact:.9}, bounded {:+.1e}, bound {:.1e}",
        plain.auc().ok_or("no AUC")? - exact,
        plain.auc_error_bound().ok_or("no AUC")?
    );
    for (name, metrics) in [
        ("as learned", &plain),
        ("Platt", &scaled),
        ("Platt, forgetting 1e-4", &followed),
        ("isotonic", &pooled),
    ] {
        println!(
            "{name:24} log loss {:.5}, calibration {:.4}, calibration error {:.5}, AUC {:.4}",
            metrics.log_loss().ok_or("no events")?,
            metrics.calibration().ok_or("no positives")?,
            metrics.calibration_error(20).ok_or("no events")?,
            metrics.auc().ok_or("no AUC")?,
        );
    }
    let loss = plain.log_loss_interval(0.95)?.ok_or("too few events")?;
    let auc = plain.auc_interval(0.95)?.ok_or("too few events")?;
    println!(
        "95 % intervals: log loss {:.5} to {:.5}, AUC {:.4} to {:.4}",
        loss.low, loss.high, auc.low, auc.high
    );

    let probabilities: Vec<f64> = margins.iter().map(|&(margin, _)| sigmoid(margin)).collect();
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        let mut metrics = Metrics::new();
        for (&probability, &(_, label)) in probabilities.iter().zip(&margins) {
            metrics.push(probability, label, 1.0)?;
        }
        best = best.min(start.elapsed().as_secs_f64());
        black_box(metrics);
    }
    println!(
        "push {:.0} ns, best of 5 runs",
        best / margins.len() as f64 * 1e9
    );
    Ok(())
}

/// Margin before learning, and label, of each row.
fn progressive_margins(text: &str) -> Result<Vec<(f64, bool)>, Box<dyn Error>> {
    const DIMENSION: usize = 1 << 18;
    let mut learner = Learner::new(DIMENSION, LearnerConfig::default())?;
    let (mut positions, mut values) = (Vec::new(), Vec::new());
    let mut margins = Vec::new();
    for line in text.lines() {
        positions.clear();
        values.clear();
        let mut fields = line.split_ascii_whitespace();
        let label = fields.next().ok_or("a line is empty")?.parse::<f32>()? > 0.0;
        for field in fields {
            let (position, value) = field.split_once(':').ok_or("a field has no colon")?;
            positions.push(position.parse::<u32>()?);
            values.push(value.parse::<f32>()?);
        }
        let row = CsVecViewI::new(DIMENSION, &positions, &values);
        margins.push((learner.learn(&Example::new(row, label))?.margin, label));
    }
    Ok(margins)
}
