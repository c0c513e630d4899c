//! Users of an OpenID provider on a simulated cloud, with the real client and a real provider.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value as Json, json};

use crate::client::{Client, openstack};
use crate::cloud::{Cloud, said};

/// The provider. It goes when its standard input ends.
struct Provider {
    child: Child,
    issuer: String,
}

impl Provider {
    fn start(python: &Path) -> Provider {
        let mut command = Command::new(python);
        command.args(["-W", "ignore", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oidc_provider.py")]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut issuer = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut issuer).unwrap();
        Provider { child, issuer: issuer.trim().to_owned() }
    }

    /// An access token, as a program of its own would get one.
    fn access_token(&self, user: &str, password: &str) -> String {
        let form =
            [("grant_type", "password"), ("username", user), ("password", password), ("scope", "openid")];
        let mut answer = ureq::post(format!("{}/token", self.issuer))
            // `cuttle:tide`
            .header("authorization", "Basic Y3V0dGxlOnRpZGU=")
            .send_form(form)
            .unwrap();
        let told: Json = answer.body_mut().read_json().unwrap();
        told["access_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn needs() -> Result<PathBuf, &'static str> {
    let openstack = openstack()?;
    let found =
        Command::new(openstack.with_file_name("python")).args(["-c", "import authlib, flask"]).output();
    match found.is_ok_and(|output| output.status.success()) {
        true => Ok(openstack),
        false => Err("there is no Authlib beside the openstack client; ./x test puts it there"),
    }
}

/// What the operator does once.
fn trust(cloud: &Cloud, client: &mut Client, issuer: &str) {
    let rules = json!([
        {"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "OIDC-preferred_username"}]},
        {"local": [{"groups": "{0}", "domain": {"name": "Default"}}], "remote": [{"type": "OIDC-groups"}]},
    ]);
    let rules = cloud.folder().write("rules.json", rules.to_string().as_bytes());
    for line in [
        "group create reef",
        "role add --project demo --group reef member",
        &format!("identity provider create --remote-id {issuer} ocean"),
        &format!("mapping create --rules {rules} ocean"),
        "federation protocol create --identity-provider ocean --mapping ocean openid",
    ] {
        client.as_admin(|client| client.run(line));
    }
    let shown = client.as_admin(|client| client.show("identity provider show ocean"));
    assert_eq!(shown["remote_ids"], json!([issuer]));
}

/// The client of somebody who has no account here.
fn as_somebody(openstack: &Path, cloud: &Cloud, arguments: &[&str]) -> Output {
    let mut command = Command::new(openstack);
    std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OS_")).for_each(
        |(name, _)| {
            command.env_remove(name);
        },
    );
    let url = format!("{}/identity/v3", cloud.endpoint);
    command.current_dir(cloud.dir().parent().unwrap()).env("HOME", cloud.dir().parent().unwrap());
    command.args(["--os-auth-url", &url, "--os-identity-provider", "ocean", "--os-protocol", "openid"]);
    command.args(arguments).output().unwrap()
}

fn shown(output: &Output) -> Json {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn users_of_an_openid_provider_work_here() {
    let openstack = match needs() {
        Ok(path) => path,
        Err(why) => return println!("skipped: users_of_an_openid_provider_work_here: {why}"),
    };
    let provider = Provider::start(&openstack.with_file_name("python"));
    let issuer = &provider.issuer;
    let trusted =
        format!("[[identity_provider]]\nissuer = \"{issuer}\"\nclient_id = \"cuttle\"\nuserinfo = true\n");
    let cloud = Cloud::configured(&trusted);
    let mut client = Client::start(&openstack, &cloud.dir().join("clouds.yaml"));
    trust(&cloud, &mut client, issuer);

    let discovery = format!("{issuer}/.well-known/openid-configuration");
    let known_as =
        ["--os-client-id", "cuttle", "--os-client-secret", "tide", "--os-discovery-endpoint", &discovery];
    let in_demo = ["--os-project-name", "demo", "--os-project-domain-name", "Default"];
    let by_password = |user: &str, password: &str, rest: &[&str]| {
        let who = ["--os-auth-type", "v3oidcpassword", "--os-username", user, "--os-password", password];
        as_somebody(&openstack, &cloud, &[&who, &known_as[..], rest].concat())
    };
    let issue = ["token", "issue", "-f", "json"];
    let token = shown(&by_password("ada", "sea-urchin", &[&in_demo[..], &issue].concat()));
    let demo = client.as_admin(|client| client.show("project show demo"));
    assert_eq!(token["project_id"], demo["id"]);
    let user = token["user_id"].as_str().unwrap();
    let users = client.as_admin(|client| client.show(&format!("user show {user}")));
    assert_eq!(users["name"], "ada");
    let projects = shown(&by_password("ada", "sea-urchin", &["federation", "project", "list", "-f", "json"]));
    assert_eq!(projects[0]["Name"], "demo");
    // What follows from the group is usable in other services too.
    let networks =
        by_password("ada", "sea-urchin", &[&in_demo[..], &["network", "list", "-f", "json"]].concat());
    assert!(shown(&networks).is_array());

    let wrong = by_password("ada", "wrong", &issue);
    assert!(!wrong.status.success(), "{}", said(&wrong));
    let outside = by_password("bob", "starfish", &[&in_demo[..], &issue].concat());
    assert!(!outside.status.success(), "{}", said(&outside));
    assert!(shown(&by_password("bob", "starfish", &issue)).get("project_id").is_none());

    let with_token = |token: &str| {
        let who = ["--os-auth-type", "v3oidcaccesstoken", "--os-access-token", token];
        as_somebody(&openstack, &cloud, &[&who[..], &in_demo, &issue].concat())
    };
    let access_token = provider.access_token("ada", "sea-urchin");
    let again = shown(&with_token(&access_token));
    assert_eq!((&again["project_id"], &again["user_id"]), (&token["project_id"], &token["user_id"]));
    let (signed, _) = access_token.rsplit_once('.').unwrap();
    assert!(!with_token(&format!("{signed}.AAAA")).status.success());

    let program = ["--os-auth-type", "v3oidcclientcredentials"];
    let program = as_somebody(&openstack, &cloud, &[&program[..], &known_as, &issue].concat());
    assert_ne!(shown(&program)["user_id"], token["user_id"]);

    client.as_admin(|client| client.run("identity provider delete ocean"));
    assert!(!with_token(&access_token).status.success());
    let gone = client.as_admin(|client| client.fail(&format!("user show {user}")));
    assert!(gone.contains("No User found"), "{gone}");
}
