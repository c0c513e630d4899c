//! Moves the making of images on, together with its server's own steps.

use ::store::Tx;
use agent_api::block::CopyFrom;
use agent_api::compute::VmSeen;
use block_storage::volume::HOST_TIME_MAX;
use image::image::node_copy::Progress;
use image::image::ops as images;
use nodes::documents::{Owner, Seen};
use policy::Caller;

use super::{Imaging, ImagingPhase, Rotation};
use crate::server::{RECONCILER, Server};
use crate::{Error, action};

/// Takes the images that are being made of a server as far as they go now. The server's document is written afterwards.
pub(crate) fn advance(
    tx: &mut Tx<'_>,
    server: &mut Server,
    report: Option<&Seen<VmSeen>>,
) -> Result<(), Error> {
    for mut imaging in std::mem::take(&mut server.imagings) {
        let progress = match imaging.phase {
            ImagingPhase::Holding => hold(tx, server, &mut imaging, report)?,
            ImagingPhase::Copying => copy(tx, server, &mut imaging)?,
            ImagingPhase::Ending => Progress::Done,
        };
        match progress {
            Progress::Told | Progress::Copies => show(tx, server, &imaging, progress == Progress::Copies),
            Progress::Done => conclude(tx, server, &mut imaging, None)?,
            Progress::Unwanted => abandon(tx, server, &mut imaging, "the image was deleted meanwhile")?,
            Progress::Failed(why) => abandon(tx, server, &mut imaging, &why)?,
        }
        let over = imaging.phase == ImagingPhase::Ending && imaging.copy.end(tx)?;
        if !over {
            server.imagings.push(imaging);
        }
    }
    Ok(())
}

/// Ends all of them, for the server goes; tells whether its host does nothing with the root disk any more.
pub(crate) fn end_all(tx: &mut Tx<'_>, server: &mut Server) -> Result<bool, Error> {
    for mut imaging in std::mem::take(&mut server.imagings) {
        abandon(tx, server, &mut imaging, "the server was deleted meanwhile")?;
        if !imaging.copy.end(tx)? {
            server.imagings.push(imaging);
        }
    }
    Ok(server.imagings.is_empty())
}

/// The document names the moment, and the report shows it.
fn hold(
    tx: &mut Tx<'_>,
    server: &Server,
    imaging: &mut Imaging,
    report: Option<&Seen<VmSeen>>,
) -> Result<Progress, Error> {
    if !imaging.copy.is_wanted(tx)? {
        return Ok(Progress::Unwanted);
    }
    let now = tx.now();
    let host = &imaging.copy.host;
    let current = report.filter(|report| report.current).and_then(|report| report.seen.as_ref());
    match current {
        Some(seen) if seen.root_snapshots.contains(&imaging.snapshot_id) => {
            imaging.phase = ImagingPhase::Copying;
            imaging.copy.heard_at = now;
            copy(tx, server, imaging)
        }
        Some(VmSeen { root_trouble: Some(why), .. }) => {
            Ok(Progress::Failed(format!("host {host} cannot hold it: {why}")))
        }
        _ if now.since(imaging.copy.heard_at) >= HOST_TIME_MAX => {
            let (limit, error) = (HOST_TIME_MAX.as_secs(), report.and_then(|report| report.error.as_deref()));
            let why = error.unwrap_or("it does not answer");
            Ok(Progress::Failed(format!("host {host} did not hold it within {limit} s: {why}")))
        }
        _ => Ok(Progress::Told),
    }
}

fn copy(tx: &mut Tx<'_>, server: &Server, imaging: &mut Imaging) -> Result<Progress, Error> {
    let id = server.id.to_string();
    let from = CopyFrom::RootDisk { server: server.id, id: imaging.snapshot_id };
    Ok(imaging.copy.step(tx, from, Owner { kind: RECONCILER, id: &id })?)
}

/// The server shows how far it is, unless an operator said something else of it.
fn show(tx: &Tx<'_>, server: &mut Server, imaging: &Imaging, copies: bool) {
    let task = imaging.task(copies);
    if server.task.is_some_and(|shown| shown.is_imaging() && shown != task) {
        server.begin(task, tx.now());
    }
}

fn abandon(tx: &mut Tx<'_>, server: &mut Server, imaging: &mut Imaging, why: &str) -> Result<(), Error> {
    imaging.copy.abandon(tx)?;
    conclude(tx, server, imaging, Some(why))
}

/// The image is there, or never will be. Done twice it changes nothing.
fn conclude(
    tx: &mut Tx<'_>,
    server: &mut Server,
    imaging: &mut Imaging,
    failed: Option<&str>,
) -> Result<(), Error> {
    if imaging.phase == ImagingPhase::Ending {
        return Ok(());
    }
    imaging.phase = ImagingPhase::Ending;
    action::finish(tx, Some(&imaging.action), server.host.as_ref(), failed)?;
    if server.task.is_some_and(crate::server::Task::is_imaging) {
        server.task = None;
        server.since = tx.now();
    }
    match &imaging.rotation {
        Some(rotation) if failed.is_none() => rotate(tx, server, imaging, rotation),
        _ => Ok(()),
    }
}

/// Deletes the oldest backups that are too many. One that is protected stays.
fn rotate(tx: &mut Tx<'_>, server: &Server, imaging: &Imaging, rotation: &Rotation) -> Result<(), Error> {
    let cloud = Caller::cloud();
    let owner = match images::show(&cloud, tx, imaging.copy.image_id) {
        Ok(image) => image.owner.clone(),
        Err(image::Error::NotFound(_)) => return Ok(()),
        Err(other) => return Err(other.into()),
    };
    let server_id = server.id.to_string();
    let such =
        [("image_type", "backup"), ("backup_type", &rotation.backup_type), ("instance_uuid", &server_id)];
    let found = images::list_by_properties(tx, &owner, &such)?;
    let keep = usize::try_from(rotation.keep).unwrap_or(usize::MAX);
    for image in found.iter().skip(keep) {
        match images::delete(&cloud, tx, image.id) {
            Ok(()) | Err(image::Error::Forbidden(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(())
}
