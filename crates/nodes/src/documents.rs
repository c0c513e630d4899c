//! Documents and what is seen of them, one row each.

use agent_api::{Document, DocumentKey, Kind, Report};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use store::{Error, Tx, Value};
use types::{HostId, Timestamp};

use crate::{hosts, signal};

/// The row that wants a document and is kicked by its reports: a reconciler's kind and a key of it.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'o> {
    /// `network::port`.
    pub kind: &'o str,
    /// The key.
    pub id: &'o str,
}

/// What a node last said about a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen<T> {
    /// Whether it has acted on the newest revision.
    pub current: bool,
    /// Whether the document is marked for removal.
    pub removing: bool,
    /// What it saw; `None` before the first report and while the thing is not there.
    pub seen: Option<T>,
    /// Why the thing cannot be made as wanted.
    pub error: Option<String>,
    /// When it looked, by its clock.
    pub at: Timestamp,
}

/// Wants this on a node. Putting what is there already changes nothing, so a reconciler may put on every step.
pub fn put<T: Serialize>(
    tx: &mut Tx<'_>,
    host: &HostId,
    kind: Kind,
    id: &str,
    body: &T,
    owner: Owner<'_>,
) -> Result<(), Error> {
    let body =
        serde_json::to_string(body).map_err(|e| Error::Internal(format!("cannot write a document: {e}")))?;
    let key = key_values(host, kind, id);
    let found = tx.rows("SELECT body FROM node_documents WHERE host = ? AND kind = ? AND id = ?", &key)?;
    let before = found.first().and_then(|row| row.first());
    if before.and_then(Value::text) == Some(body.as_str()) {
        return Ok(());
    }
    let revision = hosts::next_revision(tx, host)?;
    if before.is_some() {
        let sql = "UPDATE node_documents SET revision = ?, body = ?, work_kind = ?, work_id = ?, error = NULL \
                   WHERE host = ? AND kind = ? AND id = ?";
        let [host, kind, id] = key;
        tx.execute(sql, &[revision.into(), body.into(), owner.kind.into(), owner.id.into(), host, kind, id])?;
    } else {
        let sql = "INSERT INTO node_documents (host, kind, id, revision, body, work_kind, work_id, seen_revision, \
                   seen_at, seen, error) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, NULL, NULL)";
        let [host, kind, id] = key;
        tx.execute(sql, &[host, kind, id, revision.into(), body.into(), owner.kind.into(), owner.id.into()])?;
    }
    tx.signal(signal(host));
    Ok(())
}

/// Wants this no longer on a node. Without such a document, or when it is marked already, nothing happens.
pub fn remove(tx: &mut Tx<'_>, host: &HostId, kind: Kind, id: &str) -> Result<(), Error> {
    let key = key_values(host, kind, id);
    let sql = "SELECT 1 FROM node_documents WHERE host = ? AND kind = ? AND id = ? AND body IS NOT NULL";
    if tx.rows(sql, &key)?.is_empty() {
        return Ok(());
    }
    let revision = hosts::next_revision(tx, host)?;
    let [host_value, kind, id] = key;
    let sql = "UPDATE node_documents SET revision = ?, body = NULL WHERE host = ? AND kind = ? AND id = ?";
    tx.execute(sql, &[revision.into(), host_value, kind, id])?;
    tx.signal(signal(host));
    Ok(())
}

/// What the node last said about a document; `None` where there is no document, which is also what a finished removal
/// looks like.
pub fn seen<T: DeserializeOwned>(
    tx: &mut Tx<'_>,
    host: &HostId,
    kind: Kind,
    id: &str,
) -> Result<Option<Seen<T>>, Error> {
    let sql = "SELECT revision, seen_revision, seen_at, seen, error, body FROM node_documents \
               WHERE host = ? AND kind = ? AND id = ?";
    let rows = tx.rows(sql, &key_values(host, kind, id))?;
    let Some(row) = rows.first() else { return Ok(None) };
    let parse = |text: &str| {
        serde_json::from_str(text)
            .map_err(|e| Error::Internal(format!("cannot read a report of {}: {e}", kind.name())))
    };
    Ok(Some(Seen {
        current: row[0] == row[1],
        removing: row[5] == Value::Null,
        seen: row[3].text().map(parse).transpose()?,
        error: row[4].text().map(str::to_owned),
        at: Timestamp(row[2].int().unwrap_or(0)),
    }))
}

