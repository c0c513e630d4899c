//! What the requests of consumers have in common: they are signed in a header, and answered as a form.

use rest::{Reply, ReplyBody, Request};
use types::Timestamp;

use super::signature::SignedRequest;
use crate::Error;

/// A token and its secret, told this once.
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) expires_at: Timestamp,
}

/// The request as its consumer signed it, with the parameters of its query.
pub(crate) fn signed(request: &Request) -> Result<SignedRequest, Error> {
    read(request, &request.query)
}

/// A login as its consumer signed it: as upstream, whatever follows the path is not part of it.
pub(crate) fn signed_login(request: &Request) -> Result<SignedRequest, Error> {
    read(request, &[])
}

fn read(request: &Request, query: &[(String, String)]) -> Result<SignedRequest, Error> {
    let Some(header) = request.header("authorization") else {
        return Err(Error::Invalid("A header Authorization with a signature is required.".to_owned()));
    };
    let url = format!("{}{}", request.base_url, request.path);
    SignedRequest::read(&url, header, query)
        .ok_or_else(|| Error::Invalid("The header Authorization is not one of OAuth 1.0.".to_owned()))
}

pub(crate) fn form(told: &Told) -> Reply {
    let (id, secret, expires_at) = (&told.id, &told.secret, told.expires_at.iso_micros_z());
    let text = format!("oauth_token={id}&oauth_token_secret={secret}&oauth_expires_at={expires_at}");
    Reply { status: 201, headers: Vec::new(), body: ReplyBody::Bytes(text.into_bytes()) }
        .header("content-type", "application/x-www-form-urlencoded")
}
