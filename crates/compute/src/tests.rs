//! What the tests of this crate share: the services a server needs, and a node whose reports are written by hand.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use agent_api::compute::{Milestone, Power, PowerSeen, TimelineEvent, Vm, VmSeen};
use agent_api::{Document, FromNode, Kind, NodeFacts, Report, ToNode};
use image::image::by_node::Terms;
use nodes::{Inquiries, Session};
use serde_json::{Value as Json, json};
use storage::fake::Fake;
use testkit::{Answer, Api};
use types::Timestamp;

/// A member of one project, of another, and the administrator.
pub(crate) const MEMBER: &str = "member@alpha";
pub(crate) const OTHER: &str = "member@beta";
pub(crate) const ADMIN: &str = "admin@admin";
/// The flavor of most servers here.
pub(crate) const NANO: &str = "42";

/// A cloud with one node.
pub(crate) struct World {
    pub(crate) api: Api,
    session: RefCell<Session>,
    documents: RefCell<BTreeMap<String, Document>>,
    /// What the node keeps of each VM.
    vms: RefCell<BTreeMap<String, VmSeen>>,
    sequence: Cell<u64>,
    /// Whether the node says nothing of its VMs for now.
    pub(crate) is_silent: Cell<bool>,
    /// What the node says of each VM instead of making it.
    pub(crate) refusal: RefCell<Option<String>>,
    /// Whether copies go on without ever being done.
    pub(crate) is_slow: Cell<bool>,
    /// What the node says of moments of root disks instead of holding them, and of copies instead of making them.
    pub(crate) no_snapshots: RefCell<Option<String>>,
    pub(crate) no_copies: RefCell<Option<String>>,
    pub(crate) image_id: String,
}

fn facts() -> NodeFacts {
    NodeFacts {
        vcpus: 8,
        ram_mib: 16384,
        disk_gib: 200,
        hypervisor: "QEMU 10.0.2".to_owned(),
        architecture: "x86_64".to_owned(),
        ..NodeFacts::default()
    }
}

/// The services and no node.
pub(crate) fn api() -> Api {
    let images: Arc<Fake> = Arc::new(Fake::new());
    let migrations = [
        nodes::MIGRATIONS,
        image::MIGRATIONS,
        placement::MIGRATIONS,
        network::MIGRATIONS,
        block_storage::MIGRATIONS,
        crate::MIGRATIONS,
    ];
    let api = Api::new(&migrations, |store| {
        let services = vec![
            image::service(store, images.clone(), image::Config::default()),
            placement::service(),
            network::service(),
            block_storage::service(
                store,
                &Inquiries::default(),
                Terms::new(images.clone(), &image::Config::default()),
                Arc::new(()),
            ),
            crate::service(
                store,
                &Inquiries::default(),
                Terms::new(images.clone(), &image::Config::default()),
            ),
        ];
        let mut reconcilers = crate::reconcilers();
        reconcilers.extend(placement::reconcilers());
        reconcilers.extend(network::reconcilers());
        reconcilers.extend(block_storage::reconcilers(Arc::new(identity::CredentialKeys::default())));
        reconcilers.extend(image::reconcilers(images, image::Config::default()));
        (services, reconcilers)
    });
    api.store.write_blocking(crate::bootstrap).unwrap();
    api.store.write_blocking(block_storage::bootstrap).unwrap();
    api
}

impl World {
    /// A cloud with one node, an active image and a network of the project alpha.
    pub(crate) fn new() -> World {
        let api = api();
        let host = "node-1".into();
        let inquiries = Inquiries::default();
        let (session, _, _) =
            Session::hello(&api.store, &inquiries, &host, facts(), &BTreeMap::new()).unwrap();
        let draft =
            json!({"name": "tiny", "disk_format": "raw", "container_format": "bare", "visibility": "public"});
        let image = api.post(ADMIN, "/image/v2/images", &draft);
        let image_id = image.body["id"].as_str().unwrap().to_owned();
        let headers = [("content-type", "application/octet-stream")];
        let file = format!("/image/v2/images/{image_id}/file");
        assert_eq!(api.send(ADMIN, "PUT", &file, &headers, vec![0; 65536]).status, 204);
        World {
            api,
            session: RefCell::new(session),
            documents: RefCell::default(),
            vms: RefCell::default(),
            sequence: Cell::new(0),
            is_silent: Cell::new(false),
            refusal: RefCell::new(None),
            is_slow: Cell::new(false),
            no_snapshots: RefCell::default(),
            no_copies: RefCell::default(),
            image_id,
        }
    }

