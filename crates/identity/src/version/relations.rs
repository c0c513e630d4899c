//! Keystone's names for what its paths are about: the relations and parameters of JSON home.

use std::collections::BTreeMap;

/// What all names of relations and parameters begin with.
const NAMES: &str = "https://docs.openstack.org/api/openstack-identity/3/";

/// Paths that may still change, as Keystone has it, and so those below them.
const EXPERIMENTAL: [&str; 2] = ["/limits", "/registered_limits"];

/// Paths below `/v3` and their relations. One that is no route of ours is not shown, so that this may know more.
const RELATIONS: &[(&str, &str)] = &[
    ("/OS-EP-FILTER/endpoint_groups", "ext/OS-EP-FILTER/1.0/rel/endpoint_groups"),
    ("/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}", "ext/OS-EP-FILTER/1.0/rel/endpoint_group"),
    (
        "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints",
        "ext/OS-EP-FILTER/1.0/rel/endpoints_in_endpoint_group",
    ),
    (
        "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects",
        "ext/OS-EP-FILTER/1.0/rel/projects_associated_with_endpoint_group",
    ),
    (
        "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}",
        "ext/OS-EP-FILTER/1.0/rel/endpoint_group_to_project_association",
    ),
    ("/OS-EP-FILTER/endpoints/{endpoint_id}/projects", "ext/OS-EP-FILTER/1.0/rel/endpoint_projects"),
    (
        "/OS-EP-FILTER/projects/{project_id}/endpoint_groups",
        "ext/OS-EP-FILTER/1.0/rel/project_endpoint_groups",
    ),
    ("/OS-EP-FILTER/projects/{project_id}/endpoints", "ext/OS-EP-FILTER/1.0/rel/project_endpoints"),
    (
        "/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}",
        "ext/OS-EP-FILTER/1.0/rel/project_endpoint",
    ),
    ("/OS-FEDERATION/identity_providers", "ext/OS-FEDERATION/1.0/rel/identity_providers"),
    ("/OS-FEDERATION/identity_providers/{idp_id}", "ext/OS-FEDERATION/1.0/rel/identity_provider"),
    (
        "/OS-FEDERATION/identity_providers/{idp_id}/protocols",
        "ext/OS-FEDERATION/1.0/rel/identity_provider_protocols",
    ),
    (
        "/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}",
        "ext/OS-FEDERATION/1.0/rel/identity_provider_protocol",
    ),
    (
        "/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth",
        "ext/OS-FEDERATION/1.0/rel/identity_provider_protocol_auth",
    ),
    ("/OS-FEDERATION/mappings", "ext/OS-FEDERATION/1.0/rel/mappings"),
    ("/OS-FEDERATION/mappings/{mapping_id}", "ext/OS-FEDERATION/1.0/rel/mapping"),
    ("/OS-FEDERATION/service_providers", "ext/OS-FEDERATION/1.0/rel/service_providers"),
    ("/OS-FEDERATION/service_providers/{service_provider_id}", "ext/OS-FEDERATION/1.0/rel/service_provider"),
    (
        "/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/inherited_to_projects",
        "ext/OS-INHERIT/1.0/rel/domain_group_roles_inherited_to_projects",
    ),
    (
        "/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects",
        "ext/OS-INHERIT/1.0/rel/domain_group_role_inherited_to_projects",
    ),
    (
        "/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/inherited_to_projects",
        "ext/OS-INHERIT/1.0/rel/domain_user_roles_inherited_to_projects",
    ),
    (
        "/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects",
        "ext/OS-INHERIT/1.0/rel/domain_user_role_inherited_to_projects",
    ),
    (
        "/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects",
        "ext/OS-INHERIT/1.0/rel/project_group_role_inherited_to_projects",
    ),
    (
        "/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects",
        "ext/OS-INHERIT/1.0/rel/project_user_role_inherited_to_projects",
    ),
    ("/OS-OAUTH1/access_token", "ext/OS-OAUTH1/1.0/rel/access_tokens"),
    ("/OS-OAUTH1/authorize/{request_token_id}", "ext/OS-OAUTH1/1.0/rel/authorize_request_token"),
    ("/OS-OAUTH1/consumers", "ext/OS-OAUTH1/1.0/rel/consumers"),
    ("/OS-OAUTH1/consumers/{consumer_id}", "ext/OS-OAUTH1/1.0/rel/consumer"),
    ("/OS-OAUTH1/request_token", "ext/OS-OAUTH1/1.0/rel/request_tokens"),
    ("/OS-REVOKE/events", "ext/OS-REVOKE/1.0/rel/events"),
    ("/OS-TRUST/trusts", "ext/OS-TRUST/1.0/rel/trusts"),
    ("/OS-TRUST/trusts/{trust_id}", "ext/OS-TRUST/1.0/rel/trust"),
    ("/OS-TRUST/trusts/{trust_id}/roles", "ext/OS-TRUST/1.0/rel/trust_roles"),
    ("/OS-TRUST/trusts/{trust_id}/roles/{role_id}", "ext/OS-TRUST/1.0/rel/trust_role"),
    (
        "/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso",
        "ext/OS-FEDERATION/1.0/rel/identity_providers_websso",
    ),
    ("/auth/OS-FEDERATION/websso/{protocol_id}", "ext/OS-FEDERATION/1.0/rel/websso"),
    ("/auth/catalog", "rel/auth_catalog"),
    ("/auth/domains", "ext/OS-FEDERATION/1.0/rel/domains"),
    ("/auth/domains", "rel/auth_domains"),
    ("/auth/projects", "ext/OS-FEDERATION/1.0/rel/projects"),
    ("/auth/projects", "rel/auth_projects"),
    ("/auth/system", "rel/auth_system"),
    ("/auth/tokens", "rel/auth_tokens"),
    ("/credentials", "rel/credentials"),
    ("/credentials/{credential_id}", "rel/credential"),
    ("/domains", "rel/domains"),
    ("/domains/config/default", "rel/domain_config_default"),
    ("/domains/config/{group}/default", "rel/domain_config_default_group"),
    ("/domains/config/{group}/{option}/default", "rel/domain_config_default_option"),
    ("/domains/{domain_id}", "rel/domain"),
    ("/domains/{domain_id}/config", "rel/domain_config"),
    ("/domains/{domain_id}/config/{group}", "rel/domain_config_group"),
    ("/domains/{domain_id}/config/{group}/{option}", "rel/domain_config_option"),
    ("/domains/{domain_id}/groups/{group_id}/roles", "rel/domain_group_roles"),
    ("/domains/{domain_id}/groups/{group_id}/roles/{role_id}", "rel/domain_group_role"),
    ("/domains/{domain_id}/users/{user_id}/roles", "rel/domain_user_roles"),
    ("/domains/{domain_id}/users/{user_id}/roles/{role_id}", "rel/domain_user_role"),
    ("/ec2tokens", "ext/OS-EC2/1.0/rel/ec2tokens"),
    ("/endpoints", "rel/endpoints"),
    ("/endpoints/{endpoint_id}", "rel/endpoint"),
    ("/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy", "ext/OS-ENDPOINT-POLICY/1.0/rel/endpoint_policy"),
    ("/groups", "rel/groups"),
    ("/groups/{group_id}", "rel/group"),
    ("/groups/{group_id}/users", "rel/group_users"),
    ("/groups/{group_id}/users/{user_id}", "rel/group_user"),
    ("/limits", "rel/limits"),
    ("/limits/model", "rel/limit_model"),
    ("/limits/{limit_id}", "rel/limit"),
    ("/policies", "rel/policies"),
    ("/policies/{policy_id}", "rel/policy"),
    ("/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints", "ext/OS-ENDPOINT-POLICY/1.0/rel/policy_endpoints"),
    (
        "/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}",
        "ext/OS-ENDPOINT-POLICY/1.0/rel/endpoint_policy_association",
    ),
    (
        "/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}",
        "ext/OS-ENDPOINT-POLICY/1.0/rel/service_policy_association",
    ),
    (
        "/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}",
        "ext/OS-ENDPOINT-POLICY/1.0/rel/region_and_service_policy_association",
    ),
    ("/projects", "rel/projects"),
    ("/projects/{project_id}", "rel/project"),
    ("/projects/{project_id}/groups/{group_id}/roles", "rel/project_group_roles"),
    ("/projects/{project_id}/groups/{group_id}/roles/{role_id}", "rel/project_group_role"),
    ("/projects/{project_id}/tags/{value}", "rel/project_tags"),
    ("/projects/{project_id}/users/{user_id}/roles", "rel/project_user_roles"),
    ("/projects/{project_id}/users/{user_id}/roles/{role_id}", "rel/project_user_role"),
    ("/regions", "rel/regions"),
    ("/regions/{region_id}", "rel/region"),
    ("/registered_limits", "rel/registered_limits"),
    ("/registered_limits/{registered_limit_id}", "rel/registered_limit"),
    ("/role_assignments", "rel/role_assignments"),
    ("/role_inferences", "rel/role_inferences"),
    ("/roles", "rel/roles"),
    ("/roles/{prior_role_id}/implies", "rel/implied_roles"),
    ("/roles/{prior_role_id}/implies/{implied_role_id}", "rel/implied_role"),
    ("/roles/{role_id}", "rel/role"),
    ("/s3tokens", "ext/s3tokens/1.0/rel/s3tokens"),
    ("/services", "rel/services"),
    ("/services/{service_id}", "rel/service"),
    ("/system/groups/{group_id}/roles", "rel/system_group_roles"),
    ("/system/groups/{group_id}/roles/{role_id}", "rel/system_group_role"),
    ("/system/users/{user_id}/roles", "rel/system_user_roles"),
    ("/system/users/{user_id}/roles/{role_id}", "rel/system_user_role"),
    ("/users", "rel/users"),
    ("/users/{user_id}", "rel/user"),
    ("/users/{user_id}/OS-OAUTH1/access_tokens", "ext/OS-OAUTH1/1.0/rel/user_access_tokens"),
    ("/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}", "ext/OS-OAUTH1/1.0/rel/user_access_token"),
    (
        "/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles",
        "ext/OS-OAUTH1/1.0/rel/user_access_token_roles",
    ),
    (
        "/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles/{role_id}",
        "ext/OS-OAUTH1/1.0/rel/user_access_token_role",
    ),
    ("/users/{user_id}/access_rules", "rel/access_rules"),
    ("/users/{user_id}/access_rules/{access_rule_id}", "rel/access_rule"),
    ("/users/{user_id}/application_credentials", "rel/application_credentials"),
    ("/users/{user_id}/application_credentials/{application_credential_id}", "rel/application_credential"),
    ("/users/{user_id}/credentials/OS-EC2", "ext/OS-EC2/1.0/rel/user_credentials"),
    ("/users/{user_id}/credentials/OS-EC2/{credential_id}", "ext/OS-EC2/1.0/rel/user_credential"),
    ("/users/{user_id}/groups", "rel/user_groups"),
    ("/users/{user_id}/password", "rel/user_change_password"),
    ("/users/{user_id}/projects", "rel/user_projects"),
];

