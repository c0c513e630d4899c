//! Junk at every route of every service, by everybody: nothing may answer with a fault of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use nodes::Inquiries;
use serde_json::{Map, Value as Json, json};
use storage::file::{FileConfig, FileImages};
use testkit::{Answer, Api};
use types::HostId;

/// How many requests one run makes.
const REQUESTS: usize = 40_000;
const SEED: u64 = 0x5eed_0bad;
/// Ids of one kind that are remembered, so that junk meets things that are there.
const IDS_MAX: usize = 40;

/// Chance that repeats.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.roll(all.len())]
    }

    fn word<'a>(&mut self, all: &'a str) -> &'a str {
        let words: Vec<&str> = all.split_whitespace().collect();
        words[self.roll(words.len())]
    }
}

/// Keys that services know, each met with all kinds of values.
const KEYS: &str = "\
    name description id size network_id subnet_id port_id cidr ip_version gateway_ip allocation_pools \
    dns_nameservers host_routes enable_dhcp ipv6_address_mode ipv6_ra_mode fixed_ips security_groups \
    allowed_address_pairs binding:vnic_type binding:host_id device_id device_owner mac_address \
    admin_state_up shared router:external tenant_id project_id external_gateway_info floating_network_id \
    floating_ip_address fixed_ip_address direction ethertype protocol port_range_min port_range_max \
    remote_ip_prefix remote_group_id security_group_id prefixes prefixlen default_prefixlen \
    min_prefixlen max_prefixlen subnetpool_id use_default_subnetpool routes tags mtu imageRef flavorRef \
    networks key_name block_device_mapping_v2 user_data metadata min_count max_count config_drive \
    availability_zone os:scheduler_hints personality adminPass reboot os-start os-stop pause rebuild \
    resize createImage os-getConsoleOutput addSecurityGroup volumeId device vcpus ram disk \
    OS-FLV-EXT-DATA:ephemeral swap rxtx_factor is_public extra_specs public_key type policies policy \
    rules volume_type source_volid snapshot_id multiattach os-attach os-detach os-extend os-reserve \
    os-reset_status new_size mountpoint instance_uuid connector volume_uuid cores instances gigabytes \
    volumes floatingip force disk_format container_format visibility min_disk min_ram protected owner \
    member status locations uuid parent_provider_uuid resource_provider_generation inventories \
    allocations consumer_generation user_id resources total reserved allocation_ratio traits aggregates \
    password original_password domain_id default_project_id enabled parent_id is_domain options blob url \
    interface region_id service_id region roles trustee_user_id trustor_user_id impersonation expires_at \
    remaining_uses identity methods scope token auth email";
const WRAPPERS: &str = "\
    server network subnet port router floatingip security_group security_group_rule subnetpool quota \
    volume volume_type attachment quota_set flavor keypair server_group volumeAttachment \
    interfaceAttachment metadata meta extra_specs tags user project group role domain region service \
    endpoint credential policy trust auth addTenantAccess networks ports";
