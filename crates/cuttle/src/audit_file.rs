//! The operator's audit file: the log's target `audit`, a record of JSON a line.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Context as LayerContext;
use tracing_subscriber::registry::LookupSpan;

/// The target under which services log their records.
const TARGET: &str = "audit";

/// Appends what is logged under `audit` to a file that only its owner reads.
pub struct AuditFile(Mutex<File>);

impl AuditFile {
    /// Opens or makes the file.
    pub fn open(path: &Path) -> anyhow::Result<AuditFile> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        let file = file.with_context(|| {
            format!("cannot write the audit file {}: set audit_file to one that can be", path.display())
        })?;
        Ok(AuditFile(Mutex::new(file)))
    }

    /// The layer that takes the records, and has nothing else told for its sake.
    pub fn layer<S: Subscriber + for<'s> LookupSpan<'s>>(self) -> impl Layer<S> {
        self.with_filter(Targets::new().with_target(TARGET, Level::INFO))
    }
}

impl<S: Subscriber> Layer<S> for AuditFile {
    fn on_event(&self, event: &Event<'_>, _context: LayerContext<'_, S>) {
        let mut record = Record(String::new());
        event.record(&mut record);
        record.0.push('\n');
        let written = self.0.lock().map(|mut file| file.write_all(record.0.as_bytes()));
        if !matches!(written, Ok(Ok(()))) {
            // A full disk must not end the cloud; the log has the record too.
            tracing::error!("a record is missing in the audit file: {written:?}");
        }
    }
}

/// The message of an event.
struct Record(String);

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    //! What goes to the file and what does not.

    use std::os::unix::fs::PermissionsExt;

    use tracing_subscriber::layer::SubscriberExt;

    use super::AuditFile;

    #[test]
    fn records_are_lines_and_nothing_else_is() {
        let path = std::env::temp_dir().join(format!("cuttle-audit-{}", runtime::new_uuid()));
        for _ in 0..2 {
            let subscriber = tracing_subscriber::registry().with(AuditFile::open(&path).unwrap().layer());
            tracing::subscriber::with_default(subscriber, || {
                tracing::info!(target: "audit", "{}", serde_json::json!({"name": "a\nb \"c\""}));
                tracing::info!(target: "rest", "something else");
                assert!(!tracing::enabled!(target: "rest", tracing::Level::ERROR), "nobody takes it");
            });
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"name\":\"a\\nb \\\"c\\\"\"}\n".repeat(2));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_file(path).unwrap();
        assert!(AuditFile::open(std::path::Path::new("/nowhere/audit")).is_err());
    }
}
