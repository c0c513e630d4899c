//! Originals of our services: a Keystone, Glance or Cinder of a run's own. The newest of PyPI answers the requests of the
//! conversations of the service that is to be like it, which are its goldens; those of the system's packages are asked the
//! same, and measured.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::clock;
use crate::packages::Packages;
use crate::project::{self, Failure, Outcome, cargo, doing, failed};
use crate::python::python;

const USAGE: &str =
    "golden takes --against keystone, or --against glance or --against cinder with or without --packaged";
/// Its schema has a long history, which is run through.
const START_SECONDS: f64 = 120.0;

/// What shows that an original's packages are there, with what Cinder's processes talk over.
const PACKAGED: [&str; 5] = [
    "usr/bin/glance-api",
    "usr/bin/cinder-api",
    "usr/bin/cinder-volume",
    "usr/bin/uwsgi-core",
    "usr/lib/rabbitmq",
];

/// A service that one of ours is to be like, or a way to run it.
#[derive(Clone, Copy)]
pub struct Kind {
    /// What it is called, here and on the command line.
    pub name: &'static str,
    /// The program that runs it, in `xtask/originals`.
    script: &'static str,
    /// Which of our crates is to be like it.
    of: &'static str,
    /// The tests that ask it.
    tests: &'static str,
}

/// The original of the identity service.
pub const KEYSTONE: Kind =
    Kind { name: "keystone", script: "serve_keystone.py", of: "identity", tests: "upstream" };
/// The original of the image service.
pub const GLANCE: Kind = Kind { name: "glance", script: "serve_glance.py", of: "image", tests: "upstream" };
/// The original of the block-storage service, whose volumes are files.
pub const CINDER: Kind =
    Kind { name: "cinder", script: "serve_cinder.py", of: "block-storage", tests: "upstream::working" };
/// Its API alone: what is asked for stays asked for.
const CINDER_ALONE: Kind =
    Kind { name: "cinder", script: "serve_cinder_alone.py", of: "block-storage", tests: "upstream" };

/// An original that ends when this is dropped, data and all.
pub struct Original {
    process: Child,
    folder: PathBuf,
    /// Where it answers: scheme, host and port.
    pub url: String,
    /// What it is called, its version included.
    name: String,
}

/// Which original of a name.
#[derive(Clone, Copy)]
pub enum Edition {
    /// The newest of PyPI.
    Newest,
    /// The one in this system's packages.
    Packaged,
}

/// What an original is for.
#[derive(Clone, Copy)]
pub enum Purpose {
    /// Its answers: a request waits for what the one before it began.
    Recorded,
    /// Its speed: in a process for each processor, if it can be more than one, or as its packages run it.
    Measured,
}

impl Edition {
    /// The Python that has the original's modules.
    fn python(self, name: &str) -> Outcome<Command> {
        if let Edition::Newest = self {
            return Ok(Command::new(python(name, &format!("originals/{name}-requirements.txt"))?));
        }
        let packages = Packages::find("originals", &PACKAGED, "./x bench")?;
        let mut command = packages.python();
        command.env("CUTTLE_PACKAGES", packages.root());
        Ok(command)
    }
}

/// Records the conversations with an original anew, or holds the packaged one's answers against them.
pub fn run(arguments: &[String]) -> Outcome {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (name, edition) = match words[..] {
        ["--against", name] => (name, Edition::Newest),
        // Keystone is not among the packages that are unpacked.
        ["--against", name @ ("glance" | "cinder"), "--packaged"] => (name, Edition::Packaged),
        _ => return Err(Failure::Usage(USAGE.into())),
    };
    let is_meant = |kind: &Kind| kind.name == name;
    let kinds: Vec<Kind> = [KEYSTONE, GLANCE, CINDER_ALONE, CINDER].into_iter().filter(is_meant).collect();
    if kinds.is_empty() {
        return Err(Failure::Usage(USAGE.into()));
    }
    kinds.into_iter().try_for_each(|kind| ask(kind, edition))
}

/// Has the tests of our service ask an original.
fn ask(kind: Kind, edition: Edition) -> Outcome {
    let original = Original::start(kind, edition, Purpose::Recorded)?;
    let (verb, test) = match edition {
        Edition::Newest => ("recording", "record_the_original"),
        Edition::Packaged => ("comparing with the goldens", "hold_the_packaged_original"),
    };
    println!("{verb} what {} answers at {}", original.name, original.url);
    let mut tests = cargo(&["test", "--quiet", "-p", kind.of, "--lib"]);
    tests.arg(format!("{}::{test}", kind.tests)).args(["--", "--nocapture"]);
    project::run(tests.env("CUTTLE_ORIGINAL", &original.url))
}

impl Original {
    /// Starts a fresh one.
    pub fn start(kind: Kind, edition: Edition, purpose: Purpose) -> Outcome<Original> {
        let name = kind.name;
        let mut command = edition.python(name)?;
        let folder = std::env::temp_dir().join(format!("cuttle-{name}-{}", std::process::id()));
        doing("cannot make a folder for the original", fs::create_dir_all(&folder))?;
        let said = folder.join("said");
        let out = doing("cannot write what the original says", File::create(&said))?;
        let errors = doing("cannot write what the original says", out.try_clone())?;
        command.arg(project::root().join("xtask/originals").join(kind.script)).arg(&folder);
        let word = match purpose {
            Purpose::Recorded => "recorded",
            Purpose::Measured => "measured",
        };
        command.args(["0", word]).stdin(Stdio::null()).stdout(out).stderr(errors);
        let process = doing("cannot start the original", command.spawn())?;
        let mut original = Original { process, folder, url: String::new(), name: String::new() };
        let mut ended = false;
        let ready = clock::poll(START_SECONDS, || {
            ended = original.process.try_wait().ok().flatten().is_some();
            let said = fs::read_to_string(&said).unwrap_or_default();
            let url = said.lines().find_map(|line| line.strip_prefix("ready ")).map(str::to_owned);
            (ended || url.is_some()).then_some(url)
        });
        let ready = ready.flatten().ok_or_else(|| {
            let said = fs::read_to_string(&said).unwrap_or_default();
            failed(format!("{name} does not start: {}", said.lines().last().unwrap_or("it says nothing")))
        })?;
        let (url, name) = ready.split_once(' ').unwrap_or((&ready, name));
        (original.url, original.name) = (url.to_owned(), name.to_owned());
        Ok(original)
    }
}

impl Original {
    /// For who measures it, a line each: where it answers, the process whose descendants serve too, its folder, its name.
    pub fn told(&self) -> String {
        format!("{}\n{}\n{}\n{}", self.url, self.process.id(), self.folder.display(), self.name)
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        // Asked and not killed, for it has processes of its own to end.
        if let Ok(None) = self.process.try_wait() {
            let _ = Command::new("kill").arg(self.process.id().to_string()).status();
            let _ = self.process.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
