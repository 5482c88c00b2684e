//! The online learner beside the exact solver trained on the same past.

mod rows;

use std::fmt;
use std::path::PathBuf;

use lr_core::sprs::CsMatI;
use lr_core::{ExactSolver, LabeledBatch, LearnerConfig, LinearModel, SolverConfig};
use serde::Serialize;
use zscore_stats::Scaler;

use self::rows::{LibsvmWriter, Rows};
use crate::cli::Failure;
use crate::encode::{self, Encoded};
use crate::progress::Progress;
use crate::train::Trainer;
use crate::{event_files, population};

/// Tolerance of a solution: its objective is within a millionth of the least.
const TOLERANCE: f64 = 1e-6;

/// What to compare on, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExactConfig {
    /// Folder of event files.
    pub input: PathBuf,
    /// The spec.
    pub spec: PathBuf,
    /// Folder of the vocabularies that the spec names; beside the spec when absent.
    pub vocabularies: Option<PathBuf>,
    /// Language of the stream.
    pub language: String,
    /// The online learner.
    pub learner: LearnerConfig,
    /// Events before the first solution.
    pub from: usize,
    /// Events between two solutions, each scored on the stretch after it; at least 1.
    pub every: usize,
    /// λ₂ to choose from.
    pub l2: Vec<f64>,
    /// Threads that encode and solve; the figures are the same for any number.
    pub threads: usize,
    /// Where to write the rows as libsvm text, scaled as the learner sees them.
    pub libsvm: Option<PathBuf>,
}

impl ExactConfig {
    /// Ten solutions over the second half of the demo's 200,000 events, λ₂ from 1 to 30.
    #[must_use]
    pub fn new(
        input: impl Into<PathBuf>,
        spec: impl Into<PathBuf>,
        language: impl Into<String>,
    ) -> Self {
        Self {
            input: input.into(),
            spec: spec.into(),
            vocabularies: None,
            language: language.into(),
            learner: LearnerConfig::default(),
            from: 90_000,
            every: 10_000,
            l2: vec![1.0, 3.0, 10.0, 30.0],
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            libsvm: None,
        }
    }
}

/// Mean log losses over a stretch of events, in nats.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stretch {
    /// First event.
    pub from: usize,
    /// The event after the last.
    pub to: usize,
    /// The online learner, which goes on learning between its predictions.
    pub online: f64,
    /// The online learner's model as it was before the stretch.
    pub frozen: f64,
    /// The exact solution on the events before the stretch, with `l2`.
    pub exact: f64,
    /// λ₂ with the least loss over the stretches before.
    pub l2: f64,
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Stretch by stretch; the one before the first has chosen the first λ₂.
    pub stretches: Vec<Stretch>,
}

impl Comparison {
    /// Mean of a loss over all stretches, in nats.
    #[expect(clippy::cast_precision_loss, reason = "a few million events")]
    fn mean(&self, loss: impl Fn(&Stretch) -> f64) -> f64 {
        let events = |stretch: &Stretch| (stretch.to - stretch.from) as f64;
        let sum: f64 = self.stretches.iter().map(|s| loss(s) * events(s)).sum();
        sum / self.stretches.iter().map(events).sum::<f64>()
    }

    /// The online learner's loss over the exact solver's, less 1.
    #[must_use]
    pub fn online_excess(&self) -> f64 {
        self.mean(|s| s.online) / self.mean(|s| s.exact) - 1.0
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "log loss in nats")?;
        writeln!(
            formatter,
            "{:>10}{:>10}{:>10}{:>10}{:>10}  λ₂",
            "from", "to", "online", "frozen", "exact"
        )?;
        for s in &self.stretches {
            writeln!(
                formatter,
                "{:>10}{:>10}{:>10.5}{:>10.5}{:>10.5}  {}",
                s.from, s.to, s.online, s.frozen, s.exact, s.l2
            )?;
        }
        writeln!(
            formatter,
            "{:>20}{:>10.5}{:>10.5}{:>10.5}",
            "all",
            self.mean(|s| s.online),
            self.mean(|s| s.frozen),
            self.mean(|s| s.exact)
        )?;
        writeln!(
            formatter,
            "online against exact {:+.2} %",
            100.0 * self.online_excess()
        )
    }
}

/// The online learner between two stretches.
struct Checkpoint {
    events: usize,
    scaler: Scaler,
    model: LinearModel,
}

