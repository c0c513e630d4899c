//! The devices of a server over HTTP: attached volumes and network interfaces.

mod interfaces;
mod volumes;

use rest::Routes;

pub(crate) fn routes() -> Routes {
    volumes::routes().and(interfaces::routes())
}
