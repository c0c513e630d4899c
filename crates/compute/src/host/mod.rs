//! The cloud's hosts as operators and, a little, as owners see them: services, hypervisors, availability zones.

mod api;
mod hypervisors;

use rest::Routes;

pub(crate) fn routes() -> Routes {
    api::routes().and(hypervisors::routes())
}
