//! PostgreSQL and MariaDB for the tests: Debian's programs, unpacked or installed, on data folders of their own.
//!
//! They listen on a loopback port that the kernel chose, ask for a password that only this run knows, and end with it.

use std::fs::{self, File};
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::clock;
use crate::project::{self, Outcome, doing, failed};

const START_SECONDS: f64 = 30.0;
const STOP_SECONDS: f64 = 10.0;

/// Servers that run until this is dropped.
pub struct Databases {
    servers: Vec<Server>,
    folder: PathBuf,
}

/// One server: how tests reach it, and its process.
struct Server {
    variable: &'static str,
    url: String,
    /// What it takes as a wish to end at once, whoever is connected.
    signal: &'static str,
    process: Child,
}

impl Databases {
    /// Starts what can be started, and says what cannot.
    pub fn start() -> Databases {
        let folder = std::env::temp_dir().join(format!("cuttle-databases-{}", std::process::id()));
        let mut servers = Vec::new();
        for (name, start) in [("PostgreSQL", postgres as fn(&Path) -> Outcome<Server>), ("MariaDB", mariadb)]
        {
            match start(&folder.join(name)) {
                Ok(server) => servers.push(server),
                Err(why) => println!("test: {name} is not running, its tests will be skipped: {why}"),
            }
        }
        Databases { servers, folder }
    }

