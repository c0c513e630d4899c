//! Snapshots of several volumes that are to be of one moment: the VMs that have the volumes stand still while they are made.
//!
//! Either all of them are there afterwards or none; what a kill leaves in between is told, and never completed later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use agent_api::block::Volume;
use agent_api::compute::Vm;
use agent_api::{DocumentKey, Kind};
use types::{SnapshotId, VolumeId};

use super::{Agent, volume_key};
use crate::documents::Kept;
use crate::trouble::Trouble;
use crate::volumes;

/// How often it is looked whether the documents of all of them are there.
const DOCUMENTS_LOOK: Duration = Duration::from_secs(1);

/// Snapshots of one moment, by their volumes.
type Set = BTreeMap<VolumeId, SnapshotId>;

impl Agent {
    /// Takes the snapshots that the documents among `dirty` want together with others. Tells which volumes are to be made
    /// as they should be now: one whose snapshot cannot be taken yet, or no more, is not.
    pub(super) fn take_together(&mut self, dirty: &BTreeSet<DocumentKey>) -> BTreeSet<DocumentKey> {
        let wanted = self.documents.kept_of(dirty, Kind::Volume);
        let mut ready: BTreeSet<DocumentKey> = wanted.iter().map(|kept| kept.key.clone()).collect();
        // A volume may be in several sets: none of them is forgotten for another.
        let mut blocked = BTreeSet::new();
        let volumes: Vec<Arc<Volume>> = wanted.iter().filter_map(Kept::parse::<Volume>).collect();
        let sets: BTreeSet<&Set> = volumes.iter().flat_map(|volume| volume.together.values()).collect();
        for set in sets {
            let Some(members) = self.members(set) else {
                for key in set.keys().map(|id| volume_key(*id)).filter(|key| ready.contains(key)) {
                    self.due.insert(key.clone(), runtime::now().plus(DOCUMENTS_LOOK));
                    blocked.insert(key);
                }
                continue;
            };
            let vms: Vec<Arc<Vm>> = self.documents.wanted(Kind::Vm);
            let taken = volumes::take_together(&mut self.effects, &members, &vms);
            for (volume, _) in &members {
                let key = volume_key(volume.id);
                match &taken {
                    Ok(()) => drop(ready.insert(key)),
                    Err(trouble) => {
                        self.could_not_take(&key, trouble);
                        blocked.insert(key);
                    }
                }
            }
        }
        ready.retain(|key| !blocked.contains(key));
        ready
    }

    /// The volumes of a set with their snapshots, once all their documents ask for them.
    fn members(&self, set: &Set) -> Option<Vec<(Arc<Volume>, SnapshotId)>> {
        let member = |(id, snapshot): (&VolumeId, &SnapshotId)| {
            let kept = self.documents.get(&volume_key(*id)).filter(|kept| !kept.removing)?;
            let volume = kept.parse::<Volume>().filter(|volume| volume.snapshots.contains(snapshot))?;
            Some((volume, *snapshot))
        };
        set.iter().map(member).collect()
    }

    fn could_not_take(&mut self, key: &DocumentKey, trouble: &Trouble) {
        if let Some(revision) = self.documents.get(key).map(|kept| kept.revision) {
            self.failed(key, revision, trouble.clone());
        }
    }
}
