//! What can be done with users. Passwords arrive here as hashes.

use policy::{Caller, Target};
use store::{Select, Stored, Tx};
use types::{DomainId, ProjectId, Timestamp, UserId};

use super::compliance::SecurityCompliance;
use super::model::{Comparison, LoginRecord, User, UserChange, UserDraft, UserFilter};
use super::options::UserOptions;
use super::store::USERS;
use crate::Error;
use crate::access_rule;
use crate::application_credential;
use crate::assignment::model::Actor;
use crate::assignment::store::remove_of_actor;
use crate::credential::store::CREDENTIALS;
use crate::domain::ops::{domain_for, refuse_missing, refuse_move, scoped_to};
use crate::domain::store::DOMAINS;
use crate::federation::user as federated;
use crate::group::store::MEMBERSHIPS;
use crate::ids::{fresh, key_of};
use crate::password::of_first_version;
use crate::policy::RULES;
use crate::revocation;
use crate::token::ops::changed;
use crate::trust;
use crate::trust::store::TRUSTS;

pub(crate) fn find(caller: &Caller, tx: &mut Tx<'_>, rule: &str, id: &str) -> Result<Stored<User>, Error> {
    let found = USERS.load(tx, id)?;
    let target = found.as_ref().map_or(Target::default(), |user| Target {
        user_id: Some(&user.id),
        domain_id: Some(&user.domain_id),
        project_id: None,
    });
    RULES.check(rule, caller, &target)?;
    found.ok_or_else(|| Error::not_found("user", id))
}

/// Whether the caller may create a user there; asked before a password is hashed for it, and again after.
pub(crate) fn check_create(caller: &Caller, tx: &mut Tx<'_>, draft: &UserDraft) -> Result<DomainId, Error> {
    let domain_id = domain_for(caller, draft.domain_id.clone());
    RULES.check("identity:create_user", caller, &Target::domain(&domain_id))?;
    refuse_missing(tx, &domain_id)?;
    refuse_domain_as_project(tx, draft.default_project_id.as_ref())?;
    refuse_name(tx, &domain_id, &draft.name, None)?;
    Ok(domain_id)
}

pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    compliance: &SecurityCompliance,
    draft: UserDraft,
) -> Result<User, Error> {
    let domain_id = check_create(caller, tx, &draft)?;
    let now = tx.now();
    let mut user = User {
        id: UserId(fresh()),
        domain_id,
        name: draft.name,
        enabled: draft.enabled,
        default_project_id: draft.default_project_id,
        password: None,
        options: UserOptions::default(),
        login: LoginRecord { created_at: Some(now), ..LoginRecord::default() },
        ephemeral: false,
        extra: draft.extra,
    };
    draft.options.apply(&mut user.options);
    if draft.password.is_some() {
        user.set_password(compliance, draft.password, now, false);
    }
    let user = USERS.insert(tx, user)?.into_inner();
    if let Some(identities) = draft.federated {
        federated::ops::replace(tx, &user, identities)?;
    }
    Ok(user)
}

/// The user as it counts: not enabled, if it has been away for too long.
fn counted(compliance: &SecurityCompliance, now: Timestamp, mut user: User) -> User {
    user.enabled &= !compliance.is_inactive(&user, now);
    user
}

pub(crate) fn show(
    caller: &Caller,
    tx: &mut Tx<'_>,
    compliance: &SecurityCompliance,
    id: &str,
) -> Result<User, Error> {
    let user = find(caller, tx, "identity:get_user", id)?;
    Ok(counted(compliance, tx.now(), user.into_inner()))
}

pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    compliance: &SecurityCompliance,
    filter: &UserFilter,
) -> Result<Vec<User>, Error> {
    let own = scoped_to(caller);
    RULES.check("identity:list_users", caller, &Target { domain_id: own, ..Target::default() })?;
    let mut select = Select::all();
    for domain in own.into_iter().chain(&filter.domain_id) {
        select = select.eq("domain_id", domain);
    }
    if filter.identity.asks() {
        let found = federated::store::query(tx, &filter.identity)?;
        select = select.is_in("id", found.iter().map(|known| &known.user_id));
    }
    let mut found = match &filter.name {
        None => USERS.values(tx, &select)?,
        Some(name) => USERS.values(tx, &select.clone().eq("name_hash", key_of(&[name])))?,
    };
    if let Some(name) = &filter.name {
        // Those who log in elsewhere are found by what they are called there.
        let ids = federated::store::named(tx, name)?;
        let others = USERS.values(tx, &select.is_in("id", &ids))?;
        found.extend(others.into_iter().filter(|user| user.ephemeral));
    }
    let now = tx.now();
    let users = found.into_iter().map(|user| counted(compliance, now, user));
    let mut users: Vec<User> =
        users.filter(|user| filter.enabled.is_none_or(|enabled| enabled == user.enabled)).collect();
    // Here and not by the database, which would carry every document along while it sorts.
    users.sort_by_cached_key(|user| user.id.clone());
    Ok(users)
}

pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    compliance: &SecurityCompliance,
    id: &str,
    change: UserChange,
) -> Result<User, Error> {
    let mut user = find(caller, tx, "identity:update_user", id)?;
    let now = tx.now();
    refuse_move(&user.domain_id, change.domain_id.as_ref())?;
    refuse_domain_as_project(tx, change.default_project_id.as_ref().and_then(Option::as_ref))?;
    if let Some(name) = change.name {
        refuse_name(tx, &user.domain_id, &name, Some(&user.id))?;
        user.name = name;
    }
    change.options.apply(&mut user.options);
    if let Some(enabled) = change.enabled {
        // Enabled again, the user logs in again: the old tokens stay worthless.
        if user.enabled && !enabled {
            application_credential::ops::remove_of(tx, Some(&user.id), None)?;
            revocation::ops::create_for_user(tx, &user.id)?;
        }
        if enabled {
            compliance.forgive(&mut user, now);
        }
        user.enabled = enabled;
    }
    if let Some(project) = change.default_project_id {
        user.default_project_id = project;
    }
    if let Some(password) = change.password {
        user.set_password(compliance, password, now, false);
        revocation::ops::create_for_user(tx, &user.id)?;
    }
    user.extra.extend(change.extra);
    USERS.save(tx, &mut user)?;
    if let Some(identities) = change.federated {
        federated::ops::replace(tx, &user, identities)?;
    }
    changed(tx);
    Ok(counted(compliance, now, user.into_inner()))
}

/// Whether a password logs in the user whose hash it was compared with. A refusal is inside, for what it has written
/// stays.
pub(crate) fn judge(
    tx: &mut Tx<'_>,
    compliance: &SecurityCompliance,
    compared: &User,
    shown: Comparison,
) -> Result<Result<User, Error>, Error> {
    let now = tx.now();
    match USERS.load(tx, &compared.id)? {
        Some(mut user) if user.password == compared.password => {
            let verdict = user.judge(compliance, shown, now);
            USERS.save(tx, &mut user)?;
            Ok(verdict.map(|()| user.into_inner()))
        }
        _ => Ok(Err(Error::Unauthorized)),
    }
}

/// Refuses a user who must not choose a password now, before it is known which.
pub(crate) fn refuse_own_password(
    compliance: &SecurityCompliance,
    user: &User,
    now: Timestamp,
) -> Result<(), Error> {
    if user.options.is_set("lock_password") {
        return Err(Error::Invalid(
            "You cannot change your password at this time due to password policy disallowing password changes. \
             Please contact your administrator to reset your password."
                .to_owned(),
        ));
    }
    compliance.refuse_young(user, now)
}

/// Replaces the password, if it still is the one that was compared with the original that the user gave.
pub(crate) fn change_password(
    tx: &mut Tx<'_>,
    compliance: &SecurityCompliance,
    id: &UserId,
    compared: &str,
    password: String,
) -> Result<(), Error> {
    let mut user = USERS.load(tx, id)?.ok_or(Error::Unauthorized)?;
    if !user.enabled || user.password.as_deref() != Some(compared) {
        return Err(Error::Unauthorized);
    }
    let now = tx.now();
    refuse_own_password(compliance, &user, now)?;
    user.set_password(compliance, Some(password), now, true);
    revocation::ops::create_for_user(tx, id)?;
    USERS.save(tx, &mut user)?;
    changed(tx);
    Ok(())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let user = find(caller, tx, "identity:delete_user", id)?;
    remove(tx, &user)
}

/// Removes a user and what cannot be without it.
pub(crate) fn remove(tx: &mut Tx<'_>, user: &Stored<User>) -> Result<(), Error> {
    remove_of_actor(tx, &Actor::User(user.id.clone()))?;
    for membership in MEMBERSHIPS.query(tx, &Select::all().eq("user_id", &user.id))? {
        MEMBERSHIPS.remove(tx, &membership)?;
    }
    for credential in CREDENTIALS.query(tx, &Select::all().eq("user_id", &user.id))? {
        CREDENTIALS.remove(tx, &credential)?;
    }
    for side in ["trustor_id", "trustee_id"] {
        // One at a time, for with it go those that it was handed on by.
        while let Some(trust) = TRUSTS.first(tx, &Select::all().eq(side, &user.id))? {
            trust::ops::remove(tx, &trust)?;
        }
    }
    application_credential::ops::remove_of(tx, Some(&user.id), None)?;
    access_rule::ops::remove_of_user(tx, &user.id)?;
    crate::oauth1::forget_user(tx, &user.id)?;
    federated::ops::forget(tx, &user.id)?;
    USERS.remove(tx, user)?;
    revocation::ops::create_for_user(tx, &user.id)?;
    changed(tx);
    Ok(())
}

fn refuse_domain_as_project(tx: &mut Tx<'_>, id: Option<&ProjectId>) -> Result<(), Error> {
    match id {
        Some(id) if DOMAINS.load(tx, id.as_str())?.is_some() => {
            Err(Error::Invalid(format!("User's default project ID cannot be a domain ID: {id}")))
        }
        _ => Ok(()),
    }
}

fn refuse_name(tx: &mut Tx<'_>, domain_id: &DomainId, name: &str, own: Option<&UserId>) -> Result<(), Error> {
    let select = Select::all().eq("domain_id", domain_id).eq("name_hash", key_of(&[name]));
    match USERS.first(tx, &select)? {
        Some(known) if Some(&known.id) != own => {
            // Keystone names the domain only to who creates.
            Err(Error::duplicate("user", name, Some(domain_id.as_str()).filter(|_| own.is_none())))
        }
        _ => Ok(()),
    }
}

/// Respells the password hashes of users that the first version of this service made: they alone have no time of their
/// making.
pub fn respell_hashes(tx: &mut Tx<'_>) -> Result<(), Error> {
    for mut user in USERS.query(tx, &Select::all())? {
        if user.login.created_at.is_some() || user.login.password_set_at.is_some() {
            continue;
        }
        if let Some(hash) = user.password.as_deref().and_then(of_first_version) {
            user.password = Some(hash);
            USERS.save(tx, &mut user)?;
        }
    }
    Ok(())
}
