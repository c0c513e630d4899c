//! Moves servers towards what is wanted of them, and their rows towards what their hosts report.

use std::time::Duration;

use ::store::{Stored, Tx};
use agent_api::Kind;
use agent_api::compute::{Milestone, Power, PowerSeen, TimelineEvent, VmSeen};
use nodes::documents::{self, Seen};
use reconcile::{Next, Reconciler, StepError};
use types::ServerId;

use super::model::GRACE_S;
use super::store::{SERVERS, busy};
use super::{Phase, Server, ServerFault, Task, build, imaging, ports, volumes};
use crate::Error;
use crate::action::{self, Event};
use crate::error::step_error;

/// The kind of key; its id is the server's. Ports and volumes of a server kick it.
pub const RECONCILER: &str = "compute::server";

/// How long a host may say that something cannot be made before it is believed: a tap or a disk may be on its way.
const ERROR_GRACE: Duration = Duration::from_secs(20);
/// How often a server that waits looks again though nobody kicked it.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// How often to look whether an image that is being made is still wanted.
const IMAGE_LOOK: Duration = Duration::from_secs(10);

/// See the module.
pub struct Servers;

impl Reconciler for Servers {
    fn kind(&self) -> &'static str {
        RECONCILER
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Ok(id) = id.parse::<ServerId>() else { return Ok(Next::Done) };
        match SERVERS.load(tx, id)? {
            Some(server) => drive(tx, server).map_err(step_error),
            None => Ok(Next::Done),
        }
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        Ok(busy(tx)?.into_iter().map(|server| server.id.to_string()).collect())
    }
}

fn drive(tx: &mut Tx<'_>, mut server: Stored<Server>) -> Result<Next, Error> {
    if server.is_deleting() {
        if build::unwind(tx, &mut server)? {
            SERVERS.remove(tx, &server)?;
            return Ok(Next::Done);
        }
        overdue(tx, &mut server)?;
        SERVERS.save(tx, &mut server)?;
        return Ok(Next::Again(LOOK_AGAIN));
    }
    let before = server.clone().into_inner();
    ports::refresh(tx, &mut server)?;
    match build::advance(tx, &mut server) {
        // A neighbour's no to a port or a volume stays one: it is elsewhere, or another's.
        Err(Error::Conflict(why) | Error::Invalid(why)) => build::give_up(tx, &mut server, why)?,
        done => done?,
    }
    let seen = report(tx, &server)?;
    if let Some(seen) = &seen {
        observe(tx, &mut server, seen)?;
    }
    imaging::advance(tx, &mut server, seen.as_ref())?;
    overdue(tx, &mut server)?;
    if is_on_host(&server) {
        build::put(tx, &server)?;
    }
    if *server != before {
        server.updated_at = tx.now();
    }
    SERVERS.save(tx, &mut server)?;
    let error_waits = seen.is_some_and(|seen| seen.error.is_some());
    Ok(next(&server, tx.now(), error_waits))
}

/// Whether the host is to have the VM: it was placed, and was not given up.
fn is_on_host(server: &Server) -> bool {
    match server.phase {
        Phase::Scheduling | Phase::Volumes => false,
        Phase::Spawning | Phase::Active | Phase::Stopped | Phase::Paused => true,
        Phase::Failed => server.launched_at.is_some(),
    }
}

fn next(server: &Server, now: types::Timestamp, error_waits: bool) -> Next {
    match server.time_left(now) {
        Some(_) if error_waits => Next::Again(ERROR_GRACE / 4),
        Some(left) => Next::Again(left.min(LOOK_AGAIN).max(Duration::from_secs(1))),
        None if !server.imagings.is_empty() => Next::Again(IMAGE_LOOK),
        // No host will ever report on a server that was given up before it ran.
        None if is_on_host(server) && volumes::is_moving(server) => Next::Again(LOOK_AGAIN),
        None => Next::Done,
    }
}

/// What the host last said about the VM.
fn report(tx: &mut Tx<'_>, server: &Server) -> Result<Option<Seen<VmSeen>>, Error> {
    let Some(host) = &server.host else { return Ok(None) };
    let seen = documents::seen(tx, host, Kind::Vm, &server.id.to_string())?;
    Ok(seen.filter(|seen| !seen.removing))
}

/// Takes a report in: power, devices, milestones and errors.
fn observe(tx: &mut Tx<'_>, server: &mut Stored<Server>, report: &Seen<VmSeen>) -> Result<(), Error> {
    if let Some(seen) = &report.seen {
        server.power_seen = seen.power;
        milestones(tx, server, &seen.timeline)?;
        if let Some(posted) =
            seen.password.as_ref().filter(|posted| posted.cleared == server.passwords_cleared)
        {
            server.guest_password.clone_from(&posted.text);
        }
        if report.current {
            volumes::observe(tx, server, seen)?;
            volumes::note_growth(tx, server)?;
            settle(tx, server, seen)?;
            trouble(server, seen, tx.now());
        }
    }
    if let Some(error) = &report.error {
        refused(tx, server, error)?;
    }
    Ok(())
}

