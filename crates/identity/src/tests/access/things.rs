//! The callers and the things that the table of who may call what is made with.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, Cloud, cloud, login};

/// Whose a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// The caller itself, or what belongs to it.
    Own,
    /// What is in the caller's project and domain.
    Near,
    /// What is in another domain.
    Foreign,
}

/// The sides that make a difference to a route.
pub(super) fn sides(method: &str, route: &str) -> &'static [Side] {
    let has = |part: &str| route.contains(part);
    let personal =
        ["credential", "/trusts", "{access_rule_id}", "/access_rules"].iter().any(|part| has(part))
            || route.starts_with("/v3/users/{user_id}/")
            || (route == "/v3/users/{user_id}" && method == "GET");
    let domestic =
        ["{user_id}", "{group_id}", "{project_id}", "{domain_id}", "{limit_id}"].iter().any(|p| has(p));
    let made = method == "POST" && ["/v3/users", "/v3/groups", "/v3/projects"].contains(&route);
    // A grant to the caller itself would change who it is.
    if personal && !has("/roles/{role_id}") || has("OS-TRUST/trusts/{") {
        &[Side::Own, Side::Near, Side::Foreign]
    } else if domestic || made {
        &[Side::Near, Side::Foreign]
    } else {
        &[Side::Near]
    }
}

/// Somebody with a token.
pub(super) struct Somebody {
    pub(super) role: &'static str,
    pub(super) scope: &'static str,
    pub(super) user: String,
    pub(super) token: String,
    name: String,
}

/// A domain and what is in it.
pub(super) struct Home {
    pub(super) domain: String,
    pub(super) project: String,
    pub(super) user: String,
    pub(super) group: String,
    /// The user's name.
    name: String,
}

/// A cloud with two domains.
pub(super) struct World {
    pub(super) cloud: Cloud,
    admin: String,
    /// By scope, then by role.
    pub(super) callers: Vec<Somebody>,
    homes: [Home; 2],
    roles: BTreeMap<String, String>,
    kept: RefCell<BTreeMap<String, String>>,
    count: Cell<u32>,
    /// Requests that were no good questions, for what they were answered.
    pub(super) complaints: RefCell<Vec<String>>,
}

fn id(of: &Json) -> String {
    of["id"].as_str().unwrap().to_owned()
}

impl World {
    pub(super) fn new() -> World {
        let cloud = cloud();
        let admin = cloud.token(ADMIN);
        let listed = cloud.get(&admin, "roles").body;
        let roles: BTreeMap<String, String> = listed["roles"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| (r["name"].as_str().unwrap().to_owned(), id(r)))
            .collect();
        let homes = ["near", "far"].map(|name| home(&cloud, &admin, name, &roles));
        let mut callers = Vec::new();
        for scope in ["project", "domain", "system"] {
            for role in ["reader", "member", "manager", "admin"] {
                callers.push(somebody(&cloud, &admin, &homes[0], (scope, role), &roles[role]));
            }
        }
        World {
            cloud,
            admin,
            callers,
            homes,
            roles,
            kept: RefCell::default(),
            count: Cell::new(0),
            complaints: RefCell::default(),
        }
    }

    /// The callers' own domain and the other one.
    pub(super) fn homes(&self) -> &[Home; 2] {
        &self.homes
    }

    pub(super) fn role(&self, name: &str) -> &str {
        &self.roles[name]
    }

    pub(super) fn foreign_ids(&self) -> Vec<String> {
        let far = &self.homes[1];
        vec![far.domain.clone(), far.project.clone(), far.user.clone(), far.group.clone()]
    }

    /// A character for no token and for each caller.
    pub(super) fn answers(&self, method: &str, route: &str, side: Side) -> String {
        let mut text = String::new();
        text.push(self.answer(None, method, route, side));
        for (at, caller) in self.callers.iter().enumerate() {
            if at % 4 == 0 {
                text.push(' ');
            }
            text.push(self.answer(Some(caller), method, route, side));
        }
        text
    }

