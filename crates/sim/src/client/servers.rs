//! Wishes for servers and what is in them.

use serde_json::{Value as Json, json};

use super::{Client, Kind, Request, Then, Wish, create, member};
use crate::chance::Chance;

/// What is wished for, and how often.
pub(super) const WISHES: [(usize, Wish); 7] =
    [(10, create_server), (4, delete_server), (8, act), (8, attach), (3, detach), (1, rename), (3, image_of)];
/// The most servers that one project wants.
const OWNED_MAX: usize = 12;
/// What can be asked of a server.
const ACTIONS: [&str; 10] = [
    r#"{"os-stop": null}"#,
    r#"{"os-stop": null}"#,
    r#"{"os-start": null}"#,
    r#"{"os-start": null}"#,
    r#"{"reboot": {"type": "SOFT"}}"#,
    r#"{"reboot": {"type": "HARD"}}"#,
    r#"{"pause": null}"#,
    r#"{"unpause": null}"#,
    r#"{"lock": null}"#,
    r#"{"unlock": null}"#,
];

/// In the newest microversion.
fn newest(mut request: Request) -> Request {
    request.headers.push(("openstack-api-version", "compute 2.96".to_owned()));
    request
}

fn create_server(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    if client.count(project, Kind::Server) >= OWNED_MAX {
        return None;
    }
    let image = client.one(chance, project, Kind::Image)?;
    let flavor = chance.pick(&["42", "84", "1", "42", "2", "3"]).copied()?;
    let mut fields = json!({"name": format!("server-{}", chance.below(9)), "flavorRef": flavor});
    fields["networks"] = match chance.below(6) {
        0..=2 => json!("none"),
        3 => json!([{"port": client.one(chance, project, Kind::Port)?}]),
        _ => json!([{"uuid": client.one(chance, project, Kind::Network)?}]),
    };
    match chance.below(4) {
        0 => {
            fields["block_device_mapping_v2"] = json!([{"boot_index": 0, "uuid": image, "source_type": "image",
                "destination_type": "volume", "volume_size": 2, "delete_on_termination": chance.one_in(2)}]);
        }
        1 => {
            let volume = volume(client, chance, project)?;
            fields["imageRef"] = image.clone().into();
            fields["block_device_mapping_v2"] = json!([
                {"boot_index": 0, "uuid": image, "source_type": "image", "destination_type": "local"},
                {"boot_index": -1, "uuid": volume, "source_type": "volume", "destination_type": "volume"},
            ]);
        }
        _ => fields["imageRef"] = image.into(),
    }
    if chance.one_in(5) {
        fields["config_drive"] = json!(true);
    }
    if chance.one_in(8) {
        fields["max_count"] = json!(2);
    }
    Some(newest(create(project, Kind::Server, fields)))
}

fn delete_server(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    client.delete(chance, project, Kind::Server)
}

fn act(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let id = client.one(chance, project, Kind::Server)?;
    let action: Json = serde_json::from_str(chance.pick(&ACTIONS)?).ok()?;
    let path = format!("{}/{id}/action", Kind::Server.path());
    Some(newest(Request::new(&member(project), "POST", path, &action)))
}

/// An image or a backup. It may be deleted before the client knows of it, by the next backup.
fn image_of(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let id = client.one(chance, project, Kind::Server)?;
    let action = match chance.below(3) {
        0 => json!({"createBackup": {"name": "backup", "backup_type": "daily", "rotation": chance.below(3)}}),
        _ => json!({"createImage": {"name": "made", "metadata": {"a": "b"}}}),
    };
    let path = format!("{}/{id}/action", Kind::Server.path());
    Some(newest(Request::new(&member(project), "POST", path, &action)).then(Then::OwnsImage))
}

/// A volume; often the oldest, so that several servers want the same.
fn volume(client: &Client, chance: &mut Chance, project: &'static str) -> Option<String> {
    if chance.one_in(2) {
        client.oldest(project, Kind::Volume)
    } else {
        client.one(chance, project, Kind::Volume)
    }
}

fn attach(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let id = client.one(chance, project, Kind::Server)?;
    let body = json!({"volumeAttachment": {"volumeId": volume(client, chance, project)?}});
    let path = format!("{}/{id}/os-volume_attachments", Kind::Server.path());
    Some(newest(Request::new(&member(project), "POST", path, &body)))
}

fn detach(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let id = client.one(chance, project, Kind::Server)?;
    let volume = client.one(chance, project, Kind::Volume)?;
    let path = format!("{}/{id}/os-volume_attachments/{volume}", Kind::Server.path());
    Some(newest(Request::new(&member(project), "DELETE", path, &Json::Null)))
}

fn rename(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let id = client.one(chance, project, Kind::Server)?;
    let path = format!("{}/{id}", Kind::Server.path());
    let body = json!({"server": {"name": format!("renamed-{}", chance.below(9))}});
    let request = newest(Request::new(&member(project), "PUT", path, &body));
    Some(Request { then: Then::Nothing, ..request })
}
