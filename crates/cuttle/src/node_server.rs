//! Where agents dial in: one thread reads a connection, another writes what its host should have.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use agent_api::{FromNode, ToNode};
use anyhow::Context;
use nodes::{Inquiries, Session};
use store::{Error, Store};
use tokio::sync::mpsc;
use types::HostId;

/// A node's line is at most this long: a report of a busy node.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Called in a transaction when a host's facts are news.
pub type OnHost = Arc<dyn Fn(&mut store::Tx<'_>, &HostId) -> Result<(), Error> + Send + Sync>;

/// Called on each message as it leaves, to add what must lie in no database.
pub type AddSecrets = Arc<dyn Fn(&mut ToNode) -> Result<(), Error> + Send + Sync>;

/// What the services want to do with connections.
#[derive(Clone)]
pub struct Hooks {
    /// See [`OnHost`].
    pub on_host: OnHost,
    /// See [`AddSecrets`].
    pub add_secrets: AddSecrets,
}

/// Listens on a socket until the process ends.
pub fn listen(socket: &Path, store: Store, inquiries: Inquiries, hooks: Hooks) -> anyhow::Result<()> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot replace {}", socket.display()));
        }
        _ => {}
    }
    let listener =
        UnixListener::bind(socket).with_context(|| format!("cannot listen on {}", socket.display()))?;
    runtime::spawn_thread("nodes", move || {
        for stream in listener.incoming().flatten() {
            let (store, inquiries, hooks) = (store.clone(), inquiries.clone(), hooks.clone());
            let spawned = runtime::spawn_thread("node", move || {
                if let Err(error) = serve(stream, &store, &inquiries, &hooks) {
                    tracing::warn!("a node's connection ended: {error:#}");
                }
            });
            if let Err(error) = spawned {
                tracing::error!("cannot serve a node: {error}");
            }
        }
    })?;
    Ok(())
}

fn serve(stream: UnixStream, store: &Store, inquiries: &Inquiries, hooks: &Hooks) -> anyhow::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let Some(FromNode::Hello { host, facts, have }) = receive(&mut reader)? else {
        anyhow::bail!("a node must say hello first");
    };
    let host = HostId(host);
    let (session, first, news) = Session::hello(store, inquiries, &host, facts, &have)?;
    if news {
        let (host, on_host) = (host.clone(), hooks.on_host.clone());
        store.write_blocking(move |tx| on_host(tx, &host))?;
    }
    tracing::info!("host {host} is connected");
    let session = Arc::new(Mutex::new(session));
    let (outgoing, queue) = mpsc::unbounded_channel();
    outgoing.send(first)?;
    inquiries.connected(&host, outgoing.clone());
    let changes = {
        let (session, outgoing) = (session.clone(), outgoing.clone());
        move || {
            let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
            match session.changes() {
                Ok(Some(message)) => outgoing.send(message).is_ok(),
                Ok(None) => true,
                Err(error) => {
                    tracing::error!("cannot read the documents of {}: {error}", session.host());
                    true
                }
            }
        }
    };
    let writer = write_half(stream.try_clone()?, queue, hooks.add_secrets.clone())?;
    let pump = pump(store, &host, changes)?;
    let read = read_half(&mut reader, &session, &outgoing);
    // Ends the writer, which holds the other clone of the stream.
    let _ = stream.shutdown(std::net::Shutdown::Both);
    drop(pump);
    drop(outgoing);
    drop(writer);
    read
}

fn read_half(
    reader: &mut BufReader<UnixStream>,
    session: &Arc<Mutex<Session>>,
    outgoing: &mpsc::UnboundedSender<ToNode>,
) -> anyhow::Result<()> {
    while let Some(message) = receive(reader)? {
        let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = session.receive(message)?;
        anyhow::ensure!(!session.is_replaced(), "{} has another connection", session.host());
        // A signal can be lost, with the answer to a commit or in another replica; a sign of life comes anyway.
        let changes = session.changes()?;
        for message in answer.into_iter().chain(changes) {
            outgoing.send(message)?;
        }
    }
    Ok(())
}

fn write_half(
    mut stream: UnixStream,
    mut queue: mpsc::UnboundedReceiver<ToNode>,
    add_secrets: AddSecrets,
) -> anyhow::Result<std::thread::JoinHandle<()>> {
    Ok(runtime::spawn_thread("node-writer", move || {
        while let Some(mut message) = queue.blocking_recv() {
            if let Err(error) = add_secrets(&mut message) {
                tracing::error!("cannot add the secrets of documents: {error}");
                // The node dials again and is told everything anew.
                let _ = stream.shutdown(std::net::Shutdown::Both);
                return;
            }
            let sent = serde_json::to_vec(&message).map_err(std::io::Error::other).and_then(|mut line| {
                line.push(b'\n');
                stream.write_all(&line)
            });
            if sent.is_err() {
                return;
            }
        }
    })?)
}

/// Wakes a thread with each signal of this host; it sends what changed. Dropped, it ends.
fn pump(
    store: &Store,
    host: &HostId,
    changes: impl Fn() -> bool + Send + 'static,
) -> anyhow::Result<mpsc::Sender<()>> {
    let (wake, mut woken) = mpsc::channel::<()>(1);
    let weak = wake.downgrade();
    let signal = nodes::signal(host);
    store.listen(move |signals| {
        if signals.contains(&signal)
            && let Some(wake) = weak.upgrade()
        {
            // Full means that the thread will look anyway.
            let _ = wake.try_send(());
        }
    });
    // What changed between the hello and this line.
    let _ = wake.try_send(());
    runtime::spawn_thread("node-pump", move || {
        while woken.blocking_recv().is_some() {
            if !changes() {
                return;
            }
        }
    })?;
    Ok(wake)
}

fn receive(reader: &mut BufReader<UnixStream>) -> anyhow::Result<Option<FromNode>> {
    let mut line = Vec::new();
    let read = std::io::Read::take(&mut *reader, LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line).context("a node's message cannot be read")?))
}
