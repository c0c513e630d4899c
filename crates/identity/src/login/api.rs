//! `POST /v3/auth/tokens`.

use std::net::IpAddr;
use std::sync::Arc;

use rest::{Method, Reply, Request, Routes};
use serde_json::json;
use store::{Store, Tx};
use types::UserId;

use super::body;
use super::model::{Login, Named, Proven, Receipt, ScopeWish, Shown};
use super::ops;
use crate::Error;
use crate::api::public_url;
use crate::ids::AccessTokenId;
use crate::oauth1::access_token::ops::proven;
use crate::token::api::described;
use crate::token::model::{Claims, UserRef};
use crate::token::ops::Tokens;
use crate::user::proof::{Attempt, by_password};

pub(crate) fn routes(store: &Store, tokens: &Arc<Tokens>) -> Routes {
    let (store, tokens) = (store.clone(), tokens.clone());
    Routes::new().slow(Method::POST, "/v3/auth/tokens", true, move |request| {
        create(store.clone(), tokens.clone(), request)
    })
}

async fn create(store: Store, tokens: Arc<Tokens>, request: Request) -> Result<Reply, Error> {
    let login = body::login(&request)?;
    let proven = prove(&store, &tokens, &login, request.address).await?;
    let (ttl, scope) = (tokens.config.token_ttl, login.scope);
    let counts_uses = matches!(scope, ScopeWish::Trust(_));
    let address = public_url(&request).to_owned();
    let wants_catalog = request.query("nocatalog").is_none();
    let run = move |tx: &mut Tx<'_>| {
        if let Some(rules) = ops::rules_unmet(tx, &proven)? {
            let (sealed, receipt) = ops::issue_receipt(tx, &proven)?;
            return Ok(more_wanted(&ops::user_of(tx, &proven)?, &receipt, &rules, sealed));
        }
        let (sealed, token) = ops::issue(tx, &proven, &scope, ttl)?;
        let body = described(tx, &token, wants_catalog, &address)?;
        Ok::<_, Error>(Reply::created(body).header("x-subject-token", sealed))
    };
    if counts_uses { store.write(run).await } else { store.read(run).await }
}

/// What was shown is right and not enough: a receipt for it, and what else it takes.
fn more_wanted(user: &UserRef, receipt: &Receipt, rules: &[Vec<String>], sealed: String) -> Reply {
    let body = json!({
        "receipt": {
            "methods": receipt.methods,
            "user": {
                "id": user.id.as_str(),
                "name": user.name,
                "domain": {"id": user.domain.id.as_str(), "name": user.domain.name},
            },
            "expires_at": receipt.expires_at.iso_micros_z(),
            "issued_at": receipt.issued_at.iso_micros_z(),
        },
        "required_auth_methods": rules,
    });
    Reply::json(401, body).header("openstack-auth-receipt", sealed)
}

/// What a login has proven so far.
#[derive(Default)]
struct Proofs {
    user_id: Option<UserId>,
    methods: Vec<String>,
    password: Option<String>,
    from: Option<Claims>,
    application_credential_id: Option<String>,
    access_token_id: Option<AccessTokenId>,
}

impl Proofs {
    /// Everything that is shown must speak for the same user.
    fn of(&mut self, user_id: UserId) -> Result<(), Error> {
        match &self.user_id {
            Some(known) if *known != user_id => Err(Error::Unauthorized),
            _ => {
                self.user_id = Some(user_id);
                Ok(())
            }
        }
    }

    fn by(&mut self, methods: &[String]) {
        for method in methods {
            if !self.methods.contains(method) {
                self.methods.push(method.clone());
            }
        }
    }
}

/// Checks all that is shown.
async fn prove(
    store: &Store,
    tokens: &Arc<Tokens>,
    login: &Login,
    address: Option<IpAddr>,
) -> Result<Proven, Error> {
    let mut proofs = Proofs::default();
    for shown in &login.shown {
        proofs.by(&[shown.method().to_owned()]);
        match shown {
            Shown::Password { user, password } => {
                let attempt =
                    Attempt { address, named: user, password: password.clone(), may_be_expired: false };
                let user = by_password(store, tokens, attempt).await?;
                proofs.password = user.password;
                proofs.of(user.id)?;
            }
            Shown::Totp { user, passcode } => {
                proofs.of(by_passcode(store, tokens, address, (user, passcode)).await?)?;
            }
            Shown::ApplicationCredential { credential, secret } => {
                let named = credential.clone();
                let found = store.read(move |tx| ops::credential_named(tx, &named)).await?;
                let (asker, secret, hash) = (found.user_id.as_str(), secret.clone(), Some(found.secret));
                if !tokens.passwords.verify(address, asker, secret, hash).await? {
                    return Err(Error::Unauthorized);
                }
                proofs.of(found.user_id)?;
                proofs.application_credential_id = Some(found.id);
            }
            Shown::Signature(signed) => {
                let (checker, signed) = (tokens.clone(), signed.clone());
                let prove = move |tx: &mut Tx<'_>| proven(tx, &checker.config.credential_keys, &signed);
                let token = store.read(prove).await?;
                proofs.of(token.user_id)?;
                proofs.access_token_id = Some(token.id);
            }
            Shown::Token(token) => {
                let (checker, token) = (tokens.clone(), token.clone());
                let checked = store.read(move |tx| checker.check(tx, &token)).await;
                let claims = checked.map_err(crate::token::ops::unknown_token)?.token.claims.clone();
                proofs.of(claims.user_id.clone())?;
                proofs.by(&claims.methods);
                proofs.application_credential_id.clone_from(&claims.application_credential_id);
                proofs.from = Some(claims);
            }
        }
    }
    if let Some(sealed) = login.receipt.clone() {
        let receipt = store.read(move |tx| ops::open_receipt(tx, &sealed)).await?;
        proofs.of(receipt.user_id)?;
        proofs.by(&receipt.methods);
    }
    let Proofs { user_id, methods, password, from, application_credential_id, access_token_id } = proofs;
    let federated = from.as_ref().and_then(|claims| claims.federated.clone());
    let user_id = user_id.ok_or(Error::Unauthorized)?;
    Ok(Proven { user_id, methods, password, from, federated, application_credential_id, access_token_id })
}

/// The user, if this is its passcode of now and was not shown before. A wrong one costs as much as a wrong password, or
/// a million of them could be tried.
async fn by_passcode(
    store: &Store,
    tokens: &Arc<Tokens>,
    address: Option<IpAddr>,
    (named, passcode): (&Named, &String),
) -> Result<UserId, Error> {
    let (wanted, shown, checker) = (named.clone(), passcode.clone(), tokens.clone());
    let accept = move |tx: &mut Tx<'_>| ops::accept_passcode(tx, &checker.config, &wanted, &shown);
    match store.write(accept).await? {
        Err(Error::Unauthorized) => {
            let asker = format!("{named:?}");
            tokens.passwords.verify(address, &crate::ids::key_of(&[&asker]), passcode.clone(), None).await?;
            Err(Error::Unauthorized)
        }
        other => other,
    }
}
