//! Goldens recorded with the original: a Keystone of this run's own answers the requests of the identity service's
//! conversations.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::clock;
use crate::project::{self, Failure, Outcome, cargo, doing, failed};

const USAGE: &str = "golden takes --against keystone";
/// Its schema has a long history, which is run through.
const START_SECONDS: f64 = 120.0;

/// A Keystone that ends when this is dropped, data and all.
pub struct Keystone {
    process: Child,
    folder: PathBuf,
    /// Where it answers: scheme, host and port.
    pub url: String,
}

/// Records the identity service's conversations anew.
pub fn run(arguments: &[String]) -> Outcome {
    if arguments != ["--against", "keystone"] {
        return Err(Failure::Usage(USAGE.into()));
    }
    let keystone = Keystone::start(1)?;
    println!("recording what Keystone answers at {}", keystone.url);
    let mut record = cargo(&["test", "-p", "identity", "--lib", "record_the_original"]);
    project::run(record.env("CUTTLE_ORIGINAL", &keystone.url))
}

impl Keystone {
    /// Starts a fresh one, which works in this many processes.
    pub fn start(processes: usize) -> Outcome<Keystone> {
        let python = python()?;
        let folder = std::env::temp_dir().join(format!("cuttle-keystone-{}", std::process::id()));
        doing("cannot make a folder for Keystone", fs::create_dir_all(&folder))?;
        let said = folder.join("said");
        let out = doing("cannot write what Keystone says", File::create(&said))?;
        let errors = doing("cannot write what Keystone says", out.try_clone())?;
        let mut command = Command::new(python);
        command.arg(project::root().join("xtask/original.py")).arg(&folder);
        command.args(["0", &processes.to_string()]).stdin(Stdio::null()).stdout(out).stderr(errors);
        let process = doing("cannot start Keystone", command.spawn())?;
        let mut keystone = Keystone { process, folder, url: String::new() };
        let mut ended = false;
        let ready = clock::poll(START_SECONDS, || {
            ended = keystone.process.try_wait().ok().flatten().is_some();
            let said = fs::read_to_string(&said).unwrap_or_default();
            let url = said.lines().find_map(|line| line.strip_prefix("ready ")).map(str::to_owned);
            (ended || url.is_some()).then_some(url)
        });
        keystone.url = ready.flatten().ok_or_else(|| {
            let said = fs::read_to_string(&said).unwrap_or_default();
            failed(format!("Keystone does not start: {}", said.lines().last().unwrap_or("it says nothing")))
        })?;
        Ok(keystone)
    }
}

impl Drop for Keystone {
    fn drop(&mut self) {
        // Asked and not killed, for it has processes of its own to end.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The Python that has Keystone, made now if there is none or an older one.
fn python() -> Outcome<PathBuf> {
    let wanted = project::root().join("xtask/keystone-requirements.txt");
    let home = project::cache().join("keystone");
    let (python, made_from) = (home.join("bin/python"), home.join("made-from"));
    let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    if text(&made_from) == text(&wanted) {
        return Ok(python);
    }
    println!("installing Keystone into {}", home.display());
    let _ = fs::remove_dir_all(&home);
    project::run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    let mut install = Command::new(&python);
    install
        .args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input", "-r"])
        .arg(&wanted);
    project::run(&mut install)?;
    doing("cannot note what Keystone was made from", fs::copy(&wanted, made_from))?;
    Ok(python)
}
