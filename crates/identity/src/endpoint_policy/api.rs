//! `OS-ENDPOINT-POLICY`, below policies and endpoints.

use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::model::{Association, Subject};
use super::ops;
use crate::Error;
use crate::api::{links, listed};
use crate::endpoint::api::view as endpoint_view;
use crate::policy_document::api::view as policy_view;

pub(crate) fn routes() -> Routes {
    let subjects = [
        "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}",
        "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}",
        "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}",
    ];
    let routes = Routes::new()
        .get("/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints", list_endpoints)
        .get("/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy", show_policy);
    subjects
        .into_iter()
        .fold(routes, |routes, path| routes.get(path, check).put(path, create).delete(path, delete))
}

/// The document and the subject that the path names.
fn association(request: &Request) -> Association {
    let subject = match (request.param("endpoint_id"), request.param("region_id")) {
        ("", "") => Subject::Service(request.param("service_id").into()),
        ("", region) => Subject::ServiceIn(request.param("service_id").into(), region.into()),
        (endpoint, _) => Subject::Endpoint(endpoint.into()),
    };
    Association { policy_id: request.param("policy_id").into(), subject }
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::create(request.caller(), tx, association(request))?;
    Ok(Reply::empty(204))
}

fn check(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::check(request.caller(), tx, &association(request))?;
    Ok(Reply::empty(204))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, &association(request))?;
    Ok(Reply::empty(204))
}

/// Upstream shows these endpoints without the older name of their region.
fn list_endpoints(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let endpoints = ops::endpoints_for(request.caller(), tx, request.param("policy_id"))?;
    let mut views: Vec<Json> = endpoints.iter().map(|endpoint| endpoint_view(request, endpoint)).collect();
    views.iter_mut().filter_map(Json::as_object_mut).for_each(|view| drop(view.remove("region")));
    Ok(listed(request, "endpoints", views))
}

/// Upstream's link of the document leads, by mistake, to an endpoint.
fn show_policy(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let policy = ops::policy_for(request.caller(), tx, request.param("endpoint_id"))?;
    let mut view = policy_view(request, &policy);
    view["links"] = links(request, &format!("endpoints/{}", policy.id));
    Ok(Reply::ok(json!({"policy": view})))
}