const WORDS: &[&str] = &[
    "",
    "x",
    "default",
    "m1.nano",
    "10.0.0.0/24",
    "10.0.0.5",
    "fd00::/64",
    "::",
    "0.0.0.0/0",
    "300.1.1.1",
    "slaac",
    "IPv4",
    "IPv6",
    "ingress",
    "tcp",
    "icmp",
    "-1",
    "9999999999999999999999",
    "true",
    "null",
    "fa:16:3e:00:00:01",
    "\u{0}",
    "ä€😀",
    "%",
    "a/b",
    "../..",
    "' OR 1=1 --",
    "2026-01-01T00:00:00Z",
    "+999999999-01-01T00:00:00Z",
    "SOFT",
    "HARD",
    "auto",
    "none",
    "raw",
    "qcow2",
    "bare",
    "public",
    "00000000-0000-0000-0000-000000000000",
    "nova",
    "VCPU",
    "CUSTOM_X",
    "ssh-rsa AAAA",
    "anti-affinity",
    "admin",
    "password",
    "aGVsbG8=",
    "net-id",
    "2.96",
];
const SEGMENTS: &[&str] = &[
    "x",
    "%00",
    "%ff",
    "%2e%2e",
    "a%2fb",
    "-1",
    "0",
    "default",
    "99999999999999999999",
    "00000000-0000-0000-0000-000000000000",
    "%F0%9F%98%80",
    "detail",
    "nova",
    "VCPU",
    "null",
    "a%20b",
    "m1.nano",
    "localhost",
];
const QUERIES: &[&str] = &[
    "limit=-1",
    "limit=0",
    "limit=1",
    "limit=99999999999999999999",
    "limit=x",
    "marker=x",
    "marker=",
    "sort_key=name",
    "sort_key=nothing",
    "sort_dir=up",
    "sort=name:desc",
    "sort=:",
    "fields=id",
    "fields=nothing",
    "name=%00",
    "name=x&name=y",
    "all_tenants=1",
    "all_tenants=maybe",
    "page_reverse=True",
    "status=%ff",
    "deleted=true",
    "changes-since=yesterday",
    "changes-since=2026-01-01T00:00:00Z",
    "resources=VCPU:1",
    "resources=VCPU:-1",
    "resources=VCPU:99999999999999999999",
    "resources=:",
    "required=X,!Y",
    "in_tree=x",
    "member_of=in:",
    "fixed_ips=ip_address%3D10.0.0.1",
    "fixed_ips=x",
    "ip=(",
    "name=~*",
    "user_id=x",
    "domain_id=x",
    "tags=a,b",
    "not-tags-any=,",
    "created_at=gt:x",
    "size_min=x",
    "size_max=-1",
    "start=2026-01-01T00:00:00&end=x",
    "usage=x",
    "effective&include_names",
    "&&==&%",
    "router:external=maybe",
    "shared=1",
];
const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// What is known of the cloud under attack.
struct Attack {
    api: Api,
    dice: Dice,
    tokens: Vec<String>,
    projects: Vec<String>,
    /// Ids by the key of the thing: `server`.
    ids: BTreeMap<String, Vec<String>>,
    /// Who attacks, which must not be attacked.
    spared: BTreeSet<String>,
    statuses: BTreeMap<u16, usize>,
}

fn cloud(dir: &std::path::Path) -> (Api, Vec<(String, String)>) {
    let images = Arc::new(FileImages::open(&FileConfig::new(dir)).unwrap());
    let mut routes = Vec::new();
    let api = Api::checked_by(crate::schema::MIGRATIONS, |store| {
        let passwords = ("admin".to_owned(), "demo".to_owned());
        let wanted = identity::Bootstrap {
            admin_password: passwords.0,
            demo_password: passwords.1,
            password_cost: 4,
            public_url: None,
        };
        let owner = store.write_blocking(move |tx| identity::bootstrap(tx, &wanted)).unwrap();
        let outside = network::Outside::default();
        store.write_blocking(move |tx| network::bootstrap(tx, &owner, &outside)).unwrap();
        store.write_blocking(block_storage::bootstrap).unwrap();
        store.write_blocking(compute::bootstrap).unwrap();
        let config = identity::Config { bcrypt_cost: 4, ..identity::Config::default() };
        let (tokens, inquiries) = (identity::Tokens::new(store, config), Inquiries::default());
        let shared = super::Shared {
            store,
            images: images.clone().into(),
            tokens: &tokens,
            inquiries: &inquiries,
            log: Arc::new(()),
        };
        let all = super::all(shared, image::Config::default());
        for service in &all {
            let table = service.routes.table();
            routes.extend(
                table.iter().map(|(method, path)| (method.to_string(), format!("{}{path}", service.prefix))),
            );
        }
        (tokens, (all, super::reconcilers(images.into(), image::Config::default(), Arc::default())))
    });
    api.store
        .write_blocking(|tx| {
            let facts =
                agent_api::NodeFacts { vcpus: 64, ram_mib: 64 << 10, disk_gib: 1000, ..Default::default() };
            nodes::hosts::heard(tx, &HostId("localhost".to_owned()), Some(&facts))?;
            crate::up::host_joined(tx, &HostId("localhost".to_owned()))
        })
        .unwrap();
    api.settle();
    (api, routes)
}

fn log_in(api: &Api, name: &str) -> (String, String) {
    let domain = json!({"name": "Default"});
    let user = json!({"name": name, "password": name, "domain": domain});
    let answer = api.post(
        "",
        "/identity/v3/auth/tokens",
        &json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": name, "domain": domain}},
        }}),
    );
    assert_eq!(answer.status, 201, "{}", answer.body);
    let project = answer.body["token"]["project"]["id"].as_str().unwrap().to_owned();
    (answer.header("x-subject-token").unwrap().to_owned(), project)
}

