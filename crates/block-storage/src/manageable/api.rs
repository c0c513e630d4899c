//! What can be managed, over HTTP: at the paths of old, and at those since microversion 3.8.

use std::sync::Arc;

use agent_api::Question;
use nodes::Inquiries;
use rest::{Fields, InvalidBody, Method, Microversion, Reply, Request, Routes};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use store::{Store, Tx};
use types::VolumeId;

use super::model::name_of_volume;
use super::ops::{self, At, Managed};
use super::page::Page;
use super::{Entry, Reference};
use crate::api::{check_project, flag_in, named_in, own, since, sole_fields, text_in, words_of};
use crate::error::Error;
use crate::snapshot::{self, SnapshotDraft};
use crate::volume::{self, VolumeDraft};

/// The first microversion that has the paths of today.
const FIRST: Microversion = Microversion(3, 8);
/// The first microversion in which a volume of a cluster is managed.
const CLUSTER: Microversion = Microversion(3, 16);
/// The first microversion in which what a cluster has is listed.
const CLUSTER_LIST: Microversion = Microversion(3, 17);

/// What is managed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Volumes,
    Snapshots,
}

impl What {
    fn rule(self) -> &'static str {
        match self {
            What::Volumes => "volume_extension:list_manageable",
            What::Snapshots => "snapshot_extension:list_manageable",
        }
    }
}

/// The routes of what can be managed. What lies on a backend only its host can tell.
pub(crate) fn routes(store: &Store, inquiries: &Inquiries) -> Routes {
    let around = Arc::new((store.clone(), inquiries.clone()));
    let lists = [
        ("/os-volume-manage", What::Volumes, None),
        ("/manageable_volumes", What::Volumes, Some(FIRST)),
        ("/os-snapshot-manage", What::Snapshots, None),
        ("/manageable_snapshots", What::Snapshots, Some(FIRST)),
    ];
    let mut routes = Routes::new()
        .post("/os-volume-manage", own(manage_volume))
        .post("/manageable_volumes", since(FIRST, manage_volume))
        .post("/os-snapshot-manage", own(manage_snapshot))
        .post("/manageable_snapshots", since(FIRST, manage_snapshot));
    for (path, what, first) in lists {
        for (path, detailed) in [(path.to_owned(), false), (format!("{path}/detail"), true)] {
            let around = around.clone();
            routes = routes.slow(Method::GET, &path, false, move |request| {
                let around = around.clone();
                async move {
                    check_project(&request)?;
                    if first.is_some_and(|first| request.version < first) {
                        return Err(Error::NoRoute);
                    }
                    list(request, &around, (what, detailed)).await
                }
            });
        }
    }
    routes
}

/// Asks the host between two transactions.
async fn list(
    request: Request,
    (store, inquiries): &(Store, Inquiries),
    (what, detailed): (What, bool),
) -> Result<Reply, Error> {
    let asked = request.clone();
    let (backend, page) = store
        .read(move |tx| {
            ops::check(asked.caller(), what.rule())?;
            let word = |name: &str| asked.query(name).map(str::to_owned);
            let at = place_in(&asked, CLUSTER_LIST, (word("host"), word("cluster")))?;
            let page = Page::of(&asked)?;
            Ok::<_, Error>((ops::backend_to_list(tx, &at)?, page))
        })
        .await?;
    let named = backend.named.clone();
    let question = match what {
        What::Volumes => Question::UnmanagedVolumes { backend: named },
        What::Snapshots => Question::UnmanagedSnapshots { backend: named },
    };
    let answer = inquiries.ask(&backend.host, question).await.map_err(Error::Unavailable)?;
    let of = backend.clone();
    let entries = match what {
        What::Volumes => {
            let there = read(answer)?;
            store.read(move |tx| ops::volumes(tx, &of, Vec::clone(&there))).await?
        }
        What::Snapshots => {
            let there = read(answer)?;
            store.read(move |tx| ops::snapshots(tx, &of, Vec::clone(&there))).await?
        }
    };
    let views: Vec<Json> = page.part_of(entries)?.iter().map(|entry| view(entry, what, detailed)).collect();
    let key = match what {
        What::Volumes => "manageable-volumes",
        What::Snapshots => "manageable-snapshots",
    };
    Ok(Reply::ok(json!({ key: views })))
}

fn read<T: DeserializeOwned>(answer: Json) -> Result<T, Error> {
    serde_json::from_value(answer)
        .map_err(|error| Error::Internal(format!("a host answered something else than was asked: {error}")))
}

