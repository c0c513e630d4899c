//! Actions: a POST whose one key says what is to be done.

use image::image::by_node::Terms;
use rest::{Fields, InvalidBody, Microversion, Reply, Request};
use serde_json::json;
use store::Tx;
use types::{AttachmentId, ServerId, SnapshotId, VolumeId};

use super::{size, volume_id};
use crate::api::{action_in, flag_in, required_in, text_in, words_of};
use crate::attachment::connection;
use crate::error::Error;
use crate::volume::by_client::{self, Connector};
use crate::volume::ops::{self, Said};
use crate::volume::{AttachMode, Phase};
use crate::{migration, upload};

/// The first microversion that makes volumes larger that servers have.
const EXTEND_ATTACHED: Microversion = Microversion(3, 42);
/// The first microversion with a way back to a snapshot.
const REVERT: Microversion = Microversion(3, 40);
/// The first microversion that puts images into volumes that are there.
const REIMAGE: Microversion = Microversion(3, 68);

/// Runs the action that the body names.
pub(super) fn run(images: &Terms, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = volume_id(request)?;
    let (action, mut fields) = action_in(request)?;
    if let Some(reply) = attachment_action(request, tx, (id, &action), &mut fields)? {
        return Ok(reply);
    }
    match action.as_str() {
        "os-extend" => {
            let new_size = size(fields.take("new_size"), "new_size")?;
            refuse_rest(&fields)?;
            let attached = request.version >= EXTEND_ATTACHED;
            ops::extend(request.caller(), tx, id, (new_size, attached))?;
            Ok(Reply::empty(202))
        }
        "os-extend_volume_completion" => {
            let said = fields.take("error").unwrap_or_default();
            if !(said.is_null() || said.is_string() || said.is_boolean()) {
                return Err(fields.error("error", "is neither text nor a boolean").into());
            }
            refuse_rest(&fields)?;
            match ops::complete_extension(request.caller(), tx, id)? {}
        }
        "revert" if request.version >= REVERT => {
            ops::show(request.caller(), tx, id)?;
            let snapshot: Option<SnapshotId> = fields.parse("snapshot_id")?;
            let snapshot = snapshot.ok_or_else(|| fields.error("snapshot_id", "is required"))?;
            fields.finish()?;
            ops::revert(request.caller(), tx, id, snapshot)?;
            Ok(Reply::empty(202))
        }
        "os-retype" => migration::api::retype(request, tx, id, fields),
        "os-migrate_volume" => migration::api::migrate(request, tx, id, fields),
        "os-migrate_volume_completion" => migration::api::complete(request, tx, id, fields),
        "os-reimage" if request.version >= REIMAGE => migration::api::reimage(request, tx, id, fields),
        "os-volume_upload_image" => upload::api::run(images, request, tx, id, fields),
        "os-set_bootable" => {
            let bootable = required_flag(&mut fields, "bootable")?;
            refuse_rest(&fields)?;
            ops::set_bootable(request.caller(), tx, id, bootable)?;
            Ok(Reply::empty(200))
        }
        "os-update_readonly_flag" => {
            let read_only = required_flag(&mut fields, "readonly")?;
            refuse_rest(&fields)?;
            ops::set_read_only(request.caller(), tx, id, read_only)?;
            Ok(Reply::empty(202))
        }
        "os-reset_status" => reset_status(request, tx, id, fields),
        "os-force_delete" => {
            ops::force_delete(request.caller(), tx, id)?;
            Ok(Reply::empty(202))
        }
        "os-unmanage" => {
            ops::unmanage(request.caller(), tx, id)?;
            Ok(Reply::empty(202))
        }
        "os-set_image_metadata" | "os-unset_image_metadata" | "os-show_image_metadata" => {
            image_metadata(request, tx, (id, &action), &mut fields)
        }
        "revert" | "os-reimage" => Err(Error::NoRoute),
        other => Err(Error::Invalid(format!("There is no such action: {other}"))),
    }
}

/// The actions by which a client holds a volume itself; `None` if it is another action.
fn attachment_action(
    request: &Request,
    tx: &mut Tx<'_>,
    (id, action): (VolumeId, &str),
    fields: &mut Fields,
) -> Result<Option<Reply>, Error> {
    let caller = request.caller();
    match action {
        "os-reserve" => by_client::reserve(caller, tx, id)?,
        "os-unreserve" => by_client::unreserve(caller, tx, id)?,
        "os-begin_detaching" => by_client::begin_detach(caller, tx, id)?,
        "os-roll_detaching" => by_client::cancel_detach(caller, tx, id)?,
        "os-attach" => {
            let (server, connector) = attach_in(fields)?;
            by_client::attach(caller, tx, id, (server, connector))?;
        }
        "os-initialize_connection" => {
            let multipath = connector_in(fields)?;
            let volume = by_client::connect(caller, tx, id)?;
            let mut data = connection::info(tx, &volume, volume.attachments.last())?;
            data["enforce_multipath"] = multipath.into();
            let kind = data["driver_volume_type"].take();
            if let Some(data) = data.as_object_mut() {
                data.remove("driver_volume_type");
            }
            let info = json!({"driver_volume_type": kind, "data": data, "enforce_multipath": multipath});
            return Ok(Some(Reply::ok(json!({"connection_info": info}))));
        }
        "os-terminate_connection" => {
            connector_in(fields)?;
            by_client::disconnect(caller, tx, id)?;
        }
        "os-detach" | "os-force_detach" => {
            let rule = match action {
                "os-detach" => "volume_extension:volume_actions:detach",
                _ => "volume_extension:volume_admin_actions:force_detach",
            };
            let attachment: Option<AttachmentId> = fields.parse("attachment_id")?;
            if action == "os-force_detach" {
                fields.take("connector");
            }
            refuse_rest(fields)?;
            by_client::detach(caller, tx, (id, rule), attachment)?;
        }
        _ => return Ok(None),
    }
    Ok(Some(Reply::empty(202)))
}