impl Attack {
    fn value(&mut self, depth: usize) -> Json {
        match self.dice.roll(if depth > 3 { 9 } else { 12 }) {
            0 => Json::Null,
            1 => json!(self.dice.roll(2) == 0),
            2 => json!(*self.dice.of(&[0, 1, 2, 3, 4, 6, 24, 64, 80, -1, 65_536, i64::MAX, i64::MIN])),
            3 => json!(*self.dice.of(&[0.5, 1e308, -0.0, 1e19])),
            4 => json!("x".repeat(*self.dice.of(&[255, 256, 70_000]))),
            5 | 6 => json!(self.any_id()),
            7 | 8 => json!(*self.dice.of(WORDS)),
            9 => (0..self.dice.roll(4)).map(|_| self.value(depth + 1)).collect(),
            _ => self.object(depth + 1),
        }
    }

    fn object(&mut self, depth: usize) -> Json {
        let fields = (0..self.dice.roll(6)).map(|_| ((self.dice.word(KEYS)).to_owned(), self.value(depth)));
        Json::Object(fields.collect::<Map<String, Json>>())
    }

    /// A body that is good but for one thing, one of the right shape, or anything.
    fn body(&mut self, path: &str) -> Vec<u8> {
        match self.dice.roll(16) {
            0 => Vec::new(),
            1 => b"{\"a\": ".to_vec(),
            2 => vec![0xff, 0xfe, 0x00],
            3 => format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000)).into_bytes(),
            4 => self.value(0).to_string().into_bytes(),
            5 => self.object(0).to_string().into_bytes(),
            6..=12 => self.nearly(path).to_string().into_bytes(),
            _ => {
                let last = path.rsplit('/').find(|part| !part.starts_with('{')).unwrap_or_default();
                let singular = last.trim_end_matches('s').replace('-', "_");
                let wrapper =
                    if self.dice.roll(4) == 0 { (self.dice.word(WRAPPERS)).to_owned() } else { singular };
                let inner = if self.dice.roll(6) == 0 { self.value(0) } else { self.object(0) };
                json!({ wrapper: inner }).to_string().into_bytes()
            }
        }
    }

    /// A good body with one value exchanged.
    fn nearly(&mut self, path: &str) -> Json {
        let mut body = self.template(path);
        if self.dice.roll(2) == 0 {
            let value = self.value(0);
            let inner = body.as_object_mut().and_then(|outer| outer.values_mut().next());
            if let Some(Json::Object(fields)) = inner {
                let keys: Vec<String> = fields.keys().cloned().collect();
                let known = !keys.is_empty() && self.dice.roll(3) > 0;
                let key = if known { self.dice.of(&keys).clone() } else { (self.dice.word(KEYS)).to_owned() };
                fields.insert(key, value);
            }
        }
        body
    }

    fn any_id(&mut self) -> String {
        let kinds: Vec<String> = self.ids.keys().cloned().collect();
        if kinds.is_empty() {
            return String::new();
        }
        let kind = self.dice.of(&kinds).clone();
        self.id_of(&kind)
    }

    /// An id of a kind; of another kind now and then, or if there is none.
    fn id_of(&mut self, kind: &str) -> String {
        match self.ids.get(kind) {
            Some(ids) if self.dice.roll(10) > 0 => self.dice.of(ids).clone(),
            _ if self.ids.is_empty() => String::new(),
            _ => {
                let kinds: Vec<String> = self.ids.keys().cloned().collect();
                let kind = self.dice.of(&kinds).clone();
                self.dice.of(&self.ids[&kind]).clone()
            }
        }
    }

    fn path(&mut self, pattern: &str) -> String {
        let mut parts: Vec<String> = Vec::new();
        for part in pattern.split('/') {
            if !part.starts_with('{') {
                parts.push(part.to_owned());
            } else if part.contains("project_id")
                && !pattern.starts_with("/identity")
                && self.dice.roll(4) > 0
            {
                parts.push(self.dice.of(&self.projects).clone());
            } else if !self.ids.is_empty() && self.dice.roll(6) > 0 {
                let kind = parts.last().map(|collection| kind_of(collection)).unwrap_or_default();
                parts.push(self.id_of(&kind));
            } else if part == "{domain_id}" {
                parts.push("x".to_owned());
            } else {
                parts.push((*self.dice.of(SEGMENTS)).to_owned());
            }
        }
        let mut path = parts.join("/");
        if self.dice.roll(3) == 0 {
            path = format!("{path}?{}", self.dice.of(QUERIES));
        }
        path
    }

    fn shoot(&mut self, method: &str, pattern: &str) {
        let path = self.path(pattern);
        let odd_method = self.dice.roll(20) == 0;
        let method = if odd_method { *self.dice.of(METHODS) } else { method };
        let reads = matches!(method, "GET" | "HEAD" | "OPTIONS" | "DELETE");
        let body = if reads && self.dice.roll(10) > 0 { Vec::new() } else { self.body(pattern) };
        let token = self.dice.of(&self.tokens).clone();
        let mut headers = vec![("content-type", *self.dice.of(&["application/json", "text/plain", ""]))];
        if self.dice.roll(2) == 0 {
            let version = self.dice.of(&[
                "compute 2.96",
                "compute 2.1",
                "placement 1.39",
                "volume 3.70",
                "compute x",
                "é",
                ",",
            ]);
            headers.push(("openstack-api-version", version));
        }
        let shown = format!(
            "{method} {path} {headers:?} {:?}",
            String::from_utf8_lossy(&body[..body.len().min(900)])
        );
        let sent = catch_unwind(AssertUnwindSafe(|| self.api.send(&token, method, &path, &headers, body)));
        let Ok(answer) = sent else { panic!("a handler panicked: {shown}") };
        self.learn(&answer);
        *self.statuses.entry(answer.status).or_default() += 1;
        assert!(answer.status < 500 || answer.status == 501, "{shown}\n{}: {}", answer.status, answer.body);
        if answer.status >= 400 && method != "HEAD" {
            assert!(
                !answer.body.is_null() || answer.status == 405,
                "no fault is told: {shown}: {}",
                answer.status
            );
        }
    }

    fn learn(&mut self, answer: &Answer) {
        let Some(things) = answer.body.as_object() else { return };
        let whole = json!({"image": answer.body});
        let things = things.iter().chain(whole.as_object().into_iter().flatten());
        for (key, thing) in things {
            let listed = thing.as_array().into_iter().flatten().take(3);
            for thing in listed.chain([thing]) {
                let id =
                    ["id", "uuid", "name"].into_iter().find_map(|key| thing.get(key).and_then(Json::as_str));
                let Some(id) = id.filter(|id| !self.spared.contains(*id)) else { continue };
                let plain = id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
                let ids = self.ids.entry(kind_of(key)).or_default();
                if plain && (1..40).contains(&id.len()) && !ids.iter().any(|known| known == id) {
                    ids.push(id.to_owned());
                    if ids.len() > IDS_MAX {
                        ids.remove(0);
                    }
                }
            }
        }
        self.ids.retain(|_, ids| !ids.is_empty());
    }

    /// A body that a route takes.
    fn template(&mut self, path: &str) -> Json {
        let last = path.rsplit('/').find(|part| !part.starts_with('{')).unwrap_or_default();
        let (network, subnet, port) = (self.id_of("network"), self.id_of("subnet"), self.id_of("port"));
        let (server, volume, image) = (self.id_of("server"), self.id_of("volume"), self.id_of("image"));
        let (group, number) = (self.id_of("security_group"), self.dice.roll(1_000_000));
        match last {
            "networks" => json!({"network": {"name": "n"}}),
            "subnets" => {
                json!({"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}})
            }
            "subnetpools" => {
                json!({"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"], "default_prefixlen": 24}})
            }
            "ports" => {
                json!({"port": {"network_id": network, "fixed_ips": [{"ip_address": "10.0.0.9"}]}})
            }
            "routers" => {
                json!({"router": {"name": "r", "external_gateway_info": {"network_id": network}}})
            }
            "floatingips" => json!({"floatingip": {"floating_network_id": network}}),
            "security-groups" => json!({"security_group": {"name": "g"}}),
            "security-group-rules" => json!({"security_group_rule":
            {"security_group_id": group, "direction": "ingress", "protocol": "tcp", "port_range_min": 1, "port_range_max": 2}}),
            "volumes" => json!({"volume": {"size": 1, "name": "v"}}),
            "types" => json!({"volume_type": {"name": format!("t{number}")}}),
            "attachments" => json!({"attachment": {"volume_uuid": volume, "instance_uuid": server}}),
            "servers" => {
                json!({"server": {"name": "s", "imageRef": image, "flavorRef": "1", "networks": "auto"}})
            }
            "flavors" => {
                json!({"flavor": {"name": format!("f{number}"), "vcpus": 1, "ram": 64, "disk": 1}})
            }
            "os-keypairs" => json!({"keypair": {"name": format!("k{number}")}}),
            "os-server-groups" => json!({"server_group": {"name": "g", "policy": "affinity"}}),
            "os-volume_attachments" => json!({"volumeAttachment": {"volumeId": volume}}),
            "images" => json!({"name": "i", "disk_format": "raw", "container_format": "bare"}),
            "resource_providers" => json!({"name": format!("p{number}")}),
            "users" => json!({"user": {"name": format!("u{number}"), "password": "secret"}}),
            "projects" => json!({"project": {"name": format!("p{number}")}}),
            "groups" => json!({"group": {"name": format!("g{number}")}}),
            "roles" => json!({"role": {"name": format!("r{number}")}}),
            "domains" => json!({"domain": {"name": format!("d{number}")}}),
            "add_router_interface" | "remove_router_interface" => json!({"subnet_id": subnet}),
            "os-interface" => json!({"interfaceAttachment": {"port_id": port}}),
            "tokens" => json!({"auth": {"identity": {"methods": ["token"], "token": {"id": server}}}}),
            other => json!({ other.trim_end_matches('s'): {"name": "x"} }),
        }
    }
}

