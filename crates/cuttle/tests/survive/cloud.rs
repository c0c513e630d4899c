//! A cloud that can be killed: `cuttle up` as a process on a directory of its own, and its API.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use linux_net::Netns;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value as Json, json};

pub const CUTTLE: &str = env!("CARGO_BIN_EXE_cuttle");
/// How long `up` may take to be ready, and anything to become so, on a machine that emulates its guests.
pub const LONG: Duration = Duration::from_secs(240);
const GREETING_TIME_MAX: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(100);

/// Waits until something is so.
pub fn wait<T>(what: &str, most: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let began = runtime::monotonic();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < most, "{what}: not so after {} s", most.as_secs());
        runtime::sleep_blocking(LOOK);
    }
}

/// Whether this machine can run VMs; if not, says so.
pub fn ready(test: &str) -> bool {
    let has = |tool: &str| {
        Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    let reason = if !nix::unistd::geteuid().is_root() {
        "needs root"
    } else if !["qemu-system-x86_64", "nft", "ip", "ping"].into_iter().all(has) {
        "needs the tools qemu-system-x86_64, nft, ip and ping"
    } else if guest_image().is_none() {
        "needs a guest image in CUTTLE_GUEST_IMAGE"
    } else {
        return true;
    };
    println!("skipped: {test}: {reason}");
    false
}

fn guest_image() -> Option<PathBuf> {
    std::env::var_os("CUTTLE_GUEST_IMAGE").map(PathBuf::from).filter(|path| path.exists())
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Demo,
    Admin,
}

pub struct Cloud {
    pub dir: PathBuf,
    pub id: String,
    endpoint: String,
    up: Option<Child>,
    tokens: BTreeMap<Who, (String, String)>,
    http: ureq::Agent,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.kill_up();
        if std::thread::panicking() {
            self.show_logs();
        }
        let down = Command::new(CUTTLE).args(["down", "--purge", "--data-dir"]).arg(&self.dir).output();
        if !down.as_ref().is_ok_and(|down| down.status.success()) {
            eprintln!("cuttle down failed: {down:?}");
        }
    }
}

impl Cloud {
    /// A new cloud in a new directory.
    pub fn new() -> Cloud {
        let dir = std::env::temp_dir().join(format!("cuttle-survive-{}", runtime::new_uuid().simple()));
        Cloud::at(dir)
    }

    /// A new cloud in this directory.
    pub fn at(dir: PathBuf) -> Cloud {
        std::fs::create_dir_all(&dir).unwrap();
        let http = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        let mut cloud = Cloud {
            dir,
            id: String::new(),
            endpoint: String::new(),
            up: None,
            tokens: BTreeMap::new(),
            http,
        };
        cloud.start();
        let identity = std::fs::read(cloud.dir.join("cloud.json")).unwrap();
        let identity: Json = serde_json::from_slice(&identity).unwrap();
        cloud.id = identity["id"].as_str().unwrap().to_owned();
        for (who, name) in [(Who::Demo, "demo"), (Who::Admin, "admin")] {
            let password = &identity[format!("{name}_password")];
            let token = cloud.log_in(name, password);
            cloud.tokens.insert(who, token);
        }
        cloud
    }

