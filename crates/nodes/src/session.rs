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
    /// Which of the host's connections this is.
    connection: u64,
    /// Documents up to this revision were sent.
    sent: i64,
    /// Messages up to this one were taken in.
    received: u64,
    replaced: bool,
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
        let (news, connection, all) = store.write_blocking(move |tx| {
            let news = hosts::heard(tx, &id, Some(&facts))?;
            let connection = hosts::load(tx, &id)?.map_or(0, |host| host.connections);
            Ok::<_, Error>((news, connection, documents::since(tx, &id, -1)?))
        })?;
        let sent = all.last().map_or(0, |newest| newest.revision);
        let complete = Some(all.iter().map(|document| document.key.clone()).collect());
        let is_news = |document: &Document| have.get(&document.key.to_string()) != Some(&document.revision);
        let documents = all.into_iter().filter(is_news).collect();
        let (store, inquiries, host) = (store.clone(), inquiries.clone(), host.clone());
        let session = Session { store, inquiries, host, connection, sent, received: 0, replaced: false };
        Ok((session, ToNode::Documents { documents, complete }, news))
    }

    /// The node's name.
    pub fn host(&self) -> &HostId {
        &self.host
    }

    /// Whether another connection of this host counts now, so that this one is deaf and has to be closed. The other may
    /// be one that the node has long lost, whose hello was read late: closed, the node dials again and says everything.
    pub fn is_replaced(&self) -> bool {
        self.replaced
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

    /// Within a connection messages are in order, and a later connection says everything again; so what comes twice, or
    /// late on a connection that was replaced, is left out, and what is lost with the power is not lost. The node's clock
    /// has no say: it may be put back.
    fn reports(&mut self, sequence: u64, reports: Vec<Report>) -> Result<ToNode, Error> {
        if sequence > self.received {
            let (host, connection) = (self.host.clone(), self.connection);
            self.replaced = self.store.write_unsynced_blocking(move |tx| {
                if hosts::load(tx, &host)?.is_none_or(|host| host.connections != connection) {
                    return Ok(true);
                }
                if reports.is_empty() {
                    hosts::heard(tx, &host, None)?;
                }
                reports.iter().try_for_each(|report| documents::accept(tx, &host, report))?;
                Ok::<_, Error>(false)
            })?;
            self.received = sequence;
        }
        Ok(ToNode::Acknowledge { sequence })
    }
}