    /// Gives the addresses to a command by environment variables.
    pub fn describe_to(&self, command: &mut Command) {
        for server in &self.servers {
            command.env(server.variable, &server.url);
        }
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        for server in &mut self.servers {
            server.end();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Where packages were unpacked without being installed, and the system itself.
fn roots() -> [PathBuf; 2] {
    [project::cache().join("databases"), PathBuf::from("/")]
}

/// The newest program of that name, below a root or below its version folders.
fn find(name: &str) -> Outcome<(PathBuf, PathBuf)> {
    for root in roots() {
        let mut folders = vec![root.join("usr/sbin"), root.join("usr/bin")];
        let versions = fs::read_dir(root.join("usr/lib/postgresql")).into_iter().flatten().flatten();
        folders.extend(versions.map(|entry| entry.path().join("bin")));
        folders.sort();
        if let Some(program) = folders.iter().rev().map(|f| f.join(name)).find(|p| p.exists()) {
            return Ok((root, program));
        }
    }
    Err(failed(format!("there is no {name}; ./x test brings it")))
}

/// A command with its libraries found, as an ordinary user: these servers refuse to be root. A user namespace changes
/// who they think they are and leaves them what root may read.
fn ordinary(root: &Path, program: &Path) -> Command {
    let mut command = if project::is_root() {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-user=1000", "--map-group=1000", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    let libraries = root.join("usr/lib/x86_64-linux-gnu");
    if root != Path::new("/") {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command.stdin(Stdio::null());
    command
}

fn postgres(folder: &Path) -> Outcome<Server> {
    let (root, initdb) = find("initdb")?;
    let (_, program) = find("postgres")?;
    let (password, port) = (password()?, free_port()?);
    doing("cannot make a data folder", fs::create_dir_all(folder))?;
    let (secret, data) = (folder.join("password"), folder.join("data"));
    doing("cannot write a password", fs::write(&secret, &password))?;
    let mut make = ordinary(&root, &initdb);
    make.args([
        "--auth=scram-sha-256",
        "--username=cuttle",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
    ]);
    make.arg("--pwfile").arg(&secret).arg("--pgdata").arg(&data);
    project::output(&mut make)?;
    let mut serve = ordinary(&root, &program);
    serve.arg("-D").arg(&data).arg("-k").arg(folder).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    // Tests ask what is committed, not what survives a power cut.
    for setting in ["fsync=off", "full_page_writes=off", "max_connections=200"] {
        serve.args(["-c", setting]);
    }
    let url = format!("postgres://cuttle:{password}@127.0.0.1:{port}/postgres");
    serve_until_ready(
        serve,
        folder,
        "database system is ready",
        Server::of("CUTTLE_TEST_POSTGRES", "INT", url),
    )
}

fn mariadb(folder: &Path) -> Outcome<Server> {
    let (root, program) = find("mariadbd")?;
    let (_, install) = find("mariadb-install-db")?;
    let (password, port) = (password()?, free_port()?);
    doing("cannot make a data folder", fs::create_dir_all(folder))?;
    let data = folder.join("data");
    let mut make = ordinary(&root, &install);
    make.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
    // The script wants an equals sign.
    make.arg(format!("--basedir={}", root.join("usr").display()))
        .arg(format!("--datadir={}", data.display()));
    project::output(&mut make)?;
    let accounts = folder.join("accounts.sql");
    let statements = format!(
        "CREATE USER 'cuttle'@'127.0.0.1' IDENTIFIED BY '{password}';\n\
         GRANT ALL ON *.* TO 'cuttle'@'127.0.0.1' WITH GRANT OPTION;\n"
    );
    doing("cannot write accounts", fs::write(&accounts, statements))?;
    let mut serve = ordinary(&root, &program);
    serve.arg("--no-defaults").arg("--basedir").arg(root.join("usr")).arg("--datadir").arg(&data);
    serve.arg("--socket").arg(folder.join("socket")).arg("--pid-file").arg(folder.join("pid"));
    serve.arg("--init-file").arg(&accounts).args(["--bind-address=127.0.0.1", "--skip-name-resolve"]);
    serve.arg(format!("--port={port}"));
    serve.args(["--innodb-flush-log-at-trx-commit=0", "--max-connections=200"]);
    let url = format!("mysql://cuttle:{password}@127.0.0.1:{port}/mysql");
    serve_until_ready(serve, folder, "ready for connections", Server::of("CUTTLE_TEST_MARIADB", "TERM", url))
}

impl Server {
    fn of(variable: &'static str, signal: &'static str, url: String) -> impl FnOnce(Child) -> Server {
        move |process| Server { variable, url, signal, process }
    }

    /// Ends it as it wants to be ended: a killed PostgreSQL leaves shared memory behind.
    fn end(&mut self) {
        let asked = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", self.signal])
            .arg(self.process.id().to_string())
            .status();
        let ended = asked.is_ok_and(|s| s.success())
            && clock::poll(STOP_SECONDS, || self.process.try_wait().ok().flatten()).is_some();
        if !ended {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

fn serve_until_ready(
    mut command: Command,
    folder: &Path,
    sign: &str,
    server: impl FnOnce(Child) -> Server,
) -> Outcome<Server> {
    let log = folder.join("log");
    let file = doing("cannot write a log", File::create(&log))?;
    let copy = doing("cannot write a log", file.try_clone())?;
    command.stdout(file).stderr(copy);
    let mut process = doing(format!("cannot start {}", project::line(&command)), command.spawn())?;
    let mut ended = false;
    let ready = clock::poll(START_SECONDS, || {
        let said = fs::read_to_string(&log).unwrap_or_default();
        ended = process.try_wait().ok().flatten().is_some();
        (ended || said.contains(sign)).then_some(said.contains(sign))
    });
    if ready == Some(true) {
        return Ok(server(process));
    }
    let _ = process.kill();
    let _ = process.wait();
    let said = fs::read_to_string(&log).unwrap_or_default();
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    Err(failed(format!("it does not start: {}", last.into_iter().rev().collect::<Vec<_>>().join(" / "))))
}

fn free_port() -> Outcome<u16> {
    let bound = doing("cannot bind a loopback port", TcpListener::bind("127.0.0.1:0"))?;
    Ok(doing("cannot read a port", bound.local_addr())?.port())
}

fn password() -> Outcome<String> {
    let mut bytes = [0u8; 12];
    let read = File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut bytes));
    doing("cannot read random bytes", read)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}
