//! What the tests of this crate share: the API with the image service beside it, and a node.

mod access;
mod varied;

use std::collections::BTreeMap;
use std::sync::Arc;

use agent_api::block::{Volume as Document, VolumeSeen};
use agent_api::{FromNode, NodeFacts, Report, ToNode};
use nodes::{Inquiries, Session};
use serde_json::{Value as Json, json};
use storage::ImageStore;
use storage::fake::Fake;
use store::Store;
use testkit::{Answer, Api, Scratch};

/// A member of one project, of another, and the administrator.
pub(crate) const MEMBER: &str = "member@alpha";
pub(crate) const OTHER: &str = "member@beta";
pub(crate) const ADMIN: &str = "admin@admin";

/// The services in process.
pub(crate) fn api() -> Api {
    api_over(None)
}

fn api_over(scratch: Option<Scratch>) -> Api {
    let images: Arc<dyn ImageStore> = Arc::new(Fake::new());
    let migrations = [nodes::MIGRATIONS, image::MIGRATIONS, crate::MIGRATIONS];
    let build = |store: &Store| {
        let image = image::service(store, images, image::Config::default());
        (vec![image, crate::service()], crate::reconcilers())
    };
    let api = match scratch {
        None => Api::new(&migrations, build),
        Some(scratch) => Api::new_on(scratch, &migrations, build),
    };
    api.store.write_blocking(crate::bootstrap).unwrap();
    api
}

/// Replays a conversation below `src`.
pub(crate) fn golden(api: &Api, path: &str) {
    testkit::check_golden(api, format!("{}/src/{path}", env!("CARGO_MANIFEST_DIR")));
}

/// A host that does what its documents say, unless told to refuse.
pub(crate) struct Node {
    session: Session,
    /// What it says to every volume that it is to make or grow.
    pub(crate) refuses: Option<&'static str>,
    /// Whether it does not answer.
    pub(crate) silent: bool,
    sequence: u64,
}

impl Node {
    /// A host of this name joins.
    pub(crate) fn join(api: &Api, name: &str, disk_gib: u64) -> Node {
        let facts = NodeFacts { disk_gib, ..NodeFacts::default() };
        let (session, _, _) =
            Session::hello(&api.store, &Inquiries::default(), &name.into(), facts, &BTreeMap::new()).unwrap();
        Node { session, refuses: None, silent: false, sequence: 0 }
    }

    /// Takes what changed and reports, then lets the reconcilers run.
    pub(crate) fn work(&mut self, api: &Api) {
        api.settle();
        while let Some(ToNode::Documents { documents, .. }) = self.session.changes().unwrap() {
            if self.silent {
                break;
            }
            let reports = documents.into_iter().map(|document| {
                let wanted: Option<Document> =
                    document.body.map(|body| serde_json::from_value(body).unwrap());
                let error = wanted.as_ref().and(self.refuses).map(str::to_owned);
                let made = wanted.filter(|_| error.is_none());
                let seen = made.map(|volume| VolumeSeen {
                    size_gib: volume.size_gib,
                    snapshots: volume.snapshots.clone(),
                    reverted: volume.revert.as_ref().map(|revert| revert.token.clone()),
                });
                Report {
                    key: document.key,
                    revision: document.revision,
                    at: runtime::now(),
                    seen: seen.map(|seen| serde_json::to_value(seen).unwrap()),
                    error,
                }
            });
            self.sequence += 1;
            let message = FromNode::Reports { sequence: self.sequence, reports: reports.collect() };
            self.session.receive(message).unwrap();
            api.settle();
        }
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

/// A volume's status.
pub(crate) fn status(api: &Api, id: &str) -> String {
    let answer = api.get(ADMIN, &format!("/volume/v3/volumes/{id}"));
    answer.body["volume"]["status"].as_str().unwrap_or("gone").to_owned()
}

/// An action on a volume.
pub(crate) fn act(api: &Api, token: &str, id: &str, body: &Json) -> u16 {
    api.post(token, &format!("/volume/v3/volumes/{id}/action"), body).status
}
