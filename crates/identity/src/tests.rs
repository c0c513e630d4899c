//! A cloud with real tokens, for the tests of the resources.

mod access;

use std::sync::Arc;

use serde_json::{Value as Json, json};
use testkit::{Answer, Api, Scratch};

use crate::{Bootstrap, Config, MIGRATIONS, Tokens, bootstrap, service};

/// A fresh cloud and its token checker.
pub(crate) struct Cloud {
    pub(crate) api: Api,
    pub(crate) tokens: Arc<Tokens>,
}

pub(crate) const ADMIN: &str = "admin";
pub(crate) const DEMO: &str = "demo";

fn fresh(public_url: Option<&str>) -> Bootstrap {
    Bootstrap {
        admin_password: "admin-secret".to_owned(),
        demo_password: "demo-secret".to_owned(),
        password_cost: 4,
        public_url: public_url.map(str::to_owned),
    }
}

/// A fresh cloud whose tokens live as long as tokens do.
pub(crate) fn cloud() -> Cloud {
    cloud_with(Config { bcrypt_cost: 4, ..Config::default() })
}

/// A fresh cloud that is configured so.
pub(crate) fn cloud_with(config: Config) -> Cloud {
    cloud_over(None, config)
}

/// The same over a database on a server.
pub(crate) fn cloud_over(scratch: Option<Scratch>, config: Config) -> Cloud {
    let mut kept = None;
    let api = Api::on(scratch, &[MIGRATIONS], |store| {
        for _ in 0..2 {
            store.write_blocking(|tx| bootstrap(tx, &fresh(None))).unwrap();
        }
        let tokens = Tokens::new(store, config);
        kept = Some(tokens.clone());
        let services = vec![service(store, &tokens)];
        (tokens, (services, Vec::new()))
    });
    Cloud { api, tokens: kept.unwrap() }
}

/// A login's body. A scope of `Null` is left out.
pub(crate) fn login(user: &str, password: &str, scope: Json) -> Json {
    let user = json!({"name": user, "domain": {"id": "default"}, "password": password});
    let mut auth = json!({"identity": {"methods": ["password"], "password": {"user": user}}});
    if !scope.is_null() {
        auth["scope"] = scope;
    }
    json!({"auth": auth})
}

/// The scope of a project of the default domain.
pub(crate) fn in_project(name: &str) -> Json {
    json!({"project": {"name": name, "domain": {"name": "Default"}}})
}

impl Cloud {
    /// Logs in.
    pub(crate) fn login(&self, user: &str, password: &str, scope: Json) -> Answer {
        self.api.post("", "/identity/v3/auth/tokens", &login(user, password, scope))
    }

    /// A token of `admin` or `demo` in the project of the same name.
    pub(crate) fn token(&self, user: &str) -> String {
        let answer = self.login(user, &format!("{user}-secret"), in_project(user));
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.header("x-subject-token").unwrap().to_owned()
    }

    /// Makes a request below `/identity/v3`.
    pub(crate) fn call(&self, token: &str, method: &str, path: &str, body: &Json) -> Answer {
        self.api.call(token, method, &format!("/identity/v3/{path}"), &[], body)
    }

    /// GET below `/identity/v3`.
    pub(crate) fn get(&self, token: &str, path: &str) -> Answer {
        self.call(token, "GET", path, &Json::Null)
    }

    /// Makes an object as an administrator and gives it back.
    pub(crate) fn make(&self, collection: &str, key: &str, body: Json) -> Json {
        let answer = self.call(&self.token(ADMIN), "POST", collection, &json!({key: body}));
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body[key].clone()
    }

    /// Checks a token with another.
    pub(crate) fn validate(&self, token: &str, subject: &str) -> Answer {
        let headers = [("x-subject-token", subject)];
        self.api.call(token, "GET", "/identity/v3/auth/tokens", &headers, &Json::Null)
    }
}

/// Replays a golden conversation of a resource with a fresh cloud whose callers are named by their tokens.
pub(crate) fn check_golden(path: &str) {
    let api = Api::new(&[MIGRATIONS], |store| {
        store.write_blocking(|tx| bootstrap(tx, &fresh(None))).unwrap();
        let tokens = Tokens::new(store, Config { bcrypt_cost: 4, ..Config::default() });
        (vec![service(store, &tokens)], Vec::new())
    });
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    testkit::check_golden(&api, root.join(path));
}
