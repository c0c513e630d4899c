//! Every identity command of the `openstack` client on a simulated cloud; which there are is read from the client.

use serde_json::{Value as Json, json};

use crate::client::{Client, every_command, expect, expect_row, field, text};
use crate::cloud::Folder;

#[test]
fn every_identity_command_works() {
    every_command("every_identity_command_works", "openstack.identity.v3", |client, (cloud, _)| {
        let folder = cloud.folder();
        client.as_admin(|admin| {
            people(admin);
            roles(admin);
            catalog(admin);
            endpoint_groups(admin, folder);
            policies(admin, folder);
            credentials(admin);
            limits(admin);
            federation(admin, folder);
            oauth(admin);
        });
        as_oneself(client);
        delegation(client);
        client.as_admin(away);
    });
}

fn people(admin: &mut Client) {
    let domain = admin.show("domain create --description salt --disable sea");
    expect(&domain, &[("name", json!("sea")), ("description", json!("salt")), ("enabled", json!(false))]);
    admin.run("domain set --enable --description salty sea");
    expect(&admin.show("domain show sea"), &[("enabled", json!(true)), ("description", json!("salty"))]);
    expect_row(&admin.show("domain list"), &[("Name", json!("sea")), ("Enabled", json!(true))]);

    let reef =
        admin.show("project create --domain sea --description fish --tag deep --property colour=blue reef");
    expect(&reef, &[("name", json!("reef")), ("tags", json!(["deep"])), ("domain_id", domain["id"].clone())]);
    let below = admin.show("project create --domain sea --parent reef lagoon");
    assert_eq!(below["parent_id"], reef["id"]);
    admin.run("project set --domain sea --description fishes --tag blue --property colour=red reef");
    let shown = admin.show("project show --domain sea --children reef");
    expect(&shown, &[("description", json!("fishes")), ("colour", json!("red"))]);
    assert!(shown["subtree"].get(text(&below["id"])).is_some(), "{shown}");
    assert!(admin.column("project list --domain sea --long", "Name").contains(&"lagoon".to_owned()));
    assert_eq!(admin.column("project list --domain sea --tags blue", "Name"), ["reef"]);

    let nemo =
        admin.show("user create --domain sea --project reef --password clownfish --email n@reef.test nemo");
    expect(&nemo, &[("name", json!("nemo")), ("email", json!("n@reef.test")), ("enabled", json!(true))]);
    assert_eq!(nemo["default_project_id"], reef["id"]);
    admin.run("user set --domain sea --email nemo@reef.test --ignore-password-expiry nemo");
    let shown = admin.show("user show --domain sea nemo");
    expect(&shown, &[("email", json!("nemo@reef.test"))]);
    assert_eq!(shown["options"], json!({"ignore_password_expiry": true}));
    assert_eq!(admin.column("user list --domain sea", "Name"), ["nemo"]);

    let fish = admin.show("group create --domain sea --description swim fish");
    let fish_id = text(&fish["id"]);
    expect(&fish, &[("name", json!("fish")), ("description", json!("swim"))]);
    admin.run("group set --domain sea --description swims fish");
    expect(&admin.show("group show --domain sea fish"), &[("description", json!("swims"))]);
    admin.run("group add user --group-domain sea --user-domain sea fish nemo");
    let contains = "group contains user --group-domain sea --user-domain sea fish nemo";
    assert!(admin.run(contains).contains("nemo in group fish"));
    assert_eq!(admin.column("group list --domain sea", "Name"), ["fish"]);
    assert_eq!(admin.column(&format!("user list --domain sea --group {fish_id}"), "Name"), ["nemo"]);
    assert_eq!(admin.column("group list --user nemo --user-domain sea", "Name"), ["fish"]);
    admin.run("group remove user --group-domain sea --user-domain sea fish nemo");
    assert!(admin.ask(contains).stderr.contains("nemo not in group fish"));
    assert!(admin.fail("user create --domain sea nemo").contains("409"));
}

