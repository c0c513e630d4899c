//! A client of QMP, QEMU's machine protocol: one JSON object per line, answers matched to commands by their
//! id, events in between.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// The longest line that is read: `query-qmp-schema` answers in half a megabyte.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Why a command has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QmpError {
    /// QEMU refused it.
    Refused {
        /// The kind, as `DeviceNotFound`; mostly it is `GenericError`.
        class: String,
        /// For people.
        description: String,
    },
    /// No answer in time; it may still be carried out.
    Timeout,
    /// The connection ended.
    Closed,
}

/// What QEMU says of its own accord.
#[derive(Debug, Clone, PartialEq)]
pub enum QmpEvent {
    /// An event, with its `data`.
    Event {
        /// Its name.
        name: String,
        /// What comes with it.
        data: Value,
    },
    /// The connection ended, and no event will follow.
    Closed,
}

/// A connection in command mode. Dropping it ends the connection, not QEMU.
#[derive(Debug)]
pub struct Qmp {
    stream: UnixStream,
    calls: Arc<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    state: Mutex<CallState>,
}

#[derive(Debug, Default)]
struct CallState {
    next_id: u64,
    waiting: BTreeMap<u64, SyncSender<Result<Value, QmpError>>>,
    closed: bool,
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, CallState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Qmp {
    /// Takes a connected socket through the greeting. From then on a thread reads it and hands events to
    /// `on_event`, which must not call back.
    pub fn open(
        stream: UnixStream,
        timeout: Duration,
        mut on_event: impl FnMut(QmpEvent) + Send + 'static,
    ) -> io::Result<Qmp> {
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let greeting = read_message(&mut reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if greeting.get("QMP").is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the other side does not speak QMP"));
        }
        stream.set_read_timeout(None)?;
        let calls = Arc::new(Calls::default());
        let seen = Arc::clone(&calls);
        runtime::spawn_thread("qmp", move || {
            if let Err(e) = read_all(&mut reader, &seen, &mut on_event) {
                tracing::warn!(error = %e, "the connection to QEMU broke");
            }
            let mut state = seen.lock();
            state.closed = true;
            // Whoever waits is told by losing the sender.
            state.waiting.clear();
            drop(state);
            on_event(QmpEvent::Closed);
        })?;
        let qmp = Qmp { stream, calls };
        match qmp.execute("qmp_capabilities", json!({}), timeout) {
            Ok(_) => Ok(qmp),
            Err(QmpError::Refused { description, .. }) => Err(io::Error::other(description)),
            Err(QmpError::Timeout) => Err(io::ErrorKind::TimedOut.into()),
            Err(QmpError::Closed) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Sends a command and waits for its answer.
    pub fn execute(&self, command: &str, arguments: Value, timeout: Duration) -> Result<Value, QmpError> {
        let (sender, answer) = sync_channel(1);
        let mut state = self.calls.lock();
        if state.closed {
            return Err(QmpError::Closed);
        }
        let id = state.next_id;
        state.next_id += 1;
        state.waiting.insert(id, sender);
        let mut line = json!({ "execute": command, "arguments": arguments, "id": id }).to_string();
        line.push_str("\r\n");
        // Written under the lock, so that lines do not mix.
        let written = (&self.stream).write_all(line.as_bytes());
        drop(state);
        if written.is_err() {
            self.calls.lock().waiting.remove(&id);
            return Err(QmpError::Closed);
        }
        match answer.recv_timeout(timeout) {
            Ok(result) => result,
            Err(RecvTimeoutError::Disconnected) => Err(QmpError::Closed),
            Err(RecvTimeoutError::Timeout) => {
                self.calls.lock().waiting.remove(&id);
                Err(QmpError::Timeout)
            }
        }
    }

    /// Whether the other side has gone.
    pub fn is_closed(&self) -> bool {
        self.calls.lock().closed
    }
}

impl Drop for Qmp {
    fn drop(&mut self) {
        // Ends the reading thread too. It fails when QEMU has gone, which is as good.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Hands on what comes until the connection ends.
fn read_all(reader: &mut impl BufRead, calls: &Calls, on_event: &mut impl FnMut(QmpEvent)) -> io::Result<()> {
    while let Some(mut message) = read_message(reader)? {
        if let Some(Value::String(name)) = message.get("event") {
            on_event(QmpEvent::Event { name: name.clone(), data: message["data"].take() });
            continue;
        }
        let Some(id) = message.get("id").and_then(Value::as_u64) else { continue };
        let result = match message.get_mut("error") {
            Some(error) => Err(QmpError::Refused {
                class: error["class"].as_str().unwrap_or_default().to_owned(),
                description: error["desc"].as_str().unwrap_or_default().to_owned(),
            }),
            None => Ok(message["return"].take()),
        };
        // An answer that comes too late finds nobody.
        if let Some(sender) = calls.lock().waiting.remove(&id) {
            let _ = sender.try_send(result);
        }
    }
    Ok(())
}

/// The next object, or `None` at the end.
fn read_message(reader: &mut impl BufRead) -> io::Result<Option<Value>> {
    let mut line = Vec::new();
    match reader.take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
        Ok(0) => return Ok(None),
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
        Err(e) => return Err(e),
    }
    if line.last() != Some(&b'\n') {
        // Cut off in the middle by the end of QEMU.
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}
