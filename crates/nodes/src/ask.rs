//! Questions that only a node can answer: a console's log. They change nothing and may fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent_api::{Question, ToNode};
use serde_json::Value as Json;
use tokio::sync::{mpsc, oneshot};
use types::HostId;

/// How long a node may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// The connections that questions go out on, and who waits for the answers. Clones share it.
#[derive(Clone, Default)]
pub struct Inquiries(Arc<Mutex<Pending>>);

#[derive(Default)]
struct Pending {
    next: u64,
    nodes: BTreeMap<HostId, mpsc::UnboundedSender<ToNode>>,
    waiting: BTreeMap<u64, oneshot::Sender<Result<Json, String>>>,
}

impl Inquiries {
    /// Questions to this host go into `outgoing` from now on.
    pub fn connected(&self, host: &HostId, outgoing: mpsc::UnboundedSender<ToNode>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).nodes.insert(host.clone(), outgoing);
    }

    /// A host in this process answers by itself what it is asked: one of a test.
    pub fn answered_by(
        &self,
        host: &HostId,
        answer: impl Fn(Question) -> Result<Json, String> + Send + 'static,
    ) -> std::io::Result<()> {
        let (outgoing, mut questions) = mpsc::unbounded_channel();
        self.connected(host, outgoing);
        // It ends with the last who could ask.
        let asking = Arc::downgrade(&self.0);
        let work = move || {
            while let Some(message) = questions.blocking_recv() {
                let ToNode::Ask { number, question } = message else { continue };
                let answer = answer(question);
                match asking.upgrade() {
                    Some(pending) => Inquiries(pending).answer(number, answer),
                    None => return,
                }
            }
        };
        runtime::spawn_quiet_thread("answers", work).map(drop)
    }

    /// Asks a node. An error says in words why there is no answer.
    pub async fn ask(&self, host: &HostId, question: Question) -> Result<Json, String> {
        let (number, answer) = self.send(host, question)?;
        let answered = tokio::time::timeout(ANSWER_TIME_MAX, answer).await;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&number);
        match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(format!("the agent of host {host} does not answer")),
        }
    }

    fn send(
        &self,
        host: &HostId,
        question: Question,
    ) -> Result<(u64, oneshot::Receiver<Result<Json, String>>), String> {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pending.next += 1;
        let number = pending.next;
        let absent = || format!("the agent of host {host} is not connected");
        let node = pending.nodes.get(host).ok_or_else(absent)?;
        node.send(ToNode::Ask { number, question }).map_err(|_| absent())?;
        let (reply, answer) = oneshot::channel();
        pending.waiting.insert(number, reply);
        Ok((number, answer))
    }

    /// Gives an answer to whoever asked.
    pub(crate) fn answer(&self, number: u64, answer: Result<Json, String>) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&number);
        if let Some(reply) = waiting {
            // Whoever asked may have given up.
            let _ = reply.send(answer);
        }
    }
}
