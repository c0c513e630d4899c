//! What a handler answers.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use http_body::Frame;
use serde::Serialize;
use serde_json::Value as Json;

/// Bytes that come while the answer is being sent. An error cuts the connection, so that the client notices.
pub type BodyStream = Box<dyn Iterator<Item = std::io::Result<Vec<u8>>> + Send>;

/// The body of an answer.
pub enum ReplyBody {
    /// Nothing.
    Empty,
    /// A JSON document.
    Json(Json),
    /// Text or bytes of the type named by the header `content-type`.
    Bytes(Vec<u8>),
    /// Chunks, read on a blocking thread; with the length if it is known.
    Stream(BodyStream, Option<u64>),
}

/// An answer.
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers beside those that every answer has.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: ReplyBody,
}

impl Reply {
    /// An answer of this status with a JSON body.
    pub fn json(status: u16, body: Json) -> Reply {
        Reply { status, headers: Vec::new(), body: ReplyBody::Json(body) }
    }

    /// 200 with a JSON body.
    pub fn ok(body: Json) -> Reply {
        Reply::json(200, body)
    }

    /// 200 with a JSON body that is written at once: for long lists, whose objects need no document of their own.
    pub fn written(body: &impl Serialize) -> Reply {
        let bytes = serde_json::to_vec(body).unwrap_or_default();
        let reply = Reply { status: 200, headers: Vec::new(), body: ReplyBody::Bytes(bytes) };
        reply.header("content-type", "application/json")
    }

    /// 201 with a JSON body.
    pub fn created(body: Json) -> Reply {
        Reply::json(201, body)
    }

    /// 202 with a JSON body.
    pub fn accepted(body: Json) -> Reply {
        Reply::json(202, body)
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Reply {
        Reply { status, headers: Vec::new(), body: ReplyBody::Empty }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }
}

/// The chunks of a download on their way from the thread that reads them.
pub(crate) struct Chunks(pub(crate) tokio::sync::mpsc::Receiver<std::io::Result<Vec<u8>>>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(cx).map(|chunk| chunk.map(|read| read.map(|bytes| Frame::data(bytes.into()))))
    }
}
