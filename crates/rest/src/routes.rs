//! A service's routes: a table of method, path, what it needs and the handler.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use http::Method;
use store::{Tx, TxError};

use crate::audit::Audit;
use crate::server::whole;
use crate::{Answered, Fault, FaultStyle, Microversions, Reply, Request};

/// What a client is told while the database cannot be used: it is lost, or its disk is full.
const UNAVAILABLE: &str = "The service is not able to use its database. Try again later.";
const UNEXPECTED: &str = "An unexpected error prevented the server from fulfilling your request.";

/// What is left of an error once its service's type is forgotten at the crate's border.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) status: u16,
    pub(crate) name: &'static str,
    pub(crate) message: String,
    pub(crate) detail: Option<String>,
    pub(crate) store: Option<store::Error>,
}

impl Failed {
    pub(crate) fn of<E: Fault + TxError>(error: &E) -> Failed {
        let store = error.store_error().cloned();
        // A full disk or a lost database is worth trying again later; a client can tell that from 503.
        let (status, message) = match &store {
            Some(store::Error::Unavailable(_)) => (503, UNAVAILABLE.to_owned()),
            _ => (error.status(), error.message()),
        };
        Failed { status, name: error.name(), message, detail: error.detail(), store }
    }
}

impl From<store::Error> for Failed {
    fn from(error: store::Error) -> Failed {
        let (status, name, message) = match &error {
            store::Error::Unavailable(_) => (503, "ServiceUnavailable", UNAVAILABLE),
            _ => (500, "InternalServerError", UNEXPECTED),
        };
        let detail = Some(error.to_string());
        Failed { status, name, message: message.to_owned(), detail, store: Some(error) }
    }
}

impl TxError for Failed {
    fn store_error(&self) -> Option<&store::Error> {
        self.store.as_ref()
    }
}

type SyncHandler = dyn Fn(&Request, &mut Tx<'_>) -> Result<Reply, Failed> + Send + Sync;

/// A handler that does slow work around its transactions: a login, an upload, a download. It gets the body unread.
pub(crate) type AsyncHandler =
    dyn Fn(Request, Body) -> Pin<Box<dyn Future<Output = Result<Reply, Failed>> + Send>> + Send + Sync;

#[derive(Clone)]
pub(crate) enum Handler {
    Read(Arc<SyncHandler>),
    Write(Arc<SyncHandler>),
    Async(Arc<AsyncHandler>),
}

#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) open: bool,
    pub(crate) handler: Handler,
}

/// The routes of one service.
#[derive(Clone, Default)]
pub struct Routes {
    pub(crate) list: Vec<Route>,
    pub(crate) audit: Option<Audit>,
}

impl Routes {
    /// No routes yet.
    pub fn new() -> Routes {
        Routes::default()
    }

