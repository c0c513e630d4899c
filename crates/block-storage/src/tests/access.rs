//! Who may call what: every route, asked by every kind of caller, about what is the caller's own and what is not.
//!
//! What came out is in `golden/access.txt`, a line for each route, and for each action where a route has several: which of
//! the patterns below its answers make. The patterns were written down from Cinder's description of its personas, not
//! from the rules in `policy.rs`; an answer that makes none of them fails.

mod things;

use things::{Side, World};

/// No token, then reader, member, manager and admin in a project, in a domain and in the system. `+` is let in, `-` is
/// 403, `?` is 404, `!` is 401. First about what is the caller's own, then about another project's.
struct Pattern {
    name: &'static str,
    by_side: [&'static str; 2],
}

const fn always(name: &'static str, same: &'static str) -> Pattern {
    Pattern { name, by_side: [same; 2] }
}

/// Administrators, wherever they are; the others do not hear that it is there.
const HIDDEN: &str = "! ???+ ???+ ???+";

const PATTERNS: &[Pattern] = &[
    always("nobody-asked", "+ ++++ ++++ ++++"),
    always("anyone", "! ++++ ++++ ++++"),
    always("admin", "! ---+ ---+ ---+"),
    always("admin-finds-none", "! ---? ---? ---?"),
    // What is nobody's: a domain and the system have no reader of it but the administrator.
    always("reader-or-admin", "! ++++ ---+ ---+"),
    // What a project has, and so needs one.
    always("project-lists", "! ++++ ---- ----"),
    always("project-makes", "! -+++ ---- ----"),
    always("admin-makes", "! ---+ ---- ----"),
    Pattern { name: "reads", by_side: ["! ++++ ???+ ???+", HIDDEN] },
    Pattern { name: "writes", by_side: ["! -+++ ???+ ???+", HIDDEN] },
    Pattern { name: "admin-of-what-is-seen", by_side: ["! ---+ ???+ ???+", HIDDEN] },
    // What is made of something that has to be seen; without a project nobody can have it.
    Pattern { name: "copies", by_side: ["! -+++ ???- ???-", "! ???+ ???- ???-"] },
    Pattern { name: "copies-if-it-may", by_side: ["! -+++ ---- ----", "! -??+ ---- ----"] },
    Pattern { name: "reads-named", by_side: ["! ++++ ---+ ---+", "! ---+ ---+ ---+"] },
    Pattern { name: "reads-open", by_side: ["! ++++ ---+ ---+", "! ???+ ---+ ---+"] },
];

fn pattern_of(answers: &[(Side, String)]) -> Option<&'static str> {
    let fits =
        |pattern: &&Pattern| answers.iter().all(|(side, text)| pattern.by_side[*side as usize] == text);
    // Where whose it is makes no difference, neither does the pattern.
    let plain = |pattern: &&Pattern| answers.len() > 1 || pattern.by_side[0] == pattern.by_side[1];
    PATTERNS.iter().filter(plain).find(fits).map(|pattern| pattern.name)
}

#[test]
fn every_route_lets_in_whom_cinder_lets_in() {
    // It takes longer than a host may be silent.
    let _clock = runtime::simulate(1, types::Timestamp::from_seconds(1_800_000_000));
    let world = World::new();
    let (mut lines, mut odd) = (Vec::new(), Vec::new());
    for (method, route, action) in things::requests() {
        let action_text = if action.is_empty() { String::new() } else { format!(" #{action}") };
        let line = format!("{method:6} {route}{action_text}");
        let sides = things::sides(&method, &route);
        let answers: Vec<(Side, String)> =
            sides.iter().map(|side| (*side, world.answers(&method, &route, action, *side))).collect();
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

/// A path may name the caller's project, and no other; then the answer is the same.
#[test]
fn a_path_names_the_own_project_or_none() {
    let world = World::new();
    let routes = crate::tests::service().routes.table();
    let named: Vec<&String> =
        routes.iter().map(|(_, path)| path).filter(|p| p.contains("{project_id}")).collect();
    let plain = routes.iter().filter(|(_, path)| path.len() > 3 && !path.contains("{project_id}")).count();
    assert_eq!(named.len(), plain);
    assert_eq!(world.status("member@alpha", "/volume/v3/alpha/volumes"), 200);
    assert_eq!(world.status("member@alpha", "/volume/v3/beta/volumes"), 400);
    assert_eq!(world.status("admin@admin", "/volume/v3/beta/volumes"), 400);
}
