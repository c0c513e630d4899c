//! Making a server: choose a host, wait for volumes, bind the ports and write the document.
//!
//! The request that creates a server goes as far as it can in its own transaction; the reconciler goes on from there
//! with the same functions.

use std::collections::BTreeSet;

use ::store::{Select, Tx};
use agent_api::Kind;
use nodes::documents::{self, Owner};
use placement::schedule;
use policy::Caller;
use types::{HostId, ServerId};

use super::store::SERVERS;
use super::volumes::{self, Readiness};
use super::{Phase, RECONCILER, Server, document, imaging, ports};
use crate::action::{self, Event};
use crate::{Error, group};

/// Takes a server that is being made as far as it goes now.
pub(crate) fn advance(tx: &mut Tx<'_>, server: &mut Server) -> Result<(), Error> {
    if server.phase == Phase::Scheduling {
        place(tx, server)?;
    }
    if server.phase == Phase::Volumes {
        match volumes::readiness(tx, server)? {
            Readiness::Ready => spawn(tx, server)?,
            Readiness::Waiting => {}
            Readiness::Failed(why) => give_up(tx, server, why)?,
        }
    }
    Ok(())
}

/// Chooses a host and takes what the server needs of it. Without one the server is in ERROR and says why.
pub(crate) fn place(tx: &mut Tx<'_>, server: &mut Server) -> Result<(), Error> {
    let began = tx.now();
    let request = request(tx, server)?;
    let choice = schedule::candidates(tx, &request)?;
    let Some(chosen) = choice.order.first() else {
        return give_up(tx, server, format!("No valid host was found. {choice}"));
    };
    let consumer = server.id.to_string();
    let owner = (consumer.as_str(), &server.project_id, &server.user_id);
    placement::allocation::allocate(tx, owner, chosen.provider_id, &request.resources)?;
    server.host = Some(chosen.host.clone());
    let event = Event {
        event: "compute_choose_host".to_owned(),
        started_at: began,
        finished_at: Some(tx.now()),
        success: Some(true),
        host: server.host.clone(),
        details: Some(choice.to_string()),
    };
    action::note(tx, server.task_action.as_deref(), vec![event])?;
    server.enter(Phase::Volumes, began);
    Ok(())
}

/// What the server needs of its host.
fn request(tx: &mut Tx<'_>, server: &Server) -> Result<schedule::Request, Error> {
    let wishes = &server.placement;
    let mut request = schedule::Request {
        resources: server.resources(),
        host: wishes.host.clone(),
        avoid: hosts_of(tx, &wishes.different_host)?,
        ..schedule::Request::default()
    };
    if !wishes.same_host.is_empty() {
        request.within = Some(hosts_of(tx, &wishes.same_host)?);
    }
    if let Some(local) = volumes::host(tx, server)? {
        let within = request.within.take().is_none_or(|hosts| hosts.contains(&local));
        request.within = Some(if within { [local].into() } else { BTreeSet::new() });
    }
    if let Some(id) = wishes.group_id {
        let members = SERVERS.query(tx, &Select::all().eq("group_id", id))?;
        let others = members.iter().filter(|member| member.id != server.id && !member.is_deleting());
        let hosts: BTreeSet<HostId> = others.filter_map(|member| member.host.clone()).collect();
        group::constrain(tx, id, &hosts, &mut request)?;
    }
    Ok(request)
}

fn hosts_of(tx: &mut Tx<'_>, servers: &[ServerId]) -> Result<BTreeSet<HostId>, Error> {
    let rows = SERVERS.query(tx, &Select::all().is_in("id", servers.iter().copied()))?;
    Ok(rows.iter().filter_map(|server| server.host.clone()).collect())
}

/// Binds the ports to the host and writes the VM's document.
fn spawn(tx: &mut Tx<'_>, server: &mut Server) -> Result<(), Error> {
    let now = tx.now();
    ports::bind(tx, server)?;
    volumes::connect(tx, server)?;
    server.enter(Phase::Spawning, now);
    put(tx, server)
}

/// Writes the VM's document as the server is now.
pub(crate) fn put(tx: &mut Tx<'_>, server: &Server) -> Result<(), Error> {
    let Some(host) = &server.host else { return Ok(()) };
    let id = server.id.to_string();
    let owner = Owner { kind: RECONCILER, id: &id };
    Ok(documents::put(tx, host, Kind::Vm, &id, &document::vm(server), owner)?)
}

/// Ends the making of a server in ERROR. Its VM goes; ports, volumes and allocations go when it is deleted.
pub(crate) fn give_up(tx: &mut Tx<'_>, server: &mut Server, why: String) -> Result<(), Error> {
    let now = tx.now();
    if let Some(host) = &server.host {
        documents::remove(tx, host, Kind::Vm, &server.id.to_string())?;
    }
    action::finish(tx, server.task_action.as_deref(), server.host.as_ref(), Some(&why))?;
    server.fail(500, why, None, now);
    Ok(())
}

/// Undoes a server that is to go. Tells whether nothing is left of it but the row.
pub(crate) fn unwind(tx: &mut Tx<'_>, server: &mut Server) -> Result<bool, Error> {
    if !imaging::end_all(tx, server)? {
        return Ok(false);
    }
    let id = server.id.to_string();
    let mut hosts = documents::hosts_of(tx, Kind::Vm, &id)?;
    for host in &hosts {
        documents::remove(tx, host, Kind::Vm, &id)?;
    }
    hosts = documents::hosts_of(tx, Kind::Vm, &id)?;
    if !hosts.is_empty() {
        return Ok(false);
    }
    ports::release_all(&Caller::cloud(), tx, server)?;
    volumes::release_all(&Caller::cloud(), tx, server)?;
    placement::allocation::release(tx, &id)?;
    action::remove_all(tx, server.id)?;
    Ok(true)
}
