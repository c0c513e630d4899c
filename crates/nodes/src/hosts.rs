//! The registry of hosts: what each offers and when it was last heard of.

use std::time::Duration;

use agent_api::NodeFacts;
use serde::{Deserialize, Serialize};
use store::{Error, Select, Stored, Table, Tx};
use types::{HostId, Timestamp};

/// A host that was not heard of for this long is down.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub id: HostId,
    /// What it offers.
    pub facts: NodeFacts,
    /// When its agent was last heard of.
    pub heard_at: Timestamp,
    /// When it joined.
    pub created_at: Timestamp,
    /// The revision of its newest document.
    pub documents_revision: i64,
    /// How often its agent has connected: the number of the connection that counts.
    #[serde(default)]
    pub connections: u64,
    /// Whether new servers may be placed on it.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Why not, in the operator's words.
    #[serde(default)]
    pub disabled_reason: Option<String>,
}

fn yes() -> bool {
    true
}

impl Host {
    /// Whether the agent was heard of lately.
    pub fn is_up(&self, now: Timestamp) -> bool {
        now.since(self.heard_at) <= SILENCE_MAX
    }
}

static HOSTS: Table<Host> =
    Table { name: "node_hosts", id: |h| h.id.as_str().into(), columns: &[], unique: &[] };

/// All hosts.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<Stored<Host>>, Error> {
    HOSTS.query(tx, &Select::all().order("id", store::Direction::Asc))
}

/// The host of this name.
pub fn load(tx: &mut Tx<'_>, id: &HostId) -> Result<Option<Stored<Host>>, Error> {
    HOSTS.load(tx, id)
}

/// Writes a host back.
pub fn save(tx: &mut Tx<'_>, host: &mut Stored<Host>) -> Result<(), Error> {
    HOSTS.save(tx, host)
}

/// Notes that a host said hello or gave a sign of life; it is added if it is new. Tells whether its facts are news.
pub fn heard(tx: &mut Tx<'_>, id: &HostId, facts: Option<&NodeFacts>) -> Result<bool, Error> {
    let now = tx.now();
    let Some(mut host) = load(tx, id)? else {
        let facts = facts.cloned().unwrap_or_default();
        let enabled = true;
        let host = Host {
            id: id.clone(),
            facts,
            heard_at: now,
            created_at: now,
            documents_revision: 0,
            connections: 1,
            enabled,
            disabled_reason: None,
        };
        HOSTS.insert(tx, host)?;
        return Ok(true);
    };
    let news = facts.is_some_and(|facts| *facts != host.facts);
    if let Some(facts) = facts {
        host.facts = facts.clone();
        host.connections += 1;
    }
    host.heard_at = now;
    save(tx, &mut host)?;
    Ok(news)
}

/// The number of this host's next document.
pub(crate) fn next_revision(tx: &mut Tx<'_>, id: &HostId) -> Result<i64, Error> {
    let Some(mut host) = load(tx, id)? else {
        return Err(Error::Internal(format!("no host {id}")));
    };
    host.documents_revision += 1;
    save(tx, &mut host)?;
    Ok(host.documents_revision)
}
