//! The responder's one thread: an epoll loop over the sockets of all namespaces, with timers for connections
//! and advertisements. Each wake-up does a bounded amount of work for one socket, so none starves another.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;
use types::PortId;

use super::advertise::{Leg, Parting};
use super::connection::Connection;
use super::event::{Observed, Seen};
use super::pushed::MetadataTable;
use super::serve::Network;
use super::sockets::{LegSocket, NetworkSockets};
use super::table::{NetworkTable, RouterTable};

/// How many ready sockets one wake-up takes from the kernel.
const EVENTS_MAX: usize = 256;
/// The token of the wake-up signal; sockets have those above it.
const WAKE: u64 = 0;

/// A change of what is served. `done` hears when it is in force and no replaced socket is in use any more.
pub(super) struct Command {
    pub(super) what: Change,
    pub(super) done: SyncSender<()>,
}

/// See [`Command`].
pub(super) enum Change {
    SetNetwork(String, Arc<NetworkTable>, Arc<NetworkSockets>),
    RemoveNetwork(String),
    SetRouter(String, RouterTable, BTreeMap<String, Arc<LegSocket>>),
    RemoveRouter(String, Parting),
    Stop,
}

/// What a token stands for.
pub(super) enum Target {
    Dhcp(Arc<str>),
    Dhcp6(Arc<str>),
    /// A listener, and which of the two.
    Http(Arc<str>, usize),
    Connection(Arc<str>, Box<Connection>),
    /// A router's leg: namespace and device.
    Leg(Arc<str>, String),
}

pub(super) struct Engine {
    epoll: Epoll,
    wake: Arc<EventFd>,
    commands: Receiver<Command>,
    events: SyncSender<Observed>,
    pub(super) metadata: Arc<MetadataTable>,
    pub(super) targets: BTreeMap<u64, Target>,
    pub(super) networks: BTreeMap<String, Network>,
    pub(super) routers: BTreeMap<String, BTreeMap<String, Leg>>,
    timers: BTreeSet<(Instant, u64)>,
    last_token: u64,
}

