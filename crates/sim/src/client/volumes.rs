//! Wishes for images and volumes.

use serde_json::{Value as Json, json};

use super::{Client, Kind, Request, Then, Wish, create, member};
use crate::chance::Chance;

/// What is wished for, and how often.
pub(super) const WISHES: [(usize, Wish); 15] = [
    (4, create_image),
    (8, upload),
    (1, download),
    (1, delete_image),
    (5, create_volume),
    (3, delete_volume),
    (4, create_snapshot),
    (2, delete_snapshot),
    (2, revert_volume),
    (1, extend_volume),
    (2, hold_volume),
    (2, upload_volume),
    (1, rename_volume),
    (1, retype_volume),
    (2, reimage_volume),
];
/// The most images and volumes that one project wants.
const OWNED_MAX: usize = 8;

fn create_image(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    if client.count(project, Kind::Image) >= OWNED_MAX {
        return None;
    }
    let visibility = if chance.one_in(2) { "public" } else { "private" };
    let fields = json!({
        "name": format!("image-{}", chance.below(9)), "disk_format": "raw", "container_format": "bare",
        "visibility": if chance.one_in(4) { visibility } else { "private" },
    });
    Some(create(project, Kind::Image, fields))
}

fn upload(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let id = client.one(chance, project, Kind::Image)?;
    let mut request =
        Request::new(&member(project), "PUT", format!("/image/v2/images/{id}/file"), &Json::Null);
    request.headers = vec![("content-type", "application/octet-stream".to_owned())];
    request.body = vec![b'a' + chance.below(26) as u8; 512 * (1 + chance.below(8))];
    Some(request)
}

fn download(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let id = client.one(chance, project, Kind::Image)?;
    Some(Request::new(&member(project), "GET", format!("/image/v2/images/{id}/file"), &Json::Null))
}

fn delete_image(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    client.delete(chance, project, Kind::Image)
}

fn create_volume(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    if client.count(project, Kind::Volume) >= OWNED_MAX {
        return None;
    }
    let mut fields = json!({"size": 1 + chance.below(3), "name": format!("volume-{}", chance.below(9))});
    let (key, kind) = match chance.below(6) {
        0 | 1 => ("imageRef", Kind::Image),
        2 => ("snapshot_id", Kind::Snapshot),
        3 => ("source_volid", Kind::Volume),
        _ => ("", Kind::Volume),
    };
    if !key.is_empty() {
        fields[key] = client.one(chance, project, kind)?.into();
    }
    if chance.one_in(2) {
        fields["volume_type"] = json!("shared");
    }
    if chance.one_in(20) {
        fields["size"] = json!(100_000);
    }
    Some(create(project, Kind::Volume, fields))
}

fn delete_volume(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    // Accepted, it may still end in an error, and then it is there to be deleted again.
    let id = client.one(chance, project, Kind::Volume)?;
    let then = if chance.one_in(2) { Then::Nothing } else { Then::Lost(Kind::Volume, id.clone()) };
    let path = format!("{}/{id}", Kind::Volume.path());
    Some(Request::new(&member(project), "DELETE", path, &Json::Null).then(then))
}

fn create_snapshot(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    if client.count(project, Kind::Snapshot) >= OWNED_MAX {
        return None;
    }
    let volume = client.one(chance, project, Kind::Volume)?;
    Some(create(project, Kind::Snapshot, json!({"volume_id": volume, "force": chance.one_in(2)})))
}

fn delete_snapshot(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    client.delete(chance, project, Kind::Snapshot)
}

fn revert_volume(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let action = json!({"revert": {"snapshot_id": client.one(chance, project, Kind::Snapshot)?}});
    let mut request = act(client, chance, project, &action)?;
    request.headers.push(("openstack-api-version", "volume 3.71".to_owned()));
    Some(request)
}

fn act(client: &Client, chance: &mut Chance, project: &'static str, action: &Json) -> Option<Request> {
    let id = client.one(chance, project, Kind::Volume)?;
    Some(Request::new(&member(project), "POST", format!("/volume/v3/volumes/{id}/action"), action))
}

fn extend_volume(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let action = json!({"os-extend": {"new_size": 2 + chance.below(5)}});
    act(client, chance, project, &action)
}

fn hold_volume(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let all = ["os-reserve", "os-unreserve", "os-begin_detaching", "os-roll_detaching", "os-detach"];
    let action = chance.pick(&all).copied()?;
    act(client, chance, project, &json!({ action: {} }))
}

fn upload_volume(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    if client.count(project, Kind::Image) >= OWNED_MAX {
        return None;
    }
    let format = ["raw", "qcow2"][chance.below(2)];
    let wanted = json!({"image_name": "made", "disk_format": format, "force": chance.one_in(2)});
    let request = act(client, chance, project, &json!({"os-volume_upload_image": wanted}))?;
    Some(request.then(Then::OwnsImage))
}

/// For several servers, or for one again.
fn retype_volume(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let wanted = chance.pick(&["shared", "default"])?;
    act(client, chance, project, &json!({"os-retype": {"new_type": wanted}}))
}

fn reimage_volume(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let image = client.one(chance, project, Kind::Image)?;
    let wanted = json!({"image_id": image, "reimage_reserved": chance.one_in(2)});
    let mut request = act(client, chance, project, &json!({"os-reimage": wanted}))?;
    request.headers.push(("openstack-api-version", "volume 3.71".to_owned()));
    Some(request)
}

fn rename_volume(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let id = client.one(chance, project, Kind::Volume)?;
    let body = json!({"volume": {"name": format!("renamed-{}", chance.below(9))}});
    Some(Request::new(&member(project), "PUT", format!("/volume/v3/volumes/{id}"), &body))
}
