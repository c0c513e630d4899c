//! What a request is about, as rules see it.

use types::{DomainId, ProjectId, UserId};

/// A value that a rule compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'v> {
    /// There could be one and is none: a role that is in no domain. Rules call it `None`.
    Null,
    /// An id, a name.
    Text(&'v str),
}

impl<'v> Value<'v> {
    /// The text, or null where there is none.
    pub fn of(text: Option<&'v str>) -> Value<'v> {
        text.map_or(Value::Null, Value::Text)
    }
}

/// What a request is about. An attribute that is not there makes every comparison with it false.
pub trait Attributes {
    /// The value of what a rule calls `%(name)s`.
    fn attribute(&self, name: &str) -> Option<Value<'_>>;
}

/// Whose object a request is about. Absent parts match no owner.
///
/// OpenStack's rules give one owner many names (`project_id`, `target.project.id`, `target.limit.project_id`); all of
/// them mean the same part here. A request about two objects says which is which, by [`Named`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Target<'t> {
    /// The project that owns the object.
    pub project_id: Option<&'t ProjectId>,
    /// The user that owns the object.
    pub user_id: Option<&'t UserId>,
    /// The domain that owns the object.
    pub domain_id: Option<&'t DomainId>,
}

impl<'t> Target<'t> {
    /// An object of a project.
    pub fn project(id: &'t ProjectId) -> Target<'t> {
        Target { project_id: Some(id), ..Target::default() }
    }

    /// An object of a user.
    pub fn user(id: &'t UserId) -> Target<'t> {
        Target { user_id: Some(id), ..Target::default() }
    }

    /// An object of a domain.
    pub fn domain(id: &'t DomainId) -> Target<'t> {
        Target { domain_id: Some(id), ..Target::default() }
    }
}

impl Attributes for Target<'_> {
    fn attribute(&self, name: &str) -> Option<Value<'_>> {
        let text = match owner(name)? {
            PROJECT => self.project_id.map(ProjectId::as_str),
            USER => self.user_id.map(UserId::as_str),
            _ => self.domain_id.map(DomainId::as_str),
        };
        text.map(Value::Text)
    }
}

/// Attributes under exactly the names that the rules give them.
#[derive(Debug, Clone, Copy)]
pub struct Named<'t>(pub &'t [(&'t str, Value<'t>)]);

impl Attributes for Named<'_> {
    fn attribute(&self, name: &str) -> Option<Value<'_>> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

const PROJECT: &str = "project_id";
const USER: &str = "user_id";
const DOMAIN: &str = "domain_id";

/// Which of `project_id`, `user_id` and `domain_id` a name means: `user_id`, `target.user.id`, `target.credential.user_id`. A name with more to it, such as
/// `target.trust.trustor_user_id`, means none: there it matters which.
pub fn owner(name: &str) -> Option<&'static str> {
    let name = name.strip_prefix("target.").unwrap_or(name);
    let tail = match name.rsplit_once('.') {
        None => name,
        Some(("project", "id")) => PROJECT,
        Some(("user", "id")) => USER,
        Some((path, "id")) if path == "domain" || path.ends_with(".domain") => DOMAIN,
        Some((_, tail)) => tail,
    };
    match tail {
        PROJECT | "tenant_id" => Some(PROJECT),
        USER => Some(USER),
        DOMAIN => Some(DOMAIN),
        _ => None,
    }
}
