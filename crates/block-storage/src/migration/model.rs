//! What a migration is.

use std::collections::BTreeMap;

use agent_api::block::{Anew as AnewThere, Elsewhere};
use image::image::node_copy::COPY_TIME_MAX;
use serde::{Deserialize, Serialize};
use types::{CopyId, HostId, ProjectId, SnapshotId, Timestamp, VolumeId, VolumeTypeId};

use crate::encryption::VolumeEncryption;
use crate::volume::{Phase as VolumePhase, SourceImage, Volume};

/// A volume's way to another backend of its host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Migration {
    /// Its id, which is also the copy's.
    pub(crate) id: CopyId,
    /// The volume.
    pub(crate) volume_id: VolumeId,
    /// The volume's project.
    pub(crate) project_id: ProjectId,
    /// How large the volume is.
    pub(crate) size_gib: u32,
    /// The moment of the volume that is copied; nothing if the server that has the volume takes it there, or if an image is
    /// copied in its place.
    pub(crate) snapshot_id: Option<SnapshotId>,
    /// The host.
    pub(crate) host: HostId,
    /// The backend where it is at first.
    pub(crate) from: String,
    /// The backend where it goes.
    pub(crate) to: String,
    /// The type that it has then, if that is another.
    pub(crate) volume_type_id: Option<VolumeTypeId>,
    /// Whether it is for several servers then.
    #[serde(default)]
    pub(crate) multiattach: bool,
    /// What it has then beside its bytes, if it is encrypted otherwise there.
    #[serde(default)]
    pub(crate) anew: Option<Anew>,
    /// What it holds then in place of what it held.
    #[serde(default)]
    pub(crate) reimage: Option<Reimage>,
    /// How far it is.
    pub(crate) phase: Phase,
    /// When it came into this phase, or was last seen to get on.
    pub(crate) heard_at: Timestamp,
    /// How far the copy was then, in percent.
    pub(crate) percent: u8,
}

/// A volume that is copied by what its VM sees, for it comes to be encrypted otherwise, or not at all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Anew {
    /// With what it is encrypted then, if it is.
    pub(crate) encryption: Option<VolumeEncryption>,
    /// With what it was, once it is otherwise. Its key is kept as long as there may be bytes that need it.
    pub(crate) before: Option<VolumeEncryption>,
    /// Under which id the copy is where it stays on its backend, until it takes the volume's place.
    pub(crate) copy_id: Option<VolumeId>,
}

impl Anew {
    /// Whether bytes are copied that are encrypted so already: those of an image.
    pub(crate) fn is_sealed(&self) -> bool {
        self.encryption.as_ref().is_some_and(|encryption| encryption.of_encrypted_image)
    }
}

/// An image that is put into a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reimage {
    /// The image.
    pub(crate) image: SourceImage,
    /// What it said about itself.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// How far a migration is.
///
/// ```text
/// Holding ──moment held, room made──▶ Copying ──copied: the volume is there──▶ Leaving ──source gone──▶ no row
///    └────any refusal, volume taken──────┴──▶ Stopping ──copy ended──▶ Undoing ──what was copied gone──▶ no row
/// ```
///
/// Where it stays on its backend, Leaving is when the copy takes the volume's place; until it has, nobody gets the volume.
///
/// One that a server has is not held, and there is no copy to end: it is given up by going to Undoing, where the host may say
/// that the volume is there already, so that it goes on to Leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// The host makes the snapshot, and a blank volume where it goes.
    Holding,
    /// The host copies it, or its server takes it there.
    Copying,
    /// The volume has moved; the host removes it from where it was.
    Leaving,
    /// It was given up; the host ends the copy.
    Stopping,
    /// The host removes what was copied.
    Undoing,
}

impl Migration {
    /// What its host is to have of the volume beside the volume itself.
    pub(crate) fn elsewhere(&self) -> Elsewhere {
        let (backend, wanted) = match self.phase {
            Phase::Holding | Phase::Copying | Phase::Stopping => (&self.to, true),
            Phase::Undoing => (&self.to, false),
            Phase::Leaving => (&self.from, false),
        };
        let encryption = |anew: &Anew| anew.encryption.as_ref().map(VolumeEncryption::for_host);
        let anew = self.anew.as_ref().map(|anew| AnewThere { encryption: encryption(anew) });
        Elsewhere {
            backend: backend.clone(),
            wanted,
            multiattach: self.multiattach,
            anew: anew.filter(|_| wanted),
            id: self.copy_id(),
            replaces: self.is_replacing(),
            mirror: (self.is_live() && self.phase == Phase::Copying).then_some(self.id),
        }
    }

    /// The id of the copy, where that is not the volume's own.
    pub(crate) fn copy_id(&self) -> Option<VolumeId> {
        self.anew.as_ref().and_then(|anew| anew.copy_id)
    }

    /// Whether the copy takes the volume's place: the volume's bytes are not yet what its row says of them.
    pub(crate) fn is_replacing(&self) -> bool {
        self.phase == Phase::Leaving && self.copy_id().is_some()
    }

    /// Whether a server has the volume and takes it there.
    pub(crate) fn is_live(&self) -> bool {
        self.snapshot_id.is_none() && self.reimage.is_none()
    }

    /// Whether nobody took the volume since it began.
    pub(crate) fn has(&self, volume: &Volume) -> bool {
        match self.reimage {
            Some(_) => volume.phase == VolumePhase::Downloading,
            None => volume.is_migrating(),
        }
    }

    /// Whether the volume may still come to where it goes. A host that takes it there may have decided so before it heard
    /// that this was given up.
    pub(crate) fn is_arriving(&self) -> bool {
        matches!(self.phase, Phase::Holding | Phase::Copying)
            || self.is_live() && self.phase == Phase::Undoing
    }

    /// Moves to another phase.
    pub(crate) fn enter(&mut self, phase: Phase, now: Timestamp) {
        self.phase = phase;
        self.heard_at = now;
    }

    /// Whether the copy has made no progress for longer than it may.
    pub(crate) fn is_overdue(&self, now: Timestamp) -> bool {
        now.since(self.heard_at) >= COPY_TIME_MAX
    }
}

/// Whether a volume may move for its new type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Policy {
    /// It stays, or keeps its type.
    #[default]
    Never,
    /// It moves if it has to.
    OnDemand,
}
