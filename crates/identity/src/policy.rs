//! Who may do what, under Keystone's names.

use policy::{ADMIN, Rule, Rules, USER_OR_ADMIN};

/// Role `admin` anywhere, or a reader of the system.
const READER: Rule = Rule::Any(&[ADMIN, SYSTEM_READER]);
const SYSTEM_READER: Rule = Rule::All(&[Rule::Role("reader"), Rule::System]);
const DOMAIN_READER: Rule = Rule::All(&[Rule::Role("reader"), Rule::OwnerDomain]);
/// A reader of the system or of the target's domain.
const READER_OR_DOMAIN: Rule = Rule::Any(&[ADMIN, SYSTEM_READER, DOMAIN_READER]);
/// Those, or the user that the target is or belongs to.
const READER_OR_DOMAIN_OR_USER: Rule = Rule::Any(&[ADMIN, SYSTEM_READER, DOMAIN_READER, Rule::OwnerUser]);
/// Those, or anybody in the project that the target is.
const READER_OR_DOMAIN_OR_PROJECT: Rule =
    Rule::Any(&[ADMIN, SYSTEM_READER, DOMAIN_READER, Rule::OwnerProject]);
/// A manager of the target's domain.
const DOMAIN_MANAGER: Rule = Rule::Any(&[ADMIN, Rule::All(&[Rule::Role("manager"), Rule::OwnerDomain])]);
/// A reader of the system, or a manager in any domain, who has roles to hand out.
const READER_OR_MANAGER: Rule = Rule::Any(&[ADMIN, SYSTEM_READER, Rule::Role("manager")]);
/// A reader of the system, or the user that the target belongs to.
const READER_OR_USER: Rule = Rule::Any(&[ADMIN, SYSTEM_READER, Rule::OwnerUser]);

/// The rules.
pub static RULES: Rules = Rules(&[
    ("identity:check_token", READER_OR_USER),
    ("identity:validate_token", Rule::Any(&[ADMIN, SYSTEM_READER, Rule::Role("service"), Rule::OwnerUser])),
    ("identity:revoke_token", USER_OR_ADMIN),
    ("identity:get_domain", READER_OR_DOMAIN_OR_PROJECT),
    ("identity:list_domains", READER_OR_DOMAIN),
    ("identity:create_domain", ADMIN),
    ("identity:update_domain", ADMIN),
    ("identity:delete_domain", ADMIN),
    ("identity:get_project", READER_OR_DOMAIN_OR_PROJECT),
    ("identity:list_projects", READER_OR_DOMAIN),
    ("identity:list_user_projects", READER_OR_DOMAIN_OR_USER),
    ("identity:create_project", DOMAIN_MANAGER),
    ("identity:update_project", DOMAIN_MANAGER),
    ("identity:delete_project", DOMAIN_MANAGER),
    ("identity:list_project_tags", READER_OR_DOMAIN_OR_PROJECT),
    ("identity:get_project_tag", READER_OR_DOMAIN_OR_PROJECT),
    ("identity:update_project_tags", DOMAIN_MANAGER),
    ("identity:create_project_tag", DOMAIN_MANAGER),
    ("identity:delete_project_tag", DOMAIN_MANAGER),
    ("identity:delete_project_tags", DOMAIN_MANAGER),
    ("identity:get_user", READER_OR_DOMAIN_OR_USER),
    ("identity:list_users", READER_OR_DOMAIN),
    ("identity:create_user", DOMAIN_MANAGER),
    ("identity:update_user", DOMAIN_MANAGER),
    ("identity:delete_user", DOMAIN_MANAGER),
    ("identity:get_group", READER_OR_DOMAIN),
    ("identity:list_groups", READER_OR_DOMAIN),
    ("identity:list_groups_for_user", READER_OR_DOMAIN_OR_USER),
    ("identity:create_group", DOMAIN_MANAGER),
    ("identity:update_group", DOMAIN_MANAGER),
    ("identity:delete_group", DOMAIN_MANAGER),
    ("identity:list_users_in_group", READER_OR_DOMAIN),
    ("identity:check_user_in_group", READER_OR_DOMAIN),
    ("identity:add_user_to_group", DOMAIN_MANAGER),
    ("identity:remove_user_from_group", DOMAIN_MANAGER),
    ("identity:get_role", READER_OR_MANAGER),
    ("identity:list_roles", READER_OR_MANAGER),
    ("identity:create_role", ADMIN),
    ("identity:update_role", ADMIN),
    ("identity:delete_role", ADMIN),
    ("identity:get_domain_role", READER),
    ("identity:list_domain_roles", READER),
    ("identity:create_domain_role", ADMIN),
    ("identity:update_domain_role", ADMIN),
    ("identity:delete_domain_role", ADMIN),
    ("identity:get_implied_role", READER),
    ("identity:list_implied_roles", READER),
    ("identity:create_implied_role", ADMIN),
    ("identity:delete_implied_role", ADMIN),
    ("identity:list_role_inference_rules", READER),
    ("identity:check_implied_role", READER),
    ("identity:check_grant", READER_OR_DOMAIN),
    ("identity:list_grants", READER_OR_DOMAIN),
    ("identity:create_grant", DOMAIN_MANAGER),
    ("identity:revoke_grant", DOMAIN_MANAGER),
    ("identity:list_system_grants_for_user", READER),
    ("identity:check_system_grant_for_user", READER),
    ("identity:create_system_grant_for_user", ADMIN),
    ("identity:revoke_system_grant_for_user", ADMIN),
    ("identity:list_system_grants_for_group", READER),
    ("identity:check_system_grant_for_group", READER),
    ("identity:create_system_grant_for_group", ADMIN),
    ("identity:revoke_system_grant_for_group", ADMIN),
    ("identity:list_role_assignments", READER_OR_DOMAIN),
    ("identity:list_role_assignments_for_tree", READER_OR_DOMAIN),
    ("identity:get_region", Rule::Anyone),
    ("identity:list_regions", Rule::Anyone),
    ("identity:create_region", ADMIN),
    ("identity:update_region", ADMIN),
    ("identity:delete_region", ADMIN),
    ("identity:get_service", READER),
    ("identity:list_services", READER),
    ("identity:create_service", ADMIN),
    ("identity:update_service", ADMIN),
    ("identity:delete_service", ADMIN),
    ("identity:get_endpoint", READER),
    ("identity:list_endpoints", READER),
    ("identity:create_endpoint", ADMIN),
    ("identity:update_endpoint", ADMIN),
    ("identity:delete_endpoint", ADMIN),
    ("identity:get_credential", READER_OR_USER),
    ("identity:list_credentials", READER_OR_USER),
    ("identity:create_credential", USER_OR_ADMIN),
    ("identity:update_credential", USER_OR_ADMIN),
    ("identity:delete_credential", USER_OR_ADMIN),
    ("identity:get_policy", READER),
    ("identity:list_policies", READER),
    ("identity:create_policy", ADMIN),
    ("identity:update_policy", ADMIN),
    ("identity:delete_policy", ADMIN),
    ("identity:create_trust", Rule::OwnerUser),
    ("identity:list_trusts", READER),
    ("identity:list_trusts_for_trustor", READER_OR_USER),
    ("identity:list_trusts_for_trustee", READER_OR_USER),
    ("identity:get_trust", READER_OR_USER),
    ("identity:list_roles_for_trust", READER_OR_USER),
    ("identity:get_role_for_trust", READER_OR_USER),
    ("identity:delete_trust", USER_OR_ADMIN),
]);