    fn answer(&self, caller: Option<&Somebody>, method: &str, route: &str, side: Side) -> char {
        let who = caller.unwrap_or(&self.callers[0]);
        let mut path = format!("/identity{route}");
        let mut used = Vec::new();
        let names: Vec<&str> = route.split(['{', '}']).skip(1).step_by(2).collect();
        for (at, name) in names.iter().enumerate() {
            // A role that comes with the cloud cannot be changed.
            let changes = method == "DELETE" || (method, *name) == ("PATCH", "role_id");
            let doomed = changes && at + 1 == names.len() && route.ends_with('}');
            let value = self.thing(name, route, (side, who), doomed);
            path = path.replace(&format!("{{{name}}}"), &value.1);
            used.push(value.0);
        }
        let body = self.body(method, route, (side, who));
        let token = caller.map_or("", |caller| &caller.token);
        let answer = self.cloud.api.call(token, method, &path, &[], &body);
        let symbol = match answer.status {
            401 => '!',
            403 => '-',
            _ => '+',
        };
        if answer.status == 400 || answer.status == 405 || answer.status >= 500 {
            let complaint = format!("{method} {route}: {} {} for {body}", answer.status, answer.body);
            self.complaints.borrow_mut().push(complaint);
        }
        if method == "DELETE" && symbol == '+' {
            used.iter().filter(|key| key.starts_with("doomed")).for_each(|key| {
                self.kept.borrow_mut().remove(key);
            });
        }
        symbol
    }

    fn fresh(&self) -> String {
        self.count.set(self.count.get() + 1);
        format!("thing{}", self.count.get())
    }

    fn home(&self, side: Side) -> &Home {
        &self.homes[usize::from(side == Side::Foreign)]
    }

    /// The key and the id of what a route's `{name}` stands for.
    fn thing(
        &self,
        name: &str,
        route: &str,
        (side, who): (Side, &Somebody),
        doomed: bool,
    ) -> (String, String) {
        let relation = route.matches('{').count() > 1
            && !["application_credential_id", "access_rule_id", "protocol_id", "access"].contains(&name);
        let doomed = doomed && !relation;
        let mine = if side == Side::Own { who.user.as_str() } else { "" };
        let key = format!("{}{name}{side:?}{mine}", if doomed { "doomed" } else { "" });
        let known = self.kept.borrow().get(&key).cloned();
        let value = known.unwrap_or_else(|| self.make(name, (side, who), doomed));
        // A tag is put on a project once.
        if name != "value" {
            self.kept.borrow_mut().insert(key.clone(), value.clone());
        }
        (key, value)
    }

    fn make(&self, name: &str, (side, who): (Side, &Somebody), doomed: bool) -> String {
        let home = self.home(side);
        let fresh = self.fresh();
        let user = if side == Side::Own { &who.user } else { &home.user };
        let by_admin = |path: &str, key: &str, body: Json| id(&self.cloud.make(path, key, body));
        let in_home = json!({"name": fresh, "domain_id": home.domain});
        match (name, doomed) {
            ("user_id", false) => user.clone(),
            ("user_id", true) => by_admin("users", "user", in_home),
            ("group_id", false) => home.group.clone(),
            ("group_id", true) => by_admin("groups", "group", in_home),
            ("project_id", false) => home.project.clone(),
            ("project_id", true) => by_admin("projects", "project", in_home),
            ("domain_id", false) => home.domain.clone(),
            ("domain_id", true) => by_admin("domains", "domain", json!({"name": fresh, "enabled": false})),
            // Not the one by which the users of the homes log in.
            ("role_id", false) => self.roles["member"].clone(),
            ("role_id" | "implied_role_id", _) => by_admin("roles", "role", json!({"name": fresh})),
            ("region_id", _) => by_admin("regions", "region", json!({"id": fresh})),
            ("service_id", _) => by_admin("services", "service", json!({"type": fresh})),
            ("policy_id", _) => by_admin("policies", "policy", json!({"type": "text/plain", "blob": "x"})),
            ("credential_id", _) => {
                by_admin("credentials", "credential", json!({"type": "cert", "blob": "x", "user_id": user}))
            }
            ("trust_id", _) => self.trust(side, who),
            ("value", _) => fresh,
            ("group", _) => "ldap".to_owned(),
            ("option", _) => "url".to_owned(),
            _ => self.make_more(name, home, (side, who)),
        }
    }

