//! What the responder's thread does for routers: advertising them, now and then and when asked.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use types::Ipv6Net;

use super::engine::{Engine, Target};
use super::ra::{self, Purpose};
use super::sockets::LegSocket;
use super::table::{RouterInterface, RouterTable};

/// Solicitations answered per wake-up and leg.
const SOLICITATIONS_PER_TURN: usize = 32;
/// How soon to try again when the link-local address is not ready.
const RETRY: Duration = Duration::from_millis(250);

/// How a router stops being advertised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parting {
    /// It is gone: hosts are told.
    Leaving,
    /// It goes on elsewhere, under the same addresses.
    Silent,
}

/// A leg that is being advertised.
pub(super) struct Leg {
    interface: RouterInterface,
    socket: Arc<LegSocket>,
    token: u64,
    /// When the next advertisement to all hosts is due.
    next: Instant,
    last: Option<Instant>,
    /// How many quick ones are still to come after a change.
    initial_left: u32,
    /// Prefixes that this leg had until its last change.
    withdrawn: Vec<Ipv6Net>,
}

impl Leg {
    fn advertise(&self, to: Ipv6Addr, purpose: Purpose) -> io::Result<()> {
        let message = ra::advertisement(&self.interface, &self.withdrawn, purpose);
        self.socket.send(&message, self.interface.link_local(), to)
    }

    /// Advertises to all hosts and settles when to do so again.
    fn advertise_to_all(&mut self, now: Instant) {
        self.next = match self.advertise(ra::ALL_NODES, Purpose::Present) {
            Ok(()) => {
                self.last = Some(now);
                now + self.interval()
            }
            Err(error) => {
                if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO)) {
                    self.socket.mark_broken();
                }
                now + RETRY
            }
        };
    }

    fn interval(&mut self) -> Duration {
        if self.initial_left > 1 {
            self.initial_left -= 1;
            return ra::INITIAL_INTERVAL;
        }
        self.withdrawn.clear();
        let span = (ra::INTERVAL_MAX - ra::INTERVAL_MIN).as_millis() as u64;
        ra::INTERVAL_MIN + Duration::from_millis(runtime::random_u64() % span)
    }

    /// Announces a change: at once, and again soon in case it is lost.
    fn changed(&mut self, now: Instant) {
        self.initial_left = ra::INITIAL_COUNT;
        self.next = now;
    }
}

impl Engine {
    pub(super) fn set_router(
        &mut self,
        ns: String,
        table: &RouterTable,
        sockets: &BTreeMap<String, Arc<LegSocket>>,
    ) {
        let shared: Arc<str> = ns.as_str().into();
        let mut old = self.routers.remove(&ns).unwrap_or_default();
        let mut legs = BTreeMap::new();
        for (device, interface) in &table.interfaces {
            let Some(socket) = sockets.get(device) else { continue };
            let kept = old.remove(device).and_then(|leg| self.keep(leg, interface, socket));
            let leg = kept.unwrap_or_else(|| self.new_leg(&shared, device, interface, socket));
            self.set_timer(leg.next, leg.token);
            legs.insert(device.clone(), leg);
        }
        old.into_values().for_each(|leg| self.retire(&leg));
        self.routers.insert(ns, legs);
    }

    pub(super) fn remove_router(&mut self, ns: &str, parting: Parting) {
        for leg in self.routers.remove(ns).unwrap_or_default().into_values() {
            match parting {
                Parting::Leaving => self.retire(&leg),
                Parting::Silent => self.unwatch(leg.socket.fd(), leg.token),
            }
        }
    }

    /// The leg as it is to be from now on, if its socket is still the right one.
    fn keep(&mut self, mut leg: Leg, interface: &RouterInterface, socket: &Arc<LegSocket>) -> Option<Leg> {
        if !Arc::ptr_eq(&leg.socket, socket) {
            // The device itself was replaced; nobody is left to say good-bye to.
            self.unwatch(leg.socket.fd(), leg.token);
            return None;
        }
        if leg.interface != *interface {
            let still = |cidr: &Ipv6Net| interface.prefixes.iter().any(|prefix| prefix.cidr == *cidr);
            leg.withdrawn.extend(leg.interface.prefixes.iter().map(|prefix| prefix.cidr));
            leg.withdrawn.retain(|cidr| !still(cidr));
            leg.interface = interface.clone();
            leg.changed(runtime::monotonic());
        }
        Some(leg)
    }

    fn new_leg(
        &mut self,
        ns: &Arc<str>,
        device: &str,
        interface: &RouterInterface,
        socket: &Arc<LegSocket>,
    ) -> Leg {
        let token = self.watch(socket.fd(), Target::Leg(ns.clone(), device.to_owned()));
        Leg {
            interface: interface.clone(),
            socket: socket.clone(),
            token,
            next: runtime::monotonic(),
            last: None,
            initial_left: ra::INITIAL_COUNT,
            withdrawn: Vec::new(),
        }
    }

    /// The last word on a link: hosts stop using this router at once instead of in minutes.
    fn retire(&mut self, leg: &Leg) {
        if let Err(error) = leg.advertise(ra::ALL_NODES, Purpose::Leaving) {
            // Usual when the namespace went first.
            tracing::debug!(target: "linux_net::responder", %error, "cannot send a last advertisement");
        }
        self.unwatch(leg.socket.fd(), leg.token);
    }

    pub(super) fn advertise_if_due(&mut self, ns: &str, device: &str) {
        let now = runtime::monotonic();
        let Some(leg) = self.routers.get_mut(ns).and_then(|legs| legs.get_mut(device)) else { return };
        if leg.next > now {
            // An earlier timer of a leg that was advertised meanwhile; its own timer is set.
            return;
        }
        leg.advertise_to_all(now);
        let (next, token, lost) = (leg.next, leg.token, leg.socket.is_broken());
        if !lost {
            self.set_timer(next, token);
        }
    }

    pub(super) fn serve_leg(&mut self, ns: &str, device: &str) {
        let now = runtime::monotonic();
        let Some(leg) = self.routers.get_mut(ns).and_then(|legs| legs.get_mut(device)) else { return };
        let mut buffer = [0; 1500];
        let mut for_all = false;
        for _ in 0..SOLICITATIONS_PER_TURN {
            let socket = leg.socket.clone();
            let (message, from, hop_limit) = match socket.receive(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::warn!(target: "linux_net::responder", ns, device, %error, "advertising socket failed");
                    socket.mark_broken();
                    break;
                }
            };
            if ra::is_solicitation(message, from, hop_limit) {
                // Who has no address to be answered at hears the next one to all.
                for_all |= from.is_unspecified() || leg.advertise(from, Purpose::Present).is_err();
            }
        }
        let earliest = leg.last.map_or(now, |last| now.max(last + ra::MULTICAST_GAP));
        if for_all && earliest < leg.next {
            leg.next = earliest;
            let token = leg.token;
            self.set_timer(earliest, token);
        }
    }
}