    /// A network with a subnet of the project; its id.
    pub(crate) fn network(&self, token: &str) -> String {
        let network = self.api.post(token, "/network/v2.0/networks", &json!({"network": {"name": "net"}}));
        let id = network.body["network"]["id"].as_str().unwrap().to_owned();
        let subnet = json!({"subnet": {"network_id": id, "ip_version": 4, "cidr": "10.1.0.0/24"}});
        assert_eq!(self.api.post(token, "/network/v2.0/subnets", &subnet).status, 201);
        id
    }

    /// A request in a microversion.
    pub(crate) fn call(&self, token: &str, version: &str, method: &str, path: &str, body: &Json) -> Answer {
        let header = format!("compute {version}");
        let path = format!("/compute/v2.1{path}");
        let answer = self.api.call(token, method, &path, &[("openstack-api-version", &header)], body);
        assert!(answer.status < 500 || answer.status == 501, "{method} {path}: {answer:?}");
        answer
    }

    /// GET in the newest microversion.
    pub(crate) fn get(&self, token: &str, path: &str) -> Answer {
        self.call(token, "2.96", "GET", path, &Json::Null)
    }

    /// POST in the newest microversion.
    pub(crate) fn post(&self, token: &str, path: &str, body: &Json) -> Answer {
        self.call(token, "2.96", "POST", path, body)
    }

    /// What a server's creation says at least.
    pub(crate) fn draft(&self, name: &str) -> Json {
        json!({"server": {"name": name, "imageRef": self.image_id, "flavorRef": NANO, "networks": "none"}})
    }

    /// Creates a server and waits until nothing moves; its id.
    pub(crate) fn server(&self, draft: &Json) -> String {
        let created = self.post(MEMBER, "/servers", draft);
        assert_eq!(created.status, 202, "{created:?}");
        self.converge();
        created.body["server"]["id"].as_str().unwrap().to_owned()
    }

    /// A server's field as its owner sees it.
    pub(crate) fn field(&self, id: &str, name: &str) -> Json {
        self.get(MEMBER, &format!("/servers/{id}")).body["server"][name].clone()
    }

    /// Asks for an action; the status of the answer.
    pub(crate) fn act(&self, id: &str, action: &Json) -> u16 {
        self.post(MEMBER, &format!("/servers/{id}/action"), action).status
    }

    /// Steps reconcilers and node until neither has anything to do.
    pub(crate) fn converge(&self) {
        for _ in 0..100 {
            self.api.settle();
            if !self.turn() {
                return;
            }
        }
        panic!("the cloud does not come to rest");
    }

    /// Hands new documents to the node and its reports back; false if there was nothing new.
    fn turn(&self) -> bool {
        let Some(ToNode::Documents { documents, .. }) = self.session.borrow_mut().changes().unwrap() else {
            return false;
        };
        for document in &documents {
            self.documents.borrow_mut().insert(document.key.to_string(), document.clone());
        }
        self.report(&documents);
        true
    }

    /// Has the node report on all its VMs again.
    pub(crate) fn report_vms(&self) {
        let documents: Vec<Document> = self.documents.borrow().values().cloned().collect();
        let reported = [Kind::Vm, Kind::Copy];
        let vms: Vec<Document> = documents.into_iter().filter(|d| reported.contains(&d.key.kind)).collect();
        self.report(&vms);
        self.converge();
    }

    fn report(&self, documents: &[Document]) {
        let reports: Vec<Report> = documents.iter().filter_map(|document| self.look(document)).collect();
        let sequence = self.sequence.get() + 1;
        self.sequence.set(sequence);
        self.session.borrow_mut().receive(FromNode::Reports { sequence, reports }).unwrap();
    }

