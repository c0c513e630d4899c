//! The cloud's users: two projects that want things at random, sensible or not.

mod networks;
mod servers;
mod volumes;

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::chance::Chance;
use crate::control::{ADMIN, Answer};

/// The projects. They share nothing but the cloud.
pub const PROJECTS: [&str; 2] = ["alpha", "beta"];

/// What a client can own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A server.
    Server,
    /// An image.
    Image,
    /// A volume.
    Volume,
    /// A snapshot of one.
    Snapshot,
    /// A network.
    Network,
    /// A subnet.
    Subnet,
    /// A port that a client made.
    Port,
    /// A router.
    Router,
    /// A floating IP.
    FloatingIp,
    /// A security group.
    SecurityGroup,
    /// A rule of one.
    SecurityGroupRule,
}

impl Kind {
    /// All kinds, users before what they use.
    pub const ALL: [Kind; 11] = [
        Kind::Server,
        Kind::FloatingIp,
        Kind::Port,
        Kind::Router,
        Kind::Subnet,
        Kind::Network,
        Kind::SecurityGroupRule,
        Kind::SecurityGroup,
        Kind::Snapshot,
        Kind::Volume,
        Kind::Image,
    ];

    /// Where they are listed.
    pub fn path(self) -> &'static str {
        match self {
            Kind::Server => "/compute/v2.1/servers",
            Kind::Image => "/image/v2/images",
            Kind::Volume => "/volume/v3/volumes",
            Kind::Snapshot => "/volume/v3/snapshots",
            Kind::Network => "/network/v2.0/networks",
            Kind::Subnet => "/network/v2.0/subnets",
            Kind::Port => "/network/v2.0/ports",
            Kind::Router => "/network/v2.0/routers",
            Kind::FloatingIp => "/network/v2.0/floatingips",
            Kind::SecurityGroup => "/network/v2.0/security-groups",
            Kind::SecurityGroupRule => "/network/v2.0/security-group-rules",
        }
    }

    /// The key of one in a body; an image has none.
    pub fn root(self) -> &'static str {
        match self {
            Kind::Server => "server",
            Kind::Image => "",
            Kind::Volume => "volume",
            Kind::Snapshot => "snapshot",
            Kind::Network => "network",
            Kind::Subnet => "subnet",
            Kind::Port => "port",
            Kind::Router => "router",
            Kind::FloatingIp => "floatingip",
            Kind::SecurityGroup => "security_group",
            Kind::SecurityGroupRule => "security_group_rule",
        }
    }

    /// The key of many in a body.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Server => "servers",
            Kind::Image => "images",
            Kind::Volume => "volumes",
            Kind::Snapshot => "snapshots",
            Kind::Network => "networks",
            Kind::Subnet => "subnets",
            Kind::Port => "ports",
            Kind::Router => "routers",
            Kind::FloatingIp => "floatingips",
            Kind::SecurityGroup => "security_groups",
            Kind::SecurityGroupRule => "security_group_rules",
        }
    }
}

/// A request, ready to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who asks.
    pub token: String,
    /// The method.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What an answer of success says of the client's belongings.
    pub then: Then,
}

/// What changes for the client when a request succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// Nothing that it keeps in mind.
    Nothing,
    /// It owns what the answer names.
    Owns(Kind),
    /// It owns the image that is made of a volume or of a server.
    OwnsImage,
    /// It owns this no longer.
    Lost(Kind, String),
    /// A router has a leg in a subnet.
    Joined(String, String),
    /// A router has that leg no longer.
    Left(String, String),
}

impl Request {
    /// A request of a member of a project, with a JSON body unless it is `Null`.
    pub fn new(token: &str, method: &'static str, path: impl Into<String>, body: &Json) -> Request {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let headers = vec![("content-type", "application/json".to_owned())];
        let (token, path) = (token.to_owned(), path.into());
        Request { token, method, path, headers, body: bytes, then: Then::Nothing }
    }

    /// The administrator's.
    pub fn of_admin(method: &'static str, path: impl Into<String>, body: &Json) -> Request {
        Request::new(&format!("admin@{ADMIN}"), method, path, body)
    }

    /// The body for a log: the beginning of JSON, the size of bytes.
    pub fn body_in_words(&self) -> String {
        match self.body.first() {
            Some(b'{' | b'[') => String::from_utf8_lossy(&self.body[..self.body.len().min(300)]).into_owned(),
            Some(_) => format!("({} bytes)", self.body.len()),
            None => String::new(),
        }
    }

    fn then(mut self, then: Then) -> Request {
        self.then = then;
        self
    }
}

