//! Who may call what: every route, asked by every kind of caller, about what is the caller's own and what is not.
//!
//! What came out is in `golden/access.txt`, a line for each route: which of the patterns below its answers make. The
//! patterns were written down from the documentation of Keystone's default roles and scopes, not from the rules in
//! `policy.rs`; an answer that makes none of them fails.

mod things;

use rest::Routes;
use serde_json::{Value as Json, json};

use crate::tests::ADMIN;
use things::{Side, World};

/// No token, then reader, member, manager and admin in a project, in a domain and in the system. `+` is let in, `-` is
/// 403, `!` is 401. First about what is the caller's own, then its domain's, then another domain's.
struct Pattern {
    name: &'static str,
    by_side: [&'static str; 3],
}

const fn always(name: &'static str, same: &'static str) -> Pattern {
    Pattern { name, by_side: [same; 3] }
}

const ADMIN_ANYWHERE: &str = "! ---+ ---+ ---+";
const EVERYBODY: &str = "! ++++ ++++ ++++";
const DOMAIN_READER: &str = "! ---+ ++++ ++++";
const DOMAIN_MANAGER: &str = "! ---+ --++ ---+";
const SYSTEM_READER: &str = "! ---+ ---+ ++++";

const PATTERNS: &[Pattern] = &[
    always("nobody-asked", "+ ++++ ++++ ++++"),
    always("anyone", EVERYBODY),
    always("admin", "! ---+ ---- ---+"),
    always("reader", "! ---+ ---- ++++"),
    always("admin-in-project", "! ---+ ---- ----"),
    always("service", "! ---+ ---+ ---+"),
    always("manager-lists", "! ---+ --++ ++++"),
    always("manager-sees", "! --++ --++ ++++"),
    always("domain-lists", DOMAIN_READER),
    always("domain-makes", DOMAIN_MANAGER),
    Pattern { name: "domain-reads", by_side: [EVERYBODY, DOMAIN_READER, SYSTEM_READER] },
    Pattern { name: "domain-writes", by_side: [DOMAIN_MANAGER, DOMAIN_MANAGER, ADMIN_ANYWHERE] },
    Pattern { name: "inside-reads", by_side: [EVERYBODY, EVERYBODY, SYSTEM_READER] },
    Pattern { name: "owner-reads", by_side: [EVERYBODY, SYSTEM_READER, SYSTEM_READER] },
    Pattern { name: "owner-writes", by_side: [EVERYBODY, ADMIN_ANYWHERE, ADMIN_ANYWHERE] },
    Pattern {
        name: "owner-reads-undomained",
        by_side: ["! ++++ ---- ++++", "! ---+ ---- ++++", "! ---+ ---- ++++"],
    },
    Pattern {
        name: "owner-writes-undomained",
        by_side: ["! ++++ ---- ++++", "! ---+ ---- ---+", "! ---+ ---- ---+"],
    },
    Pattern {
        name: "member-writes-own",
        by_side: ["! -+++ ---- -+++", "! ---+ ---- ---+", "! ---+ ---- ---+"],
    },
    Pattern {
        name: "owner-in-project",
        by_side: ["! ++++ ---- ----", "! ---- ---- ----", "! ---- ---- ----"],
    },
    Pattern {
        name: "owner-or-system-reads",
        by_side: ["! ++++ ---- ++++", "! ---- ---- ++++", "! ---- ---- ++++"],
    },
    Pattern {
        name: "owner-or-system-writes",
        by_side: ["! ++++ ---- ++++", "! ---- ---- ---+", "! ---- ---- ---+"],
    },
];

/// Routes that say who one is, or change it: asked with real logins in the tests of `login` and `token`.
fn is_about_the_token(route: &str) -> bool {
    route.starts_with("/v3/auth/")
        || route.ends_with("/password")
        || route.ends_with("/auth")
        || matches!(route, "/v3/OS-FEDERATION/projects" | "/v3/OS-FEDERATION/domains")
        // Whoever asks these signs the request instead.
        || matches!(route, "/v3/OS-OAUTH1/request_token" | "/v3/OS-OAUTH1/access_token")
}

/// What a route answers to everybody, one text for each side that makes a difference to it.
fn ask(world: &World, method: &str, route: &str) -> Vec<(Side, String)> {
    let sides = things::sides(method, route);
    sides.iter().map(|side| (*side, world.answers(method, route, *side))).collect()
}

fn pattern_of(answers: &[(Side, String)]) -> Option<&'static str> {
    let fits =
        |pattern: &&Pattern| answers.iter().all(|(side, text)| pattern.by_side[*side as usize] == text);
    // Where whose it is makes no difference, neither does the pattern.
    let plain = |pattern: &&Pattern| {
        answers.len() > 1 || pattern.by_side.iter().all(|text| *text == pattern.by_side[0])
    };
    PATTERNS.iter().filter(plain).find(fits).map(|pattern| pattern.name)
}

