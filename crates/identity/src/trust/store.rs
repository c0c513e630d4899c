//! The table of trusts.

use store::{Column, Error, Table, Tx};

use super::model::Trust;
use crate::ids::TrustId;

pub(crate) static TRUSTS: Table<Trust> = Table {
    name: "identity_trusts",
    id: |t| (&t.id).into(),
    columns: &[
        Column { name: "trustor_id", value: |t| (&t.trustor_id).into() },
        Column { name: "trustee_id", value: |t| (&t.trustee_id).into() },
        Column { name: "project_id", value: |t| t.project_id.as_ref().into() },
    ],
    unique: &[],
};

/// How many times a trust can have been handed on.
pub(crate) const CHAIN_MAX: u32 = 3;

/// A trust and those that it was handed on from, it first. Nothing if one of them is gone.
pub(crate) fn chain_of(tx: &mut Tx<'_>, id: &TrustId) -> Result<Vec<Trust>, Error> {
    let mut chain: Vec<Trust> = Vec::new();
    let mut next = Some(id.clone());
    while let Some(id) = next {
        let Some(trust) = TRUSTS.load(tx, &id)? else { return Ok(Vec::new()) };
        next = trust.redelegated_from.clone();
        chain.push(trust.into_inner());
    }
    Ok(chain)
}
