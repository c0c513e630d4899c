//! One node's connection, without its socket.

use std::collections::BTreeMap;

use agent_api::{Document, FromNode, NodeFacts, Report, ToNode};
use store::{Error, Store};
use types::HostId;

use crate::{Inquiries, documents, hosts};

/// The control plane's side of a connection, after the node's hello.
pub struct Session {
    store: Store,
    inquiries: Inquiries,
    host: HostId,
    /// Documents up to this revision were sent.
    sent: i64,
}

impl Session {
    /// Begins with the node's hello; returns what to send first: what differs from what it has, and all keys.
    pub fn hello(
        store: &Store,
        inquiries: &Inquiries,
        host: &HostId,
        facts: NodeFacts,
        have: &BTreeMap<String, i64>,
    ) -> Result<(Session, ToNode, bool), Error> {
        let id = host.clone();
        let (news, all) = store.write_blocking(move |tx| {
            let news = hosts::heard(tx, &id, Some(&facts))?;
            Ok::<_, Error>((news, documents::since(tx, &id, -1)?))
        })?;
        let sent = all.last().map_or(0, |newest| newest.revision);
        let complete = Some(all.iter().map(|document| document.key.clone()).collect());
        let is_news = |document: &Document| have.get(&document.key.to_string()) != Some(&document.revision);
        let documents = all.into_iter().filter(is_news).collect();
        let session =
            Session { store: store.clone(), inquiries: inquiries.clone(), host: host.clone(), sent };
        Ok((session, ToNode::Documents { documents, complete }, news))
    }

    /// The node's name.
    pub fn host(&self) -> &HostId {
        &self.host
    }

    /// What changed since the last call, if anything. To be called after each [`crate::signal`] of this host.
    pub fn changes(&mut self) -> Result<Option<ToNode>, Error> {
        let (host, sent) = (self.host.clone(), self.sent);
        let changed = self.store.read_blocking(move |tx| documents::since(tx, &host, sent))?;
        let Some(newest) = changed.last() else { return Ok(None) };
        self.sent = newest.revision;
        Ok(Some(ToNode::Documents { documents: changed, complete: None }))
    }

    /// Takes in a message; returns what to answer.
    pub fn receive(&mut self, message: FromNode) -> Result<Option<ToNode>, Error> {
        match message {
            FromNode::Hello { .. } => Ok(None),
            FromNode::Reports { sequence, reports } => self.reports(sequence, reports).map(Some),
            FromNode::Answer { number, answer } => {
                self.inquiries.answer(number, answer);
                Ok(None)
            }
        }
    }

    fn reports(&self, sequence: u64, reports: Vec<Report>) -> Result<ToNode, Error> {
        let host = self.host.clone();
        self.store.write_blocking(move |tx| {
            if reports.is_empty() {
                hosts::heard(tx, &host, None)?;
            }
            reports.iter().try_for_each(|report| documents::accept(tx, &host, report))
        })?;
        Ok(ToNode::Acknowledge { sequence })
    }
}
