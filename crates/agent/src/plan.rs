//! What to do next with a VM: a pure function of what is wanted, what was done and what is seen.

use std::collections::BTreeSet;
use std::time::Duration;

use agent_api::compute::{PostedPassword, Power, PowerSeen, TimelineEvent, Vm};
use serde::{Deserialize, Serialize};
use types::{Timestamp, VolumeId};

use crate::root_disk::RootSeen;

/// How often a guest that was asked to power off is looked at.
const POWER_OFF_LOOK: Duration = Duration::from_millis(500);
/// How often a volume that was unplugged is asked about: the guest must let go of it.
const UNPLUG_LOOK: Duration = Duration::from_millis(300);

/// How often a VM that its hypervisor stopped is let go on, to see whether it can.
const STALLED_RESUME: Duration = Duration::from_secs(30);

/// What the agent did with a VM and must not forget when it is restarted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VmState {
    /// It was started and its end was not our doing: the guest powered off, or the process died.
    pub halted: Option<Halt>,
    /// It was started and should still run as far as the agent knows.
    pub started: bool,
    /// Since when the guest is being asked to power off.
    pub stopping_since: Option<Timestamp>,
    /// The reboot that is being done, and since when.
    pub rebooting: Option<(String, Timestamp)>,
    /// The token of the last reboot that was done.
    pub rebooted: Option<String>,
    /// Volumes that were unplugged and that the guest, or its hypervisor, has not let go of yet.
    #[serde(default)]
    pub unplugging: BTreeSet<VolumeId>,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineEvent>,
    /// Why it ended, or stands still, although nobody wanted that.
    #[serde(default)]
    pub trouble: Option<String>,
    /// When it was last let go on after its hypervisor had stopped it.
    #[serde(default)]
    pub resumed_at: Option<Timestamp>,
    /// What the guest posted as its password.
    #[serde(default)]
    pub password: Option<PostedPassword>,
    /// What is known of its root disk; looked up again by an agent that was restarted.
    #[serde(skip)]
    pub root: RootSeen,
}

/// How a VM ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Halt {
    /// The guest powered itself off.
    GuestShutdown,
    /// The hypervisor's process died.
    Crashed,
}

/// What is seen of a VM now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmNow {
    /// Its power state.
    pub power: PowerSeen,
    /// The volumes it has.
    pub volumes: BTreeSet<VolumeId>,
    /// Why it ended, or why its hypervisor stopped it.
    pub trouble: Option<String>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make its own disks.
    EnsureDisks,
    /// Start it.
    Start,
    /// Ask the guest to power off.
    PowerDown,
    /// End it at once.
    Kill,
    /// Let its CPUs stand still.
    Pause,
    /// Let them go on.
    Resume,
    /// Plug a volume in.
    Attach(VolumeId),
    /// Ask the guest to let go of a volume, or whether it has.
    Detach(VolumeId),
    /// Remove what is left of it.
    Remove,
    /// Look again after this long.
    Look(Duration),
}

/// Takes note of what is seen, before [`plan`] is asked: a VM that ended by itself is halted, one that is off as
/// wanted is not, and one that is off holds no volume that it was to let go of.
pub fn note(vm: &Vm, state: &mut VmState, now: &VmNow) {
    let off = !matches!(now.power, PowerSeen::Running | PowerSeen::Paused);
    if off {
        state.unplugging.clear();
    }
    if now.power == PowerSeen::Running {
        state.trouble = None;
    } else if now.trouble.is_some() {
        state.trouble.clone_from(&now.trouble);
    }
    if matches!(vm.power, Power::Off { .. }) {
        if off {
            state.halted = None;
            state.trouble = None;
            state.started = false;
            state.stopping_since = None;
            state.rebooting = None;
        }
    } else {
        state.stopping_since = None;
        // A VM that left no trace went with its host; one that ended by itself did.
        let ended = matches!(now.power, PowerSeen::Shutdown | PowerSeen::Crashed);
        if ended && state.started && state.rebooting.is_none() && state.halted.is_none() {
            state.halted =
                Some(if now.power == PowerSeen::Crashed { Halt::Crashed } else { Halt::GuestShutdown });
        }
    }
}

