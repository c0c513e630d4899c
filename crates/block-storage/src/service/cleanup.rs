//! What parts of the service began and have not ended: an operator has those that are up look at it again. Here they always do,
//! so that this only hurries them.

use std::collections::BTreeSet;

use policy::Caller;
use store::Tx;
use uuid::Uuid;

use super::Part;
use super::ops::all;
use crate::error::Error;
use crate::migration;
use crate::policy::{RULES, own};
use crate::snapshot::reconcile::KIND as SNAPSHOT_KIND;
use crate::snapshot::store::{self as snapshots, SNAPSHOTS};
use crate::volume::Volume;
use crate::volume::reconcile::KIND as VOLUME_KIND;
use crate::volume::store::{self as volumes, VOLUMES};

/// Which parts are meant, and what of their work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cleanup {
    pub(crate) cluster: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) binary: Option<String>,
    pub(crate) service_id: Option<u32>,
    pub(crate) up: bool,
    pub(crate) disabled: Option<bool>,
    pub(crate) kind: Option<Worked>,
    pub(crate) id: Option<Uuid>,
}

/// What can be left half done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worked {
    Snapshot,
    Volume,
}

/// What is not done yet, with the volume that it is or is of.
struct Work {
    kind: Worked,
    id: Uuid,
    volume: Volume,
}

/// Those that look at their work, and those that cannot.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Asked {
    pub(crate) cleaning: Vec<Part>,
    pub(crate) unavailable: Vec<Part>,
}

/// Has the parts that are meant look at their work.
pub(crate) fn clean(caller: &Caller, tx: &mut Tx<'_>, wanted: &Cleanup) -> Result<Asked, Error> {
    RULES.check("workers:cleanup", caller, &own(caller))?;
    let work = pending(tx, wanted)?;
    let is_placed = wanted.cluster.is_some() || wanted.host.is_some() || wanted.service_id.is_some();
    if let Some(id) = wanted.id.filter(|_| !is_placed && work.is_empty()) {
        let text = format!("Invalid input received: There is no resource with UUID {id} pending cleanup.");
        return Err(Error::Invalid(text));
    }
    let mut asked = Asked::default();
    for part in all(tx)?.into_iter().filter(|part| wanted.means(part)) {
        let its: Vec<&Work> = work.iter().filter(|work| part.has(&work.volume)).collect();
        // Of something that is named without its place only the part counts that has it.
        if wanted.id.is_some() && !is_placed && its.is_empty() {
            continue;
        }
        if !part.up {
            asked.unavailable.push(part);
            continue;
        }
        for work in its {
            match work.kind {
                Worked::Snapshot => tx.kick(SNAPSHOT_KIND, work.id)?,
                Worked::Volume => tx.kick(VOLUME_KIND, work.id)?,
            }
        }
        asked.cleaning.push(part);
    }
    Ok(asked)
}

impl Cleanup {
    fn means(&self, part: &Part) -> bool {
        let named = |host: &String| part.host == *host || part.host.split('@').next() == Some(host);
        self.cluster.is_none()
            && self.host.as_ref().is_none_or(named)
            && self.binary.as_ref().is_none_or(|binary| part.binary == binary)
            && self.service_id.is_none_or(|id| part.id() == id)
            && self.up == part.up
            && self.disabled.is_none_or(|disabled| part.switch.disabled == disabled)
    }

    fn names(&self, kind: Worked, id: Uuid) -> bool {
        self.kind.is_none_or(|wanted| wanted == kind) && self.id.is_none_or(|wanted| wanted == id)
    }
}

/// What is meant of what is not done yet.
fn pending(tx: &mut Tx<'_>, wanted: &Cleanup) -> Result<Vec<Work>, Error> {
    let mut ids: BTreeSet<_> = volumes::moving(tx)?.into_iter().collect();
    ids.extend(migration::store::all(tx)?.iter().map(|migration| migration.volume_id));
    let mut found = Vec::new();
    for id in ids.into_iter().filter(|id| wanted.names(Worked::Volume, id.0)) {
        if let Some(volume) = VOLUMES.load(tx, id)? {
            found.push(Work { kind: Worked::Volume, id: id.0, volume: volume.into_inner() });
        }
    }
    for id in snapshots::moving(tx)?.into_iter().filter(|id| wanted.names(Worked::Snapshot, id.0)) {
        let Some(snapshot) = SNAPSHOTS.load(tx, id)? else { continue };
        if let Some(volume) = VOLUMES.load(tx, snapshot.volume_id)? {
            found.push(Work { kind: Worked::Snapshot, id: id.0, volume: volume.into_inner() });
        }
    }
    Ok(found)
}