/// What the things of a collection are called.
fn kind_of(collection: &str) -> String {
    let plain = collection.trim_start_matches("os-").replace('-', "_");
    let singular = plain.strip_suffix("ies").map(|stem| format!("{stem}y"));
    singular.unwrap_or_else(|| plain.trim_end_matches('s').to_owned())
}

#[test]
fn junk_is_never_our_fault() {
    let dir = std::env::temp_dir().join(format!("cuttle-junk-{}", runtime::new_uuid()));
    std::fs::create_dir_all(&dir).unwrap();
    let (api, routes) = cloud(&dir);
    assert!(routes.len() > 200, "{}", routes.len());
    let (admin, admin_project) = log_in(&api, "admin");
    let (demo, demo_project) = log_in(&api, "demo");
    let tokens = vec![
        admin.clone(),
        admin.clone(),
        admin,
        demo.clone(),
        demo.clone(),
        demo,
        "junk".to_owned(),
        String::new(),
    ];
    let seed = std::env::var("CUTTLE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    let projects = vec![admin_project, demo_project];
    let dice = Dice(seed);
    let spared = ["users", "projects", "domains", "roles"].into_iter().flat_map(|kind| {
        let listed = api.get(&tokens[0], &format!("/identity/v3/{kind}")).body;
        let ids =
            listed[kind].as_array().unwrap().iter().map(|thing| thing["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<String>>()
    });
    let spared = spared.collect();
    let mut attack =
        Attack { api, dice, tokens, projects, ids: BTreeMap::new(), spared, statuses: BTreeMap::new() };
    for round in 0..REQUESTS.div_ceil(routes.len()) {
        for (method, path) in &routes {
            attack.shoot(method, path);
        }
        // Some of it ends sessions, as it should.
        for (at, name) in ["admin", "admin", "admin", "demo", "demo", "demo"].into_iter().enumerate() {
            attack.tokens[at] = log_in(&attack.api, name).0;
        }
        let passes = catch_unwind(AssertUnwindSafe(|| (0..50).all(|_| attack.api.runner.pass().is_ok())));
        assert!(passes.is_ok_and(|fine| fine), "a reconciler fails in round {round}");
    }
    println!(
        "seed {seed}: {:?}; {} ids were known",
        attack.statuses,
        attack.ids.values().map(Vec::len).sum::<usize>()
    );
    assert!(attack.statuses.get(&201).is_some_and(|count| *count > 100), "{:?}", attack.statuses);
    assert!(attack.statuses.get(&400).is_some_and(|count| *count > 1000), "{:?}", attack.statuses);
    std::fs::remove_dir_all(&dir).unwrap();
}
