//! Answers to questions. What takes its time is looked up beside the agent's own work.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::time::Duration;

use agent_api::{FromNode, Question};
use serde_json::Value as Json;
use types::VolumeId;

use super::{Agent, CONSOLE_BYTES_MAX};
use crate::volumes::{self, unmanaged};

/// How many questions are looked into at once; more are refused.
const AT_ONCE: usize = 4;
/// What is found within this is waited for.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often it is looked whether something was found.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// An answer that is being looked for.
pub(super) struct Asked {
    number: u64,
    found: Receiver<Result<Json, String>>,
}

impl Agent {
    /// Answers a question now or soon.
    pub(super) fn ask(&mut self, number: u64, question: &Question) {
        let answer = match question {
            Question::Password { server_id } => {
                serde_json::to_value(self.vms.posted_password(*server_id)).map_err(|error| error.to_string())
            }
            Question::ConsoleLog { server_id, lines } => {
                self.vms.console(&self.effects, *server_id, CONSOLE_BYTES_MAX).map(|text| last(&text, *lines))
            }
            Question::UnmanagedVolumes { backend } => {
                let backend = self.effects.backends.shared(backend.as_deref()).cloned();
                return self.look_up(number, move || unmanaged::volumes(&backend?));
            }
            Question::UnmanagedSnapshots { backend } => {
                let named = self.effects.backends.shared(backend.as_deref()).cloned();
                let volumes = self.volumes_on(backend.as_deref());
                return self.look_up(number, move || unmanaged::snapshots(&named?, &volumes));
            }
        };
        self.answers.push(FromNode::Answer { number, answer });
    }

    /// The volumes of a backend that should be there.
    fn volumes_on(&self, backend: Option<&str>) -> Vec<VolumeId> {
        let default = self.effects.backends.default_name();
        let named = backend.unwrap_or(default);
        let all = self.documents.volumes().into_values();
        let there = all.filter(|volume| {
            let there = volumes::backend_name(&self.effects, volume).unwrap_or(default);
            !volume.unmanaged && volume.size_gib > 0 && there == named
        });
        there.map(|volume| volume.id).collect()
    }

    fn look_up(&mut self, number: u64, look: impl FnOnce() -> Result<Json, String> + Send + 'static) {
        if self.asked.len() >= AT_ONCE {
            let answer = Err("the host is asked too much at once; ask again later".to_owned());
            self.answers.push(FromNode::Answer { number, answer });
            return;
        }
        let (sender, found) = sync_channel(1);
        let work = move || {
            // Nobody listens where the connection was lost meanwhile.
            let _ = sender.send(look());
        };
        if let Err(error) = runtime::spawn_quiet_thread("look-up", work) {
            let answer = Err(format!("cannot start a thread: {error}"));
            self.answers.push(FromNode::Answer { number, answer });
            return;
        }
        match found.recv_timeout(PATIENCE) {
            Ok(answer) => self.answers.push(FromNode::Answer { number, answer }),
            Err(RecvTimeoutError::Timeout) => self.asked.push(Asked { number, found }),
            Err(RecvTimeoutError::Disconnected) => {}
        }
    }

    /// Takes in what was found.
    pub(super) fn look_at_asked(&mut self) {
        let answers = &mut self.answers;
        self.asked.retain(|Asked { number, found }| match found.try_recv() {
            Ok(answer) => {
                answers.push(FromNode::Answer { number: *number, answer });
                false
            }
            Err(TryRecvError::Empty) => true,
            Err(TryRecvError::Disconnected) => false,
        });
    }
}

/// The last lines of a text.
fn last(text: &str, lines: Option<u32>) -> Json {
    let all: Vec<&str> = text.lines().collect();
    let from = lines.map_or(0, |n| all.len().saturating_sub(usize::try_from(n).unwrap_or(usize::MAX)));
    Json::String(all[from..].join("\n"))
}