fn roles(admin: &mut Client) {
    let role = admin.show("role create --description swims swimmer");
    expect(&role, &[("name", json!("swimmer")), ("description", json!("swims"))]);
    admin.run("role create --domain sea diver");
    assert_eq!(admin.column("role list --domain sea", "Name"), ["diver"]);
    admin.run("role set --description floats --immutable swimmer");
    expect(&admin.show("role show swimmer"), &[("description", json!("floats"))]);
    assert!(admin.fail("role delete swimmer").contains("immutable"));
    admin.run("role set --no-immutable swimmer");
    assert!(admin.column("role list", "Name").contains(&"swimmer".to_owned()));

    let implied = admin.show("implied role create --implied-role reader swimmer");
    assert_eq!(implied["prior_role"], role["id"]);
    expect_row(
        &admin.show("implied role list"),
        &[("Prior Role Name", json!("swimmer")), ("Implied Role Name", json!("reader"))],
    );
    let nemo = "--user nemo --user-domain sea";
    admin.run(&format!("role add {nemo} --project reef --project-domain sea swimmer"));
    admin.run(&format!("role add {nemo} --project reef --project-domain sea --inherited member"));
    admin.run("role add --group fish --group-domain sea --domain sea reader");
    admin.run(&format!("role add {nemo} --system all reader"));
    let assigned = admin.show(&format!("role assignment list --names {nemo}"));
    expect_row(
        &assigned,
        &[("Role", json!("swimmer")), ("User", json!("nemo@sea")), ("Project", json!("reef@sea"))],
    );
    expect_row(&assigned, &[("Role", json!("member")), ("Inherited", json!(true))]);
    expect_row(&assigned, &[("Role", json!("reader")), ("System", json!("all"))]);
    let effective = admin.show(&format!("role assignment list --names --effective {nemo}"));
    expect_row(&effective, &[("Role", json!("reader")), ("Project", json!("reef@sea"))]);
    expect_row(&effective, &[("Role", json!("member")), ("Project", json!("lagoon@sea"))]);
    admin.run(&format!("role remove {nemo} --system all reader"));
    admin.run(&format!("role remove {nemo} --project reef --project-domain sea --inherited member"));
    assert_eq!(admin.show(&format!("role assignment list {nemo}")).as_array().map(Vec::len), Some(1));
    admin.run("implied role delete --implied-role reader swimmer");
    assert!(admin.fail("implied role delete --implied-role reader swimmer").contains("404"));
}

fn catalog(admin: &mut Client) {
    admin.run("region create --description cold north");
    let pole = admin.show("region create --parent-region north pole");
    expect(&pole, &[("region", json!("pole")), ("parent_region", json!("north"))]);
    admin.run("region set --description colder north");
    expect(&admin.show("region show north"), &[("description", json!("colder"))]);
    assert_eq!(admin.column("region list --parent-region north", "Region"), ["pole"]);

    let dns = admin.show("service create --name designate --description names dns");
    expect(&dns, &[("type", json!("dns")), ("name", json!("designate")), ("enabled", json!(true))]);
    admin.run("service set --description names-of-names dns");
    expect(&admin.show("service show dns"), &[("description", json!("names-of-names"))]);
    assert!(admin.column("service list", "Name").contains(&"designate".to_owned()));

    let endpoint = admin.show("endpoint create --region north dns public http://dns.test/%(project_id)s");
    expect(&endpoint, &[("interface", json!("public")), ("service_type", json!("dns"))]);
    let id = text(&endpoint["id"]);
    admin.run(&format!("endpoint set --url http://names.test/ {id}"));
    expect(&admin.show(&format!("endpoint show {id}")), &[("url", json!("http://names.test/"))]);
    assert_eq!(admin.column("endpoint list --service dns", "URL"), ["http://names.test/"]);
    admin.run(&format!("endpoint add project --project-domain sea {id} reef"));
    assert_eq!(admin.column("endpoint list --project reef --project-domain sea", "ID"), [id.as_str()]);
    admin.run(&format!("endpoint remove project --project-domain sea {id} reef"));
    let shown = admin.show("catalog show dns");
    assert!(shown["endpoints"].to_string().contains("http://names.test/"), "{shown}");
    expect_row(&admin.show("catalog list"), &[("Type", json!("identity"))]);
}