#[test]
fn every_route_lets_in_whom_keystone_lets_in() {
    let world = World::new();
    let routes: Routes = crate::service(&world.cloud.api.store, &world.cloud.tokens).routes;
    let mut lines = Vec::new();
    let mut odd = Vec::new();
    for (method, route) in routes.table() {
        let line = format!("{:6} {route}", method.as_str());
        if is_about_the_token(&route) {
            lines.push(format!("{line}  its own tests"));
            continue;
        }
        let answers = ask(&world, method.as_str(), &route);
        match pattern_of(&answers) {
            Some(name) => lines.push(format!("{line}  {name}")),
            None => odd.push(format!("{line}  {answers:?}")),
        }
    }
    let complaints = world.complaints.borrow();
    assert!(odd.is_empty() && complaints.is_empty(), "{}\n{}", odd.join("\n"), complaints.join("\n"));
    lines.sort_by(|a, b| a[7..].cmp(&b[7..]).then(a.cmp(b)));
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/golden/access.txt");
    let text = lines.join("\n") + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(path).unwrap();
    for (kept, now) in kept.lines().zip(text.lines()) {
        assert_eq!(
            kept, now,
            "a route differs from golden/access.txt; run with BLESS=1 and review the difference"
        );
    }
    assert_eq!(
        kept.lines().count(),
        lines.len(),
        "golden/access.txt lacks a route; run with BLESS=1 and review it"
    );
}

/// A list shows to whoever is bound to a project or a domain nothing of another domain.
#[test]
fn no_list_shows_another_domain() {
    let world = World::new();
    let foreign = world.foreign_ids();
    let routes: Routes = crate::service(&world.cloud.api.store, &world.cloud.tokens).routes;
    for (method, route) in routes.table() {
        if method != "GET" || route.contains('{') || is_about_the_token(&route) || route == "/v3/limits" {
            continue;
        }
        for caller in world.callers.iter().filter(|c| c.scope != "system" && c.role != ADMIN) {
            let answer = world.cloud.api.get(&caller.token, &format!("/identity{route}"));
            let text = if answer.status == 200 { answer.body.to_string() } else { Json::Null.to_string() };
            let seen: Vec<&String> = foreign.iter().filter(|id| text.contains(id.as_str())).collect();
            assert!(seen.is_empty(), "{route} shows {} in a {} {seen:?}", caller.role, caller.scope);
        }
    }
}

/// What concerns two things, one of which is another domain's, is refused like what concerns that one alone.
#[test]
fn a_manager_reaches_no_other_domain() {
    let world = World::new();
    let manager = world.callers.iter().find(|c| c.scope == "domain" && c.role == "manager").unwrap();
    let ([near, far], role) = (world.homes(), world.role("member"));
    let check = |method: &str, path: &str, body: Json, expected: u16| {
        let answer = world.cloud.call(&manager.token, method, path, &body);
        assert_eq!(answer.status, expected, "{method} {path} {body}: {}", answer.body);
    };
    let grant =
        |user: &str, project: &str, role: &str| format!("projects/{project}/users/{user}/roles/{role}");
    check("PUT", &grant(&near.user, &near.project, role), Json::Null, 204);
    check("PUT", &grant(&near.user, &far.project, role), Json::Null, 403);
    check("PUT", &grant(&far.user, &near.project, role), Json::Null, 403);
    check("GET", &grant(&far.user, &near.project, role), Json::Null, 403);
    check("DELETE", &grant(&near.user, &far.project, role), Json::Null, 403);
    for greater in ["admin", "service"] {
        check("PUT", &grant(&near.user, &near.project, world.role(greater)), Json::Null, 403);
        check("DELETE", &grant(&near.user, &near.project, world.role(greater)), Json::Null, 403);
    }
    check("PUT", &format!("groups/{}/users/{}", near.group, near.user), Json::Null, 204);
    check("PUT", &format!("groups/{}/users/{}", near.group, far.user), Json::Null, 403);
    check("PUT", &format!("groups/{}/users/{}", far.group, near.user), Json::Null, 403);
    let project = |more: Json| {
        let mut body = json!({"name": "more"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"project": body})
    };
    for more in [
        json!({"parent_id": far.project}),
        json!({"parent_id": far.domain}),
        json!({"parent_id": far.project, "domain_id": near.domain}),
        json!({"parent_id": near.project, "domain_id": far.domain}),
    ] {
        let answer = world.cloud.call(&manager.token, "POST", "projects", &project(more.clone()));
        assert!([400, 403].contains(&answer.status), "{more}: {answer:?}");
    }
    check("POST", "projects", project(json!({"parent_id": near.project})), 201);
    let moved = |key: &str| json!({key: {"domain_id": far.domain}});
    check("PATCH", &format!("users/{}", near.user), moved("user"), 400);
    check("PATCH", &format!("groups/{}", near.group), moved("group"), 400);
    check("PATCH", &format!("projects/{}", near.project), moved("project"), 400);
    let others = world.cloud.get(&manager.token, &format!("role_assignments?scope.domain.id={}", far.domain));
    assert_eq!((others.status, &others.body["role_assignments"]), (200, &json!([])));
}
