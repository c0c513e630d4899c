//! Acting by something else than a login: a trust or an application credential, and the requests the latter may be
//! limited to.

use serde::{Deserialize, Serialize};

use crate::Caller;

/// By what somebody acts who did not log in as himself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delegation {
    /// A trust that another user gave.
    Trust {
        /// The trust's id.
        id: String,
    },
    /// An application credential.
    ApplicationCredential {
        /// Its id.
        id: String,
        /// Whether it may also make and delete application credentials.
        unrestricted: bool,
        /// The only requests it is good for, if it is not good for all.
        access_rules: Option<Vec<AccessRule>>,
    },
    /// The signature of an EC2 key, which another service let identity check.
    Ec2Key,
    /// What a user granted a program by OAuth.
    AccessToken {
        /// The access token's id.
        id: String,
    },
}

/// A kind of request that an application credential is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRule {
    /// Its id.
    pub id: String,
    /// The type of the service, as the catalog has it.
    pub service: String,
    /// The method, in capitals.
    pub method: String,
    /// The path: `*` stands for a part of it, `{name}` too, `**` for any number of parts.
    pub path: String,
}

impl AccessRule {
    /// Whether a request is one of this kind.
    pub fn allows(&self, service: &str, method: &str, path: &str) -> bool {
        self.service == service && self.method == method && matches(&self.path, path)
    }
}

impl Caller {
    /// Whether access rules, if the caller is held to some, let a request to a service pass. `paths` are the
    /// spellings of the request's path that a rule may use. Identity itself is nothing to who has but signed.
    pub fn may_request(&self, service: &str, method: &str, paths: &[&str]) -> bool {
        match &self.delegation {
            Some(Delegation::ApplicationCredential { access_rules: Some(rules), .. }) => {
                let allowed = |path: &&str| rules.iter().any(|rule| rule.allows(service, method, path));
                paths.iter().any(allowed)
            }
            Some(Delegation::Ec2Key) => service != "identity",
            Some(
                Delegation::ApplicationCredential { access_rules: None, .. }
                | Delegation::Trust { .. }
                | Delegation::AccessToken { .. },
            )
            | None => true,
        }
    }
}

/// Whether a path is one that a pattern describes.
fn matches(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.trim_matches('/').split('/').collect();
    let path: Vec<&str> = path.trim_matches('/').split('/').collect();
    // reached[n]: the pattern so far describes the first n parts of the path.
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for part in pattern {
        let mut next = vec![false; path.len() + 1];
        for n in 0..=path.len() {
            next[n] = if part == "**" {
                reached[n] || (n > 0 && next[n - 1])
            } else {
                n > 0 && reached[n - 1] && part_matches(part, path[n - 1])
            };
        }
        reached = next;
    }
    reached[path.len()]
}

fn part_matches(pattern: &str, part: &str) -> bool {
    if pattern.starts_with('{') && pattern.ends_with('}') {
        return !part.is_empty();
    }
    match pattern.split_once('*') {
        None => pattern == part,
        Some((before, after)) => {
            let rest = part.strip_prefix(before);
            !part.is_empty() && rest.is_some_and(|rest| ends_as(after, rest))
        }
    }
}

/// Whether some end of `text` is described by `pattern`.
fn ends_as(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => text.ends_with(pattern),
        Some((before, after)) => {
            text.match_indices(before).any(|(at, _)| ends_as(after, &text[at + before.len()..]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AccessRule;

    #[test]
    fn paths_are_matched() {
        let check = |pattern: &str, path: &str, expected: bool| {
            let rule = AccessRule {
                id: "r".to_owned(),
                service: "compute".to_owned(),
                method: "GET".to_owned(),
                path: pattern.to_owned(),
            };
            assert_eq!(rule.allows("compute", "GET", path), expected, "{pattern} {path}");
            assert!(!rule.allows("compute", "POST", path));
            assert!(!rule.allows("image", "GET", path));
        };
        check("/v2.1/servers", "/v2.1/servers", true);
        check("/v2.1/servers", "/v2.1/servers/1", false);
        check("/v2.1/servers/*", "/v2.1/servers/1", true);
        check("/v2.1/servers/*", "/v2.1/servers/1/ips", false);
        check("/v2.1/servers/*", "/v2.1/servers", false);
        check("/v2.1/servers/{server_id}", "/v2.1/servers/1", true);
        check("/v2.1/servers/{server_id}/ips", "/v2.1/servers/1/ips", true);
        check("/v2.1/servers/{server_id}/ips", "/v2.1/servers/1/2/ips", false);
        check("/v2.1/**", "/v2.1/servers/1/ips", true);
        check("/v2.1/**", "/v2.0/servers", false);
        check("/**/ips", "/v2.1/servers/1/ips", true);
        check("/v2.1/ser*", "/v2.1/servers", true);
        check("/v2.1/*ers", "/v2.1/servers", true);
        check("/v2.1/s*v*s", "/v2.1/servers", true);
        check("/v2.1/s*x*s", "/v2.1/servers", false);
        check("/", "/v2.1", false);
    }
}