    /// Starts `cuttle up` and waits until it is ready.
    pub fn start(&mut self) {
        let listen = self.endpoint.strip_prefix("http://").unwrap_or("127.0.0.1:0").to_owned();
        let log = std::fs::File::options().create(true).append(true).open(self.dir.join("up.log")).unwrap();
        let config = self.config();
        let mut up = Command::new(CUTTLE);
        up.args(["up", "--listen", &listen, "--data-dir"]).arg(&self.dir);
        if config.exists() {
            up.arg("--config").arg(config);
        }
        let mut up = up.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(up.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.up = Some(up);
        let endpoint = line.trim().strip_prefix("ready ");
        self.endpoint = endpoint.unwrap_or_else(|| panic!("`cuttle up` is not ready: {line:?}")).to_owned();
    }

    /// The configuration, as far as there is a file.
    pub fn config(&self) -> PathBuf {
        self.dir.join("cuttle.toml")
    }

    /// Ends `cuttle up` with a signal and waits for its end.
    pub fn signal_up(&mut self, signal: Signal) {
        let Some(mut up) = self.up.take() else { return };
        let _ = kill(Pid::from_raw(up.id().try_into().unwrap()), signal);
        up.wait().unwrap();
    }

    /// Where the APIs are.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The process id of `cuttle up`.
    pub fn up(&self) -> i32 {
        self.up.as_ref().unwrap().id().try_into().unwrap()
    }

    pub fn kill_up(&mut self) {
        self.signal_up(Signal::SIGKILL);
    }

    /// The process id of the agent, if one runs.
    pub fn agent(&self) -> Option<i32> {
        let known = std::fs::read(self.run_dir().join("agent.pid")).ok()?;
        let known: Json = serde_json::from_slice(&known).ok()?;
        let pid = known["pid"].as_i64()?.try_into().ok()?;
        alive(pid).then_some(pid)
    }

    pub fn kill_agent(&self) {
        if let Some(pid) = self.agent() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            wait("the agent ends", LONG, || (!alive(pid)).then_some(()));
        }
    }

    pub fn run_dir(&self) -> PathBuf {
        Path::new("/run/cuttle").join(format!("cuttle-{}", self.id))
    }

