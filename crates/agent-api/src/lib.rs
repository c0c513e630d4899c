//! The contract between control plane and node: documents of desired state down, reports of what is seen up.
//!
//! A node has a set of documents, each with a kind, an id and a revision that only grows. On connecting, the agent
//! says which revisions it has; it is sent what differs, and every change after that. It acts until the node is as
//! the documents say, and reports per document what it sees, naming the revision it has acted on. There are no
//! commands: what must happen once (a reboot) is a token in a document, done when a report shows the same token.
//!
//! On the wire each message is one line of JSON, over a Unix socket in `cuttle up` and over TLS between machines.

pub mod block;
pub mod compute;
pub mod network;
mod wire;

pub use wire::{BackendFacts, Document, DocumentKey, FromNode, Kind, NodeFacts, Question, Report, ToNode};
