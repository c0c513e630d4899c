//! Messages, documents and reports, whatever they are about.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use types::{ServerId, Timestamp};

/// What a document is about. Order is the order of building; removal goes backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The external network of this node: [`crate::network::External`].
    External,
    /// A network with a port on this node: [`crate::network::Network`].
    Network,
    /// A security group of such a port: [`crate::network::SecurityGroup`].
    SecurityGroup,
    /// A port of a VM on this node: [`crate::network::Port`].
    Port,
    /// A router on this node: [`crate::network::Router`].
    Router,
    /// A volume on this node's backend: [`crate::block::Volume`].
    Volume,
    /// A copy for this node to make: [`crate::block::Copy`].
    Copy,
    /// A VM on this node: [`crate::compute::Vm`].
    Vm,
}

impl Kind {
    /// All kinds in building order.
    pub const ALL: [Kind; 8] = [
        Kind::External,
        Kind::Network,
        Kind::SecurityGroup,
        Kind::Port,
        Kind::Router,
        Kind::Volume,
        Kind::Copy,
        Kind::Vm,
    ];

    /// The kind's name in the database and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Kind::External => "external",
            Kind::Network => "network",
            Kind::SecurityGroup => "security_group",
            Kind::Port => "port",
            Kind::Router => "router",
            Kind::Volume => "volume",
            Kind::Copy => "copy",
            Kind::Vm => "vm",
        }
    }

    /// The kind of this name.
    pub fn of_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Which document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DocumentKey {
    /// What it is about.
    pub kind: Kind,
    /// Which of them.
    pub id: String,
}

impl fmt::Display for DocumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.name(), self.id)
    }
}

/// What a node should have, or should no longer have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Which document.
    pub key: DocumentKey,
    /// Grows with every change of any document of this node.
    pub revision: i64,
    /// The document; `None` when the thing is to be removed. A removal is reported as `gone`.
    pub body: Option<Json>,
}

/// What a node sees of one document's thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Which document.
    pub key: DocumentKey,
    /// The revision that the node has acted on.
    pub revision: i64,
    /// When the node looked, by its own clock.
    pub at: Timestamp,
    /// What it sees: the `…Seen` type beside the document's; `None` once the thing is gone.
    pub seen: Option<Json>,
    /// Why the thing cannot be made as wanted, if so; in words for the owner.
    #[serde(default)]
    pub error: Option<String>,
}

/// From the control plane to a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToNode {
    /// Changed documents. With `complete`, documents that are neither here nor among the revisions the node announced
    /// do not exist any more and their things are to be removed.
    Documents {
        /// The documents.
        documents: Vec<Document>,
        /// The keys of every document of this node, sent once after a connect.
        #[serde(default)]
        complete: Option<Vec<DocumentKey>>,
    },
    /// A question that changes nothing on the node; answered by [`FromNode::Answer`] with the same number.
    Ask {
        /// Chosen by the asker.
        number: u64,
        /// The question.
        question: Question,
    },
    /// Reports up to this sequence number were committed and need not be sent again.
    Acknowledge {
        /// The number.
        sequence: u64,
    },
}

/// From a node to the control plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromNode {
    /// The first message: who this is and what it has.
    Hello {
        /// The host's name.
        host: String,
        /// What the node offers.
        facts: NodeFacts,
        /// The revisions it has documents of.
        have: BTreeMap<String, i64>,
    },
    /// What the node sees; in order, each acknowledged once committed.
    Reports {
        /// Grows by one with each message of a connection.
        sequence: u64,
        /// The reports.
        reports: Vec<Report>,
    },
    /// The answer to a question, or why there is none.
    Answer {
        /// The question's number.
        number: u64,
        /// The answer.
        answer: Result<Json, String>,
    },
}

/// Something only the node can tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// The end of a VM's console log, as text.
    ConsoleLog {
        /// The server.
        server_id: ServerId,
        /// The last lines only, if given.
        lines: Option<u32>,
    },
    /// What a VM's guest posted as its password, which may not be reported yet: [`crate::compute::PostedPassword`] or
    /// null.
    Password {
        /// The server.
        server_id: ServerId,
    },
    /// What lies on a backend and is no volume: a list of [`crate::block::UnmanagedVolume`].
    UnmanagedVolumes {
        /// The backend's name; without, the node's default.
        backend: Option<String>,
    },
    /// The snapshots on a backend that are none of this node's documents, of volumes that are: a list of
    /// [`crate::block::UnmanagedSnapshot`].
    UnmanagedSnapshots {
        /// As above.
        backend: Option<String>,
    },
}

/// What a node offers, for placement and `cuttle status`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Logical CPUs.
    pub vcpus: u32,
    /// Memory in MiB.
    pub ram_mib: u64,
    /// Disk of the default storage backend in GiB.
    pub disk_gib: u64,
    /// Its storage backends.
    #[serde(default)]
    pub backends: Vec<BackendFacts>,
    /// `kvm`, `tcg` or `fake`, and why.
    pub accelerator: String,
    /// The hypervisor and its version, `QEMU 10.0.2`.
    pub hypervisor: String,
    /// The version of Cuttle that the agent is.
    pub version: String,
    /// The machine's architecture, `x86_64`.
    pub architecture: String,
}

/// A storage backend of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendFacts {
    /// What the configuration calls it.
    pub name: String,
    /// Whether root disks are on it, and volumes that ask for no other.
    pub is_default: bool,
    /// Whether other nodes serve the same.
    pub is_shared: bool,
    /// All its room.
    pub total_gib: u64,
    /// What was free when the node connected.
    pub free_gib: u64,
}
