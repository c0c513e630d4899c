//! What the responder's thread does for tenant networks: DHCP and metadata.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::epoll::EpollFlags;
use nix::sys::socket::{MsgFlags, recv, send};
use types::PortId;

use super::connection::{Connection, Wants};
use super::engine::{Engine, Target};
use super::event::Seen;
use super::http::{Method, Request, Response};
use super::sockets::NetworkSockets;
use super::table::NetworkTable;
use super::{dhcp4, dhcp6, metadata};

/// Datagrams answered per wake-up and socket.
const DATAGRAMS_PER_TURN: usize = 64;
/// Connections taken per wake-up and listener.
const ACCEPTS_PER_TURN: usize = 32;
/// Open metadata connections of one network.
const CONNECTIONS_MAX: usize = 64;
/// Open metadata connections of one source, so that one VM cannot shut out the others.
const CONNECTIONS_OF_ONE_MAX: usize = 16;
/// How long a listener rests when the process has no descriptors left.
const LISTENER_REST: Duration = Duration::from_secs(1);

/// A network that is being served.
pub(super) struct Network {
    table: Arc<NetworkTable>,
    owners: BTreeMap<IpAddr, PortId>,
    sockets: Arc<NetworkSockets>,
    /// Tokens of the DHCP sockets and of the listeners.
    tokens: [u64; 4],
    /// Open connections and whose they are.
    connections: BTreeMap<u64, IpAddr>,
}

impl Network {
    /// Counts a connection no longer.
    pub(super) fn forget(&mut self, token: u64) {
        self.connections.remove(&token);
    }
}

impl Engine {
    pub(super) fn set_network(&mut self, ns: String, table: Arc<NetworkTable>, sockets: Arc<NetworkSockets>) {
        if let Some(network) = self.networks.get_mut(&ns)
            && Arc::ptr_eq(&network.sockets, &sockets)
        {
            network.owners = table.owners();
            network.table = table;
            return;
        }
        self.remove_network(&ns);
        let shared: Arc<str> = ns.as_str().into();
        let tokens = [
            self.watch(&sockets.dhcp, Target::Dhcp(shared.clone())),
            self.watch(&sockets.dhcp6, Target::Dhcp6(shared.clone())),
            self.watch(&sockets.http[0], Target::Http(shared.clone(), 0)),
            self.watch(&sockets.http[1], Target::Http(shared, 1)),
        ];
        let owners = table.owners();
        self.networks.insert(ns, Network { table, owners, sockets, tokens, connections: BTreeMap::new() });
    }

    pub(super) fn remove_network(&mut self, ns: &str) {
        let Some(network) = self.networks.remove(ns) else { return };
        let [dhcp, dhcp6, http4, http6] = network.tokens;
        self.unwatch(&network.sockets.dhcp, dhcp);
        self.unwatch(&network.sockets.dhcp6, dhcp6);
        self.unwatch(&network.sockets.http[0], http4);
        self.unwatch(&network.sockets.http[1], http6);
        for token in network.connections.into_keys() {
            // Dropping the stream closes it, which ends the watch too.
            self.targets.remove(&token);
        }
    }

    pub(super) fn serve_dhcp(&mut self, ns: &str, token: u64) {
        let Some(network) = self.networks.get(ns) else { return };
        let Err(errno) = self.answer_dhcp(network) else { return };
        tracing::warn!(target: "linux_net::responder", ns, %errno, "DHCP socket failed");
        network.sockets.mark_broken();
        // A device that only went down comes back by itself; anything else would fail for ever.
        if errno != nix::Error::ENETDOWN {
            let sockets = network.sockets.clone();
            self.unwatch(&sockets.dhcp, token);
        }
    }

    /// Answers what has arrived; fails when the socket does.
    fn answer_dhcp(&self, network: &Network) -> nix::Result<()> {
        let fd = network.sockets.dhcp.as_raw_fd();
        let mut buffer = [0; 2048];
        for _ in 0..DATAGRAMS_PER_TURN {
            let length = match recv(fd, &mut buffer, MsgFlags::empty()) {
                Ok(length) => length,
                Err(nix::Error::EAGAIN) => return Ok(()),
                Err(nix::Error::EINTR) => continue,
                Err(errno) => return Err(errno),
            };
            let Some(answer) = dhcp4::answer(&network.table, &buffer[..length]) else { continue };
            if let Some(frame) = &answer.frame
                && let Err(errno) = send(fd, frame, MsgFlags::empty())
            {
                tracing::warn!(target: "linux_net::responder", client = %answer.mac, %errno, "cannot send a DHCP answer");
                continue;
            }
            if let (Some(port), Some(seen)) = (network.table.ports.get(&answer.mac), answer.seen) {
                self.tell(port.id, seen);
            }
        }
        Ok(())
    }

