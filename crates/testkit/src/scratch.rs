//! A database of a test's own on one of the database servers.

use store::{Config, Store};

/// The servers that `./x test` starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    Maria,
}

/// A database of its own on a server, dropped with this.
pub struct Scratch {
    /// What it is on.
    pub kind: Server,
    /// A connection to the whole server.
    pub admin: Store,
    name: String,
    url: String,
}

impl Scratch {
    /// None, and a line that says so, if there is no server; `test` is who asks.
    pub fn make(kind: Server, test: &str) -> Option<Scratch> {
        let variable = match kind {
            Server::Postgres => "CUTTLE_TEST_POSTGRES",
            Server::Maria => "CUTTLE_TEST_MARIADB",
        };
        let Ok(server) = std::env::var(variable) else {
            println!("skipped: {test}: {variable} names no server; ./x test starts one");
            return None;
        };
        let name = format!("cuttle_{}", runtime::new_uuid().simple());
        let (base, _) = server.rsplit_once('/').unwrap();
        let (make, url) = match kind {
            Server::Postgres => ("SCHEMA", format!("{server}?options[search_path]={name}")),
            Server::Maria => ("DATABASE", format!("{base}/{name}")),
        };
        let admin = Store::open(&Config::Url(server.clone())).unwrap();
        let sql = format!("CREATE {make} {name}");
        admin.write_blocking(move |tx| tx.execute(&sql, &[])).unwrap();
        Some(Scratch { kind, admin, name, url })
    }

    /// A replica's view of it.
    pub fn open(&self) -> Store {
        Store::open(&Config::Url(self.url.clone())).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let sql = match self.kind {
            Server::Postgres => format!("DROP SCHEMA {} CASCADE", self.name),
            Server::Maria => format!("DROP DATABASE {}", self.name),
        };
        let dropped = self.admin.write_blocking(move |tx| tx.execute(&sql, &[]));
        assert!(dropped.is_ok() || std::thread::panicking(), "{dropped:?}");
    }
}
