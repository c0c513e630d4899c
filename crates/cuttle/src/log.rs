//! The log of this process: to stderr, as much of it as `RUST_LOG` says, or an operator later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use block_storage::LogLevels;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Filter, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::audit_file::AuditFile;

/// What chooses how much is told at first: `info,rest=warn`.
const VARIABLE: &str = "RUST_LOG";
/// How many prefixes may have levels of their own.
const PREFIXES_MAX: usize = 256;

/// How much is told of what.
#[derive(Clone, Default)]
pub struct Log(Arc<State>);

#[derive(Default)]
struct State {
    targets: RwLock<Targets>,
    /// Targets by which something was told, or could have been.
    known: Mutex<BTreeSet<&'static str>>,
}

impl Log {
    /// Logs go to stderr from now on. Audit records go to their file too, if there is one.
    pub fn to_stderr(audit: Option<AuditFile>) -> Log {
        let said = std::env::var(VARIABLE).ok().map(|said| said.parse());
        let usual = || Targets::new().with_default(Level::INFO);
        let (targets, unread) = match said {
            None => (usual(), None),
            Some(Ok(targets)) => (targets, None),
            Some(Err(error)) => (usual(), Some(error)),
        };
        let log = Log::of(targets);
        let stderr = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
        // A second call in one process keeps the first.
        let _ = tracing_subscriber::registry()
            .with(stderr.with_filter(log.clone()))
            .with(audit.map(AuditFile::layer))
            .try_init();
        if let Some(error) = unread {
            tracing::warn!(
                "{VARIABLE} is not a list like info,rest=warn, and so counts for nothing: {error}"
            );
        }
        log
    }

    fn of(targets: Targets) -> Log {
        Log(Arc::new(State { targets: RwLock::new(targets), known: Mutex::default() }))
    }

    fn targets(&self) -> Targets {
        self.0.targets.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tells(&self, metadata: &Metadata<'_>) -> bool {
        let targets = self.0.targets.read().unwrap_or_else(PoisonError::into_inner);
        targets.would_enable(metadata.target(), metadata.level())
    }
}

/// How much one target tells.
fn level_of(targets: &Targets, target: &str) -> LevelFilter {
    let all = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
    let found = all.into_iter().find(|level| targets.would_enable(target, level));
    found.map_or(LevelFilter::OFF, LevelFilter::from_level)
}

/// The same, where all that begins so tells so much.
fn with(targets: &Targets, prefix: &str, level: Level) -> Result<Targets, String> {
    let others = targets.iter().filter(|(target, _)| !target.starts_with(prefix));
    let mut new = Targets::new().with_targets(others);
    if prefix.is_empty() {
        return Ok(new.with_default(level));
    }
    if let Some(default) = targets.default_level() {
        new = new.with_default(default);
    }
    if level_of(&new, prefix) != level {
        new = new.with_target(prefix, level);
    }
    match new.iter().count() <= PREFIXES_MAX {
        true => Ok(new),
        false => Err(format!("{PREFIXES_MAX} prefixes have levels of their own already; set a shorter one.")),
    }
}

impl<S: Subscriber> Filter<S> for Log {
    fn enabled(&self, metadata: &Metadata<'_>, _context: &Context<'_, S>) -> bool {
        self.tells(metadata)
    }

    /// What is found here is kept with the place that tells, until [`LogLevels::set`].
    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner).insert(metadata.target());
        if self.tells(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let targets = self.targets();
        let all = targets.iter().map(|(_, level)| level).chain(targets.default_level());
        Some(all.max().unwrap_or(LevelFilter::OFF))
    }
}

impl LogLevels for Log {
    fn levels(&self, prefix: &str) -> BTreeMap<String, LevelFilter> {
        let targets = self.targets();
        let mut names: BTreeSet<String> = targets.iter().map(|(target, _)| target.to_owned()).collect();
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        names.extend(known.iter().map(|target| (*target).to_owned()));
        let meant = names.into_iter().filter(|target| target.starts_with(prefix));
        meant.map(|target| (target.clone(), level_of(&targets, &target))).collect()
    }

    fn set(&self, prefix: &str, level: Level) -> Result<(), String> {
        {
            let mut targets = self.0.targets.write().unwrap_or_else(PoisonError::into_inner);
            *targets = with(&targets, prefix, level)?;
        }
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
