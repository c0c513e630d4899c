//! HTTP for all services: routing, JSON in and out, microversions, paging, request ids and fault bodies.
//!
//! A service gives a [`Service`]: its prefix, its microversions, its style of faults and its [`Routes`]. A handler is a
//! plain function `fn(&Request, &mut Tx) -> Result<Reply, E>`; the wrapper here checks the token, opens the
//! transaction, commits it when the handler returns `Ok`, and turns an error into the body that the service's clients
//! parse. No other crate but `*/api.rs` files sees a status code.

mod audit;
mod fault;
mod fields;
mod microversion;
mod page;
mod reply;
mod request;
mod routes;
mod server;
#[cfg(test)]
mod tests;
mod upload;

pub use audit::Answered;
pub use axum::body::{Body, Bytes};
pub use fault::{Fault, FaultStyle};
pub use fields::{Fields, InvalidBody};
pub use http::{HeaderMap, Method};
pub use microversion::{Microversion, Microversions};
pub use page::{Page, encoded, sort_of};
pub use reply::{BodyStream, Reply, ReplyBody};
pub use request::Request;
pub use routes::{Routes, Service};
pub use server::{Authenticate, Cloud, Rejected, router};
pub use upload::next_chunk;
