//! `/v3/OS-OAUTH1/consumers`.

use std::sync::Arc;

use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::model::{Consumer, ConsumerChange};
use super::ops;
use crate::Error;
use crate::api::{changing, description, extra, links, listed, with_extra};
use crate::token::ops::Tokens;

pub(crate) fn routes(tokens: &Arc<Tokens>) -> Routes {
    let base = "/v3/OS-OAUTH1/consumers";
    let one = "/v3/OS-OAUTH1/consumers/{consumer_id}";
    let tokens = tokens.clone();
    Routes::new()
        .get(base, list)
        .post(base, move |request, tx| create(&tokens, request, tx))
        .get(one, show)
        .patch(one, update)
        .delete(one, delete)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let consumers = ops::list(request.caller(), tx)?;
    Ok(listed(request, "consumers", consumers.iter().map(|consumer| view(request, consumer)).collect()))
}

/// The secret is shown in this answer and never again.
fn create(tokens: &Tokens, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("consumer")?;
    let description = description(&mut fields)?.flatten();
    fields.take("secret");
    let draft = (description, extra(fields));
    let (consumer, secret) = ops::create(request.caller(), tx, &tokens.config.credential_keys, draft)?;
    let mut view = view(request, &consumer);
    view["secret"] = json!(secret);
    Ok(Reply::created(json!({"consumer": view})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let consumer = ops::show(request.caller(), tx, request.param("consumer_id"))?;
    Ok(Reply::ok(json!({"consumer": view(request, &consumer)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = request.param("consumer_id");
    let mut fields = changing(request.fields("consumer")?, id)?;
    if fields.has("secret") {
        return Err(fields.error("secret", "cannot change").into());
    }
    let change = ConsumerChange { description: description(&mut fields)?, extra: extra(fields) };
    let consumer = ops::update(request.caller(), tx, id, change)?;
    Ok(Reply::ok(json!({"consumer": view(request, &consumer)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("consumer_id"))?;
    Ok(Reply::empty(204))
}

fn view(request: &Request, consumer: &Consumer) -> Json {
    with_extra(
        &consumer.extra,
        json!({
            "id": consumer.id.0,
            "description": consumer.description,
            "links": links(request, &format!("OS-OAUTH1/consumers/{}", consumer.id)),
        }),
    )
}