    fn make_more(&self, name: &str, home: &Home, (side, who): (Side, &Somebody)) -> String {
        let by_admin = |path: &str, key: &str, body: Json| id(&self.cloud.make(path, key, body));
        let service = || by_admin("services", "service", json!({"type": self.fresh()}));
        match name {
            "endpoint_id" => {
                let body = json!({"service_id": service(), "interface": "public", "url": "http://x"});
                by_admin("endpoints", "endpoint", body)
            }
            "endpoint_group_id" => {
                let body = json!({"name": self.fresh(), "filters": {"interface": "public"}});
                by_admin("OS-EP-FILTER/endpoint_groups", "endpoint_group", body)
            }
            "registered_limit_id" => self.registered(&service()),
            "limit_id" => {
                let service = service();
                self.registered(&service);
                let limit = json!({"service_id": service, "project_id": home.project, "resource_name": "fish",
                    "resource_limit": 5});
                self.many("limits", limit)
            }
            "application_credential_id" => {
                let (user, token) = self.user_and_token(side, who);
                let body = json!({"application_credential": {"name": self.fresh()}});
                self.made_by(
                    &token,
                    &format!("users/{user}/application_credentials"),
                    "application_credential",
                    &body,
                )
            }
            "access" => {
                let (user, _) = self.user_and_token(side, who);
                let access = self.fresh();
                let blob = json!({"access": access, "secret": "s"}).to_string();
                let body = json!({"type": "ec2", "blob": blob, "user_id": user, "project_id": home.project});
                by_admin("credentials", "credential", body);
                access
            }
            "access_rule_id" => {
                let (user, token) = self.user_and_token(side, who);
                let rule =
                    json!({"service": "identity", "method": "GET", "path": format!("/v3/{}", self.fresh())});
                let body = json!({"application_credential": {"name": self.fresh(), "access_rules": [rule]}});
                let path = format!("users/{user}/application_credentials");
                let made = self.cloud.call(&token, "POST", &path, &body).body;
                let credential = &made["application_credential"];
                let one = format!("{path}/{}", id(credential));
                assert_eq!(self.cloud.call(&token, "DELETE", &one, &Json::Null).status, 204);
                id(&credential["access_rules"][0])
            }
            "idp_id" => self.put("OS-FEDERATION/identity_providers", "identity_provider", &json!({})),
            "mapping_id" => self.put("OS-FEDERATION/mappings", "mapping", &json!({"rules": mapping_rules()})),
            "consumer_id" => by_admin("OS-OAUTH1/consumers", "consumer", json!({})),
            // A route that looks for one finds none, as every caller may learn who may ask.
            "request_token_id" | "access_token_id" => self.fresh(),
            "service_provider_id" => {
                let body = json!({"auth_url": "http://x", "sp_url": "http://x"});
                self.put("OS-FEDERATION/service_providers", "service_provider", &body)
            }
            "protocol_id" => {
                let idp = self.thing("idp_id", "", (side, who), false).1;
                let mapping = self.thing("mapping_id", "", (side, who), false).1;
                let path = format!("OS-FEDERATION/identity_providers/{idp}/protocols");
                self.put(&path, "protocol", &json!({"mapping_id": mapping}))
            }
            // A route with a part that is new here: say above what it stands for.
            other => panic!("nothing is known to put in place of {{{other}}}"),
        }
    }

    fn put(&self, path: &str, key: &str, body: &Json) -> String {
        let name = self.fresh();
        let answer = self.cloud.call(&self.admin, "PUT", &format!("{path}/{name}"), &json!({key: body}));
        assert_eq!(answer.status, 201, "{answer:?}");
        name
    }

    fn many(&self, path: &str, one: Json) -> String {
        let answer = self.cloud.call(&self.admin, "POST", path, &json!({path: [one]}));
        assert_eq!(answer.status, 201, "{answer:?}");
        id(&answer.body[path][0])
    }

    fn registered(&self, service: &str) -> String {
        let body = json!({"service_id": service, "resource_name": "fish", "default_limit": 10});
        self.many("registered_limits", body)
    }

    fn made_by(&self, token: &str, path: &str, key: &str, body: &Json) -> String {
        let answer = self.cloud.call(token, "POST", path, body);
        assert_eq!(answer.status, 201, "{path}: {answer:?}");
        id(&answer.body[key])
    }

