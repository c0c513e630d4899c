//! A cloud with this service alone, and its nodes.

use std::collections::BTreeMap;

use agent_api::network::{PortSeen, UpSeen};
use agent_api::{Document, DocumentKey, FromNode, Kind, NodeFacts, Report, ToNode};
use network::Outside;
use nodes::{Inquiries, Session};
use serde_json::{Value as Json, json};
use store::Tx;
use testkit::{Answer, Api};
use types::HostId;

/// The API, and one node.
pub struct Cloud {
    pub api: Api,
    node: Node,
}

/// A node that has what its documents say at once.
struct Node {
    session: Session,
    sequence: u64,
    documents: BTreeMap<String, Document>,
}

impl Cloud {
    /// A fresh cloud, as `cuttle up` makes it.
    pub fn new() -> Cloud {
        let migrations = &[nodes::MIGRATIONS, network::MIGRATIONS];
        let api = Api::new(migrations, |_| (vec![network::service()], network::reconcilers()));
        let host = HostId("node-1".to_owned());
        let hello =
            Session::hello(&api.store, &Inquiries::default(), &host, NodeFacts::default(), &BTreeMap::new());
        let (session, _, _) = hello.unwrap();
        api.store
            .write_blocking(|tx: &mut Tx<'_>| {
                network::bootstrap(tx, &"admin".into(), &Outside::default())?;
                Ok::<_, network::Error>(network::host_joined(tx)?)
            })
            .unwrap();
        let node = Node { session, sequence: 0, documents: BTreeMap::new() };
        let mut cloud = Cloud { api, node };
        cloud.settle();
        cloud
    }

    /// Steps reconcilers and the node in turn until both have nothing to do.
    pub fn settle(&mut self) {
        loop {
            self.api.settle();
            let Some(ToNode::Documents { documents, .. }) = self.node.session.changes().unwrap() else {
                return;
            };
            self.node.take_in(documents);
        }
    }

    /// Has the node say of everything of a kind whether it is up.
    pub fn report(&mut self, kind: Kind, up: bool) {
        let documents: Vec<Document> = self.node.documents.values().cloned().collect();
        let of_kind = documents.iter().filter(|document| document.key.kind == kind);
        self.node.send(of_kind.map(|document| report(document, up)).collect());
        self.api.settle();
    }

    /// The bodies of the documents of a kind that the node has.
    pub fn documents(&self, kind: Kind) -> Vec<Json> {
        let of_kind = self.node.documents.values().filter(|document| document.key.kind == kind);
        of_kind.filter_map(|document| document.body.clone()).collect()
    }

    /// The revision of the node's newest document.
    pub fn revision(&self) -> i64 {
        self.node.documents.values().map(|document| document.revision).max().unwrap()
    }

    /// Makes every row due, as if somebody had changed it.
    pub fn kick_everything(&self) {
        let keys = [
            ("network::network", "network_networks"),
            ("network::port", "network_ports"),
            ("network::router", "network_routers"),
            ("network::security_group", "network_security_groups"),
        ];
        self.tx(move |tx| {
            for (kind, table) in keys {
                for row in tx.rows(&format!("SELECT id FROM {table}"), &[])? {
                    tx.kick(kind, row[0].text().unwrap())?;
                }
            }
            Ok(())
        });
    }

    /// Creates a resource as a member of `alpha`; its JSON.
    pub fn create(&self, plural: &str, body: Json) -> Json {
        self.create_as("member@alpha", plural, body)
    }

    /// Creates a resource; its JSON.
    pub fn create_as(&self, token: &str, plural: &str, body: Json) -> Json {
        let root = plural.trim_end_matches('s').replace('-', "_");
        let answer =
            self.api.post(token, &format!("/network/v2.0/{plural}"), &json!({ root.as_str(): body }));
        assert_eq!(answer.status, 201, "{plural}: {}", answer.body);
        answer.body[root.as_str()].clone()
    }

    /// Shows a resource as its project sees it.
    pub fn show(&self, plural: &str, id: &Json) -> Json {
        let answer = self.get(&format!("{plural}/{}", id.as_str().unwrap()));
        assert_eq!(answer.status, 200, "{plural}: {}", answer.body);
        answer.body.as_object().unwrap().values().next().unwrap().clone()
    }

    /// GET as a member of `alpha`.
    pub fn get(&self, path: &str) -> Answer {
        self.api.get("member@alpha", &format!("/network/v2.0/{path}"))
    }

    /// PUT as a member of `alpha`.
    pub fn put(&self, path: &str, body: Json) -> Answer {
        self.api.put("member@alpha", &format!("/network/v2.0/{path}"), &body)
    }

    /// DELETE as a member of `alpha`.
    pub fn delete(&self, path: &str) -> Answer {
        self.api.delete("member@alpha", &format!("/network/v2.0/{path}"))
    }

    /// Looks or acts behind the API.
    pub fn tx<T: Send + 'static>(
        &self,
        mut f: impl FnMut(&mut Tx<'_>) -> Result<T, network::Error> + Send + 'static,
    ) -> T {
        self.api.store.write_blocking(move |tx| f(tx)).unwrap()
    }
}

impl Node {
    fn take_in(&mut self, documents: Vec<Document>) {
        let mut reports = Vec::new();
        for document in documents {
            reports.push(report(&document, true));
            self.documents.insert(document.key.to_string(), document);
        }
        self.send(reports);
    }

    fn send(&mut self, reports: Vec<Report>) {
        self.sequence += 1;
        self.session.receive(FromNode::Reports { sequence: self.sequence, reports }).unwrap();
    }
}

fn report(document: &Document, up: bool) -> Report {
    let seen = document.body.as_ref().map(|_| match document.key.kind {
        Kind::Port => serde_json::to_value(PortSeen { up }).unwrap(),
        _ => serde_json::to_value(UpSeen { up }).unwrap(),
    });
    let key = DocumentKey { kind: document.key.kind, id: document.key.id.clone() };
    Report { key, revision: document.revision, at: runtime::now(), seen, error: None }
}
