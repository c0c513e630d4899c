//! How much the service's parts tell in their logs, over HTTP. The control plane's log is one, whichever of its parts is named;
//! that of a host is its agent's.

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::Caller;
use rest::{Fields, InvalidBody, Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use tracing::Level;
use tracing::level_filters::LevelFilter;

use super::model::{API, CONTROL_PLANE, SCHEDULER};
use super::{BACKUP, VOLUME};
use crate::api::{since, text_in};
use crate::error::Error;
use crate::policy::{RULES, own};

/// The first microversion with levels.
const LEVELS: Microversion = Microversion(3, 32);
/// The parts that have a log; the first are the control plane's.
const BINARIES: [&str; 4] = [API, SCHEDULER, VOLUME, BACKUP];
const HERE: &[&str] = &[API, SCHEDULER];

/// The log of a process, by its targets: `block_storage::volume`.
pub trait LogLevels: Send + Sync {
    /// The targets that begin so, and how much each tells.
    fn levels(&self, prefix: &str) -> BTreeMap<String, LevelFilter>;

    /// Has all targets that begin so tell so much until the process ends; an error says why not.
    fn set(&self, prefix: &str, level: Level) -> Result<(), String>;
}

/// A process that tells nothing.
impl LogLevels for () {
    fn levels(&self, _prefix: &str) -> BTreeMap<String, LevelFilter> {
        BTreeMap::new()
    }

    fn set(&self, _prefix: &str, _level: Level) -> Result<(), String> {
        Ok(())
    }
}

/// The routes of levels.
pub(crate) fn routes(log: Arc<dyn LogLevels>) -> Routes {
    let read = log.clone();
    Routes::new()
        .put("/os-services/get-log", since(LEVELS, move |request, _tx| levels(read.as_ref(), request)))
        .put("/os-services/set-log", since(LEVELS, move |request, _tx| set(log.as_ref(), request)))
}

/// Whose log is meant, and what of it.
struct Meant {
    binary: Option<String>,
    server: Option<String>,
    prefix: String,
}

impl Meant {
    fn of(fields: &mut Fields) -> Result<Meant, InvalidBody> {
        let binary = match fields.take("binary") {
            None => None,
            Some(Json::String(binary)) if ["", "*"].contains(&binary.as_str()) => None,
            Some(Json::String(binary)) if BINARIES.contains(&binary.as_str()) => Some(binary),
            Some(_) => return Err(fields.error("binary", format!("is none of {}", BINARIES.join(", ")))),
        };
        let server = text_in(fields, "server")?.flatten().filter(|server| !server.is_empty());
        let prefix = text_in(fields, "prefix")?.flatten().unwrap_or_default();
        Ok(Meant { binary, server, prefix })
    }

    /// The parts of the control plane that are meant.
    fn here(&self) -> impl Iterator<Item = &'static str> {
        let is_here = self.server.as_ref().is_none_or(|server| server == CONTROL_PLANE);
        let is_meant =
            move |part: &&&'static str| is_here && self.binary.as_ref().is_none_or(|binary| binary == **part);
        HERE.iter().filter(is_meant).copied()
    }
}

fn check(caller: &Caller) -> Result<(), Error> {
    Ok(RULES.check("volume_extension:services:update", caller, &own(caller))?)
}

fn levels(log: &dyn LogLevels, request: &Request) -> Result<Reply, Error> {
    let mut fields = Fields::new("", request.json()?)?;
    let meant = Meant::of(&mut fields)?;
    fields.finish()?;
    check(request.caller())?;
    let levels = log.levels(&meant.prefix).into_iter().map(|(target, level)| (target, name_of(level).into()));
    let levels = Json::Object(levels.collect());
    let parts = meant.here().map(|part| json!({"binary": part, "host": CONTROL_PLANE, "levels": levels}));
    Ok(Reply::ok(json!({"log_levels": parts.collect::<Vec<Json>>()})))
}

fn set(log: &dyn LogLevels, request: &Request) -> Result<Reply, Error> {
    let mut fields = Fields::new("", request.json()?)?;
    let meant = Meant::of(&mut fields)?;
    let level = fields.text("level")?.unwrap_or_default();
    fields.finish()?;
    let invalid = |text: String| Error::Invalid(format!("Invalid input received: {text}"));
    let level = level_of(&level).ok_or_else(|| invalid(format!("{level} is not a valid log level.")))?;
    check(request.caller())?;
    if meant.here().next().is_none() {
        let text = "Only the log of the control plane, the binaries cinder-api and cinder-scheduler on the host \
                    cuttle, can be set; that of a host is set where its agent is started.";
        return Err(invalid(text.to_owned()));
    }
    log.set(&meant.prefix, level).map_err(invalid)?;
    tracing::info!(target: "block_storage::service", "targets '{}*' tell {level} from now on", meant.prefix);
    Ok(Reply::empty(202))
}

/// The level of this name, as Cinder has them.
fn level_of(name: &str) -> Option<Level> {
    match name.to_uppercase().as_str() {
        "DEBUG" => Some(Level::DEBUG),
        "INFO" => Some(Level::INFO),
        "WARNING" => Some(Level::WARN),
        "ERROR" => Some(Level::ERROR),
        _ => None,
    }
}

/// What a level is called; two that only `RUST_LOG` knows keep their names.
fn name_of(level: LevelFilter) -> String {
    match level {
        LevelFilter::WARN => "WARNING".to_owned(),
        other => other.to_string().to_uppercase(),
    }
}