    /// The user on a side and a token of it in its project.
    fn user_and_token(&self, side: Side, who: &Somebody) -> (String, String) {
        let home = self.home(side);
        match side {
            Side::Own => (who.user.clone(), token_of(&self.cloud, &who.name, home)),
            Side::Near | Side::Foreign => (home.user.clone(), token_of(&self.cloud, &home.name, home)),
        }
    }

    fn trust(&self, side: Side, who: &Somebody) -> String {
        let (user, token) = self.user_and_token(side, who);
        self.made_by(&token, "OS-TRUST/trusts", "trust", &self.trust_body(side, &user))
    }

    fn trust_body(&self, side: Side, trustor: &str) -> Json {
        let home = self.home(side);
        let trustee = self.cloud.get(&self.admin, "users?name=demo").body["users"][0]["id"].clone();
        json!({"trust": {"trustor_user_id": trustor, "trustee_user_id": trustee, "project_id": home.project,
            "impersonation": false, "roles": [{"name": "reader"}]}})
    }

    /// A body that makes sense.
    fn body(&self, method: &str, route: &str, (side, who): (Side, &Somebody)) -> Json {
        if method != "POST" && method != "PUT" && method != "PATCH" {
            return Json::Null;
        }
        let home = self.home(side);
        let fresh = self.fresh();
        let user = if side == Side::Own { &who.user } else { &home.user };
        let in_home = json!({"name": fresh, "domain_id": home.domain});
        let service = || self.thing("service_id", "", (side, who), false).1;
        match (method, route) {
            ("POST", "/v3/users") => json!({"user": in_home}),
            ("POST", "/v3/groups") => json!({"group": in_home}),
            ("POST", "/v3/projects") => json!({"project": in_home}),
            ("POST", "/v3/domains") => json!({"domain": {"name": fresh}}),
            ("POST", "/v3/roles") => json!({"role": {"name": fresh}}),
            ("POST" | "PUT", "/v3/regions" | "/v3/regions/{region_id}") => json!({"region": {}}),
            ("POST", "/v3/services") => json!({"service": {"type": fresh}}),
            ("POST", "/v3/endpoints") => {
                json!({"endpoint": {"service_id": service(), "interface": "public", "url": "http://x"}})
            }
            ("PATCH", "/v3/endpoints/{endpoint_id}") => json!({"endpoint": {"url": "http://y"}}),
            ("POST", "/v3/policies") => json!({"policy": {"type": "text/plain", "blob": "x"}}),
            ("PATCH", "/v3/policies/{policy_id}") => json!({"policy": {"blob": "y"}}),
            ("POST", "/v3/credentials") => {
                json!({"credential": {"type": "cert", "blob": fresh, "user_id": user}})
            }
            ("PATCH", "/v3/credentials/{credential_id}") => json!({"credential": {"blob": "y"}}),
            ("POST", "/v3/OS-TRUST/trusts") => self.trust_body(side, user),
            ("POST", "/v3/OS-EP-FILTER/endpoint_groups") => {
                json!({"endpoint_group": {"name": fresh, "filters": {"interface": "public"}}})
            }
            ("POST", "/v3/registered_limits") => json!({"registered_limits":
                [{"service_id": service(), "resource_name": fresh, "default_limit": 10}]}),
            ("POST", "/v3/limits") => {
                let service = service();
                let body = json!({"service_id": service, "resource_name": fresh, "default_limit": 10});
                self.many("registered_limits", body);
                json!({"limits": [{"service_id": service, "project_id": home.project, "resource_name": fresh,
                    "resource_limit": 5}]})
            }
            ("PUT", "/v3/projects/{project_id}/tags") => json!({"tags": ["red"]}),
            (_, "/v3/domains/{domain_id}/config") => json!({"config": {"ldap": {"url": "ldap://x"}}}),
            (_, "/v3/domains/{domain_id}/config/{group}") => json!({"config": {"ldap": {"url": "ldap://x"}}}),
            (_, "/v3/domains/{domain_id}/config/{group}/{option}") => json!({"config": {"url": "ldap://x"}}),
            (_, _) if route.contains("OS-FEDERATION") => self.federal(method, route, (side, who)),
            ("POST", "/v3/OS-OAUTH1/consumers") => json!({"consumer": {}}),
            ("PUT", "/v3/OS-OAUTH1/authorize/{request_token_id}") => json!({"roles": []}),
            ("POST", "/v3/users/{user_id}/application_credentials") => {
                json!({"application_credential": {"name": fresh}})
            }
            // A service that asks learns that there is no such key.
            ("POST", "/v3/ec2tokens" | "/v3/s3tokens") => json!({"credentials": {"access": "nothing"}}),
            ("POST", "/v3/users/{user_id}/credentials/OS-EC2") => json!({"tenant_id": home.project}),
            ("PATCH", _) => json!({singular(route): {"description": fresh}}),
            _ => Json::Null,
        }
    }

