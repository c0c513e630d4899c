//! Actions on a server: each checks that the caller may and that the state allows it, writes the wish and kicks.

use ::store::{Stored, Tx};
use agent_api::compute::{Power, Reboot};
use policy::{Caller, Target};

use super::model::GRACE_S;
use super::store::SERVERS;
use super::{Asked, Lock, Phase, RECONCILER, Server, Task};
use crate::policy::RULES;
use crate::{Error, action};

/// Something that is done to a server by a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Start,
    Stop,
    RebootSoft,
    RebootHard,
    Pause,
    Unpause,
}

/// What Nova calls an act, which event does it, and which rule allows it.
struct Names {
    verb: &'static str,
    action: &'static str,
    event: &'static str,
    rule: &'static str,
}

impl Act {
    fn names(self) -> Names {
        let (verb, action, event, rule) = match self {
            Act::Start => ("start", "start", "compute_start_instance", "servers:start"),
            Act::Stop => ("stop", "stop", "compute_stop_instance", "servers:stop"),
            Act::RebootSoft | Act::RebootHard => {
                ("reboot", "reboot", "compute_reboot_instance", "servers:reboot")
            }
            Act::Pause => ("pause", "pause", "compute_pause_instance", "os-pause-server:pause"),
            Act::Unpause => ("unpause", "unpause", "compute_unpause_instance", "os-pause-server:unpause"),
        };
        Names { verb, action, event, rule }
    }

    /// The phases it is allowed in.
    fn phases(self) -> &'static [Phase] {
        match self {
            Act::Start => &[Phase::Stopped],
            Act::Stop => &[Phase::Active, Phase::Failed],
            Act::RebootSoft | Act::Pause => &[Phase::Active],
            Act::RebootHard => &[Phase::Active, Phase::Stopped, Phase::Paused, Phase::Failed],
            Act::Unpause => &[Phase::Paused],
        }
    }

    /// The tasks it may replace.
    fn replaces(self, task: Task) -> bool {
        let hard = [Task::Rebooting, Task::RebootingHard, Task::Pausing, Task::Unpausing];
        self == Act::RebootHard && hard.contains(&task)
    }

    fn task(self) -> Task {
        match self {
            Act::Start => Task::PoweringOn,
            Act::Stop => Task::PoweringOff,
            Act::RebootSoft => Task::Rebooting,
            Act::RebootHard => Task::RebootingHard,
            Act::Pause => Task::Pausing,
            Act::Unpause => Task::Unpausing,
        }
    }
}

/// Whether the server's state allows the act: Nova's 409 with Nova's words where it does not.
pub(crate) fn check_state(server: &Server, act: Act) -> Result<(), Error> {
    let verb = act.names().verb;
    if !act.phases().contains(&server.phase) {
        return Err(wrong_state(server, verb, "vm_state", server.vm_state()));
    }
    if let Some(task) = server.task.filter(|task| !act.replaces(*task)) {
        return Err(wrong_state(server, verb, "task_state", task.state()));
    }
    if server.launched_at.is_none() {
        return Err(wrong_state(server, verb, "launched_at", "None"));
    }
    Ok(())
}

/// Nova's words for an act in a state that does not allow it.
pub(crate) fn wrong_state(server: &Server, verb: &str, attribute: &str, value: &str) -> Error {
    Error::Conflict(format!("Cannot '{verb}' instance {} while it is in {attribute} {value}", server.id))
}

/// Refuses to touch a locked server, but to operators.
pub(crate) fn check_lock(caller: &Caller, server: &Server) -> Result<(), Error> {
    if server.lock.is_some() && !caller.is_admin() {
        return Err(Error::Conflict(format!("Instance {} is locked", server.id)));
    }
    Ok(())
}

/// Loads a server for a rule of its project.
pub(crate) fn load_for(
    rule: &str,
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
) -> Result<Stored<Server>, Error> {
    let server = super::load(caller, tx, id)?;
    RULES.check(&format!("os_compute_api:{rule}"), caller, &Target::project(&server.project_id))?;
    Ok(server)
}

/// Asks for an act.
pub(crate) fn act(asked: &Asked<'_>, tx: &mut Tx<'_>, id: &str, act: Act) -> Result<(), Error> {
    let names = act.names();
    let mut server = load_for(names.rule, asked.caller, tx, id)?;
    check_lock(asked.caller, &server)?;
    check_state(&server, act)?;
    let now = tx.now();
    let action = action::begin(tx, asked, &server, names.action, names.event)?;
    server.task_action = Some(action.clone());
    server.begin(act.task(), now);
    match act {
        Act::Start | Act::Unpause => server.power = Power::On,
        Act::Stop => server.power = Power::Off { grace_s: GRACE_S },
        Act::Pause => server.power = Power::Paused,
        Act::RebootSoft | Act::RebootHard => {
            let (token, hard) = (asked.request_id.to_owned(), act == Act::RebootHard);
            server.power = Power::On;
            server.reboot = Some(Reboot { token, hard, grace_s: GRACE_S });
        }
    }
    if matches!(act, Act::Start | Act::RebootSoft | Act::RebootHard) {
        server.boot_action = Some(action);
        server.boot_at = now;
    }
    SERVERS.save(tx, &mut server)?;
    Ok(tx.kick(RECONCILER, server.id)?)
}

/// Locks a server, or changes why it is locked.
pub(crate) fn lock(
    asked: &Asked<'_>,
    tx: &mut Tx<'_>,
    id: &str,
    reason: Option<String>,
) -> Result<(), Error> {
    let mut server = load_for("os-lock-server:lock", asked.caller, tx, id)?;
    // An owner's lock does not replace an operator's, but both may say why.
    let by_admin = asked.caller.is_admin() && asked.caller.project_id() != Some(&server.project_id)
        || server.lock.as_ref().is_some_and(|lock| lock.by_admin);
    server.lock = Some(Lock { by_admin, reason });
    save_done(asked, tx, server, "lock", "api_lock")
}

/// Unlocks it. What an operator locked only an operator unlocks.
pub(crate) fn unlock(asked: &Asked<'_>, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let mut server = load_for("os-lock-server:unlock", asked.caller, tx, id)?;
    if server.lock.as_ref().is_some_and(|lock| lock.by_admin) {
        let target = Target::project(&server.project_id);
        RULES.check("os_compute_api:os-lock-server:unlock:unlock_override", asked.caller, &target)?;
    }
    server.lock = None;
    save_done(asked, tx, server, "unlock", "api_unlock")
}

/// Sets the state by hand: an operator's word.
pub(crate) fn reset_state(asked: &Asked<'_>, tx: &mut Tx<'_>, id: &str, active: bool) -> Result<(), Error> {
    let mut server = load_for("os-admin-actions:reset_state", asked.caller, tx, id)?;
    if server.is_deleting() {
        return Err(wrong_state(&server, "reset_state", "task_state", "deleting"));
    }
    let now = tx.now();
    server.enter(if active { Phase::Active } else { Phase::Failed }, now);
    save_done(asked, tx, server, "resetState", "api_reset_state")
}

/// Saves what needed no node, and the record of it.
fn save_done(
    asked: &Asked<'_>,
    tx: &mut Tx<'_>,
    mut server: Stored<Server>,
    name: &str,
    event: &str,
) -> Result<(), Error> {
    let id = action::begin(tx, asked, &server, name, event)?;
    let host = server.host.clone();
    action::finish(tx, Some(&id), host.as_ref(), None)?;
    server.updated_at = tx.now();
    SERVERS.save(tx, &mut server)?;
    Ok(tx.kick(RECONCILER, server.id)?)
}
