//! The actions `os-retype`, `os-migrate_volume`, `os-migrate_volume_completion` and `os-reimage` over HTTP.

use rest::{Fields, Microversion, Reply, Request};
use serde_json::json;
use store::Tx;
use types::{ImageId, VolumeId};

use super::ops::Move;
use super::{Policy, ops, reimage};
use crate::api::{flag_in, required_in, text_in};
use crate::error::Error;

/// The first microversion that names a cluster in place of a host.
const OF_CLUSTERS: Microversion = Microversion(3, 16);

/// Gives a volume another type.
pub(crate) fn retype(
    request: &Request,
    tx: &mut Tx<'_>,
    id: VolumeId,
    mut fields: Fields,
) -> Result<Reply, Error> {
    let wanted = required_in(&mut fields, "new_type")?;
    let policy = match fields.text("migration_policy")?.as_deref() {
        None => Policy::default(),
        Some("never") => Policy::Never,
        Some("on-demand") => Policy::OnDemand,
        Some(other) => return Err(fields.error("migration_policy", format!("cannot be '{other}'")).into()),
    };
    fields.finish()?;
    ops::retype(request.caller(), tx, id, (&wanted, policy))?;
    Ok(Reply::empty(202))
}

/// Moves a volume. Here every way to move is a copy by the host, so that asking for that changes nothing.
pub(crate) fn migrate(
    request: &Request,
    tx: &mut Tx<'_>,
    id: VolumeId,
    mut fields: Fields,
) -> Result<Reply, Error> {
    let of_clusters = request.version >= OF_CLUSTERS;
    let host = text_in(&mut fields, "host")?.flatten().filter(|host| !host.is_empty());
    let cluster = match of_clusters {
        true => text_in(&mut fields, "cluster")?.flatten().filter(|cluster| !cluster.is_empty()),
        false => None,
    };
    flag_in(&mut fields, "force_host_copy")?;
    let lock = flag_in(&mut fields, "lock_volume")?.unwrap_or(false);
    fields.finish()?;
    let to = match (host, cluster) {
        (Some(name), None) | (None, Some(name)) => name,
        _ => {
            let text = match of_clusters {
                true => "One and only one of cluster and host must be set.",
                false => "Host field is missing.",
            };
            return Err(Error::Invalid(format!("Invalid input received: {text}")));
        }
    };
    ops::migrate(request.caller(), tx, id, &Move { to, lock })?;
    Ok(Reply::empty(202))
}

/// Says that a migration is complete.
pub(crate) fn complete(
    request: &Request,
    tx: &mut Tx<'_>,
    id: VolumeId,
    mut fields: Fields,
) -> Result<Reply, Error> {
    let new: Option<VolumeId> = fields.parse("new_volume")?;
    let new = new.ok_or_else(|| fields.error("new_volume", "is required"))?;
    let failed = flag_in(&mut fields, "error")?.unwrap_or(false);
    fields.finish()?;
    let stays = ops::complete(request.caller(), tx, id, (new, failed))?;
    Ok(Reply::ok(json!({"save_volume_id": stays})))
}

/// Puts an image into a volume.
pub(crate) fn reimage(
    request: &Request,
    tx: &mut Tx<'_>,
    id: VolumeId,
    mut fields: Fields,
) -> Result<Reply, Error> {
    let image: Option<ImageId> = fields.parse("image_id")?;
    let image = image.ok_or_else(|| fields.error("image_id", "is required"))?;
    let reserved = flag_in(&mut fields, "reimage_reserved")?.unwrap_or(false);
    fields.finish()?;
    reimage::reimage(request.caller(), tx, id, (image, reserved))?;
    Ok(Reply::empty(202))
}
