//! Times the exact solver on a libsvm file and compares its objective with LIBLINEAR's.
//!
//! ```text
//! liblinear-train -s 0 -c 1 -e 1e-6 FILE LIBLINEAR_MODEL
//! cargo bench -p lr-core --bench solver -- FILE 1 LIBLINEAR_MODEL [THREADS TOLERANCE]
//! ```
//!
//! Prints one line a run: seconds of the solve (loading left out), objective times C as LIBLINEAR
//! counts it, and how far it is above LIBLINEAR's (negative: below), relatively.
//! Without a file it does nothing, so that `cargo test --benches` passes.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::error::Error;
use std::fs;
use std::time::Instant;

use lr_core::sprs::CsMatI;
use lr_core::{BiasTerm, ExactSolver, LabeledBatch, SolverConfig, logistic_loss};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let [file, c, rest @ ..] = arguments.as_slice() else {
        println!("usage: solver FILE C [LIBLINEAR_MODEL [THREADS TOLERANCE]]");
        return Ok(());
    };
    let c: f64 = c.parse()?;
    let (rows, labels) = load(&fs::read_to_string(file)?)?;
    println!(
        "{} rows, {} entries, {} columns",
        rows.rows(),
        rows.nnz(),
        rows.cols()
    );
    let peer = match rest.first() {
        Some(model) => Some(liblinear_objective(
            &fs::read_to_string(model)?,
            &rows,
            &labels,
            c,
        )?),
        None => None,
    };
    let runs = match rest {
        [_, threads, tolerance] => vec![(threads.parse()?, tolerance.parse()?)],
        _ => vec![(1, 1e-6), (1, 1e-9), (2, 1e-6), (2, 1e-9)],
    };
    for (threads, tolerance) in runs {
        // The solver copies the batch; that is part of its time.
        let start = Instant::now();
        let batch = LabeledBatch::new(rows.view(), &labels, None)?;
        let config = SolverConfig::default()
            .l2(1.0 / c)
            .bias(BiasTerm::Absent)
            .tolerance(tolerance)
            .threads(threads);
        let solution = ExactSolver::new(config)?.solve(&batch)?;
        let seconds = start.elapsed().as_secs_f64();
        let objective = solution.objective * c;
        let above = peer.map_or(String::new(), |peer| {
            format!(
                ", {:+.2e} of LIBLINEAR's {peer:.9e}",
                objective / peer - 1.0
            )
        });
        println!(
            "threads {threads} tolerance {tolerance:e}: {seconds:.3} s, objective \
                 {objective:.9e}{above}, gap {:.1e}, {} steps, {} products",
            solution.duality_gap / solution.objective,
            solution.newton_steps,
            solution.hessian_products,
        );
    }
    Ok(())
}

type Rows = CsMatI<f32, u32, usize>;

fn load(text: &str) -> Result<(Rows, Vec<bool>), Box<dyn Error>> {
    let (mut starts, mut columns, mut values) = (vec![0_usize], Vec::new(), Vec::new());
    let mut labels = Vec::new();
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace();
        let label: f32 = fields.next().ok_or("a line is empty")?.parse()?;
        labels.push(label > 0.0);
        for field in fields {
            let (column, value) = field.split_once(':').ok_or("a field has no colon")?;
            columns.push(column.parse::<u32>()? - 1);
            values.push(value.parse::<f32>()?);
        }
        starts.push(columns.len());
    }
    let dimension = columns
        .iter()
        .max()
        .map_or(0, |&column| column as usize + 1);
    Ok((
        CsMatI::new((labels.len(), dimension), starts, columns, values),
        labels,
    ))
}

/// ½‖w‖² + C Σ loss at the weights of a LIBLINEAR model file.
fn liblinear_objective(
    model: &str,
    rows: &Rows,
    labels: &[bool],
    c: f64,
) -> Result<f64, Box<dyn Error>> {
    let (head, weights) = model.split_once("\nw\n").ok_or("no weights in the model")?;
    // The weights are for the first label of this line.
    let first = head
        .lines()
        .find_map(|line| line.strip_prefix("label "))
        .ok_or("no labels")?;
    let sign = if first.starts_with("1") { 1.0 } else { -1.0 };
    let weights: Vec<f64> = weights
        .split_ascii_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let mut loss = 0.0;
    for (row, &label) in rows.outer_iterator().zip(labels) {
        let entries = row.iter();
        let margin: f64 = entries.map(|(j, &x)| weights[j] * f64::from(x)).sum();
        loss += logistic_loss(sign * margin, label);
    }
    Ok(c * loss + weights.iter().map(|w| w * w).sum::<f64>() / 2.0)
}
