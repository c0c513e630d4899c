//! A cache that is not there, over HTTP.

use policy::Target;
use rest::{Reply, Request, Routes};
use store::Tx;

use crate::error::Error;
use crate::image::api::image_id;
use crate::image::ops::show;
use crate::policy::RULES;

/// The routes of the cache.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/v2/cache", |request, _tx| absent(request, "cache_list"))
        .delete("/v2/cache", |request, _tx| absent(request, "cache_delete"))
        .put("/v2/cache/{id}", |request, tx| of_image(request, tx, "cache_image"))
        .delete("/v2/cache/{id}", |request, tx| of_image(request, tx, "cache_delete"))
        .get("/v2/cache/nodes/{id}", |request, _tx| absent(request, "list_cached_nodes"))
        .post("/v2/cache/clean", |request, _tx| absent(request, "cache_clean"))
        .post("/v2/cache/prune", |request, _tx| absent(request, "cache_prune"))
}

fn absent(request: &Request, rule: &str) -> Result<Reply, Error> {
    RULES.check(rule, request.caller(), &Target::default())?;
    Err(Error::NoSuch("Caching via API is not supported at this site.".to_owned()))
}

fn of_image(request: &Request, tx: &mut Tx<'_>, rule: &str) -> Result<Reply, Error> {
    let id = request.param("id").to_owned();
    let found = image_id(request).and_then(|id| show(request.caller(), tx, id));
    found.map_err(|_| Error::NoSuch(format!("Image {id} not found.")))?;
    absent(request, rule)
}
