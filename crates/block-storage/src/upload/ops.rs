//! Asking for an image of a volume.

use ::image::Error as ImageError;
use ::image::image::by_node::{self, Terms};
use ::image::image::node_copy::NodeCopy;
use ::image::image::{DiskFormat, Image, ImageDraft, Visibility};
use policy::{Caller, Target};
use rest::Fault;
use store::{Stored, Tx};
use types::{CopyId, EncryptionKeyId, VolumeId};

use super::store::UPLOADS;
use super::{Phase, Upload, UploadDraft, reconcile};
use crate::encryption::{self, VolumeEncryption};
use crate::error::Error;
use crate::policy::RULES;
use crate::snapshot;
use crate::volume::ops::{save, show_for};
use crate::volume::{Phase as VolumePhase, Volume};

/// Begins to make an image of a volume.
pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    terms: &Terms,
    id: VolumeId,
    draft: UploadDraft,
) -> Result<(Stored<Volume>, Stored<Image>), Error> {
    let mut volume = show_for(caller, tx, id, "volume_extension:volume_actions:upload_image")?;
    if draft.visibility == Visibility::Public {
        let target = Target::project(&volume.project_id);
        RULES.check("volume_extension:volume_actions:upload_public", caller, &target)?;
    }
    let usable = match draft.force {
        true => &[VolumePhase::Available, VolumePhase::InUse][..],
        false => &[VolumePhase::Available],
    };
    let host = volume.host.clone().filter(|_| volume.made && usable.contains(&volume.phase));
    let Some(host) = host else {
        let usable: Vec<&str> = usable.iter().map(|phase| phase.status()).collect();
        return Err(Error::Volume(format!("Volume {id} status must be {}", usable.join(" or "))));
    };
    let is_as_it_lies = draft.format == DiskFormat::Raw && draft.container == "bare";
    if volume.encryption.is_some() && !is_as_it_lies {
        let text = "An encrypted volume uploaded as an image must use 'raw' disk_format and 'bare' container_format, which \
                    are the defaults for these options.";
        return Err(Error::Invalid(text.to_owned()));
    }
    let copy: CopyId = runtime::new_uuid().into();
    let format = draft.format;
    let key_id = EncryptionKeyId(copy.0);
    let encryption = volume.encryption.as_ref().map(|own| VolumeEncryption { key_id, ..own.cloned() });
    let sealed = encryption.is_some();
    let mut image = image_of(caller, &volume, draft);
    if sealed {
        image.properties.extend(encryption::properties_of_key(key_id));
    }
    let image = by_node::create(caller, tx, terms, image, &copy.to_string()).map_err(refused)?;
    let held = snapshot::ops::hold(caller, tx, &volume)?;
    let now = tx.now();
    volume.request_id = tx.request_id();
    volume.enter(VolumePhase::Uploading, now);
    save(tx, &mut volume)?;
    let copy = NodeCopy { id: copy, image_id: image.id, format, host, heard_at: now, percent: 0, sealed };
    tx.kick(reconcile::KIND, copy.id)?;
    let (volume_id, snapshot_id, phase) = (id, held.id, Phase::Holding);
    UPLOADS.insert(tx, Upload { copy, volume_id, snapshot_id, phase, encryption })?;
    Ok((volume, image))
}

fn image_of(caller: &Caller, volume: &Volume, draft: UploadDraft) -> ImageDraft {
    ImageDraft {
        // An administrator without a project makes it for the volume's owner.
        owner: caller.project_id().is_none().then(|| volume.project_id.clone()),
        name: Some(draft.name),
        visibility: Some(draft.visibility),
        container_format: Some(draft.container),
        disk_format: Some(draft.format),
        protected: draft.protected,
        properties: volume.image_properties(),
        ..ImageDraft::default()
    }
}

/// What the image service refuses is the request's fault here, as in Cinder.
fn refused(error: ImageError) -> Error {
    match error {
        ImageError::Store(error) => Error::Store(error),
        ImageError::Internal(text) => Error::Internal(text),
        other => Error::Invalid(other.message()),
    }
}
