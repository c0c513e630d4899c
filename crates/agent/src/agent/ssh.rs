//! The search for the ssh servers of VMs: the last milestone of a start.

use std::sync::Arc;
use std::time::Duration;

use agent_api::Kind;
use agent_api::compute::{Milestone, Vm};
use agent_api::network::{Network, Port};
use types::{ServerId, Timestamp};

use super::{Agent, is_due, vm_key};
use crate::documents::Kept;

/// How often an ssh server is looked for, once the guest has shown that it is alive, and before that.
const PROBE_ALIVE: Duration = Duration::from_millis(250);
const PROBE_SILENT: Duration = Duration::from_secs(3);
/// How long it is looked for after the start.
const PROBE_TIME_MAX: Duration = Duration::from_secs(900);

impl Agent {
    /// Looks for the server of a VM that has started, until it is seen.
    pub(super) fn watch_for_ssh(&mut self, vm: &Vm) {
        let started = self.vms.has_reached(vm.id, Milestone::Started);
        if started && !self.vms.has_reached(vm.id, Milestone::SshBanner) && !vm.nics.is_empty() {
            self.probes.entry(vm.id).or_insert_with(|| runtime::now().plus(PROBE_SILENT));
        } else {
            self.probes.remove(&vm.id);
        }
    }

    /// Looks for the ssh servers that are not seen yet.
    pub(super) fn probe_ssh(&mut self, now: Timestamp) {
        let due: Vec<ServerId> =
            self.probes.iter().filter(|(_, at)| is_due(**at, now)).map(|(id, _)| *id).collect();
        for id in due {
            let vm =
                self.documents.get(&vm_key(id)).filter(|kept| !kept.removing).and_then(Kept::parse::<Vm>);
            let started = self.vms.started_at(id);
            let (Some(vm), Some(started)) = (vm, started) else {
                self.probes.remove(&id);
                continue;
            };
            if now.since(started) > PROBE_TIME_MAX {
                self.probes.remove(&id);
                continue;
            }
            self.probe(&vm);
            let alive = self.vms.has_reached(id, Milestone::DhcpLease);
            self.probes.insert(id, now.plus(if alive { PROBE_ALIVE } else { PROBE_SILENT }));
        }
    }

    fn probe(&mut self, vm: &Vm) {
        let Some(nic) = vm.nics.first() else { return };
        let ports: Vec<Arc<Port>> = self.documents.wanted(Kind::Port);
        let Some(port) = ports.iter().find(|port| port.id == nic.port_id) else { return };
        let networks: Vec<Arc<Network>> = self.documents.wanted(Kind::Network);
        if let Some(network) = networks.iter().find(|network| network.id == port.network_id) {
            self.effects.fabric.probe_ssh(network, port);
        }
    }
}
