//! What can be done with protocols.

use policy::{Caller, Target};
use store::{Stored, Tx};

use super::model::Protocol;
use super::store::{PROTOCOLS, of_provider, protocol_key};
use crate::Error;
use crate::federation::mapping::store::MAPPINGS;
use crate::federation::{identity_provider, user};
use crate::ids::MappingId;
use crate::policy::RULES;
use crate::token::ops::changed;

/// The protocol of these ids, for whoever has checked that the caller may know.
pub(crate) fn find(tx: &mut Tx<'_>, idp_id: &str, id: &str) -> Result<Stored<Protocol>, Error> {
    let found = PROTOCOLS.load(tx, protocol_key(idp_id, id))?;
    found.ok_or_else(|| {
        let message = format!("Could not find federated protocol {id} for Identity Provider: {idp_id}.");
        Error::Absent(message)
    })
}

fn refuse_mapping(tx: &mut Tx<'_>, id: &MappingId) -> Result<(), Error> {
    match MAPPINGS.load(tx, id)? {
        Some(_) => Ok(()),
        None => Err(Error::Invalid(format!("Invalid mapping id: {id}"))),
    }
}

pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, protocol: Protocol) -> Result<Protocol, Error> {
    RULES.check("identity:create_protocol", caller, &Target::default())?;
    refuse_mapping(tx, &protocol.mapping_id)?;
    identity_provider::ops::find(tx, &protocol.idp_id.0)?;
    if PROTOCOLS.load(tx, protocol_key(&protocol.idp_id.0, &protocol.id.0))?.is_some() {
        let detail = format!("Duplicate entry found with ID {}", protocol.id);
        return Err(Error::Conflict { kind: "federation_protocol", detail });
    }
    Ok(PROTOCOLS.insert(tx, protocol)?.into_inner())
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, (idp_id, id): (&str, &str)) -> Result<Protocol, Error> {
    RULES.check("identity:get_protocol", caller, &Target::default())?;
    Ok(find(tx, idp_id, id)?.into_inner())
}

/// The protocols of a provider; none if there is no such provider.
pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>, idp_id: &str) -> Result<Vec<Protocol>, Error> {
    RULES.check("identity:list_protocols", caller, &Target::default())?;
    Ok(of_provider(tx, idp_id)?.into_iter().map(Stored::into_inner).collect())
}

/// Gives a protocol another mapping, and another attribute if one is named.
pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (idp_id, id): (&str, &str),
    (mapping_id, attribute): (MappingId, Option<String>),
) -> Result<Protocol, Error> {
    RULES.check("identity:update_protocol", caller, &Target::default())?;
    refuse_mapping(tx, &mapping_id)?;
    let mut protocol = find(tx, idp_id, id)?;
    protocol.mapping_id = mapping_id;
    if attribute.is_some() {
        protocol.remote_id_attribute = attribute;
    }
    PROTOCOLS.save(tx, &mut protocol)?;
    changed(tx);
    Ok(protocol.into_inner())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, (idp_id, id): (&str, &str)) -> Result<(), Error> {
    RULES.check("identity:delete_protocol", caller, &Target::default())?;
    let protocol = find(tx, idp_id, id)?;
    remove(tx, &protocol)
}

/// Removes a protocol and what cannot be without it.
pub(crate) fn remove(tx: &mut Tx<'_>, protocol: &Stored<Protocol>) -> Result<(), Error> {
    user::ops::remove_of_protocol(tx, &protocol.idp_id, &protocol.id)?;
    PROTOCOLS.remove(tx, protocol)?;
    changed(tx);
    Ok(())
}
