//! The language against a naive reading of it, and the operator's file against its mistakes.

use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy, prop_oneof, proptest};

use crate::overrides::circle;
use crate::parse::parse;
use crate::rules::Book;
use crate::{
    ADMIN, ANYONE, Attributes, Caller, Named, Overrides, Policy, Rule, Rules, Scope, ScopeKind, Target, Value,
};

static RULES: Rules = Rules::new(&[
    ("owner", Rule::new("user_id:%(user_id)s")),
    ("admin_or_owner", Rule::new("role:admin or rule:owner")),
    ("get_thing", Rule::new("rule:admin_or_owner")),
    ("list_things", ANYONE),
    ("make_cloud", ADMIN.within(&[ScopeKind::System])),
]);
static OTHERS: Rules = Rules::new(&[("get_other", Rule::new("rule:elsewhere")), ("elsewhere", ADMIN)]);

fn caller(roles: &[&str], scope: Scope) -> Caller {
    Caller {
        user_id: "u".into(),
        user_name: "una".to_owned(),
        user_domain_id: "d".into(),
        scope,
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        delegation: None,
        policy: Policy::default(),
    }
}

fn in_project() -> Scope {
    Scope::Project { id: "p".into(), name: "p".to_owned(), domain_id: "d".into() }
}

fn holds(text: &str, caller: &Caller, target: &dyn Attributes) -> bool {
    let book = Book { rules: &RULES, overrides: None };
    parse(text).unwrap().holds(crate::expression::Case { caller, target, book })
}

#[test]
fn checks_compare_the_caller_with_the_target() {
    let member = caller(&["Member", "reader"], in_project());
    let target = Named(&[
        ("user_id", Value::Text("u")),
        ("target.project.domain_id", Value::Text("d")),
        ("target.role.name", Value::Text("member")),
        ("target.role.domain_id", Value::Null),
    ]);
    let check = |text: &str, expected: bool| assert_eq!(holds(text, &member, &target), expected, "{text}");
    check("", true);
    check("@", true);
    check("!", false);
    check("role:member", true);
    check("role:MEMBER", true);
    check("role:%(target.role.name)s", true);
    check("role:admin", false);
    check("user_id:%(user_id)s", true);
    check("user_id:u", true);
    check("user_id:%(other)s", false);
    check("not user_id:%(other)s", true);
    check("domain_id:%(target.project.domain_id)s", false);
    check("token.project.domain.id:%(target.project.domain_id)s", true);
    check("token.domain.id:None", false);
    check("domain_id:None", true);
    check("not domain_id:None", false);
    check("None:%(target.role.domain_id)s", true);
    check("None:%(target.role.name)s", false);
    check("None:%(absent)s", false);
    check("'member':%(target.role.name)s", true);
    check("\"reader\":%(target.role.name)s", false);
    check("system_scope:all", false);
    check("is_admin:1", false);
    check("is_admin:False", true);
    check("is_admin_project:True", true);
    check("rule:owner", true);
    check("rule:nowhere", false);
    check("role:admin or role:member and user_id:%(user_id)s", true);
    check("(role:admin or role:member) and not user_id:%(user_id)s", false);
    check("not (role:admin or role:nobody) AND role:member", true);
    check("not not role:member", true);
}

#[test]
fn one_owner_has_many_names() {
    let (user, project, domain) = ("u".into(), "p".into(), "d".into());
    let target = Target { project_id: Some(&project), user_id: Some(&user), domain_id: Some(&domain) };
    let check = |name: &str, expected: Option<&str>| {
        assert_eq!(target.attribute(name), expected.map(Value::Text), "{name}");
    };
    for name in ["project_id", "tenant_id", "target.project.id", "target.limit.project_id"] {
        check(name, Some("p"));
    }
    for name in ["user_id", "target.user.id", "target.credential.user_id"] {
        check(name, Some("u"));
    }
    for name in ["domain_id", "target.domain.id", "target.domain_id", "target.limit.project.domain_id"] {
        check(name, Some("d"));
    }
    for name in ["id", "target.trust.trustor_user_id", "target.user.default_project_id", "target.role.id", ""]
    {
        check(name, None);
    }
    assert_eq!(Target::default().attribute("user_id"), None);
}