/// A path that clients can find by its relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relation {
    /// The relation's name, a URL that nobody opens.
    pub(crate) name: String,
    /// The path below `/v3`, with its parameters in braces.
    pub(crate) path: &'static str,
    /// The names of its parameters.
    pub(crate) parameters: BTreeMap<&'static str, String>,
    /// Whether it may still change.
    pub(crate) is_experimental: bool,
}

/// The relations of a path, whatever it calls its parameters. A few have two, and some that are new none.
pub(crate) fn relations_of(path: &str) -> impl Iterator<Item = Relation> {
    let shape = shape(path);
    RELATIONS.iter().filter(move |(known, _)| self::shape(known) == shape).map(|(path, name)| Relation {
        name: format!("{NAMES}{name}"),
        path,
        parameters: parameters(path).map(|name| (name, format!("{NAMES}{}", named(name)))).collect(),
        is_experimental: EXPERIMENTAL.iter().any(|prefix| path.starts_with(prefix)),
    })
}

/// The path with its parameters made nameless.
fn shape(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn parameters(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// Most parameters are called what they are; those of extensions belong to these.
fn named(parameter: &str) -> String {
    let extension = match parameter {
        "endpoint_group_id" => "OS-EP-FILTER",
        "trust_id" => "OS-TRUST",
        "consumer_id" | "request_token_id" | "access_token_id" => "OS-OAUTH1",
        "idp_id" | "protocol_id" | "mapping_id" | "service_provider_id" => "OS-FEDERATION",
        "group" => return "param/config_group".to_owned(),
        "option" => return "param/config_option".to_owned(),
        "value" => return "param/tag_value".to_owned(),
        "prior_role_id" | "implied_role_id" => return "param/role_id".to_owned(),
        other => return format!("param/{other}"),
    };
    format!("ext/{extension}/1.0/param/{parameter}")
}