impl Engine {
    pub(super) fn new(
        wake: Arc<EventFd>,
        commands: Receiver<Command>,
        events: SyncSender<Observed>,
        metadata: Arc<MetadataTable>,
    ) -> io::Result<Engine> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&*wake, EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        Ok(Engine {
            epoll,
            wake,
            commands,
            events,
            metadata,
            targets: BTreeMap::new(),
            networks: BTreeMap::new(),
            routers: BTreeMap::new(),
            timers: BTreeSet::new(),
            last_token: WAKE,
        })
    }

    /// Serves until told to stop.
    pub(super) fn run(mut self) {
        let mut ready = [EpollEvent::empty(); EVENTS_MAX];
        loop {
            let count = match self.epoll.wait(&mut ready, self.patience()) {
                Ok(count) => count,
                Err(nix::Error::EINTR) => 0,
                Err(errno) => {
                    tracing::error!(target: "linux_net::responder", %errno, "cannot wait for sockets; the responder ends");
                    return;
                }
            };
            for event in &ready[..count] {
                match event.data() {
                    // What it counted does not matter: every command is taken below.
                    WAKE => drop(self.wake.read()),
                    token => self.serve_guarded(token),
                }
            }
            self.fire_timers();
            if self.take_commands() {
                return;
            }
        }
    }

    /// Serves one socket. A panic would silence every network of the node, so it costs what led to it and no more.
    fn serve_guarded(&mut self, token: u64) {
        let served = catch_unwind(AssertUnwindSafe(|| self.serve(token)));
        if served.is_err() {
            tracing::error!(target: "linux_net::responder", "serving a socket panicked");
            // A connection was taken out of the table while it was served, and is closed by now.
            self.networks.values_mut().for_each(|network| network.forget(token));
        }
    }

    fn serve(&mut self, token: u64) {
        let Some(target) = self.targets.get(&token) else { return };
        match target {
            Target::Dhcp(ns) => self.serve_dhcp(&ns.clone(), token),
            Target::Dhcp6(ns) => self.serve_dhcp6(&ns.clone()),
            Target::Http(ns, which) => self.serve_listener(&ns.clone(), *which, token),
            Target::Connection(..) => self.serve_connection(token),
            Target::Leg(ns, device) => self.serve_leg(&ns.clone(), &device.clone()),
        }
    }

    fn fire_timers(&mut self) {
        let now = runtime::monotonic();
        while let Some((at, token)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, token));
            match self.targets.get(&token) {
                Some(Target::Connection(_, connection)) if connection.deadline > now => {
                    let deadline = connection.deadline;
                    self.timers.insert((deadline, token));
                }
                Some(Target::Connection(..)) => self.end_connection(token),
                Some(Target::Http(ns, which)) => self.resume_listener(&ns.clone(), *which, token),
                Some(Target::Leg(ns, device)) => self.advertise_if_due(&ns.clone(), &device.clone()),
                Some(Target::Dhcp(_) | Target::Dhcp6(_)) | None => {}
            }
        }
    }

    /// Whether it was told to stop.
    fn take_commands(&mut self) -> bool {
        while let Ok(Command { what, done }) = self.commands.try_recv() {
            match what {
                Change::SetNetwork(ns, table, sockets) => self.set_network(ns, table, sockets),
                Change::RemoveNetwork(ns) => self.remove_network(&ns),
                Change::SetRouter(ns, table, sockets) => self.set_router(ns, &table, &sockets),
                Change::RemoveRouter(ns, parting) => self.remove_router(&ns, parting),
                Change::Stop => return true,
            }
            // Whoever asked may have stopped waiting; the change stands.
            let _ = done.send(());
        }
        false
    }

    /// How long it may sleep, rounded up so that a timer is due when it wakes.
    fn patience(&self) -> EpollTimeout {
        let Some((at, _)) = self.timers.first() else { return EpollTimeout::NONE };
        let left = at.saturating_duration_since(runtime::monotonic());
        let millis = (left + Duration::from_micros(999)).as_millis().min(60_000) as u16;
        EpollTimeout::from(millis)
    }

    /// Watches a socket for reading and says by which token.
    pub(super) fn watch(&mut self, socket: impl AsFd, target: Target) -> u64 {
        let token = self.register(socket);
        self.targets.insert(token, target);
        token
    }

    /// Watches a socket whose target comes later; until then its events are ignored.
    pub(super) fn register(&mut self, socket: impl AsFd) -> u64 {
        self.last_token += 1;
        let token = self.last_token;
        if let Err(errno) = self.epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, token)) {
            tracing::error!(target: "linux_net::responder", %errno, "cannot watch a socket");
        }
        token
    }

    /// Forgets a token and stops watching its socket.
    pub(super) fn unwatch(&mut self, socket: impl AsFd, token: u64) {
        // Fails only for a socket that is not watched, which is what is wanted.
        let _ = self.epoll.delete(socket);
        self.targets.remove(&token);
    }

    /// Changes what a watched socket is waited for.
    pub(super) fn rewatch(&self, socket: impl AsFd, token: u64, flags: EpollFlags) {
        if let Err(errno) = self.epoll.modify(socket, &mut EpollEvent::new(flags, token)) {
            tracing::error!(target: "linux_net::responder", %errno, "cannot change how a socket is watched");
        }
    }

    pub(super) fn set_timer(&mut self, at: Instant, token: u64) {
        self.timers.insert((at, token));
    }

    /// Tells what was seen, and whether somebody will know of it. A full queue loses it: a VM must not be able to fill
    /// the node's memory.
    pub(super) fn tell(&self, port: PortId, what: Seen) -> bool {
        self.events.try_send(Observed { port, what, at: runtime::now() }).is_ok()
    }
}
