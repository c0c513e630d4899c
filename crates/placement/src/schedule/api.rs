//! Allocation candidates over HTTP.

use std::collections::BTreeMap;

use ::store::Tx;
use policy::Target;
use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};

use crate::policy::RULES;
use crate::{Error, microversion, provider};

/// The most candidates that one answer holds.
const CANDIDATES_MAX: usize = 1000;

pub(crate) fn routes() -> Routes {
    Routes::new().get("/allocation_candidates", list)
}

/// Reads `VCPU:1,MEMORY_MB:512`.
pub(crate) fn resources_of(text: &str) -> Result<BTreeMap<String, u64>, Error> {
    let mut asked = BTreeMap::new();
    for part in text.split(',') {
        let malformed = || {
            Error::Invalid(format!(
                "Badly formed resources parameter. Expected resources query string parameter in form: ?resources=VCPU:2,MEMORY_MB:1024. Got: {text}"
            ))
        };
        let (class, amount) = part.split_once(':').ok_or_else(malformed)?;
        let amount: u64 = amount.parse().ok().filter(|n| *n > 0).ok_or_else(malformed)?;
        if !provider::is_class(class) {
            return Err(Error::Invalid(format!("Invalid resource class in resources parameter: {class}")));
        }
        asked.insert(class.to_owned(), amount);
    }
    Ok(asked)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    RULES.check("placement:allocation_candidates:list", request.caller(), &Target::default())?;
    if request.version < microversion::CANDIDATES {
        return Err(Error::NotFound("The resource could not be found.".to_owned()));
    }
    let Some(text) = request.query("resources") else {
        return Err(Error::Invalid(
            "At least one request group (`resources` or `resources{$S}`) is required.".to_owned(),
        ));
    };
    let asked = resources_of(text)?;
    let limit = match request.query("limit") {
        None => CANDIDATES_MAX,
        Some(text) => {
            let number = text.parse().ok().filter(|n| *n > 0);
            number.ok_or_else(|| {
                Error::Invalid("Invalid query string parameters: limit is not a positive integer".to_owned())
            })?
        }
    };
    let required: Vec<&str> =
        request.query("required").map(|names| names.split(',').collect()).unwrap_or_default();
    let inventories = provider::store::inventories(tx, None)?;
    let mut usages = provider::store::usages(tx, None)?;
    let mut requests = Vec::new();
    let mut summaries = serde_json::Map::new();
    for known in provider::store::all(tx)? {
        let Some(own) = inventories.get(&known.id) else { continue };
        let used = usages.remove(&known.id).unwrap_or_default();
        let fits = |(class, amount): (&String, &u64)| {
            own.get(class).is_some_and(|i| i.fits(*amount, used.get(class).copied().unwrap_or(0)))
        };
        let has = |name: &&str| known.traits.iter().any(|t| t == name);
        if requests.len() == limit || !asked.iter().all(fits) || !required.iter().all(has) {
            continue;
        }
        let id = known.id.to_string();
        let mut candidate = if request.version >= microversion::ALLOCATIONS_BY_PROVIDER {
            json!({"allocations": {id.clone(): {"resources": asked}}})
        } else {
            json!({"allocations": [{"resource_provider": {"uuid": id}, "resources": asked}]})
        };
        if request.version >= microversion::MAPPINGS {
            candidate["mappings"] = json!({"": [id]});
        }
        requests.push(candidate);
        let amounts: BTreeMap<&String, Json> = own
            .iter()
            .map(|(class, i)| {
                (class, json!({"capacity": i.capacity(), "used": used.get(class).unwrap_or(&0)}))
            })
            .collect();
        let mut summary = json!({"resources": amounts});
        if request.version >= microversion::CANDIDATE_TRAITS {
            summary["traits"] = json!(known.traits);
        }
        if request.version >= microversion::NESTED_CANDIDATES {
            summary["parent_provider_uuid"] = Json::Null;
            summary["root_provider_uuid"] = json!(id);
        }
        summaries.insert(id, summary);
    }
    Ok(Reply::ok(json!({"allocation_requests": requests, "provider_summaries": summaries})))
}