/// Ends the phase or task that the report fulfils; a guest that powered itself off is at rest too.
fn settle(tx: &mut Tx<'_>, server: &mut Server, seen: &VmSeen) -> Result<(), Error> {
    let running = seen.power == PowerSeen::Running;
    let off = matches!(seen.power, PowerSeen::Shutdown | PowerSeen::Crashed);
    let rebooted = server.reboot.as_ref().is_some_and(|reboot| seen.rebooted.as_ref() == Some(&reboot.token));
    let reached = match (server.task, server.phase) {
        (None, Phase::Spawning) if running => Phase::Active,
        // It ran and is off again already: the guest's own doing.
        (None, Phase::Spawning) if off && has(seen, Milestone::Started) => Phase::Stopped,
        (None, Phase::Active | Phase::Paused) if off => Phase::Stopped,
        (Some(task), Phase::Active | Phase::Paused) if off && task.is_imaging() => Phase::Stopped,
        (Some(Task::PoweringOff), _) if off || seen.power == PowerSeen::Absent => Phase::Stopped,
        (Some(Task::PoweringOn | Task::Unpausing), _) if running => Phase::Active,
        (Some(Task::Rebooting | Task::RebootingHard), _) if running && rebooted => Phase::Active,
        (Some(Task::Pausing), _) if seen.power == PowerSeen::Paused => Phase::Paused,
        _ => return Ok(()),
    };
    let now = tx.now();
    if reached == Phase::Stopped {
        server.power = Power::Off { grace_s: GRACE_S };
    }
    if server.launched_at.is_none() {
        server.launched_at = Some(now);
    }
    action::finish(tx, server.task_action.take().as_deref(), server.host.as_ref(), None)?;
    // An image of it is made on or off.
    let imaging = server.task.filter(|task| task.is_imaging());
    server.enter(reached, now);
    server.task = imaging;
    Ok(())
}

/// Notes why a server ended or stands still although nobody wanted that. Nova says nothing of it; a client that shows
/// faults shows this one too, and an end stays explained until the server is started again.
fn trouble(server: &mut Server, seen: &VmSeen, now: types::Timestamp) {
    let host = server.host.as_ref().map(ToString::to_string).unwrap_or_default();
    let message = match (&seen.trouble, server.phase) {
        (Some(why), Phase::Stopped) => format!("The server ended unexpectedly on host {host}: {why}"),
        (Some(why), Phase::Active | Phase::Paused) => {
            format!("The server stands still on host {host}: {why}")
        }
        (None, Phase::Active | Phase::Paused) => {
            server.fault = None;
            return;
        }
        _ => return,
    };
    if server.fault.as_ref().is_none_or(|fault| fault.message != message) {
        server.fault = Some(ServerFault { code: 500, message, details: None, at: now });
    }
}

fn has(seen: &VmSeen, milestone: Milestone) -> bool {
    seen.timeline.iter().any(|event| event.event == milestone)
}

/// Notes the milestones of the guest's start as events of the action that started it.
fn milestones(tx: &mut Tx<'_>, server: &Server, timeline: &[TimelineEvent]) -> Result<(), Error> {
    let fresh = timeline.iter().filter(|event| event.at >= server.boot_at);
    let events = fresh.map(|event| {
        let details = Some(event.detail.clone()).filter(|detail| !detail.is_empty());
        Event::moment(name_of(event.event), event.at, server.host.clone(), details)
    });
    action::note(tx, server.boot_action.as_deref(), events.collect())
}

/// What a milestone is called among the events.
fn name_of(milestone: Milestone) -> &'static str {
    match milestone {
        Milestone::DiskReady => "vm_disk_ready",
        Milestone::Started => "vm_started",
        Milestone::DhcpLease => "guest_dhcp_lease",
        Milestone::MetadataRead => "guest_metadata_read",
        Milestone::SshBanner => "guest_ssh_banner",
        Milestone::GuestShutdown => "guest_shutdown",
    }
}

/// The host says that it cannot. It may yet, for a while.
fn refused(tx: &mut Tx<'_>, server: &mut Server, error: &str) -> Result<(), Error> {
    let now = tx.now();
    let waited = now.since(server.since) >= ERROR_GRACE;
    if !waited || server.time_left(now).is_none() {
        return Ok(());
    }
    let host = server.host.as_ref().map(ToString::to_string).unwrap_or_default();
    let why = format!("Host {host} cannot do it: {error}");
    fail(tx, server, why)
}

/// A phase or task that took too long ends in ERROR, with a fault that names it.
fn overdue(tx: &mut Tx<'_>, server: &mut Server) -> Result<(), Error> {
    let now = tx.now();
    if server.time_left(now).is_none_or(|left| !left.is_zero())
        || server.is_deleting() && server.fault.is_some()
    {
        return Ok(());
    }
    let what = server.task_state().unwrap_or("waiting");
    let deadline = server.task.map_or(server.phase.deadline(), Task::deadline).unwrap_or_default();
    let host = server.host.as_ref().map_or("no host".to_owned(), |host| format!("host {host}"));
    fail(tx, server, format!("{what} took longer than {} s on {host}", deadline.as_secs()))
}

fn fail(tx: &mut Tx<'_>, server: &mut Server, why: String) -> Result<(), Error> {
    if server.is_building() && !server.is_deleting() {
        return build::give_up(tx, server, why);
    }
    let now = tx.now();
    action::finish(tx, server.task_action.as_deref(), server.host.as_ref(), Some(&why))?;
    server.fail(500, why, None, now);
    Ok(())
}