#[test]
fn what_is_no_expression_says_why() {
    let check = |text: &str, expected: &str| {
        let error = parse(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    };
    check("admin", "`role:admin`");
    check("role:", "lacks a side");
    check("role:a role:b", "without `and` or `or`");
    check("role:a or", "ends where a check");
    check("or role:a", "`or` stands where");
    check("(role:a", "`(` is not closed");
    check("role:a)", "closes nothing");
    check("()", "stands where a check");
    check("colour:blue", "nothing that is known of a caller");
    check("user_id:%(x)d", "write `%(name)s`");
    check("user_id:a%(x)s", "write `%(name)s`");
    check("http://judge/", "not built");
    check(&"(".repeat(100_000), "deeper than");
    check(&"not ".repeat(100_000), "deeper than");
}

#[test]
fn scopes_are_asked_before_the_expression() {
    let check = |scope: Scope, expected: bool| {
        let admin = caller(&["admin"], scope);
        assert_eq!(RULES.allows("make_cloud", &admin, &Target::default()), expected, "{:?}", admin.scope);
    };
    check(Scope::System, true);
    check(in_project(), false);
    check(Scope::Domain { id: "d".into() }, false);
    check(Scope::Unscoped, false);
    assert!(!RULES.allows("no_such_rule", &Caller::cloud(), &Target::default()));
}

#[test]
fn a_file_states_rules_otherwise_and_is_exchanged_at_once() {
    let first = "# ours\n\"get_thing\": \"role:reader\"\nowner: user_id:u # everywhere\n";
    let policy = Policy::new(Overrides::read(first, &[&RULES, &OTHERS]).unwrap());
    let reader = Caller { policy: policy.clone(), ..caller(&["reader"], in_project()) };
    let allows = |rule: &str| RULES.allows(rule, &reader, &Target::default());
    assert!(allows("get_thing") && allows("list_things"));
    let explained = RULES.explain("get_thing", &reader, &Target::default()).unwrap();
    assert_eq!((explained.allowed, explained.line), (true, Some(2)));

    // A rule of one service asks one of another, by way of a name of the file's own.
    let second = "{\"get_thing\": \"rule:ours\",\n \"ours\": \"rule:elsewhere\", \"list_things\": \"!\"}";
    policy.state(Overrides::read(second, &[&RULES, &OTHERS]).unwrap());
    assert!(!allows("get_thing") && !allows("list_things"));
    let admin = Caller { policy, ..caller(&["admin"], in_project()) };
    assert!(RULES.allows("get_thing", &admin, &Target::default()));
    assert!(!RULES.allows("make_cloud", &admin, &Target::default()), "the scopes stay the service's");
    // The control plane itself is not bound by them.
    assert!(RULES.allows("list_things", &Caller::cloud(), &Target::default()));
}

#[test]
fn a_file_with_mistakes_names_the_lines() {
    let check = |text: &str, expected: &[(usize, &str)]| {
        let problems = Overrides::read(text, &[&RULES, &OTHERS]).err().unwrap_or_default();
        assert_eq!(problems.len(), expected.len(), "{text}: {problems:?}");
        for (problem, (line, what)) in problems.iter().zip(expected) {
            assert!(problem.line == *line && problem.what.contains(what), "{text}: {problem:?}");
        }
    };
    check("", &[]);
    check("# nothing but this\n", &[]);
    check("---\nget_thing: '@'\n", &[]);
    check("get_thing: \"\"", &[]);
    check("\nget_thnig: '@'\n", &[(2, "there is no rule get_thnig")]);
    check("get_thing: admin\nlist_things: '('", &[(1, "`role:admin`"), (2, "ends where")]);
    check("get_thing: '@'\nget_thing: '!'", &[(2, "a second time")]);
    check("get_thing: rule:nowhere", &[(1, "which is nowhere")]);
    check("owner: rule:admin_or_owner", &[(1, "owner → admin_or_owner → owner")]);
    check("get_thing: rule:a\na: not rule:b\nb: rule:a", &[(2, "a → b → a"), (3, "b → a → b")]);
    check("get_thing:", &[(1, "has no expression")]);
    check("get_thing: [role:admin]", &[(1, "is not a text")]);
    check("- get_thing", &[(1, "a map of rules")]);
    check("get_thing", &[(1, "a map of rules")]);
    check("get_thing: '@'\n \"x: y", &[(2, "no YAML")]);
}

#[test]
fn an_explanation_shows_every_part() {
    let user = caller(&["member"], in_project());
    let explained = RULES.explain("get_thing", &user, &Target::user(&"someone".into())).unwrap();
    assert_eq!(
        explained.text,
        "  false  rule:admin_or_owner\n  false    any of\n  false      role:admin\n  false      rule:owner\n  \
         false        user_id:%(user_id)s   (u, someone)\n"
    );
    assert_eq!((explained.allowed, explained.line), (false, None));
    let scoped = RULES.explain("make_cloud", &caller(&["admin"], in_project()), &Target::default()).unwrap();
    assert!(
        !scoped.allowed && scoped.text.starts_with("  false  scope project is one of system\n"),
        "{scoped:?}"
    );
    assert_eq!(RULES.explain("no_such_rule", &user, &Target::default()), None);
}

/// What a text means, by replacing the innermost parentheses until nothing is left to replace. `T` and `F` are its atoms.
fn naive(text: &str) -> bool {
    let mut text = text.to_owned();
    while let Some(close) = text.find(')') {
        let open = text[..close].rfind('(').unwrap();
        let value = if flat(&text[open + 1..close]) { "T" } else { "F" };
        text.replace_range(open..=close, value);
    }
    flat(&text)
}

fn flat(text: &str) -> bool {
    text.split(" or ").any(|part| {
        part.split(" and ").all(|check| {
            let (negations, atom) = (check.matches("not ").count(), check.trim().rsplit(' ').next().unwrap());
            (atom == "T") != (negations % 2 == 1)
        })
    })
}

fn texts() -> impl Strategy<Value = String> {
    let atom = prop_oneof![Just("T".to_owned()), Just("F".to_owned())];
    atom.prop_recursive(6, 40, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|text| format!("not ({text})")),
            inner.clone().prop_map(|text| format!("({text})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} and {b}")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{a} or {b}")),
        ]
    })
}

proptest! {
    #[test]
    fn any_expression_means_what_it_says(text in texts()) {
        let spelled = text.replace('T', "role:member").replace('F', "user_id:%(user_id)s");
        let member = caller(&["member"], in_project());
        assert_eq!(holds(&spelled, &member, &Target::default()), naive(&text), "{text}");
        let parsed = parse(&spelled).unwrap();
        let again = parse(&parsed.to_string()).unwrap();
        assert_eq!(again.to_string(), parsed.to_string());
        assert_eq!(holds(&parsed.to_string(), &member, &Target::default()), naive(&text), "{text}");
    }

    #[test]
    fn no_text_and_no_file_panics(text in "[()'\"@!:%a-z \n#{}\\[\\]-]{0,60}") {
        let _ = parse(&text);
        let _ = Overrides::read(&text, &[&RULES]);
    }
}

#[test]
fn the_tables_of_the_tests_hold_no_circle() {
    let book = Book { rules: &RULES, overrides: None };
    let circles: BTreeMap<_, _> = RULES.list().iter().map(|(name, _)| (*name, circle(book, name))).collect();
    assert!(circles.values().all(Option::is_none), "{circles:?}");
}
