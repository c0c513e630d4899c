//! Who may do what, under Keystone's names and with its defaults.
//!
//! The expressions name a target's attributes as Keystone does, so that an operator's file for Keystone fits. What an
//! operation passes so that they are found is [`policy::Target`]; where a request is about two objects, or about a role,
//! [`policy::Named`] with the names used here.

use policy::{ANYONE, Rule, Rules, ScopeKind};

/// Tokens of any scope.
const ALL: &[ScopeKind] = &[ScopeKind::System, ScopeKind::Domain, ScopeKind::Project];
/// What is for the whole deployment: a domain's administrator has no part in it.
const WITHOUT_DOMAIN: &[ScopeKind] = &[ScopeKind::System, ScopeKind::Project];
/// What hands on the rights in a project.
const PROJECT: &[ScopeKind] = &[ScopeKind::Project];

macro_rules! reader {
    () => {
        "rule:admin_required or (role:reader and system_scope:all)"
    };
}

/// That the caller has a role in the domain of both sides of a grant.
macro_rules! grants_within {
    ($role:literal) => {
        concat!(
            "(role:",
            $role,
            " and domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) or ",
            "(role:",
            $role,
            " and domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or ",
            "(role:",
            $role,
            " and domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) or ",
            "(role:",
            $role,
            " and domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)"
        )
    };
}

macro_rules! role_within {
    () => {
        "(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s)"
    };
}

const ADMIN: Rule = Rule::new("rule:admin_required").within(WITHOUT_DOMAIN);
/// An administrator in a project, where rights are granted.
const ADMIN_IN_PROJECT: Rule = Rule::new("rule:admin_required").within(PROJECT);
/// An administrator, or a reader of the system.
const READER: Rule = Rule::new(reader!()).within(WITHOUT_DOMAIN);
/// An administrator, or a service that checks what its clients present.
const SERVICE: Rule = Rule::new("rule:service_or_admin");
/// Those who may read everything, or whoever the target belongs to.
const READER_OR_OWNER: Rule = Rule::new(concat!(reader!(), " or rule:owner")).within(WITHOUT_DOMAIN);
/// Readers of the deployment or of the domain that is listed.
const DOMAIN_LIST: Rule =
    Rule::new(concat!(reader!(), " or (role:reader and domain_id:%(target.domain_id)s)")).within(ALL);
const PROJECT_READER: Rule = Rule::new(concat!(
    reader!(),
    " or (role:reader and domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s)",
    " or project_id:%(target.project.id)s"
))
.within(ALL);
const PROJECT_MANAGER: Rule = Rule::new(concat!(
    "rule:admin_required or ",
    "(role:manager and domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s)"
))
.within(ALL);
const USER_READER: Rule = Rule::new(concat!(
    reader!(),
    " or (role:reader and token.domain.id:%(target.user.domain_id)s) or user_id:%(target.user.id)s"
))
.within(ALL);
const USER_MANAGER: Rule =
    Rule::new("rule:admin_required or (role:manager and token.domain.id:%(target.user.domain_id)s)")
        .within(ALL);
const GROUP_READER: Rule =
    Rule::new(concat!(reader!(), " or (role:reader and domain_id:%(target.group.domain_id)s)")).within(ALL);
const GROUP_MANAGER: Rule =
    Rule::new("rule:admin_required or (role:manager and domain_id:%(target.group.domain_id)s)").within(ALL);
/// A manager of the domain that both the group and the user are in.
const MEMBERS_MANAGER: Rule = Rule::new(concat!(
    "rule:admin_required or ",
    "(role:manager and domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)"
))
.within(ALL);
const CREDENTIAL_READER: Rule =
    Rule::new(concat!(reader!(), " or user_id:%(target.credential.user_id)s")).within(ALL);
const CREDENTIAL_OWNER: Rule =
    Rule::new("rule:admin_required or user_id:%(target.credential.user_id)s").within(ALL);
/// Keys for EC2's API are made and taken by those who may write.
const EC2_WRITER: Rule =
    Rule::new("rule:admin_required or (role:member and user_id:%(target.credential.user_id)s)")
        .within(WITHOUT_DOMAIN);