fn reference(name: &str) -> Json {
    json!({ "source-name": name })
}

fn view(entry: &Entry, what: What, detailed: bool) -> Json {
    let reason = entry.reason_not_safe();
    let mut view = json!({
        "reference": reference(&entry.name),
        "size": entry.size_gib,
        "safe_to_manage": reason.is_none(),
    });
    if what == What::Snapshots {
        view["source_reference"] = entry.source.map_or(Json::Null, |id| reference(&name_of_volume(id)));
    }
    if detailed {
        view["reason_not_safe"] = json!(reason);
        view["cinder_id"] = json!(entry.managed);
        view["extra_info"] = Json::Null;
    }
    view
}

/// Where something is: on a host, or since some microversion in a cluster.
fn place_in(
    request: &Request,
    cluster_since: Microversion,
    (host, cluster): (Option<String>, Option<String>),
) -> Result<At, Error> {
    let with_clusters = request.version >= cluster_since;
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    match (filled(host), filled(cluster).filter(|_| with_clusters)) {
        (Some(host), None) => Ok(At::Host(host)),
        (None, Some(cluster)) => Ok(At::Cluster(cluster)),
        _ if with_clusters => {
            let text = "Invalid input received: One and only one of cluster and host must be set.";
            Err(Error::Invalid(text.to_owned()))
        }
        _ => Err(Error::Invalid("Invalid input received: Host field is missing.".to_owned())),
    }
}

/// How a body refers to something: by an object, or by a name alone.
fn reference_in(fields: &mut Fields) -> Result<Option<Reference>, InvalidBody> {
    Ok(match fields.take("ref") {
        None => None,
        Some(Json::Null) => Some(Reference::None),
        Some(Json::String(name)) => Some(Reference::Name(name)),
        Some(Json::Object(words)) => {
            let word = |key: &str| words.get(key).and_then(Json::as_str).map(str::to_owned);
            let name = word("source-name").map(Reference::Name);
            Some(name.or(word("source-id").map(Reference::Id)).unwrap_or(Reference::None))
        }
        Some(_) => return Err(fields.error("ref", "is neither an object nor a string")),
    })
}

fn manage_volume(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "volume")?;
    let reference = reference_in(&mut fields)?.ok_or_else(|| fields.error("ref", "is required"))?;
    let host = text_in(&mut fields, "host")?.flatten();
    let cluster = match request.version >= CLUSTER {
        true => text_in(&mut fields, "cluster")?.flatten(),
        false => None,
    };
    let (name, description) = (text_in(&mut fields, "name")?, text_in(&mut fields, "description")?);
    let filled = |text: Option<Option<String>>| text.flatten().filter(|text| !text.is_empty());
    let draft = VolumeDraft {
        name: filled(name).map(|text| text.trim().to_owned()),
        description: filled(description).map(|text| text.trim().to_owned()),
        volume_type: filled(text_in(&mut fields, "volume_type")?),
        availability_zone: filled(text_in(&mut fields, "availability_zone")?),
        metadata: words_of(&mut fields, "metadata")?.unwrap_or_default(),
        ..VolumeDraft::default()
    };
    let bootable = flag_in(&mut fields, "bootable")?.unwrap_or(false);
    fields.finish()?;
    ops::check(request.caller(), "volume_extension:volume_manage")?;
    let at = place_in(request, CLUSTER, (host, cluster))?;
    let made = ops::manage(request.caller(), tx, Managed { at, reference, draft, bootable })?;
    volume::api::managed(request, tx, &made)
}

fn manage_snapshot(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = sole_fields(request, "snapshot")?;
    let reference = reference_in(&mut fields)?.ok_or_else(|| fields.error("ref", "is required"))?;
    let id: Option<VolumeId> = fields.parse("volume_id")?;
    let id = id.ok_or_else(|| fields.error("volume_id", "is required"))?;
    let said = named_in(&mut fields)?;
    let metadata = words_of(&mut fields, "metadata")?.unwrap_or_default();
    fields.finish()?;
    let draft = SnapshotDraft {
        name: said.name.flatten(),
        description: said.description.flatten(),
        metadata,
        ..SnapshotDraft::default()
    };
    let made = ops::manage_snapshot(request.caller(), tx, (id, reference), draft)?;
    Ok(Reply::json(202, json!({"snapshot": snapshot::api::plain(request, &made)})))
}
