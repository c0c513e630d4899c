//! The transaction as services see it.

use std::time::Duration;

use types::Timestamp;

use crate::database::Connection;
use crate::{Error, Value};

/// Something that somebody may wait for, told after the commit: `work` for due work, `node/NAME` for new documents.
pub type Signal = String;

/// An open transaction over all tables. It never outlives the function it was given to.
pub struct Tx<'c> {
    conn: &'c mut dyn Connection,
    now: Timestamp,
    signals: Vec<Signal>,
    request_id: Option<String>,
    /// The first error of the database. Nothing reaches it after that, for some databases end the transaction then
    /// and would take the rest for one of its own.
    failure: Option<Error>,
}

impl<'c> Tx<'c> {
    pub(crate) fn new(conn: &'c mut dyn Connection) -> Tx<'c> {
        Tx { conn, now: runtime::now(), signals: Vec::new(), request_id: None, failure: None }
    }

    /// The one time that this transaction knows.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Notes the request that this is done for.
    pub fn is_for(&mut self, request_id: &str) {
        self.request_id = Some(request_id.to_owned());
    }

    /// The request that this is done for; none in a reconciler's step.
    pub fn request_id(&self) -> Option<String> {
        self.request_id.clone()
    }

    /// Runs a statement with `?` placeholders and tells how many rows it changed. Only `store.rs` files call this.
    pub fn execute(&mut self, sql: &str, args: &[Value]) -> Result<u64, Error> {
        self.ask(|conn| conn.execute(sql, args))
    }

    /// Runs a query with `?` placeholders. Only `store.rs` files call this.
    pub fn rows(&mut self, sql: &str, args: &[Value]) -> Result<Vec<Vec<Value>>, Error> {
        self.ask(|conn| conn.rows(sql, args))
    }

    /// Runs a query for one column of text, and shows each row's to `each`.
    pub(crate) fn texts(
        &mut self,
        sql: &str,
        args: &[Value],
        mut each: impl FnMut(&str),
    ) -> Result<(), Error> {
        self.ask(|conn| conn.texts(sql, args, &mut each))
    }

    pub(crate) fn script(&mut self, sql: &str) -> Result<(), Error> {
        self.ask(|conn| conn.script(sql))
    }

    fn ask<T>(
        &mut self,
        statement: impl FnOnce(&mut dyn Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        statement(self.conn).inspect_err(|error| self.failure = Some(error.clone()))
    }

    /// Whether other processes may work on the database at the same time, so that what touches rows of many is better done
    /// apart from what somebody waits for.
    pub fn is_shared(&self) -> bool {
        self.conn.is_shared()
    }

    pub(crate) fn skip_locked(&self) -> &'static str {
        self.conn.skip_locked()
    }

    /// Tells whoever listens for `signal`, once the transaction is committed.
    pub fn signal(&mut self, signal: impl Into<Signal>) {
        let signal = signal.into();
        if !self.signals.contains(&signal) {
            self.signals.push(signal);
        }
    }

    /// Makes the work `(kind, id)` due now, in the same commit as the wish that needs it.
    pub fn kick(&mut self, kind: &str, id: impl ToString) -> Result<(), Error> {
        crate::work::kick(self, kind, &id.to_string())
    }

    /// Makes the work `(kind, id)` due after this long, or when it is due earlier, and wakes nobody: for who has done its
    /// first step and waits for an answer that will kick it.
    pub fn look_after(&mut self, kind: &str, id: impl ToString, after: Duration) -> Result<(), Error> {
        crate::work::look_after(self, kind, &id.to_string(), after)
    }

    pub(crate) fn into_end(self) -> (Vec<Signal>, Option<Error>) {
        (self.signals, self.failure)
    }
}