    pub(super) fn serve_dhcp6(&mut self, ns: &str) {
        let Some(network) = self.networks.get(ns) else { return };
        let socket = &network.sockets.dhcp6;
        let mut buffer = [0; 2048];
        for _ in 0..DATAGRAMS_PER_TURN {
            // An error of one datagram (an unreachable client) says nothing about the next.
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { return };
            let SocketAddr::V6(client) = from else { continue };
            let Some(answer) = dhcp6::answer(&network.table, *client.ip(), &buffer[..length]) else {
                continue;
            };
            if let Some(message) = &answer.message
                && let Err(error) = socket.send_to(message, from)
            {
                tracing::warn!(target: "linux_net::responder", ns, %error, "cannot send a DHCPv6 answer");
                continue;
            }
            if let (Some(port), Some(seen)) = (network.table.ports.get(&answer.mac), answer.seen) {
                self.tell(port.id, seen);
            }
        }
    }

    pub(super) fn serve_listener(&mut self, ns: &str, which: usize, token: u64) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(network) = self.networks.get(ns) else { return };
            let listener = &network.sockets.http[which];
            match listener.accept() {
                Ok((stream, peer)) => self.admit(ns, stream, peer.ip()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(error) => {
                    tracing::warn!(target: "linux_net::responder", ns, %error, "cannot accept a metadata client");
                    self.rewatch(listener, token, EpollFlags::empty());
                    self.set_timer(runtime::monotonic() + LISTENER_REST, token);
                    return;
                }
            }
        }
    }

    pub(super) fn resume_listener(&mut self, ns: &str, which: usize, token: u64) {
        if let Some(network) = self.networks.get(ns) {
            self.rewatch(&network.sockets.http[which], token, EpollFlags::EPOLLIN);
        }
    }

    fn admit(&mut self, ns: &str, stream: TcpStream, peer: IpAddr) {
        let Some(network) = self.networks.get(ns) else { return };
        let of_one = network.connections.values().filter(|other| **other == peer).count();
        let full = network.connections.len() >= CONNECTIONS_MAX || of_one >= CONNECTIONS_OF_ONE_MAX;
        // Dropping the stream closes it; the client tries again.
        if full || stream.set_nonblocking(true).is_err() {
            return;
        }
        let token = self.register(&stream);
        let connection = Box::new(Connection::new(stream, peer));
        self.set_timer(connection.deadline, token);
        self.targets.insert(token, Target::Connection(ns.into(), connection));
        if let Some(network) = self.networks.get_mut(ns) {
            network.connections.insert(token, peer);
        }
    }

    pub(super) fn serve_connection(&mut self, token: u64) {
        let Some(Target::Connection(ns, mut connection)) = self.targets.remove(&token) else { return };
        let wants = connection.proceed(|peer, request| self.page(&ns, peer, request));
        let flags = match wants {
            Wants::Read => EpollFlags::EPOLLIN,
            Wants::Write => EpollFlags::EPOLLOUT,
            Wants::End => return self.forget_connection(&ns, token),
        };
        self.rewatch(connection.stream(), token, flags);
        self.targets.insert(token, Target::Connection(ns, connection));
    }

    pub(super) fn end_connection(&mut self, token: u64) {
        if let Some(Target::Connection(ns, _)) = self.targets.remove(&token) {
            self.forget_connection(&ns, token);
        }
    }

    fn forget_connection(&mut self, ns: &str, token: u64) {
        if let Some(network) = self.networks.get_mut(ns) {
            network.forget(token);
        }
    }

    /// The page that the server behind this address asked for.
    fn page(&self, ns: &str, peer: IpAddr, request: &Request) -> Response {
        let port = self.networks.get(ns).and_then(|network| network.owners.get(&peer)).copied();
        let Some(port) = port else { return Response::refusal(404) };
        let Some(instance) = self.metadata.of(port) else { return Response::refusal(404) };
        let outcome = metadata::answer(&instance, request);
        if let Some(password) = outcome.posted {
            if !self.tell(port, Seen::PasswordPosted { password: password.clone() }) {
                return Response::refusal(503);
            }
            self.metadata.keep_password(port, &password);
        } else if outcome.response.status == 200 && request.method == Method::Get {
            self.tell(port, Seen::MetadataRead { path: request.path.clone() });
        }
        outcome.response
    }
}