/// What to do next, in order. An empty list means that all is as wanted.
pub fn plan(vm: &Vm, state: &VmState, now: &VmNow, at: Timestamp) -> Vec<Action> {
    match (vm.power, now.power) {
        (Power::Off { grace_s }, PowerSeen::Running) => power_off(state.stopping_since, grace_s, at),
        (Power::Off { .. }, PowerSeen::Paused) => vec![Action::Kill],
        (Power::Off { .. }, PowerSeen::Absent | PowerSeen::Shutdown | PowerSeen::Crashed) => Vec::new(),
        (Power::On | Power::Paused, PowerSeen::Absent | PowerSeen::Shutdown | PowerSeen::Crashed) => {
            if state.halted.is_some() { Vec::new() } else { vec![Action::EnsureDisks, Action::Start] }
        }
        (Power::On, PowerSeen::Paused) if now.trouble.is_some() => {
            reboot(vm, state, at).unwrap_or_else(|| resume_stalled(state.resumed_at, at))
        }
        (Power::On, PowerSeen::Paused) => vec![Action::Resume],
        (Power::Paused, PowerSeen::Running) => vec![Action::Pause],
        (Power::Paused, PowerSeen::Paused) => volumes(vm, state, now),
        (Power::On, PowerSeen::Running) => match reboot(vm, state, at) {
            Some(actions) => actions,
            None => volumes(vm, state, now),
        },
    }
}

fn power_off(since: Option<Timestamp>, grace_s: u32, at: Timestamp) -> Vec<Action> {
    match since {
        None if grace_s == 0 => vec![Action::Kill],
        None => vec![Action::PowerDown, Action::Look(POWER_OFF_LOOK)],
        Some(since) if at.since(since) >= Duration::from_secs(grace_s.into()) => vec![Action::Kill],
        Some(_) => vec![Action::Look(POWER_OFF_LOOK)],
    }
}

/// A reboot is an end and a start; a soft one asks the guest first.
fn reboot(vm: &Vm, state: &VmState, at: Timestamp) -> Option<Vec<Action>> {
    let reboot = vm.reboot.as_ref().filter(|reboot| state.rebooted.as_ref() != Some(&reboot.token))?;
    let begun = state.rebooting.as_ref().filter(|(token, _)| *token == reboot.token).map(|(_, since)| *since);
    Some(if reboot.hard { vec![Action::Kill] } else { power_off(begun, reboot.grace_s, at) })
}

/// Lets a VM go on that its hypervisor stopped, now and then: the host may have space again. At once and every time it
/// would only stop again at once.
fn resume_stalled(resumed_at: Option<Timestamp>, at: Timestamp) -> Vec<Action> {
    match resumed_at {
        Some(before) if before <= at && at.since(before) < STALLED_RESUME => {
            vec![Action::Look(STALLED_RESUME - at.since(before))]
        }
        _ => vec![Action::Resume, Action::Look(STALLED_RESUME)],
    }
}

/// A volume that was unplugged is asked for again until the guest has let go of it and nothing holds its files.
fn volumes(vm: &Vm, state: &VmState, now: &VmNow) -> Vec<Action> {
    let wanted: BTreeSet<VolumeId> = vm.volumes.iter().map(|volume| volume.id).collect();
    let leaving = now.volumes.difference(&wanted).chain(&state.unplugging);
    let leaving: BTreeSet<VolumeId> = leaving.copied().collect();
    let mut actions: Vec<Action> = leaving.iter().map(|volume| Action::Detach(*volume)).collect();
    let coming = wanted.iter().filter(|volume| !now.volumes.contains(volume) && !leaving.contains(volume));
    actions.extend(coming.map(|volume| Action::Attach(*volume)));
    if !leaving.is_empty() {
        actions.push(Action::Look(UNPLUG_LOOK));
    }
    actions
}

/// What to do with a VM that is to be removed.
pub fn plan_removal(now: &VmNow) -> Vec<Action> {
    match now.power {
        PowerSeen::Running | PowerSeen::Paused => vec![Action::Kill, Action::Remove],
        PowerSeen::Absent | PowerSeen::Shutdown | PowerSeen::Crashed => vec![Action::Remove],
    }
}
