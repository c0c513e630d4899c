//! What a part of the service is.

use agent_api::BackendFacts;
use nodes::hosts::Host;
use serde::{Deserialize, Serialize};
use types::{HostId, Timestamp};

use crate::volume::Volume;

/// What answers clients.
pub(crate) const API: &str = "cinder-api";
/// What chooses hosts for volumes.
pub(crate) const SCHEDULER: &str = "cinder-scheduler";
/// What has volumes.
pub(crate) const VOLUME: &str = "cinder-volume";
/// What makes backups, and puts them back.
pub(crate) const BACKUP: &str = "cinder-backup";
/// The control plane, where a host is to be named.
pub(crate) const CONTROL_PLANE: &str = "cuttle";
/// What a host's only backend is called, if the host does not say.
const ONLY_BACKEND: &str = "file";
/// The largest number of a part, as databases have them.
const ID_MAX: u32 = 0x7fff_ffff;
/// Why a frozen backend is out of use.
const FROZEN: &str = "frozen";

/// A part of the service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    /// What it does.
    pub(crate) binary: &'static str,
    /// Where it is: `host@backend`, for backends.
    pub(crate) host: String,
    /// Whether it was heard of lately.
    pub(crate) up: bool,
    /// When it was.
    pub(crate) heard_at: Timestamp,
    /// What an operator said of it.
    pub(crate) switch: Switch,
    /// The host and its backend, if it has volumes.
    pub(crate) backend: Option<(HostId, BackendFacts)>,
}

impl Part {
    /// The scheduler, which answers whoever asks.
    pub(crate) fn scheduler(now: Timestamp) -> Part {
        Part {
            binary: SCHEDULER,
            host: CONTROL_PLANE.to_owned(),
            up: true,
            heard_at: now,
            switch: Switch::default(),
            backend: None,
        }
    }

    /// The backends of a host. One that names none has one.
    pub(crate) fn backends(host: &Host, now: Timestamp) -> Vec<Part> {
        let facts = backends(host);
        let part = |facts: BackendFacts| Part {
            binary: VOLUME,
            host: backend_name(&host.id, &facts.name),
            up: host.is_up(now),
            heard_at: host.heard_at,
            switch: Switch::default(),
            backend: Some((host.id.clone(), facts)),
        };
        facts.into_iter().map(part).collect()
    }

    /// What makes backups of the volumes of a host: the host itself.
    pub(crate) fn backups(host: &Host, now: Timestamp) -> Part {
        Part {
            binary: BACKUP,
            host: host.id.to_string(),
            up: host.is_up(now),
            heard_at: host.heard_at,
            switch: Switch::default(),
            backend: None,
        }
    }

    /// By which it is told from others.
    pub(crate) fn key(&self) -> String {
        key(self.binary, &self.host)
    }

    /// The number by which clients name it where Cinder has that of a row: made of its key (FNV-1a), so that it stays.
    pub(crate) fn id(&self) -> u32 {
        let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
        self.key().bytes().fold(2_166_136_261, mix) & ID_MAX
    }

    /// Whether it has a volume: a backend one of its own, the scheduler one that has no host yet.
    pub(crate) fn has(&self, volume: &Volume) -> bool {
        match (&self.backend, &volume.host) {
            (Some((host, facts)), Some(of)) => {
                host == of && volume.backend.as_ref().map_or(facts.is_default, |name| *name == facts.name)
            }
            (None, None) => self.binary == SCHEDULER,
            _ => false,
        }
    }
}

/// The backends of a host as it names them. One that names none has one.
pub(crate) fn backends(host: &Host) -> Vec<BackendFacts> {
    match host.facts.backends.as_slice() {
        [] => vec![BackendFacts {
            name: ONLY_BACKEND.to_owned(),
            is_default: true,
            is_shared: false,
            total_gib: host.facts.disk_gib,
            free_gib: host.facts.disk_gib,
        }],
        named => named.to_vec(),
    }
}

/// By which a part is told from others.
pub(crate) fn key(binary: &str, host: &str) -> String {
    format!("{binary} {host}")
}

/// A host's backend as Cinder would name it.
pub(crate) fn backend_name(host: &HostId, backend: &str) -> String {
    format!("{host}@{backend}")
}

/// What an operator said of a part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Switch {
    /// See [`Part::key`].
    pub(crate) key: String,
    /// Whether it is out of use.
    pub(crate) disabled: bool,
    /// Why, in the operator's words.
    pub(crate) reason: Option<String>,
    /// Whether what it has is to stay as it is.
    pub(crate) frozen: bool,
}

impl Switch {
    /// Puts the part into use, or out of it.
    pub(crate) fn turn(&mut self, on: bool, reason: Option<String>) {
        self.disabled = !on;
        // Without another reason the one that was given stays.
        self.reason = if on { None } else { reason.or_else(|| self.reason.take()) };
    }

    /// Freezes the part, which takes it out of use, or thaws it. False if it was so before.
    pub(crate) fn freeze(&mut self, frozen: bool) -> bool {
        let news = self.frozen != frozen;
        if news {
            self.frozen = frozen;
            self.turn(!frozen, frozen.then(|| FROZEN.to_owned()));
        }
        news
    }
}