/// Learns from event files in order, solves exactly for the events so far every now and then, and
/// scores both on what follows.
///
/// A solution's rows, its past and the stretch that it is scored on, are scaled with the statistics
/// of its past.
///
/// # Errors
///
/// - The settings are invalid, or there are fewer than two stretches of events.
/// - The spec or the events cannot be read, training diverged, or a past cannot be solved for.
/// - The rows cannot be written.
pub fn run(config: &ExactConfig, progress: Progress) -> Result<Comparison, Failure> {
    let mut solutions = Solutions::new(config)?;
    let (rows, checkpoints) = learn(config, progress.clone())?;
    let ends = checkpoints.iter().skip(1).map(|next| next.events);
    let mut stage = progress.stage("solve", "stretches", Some(checkpoints.len() as u64));
    let mut stretches = Vec::new();
    for (checkpoint, to) in checkpoints.iter().zip(ends.chain([rows.len()])) {
        let from = checkpoint.events;
        let scaled = rows.scaled(to, &checkpoint.scaler)?;
        let chosen = solutions.best();
        let losses = solutions.advance(&rows, &scaled, from)?;
        if let Some(chosen) = chosen {
            stretches.push(Stretch {
                from,
                to,
                online: rows.mean_loss(from, &rows.margins[from..to]),
                frozen: rows.loss_of(&checkpoint.model, &scaled, from)?,
                exact: losses[chosen],
                l2: config.l2[chosen],
            });
        }
        stage.advance(1);
    }
    stage.finish();
    if stretches.is_empty() {
        return Err(Failure::data(format!(
            "{} events are not two stretches of {} after the first {}",
            rows.len(),
            config.every,
            config.from
        )));
    }
    Ok(Comparison { stretches })
}

/// The online half: predict, then learn.
fn learn(config: &ExactConfig, progress: Progress) -> Result<(Rows, Vec<Checkpoint>), Failure> {
    let spec = population::load_spec(&config.spec, config.vocabularies.as_deref())?;
    let files = event_files::list(&config.input, &config.language)?;
    let mut trainer = Trainer::new(&spec, None, config.learner.clone())?;
    let mut rows = Rows::new(spec.columns());
    let mut libsvm = config.libsvm.as_deref().map(LibsvmWriter::create);
    let mut libsvm = libsvm.take().transpose()?;
    let mut checkpoints = Vec::new();
    let mut stage = progress.stage("learn", "events", None);
    let each = |encoded: Encoded<'_>| {
        let Encoded::Event(mut event) = encoded else {
            return Ok(());
        };
        let events = rows.len();
        let due = events >= config.from && (events - config.from).is_multiple_of(config.every);
        if due && let Some(dump) = trainer.dump()? {
            checkpoints.push(Checkpoint {
                events,
                scaler: dump.scaler,
                model: dump.model,
            });
        }
        rows.push(&event);
        rows.margins.push(trainer.learn(&mut event)?.margin);
        if let Some(writer) = &mut libsvm {
            writer.write(event.label, event.positions, event.values)?;
        }
        stage.advance(1);
        Ok(())
    };
    let mut each = each;
    encode::map_files(
        files,
        &spec,
        &config.language,
        config.threads,
        |mut block| block.for_each(&mut each),
    )?;
    stage.finish();
    if let Some(writer) = libsvm {
        writer.finish()?;
    }
    Ok((rows, checkpoints))
}

/// One exact solver for each λ₂, warm-started from its solution of the past before.
struct Solutions {
    solvers: Vec<ExactSolver>,
    newest: Vec<Option<LinearModel>>,
    /// Loss over the stretches so far.
    totals: Vec<f64>,
}

impl Solutions {
    fn new(config: &ExactConfig) -> Result<Self, Failure> {
        if config.every == 0 || config.from == 0 || config.l2.is_empty() {
            return Err(Failure::usage(
                "a solution needs events before it, events after it, and a penalty",
            ));
        }
        let solver = |&l2: &f64| {
            let settings = SolverConfig::default().l2(l2).tolerance(TOLERANCE);
            ExactSolver::new(settings.threads(config.threads))
                .map_err(|source| Failure::usage(format!("l2: {source}")))
        };
        let solvers: Vec<_> = config.l2.iter().map(solver).collect::<Result<_, _>>()?;
        Ok(Self {
            newest: vec![None; solvers.len()],
            totals: vec![0.0; solvers.len()],
            solvers,
        })
    }

    /// The λ₂ with the least loss so far, by index; `None` before the first stretch.
    fn best(&self) -> Option<usize> {
        let by_loss = |a: &usize, b: &usize| self.totals[*a].total_cmp(&self.totals[*b]);
        let scored = self.newest.iter().all(Option::is_some);
        (0..self.totals.len()).min_by(by_loss).filter(|_| scored)
    }

    /// Solves for the rows before `from` with every λ₂; returns the losses on those from it on.
    fn advance(
        &mut self,
        rows: &Rows,
        scaled: &CsMatI<f32, u32, usize>,
        from: usize,
    ) -> Result<Vec<f64>, Failure> {
        let place = || format!("exact solution of {from} events");
        let past = scaled.slice_outer(0..from);
        let batch = LabeledBatch::new(past, &rows.labels[..from], Some(&rows.importances[..from]))
            .map_err(|source| Failure::at(place(), source))?;
        let mut losses = Vec::new();
        for (index, solver) in self.solvers.iter().enumerate() {
            let solution = match &self.newest[index] {
                Some(start) => solver.solve_from(&batch, start),
                None => solver.solve(&batch),
            };
            let model = solution
                .and_then(|solution| solution.model())
                .map_err(|source| Failure::at(place(), source))?;
            losses.push(rows.loss_of(&model, scaled, from)?);
            self.newest[index] = Some(model);
        }
        for (total, loss) in self.totals.iter_mut().zip(&losses) {
            *total += loss;
        }
        Ok(losses)
    }
}
