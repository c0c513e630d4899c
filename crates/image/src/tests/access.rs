//! Who may call what: every route, asked by every kind of caller, about what is the caller's own and what is not.
//!
//! What came out is in `golden/access.txt`, a line for each route: which of the patterns below its answers make. The
//! patterns were written down from Glance's description of its personas, not from the rules in `policy.rs`; an answer
//! that makes none of them fails.

mod things;

use things::{Side, World};

/// No token, then reader, member, manager and admin in a project, in a domain and in the system. `+` is let in, `-` is
/// 403, `?` is 404, `!` is 401. First about what is the caller's own, then what another project shares with it, offers
/// to everybody, keeps for itself.
struct Pattern {
    name: &'static str,
    by_side: [&'static str; 4],
}

const fn always(name: &'static str, same: &'static str) -> Pattern {
    Pattern { name, by_side: [same; 4] }
}

/// Administrators, wherever they are; the others do not hear that it is there.
const HIDDEN: &str = "! ???+ ???+ ???+";
/// Administrators; the others may see it.
const ADMIN: &str = "! ---+ ---+ ---+";
/// As before, of what only the project sees.
const ADMIN_OF_PROJECT: &str = "! ---+ ???+ ???+";
/// Everybody with a role.
const EVERYBODY: &str = "! ++++ ++++ ++++";
/// Who reads in the project.
const READER: &str = "! ++++ ???+ ???+";
/// Who writes in the project.
const MEMBER: &str = "! -+++ ???+ ???+";

const PATTERNS: &[Pattern] = &[
    always("nobody-asked", "+ ++++ ++++ ++++"),
    always("anyone", EVERYBODY),
    always("admin", ADMIN),
    always("admin-finds-none", "! ---? ---? ---?"),
    // An image needs a project to own it, whoever makes it.
    always("project-makes", "! -+++ ---- ----"),
    always("admin-makes", "! ---+ ???- ???-"),
    always("admin-in-project", "! ---+ ---- ----"),
    always("admin-finds-no-cache", "! ---? ???? ????"),
    Pattern { name: "reads", by_side: [READER, READER, EVERYBODY, HIDDEN] },
    Pattern { name: "writes", by_side: [MEMBER, ADMIN_OF_PROJECT, ADMIN, HIDDEN] },
    Pattern { name: "downloads", by_side: [MEMBER, MEMBER, "! -+++ -+++ -+++", HIDDEN] },
    Pattern { name: "admin-of-what-is-seen", by_side: [ADMIN_OF_PROJECT, ADMIN_OF_PROJECT, ADMIN, HIDDEN] },
    Pattern { name: "members-answer", by_side: [ADMIN_OF_PROJECT, MEMBER, ADMIN, HIDDEN] },
    // Bytes elsewhere are for services, and not for any of these.
    Pattern {
        name: "nobody-here",
        by_side: ["! ---- ???- ???-", "! ---- ???- ???-", "! ---- ---- ----", "! ???- ???- ???-"],
    },
];

fn pattern_of(answers: &[(Side, String)]) -> Option<&'static str> {
    let fits =
        |pattern: &&Pattern| answers.iter().all(|(side, text)| pattern.by_side[*side as usize] == text);
    // Where whose it is makes no difference, neither does the pattern.
    let plain =
        |pattern: &&Pattern| answers.len() > 1 || pattern.by_side.iter().all(|s| *s == pattern.by_side[0]);
    PATTERNS.iter().filter(plain).find(fits).map(|pattern| pattern.name)
}

#[test]
fn every_route_lets_in_whom_glance_lets_in() {
    let world = World::new();
    let (mut lines, mut odd) = (Vec::new(), Vec::new());
    for (method, route) in world.routes() {
        let line = format!("{method:6} {route}");
        let answers: Vec<(Side, String)> = things::sides(&method, &route)
            .iter()
            .map(|side| (*side, world.answers(&method, &route, *side)))
            .collect();
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
        assert_eq!(kept, now, "a route differs from golden/access.txt; run with BLESS=1 and review it");
    }
    assert_eq!(kept.lines().count(), lines.len(), "golden/access.txt lacks a route; run with BLESS=1");
}