    fn federal(&self, method: &str, route: &str, whose: (Side, &Somebody)) -> Json {
        let key = singular(route);
        match (method, key) {
            (_, "mapping") => json!({"mapping": {"rules": mapping_rules()}}),
            (_, "protocol") => {
                json!({"protocol": {"mapping_id": self.thing("mapping_id", "", whose, false).1}})
            }
            ("PUT", "service_provider") => {
                json!({"service_provider": {"auth_url": "http://x", "sp_url": "http://x"}})
            }
            (_, key) => json!({key: {"description": "x"}}),
        }
    }
}

fn mapping_rules() -> Json {
    json!([{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "REMOTE_USER"}]}])
}

/// `/v3/users/{user_id}` is about a `user`.
fn singular(route: &str) -> &str {
    let last = route.split('/').rev().find(|word| !word.starts_with('{')).unwrap_or("");
    last.strip_suffix('s').unwrap_or(last)
}

fn home(cloud: &Cloud, admin: &str, name: &str, roles: &BTreeMap<String, String>) -> Home {
    let domain = id(&cloud.make("domains", "domain", json!({"name": name})));
    let within = |more: Json| {
        let mut body = json!({"name": format!("{name}-thing"), "domain_id": domain});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let project = id(&cloud.make("projects", "project", within(json!({}))));
    let user = id(&cloud.make("users", "user", within(json!({"password": "secret"}))));
    let group = id(&cloud.make("groups", "group", within(json!({}))));
    let given = format!("projects/{project}/users/{user}/roles/{}", roles["reader"]);
    assert_eq!(cloud.call(admin, "PUT", &given, &Json::Null).status, 204);
    Home { domain, project, user, group, name: format!("{name}-thing") }
}

/// Logs a user of a home in to its project.
fn token_of(cloud: &Cloud, name: &str, home: &Home) -> String {
    logged_in(cloud, name, home, json!({"project": {"id": home.project}}))
}

fn logged_in(cloud: &Cloud, name: &str, home: &Home, scope: Json) -> String {
    let mut body = login(name, "secret", scope);
    body["auth"]["identity"]["password"]["user"]["domain"] = json!({"id": home.domain});
    let answer = cloud.api.post("", "/identity/v3/auth/tokens", &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.header("x-subject-token").unwrap().to_owned()
}

/// A user with a role in one scope, and as a reader in the home's project, where it has trusts and credentials.
fn somebody(
    cloud: &Cloud,
    admin: &str,
    home: &Home,
    (scope, role): (&'static str, &'static str),
    role_id: &str,
) -> Somebody {
    let name = format!("{role}-of-{scope}");
    let body = json!({"name": name, "domain_id": home.domain, "password": "secret"});
    let user = id(&cloud.make("users", "user", body));
    let place = match scope {
        "project" => format!("projects/{}", home.project),
        "domain" => format!("domains/{}", home.domain),
        _ => "system".to_owned(),
    };
    let readers = cloud.get(admin, "roles?name=reader").body;
    for path in [
        format!("{place}/users/{user}/roles/{role_id}"),
        format!("projects/{}/users/{user}/roles/{}", home.project, id(&readers["roles"][0])),
    ] {
        assert_eq!(cloud.call(admin, "PUT", &path, &Json::Null).status, 204, "{path}");
    }
    let wish = match scope {
        "project" => json!({"project": {"id": home.project}}),
        "domain" => json!({"domain": {"id": home.domain}}),
        _ => json!({"system": {"all": true}}),
    };
    let token = logged_in(cloud, &name, home, wish);
    Somebody { role, scope, user, token, name }
}
