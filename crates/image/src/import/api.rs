//! Imports over HTTP.

use std::sync::Arc;

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::Value as Json;
use store::Tx;

use super::ops::{self, Wanted};
use crate::Shared;
use crate::error::Error;
use crate::image::api::image_id;
use crate::task::{Asked, Method};

/// The route of imports.
pub(crate) fn routes(shared: &Arc<Shared>) -> Routes {
    let shared = shared.clone();
    Routes::new().post("/v2/images/{id}/import", move |request, tx| create(&shared, request, tx))
}

fn create(shared: &Shared, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let wanted = wanted(shared, request)?;
    ops::start(request, tx, shared, image_id(request)?, wanted)?;
    Ok(Reply::empty(202))
}

fn invalid(text: impl Into<String>) -> Error {
    Error::Invalid(text.into())
}

fn wanted(shared: &Shared, request: &Request) -> Result<Wanted, Error> {
    let json = request.json().map_err(|_| invalid("Malformed JSON in request body."))?;
    let not_object = |_| invalid("Import request requires a 'method' field.");
    let mut fields = Fields::new("", json).map_err(not_object)?;
    let method = fields.take("method").ok_or_else(|| invalid("Import request requires a 'method' field."))?;
    let method = method_of(shared, method)?;
    let flag = |fields: &mut Fields, name: &str| match fields.take(name) {
        None => Ok(None),
        Some(Json::Bool(flag)) => Ok(Some(flag)),
        Some(_) => Err(invalid(format!("'{name}' must be boolean value only"))),
    };
    let asked = Asked {
        all_stores_must_succeed: flag(&mut fields, "all_stores_must_succeed")?,
        all_stores: flag(&mut fields, "all_stores")?,
        stores: fields.texts("stores")?,
    };
    fields.finish()?;
    let header = request.header("x-image-meta-store").map(str::to_owned);
    Ok(Wanted { method, asked, header })
}

fn method_of(shared: &Shared, json: Json) -> Result<Method, Error> {
    let mut fields = Fields::new("method", json)?;
    let name = fields.take("name").ok_or_else(|| invalid("Import request requires a 'name' field."))?;
    let name = name.as_str().unwrap_or_default();
    if !shared.config.offers(name) {
        return Err(invalid(format!("Unknown import method name '{name}'.")));
    }
    let uri = fields.text("uri")?;
    fields.finish()?;
    match (name, uri) {
        ("web-download", Some(uri)) => Ok(Method::WebDownload { uri }),
        ("web-download", None) => Err(invalid("URI for web-download does not pass filtering: None")),
        (_, Some(_)) => Err(InvalidBody::at("method.uri", "is for web-download alone").into()),
        ("copy-image", None) => Ok(Method::CopyImage),
        _ => Ok(Method::GlanceDirect),
    }
}
