//! `cuttle identity`: work on users and projects while the cloud is down.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use store::{Config as StoreConfig, Store};

use crate::cli::Which;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::schema;

/// Take over the users of a Keystone.
#[derive(Debug, Args)]
pub struct IdentityCommand {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Take over domains, projects, users with their passwords, groups, roles and assignments from Keystone's SQLite file;
    /// what was taken over before stays as it is
    Import(Import),
}

#[derive(Debug, Args)]
struct Import {
    #[command(flatten)]
    which: Which,
    /// The configuration, if the cloud has one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Let what is here stand for what has the same name there, instead of refusing
    #[arg(long)]
    merge: bool,
    /// Keystone's database
    file: PathBuf,
}

impl IdentityCommand {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let Act::Import(import) = self.act;
        import.run()
    }
}

impl Import {
    fn run(self) -> anyhow::Result<ExitCode> {
        let theirs = Store::open_foreign(&self.file)
            .with_context(|| format!("cannot open {}", self.file.display()))?;
        let snapshot = theirs.read_blocking(identity::snapshot).with_context(|| {
            format!("cannot read {}: it must be the SQLite file of a Keystone", self.file.display())
        })?;
        let config = Config::load(self.config.as_deref())?;
        let dir = DataDir::open(&self.which.data_dir)?;
        // A control plane that runs would go on believing what it remembers.
        let _lock = dir.lock()?;
        let database = config.database.map_or_else(|| StoreConfig::File(dir.database()), StoreConfig::Url);
        let store = Store::open(&database).context("cannot open the database")?;
        store.migrate(schema::MIGRATIONS).context("cannot bring the database's schema up to date")?;
        let merge = self.merge;
        let done = store.write_blocking(move |tx| identity::import(tx, snapshot.clone(), merge)).context(
            "nothing was taken over; rename one side, or let what is here stand for the rest with --merge",
        )?;
        writeln!(std::io::stdout(), "{done}")?;
        Ok(ExitCode::SUCCESS)
    }
}
