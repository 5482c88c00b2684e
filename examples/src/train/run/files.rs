//! What happens to the files of a run.

use super::Run;
use crate::telemetry::FileOutcome;
use crate::train::source::Mark;

impl Run<'_> {
    /// Takes note of what the source says between the events.
    pub(super) fn mark(&mut self, mark: Mark) {
        self.changed |= !matches!(mark, Mark::Idle);
        match mark {
            Mark::Idle => {}
            Mark::Begin(file) => match &self.under_way {
                Some((resumed, _)) if self.skip > 0 && resumed.key == file.key => {
                    tracing::info!(file = file.key, lines = self.skip, "goes on within a file");
                }
                _ => self.under_way = Some((file, 0)),
            },
            Mark::End => {
                if let Some((file, _)) = self.under_way.take() {
                    if self.skip > 0 {
                        let lines = std::mem::take(&mut self.skip);
                        tracing::error!(file = file.key, lines, "ends before where it was left");
                    }
                    self.ledger.take(&file);
                    self.files.consumed += 1;
                    self.telemetry.file(FileOutcome::Consumed);
                }
            }
            Mark::Lost { file, why } => {
                tracing::error!(
                    file = file.key,
                    why,
                    "the rest of the file is not learned from"
                );
                self.ledger.take(&file);
                self.under_way = None;
                self.skip = 0;
                self.files.set_aside += 1;
            }
            Mark::Changed(file) => {
                let key = &file.key;
                tracing::error!(
                    file = key,
                    "changed after it was learned from: not read again"
                );
                self.ledger.take(&file);
                self.files.changed += 1;
                self.telemetry.file(FileOutcome::Changed);
            }
            Mark::Late { hour, files } => {
                tracing::error!(files, hour, "files of an hour that is closed are not read");
                self.ledger.reported_late(hour, files);
                self.files.late += files;
                (0..files).for_each(|_| self.telemetry.file(FileOutcome::Late));
            }
            Mark::Aside { file, why } => {
                tracing::error!(file = file.key, why, "set aside: it could not be read");
                self.ledger.set_aside(&file);
                self.files.set_aside += 1;
            }
            Mark::Vanished(file) => {
                tracing::warn!(file = file.key, "gone before it could be read");
                self.files.vanished += 1;
            }
        }
    }
}