    /// The QEMU processes of this cloud, by server.
    pub fn vms(&self) -> BTreeMap<String, i32> {
        let mut vms = BTreeMap::new();
        let prefix = format!("{}/vms/", self.run_dir().display());
        for pid in
            std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok())
        {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            if line.split('\0').next().is_some_and(|program| program.contains("qemu-system"))
                && let Some(at) = line.find(&prefix)
            {
                let server = line[at + prefix.len()..].split('/').next().unwrap_or_default().to_owned();
                vms.insert(server, pid);
            }
        }
        vms
    }

    /// The namespaces of this cloud.
    pub fn namespaces(&self) -> Vec<String> {
        linux_net::list_namespaces(self.id.parse().unwrap()).unwrap()
    }

    pub fn project(&self, who: Who) -> &str {
        &self.tokens[&who].1
    }

    fn log_in(&self, name: &str, password: &Json) -> (String, String) {
        let domain = json!({"name": "Default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {"name": name, "password": password, "domain": domain}}},
            "scope": {"project": {"name": name, "domain": domain}},
        }});
        let answer = self.http.post(format!("{}/identity/v3/auth/tokens", self.endpoint)).send_json(&body);
        let mut answer = answer.unwrap();
        let token = answer.headers()["x-subject-token"].to_str().unwrap().to_owned();
        let said: Json = answer.body_mut().read_json().unwrap();
        (token, said["token"]["project"]["id"].as_str().unwrap().to_owned())
    }

    /// A request; `None` if no answer came, and then nobody knows whether it was done.
    pub fn ask(&self, who: Who, method: &str, path: &str, body: Option<&Json>) -> Option<(u16, Json)> {
        let request = axum::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint))
            .header("x-auth-token", &self.tokens[&who].0)
            .header("openstack-api-version", "compute 2.96")
            .header("content-type", "application/json");
        let request = request.body(body.map(Json::to_string).unwrap_or_default()).unwrap();
        let mut answer = self.http.run(request).ok()?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().read_to_string().ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Json::String(text))))
    }

    /// A request that must succeed.
    pub fn must(&self, who: Who, method: &str, path: &str, body: Option<&Json>) -> Json {
        let (status, answer) =
            self.ask(who, method, path, body).unwrap_or_else(|| panic!("{method} {path}: no answer"));
        assert!((200..300).contains(&status), "{method} {path}: {status}: {answer}");
        answer
    }

    pub fn get(&self, path: &str) -> Json {
        self.must(Who::Demo, "GET", path, None)
    }

    pub fn post(&self, path: &str, body: &Json) -> Json {
        self.must(Who::Demo, "POST", path, Some(body))
    }

    /// Uploads an image.
    pub fn upload(&self, name: &str, format: &str, bytes: &[u8]) -> String {
        let (id, status, said) = self.try_upload(name, format, bytes);
        assert_eq!(status, 204, "{said}");
        id
    }

    /// Uploads what may be no image.
    pub fn try_upload(&self, name: &str, format: &str, bytes: &[u8]) -> (String, u16, String) {
        let image = json!({"name": name, "disk_format": format, "container_format": "bare"});
        let id = text(&self.post("/image/v2/images", &image)["id"]);
        let answer = self
            .http
            .put(format!("{}/image/v2/images/{id}/file", self.endpoint))
            .header("x-auth-token", &self.tokens[&Who::Demo].0)
            .header("content-type", "application/octet-stream")
            .send(bytes);
        let mut answer = answer.unwrap();
        let said = answer.body_mut().read_to_string().unwrap();
        (id, answer.status().as_u16(), said)
    }

    /// The id of the guest image.
    pub fn guest_image(&self) -> String {
        wait("the guest image is active", LONG, || {
            let images = self.get("/image/v2/images?name=cuttle-guest");
            let image = images["images"].as_array()?.first()?.clone();
            (image["status"] == "active").then(|| text(&image["id"]))
        })
    }

    /// The id of the smallest flavor.
    pub fn flavor(&self) -> String {
        let flavors = self.get("/compute/v2.1/flavors");
        let nano = flavors["flavors"].as_array().unwrap().iter().find(|flavor| flavor["name"] == "m1.nano");
        text(&nano.unwrap()["id"])
    }

    /// The id of the network that every project can have.
    pub fn network(&self, who: Who) -> String {
        let path = format!("/network/v2.0/auto-allocated-topology/{}", self.project(who));
        text(&self.must(who, "GET", &path, None)["auto_allocated_topology"]["id"])
    }

    /// What is asked for when a server is.
    pub fn server_body(&self, name: &str, image: &str, network: &str) -> Json {
        let networks = json!([{"uuid": network}]);
        json!({"server": {"name": name, "imageRef": image, "flavorRef": self.flavor(), "networks": networks}})
    }

    pub fn server(&self, id: &str) -> Json {
        self.get(&format!("/compute/v2.1/servers/{id}"))["server"].clone()
    }

    pub fn wait_for_status(&self, id: &str, status: &str) -> Json {
        wait(&format!("server {id} is {status}"), LONG, || {
            let server = self.server(id);
            let failed = server["status"] == "ERROR" && status != "ERROR";
            assert!(!failed, "server {id} failed: {}", server["fault"]);
            (server["status"] == status && server["OS-EXT-STS:task_state"].is_null()).then_some(server)
        })
    }

    /// Lets ping and ssh in, gives the server a floating IP and tells it.
    pub fn open_up(&self, server: &str) -> String {
        let groups = self.get("/network/v2.0/security-groups?name=default");
        let group = &groups["security_groups"][0]["id"];
        for rule in [
            json!({"protocol": "icmp"}),
            json!({"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}),
        ] {
            let mut rule = rule;
            rule["security_group_id"] = group.clone();
            rule["direction"] = json!("ingress");
            rule["ethertype"] = json!("IPv4");
            let path = "/network/v2.0/security-group-rules";
            let answer = self.ask(Who::Demo, "POST", path, Some(&json!({"security_group_rule": rule})));
            assert!(matches!(answer, Some((201 | 409, _))), "{answer:?}");
        }
        let port = self.port(server);
        let public = self.get("/network/v2.0/networks?router:external=true");
        let body =
            json!({"floatingip": {"floating_network_id": public["networks"][0]["id"], "port_id": port}});
        text(&self.post("/network/v2.0/floatingips", &body)["floatingip"]["floating_ip_address"])
    }

    /// The id of a server's port.
    pub fn port(&self, server: &str) -> String {
        text(&self.get(&format!("/network/v2.0/ports?device_id={server}"))["ports"][0]["id"])
    }

    /// Whether an ssh server greets at a floating IP, asked from the external network.
    pub fn greets(&self, address: &str) -> bool {
        let Some(external) = Netns::open(&format!("{}-x", self.id)).unwrap() else { return false };
        let address = SocketAddr::new(address.parse().unwrap(), 22);
        let ask = || {
            let mut stream = TcpStream::connect_timeout(&address, GREETING_TIME_MAX)?;
            stream.set_read_timeout(Some(GREETING_TIME_MAX))?;
            let mut said = [0; 4];
            stream.read_exact(&mut said).map(|()| &said == b"SSH-")
        };
        external.run(ask).unwrap().unwrap_or(false)
    }

    /// Removes all that users made and waits until it is gone.
    pub fn remove_all(&self) {
        for (collection, key) in [
            ("/compute/v2.1/servers", "servers"),
            (&format!("/volume/v3/{}/volumes", self.project(Who::Demo)), "volumes"),
            ("/network/v2.0/floatingips", "floatingips"),
        ] {
            wait(&format!("all {key} are gone"), LONG, || {
                let listed = self.get(collection)[key].as_array().cloned().unwrap();
                for thing in &listed {
                    self.ask(Who::Demo, "DELETE", &format!("{collection}/{}", text(&thing["id"])), None);
                }
                listed.is_empty().then_some(())
            });
        }
        let auto = format!("/network/v2.0/auto-allocated-topology/{}", self.project(Who::Demo));
        self.ask(Who::Demo, "DELETE", &auto, None);
        for network in self.get("/network/v2.0/networks")["networks"].as_array().unwrap() {
            if network["tenant_id"] == self.project(Who::Demo) {
                self.must(
                    Who::Demo,
                    "DELETE",
                    &format!("/network/v2.0/networks/{}", text(&network["id"])),
                    None,
                );
            }
        }
    }

    /// Waits until nothing is left of what users made: on the host and in the database. Tells what is left if not.
    pub fn assert_clean(&self) {
        let began = runtime::monotonic();
        loop {
            let left = self.leftovers();
            if left.is_empty() {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "left over:\n{}", left.join("\n"));
            runtime::sleep_blocking(LOOK);
        }
    }

    fn leftovers(&self) -> Vec<String> {
        let mut left = Vec::new();
        let own = [format!("{}-u", self.id), format!("{}-x", self.id)];
        left.extend(self.namespaces().into_iter().filter(|name| !own.contains(name)));
        left.extend(self.vms().into_iter().map(|(server, pid)| format!("QEMU {pid} of server {server}")));
        for folder in [self.run_dir().join("vms"), self.dir.join("volumes"), self.dir.join("agent/vms")] {
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            left.extend(entries.map(|entry| entry.path().display().to_string()));
        }
        let consoles = std::fs::read_dir(self.dir.join("log")).into_iter().flatten().flatten();
        let consoles = consoles.filter(|entry| entry.path().extension().is_none_or(|kind| kind != "log"));
        left.extend(consoles.map(|entry| entry.path().display().to_string()));
        let store = store::Store::open(&store::Config::File(self.dir.join("cuttle.db"))).unwrap();
        for (table, rows) in [
            ("node_documents", "kind <> 'external'"),
            ("network_ports", "1 = 1"),
            ("network_ip_allocations", "1 = 1"),
            ("network_floating_ips", "1 = 1"),
            ("placement_allocations", "1 = 1"),
            ("compute_servers", "1 = 1"),
            ("block_storage_volumes", "1 = 1"),
            ("block_storage_snapshots", "1 = 1"),
            ("block_storage_backups", "1 = 1"),
            // What users are told of failures goes by itself, after a month.
            ("work", "kind <> 'block_storage::message'"),
        ] {
            let sql = format!("SELECT * FROM {table} WHERE {rows}");
            let found =
                store.read_blocking(move |tx| tx.rows(&sql, &[])).unwrap_or_else(|e| panic!("{table}: {e}"));
            left.extend(found.into_iter().map(|row| format!("row of {table}: {row:?}")));
        }
        left
    }

    fn show_logs(&self) {
        for log in ["up.log", "log/agent.log"] {
            let text = std::fs::read_to_string(self.dir.join(log)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            eprintln!("--- {log}\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

/// Whether a process runs and is no zombie.
pub fn alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// A JSON string.
pub fn text(json: &Json) -> String {
    json.as_str().unwrap_or_else(|| panic!("{json} is no text")).to_owned()
}
