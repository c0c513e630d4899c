//! What a fresh cloud has: a domain, projects, users, roles, and the catalog.

use store::{Select, Tx};
use types::{DomainId, ProjectId, RoleId, UserId};

use crate::api::Extra;
use crate::assignment::model::{Actor, Assignment, Target};
use crate::assignment::store::{ASSIGNMENTS, assignment_key};
use crate::domain::model::Domain;
use crate::domain::store::DOMAINS;
use crate::endpoint::model::{Endpoint, Interface};
use crate::endpoint::store::ENDPOINTS;
use crate::ids::{EndpointId, RegionId, ServiceId, fresh, key_of};
use crate::project::model::Project;
use crate::project::store::PROJECTS;
use crate::region::model::Region;
use crate::region::store::REGIONS;
use crate::role::model::{Implication, Role};
use crate::role::store::{IMPLICATIONS, ROLES};
use crate::service::model::CatalogService;
use crate::service::store::SERVICES;
use crate::token::keys;
use crate::token::ops::changed;
use crate::user::model::{LoginRecord, User};
use crate::user::options::UserOptions;
use crate::user::store::USERS;
use crate::{Error, password};

/// What the operator decides about a fresh cloud.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// The password of the user `admin`, used only where there is no such user yet.
    pub admin_password: String,
    /// The password of the user `demo`, likewise.
    pub demo_password: String,
    /// bcrypt's cost for those two. They are hashed before anything is answered; what was drawn at random needs no high
    /// cost.
    pub password_cost: u32,
    /// Scheme, host and port for the catalog; none to follow the address that each client uses.
    pub public_url: Option<String>,
}

/// The region of a fresh cloud.
pub const REGION: &str = "RegionOne";

const ROLE_NAMES: [&str; 5] = ["admin", "manager", "member", "reader", "service"];
/// Who has the first has the second.
const IMPLIED: [(&str, &str); 3] = [("admin", "manager"), ("manager", "member"), ("member", "reader")];

/// Type, name and path of each service.
const CATALOG: [(&str, &str, &str); 7] = [
    ("identity", "keystone", "/identity/v3"),
    ("image", "glance", "/image"),
    ("compute", "nova", "/compute/v2.1"),
    ("placement", "placement", "/placement"),
    ("network", "neutron", "/network"),
    ("block-storage", "cinder", "/volume/v3"),
    ("volumev3", "cinderv3", "/volume/v3/$(project_id)s"),
];

/// Makes what is missing and leaves alone what is there, however it was changed. Returns the project `admin`.
pub fn bootstrap(tx: &mut Tx<'_>, with: &Bootstrap) -> Result<ProjectId, Error> {
    keys::ensure(tx)?;
    let domain = DomainId::from("default");
    ensure_domain(tx, &domain)?;
    let admin_project = ensure_project(tx, &domain, "admin", "The operators' project.")?;
    let demo_project = ensure_project(tx, &domain, "demo", "A project to try things in.")?;
    ensure_project(tx, &domain, "service", "The cloud's own services.")?;
    for name in ROLE_NAMES {
        ensure_role(tx, name)?;
    }
    for (prior, implied) in IMPLIED {
        let implication = Implication { prior: role_named(tx, prior)?, implied: role_named(tx, implied)? };
        if IMPLICATIONS
            .load(tx, key_of(&[implication.prior.as_str(), implication.implied.as_str()]))?
            .is_none()
        {
            IMPLICATIONS.insert(tx, implication)?;
        }
    }
    let cost = with.password_cost;
    let admin = ensure_user(tx, &domain, "admin", (&with.admin_password, cost), &admin_project)?;
    let demo = ensure_user(tx, &domain, "demo", (&with.demo_password, cost), &demo_project)?;
    for target in [Target::Project(admin_project.clone()), Target::Domain(domain), Target::System] {
        ensure_assignment(tx, &admin, target, "admin")?;
    }
    ensure_assignment(tx, &demo, Target::Project(demo_project), "member")?;
    ensure_catalog(tx, with.public_url.as_deref())?;
    changed(tx);
    Ok(admin_project)
}

