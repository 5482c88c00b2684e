//! The dumps and checkpoints of a run.

use std::time::{Duration, Instant};

use lr_core::Metrics;
use model_io::{Checkpoint, Version};

use super::{INTERVAL_METRICS, JUDGED_METRICS, Run, no_metrics};
use crate::cli::Failure;
use crate::report::page::Facts;
use crate::report::{DumpFact, DumpKind, Reporter};
use crate::summary::Quality;
use crate::telemetry::DumpOutcome;
use crate::train::DumpClock;
use crate::train::gate::Withheld;
use crate::train::state::{self, RunState, put_metrics};

impl Run<'_> {
    pub(super) fn to_next_dump(&self) -> Option<Duration> {
        let every = self.config.dump_every;
        match self.config.dump_clock {
            DumpClock::Event => self.interval.to_its_end(every),
            DumpClock::Wall => Some(every.saturating_sub(self.last_dump.elapsed())),
        }
    }

    /// Ends the dump interval: publishes the model unless the gate keeps it back.
    pub(super) fn dump(&mut self) -> Result<(), Failure> {
        self.keep_rejects()?;
        let rejects = self.interval.check_rejects(self.config.max_reject_share);
        let mut reasons = match rejects {
            Err(failure) if self.config.follow => vec![failure.to_string()],
            rejects => rejects.map(|()| Vec::new())?,
        };
        let Some(time_ms) = self.interval.dump_time_ms(self.config.dump_every) else {
            return Ok(());
        };
        let recent = std::mem::replace(&mut self.recent, no_metrics()?);
        self.telemetry
            .interval(recent.log_loss(), recent.calibration());
        let failure = |source| Failure::at("metrics", source);
        self.judged.merge(&recent).map_err(failure)?;
        let mut judged = self.judged.clone();
        if self.config.gate.may_judge(&judged) {
            self.judged = no_metrics()?;
            let running = self.trainer.metrics();
            reasons.extend(self.config.gate.reasons(&judged, running));
            if let Some(drift) = self.trainer.take_recent_drift()? {
                let name = |position| self.spec.describe(position);
                reasons.extend(self.config.gate.drift_reason(&drift, name));
            }
        } else {
            judged = recent.clone();
        }
        self.interval.start_next();
        let state = match self.trainer.dump() {
            Ok(Some(state)) => state,
            Ok(None) => return Ok(()),
            Err(failure) => {
                reasons.push(failure.render());
                return self.withhold(time_ms, reasons, &judged);
            }
        };
        if !reasons.is_empty() {
            return self.withhold(time_ms, reasons, &judged);
        }
        let parent = self.parent.clone();
        let snapshot = self.publisher.snapshot(time_ms, state, &recent, parent)?;
        self.parent = Some(snapshot.info.version.clone());
        self.report_dump(time_ms, &snapshot.info.version, &recent, "");
        if self.report.as_ref().is_some_and(Reporter::is_due) {
            self.write_report()?;
        }
        let checkpoint = (self.config.checkpoint).then(|| self.state()).transpose()?;
        self.publisher.publish(snapshot, &self.samples, checkpoint)
    }

    /// Says aloud and writes down that a dump is kept back, and why.
    fn withhold(
        &mut self,
        time_ms: i64,
        reasons: Vec<String>,
        judged: &Metrics,
    ) -> Result<(), Failure> {
        let running = self.trainer.metrics();
        let version = self.publisher.version(time_ms, running.events())?;
        let withheld = Withheld {
            version: version.to_string(),
            reasons,
            events: judged.events(),
            judged: Quality::of(judged),
            running: Quality::of(running),
        };
        let reasons = withheld.reasons.join("; ");
        tracing::error!(%version, reasons, "dump withheld");
        self.report_dump(time_ms, &version, judged, &reasons);
        self.telemetry.dump(DumpOutcome::Withheld);
        self.publisher.keep_withheld(&withheld)?;
        self.withheld.push(withheld);
        Ok(())
    }

    /// Writes the page about the run, if one is asked for.
    #[allow(clippy::cast_precision_loss)] // a rate for people
    pub(super) fn write_report(&mut self) -> Result<(), Failure> {
        let events = self.events();
        let (Some(report), Some(state)) = (&mut self.report, self.trainer.dump()?) else {
            return Ok(());
        };
        let drift = self.trainer.drift()?;
        let files = self.files;
        let seconds = self.started.elapsed().as_secs_f64();
        report.write(&Facts {
            title: "Training report",
            spec: self.spec,
            weights: state.model.weights(),
            rejected: &self.rejected,
            files: &[
                ("read to the end", files.consumed),
                ("too late", files.late),
                ("changed after they were read", files.changed),
                ("set aside", files.set_aside),
                ("gone before they could be read", files.vanished),
            ],
            drift: drift.as_ref(),
            events_per_second: (seconds > 0.0).then(|| events as f64 / seconds),
        })
    }

    /// Tells the page of a dump; `why` is empty for one that is published.
    fn report_dump(&mut self, time_ms: i64, version: &Version, recent: &Metrics, why: &str) {
        if let Some(report) = &mut self.report {
            report.dump(DumpFact {
                time_ms,
                version: version.to_string(),
                kind: if why.is_empty() {
                    DumpKind::Published
                } else {
                    DumpKind::Withheld
                },
                why: why.to_owned(),
                log_loss: recent.log_loss(),
                calibration: recent.calibration(),
                events: recent.events(),
            });
        }
    }

    /// Queues a checkpoint of this moment.
    pub(super) fn checkpoint(&mut self) -> Result<(), Failure> {
        self.keep_rejects()?;
        let state = self.state()?;
        self.publisher.checkpoint(state)
    }

    pub(super) fn keep_rejects(&mut self) -> Result<(), Failure> {
        self.publisher
            .keep_rejects(&mut self.interval, &mut self.rejects_written)
    }

    /// Everything that a restart needs, as of now.
    fn state(&mut self) -> Result<Checkpoint, Failure> {
        self.changed = false;
        self.last_checkpoint = Instant::now();
        let mut checkpoint = state::begin(self.config, self.spec);
        self.trainer.save(&mut checkpoint)?;
        put_metrics(&mut checkpoint, INTERVAL_METRICS, &self.recent);
        put_metrics(&mut checkpoint, JUDGED_METRICS, &self.judged);
        let run = RunState {
            ledger: self.ledger.clone(),
            under_way: self.under_way.clone(),
            interval: self.interval.clone(),
            rejected: self.rejected.clone(),
            rejects_written: self.rejects_written,
            samples: self.samples.clone(),
            parent: self.parent.clone(),
            files: self.files,
        };
        run.save(&mut checkpoint)?;
        if let Some(report) = &self.report {
            report.save(&mut checkpoint)?;
        }
        Ok(checkpoint)
    }
}