/// For whom a client takes a volume by the action of old, and how.
fn attach_in(fields: &mut Fields) -> Result<(Option<ServerId>, Connector), Error> {
    let server: Option<ServerId> = fields.parse("instance_uuid")?;
    let host = text_in(fields, "host_name")?.flatten();
    let device = required_in(fields, "mountpoint")?;
    if server.is_none() && host.is_none() {
        return Err(fields.error("instance_uuid", "or host_name is required").into());
    }
    let mode = match fields.text("mode")? {
        None => None,
        Some(name) => {
            let odd = || fields.error("mode", "is neither rw nor ro");
            Some(AttachMode::named(&name).ok_or_else(odd)?)
        }
    };
    refuse_rest(fields)?;
    Ok((server, Connector { host, device: Some(device), mode, multipath: false }))
}

/// Whether a client wants to come on several paths; of itself it can say anything.
fn connector_in(fields: &mut Fields) -> Result<bool, Error> {
    let mut connector =
        fields.object("connector")?.ok_or_else(|| fields.error("connector", "is required"))?;
    refuse_rest(fields)?;
    Ok(flag_in(&mut connector, "enforce_multipath")?.unwrap_or(false))
}

/// Refuses fields that an action does not have.
fn refuse_rest(fields: &Fields) -> Result<(), InvalidBody> {
    match fields.left().first() {
        Some(name) => Err(fields.error(name, "is not known")),
        None => Ok(()),
    }
}

fn required_flag(fields: &mut Fields, name: &str) -> Result<bool, InvalidBody> {
    fields.flag(name)?.ok_or_else(|| fields.error(name, "is required"))
}

/// What an operator may say of a volume's migration, beside that there is none.
const MIGRATIONS: [&str; 7] =
    ["migrating", "error", "success", "completing", "none", "starting", "available"];

fn reset_status(
    request: &Request,
    tx: &mut Tx<'_>,
    id: VolumeId,
    mut fields: Fields,
) -> Result<Reply, Error> {
    let mut word = |name: &str| fields.text(name).map(|text| text.map(|text| text.to_lowercase()));
    let (status, attach, migration) = (word("status")?, word("attach_status")?, word("migration_status")?);
    if (&status, &attach, &migration) == (&None, &None, &None) {
        return Err(InvalidBody::at("os-reset_status", "says nothing").into());
    }
    let odd = |name: &str, value: &str| InvalidBody::at(name, format!("cannot be '{value}'"));
    let phase = match &status {
        Some(status) => Some(Phase::of_status(status).ok_or_else(|| odd("status", status))?),
        None => None,
    };
    if let Some(attach) = attach.as_deref().filter(|word| !["attached", "detached"].contains(word)) {
        return Err(odd("attach_status", attach).into());
    }
    if let Some(migration) = migration.as_deref().filter(|word| !MIGRATIONS.contains(word)) {
        return Err(odd("migration_status", migration).into());
    }
    fields.finish()?;
    let said = Said {
        phase,
        detached: attach.as_deref() == Some("detached"),
        migration_status: migration.map(|word| Some(word).filter(|word| word != "none")),
    };
    ops::reset_status(request.caller(), tx, id, said)?;
    Ok(Reply::empty(202))
}

fn image_metadata(
    request: &Request,
    tx: &mut Tx<'_>,
    (id, action): (VolumeId, &str),
    fields: &mut Fields,
) -> Result<Reply, Error> {
    let caller = request.caller();
    let rule = |word: &str| format!("volume_extension:volume_image_metadata:{word}");
    let volume = match action {
        "os-show_image_metadata" => ops::show_for(caller, tx, id, &rule("show"))?,
        "os-set_image_metadata" => {
            let words =
                words_of(fields, "metadata")?.ok_or_else(|| fields.error("metadata", "is required"))?;
            ops::change_words(caller, tx, (id, &rule("set")), |volume| {
                volume.image_metadata.extend(words);
                Ok(())
            })?
        }
        _ => {
            let key = fields.required_text("key")?;
            ops::change_words(caller, tx, (id, &rule("remove")), |volume| {
                let absent =
                    || Error::NoSuch(format!("Glance metadata for volume/snapshot {id} cannot be found."));
                volume.image_metadata.remove(&key).map(|_| ()).ok_or_else(absent)
            })?;
            return Ok(Reply::empty(200));
        }
    };
    Ok(Reply::ok(json!({"metadata": volume.image_metadata})))
}
