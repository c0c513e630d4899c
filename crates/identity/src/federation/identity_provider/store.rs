//! The tables of identity providers and of what they call themselves.

use store::{Column, Table};

use super::model::{IdentityProvider, RemoteId};
use crate::ids::key_of;

pub(crate) static IDENTITY_PROVIDERS: Table<IdentityProvider> = Table {
    name: "identity_identity_providers",
    id: |p| (&p.id).into(),
    columns: &[
        Column { name: "domain_id", value: |p| (&p.domain_id).into() },
        Column { name: "enabled", value: |p| p.enabled.into() },
    ],
    unique: &[],
};

/// The id is made of the remote id, which may be too long for an index, so that none is two providers'.
pub(crate) static REMOTE_IDS: Table<RemoteId> = Table {
    name: "identity_remote_ids",
    id: |r| key_of(&[&r.remote_id]).into(),
    columns: &[Column { name: "idp_id", value: |r| (&r.idp_id).into() }],
    unique: &[],
};
