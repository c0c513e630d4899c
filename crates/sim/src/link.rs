//! A connection of an agent with the control plane: ordered each way, slow, and gone at any time.

use std::collections::VecDeque;

use agent_api::{FromNode, ToNode};
use block_storage::encryption::add_keys;
use nodes::Session;
use tokio::sync::mpsc;
use types::HostId;

use crate::control::{Control, host_joined};

/// One connection.
pub struct Link {
    /// Which one; later ones have higher numbers.
    pub number: u64,
    /// Whose.
    pub host: HostId,
    /// What the node sent and the control plane has not read.
    pub up: VecDeque<FromNode>,
    /// What the control plane sent and the node has not read.
    pub down: VecDeque<ToNode>,
    /// Whether the node still has it. If not, the control plane may still read what was on its way.
    pub open: bool,
    session: Option<Session>,
    questions: Option<mpsc::UnboundedReceiver<ToNode>>,
}

impl Link {
    /// A connection on which the node has said hello.
    pub fn new(number: u64, host: HostId, hello: FromNode) -> Link {
        Link {
            number,
            host,
            up: VecDeque::from([hello]),
            down: VecDeque::new(),
            open: true,
            session: None,
            questions: None,
        }
    }

    /// The control plane reads one message; tells whether the connection goes on. An error ends it, too.
    pub fn read(&mut self, control: &Control) -> Result<bool, store::Error> {
        let Some(message) = self.up.pop_front() else { return Ok(true) };
        let Some(session) = &mut self.session else { return self.greet(control, message).map(|()| true) };
        let answer = session.receive(message)?;
        if session.is_replaced() {
            return Ok(false);
        }
        self.down.extend(answer);
        self.write_changes(control).map(|()| true)
    }

    fn greet(&mut self, control: &Control, message: FromNode) -> Result<(), store::Error> {
        let FromNode::Hello { facts, have, .. } = message else { return Ok(()) };
        let (session, mut first, news) =
            Session::hello(control.store(), control.inquiries(), &self.host, facts, &have)?;
        if news {
            let host = self.host.clone();
            control.store().write_blocking(move |tx| host_joined(tx, &host))?;
        }
        self.session = Some(session);
        add_keys(control.store(), control.keys.as_ref(), &mut first)?;
        self.down.push_back(first);
        let (outgoing, questions) = mpsc::unbounded_channel();
        control.inquiries().connected(&self.host, outgoing);
        self.questions = Some(questions);
        self.write_changes(control)
    }

    /// The control plane sends what changed.
    pub fn write_changes(&mut self, control: &Control) -> Result<(), store::Error> {
        if let Some(session) = &mut self.session
            && let Some(mut changes) = session.changes()?
        {
            add_keys(control.store(), control.keys.as_ref(), &mut changes)?;
            self.down.push_back(changes);
        }
        while let Some(question) = self.questions.as_mut().and_then(|questions| questions.try_recv().ok()) {
            self.down.push_back(question);
        }
        Ok(())
    }
}
