//! Reading the body of an upload piece by piece.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;

use crate::InvalidBody;

/// A client that sends nothing for this long has gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// The next bytes of a body; `None` once it has come to its end. A body that breaks off is an error.
pub async fn next_chunk(body: &mut Body) -> Option<Result<Bytes, InvalidBody>> {
    loop {
        let frame = match tokio::time::timeout(SILENCE_MAX, body.frame()).await {
            Ok(frame) => frame?,
            Err(_) => return Some(Err(InvalidBody::at("", "The client stopped sending its body."))),
        };
        match frame.map(|frame| frame.into_data()) {
            Ok(Ok(bytes)) => return Some(Ok(bytes)),
            // Trailers say nothing here.
            Ok(Err(_)) => {}
            Err(_) => return Some(Err(InvalidBody::at("", "The body ended before it was whole."))),
        }
    }
}
