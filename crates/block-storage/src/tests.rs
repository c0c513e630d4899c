//! What the tests of this crate share: the API with the image service beside it, and a node.

mod access;
mod varied;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use agent_api::block::{
    Copied, Copy, CopySeen, CopyTo, ElsewhereSeen, UnmanagedSnapshot, UnmanagedVolume, Volume, VolumeSeen,
    VolumeSource,
};
use agent_api::{BackendFacts, Document, DocumentKey, FromNode, Kind, NodeFacts, Question, Report, ToNode};
use identity::CredentialKeys;
use image::image::by_node::Terms;
use nodes::{Inquiries, Session};
use serde_json::{Value as Json, json};
use storage::fake::Fake;
use storage::{Adoption, GIB, ImageStore, NewVolume, Snapshot, Source, VolumeBackend};
use store::Store;
use testkit::{Answer, Api, Scratch};
use tracing::Level;
use tracing::level_filters::LevelFilter;
use types::VolumeId;

use crate::service::LogLevels;

/// A member of one project, of another, and the administrator.
pub(crate) const MEMBER: &str = "member@alpha";
pub(crate) const OTHER: &str = "member@beta";
pub(crate) const ADMIN: &str = "admin@admin";

/// The operator's key, by which the keys of volumes are sealed.
pub(crate) const KEY: &str = "QmFyYmljYW4gaXMgb24gYW5vdGhlciBjbG91ZCEhISE=";

/// The same as the services have it.
pub(crate) fn keys() -> CredentialKeys {
    CredentialKeys::parse(KEY).unwrap()
}

thread_local! {
    /// By which the services that this test made last ask nodes.
    static INQUIRIES: RefCell<Inquiries> = RefCell::default();
}

/// The services in process.
pub(crate) fn api() -> Api {
    api_over(None, image::Config::default())
}

/// The services in process, the image service with what an operator decides. On SQLite, or a database server.
pub(crate) fn api_over(scratch: Option<Scratch>, config: image::Config) -> Api {
    let images: Arc<dyn ImageStore> = Arc::new(Fake::new());
    let migrations = [nodes::MIGRATIONS, image::MIGRATIONS, crate::MIGRATIONS];
    let build = |store: &Store| {
        let inquiries = Inquiries::default();
        let terms = Terms::new(images.clone(), &config);
        let service = crate::service(store, &inquiries, terms, Arc::new(Log::default()));
        INQUIRIES.set(inquiries);
        let mut reconcilers = crate::reconcilers(Arc::new(keys()));
        reconcilers.extend(image::reconcilers(images.clone(), config.clone()));
        (vec![image::service(store, images, config.clone()), service], reconcilers)
    };
    let api = match scratch {
        None => Api::new(&migrations, build),
        Some(scratch) => Api::new_on(scratch, &migrations, build),
    };
    api.store.write_blocking(crate::bootstrap).unwrap();
    api
}