    fn look(&self, document: &Document) -> Option<Report> {
        let id = document.key.id.clone();
        if document.key.kind == Kind::Vm && self.is_silent.get() {
            return None;
        }
        let error = self
            .refusal
            .borrow()
            .clone()
            .filter(|_| document.key.kind == Kind::Vm)
            .or_else(|| self.no_copies.borrow().clone().filter(|_| document.key.kind == Kind::Copy))
            .filter(|_| document.body.is_some());
        let seen = match (&document.body, document.key.kind) {
            (None, _) => {
                self.vms.borrow_mut().remove(&id);
                None
            }
            (Some(body), Kind::Vm) if error.is_none() => {
                let vm: Vm = serde_json::from_value(body.clone()).unwrap();
                let mut vms = self.vms.borrow_mut();
                let seen = vms.entry(id).or_default();
                carry_out(&vm, seen);
                seen.root_trouble = self.no_snapshots.borrow().clone();
                if seen.root_trouble.is_none() {
                    seen.root_snapshots = vm.root_disk.map(|root| root.snapshots).unwrap_or_default();
                }
                Some(serde_json::to_value(&*seen).unwrap())
            }
            (Some(_), Kind::Vm) => None,
            (Some(body), Kind::Volume) => {
                Some(json!({"size_gib": body["size_gib"], "snapshots": body["snapshots"]}))
            }
            (Some(_), Kind::Copy) => {
                let stored = json!({
                    "size_bytes": 512, "virtual_size_bytes": 1 << 30, "md5": "0".repeat(32), "sha512": "0".repeat(128),
                });
                let done = Some(stored).filter(|_| !self.is_slow.get() && error.is_none());
                Some(json!({"percent": 10, "done": done}))
            }
            (Some(_), _) => Some(json!({"up": true})),
        };
        let key = document.key.clone();
        Some(Report { key, revision: document.revision, at: runtime::now(), seen, error })
    }

    /// Something happens to a VM that nobody wished.
    pub(crate) fn happens(&self, id: &str, change: impl FnOnce(&mut VmSeen)) {
        change(self.vms.borrow_mut().get_mut(id).unwrap());
        let key = format!("vm/{id}");
        let document = self.documents.borrow()[&key].clone();
        let seen = serde_json::to_value(&self.vms.borrow()[id]).unwrap();
        let report = Report {
            key: document.key,
            revision: document.revision,
            at: runtime::now(),
            seen: Some(seen),
            error: None,
        };
        let sequence = self.sequence.get() + 1;
        self.sequence.set(sequence);
        self.session.borrow_mut().receive(FromNode::Reports { sequence, reports: vec![report] }).unwrap();
        self.converge();
    }

    /// The VM's document as the node has it.
    pub(crate) fn vm(&self, id: &str) -> Vm {
        let documents = self.documents.borrow();
        serde_json::from_value(documents[&format!("vm/{id}")].body.clone().unwrap()).unwrap()
    }

    /// How many documents the node was not asked to remove.
    pub(crate) fn wanted(&self, kind: Kind) -> usize {
        let documents = self.documents.borrow();
        documents.values().filter(|d| d.key.kind == kind && d.body.is_some()).count()
    }
}

/// Makes a VM as its document says, at once.
fn carry_out(vm: &Vm, seen: &mut VmSeen) {
    let was = seen.power;
    seen.trouble = None;
    seen.power = match vm.power {
        // A guest that powered itself off stays off until it is wanted on anew.
        Power::On if was == PowerSeen::Shutdown && vm.reboot.is_none() && seen.nics.is_empty() => {
            PowerSeen::Running
        }
        Power::On => PowerSeen::Running,
        Power::Off { .. } => PowerSeen::Shutdown,
        Power::Paused => PowerSeen::Paused,
    };
    seen.rebooted = vm.reboot.as_ref().map(|reboot| reboot.token.clone());
    seen.volumes = vm.volumes.iter().map(|volume| volume.id).collect();
    seen.nics = vm.nics.iter().map(|nic| nic.port_id).collect();
    if was == PowerSeen::Absent {
        seen.timeline =
            [Milestone::DiskReady, Milestone::Started].map(|event| event_at(event, runtime::now())).into();
    }
}

/// A milestone.
pub(crate) fn event_at(event: Milestone, at: Timestamp) -> TimelineEvent {
    TimelineEvent { event, at, detail: String::new() }
}
