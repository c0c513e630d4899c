//! The real `openstack` command on a cloud of a test.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value as Json;

use crate::cloud::{Cloud, wait_for};

/// The client, waiting for commands.
pub struct Client {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    cloud: &'static str,
    clouds_yaml: PathBuf,
    /// The commands so far.
    pub asked: Vec<String>,
}

/// What a command did.
pub struct Done {
    pub code: i64,
    pub stdout: String,
    pub stderr: String,
}

/// The `openstack` command that `./x` made, or why there is none.
pub fn openstack() -> Result<PathBuf, &'static str> {
    let path = std::env::var_os("CUTTLE_OPENSTACK").map(PathBuf::from);
    path.filter(|path| path.exists()).ok_or("there is no openstack client; ./x test makes one")
}

/// Runs a test of all of the client's commands of an API, as `openstack.volume.v3`, on a simulated cloud: each must be
/// run, and nothing may go wrong in the cloud meanwhile.
pub fn every_command(test: &str, api: &str, run: impl FnOnce(&mut Client, (&Cloud, &Path))) {
    let openstack = match openstack() {
        Ok(path) => path,
        Err(why) => return println!("skipped: {test}: {why}"),
    };
    let cloud = Cloud::simulated();
    let mut client = Client::start(&openstack, &cloud.dir().join("clouds.yaml"));
    run(&mut client, (&cloud, &openstack));
    let known = commands(&openstack, api);
    assert!(known.len() > 40, "{known:?}");
    let left = client.not_asked(&known);
    assert!(left.is_empty(), "these commands were not run: {left:?}");
    let log = cloud.log();
    let errors: Vec<&str> = log.lines().filter(|line| line.contains(" ERROR ")).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

impl Client {
    /// Starts the client with the `clouds.yaml` of a cloud. It is user `demo` until told otherwise.
    pub fn start(openstack: &Path, clouds_yaml: &Path) -> Client {
        let mut command = Command::new(openstack.with_file_name("python"));
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/client.py"));
        // Whatever the developer's shell says about other clouds is not for this one.
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OS_")).for_each(
            |(name, _)| {
                command.env_remove(name);
            },
        );
        command.env("OS_CLIENT_CONFIG_FILE", clouds_yaml).env("COLUMNS", "500");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (commands, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let (clouds_yaml, asked) = (clouds_yaml.to_path_buf(), Vec::new());
        Client { child, commands, answers, cloud: "cuttle", clouds_yaml, asked }
    }

    /// Does something as `admin`.
    pub fn as_admin<T>(&mut self, act: impl FnOnce(&mut Client) -> T) -> T {
        self.cloud = "cuttle-admin";
        let done = act(self);
        self.cloud = "cuttle";
        done
    }

    /// The password that `clouds.yaml` has for user `demo`.
    pub fn password(&self) -> String {
        let text = std::fs::read_to_string(&self.clouds_yaml).unwrap();
        text.lines().find_map(|line| line.trim().strip_prefix("password: ")).unwrap().to_owned()
    }

    /// The commands that were not run so far.
    pub fn not_asked<'c>(&self, commands: &'c BTreeSet<String>) -> Vec<&'c str> {
        let run: BTreeSet<&str> = self.asked.iter().filter_map(|line| command(line, commands)).collect();
        commands.iter().map(String::as_str).filter(|name| !run.contains(name)).collect()
    }

    /// Runs a command, given as in a shell: words between spaces.
    pub fn ask(&mut self, line: &str) -> Done {
        self.asked.push(line.to_owned());
        let words: Vec<&str> =
            ["--os-cloud", self.cloud].into_iter().chain(line.split_whitespace()).collect();
        let commands = self.commands.as_mut().unwrap();
        writeln!(commands, "{}", serde_json::to_string(&words).unwrap()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let answer: Json = serde_json::from_str(&answer).unwrap();
        let text = |key: &str| answer[key].as_str().unwrap().to_owned();
        Done { code: answer["code"].as_i64().unwrap(), stdout: text("stdout"), stderr: text("stderr") }
    }

    /// Runs a command that must succeed; returns what it printed.
    pub fn run(&mut self, line: &str) -> String {
        let done = self.ask(line);
        assert!(done.code == 0, "openstack {line}: {}\n{}{}", done.code, done.stdout, done.stderr);
        assert!(!done.stderr.contains("Traceback"), "openstack {line}: {}", done.stderr);
        done.stdout
    }

    /// Runs a command that shows or lists something.
    pub fn show(&mut self, line: &str) -> Json {
        let said = self.run(&format!("{line} -f json"));
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("openstack {line}: {error}:\n{said}"))
    }

    /// Runs a command that must fail; returns what it said.
    pub fn fail(&mut self, line: &str) -> String {
        let done = self.ask(line);
        assert_eq!(done.code, 1, "openstack {line} should fail: {}{}", done.stdout, done.stderr);
        done.stderr
    }

    /// Shows something, by a line such as `volume show bay`, once it has this status.
    pub fn once(&mut self, line: &str, status: &str) -> Json {
        wait_for(|| {
            let shown = self.show(line);
            let now = text(field(&shown, "status"));
            if now == status { Ok(shown) } else { Err(format!("{line}: it is {now}")) }
        })
    }

    /// Waits until nothing in a list has this name.
    pub fn until_gone(&mut self, list: &str, name: &str) {
        wait_for(|| match self.column(list, "Name").iter().any(|known| known == name) {
            true => Err(format!("{list}: {name} is there")),
            false => Ok(()),
        });
    }

    /// What a list has in one of its columns.
    pub fn column(&mut self, line: &str, column: &str) -> Vec<String> {
        let rows = self.show(line);
        let cells = rows.as_array().unwrap().iter().map(|row| text(&row[column]));
        cells.collect()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Without commands to come it ends by itself.
        self.commands = None;
        let _ = self.child.wait();
    }
}