fn endpoint_groups(admin: &mut Client, folder: &Folder) {
    let filters = folder.write("filters.json", br#"{"interface": "public"}"#);
    let group = admin.show(&format!("endpoint group create --description all public {filters}"));
    expect(&group, &[("name", json!("public")), ("filters", json!({"interface": "public"}))]);
    // The client sends null for what is not given, which Keystone refuses too.
    admin.run(&format!(
        "endpoint group set --name public --description public-ones --filters {filters} public"
    ));
    expect(&admin.show("endpoint group show public"), &[("description", json!("public-ones"))]);
    assert_eq!(admin.column("endpoint group list", "Name"), ["public"]);
    // Here the client takes the domain's id alone.
    let sea = text(&admin.show("domain show sea")["id"]);
    admin.run(&format!("endpoint group add project --project-domain {sea} public reef"));
    let of_reef = format!("endpoint group list --project reef --domain {sea}");
    assert_eq!(admin.column(&of_reef, "Name"), ["public"]);
    admin.run(&format!("endpoint group remove project --project-domain {sea} public reef"));
    assert!(admin.column("endpoint group list --endpointgroup public", "ID").is_empty());
    admin.run("endpoint group delete public");
    assert!(admin.column("endpoint group list", "Name").is_empty());
}

fn policies(admin: &mut Client, folder: &Folder) {
    let rules = folder.write("policy.json", br#"{"admin_required": "role:admin"}"#);
    let policy = admin.show(&format!("policy create --type application/json {rules}"));
    let id = text(&policy["id"]);
    expect(&policy, &[("type", json!("application/json"))]);
    admin.run(&format!("policy set --type text/plain {id}"));
    let shown = admin.show(&format!("policy show {id}"));
    expect(
        &shown,
        &[("type", json!("text/plain")), ("rules", json!("{\"admin_required\": \"role:admin\"}"))],
    );
    assert_eq!(admin.column("policy list", "Type"), ["text/plain"]);
    admin.run(&format!("policy delete {id}"));
    assert!(admin.column("policy list", "ID").is_empty());
}

fn credentials(admin: &mut Client) {
    let made = admin.show("credential create --type cert demo first");
    let id = text(&made["id"]);
    expect(&made, &[("type", json!("cert")), ("blob", json!("first"))]);
    admin.run(&format!("credential set --user demo --type cert --data second {id}"));
    expect(&admin.show(&format!("credential show {id}")), &[("blob", json!("second"))]);
    assert_eq!(admin.column("credential list --type cert", "ID"), [id.as_str()]);
    admin.run(&format!("credential delete {id}"));
    assert!(admin.column("credential list --type cert", "ID").is_empty());
}

fn limits(admin: &mut Client) {
    let create = "registered limit create --service dns --region north --default-limit 10 zone";
    let registered = admin.show(create);
    let id = text(&registered["id"]);
    expect(&registered, &[("resource_name", json!("zone")), ("default_limit", json!(10))]);
    admin.run(&format!("registered limit set --default-limit 11 {id}"));
    expect(&admin.show(&format!("registered limit show {id}")), &[("default_limit", json!(11))]);
    assert_eq!(admin.column("registered limit list --resource-name zone", "ID"), [id.as_str()]);
    let limit = admin.show(
        "limit create --project reef --project-domain sea --service dns --region north --resource-limit 12 zone",
    );
    let limit_id = text(&limit["id"]);
    expect(&limit, &[("resource_name", json!("zone")), ("resource_limit", json!(12))]);
    admin.run(&format!("limit set --resource-limit 13 {limit_id}"));
    expect(&admin.show(&format!("limit show {limit_id}")), &[("resource_limit", json!(13))]);
    assert_eq!(admin.column("limit list --resource-name zone", "ID"), [limit_id.as_str()]);
    assert!(admin.fail(&format!("registered limit delete {id}")).contains("registered limits failed"));
    admin.run(&format!("limit delete {limit_id}"));
    admin.run(&format!("registered limit delete {id}"));
    assert!(admin.column("registered limit list --resource-name zone", "ID").is_empty());
}

fn federation(admin: &mut Client, folder: &Folder) {
    let provider = admin.show("identity provider create --remote-id https://acme.test --domain sea acme");
    expect(&provider, &[("id", json!("acme")), ("enabled", json!(true)), ("authorization_ttl", Json::Null)]);
    admin.run("identity provider set --description Acme --authorization-ttl 60 acme");
    let shown = admin.show("identity provider show acme");
    expect(&shown, &[("description", json!("Acme")), ("authorization_ttl", json!(60))]);
    assert_eq!(admin.column("identity provider list", "ID"), ["acme"]);
    let rules = br#"[{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "OIDC-sub"}]}]"#;
    let rules = folder.write("rules.json", rules);
    let mapping = admin.show(&format!("mapping create --rules {rules} people"));
    expect(&mapping, &[("id", json!("people"))]);
    let other = br#"[{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "OIDC-email"}]}]"#;
    let other = folder.write("other.json", other);
    admin.run(&format!("mapping set --rules {other} people"));
    assert!(admin.show("mapping show people")["rules"].to_string().contains("OIDC-email"));
    assert_eq!(admin.column("mapping list", "ID"), ["people"]);
    let protocol = admin.show("federation protocol create --identity-provider acme --mapping people openid");
    expect(&protocol, &[("id", json!("openid")), ("mapping", json!("people"))]);
    admin.run(&format!("mapping create --rules {rules} others"));
    admin.run("federation protocol set --identity-provider acme --mapping others openid");
    let shown = admin.show("federation protocol show --identity-provider acme openid");
    expect(&shown, &[("mapping", json!("others"))]);
    assert_eq!(admin.column("federation protocol list --identity-provider acme", "id"), ["openid"]);
    let beta = "--auth-url https://beta.test/auth --service-provider-url https://beta.test/sp";
    expect(&admin.show(&format!("service provider create {beta} beta")), &[("id", json!("beta"))]);
    admin.run("service provider set --description Beta --disable beta");
    let shown = admin.show("service provider show beta");
    expect(&shown, &[("description", json!("Beta")), ("enabled", json!(false))]);
    assert_eq!(admin.column("service provider list", "ID"), ["beta"]);
    admin.run("service provider delete beta");
    admin.run("federation protocol delete --identity-provider acme openid");
    admin.run("mapping delete people others");
    admin.run("identity provider delete acme");
    for list in ["identity provider list", "mapping list", "service provider list"] {
        assert_eq!(admin.show(list), json!([]), "{list}");
    }
    assert!(admin.column("federation domain list", "Name").contains(&"Default".to_owned()));
    assert!(admin.column("federation project list", "Name").contains(&"admin".to_owned()));
}

/// What a user does with his own.
fn as_oneself(demo: &mut Client) {
    let token = demo.show("token issue");
    assert!(text(&token["id"]).starts_with("gAAAA"), "{token}");
    demo.run(&format!("token revoke {}", text(&token["id"])));
    assert!(demo.fail(&format!("token revoke {}", text(&token["id"]))).contains("404"));

    let rules = r#"[{"service":"compute","method":"GET","path":"/v2.1/servers"}]"#;
    let made = demo.show(&format!(
        "application credential create --secret s --role member --description nightly --access-rules {rules} backup"
    ));
    expect(&made, &[("name", json!("backup")), ("secret", json!("s")), ("unrestricted", json!(false))]);
    assert_eq!(demo.column("application credential list", "Name"), ["backup"]);
    expect(&demo.show("application credential show backup"), &[("description", json!("nightly"))]);
    let rule = demo.column("access rule list", "ID").remove(0);
    expect(&demo.show(&format!("access rule show {rule}")), &[("path", json!("/v2.1/servers"))]);
    assert!(demo.fail(&format!("access rule delete {rule}")).contains("access rules failed"));
    demo.run("application credential delete backup");
    demo.run(&format!("access rule delete {rule}"));
    assert!(demo.column("access rule list", "ID").is_empty());

    let keys = demo.show("ec2 credentials create");
    let access = text(field(&keys, "access"));
    assert_eq!(demo.column("ec2 credentials list", "Access"), [access.as_str()]);
    let shown = demo.show(&format!("ec2 credentials show {access}"));
    assert_eq!(field(&shown, "secret"), field(&keys, "secret"));
    demo.run(&format!("ec2 credentials delete {access}"));
    assert!(demo.column("ec2 credentials list", "Access").is_empty());
}

/// Trusts, and a password that changes under its user.
fn delegation(demo: &mut Client) {
    // By ids, for this user may not look names up.
    let (demo_id, admin_id, project, role) = demo.as_admin(|admin| {
        let id = |admin: &mut Client, what: &str| text(&admin.show(what)["id"]);
        let users = (id(admin, "user show demo"), id(admin, "user show admin"));
        (users.0, users.1, id(admin, "project show demo"), id(admin, "role show member"))
    });
    let made = demo.show(&format!("trust create --project {project} --role {role} {demo_id} {admin_id}"));
    expect(&made, &[("is_impersonation", json!(false)), ("trustee_user_id", json!(admin_id))]);
    let id = text(&made["id"]);
    assert_eq!(demo.column(&format!("trust list --trustor {demo_id}"), "ID"), [id.as_str()]);
    expect(&demo.show(&format!("trust show {id}")), &[("trustor_user_id", json!(demo_id))]);
    demo.run(&format!("trust delete {id}"));
    assert!(!demo.fail(&format!("trust show {id}")).is_empty());
    let wrong = demo.fail("user password set --original-password wrong --password another");
    assert!(!wrong.is_empty());
    let old = demo.password();
    demo.run(&format!("user password set --original-password {old} --password another"));
    assert!(!demo.fail("token issue").is_empty());
}

/// A program asks for rights and gets them; it signs what it asks.
fn oauth(admin: &mut Client) {
    let made = admin.show("consumer create --description gull");
    expect(&made, &[("description", json!("gull"))]);
    let (id, secret) = (text(&made["id"]), text(&made["secret"]));
    admin.run(&format!("consumer set --description tern {id}"));
    let shown = admin.show(&format!("consumer show {id}"));
    expect(&shown, &[("description", json!("tern")), ("secret", Json::Null)]);
    assert_eq!(admin.column("consumer list", "ID"), [id.as_str()]);
    let consumer = format!("--consumer-key {id} --consumer-secret {secret}");
    let asked = admin.show(&format!("request token create {consumer} --project admin"));
    let (key, key_secret) = (text(&asked["key"]), text(&asked["secret"]));
    let granted = admin.show(&format!("request token authorize --request-key {key} --role member"));
    let verifier = text(&granted["oauth_verifier"]);
    let request = format!("--request-key {key} --request-secret {key_secret}");
    let forged = format!("access token create --consumer-key {id} --consumer-secret wrong {request}");
    assert!(admin.fail(&format!("{forged} --verifier {verifier}")).contains("401"));
    let access = admin.show(&format!("access token create {consumer} {request} --verifier {verifier}"));
    assert!(access["key"].is_string() && access["secret"].is_string(), "{access}");
    admin.run(&format!("consumer delete {id}"));
    assert!(admin.column("consumer list", "ID").is_empty());
}

/// All of it deleted.
fn away(admin: &mut Client) {
    let id = admin.column("endpoint list --service dns", "ID").remove(0);
    admin.run(&format!("endpoint delete {id}"));
    admin.run("service delete dns");
    admin.run("region delete pole");
    admin.run("region delete north");
    admin.run("role remove --user nemo --user-domain sea --project reef --project-domain sea swimmer");
    admin.run("role delete swimmer");
    admin.run("group delete --domain sea fish");
    admin.run("user delete --domain sea nemo");
    admin.run("project delete --domain sea lagoon");
    assert!(admin.fail("domain delete sea").contains("403"), "an enabled domain is kept");
    admin.run("domain set --disable sea");
    admin.run("domain delete sea");
    assert_eq!(admin.column("domain list", "Name"), ["Default"]);
}