/// Readers of the system and whoever the rule belongs to; upstream an administrator in a project is neither.
const ACCESS_RULE_READER: Rule =
    Rule::new("(role:reader and system_scope:all) or user_id:%(target.user.id)s").within(WITHOUT_DOMAIN);
/// Managers give and take what cannot make them more than managers.
const GRANT_MANAGER: Rule = Rule::new(concat!(
    "rule:admin_required or ((",
    grants_within!("admin"),
    ") and ",
    role_within!(),
    ") or ((",
    grants_within!("manager"),
    ") and rule:domain_managed_target_role)"
))
.within(ALL);
const EITHER_TRUSTED: Rule = Rule::new(concat!(
    reader!(),
    " or user_id:%(target.trust.trustor_user_id)s or user_id:%(target.trust.trustee_user_id)s"
))
.within(WITHOUT_DOMAIN);

/// The roles that a domain's manager may see, give and take: with others a manager could become an administrator.
const MANAGED_ROLE: Rule = Rule::new(
    "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s",
);
/// Those who may read everything, and who works in the domain or in one of its projects.
const DOMAIN_READER: Rule = Rule::new(concat!(
    reader!(),
    " or token.domain.id:%(target.domain.id)s",
    " or token.project.domain.id:%(target.domain.id)s"
))
.within(ALL);
const GRANT_READER: Rule =
    Rule::new(concat!(reader!(), " or ((", grants_within!("reader"), ") and ", role_within!(), ")"))
        .within(ALL);
/// Those who may read everything, and whoever the limit binds.
const LIMIT_READER: Rule = Rule::new(concat!(
    reader!(),
    " or (domain_id:%(target.limit.domain.id)s",
    " or domain_id:%(target.limit.project.domain_id)s)",
    " or (project_id:%(target.limit.project_id)s and not None:%(target.limit.project_id)s)"
))
.within(ALL);
const GROUPS_OF_USER: Rule = Rule::new(concat!(
    reader!(),
    " or (role:reader and domain_id:%(target.user.domain_id)s)",
    " or user_id:%(user_id)s"
))
.within(ALL);
const PROJECTS_OF_USER: Rule = Rule::new(concat!(
    reader!(),
    " or (role:reader and domain_id:%(target.user.domain_id)s)",
    " or user_id:%(target.user.id)s"
))
.within(ALL);
const MEMBERS_READER: Rule = Rule::new(concat!(
    reader!(),
    " or (role:reader and domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)"
))
.within(ALL);
const ACCESS_RULE_WRITER: Rule =
    Rule::new("(role:admin and system_scope:all) or user_id:%(target.user.id)s").within(WITHOUT_DOMAIN);
/// A service checks what its clients present.
const TOKEN_READER: Rule =
    Rule::new(concat!(reader!(), " or rule:service_role or rule:token_subject")).within(ALL);