/// The log of a process that has told three things, all of them at the level that was last set.
#[derive(Default)]
struct Log(Mutex<BTreeMap<&'static str, LevelFilter>>);

impl LogLevels for Log {
    fn levels(&self, prefix: &str) -> BTreeMap<String, LevelFilter> {
        let set = self.0.lock().unwrap();
        let all = ["block_storage::volume", "rest", "store"].into_iter();
        let level = |target| set.get(target).copied().unwrap_or(LevelFilter::INFO);
        all.filter(|target| target.starts_with(prefix))
            .map(|target| (target.to_owned(), level(target)))
            .collect()
    }

    fn set(&self, prefix: &str, level: Level) -> Result<(), String> {
        let all = ["block_storage::volume", "rest", "store"].into_iter();
        let level = LevelFilter::from_level(level);
        self.0
            .lock()
            .unwrap()
            .extend(all.filter(|target| target.starts_with(prefix)).map(|target| (target, level)));
        Ok(())
    }
}

/// The service alone, to look at.
pub(crate) fn service() -> rest::Service {
    let images: Arc<dyn ImageStore> = Arc::new(Fake::new());
    let store = Store::open(&store::Config::Memory).unwrap();
    let terms = Terms::new(images, &image::Config::default());
    crate::service(&store, &Inquiries::default(), terms, Arc::new(()))
}

/// Replays a conversation below `src`.
pub(crate) fn golden(api: &Api, path: &str) {
    testkit::check_golden(api, format!("{}/src/{path}", env!("CARGO_MANIFEST_DIR")));
}

/// A host that does what its documents say, unless told to refuse.
pub(crate) struct Node {
    session: Session,
    /// What lies on its backends.
    pub(crate) disks: Fake,
    /// What it says to every volume that it is to make or grow.
    pub(crate) refuses: Option<&'static str>,
    /// The one kind of document that it refuses, if not all.
    pub(crate) refuses_only: Option<Kind>,
    /// Whether it does not answer.
    pub(crate) silent: bool,
    /// Whether its storage does not answer, so that it acts on nothing.
    pub(crate) away: bool,
    /// Whether its copies are never done.
    pub(crate) slow: bool,
    /// Why its servers cannot take volumes to other backends.
    pub(crate) stops: Option<&'static str>,
    /// Where it decided that volumes are.
    pub(crate) moved: BTreeMap<VolumeId, String>,
    /// The last documents that it had of volumes.
    pub(crate) volumes: BTreeMap<String, Volume>,
    /// What it was told and is not to remove.
    known: BTreeMap<DocumentKey, Document>,
    sequence: u64,
}

impl Node {
    /// A host of this name joins.
    pub(crate) fn join(api: &Api, name: &str, disk_gib: u64) -> Node {
        Node::join_with(api, name, NodeFacts { disk_gib, ..NodeFacts::default() })
    }

    /// A host of this name joins that has these backends of so many GiB, the first of them its default.
    pub(crate) fn join_over(api: &Api, name: &str, backends: &[(&str, u64)]) -> Node {
        let facts = |(at, (name, gib)): (usize, &(&str, u64))| BackendFacts {
            name: (*name).to_owned(),
            is_default: at == 0,
            is_shared: false,
            total_gib: *gib,
            free_gib: *gib,
        };
        let backends = backends.iter().enumerate().map(facts).collect();
        Node::join_with(api, name, NodeFacts { disk_gib: 10, backends, ..NodeFacts::default() })
    }

    fn join_with(api: &Api, name: &str, facts: NodeFacts) -> Node {
        let inquiries = INQUIRIES.with_borrow(Clone::clone);
        let host = name.into();
        let (session, _, _) = Session::hello(&api.store, &inquiries, &host, facts, &BTreeMap::new()).unwrap();
        let disks = Fake::new();
        let asked = disks.clone();
        inquiries.answered_by(&host, move |question| Ok(answer(&asked, &question))).unwrap();
        Node {
            session,
            disks,
            refuses: None,
            refuses_only: None,
            silent: false,
            away: false,
            slow: false,
            stops: None,
            moved: BTreeMap::new(),
            volumes: BTreeMap::new(),
            known: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// Takes what changed and reports, then lets the reconcilers run.
    pub(crate) fn work(&mut self, api: &Api) {
        api.settle();
        while let Some(ToNode::Documents { documents, .. }) = self.session.changes().unwrap() {
            if self.silent {
                break;
            }
            self.report(documents);
            api.settle();
        }
    }

    /// Says what came of documents.
    pub(crate) fn report(&mut self, documents: Vec<Document>) {
        let reports = documents.into_iter().map(|document| {
            match document.body {
                Some(_) => drop(self.known.insert(document.key.clone(), document.clone())),
                None => self.forget(&document.key),
            }
            let is_refused = self.refuses_only.is_none_or(|kind| kind == document.key.kind);
            let error = document.body.as_ref().and(self.refuses).filter(|_| is_refused);
            let mut error = error.map(str::to_owned);
            let wanted = document.body.filter(|_| error.is_none());
            if let Some(body) = wanted.as_ref().filter(|_| document.key.kind == Kind::Volume) {
                let volume: Volume = serde_json::from_value(body.clone()).unwrap();
                self.volumes.insert(document.key.id.clone(), volume);
            }
            let seen = wanted.map(|body| match document.key.kind {
                Kind::Copy => serde_json::to_value(self.copied(&serde_json::from_value(body).unwrap())),
                _ => match made(&self.disks, &serde_json::from_value(body.clone()).unwrap()) {
                    Ok(seen) => {
                        let elsewhere = self.elsewhere(&serde_json::from_value(body).unwrap());
                        serde_json::to_value(VolumeSeen { elsewhere, ..seen })
                    }
                    Err(refused) => {
                        error = Some(refused.to_string());
                        serde_json::to_value(VolumeSeen::default())
                    }
                },
            });
            if self.away {
                let error = Some("the cluster does not answer".to_owned());
                return Report { key: document.key, revision: 0, at: runtime::now(), seen: None, error };
            }
            Report {
                key: document.key,
                revision: document.revision,
                at: runtime::now(),
                seen: seen.map(Result::unwrap),
                error,
            }
        });
        let reports = reports.collect();
        self.sequence += 1;
        let reports = FromNode::Reports { sequence: self.sequence, reports };
        self.session.receive(reports).unwrap();
    }

    /// Looks again at all that it was last told of one kind; how much that is.
    pub(crate) fn again(&mut self, api: &Api, kind: Kind) -> usize {
        let of_kind = self.known.values().filter(|document| document.key.kind == kind);
        let documents: Vec<Document> = of_kind.cloned().collect();
        let count = documents.len();
        self.report(documents);
        self.work(api);
        count
    }

    /// What it has not seen yet of what is wanted.
    pub(crate) fn wanted(&mut self, api: &Api) -> Vec<Document> {
        api.settle();
        match self.session.changes().unwrap() {
            Some(ToNode::Documents { documents, .. }) => documents,
            _ => Vec::new(),
        }
    }

    /// Removes what a document was about, but for what it said is left.
    fn forget(&mut self, key: &DocumentKey) {
        let body = self.known.remove(key).and_then(|document| document.body);
        let volume = body.and_then(|body| serde_json::from_value::<Volume>(body).ok());
        if let Some(volume) = volume.filter(|volume| key.kind == Kind::Volume && !volume.unmanaged) {
            let other = volume.elsewhere.and_then(|wish| wish.id);
            for id in [Some(volume.id), other].into_iter().flatten() {
                self.disks.remove_volume(id).unwrap();
            }
        }
    }

    /// What there is of a volume on another backend. A server takes it there at once, unless the host is told to be slow.
    fn elsewhere(&mut self, volume: &Volume) -> Option<ElsewhereSeen> {
        if volume.backend == self.moved.get(&volume.id).cloned() {
            self.moved.remove(&volume.id);
        }
        let wish = volume.elsewhere.as_ref()?.without_secrets();
        let is_mirrored = wish.mirror.is_some();
        let error = self.stops.filter(|_| is_mirrored).map(str::to_owned);
        if is_mirrored && !self.slow && error.is_none() {
            self.moved.insert(volume.id, wish.backend.clone());
        }
        let arrived = self.moved.get(&volume.id) == Some(&wish.backend);
        Some(ElsewhereSeen { wish, error, percent: 50, arrived })
    }

    /// A copy, which is half made as long as it is told to be slow.
    fn copied(&self, copy: &Copy) -> CopySeen {
        let sum = |digits: usize| Some("0".repeat(digits));
        let done = Copied {
            size_bytes: 512,
            virtual_size_bytes: 1 << 30,
            md5: sum(32),
            sha512: sum(128),
            objects: 0,
        };
        match (&copy.to, self.slow) {
            (CopyTo::Image(_), false) => CopySeen { percent: 100, done: Some(done) },
            (CopyTo::Image(_) | CopyTo::Elsewhere(_), true) => CopySeen { percent: 50, done: None },
            (CopyTo::Elsewhere(_), false)
            | (CopyTo::Backup { .. } | CopyTo::Volume(_) | CopyTo::Nothing | CopyTo::Check, _) => {
                let done = Copied { objects: 3, virtual_size_bytes: 1 << 30, ..Copied::default() };
                CopySeen { percent: 100, done: Some(done) }
            }
        }
    }
}

/// Makes a volume so on the disks.
fn made(disks: &Fake, volume: &Volume) -> storage::Result<VolumeSeen> {
    let (id, size_bytes) = (volume.id, volume.size_gib * GIB);
    let from = match &volume.source {
        VolumeSource::Unmanaged(name) => Some(name.as_str()),
        _ => None,
    };
    if volume.unmanaged {
        disks.ensure_unmanaged(id, from)?;
        return Ok(VolumeSeen { unmanaged: true, ..VolumeSeen::default() });
    }
    if let Some(wish) = &volume.elsewhere
        && let Some(other) = wish.id
    {
        let new = NewVolume { id: other, size_bytes, source: Source::Blank, multiattach: false };
        match (wish.wanted, wish.replaces) {
            (true, _) => disks.ensure_volume(&new)?,
            (false, true) => disks.ensure_replaced(id, other)?,
            (false, false) => disks.remove_volume(other)?,
        }
    }
    match from {
        Some(name) if size_bytes == 0 => {
            let size_gib = disks.find_unmanaged(name)?.size_bytes.div_ceil(GIB);
            return Ok(VolumeSeen { size_gib, ..VolumeSeen::default() });
        }
        Some(name) => disks.ensure_managed(id, name, size_bytes)?,
        None => {
            disks.ensure_volume(&NewVolume { id, size_bytes, source: Source::Blank, multiattach: false })?
        }
    }
    let at = |snapshot| Snapshot { volume: id, id: snapshot };
    for snapshot in &volume.unmanaged_snapshots {
        disks.ensure_snapshot_unmanaged(at(*snapshot))?;
    }
    for snapshot in volume.snapshots.difference(&volume.unmanaged_snapshots) {
        match volume.managed_snapshots.get(snapshot) {
            Some(name) => disks.ensure_snapshot_managed(at(*snapshot), name)?,
            None => disks.ensure_snapshot(at(*snapshot), None)?,
        }
    }
    Ok(VolumeSeen {
        size_gib: volume.size_gib,
        snapshots: volume.snapshots.difference(&volume.unmanaged_snapshots).copied().collect(),
        reverted: volume.revert.as_ref().map(|revert| revert.token.clone()),
        elsewhere: None,
        unmanaged: false,
        unmanaged_snapshots: volume.unmanaged_snapshots.clone(),
    })
}

/// Answers what the node is asked.
fn answer(disks: &Fake, question: &Question) -> Json {
    match question {
        Question::UnmanagedVolumes { .. } => {
            let all = disks.observe_unmanaged().unwrap().into_iter();
            let shown = all.map(|found| UnmanagedVolume {
                size_gib: found.size_bytes.div_ceil(GIB),
                name: found.name,
                refused: found.refused,
            });
            json!(shown.collect::<Vec<_>>())
        }
        Question::UnmanagedSnapshots { .. } => {
            let of = |volume| {
                let all = disks.observe_unmanaged_snapshots(volume).unwrap().into_iter();
                all.map(move |found| UnmanagedSnapshot {
                    volume,
                    name: found.name,
                    size_gib: found.size_bytes.div_ceil(GIB),
                })
            };
            json!(disks.observe_volumes().unwrap().into_iter().flat_map(of).collect::<Vec<_>>())
        }
        other => panic!("nobody answers {other:?}"),
    }
}

/// Asks for a volume.
pub(crate) fn create(api: &Api, token: &str, body: &Json) -> Answer {
    api.post(token, "/volume/v3/volumes", &json!({"volume": body}))
}

/// Asks for a volume of 1 GiB and returns its id.
pub(crate) fn new_volume(api: &Api, token: &str) -> String {
    let answer = create(api, token, &json!({"size": 1, "name": "squid"}));
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.body["volume"]["id"].as_str().unwrap().to_owned()
}

/// An image that a volume can be made of.
pub(crate) fn new_image(api: &Api) -> String {
    let body = json!({"name": "tiny", "disk_format": "raw", "container_format": "bare"});
    let image = api.post(MEMBER, "/image/v2/images", &body).body["id"].as_str().unwrap().to_owned();
    let headers = [("content-type", "application/octet-stream")];
    let file = format!("/image/v2/images/{image}/file");
    assert_eq!(api.send(MEMBER, "PUT", &file, &headers, vec![0; 512]).status, 204);
    image
}

/// A volume's status.
pub(crate) fn status(api: &Api, id: &str) -> String {
    let answer = api.get(ADMIN, &format!("/volume/v3/volumes/{id}"));
    answer.body["volume"]["status"].as_str().unwrap_or("gone").to_owned()
}

/// An action on a volume.
pub(crate) fn act(api: &Api, token: &str, id: &str, body: &Json) -> u16 {
    api.post(token, &format!("/volume/v3/volumes/{id}/action"), body).status
}