/// Both projects' users, and what they believe to own.
#[derive(Debug, Default)]
pub struct Client {
    owned: BTreeMap<(&'static str, Kind), Vec<String>>,
    legs: Vec<(String, String)>,
    /// The external network.
    pub public: Option<String>,
}

/// Something that a client may want.
type Wish = fn(&Client, &mut Chance, &'static str) -> Option<Request>;

impl Client {
    /// The next wish of somebody.
    pub fn wish(&self, chance: &mut Chance) -> Request {
        let project = PROJECTS[chance.below(PROJECTS.len())];
        let mut wishes: Vec<(usize, Wish)> = vec![(3, look), (1, stranger)];
        wishes.extend(volumes::WISHES);
        wishes.extend(networks::WISHES);
        wishes.extend(servers::WISHES);
        loop {
            let wish = chance.weighted(&wishes).unwrap_or(look);
            if let Some(request) = wish(self, chance, project) {
                return if chance.one_in(12) { spoiled(chance, request) } else { request };
            }
        }
    }

    /// Takes note of an answer.
    pub fn note(&mut self, request: &Request, answer: &Answer) {
        let project = PROJECTS.into_iter().find(|project| request.token.ends_with(project));
        let (true, Some(project)) = ((200..300).contains(&answer.status), project) else { return };
        match &request.then {
            Then::Nothing => {}
            Then::Owns(kind) => {
                let one = if kind.root().is_empty() { &answer.body } else { &answer.body[kind.root()] };
                if let Some(id) = one["id"].as_str() {
                    self.owned.entry((project, *kind)).or_default().push(id.to_owned());
                }
            }
            Then::OwnsImage => {
                let of_volume = &answer.body["os-volume_upload_image"]["image_id"];
                if let Some(id) = of_volume.as_str().or(answer.body["image_id"].as_str()) {
                    self.owned.entry((project, Kind::Image)).or_default().push(id.to_owned());
                }
            }
            Then::Lost(kind, id) => {
                self.owned.entry((project, *kind)).or_default().retain(|known| known != id)
            }
            Then::Joined(router, subnet) => self.legs.push((router.clone(), subnet.clone())),
            Then::Left(router, subnet) => self.legs.retain(|leg| leg != &(router.clone(), subnet.clone())),
        }
    }

    /// One of what a project owns.
    fn one(&self, chance: &mut Chance, project: &'static str, kind: Kind) -> Option<String> {
        chance.pick(self.owned.get(&(project, kind))?).cloned()
    }

    /// What a project has owned of a kind for longest.
    fn oldest(&self, project: &'static str, kind: Kind) -> Option<String> {
        self.owned.get(&(project, kind))?.first().cloned()
    }

    /// How much of a kind a project owns.
    fn count(&self, project: &'static str, kind: Kind) -> usize {
        self.owned.get(&(project, kind)).map_or(0, Vec::len)
    }

    /// Deletes one of a kind.
    fn delete(&self, chance: &mut Chance, project: &'static str, kind: Kind) -> Option<Request> {
        let id = self.one(chance, project, kind)?;
        let path = format!("{}/{id}", kind.path());
        Some(Request::new(&member(project), "DELETE", path, &Json::Null).then(Then::Lost(kind, id)))
    }
}

/// The token of a project's member.
fn member(project: &str) -> String {
    format!("member@{project}")
}

fn create(project: &str, kind: Kind, fields: Json) -> Request {
    let body = if kind.root().is_empty() { fields } else { json!({ kind.root(): fields }) };
    Request::new(&member(project), "POST", kind.path(), &body).then(Then::Owns(kind))
}

/// Lists something.
fn look(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let kind = Kind::ALL[chance.below(Kind::ALL.len())];
    let path = match client.one(chance, project, kind) {
        Some(id) if chance.one_in(2) => format!("{}/{id}", kind.path()),
        _ => kind.path().to_owned(),
    };
    Some(Request::new(&member(project), "GET", path, &Json::Null))
}

/// Deletes or changes what is another's.
fn stranger(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let other = PROJECTS.into_iter().find(|other| *other != project)?;
    let kind = Kind::ALL[chance.below(Kind::ALL.len())];
    let id = client.one(chance, other, kind)?;
    let method = if chance.one_in(2) { "DELETE" } else { "PUT" };
    let body = if method == "PUT" { json!({ kind.root(): {"name": "mine"} }) } else { Json::Null };
    Some(Request::new(&member(project), method, format!("{}/{id}", kind.path()), &body))
}

/// The same request with something wrong. It may still be right.
fn spoiled(chance: &mut Chance, mut request: Request) -> Request {
    let parsed: Option<Json> = serde_json::from_slice(&request.body).ok();
    match (chance.below(8), parsed) {
        (0, _) => request.body = b"{\"half\": ".to_vec(),
        (1, _) => request.path = request.path.replacen('-', "", 1),
        (2, _) => request.token = "member@nobody".to_owned(),
        (3, _) => {
            let id = unknown_id(chance);
            if let Some(at) = request.path.rfind('/') {
                request.path.replace_range(at + 1.., &id);
            }
        }
        (_, Some(mut body)) => {
            spoil(chance, &mut body);
            request.body = body.to_string().into_bytes();
        }
        (_, None) => {}
    }
    request
}

/// An id that nothing has, from the client's dice.
fn unknown_id(chance: &mut Chance) -> String {
    let (a, b) = (chance.number(), chance.number());
    let hex = format!("{a:016x}{b:016x}");
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// Puts something else somewhere in a body.
fn spoil(chance: &mut Chance, body: &mut Json) {
    let choice = chance.below(3);
    match body {
        Json::Object(fields) if !fields.is_empty() && choice > 0 => {
            let at = chance.below(fields.len());
            if let Some(inner) = fields.values_mut().nth(at) {
                spoil(chance, inner);
            }
        }
        Json::Array(items) if !items.is_empty() && choice > 0 => {
            let at = chance.below(items.len());
            spoil(chance, &mut items[at]);
        }
        other => *other = nonsense(chance),
    }
}

fn nonsense(chance: &mut Chance) -> Json {
    let all = [
        Json::Null,
        json!(true),
        json!(-1),
        json!(0),
        json!(u64::MAX),
        json!(1.5),
        json!(""),
        json!("x".repeat(300)),
        json!("\u{0}\u{fffd}%00'\"; --"),
        json!("::/0"),
        json!("255.255.255.255"),
        json!([]),
        json!([[]]),
        json!([{}]),
        json!({}),
        json!({"a": {"b": null}}),
        json!(unknown_id(chance)),
    ];
    all[chance.below(all.len())].clone()
}