/// The hosts that have a document of this kind and id, those still removing it included.
pub fn hosts_of(tx: &mut Tx<'_>, kind: Kind, id: &str) -> Result<Vec<HostId>, Error> {
    let sql = "SELECT host FROM node_documents WHERE kind = ? AND id = ? ORDER BY host";
    let rows = tx.rows(sql, &[kind.name().into(), id.into()])?;
    Ok(rows.iter().filter_map(|row| row[0].text().map(HostId::from)).collect())
}

/// The documents of a host that changed after this revision, oldest first.
pub(crate) fn since(tx: &mut Tx<'_>, host: &HostId, revision: i64) -> Result<Vec<Document>, Error> {
    let sql = "SELECT kind, id, revision, body FROM node_documents WHERE host = ? AND revision > ? ORDER BY revision";
    let rows = tx.rows(sql, &[host.into(), revision.into()])?;
    rows.iter().map(|row| document(row)).collect()
}

fn document(row: &[Value]) -> Result<Document, Error> {
    let broken = || Error::Internal("a row of node_documents cannot be read".to_owned());
    let [Value::Text(kind), Value::Text(id), Value::Int(revision), body] = row else { return Err(broken()) };
    let kind = Kind::of_name(kind).ok_or_else(broken)?;
    let body: Option<Json> = body.text().map(serde_json::from_str).transpose().map_err(|_| broken())?;
    Ok(Document { key: DocumentKey { kind, id: id.clone() }, revision: *revision, body })
}

/// Takes in one report, kicks whoever wanted the document, and drops a removed document once its thing is gone.
pub(crate) fn accept(tx: &mut Tx<'_>, host: &HostId, report: &Report) -> Result<(), Error> {
    let key = key_values(host, report.key.kind, &report.key.id);
    let sql = "SELECT revision, body, work_kind, work_id, seen_revision, seen_at, seen, error FROM node_documents \
               WHERE host = ? AND kind = ? AND id = ?";
    let rows = tx.rows(sql, &key)?;
    // A report about a document that is gone: late, doubled, or about something the agent is cleaning up.
    let Some(row) = rows.first() else { return Ok(()) };
    let number = |n: usize| row[n].int().unwrap_or(0);
    if report.revision < number(4) || report.revision > number(0) {
        return Ok(());
    }
    let removed = row[1] == Value::Null
        && report.seen.is_none()
        && report.revision == number(0)
        && report.error.is_none();
    let seen = report.seen.as_ref().map(Json::to_string);
    let same = row[6].text() == seen.as_deref() && row[7].text() == report.error.as_deref();
    if same && !removed && report.revision == number(4) {
        return Ok(());
    }
    let [host, kind, id] = key;
    if removed {
        tx.execute("DELETE FROM node_documents WHERE host = ? AND kind = ? AND id = ?", &[host, kind, id])?;
    } else {
        let sql = "UPDATE node_documents SET seen_revision = ?, seen_at = ?, seen = ?, error = ? \
                   WHERE host = ? AND kind = ? AND id = ?";
        let (at, error) = (report.at.into(), report.error.as_ref().into());
        tx.execute(sql, &[report.revision.into(), at, seen.into(), error, host, kind, id])?;
    }
    let (work_kind, work_id) = (row[2].text().unwrap_or_default(), row[3].text().unwrap_or_default());
    tx.kick(work_kind, work_id)
}

fn key_values(host: &HostId, kind: Kind, id: &str) -> [Value; 3] {
    [host.into(), kind.name().into(), id.into()]
}
