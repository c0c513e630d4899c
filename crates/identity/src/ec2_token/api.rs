//! `/v3/ec2tokens` and `/v3/s3tokens`.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rest::{Fields, Reply, Request, Routes};
use serde_json::Value as Json;
use store::Tx;

use super::model::{SignedRequest, is_s3_signature};
use super::ops::{self, Presented};
use crate::Error;
use crate::api::public_url;
use crate::token::api::described;
use crate::token::ops::Tokens;

const EC2_RULE: &str = "identity:ec2tokens_validate";
const S3_RULE: &str = "identity:s3tokens_validate";

/// Python's reading of base64 is as lax about what follows the last letter.
const LAX: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(crate) fn routes(tokens: &Arc<Tokens>) -> Routes {
    let (for_ec2, for_s3) = (tokens.clone(), tokens.clone());
    Routes::new()
        .post("/v3/ec2tokens", move |request, tx| ec2(&for_ec2, request, tx))
        .post("/v3/s3tokens", move |request, tx| s3(&for_s3, request, tx))
}

fn ec2(tokens: &Tokens, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::check_create(request.caller(), EC2_RULE)?;
    let mut fields = presented(request)?;
    let mut word = |name: &str| fields.take(name).map(|value| text(&value)).unwrap_or_default();
    let (access, signature, host) = (word("access"), word("signature"), word("host"));
    let (verb, path, body_hash) = (word("verb"), word("path"), word("body_hash"));
    let (params, headers) = (texts(fields.take("params")), texts(fields.take("headers")));
    let signed = SignedRequest { access, signature, host, verb, path, params, headers, body_hash };
    let presented = Presented {
        access: &signed.access,
        is_signed_with: &|secret| signed.is_signed_with(secret),
        time: signed.time(),
    };
    let (sealed, token) = ops::create(request.caller(), tx, tokens, EC2_RULE, &presented)?;
    let body = described(tx, &token, true, public_url(request))?;
    Ok(Reply::ok(body).header("x-subject-token", sealed))
}

/// The token itself is not given here: who asks only wants to know who signed.
fn s3(tokens: &Tokens, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::check_create(request.caller(), S3_RULE)?;
    let mut fields = presented(request)?;
    let mut word = |name: &str| fields.take(name).map(|value| text(&value)).unwrap_or_default();
    let (access, signature, signed) = (word("access"), word("signature"), word("token"));
    let params = texts(fields.take("params"));
    let headers = texts(fields.take("headers"));
    let times = SignedRequest { params, headers, ..SignedRequest::default() };
    let signed = LAX.decode(signed).map_err(|_| Error::Unauthorized)?;
    let presented = Presented {
        access: &access,
        is_signed_with: &|secret| is_s3_signature(secret, &signed, &signature),
        time: times.time(),
    };
    let (_, token) = ops::create(request.caller(), tx, tokens, S3_RULE, &presented)?;
    Ok(Reply::ok(described(tx, &token, true, public_url(request))?))
}

/// What is presented, under any of the names it has had.
fn presented(request: &Request) -> Result<Fields, Error> {
    let mut body = Fields::new("", request.json()?)?;
    let found = ["credentials", "credential", "ec2Credentials"].into_iter().find_map(|name| body.take(name));
    let fields = Fields::new("credentials", found.ok_or(Error::Unauthorized)?)?;
    if fields.has("access") { Ok(fields) } else { Err(Error::Unauthorized) }
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn texts(value: Option<Json>) -> BTreeMap<String, String> {
    match value {
        Some(Json::Object(fields)) => {
            fields.iter().map(|(name, value)| (name.clone(), text(value))).collect()
        }
        _ => BTreeMap::new(),
    }
}