/// The rules.
pub static RULES: Rules = Rules::new(&[
    // access rule
    ("identity:get_access_rule", ACCESS_RULE_READER),
    ("identity:list_access_rules", ACCESS_RULE_READER),
    ("identity:delete_access_rule", ACCESS_RULE_WRITER),
    // access token
    ("identity:authorize_request_token", ADMIN_IN_PROJECT),
    ("identity:get_access_token", ADMIN_IN_PROJECT),
    ("identity:get_access_token_role", ADMIN_IN_PROJECT),
    ("identity:list_access_tokens", ADMIN_IN_PROJECT),
    ("identity:list_access_token_roles", ADMIN_IN_PROJECT),
    ("identity:delete_access_token", ADMIN_IN_PROJECT),
    // application credential
    ("identity:get_application_credential", READER_OR_OWNER),
    ("identity:list_application_credentials", READER_OR_OWNER),
    ("identity:create_application_credential", Rule::new("user_id:%(user_id)s").within(PROJECT)),
    ("identity:delete_application_credential", Rule::new("rule:admin_or_owner").within(WITHOUT_DOMAIN)),
    // auth
    ("identity:get_auth_catalog", ANYONE),
    ("identity:get_auth_projects", ANYONE),
    ("identity:get_auth_domains", ANYONE),
    ("identity:get_auth_system", ANYONE),
    // base
    ("admin_required", Rule::new("role:admin or is_admin:1")),
    ("service_role", Rule::new("role:service")),
    ("service_or_admin", Rule::new("rule:admin_required or rule:service_role")),
    ("owner", Rule::new("user_id:%(user_id)s")),
    ("admin_or_owner", Rule::new("rule:admin_required or rule:owner")),
    ("token_subject", Rule::new("user_id:%(target.token.user_id)s")),
    ("admin_or_token_subject", Rule::new("rule:admin_required or rule:token_subject")),
    ("service_admin_or_token_subject", Rule::new("rule:service_or_admin or rule:token_subject")),
    ("domain_managed_target_role", MANAGED_ROLE),
    // consumer
    ("identity:get_consumer", READER),
    ("identity:list_consumers", READER),
    ("identity:create_consumer", ADMIN),
    ("identity:update_consumer", ADMIN),
    ("identity:delete_consumer", ADMIN),
    // credential
    ("identity:get_credential", CREDENTIAL_READER),
    ("identity:list_credentials", CREDENTIAL_READER),
    ("identity:create_credential", CREDENTIAL_OWNER),
    ("identity:update_credential", CREDENTIAL_OWNER),
    ("identity:delete_credential", CREDENTIAL_OWNER),
    // domain
    ("identity:get_domain", DOMAIN_READER),
    (
        "identity:list_domains",
        Rule::new(concat!(reader!(), " or (role:reader and domain_id:%(target.domain.id)s)")).within(ALL),
    ),
    ("identity:create_domain", ADMIN),
    ("identity:update_domain", ADMIN),
    ("identity:delete_domain", ADMIN),
    // domain config
    ("identity:create_domain_config", ADMIN),
    ("identity:get_domain_config", READER),
    ("identity:get_security_compliance_domain_config", ANYONE.within(ALL)),
    ("identity:update_domain_config", ADMIN),
    ("identity:delete_domain_config", ADMIN),
    ("identity:get_domain_config_default", READER),
    // ec2 credential
    ("identity:ec2_get_credential", CREDENTIAL_READER.within(WITHOUT_DOMAIN)),
    ("identity:ec2_list_credentials", READER_OR_OWNER),
    ("identity:ec2_create_credential", EC2_WRITER),
    ("identity:ec2_delete_credential", EC2_WRITER),
    // ec2tokens
    ("identity:ec2tokens_validate", SERVICE.within(ALL)),
    // endpoint
    ("identity:get_endpoint", READER),
    ("identity:list_endpoints", READER),
    ("identity:create_endpoint", ADMIN),
    ("identity:update_endpoint", ADMIN),
    ("identity:delete_endpoint", ADMIN),
    // endpoint group
    ("identity:create_endpoint_group", ADMIN),
    ("identity:list_endpoint_groups", READER),
    ("identity:get_endpoint_group", READER),
    ("identity:update_endpoint_group", ADMIN),
    ("identity:delete_endpoint_group", ADMIN),
    ("identity:list_projects_associated_with_endpoint_group", READER),
    ("identity:list_endpoints_associated_with_endpoint_group", READER),
    ("identity:get_endpoint_group_in_project", READER),
    ("identity:list_endpoint_groups_for_project", READER),
    ("identity:add_endpoint_group_to_project", ADMIN),
    ("identity:remove_endpoint_group_from_project", ADMIN),
    // grant
    ("identity:check_grant", GRANT_READER),
    ("identity:list_grants", Rule::new(concat!(reader!(), " or ", grants_within!("reader"))).within(ALL)),
    ("identity:create_grant", GRANT_MANAGER),
    ("identity:revoke_grant", GRANT_MANAGER),
    ("identity:list_system_grants_for_user", READER),
    ("identity:check_system_grant_for_user", READER),
    ("identity:create_system_grant_for_user", ADMIN),
    ("identity:revoke_system_grant_for_user", ADMIN),
    ("identity:list_system_grants_for_group", READER),
    ("identity:check_system_grant_for_group", READER),
    ("identity:create_system_grant_for_group", ADMIN),
    ("identity:revoke_system_grant_for_group", ADMIN),
    // group
    ("identity:get_group", GROUP_READER),
    ("identity:list_groups", GROUP_READER),
    ("identity:list_groups_for_user", GROUPS_OF_USER),
    ("identity:create_group", GROUP_MANAGER),
    ("identity:update_group", GROUP_MANAGER),
    ("identity:delete_group", GROUP_MANAGER),
    ("identity:list_users_in_group", GROUP_READER),
    ("identity:remove_user_from_group", MEMBERS_MANAGER),
    ("identity:check_user_in_group", MEMBERS_READER),
    ("identity:add_user_to_group", MEMBERS_MANAGER),
    // identity provider
    ("identity:create_identity_provider", ADMIN),
    ("identity:list_identity_providers", READER),
    ("identity:get_identity_provider", READER),
    ("identity:update_identity_provider", ADMIN),
    ("identity:delete_identity_provider", ADMIN),
    // implied role
    ("identity:get_implied_role", READER),
    ("identity:list_implied_roles", READER),
    ("identity:create_implied_role", ADMIN),
    ("identity:delete_implied_role", ADMIN),
    ("identity:list_role_inference_rules", READER),
    ("identity:check_implied_role", READER),
    // limit
    ("identity:get_limit_model", ANYONE.within(ALL)),
    ("identity:get_limit", LIMIT_READER),
    ("identity:list_limits", ANYONE.within(ALL)),
    ("identity:create_limits", ADMIN),
    ("identity:update_limit", ADMIN),
    ("identity:delete_limit", ADMIN),
    // mapping
    ("identity:create_mapping", ADMIN),
    ("identity:get_mapping", READER),
    ("identity:list_mappings", READER),
    ("identity:delete_mapping", ADMIN),
    ("identity:update_mapping", ADMIN),
    // policy
    ("identity:get_policy", READER),
    ("identity:list_policies", READER),
    ("identity:create_policy", ADMIN),
    ("identity:update_policy", ADMIN),
    ("identity:delete_policy", ADMIN),
    // policy association
    ("identity:create_policy_association_for_endpoint", ADMIN),
    ("identity:check_policy_association_for_endpoint", READER),
    ("identity:delete_policy_association_for_endpoint", ADMIN),
    ("identity:create_policy_association_for_service", ADMIN),
    ("identity:check_policy_association_for_service", READER),
    ("identity:delete_policy_association_for_service", ADMIN),
    ("identity:create_policy_association_for_region_and_service", ADMIN),
    ("identity:check_policy_association_for_region_and_service", READER),
    ("identity:delete_policy_association_for_region_and_service", ADMIN),
    ("identity:get_policy_for_endpoint", READER),
    ("identity:list_endpoints_for_policy", READER),
    // project
    ("identity:get_project", PROJECT_READER),
    ("identity:list_projects", DOMAIN_LIST),
    ("identity:list_user_projects", PROJECTS_OF_USER),
    ("identity:create_project", PROJECT_MANAGER),
    ("identity:update_project", PROJECT_MANAGER),
    ("identity:delete_project", PROJECT_MANAGER),
    ("identity:list_project_tags", PROJECT_READER),
    ("identity:get_project_tag", PROJECT_READER),
    ("identity:update_project_tags", PROJECT_MANAGER),
    ("identity:create_project_tag", PROJECT_MANAGER),
    ("identity:delete_project_tags", PROJECT_MANAGER),
    ("identity:delete_project_tag", PROJECT_MANAGER),
    // project endpoint
    ("identity:list_projects_for_endpoint", READER),
    ("identity:add_endpoint_to_project", ADMIN),
    ("identity:check_endpoint_in_project", READER),
    ("identity:list_endpoints_for_project", READER),
    ("identity:remove_endpoint_from_project", ADMIN),
    // protocol
    ("identity:create_protocol", ADMIN),
    ("identity:update_protocol", ADMIN),
    ("identity:get_protocol", READER),
    ("identity:list_protocols", READER),
    ("identity:delete_protocol", ADMIN),
    // region
    ("identity:get_region", ANYONE.within(ALL)),
    ("identity:list_regions", ANYONE.within(ALL)),
    ("identity:create_region", ADMIN),
    ("identity:update_region", ADMIN),
    ("identity:delete_region", ADMIN),
    // registered limit
    ("identity:get_registered_limit", ANYONE.within(ALL)),
    ("identity:list_registered_limits", ANYONE.within(ALL)),
    ("identity:create_registered_limits", ADMIN),
    ("identity:update_registered_limit", ADMIN),
    ("identity:delete_registered_limit", ADMIN),
    // revoke event
    ("identity:list_revoke_events", SERVICE.within(WITHOUT_DOMAIN)),
    // role
    (
        "identity:get_role",
        Rule::new(concat!(reader!(), " or (role:manager and rule:domain_managed_target_role)")).within(ALL),
    ),
    (
        "identity:list_roles",
        Rule::new(concat!(reader!(), " or (role:manager and not domain_id:None)")).within(ALL),
    ),
    ("identity:create_role", ADMIN),
    ("identity:update_role", ADMIN),
    ("identity:delete_role", ADMIN),
    ("identity:get_domain_role", READER),
    ("identity:list_domain_roles", READER),
    ("identity:create_domain_role", ADMIN),
    ("identity:update_domain_role", ADMIN),
    ("identity:delete_domain_role", ADMIN),
    // role assignment
    ("identity:list_role_assignments", DOMAIN_LIST),
    ("identity:list_role_assignments_for_tree", DOMAIN_LIST),
    // s3tokens
    ("identity:s3tokens_validate", SERVICE.within(ALL)),
    // service
    ("identity:get_service", READER),
    ("identity:list_services", READER),
    ("identity:create_service", ADMIN),
    ("identity:update_service", ADMIN),
    ("identity:delete_service", ADMIN),
    // service provider
    ("identity:create_service_provider", ADMIN),
    ("identity:list_service_providers", READER),
    ("identity:get_service_provider", READER),
    ("identity:update_service_provider", ADMIN),
    ("identity:delete_service_provider", ADMIN),
    // token
    ("identity:check_token", Rule::new(concat!(reader!(), " or rule:token_subject")).within(ALL)),
    ("identity:validate_token", TOKEN_READER),
    ("identity:revoke_token", Rule::new("rule:admin_required or rule:token_subject").within(ALL)),
    // token revocation
    ("identity:revocation_list", SERVICE.within(WITHOUT_DOMAIN)),
    // trust
    ("identity:create_trust", Rule::new("user_id:%(target.trust.trustor_user_id)s").within(PROJECT)),
    ("identity:list_trusts", READER),
    (
        "identity:list_trusts_for_trustor",
        Rule::new(concat!(reader!(), " or user_id:%(target.trust.trustor_user_id)s")).within(WITHOUT_DOMAIN),
    ),
    (
        "identity:list_trusts_for_trustee",
        Rule::new(concat!(reader!(), " or user_id:%(target.trust.trustee_user_id)s")).within(WITHOUT_DOMAIN),
    ),
    ("identity:list_roles_for_trust", EITHER_TRUSTED),
    ("identity:get_role_for_trust", EITHER_TRUSTED),
    (
        "identity:delete_trust",
        Rule::new("rule:admin_required or user_id:%(target.trust.trustor_user_id)s").within(WITHOUT_DOMAIN),
    ),
    ("identity:get_trust", EITHER_TRUSTED),
    // user
    ("identity:get_user", USER_READER),
    ("identity:list_users", DOMAIN_LIST),
    ("identity:list_projects_for_user", ANYONE),
    ("identity:list_domains_for_user", ANYONE),
    ("identity:create_user", USER_MANAGER),
    ("identity:update_user", USER_MANAGER),
    ("identity:delete_user", USER_MANAGER),
]);