fn ensure_domain(tx: &mut Tx<'_>, id: &DomainId) -> Result<(), Error> {
    if DOMAINS.load(tx, id)?.is_none() {
        DOMAINS.insert(tx, Domain::new(id.clone(), "Default", "The default domain".to_owned()))?;
    }
    Ok(())
}

fn ensure_project(
    tx: &mut Tx<'_>,
    domain: &DomainId,
    name: &str,
    description: &str,
) -> Result<ProjectId, Error> {
    if let Some(known) = PROJECTS.first(tx, &Select::all().eq("domain_id", domain).eq("name", name))? {
        return Ok(known.id.clone());
    }
    let project = Project::new(domain.clone(), name, Some(description));
    Ok(PROJECTS.insert(tx, project)?.into_inner().id)
}

fn ensure_user(
    tx: &mut Tx<'_>,
    domain: &DomainId,
    name: &str,
    (password, cost): (&str, u32),
    project: &ProjectId,
) -> Result<UserId, Error> {
    let select = Select::all().eq("domain_id", domain).eq("name_hash", key_of(&[name]));
    if let Some(known) = USERS.first(tx, &select)? {
        return Ok(known.id.clone());
    }
    let user = User {
        id: UserId(fresh()),
        domain_id: domain.clone(),
        name: name.to_owned(),
        enabled: true,
        default_project_id: Some(project.clone()),
        password: Some(password::hash(password, cost)?),
        ephemeral: false,
        options: UserOptions::default(),
        login: LoginRecord { created_at: Some(tx.now()), ..LoginRecord::default() },
        extra: Extra::new(),
    };
    Ok(USERS.insert(tx, user)?.into_inner().id)
}

fn known_role(tx: &mut Tx<'_>, name: &str) -> Result<Option<RoleId>, Error> {
    let select = Select::all().eq("domain_id", "").eq("name_hash", key_of(&[name]));
    Ok(ROLES.first(tx, &select)?.map(|role| role.into_inner().id))
}

fn role_named(tx: &mut Tx<'_>, name: &str) -> Result<RoleId, Error> {
    known_role(tx, name)?.ok_or_else(|| Error::not_found("role", name))
}

fn ensure_role(tx: &mut Tx<'_>, name: &str) -> Result<(), Error> {
    if known_role(tx, name)?.is_none() {
        let id = RoleId(fresh());
        let role = Role {
            id,
            domain_id: None,
            name: name.to_owned(),
            description: None,
            immutable: Some(true),
            extra: Extra::new(),
        };
        ROLES.insert(tx, role)?;
    }
    Ok(())
}

fn ensure_assignment(tx: &mut Tx<'_>, user: &UserId, target: Target, role: &str) -> Result<(), Error> {
    let role_id = role_named(tx, role)?;
    let assignment = Assignment { actor: Actor::User(user.clone()), target, role_id, inherited: false };
    if ASSIGNMENTS.load(tx, assignment_key(&assignment))?.is_none() {
        ASSIGNMENTS.insert(tx, assignment)?;
    }
    Ok(())
}

fn ensure_catalog(tx: &mut Tx<'_>, public_url: Option<&str>) -> Result<(), Error> {
    let region = RegionId::from(REGION);
    if REGIONS.load(tx, &region)?.is_none() {
        let id = region.clone();
        REGIONS
            .insert(tx, Region { id, description: String::new(), parent_id: None, extra: Extra::new() })?;
    }
    let base = public_url.unwrap_or("$(public_url)s").trim_end_matches('/');
    for (kind, name, path) in CATALOG {
        if SERVICES.first(tx, &Select::all().eq("type", kind))?.is_some() {
            continue;
        }
        let id = ServiceId(fresh());
        let service = CatalogService {
            id: id.clone(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            description: None,
            enabled: true,
            extra: Extra::new(),
        };
        SERVICES.insert(tx, service)?;
        for interface in Interface::ALL {
            let endpoint = Endpoint {
                id: EndpointId(fresh()),
                service_id: id.clone(),
                region_id: Some(region.clone()),
                interface,
                url: format!("{base}{path}"),
                enabled: true,
                extra: Extra::new(),
            };
            ENDPOINTS.insert(tx, endpoint)?;
        }
    }
    Ok(())
}