    /// A GET answered from a snapshot; needs a token.
    #[must_use]
    pub fn get<E: Fault + TxError>(
        self,
        path: &str,
        handler: impl Fn(&Request, &mut Tx<'_>) -> Result<Reply, E> + Send + Sync + 'static,
    ) -> Routes {
        self.add(Method::GET, path, false, Handler::Read(erased(handler)))
    }

    /// A GET that needs no token: version documents.
    #[must_use]
    pub fn open<E: Fault + TxError>(
        self,
        path: &str,
        handler: impl Fn(&Request, &mut Tx<'_>) -> Result<Reply, E> + Send + Sync + 'static,
    ) -> Routes {
        self.add(Method::GET, path, true, Handler::Read(erased(handler)))
    }

    /// A request that writes, in a transaction that is committed when the handler returns `Ok`; needs a token.
    #[must_use]
    pub fn write<E: Fault + TxError>(
        self,
        method: Method,
        path: &str,
        handler: impl Fn(&Request, &mut Tx<'_>) -> Result<Reply, E> + Send + Sync + 'static,
    ) -> Routes {
        self.add(method, path, false, Handler::Write(erased(handler)))
    }

    /// A POST that writes.
    #[must_use]
    pub fn post<E: Fault + TxError>(
        self,
        path: &str,
        handler: impl Fn(&Request, &mut Tx<'_>) -> Result<Reply, E> + Send + Sync + 'static,
    ) -> Routes {
        self.write(Method::POST, path, handler)
    }

    /// A PUT that writes.
    #[must_use]
    pub fn put<E: Fault + TxError>(
        self,
        path: &str,
        handler: impl Fn(&Request, &mut Tx<'_>) -> Result<Reply, E> + Send + Sync + 'static,
    ) -> Routes {
        self.write(Method::PUT, path, handler)
    }

    /// A PATCH that writes.
    #[must_use]
    pub fn patch<E: Fault + TxError>(
        self,
        path: &str,
        handler: impl Fn(&Request, &mut Tx<'_>) -> Result<Reply, E> + Send + Sync + 'static,
    ) -> Routes {
        self.write(Method::PATCH, path, handler)
    }

    /// A DELETE that writes.
    #[must_use]
    pub fn delete<E: Fault + TxError>(
        self,
        path: &str,
        handler: impl Fn(&Request, &mut Tx<'_>) -> Result<Reply, E> + Send + Sync + 'static,
    ) -> Routes {
        self.write(Method::DELETE, path, handler)
    }

    /// A request whose handler is asynchronous and sees the body's stream; `open` if it needs no token (a login).
    #[must_use]
    pub fn stream<F, E>(
        self,
        method: Method,
        path: &str,
        open: bool,
        handler: impl Fn(Request, Body) -> F + Send + Sync + 'static,
    ) -> Routes
    where
        F: Future<Output = Result<Reply, E>> + Send + 'static,
        E: Fault + TxError,
    {
        let handler: Arc<AsyncHandler> = Arc::new(move |request, body| {
            let answer = handler(request, body);
            Box::pin(async move { answer.await.map_err(|error| Failed::of(&error)) })
        });
        self.add(method, path, open, Handler::Async(handler))
    }

    /// As [`Routes::stream`], for a body that is no upload: it is read before the handler runs.
    #[must_use]
    pub fn slow<F, E>(
        self,
        method: Method,
        path: &str,
        open: bool,
        handler: impl Fn(Request) -> F + Send + Sync + 'static,
    ) -> Routes
    where
        F: Future<Output = Result<Reply, E>> + Send + 'static,
        E: Fault + TxError,
    {
        let run = Arc::new(handler);
        let handler: Arc<AsyncHandler> = Arc::new(move |mut request, body| {
            let run = run.clone();
            Box::pin(async move {
                request.body = whole(body).await?;
                run(request).await.map_err(|error| Failed::of(&error))
            })
        });
        self.add(method, path, open, Handler::Async(handler))
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, more: Routes) -> Routes {
        self.list.extend(more.list);
        self
    }

    /// With a record of every answer to a request that is no mere look: all methods but GET and HEAD, and logins by GET.
    #[must_use]
    pub fn audited(mut self, audit: impl Fn(&Answered<'_>) + Send + Sync + 'static) -> Routes {
        self.audit = Some(Arc::new(audit));
        self
    }

    /// All of them again below `prefix`, beside the originals: Cinder's `/{project_id}/volumes`.
    #[must_use]
    pub fn also_below(mut self, prefix: &str) -> Routes {
        let copies =
            self.list.iter().map(|route| Route { path: format!("{prefix}{}", route.path), ..route.clone() });
        let copies: Vec<Route> = copies.collect();
        self.list.extend(copies);
        self
    }

    /// All of them below `prefix`.
    #[must_use]
    pub fn below(mut self, prefix: &str) -> Routes {
        for route in &mut self.list {
            route.path = format!("{prefix}{}", route.path);
        }
        self
    }

    /// Method and path of each, for completeness tests.
    pub fn table(&self) -> Vec<(Method, String)> {
        self.list.iter().map(|route| (route.method.clone(), route.path.clone())).collect()
    }

    fn add(mut self, method: Method, path: &str, open: bool, handler: Handler) -> Routes {
        self.list.push(Route { method, path: path.to_owned(), open, handler });
        self
    }
}

/// A service as `cuttle` wires it up.
pub struct Service {
    /// Where it is: `/network`.
    pub prefix: &'static str,
    /// The types under which the catalog has it.
    pub types: &'static [&'static str],
    /// The shape of its faults.
    pub faults: FaultStyle,
    /// Its microversions, if it has any.
    pub microversions: Option<Microversions>,
    /// Its routes, whose paths follow the prefix.
    pub routes: Routes,
}

/// Forgets the service's error type.
fn erased<E: Fault + TxError>(
    handler: impl Fn(&Request, &mut Tx<'_>) -> Result<Reply, E> + Send + Sync + 'static,
) -> Arc<SyncHandler> {
    Arc::new(move |request, tx| handler(request, tx).map_err(|error| Failed::of(&error)))
}
