//! From a signed request to a token of who signed it.

use std::time::Duration;

use policy::{Caller, Target};
use store::Tx;
use types::Timestamp;

use crate::Error;
use crate::credential::ec2_key::Ec2Key;
use crate::credential::model::EC2;
use crate::credential::ops::ec2_id;
use crate::credential::store::CREDENTIALS;
use crate::login::model::{Named, Proven, ScopeWish};
use crate::login::ops::issue;
use crate::policy::RULES;
use crate::token::model::{EC2_METHOD, Token};
use crate::token::ops::Tokens;

/// How old a signed request may be, as Keystone's `[credential] auth_ttl`.
const AGE_MAX: Duration = Duration::from_secs(15 * 60);

/// What was presented: which key signed it, whether it did, and when.
pub(crate) struct Presented<'p> {
    /// The public half of the key.
    pub(crate) access: &'p str,
    /// Whether this secret made the signature.
    pub(crate) is_signed_with: &'p dyn Fn(&str) -> bool,
    /// When it says it was signed, if it does.
    pub(crate) time: Option<&'p str>,
}

/// Whether the caller may ask who signed; asked before what it presents is read.
pub(crate) fn check_create(caller: &Caller, rule: &str) -> Result<(), Error> {
    Ok(RULES.check(rule, caller, &Target::default())?)
}

/// A token for who signed, for who may ask for it.
pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    tokens: &Tokens,
    rule: &str,
    presented: &Presented<'_>,
) -> Result<(String, Token), Error> {
    check_create(caller, rule)?;
    let credential = CREDENTIALS.load(tx, &ec2_id(presented.access))?;
    let credential = credential.filter(|credential| credential.kind == EC2);
    let credential = credential.ok_or_else(|| Error::Absent("EC2 access key not found.".to_owned()))?;
    let blob = tokens.config.credential_keys.open(&credential.sealed)?;
    let key = Ec2Key::parse(&blob).map_err(|_| Error::Unauthorized)?;
    let secret = key.secret.ok_or(Error::Unauthorized)?;
    // A key with a delegation in it would have that one's rights, which nobody can give it here.
    if key.is_delegated || !(presented.is_signed_with)(&secret) {
        return Err(Error::Unauthorized);
    }
    refuse_old(presented.time, tx.now())?;
    let project = credential.project_id.clone().ok_or(Error::Unauthorized)?;
    let proven = Proven {
        user_id: credential.user_id.clone(),
        methods: vec![EC2_METHOD.to_owned()],
        password: None,
        from: None,
        federated: None,
        application_credential_id: None,
        access_token_id: None,
    };
    issue(tx, &proven, &ScopeWish::Project(Named::Id(project.to_string())), tokens.config.token_ttl)
}

fn refuse_old(time: Option<&str>, now: Timestamp) -> Result<(), Error> {
    let Some(time) = time else { return Ok(()) };
    match Timestamp::parse(time) {
        Ok(signed) if now <= signed.plus(AGE_MAX) => Ok(()),
        _ => Err(Error::Unauthorized),
    }
}