/// The client's commands of an API, as `openstack.volume.v3`; words joined by underscores.
pub fn commands(openstack: &Path, api: &str) -> BTreeSet<String> {
    let script = format!(
        "from importlib.metadata import entry_points\nfor one in entry_points(group='{api}'): print(one.name)"
    );
    let output = Command::new(openstack.with_file_name("python")).args(["-c", &script]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// The command that a line runs: the longest of them that its words begin with, after an API's version.
pub fn command<'c>(line: &str, commands: &'c BTreeSet<String>) -> Option<&'c str> {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    if words.first().is_some_and(|word| word.starts_with("--")) {
        words.drain(..2);
    }
    (1..=words.len().min(6)).rev().find_map(|n| commands.get(&words[..n].join("_")).map(String::as_str))
}

/// Asserts the fields that matter of what a command showed.
pub fn expect(shown: &Json, wanted: &[(&str, Json)]) {
    for (name, value) in wanted {
        assert_eq!(field(shown, name), value, "{name} of {shown}");
    }
}

/// A field, which some commands spell `unrestricted` and others `Unrestricted`.
pub fn field<'s>(shown: &'s Json, name: &str) -> &'s Json {
    let same = |key: &String| key.to_lowercase().replace(' ', "_") == name;
    let found = shown.as_object().and_then(|fields| fields.iter().find(|(key, _)| same(key)));
    found.map_or(&Json::Null, |(_, value)| value)
}

/// Asserts that a list has a row with these cells.
pub fn expect_row(rows: &Json, wanted: &[(&str, Json)]) {
    let fits = |row: &&Json| wanted.iter().all(|(column, value)| row[*column] == *value);
    let row = rows.as_array().unwrap().iter().find(fits);
    assert!(row.is_some(), "no row {wanted:?} in {rows}");
}

/// A value as the client would print it in a table.
pub fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
