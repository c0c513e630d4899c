//! The options that a domain may set, as Keystone lists them, with what holds where nobody set any.

/// An option.
#[derive(Debug)]
pub struct Known {
    /// The group it is in.
    pub group: &'static str,
    /// Its name in the group.
    pub name: &'static str,
    /// Its value where nobody set one.
    pub preset: Preset,
}

/// The value of an option that nobody set.
#[derive(Debug, Clone, Copy)]
pub enum Preset {
    /// There is none.
    Unset,
    /// A text.
    Text(&'static str),
    /// A whole number.
    Number(i64),
    /// A number of seconds.
    Seconds(f64),
    /// Yes or no.
    Flag(bool),
    /// A list of texts.
    List(&'static [&'static str]),
    /// None, and clients are never told what was set.
    Secret,
}

use Preset::{Flag, List, Number, Seconds, Secret, Text, Unset};

const fn identity(name: &'static str, preset: Preset) -> Known {
    Known { group: "identity", name, preset }
}

const fn ldap(name: &'static str, preset: Preset) -> Known {
    Known { group: "ldap", name, preset }
}

/// All of them.
pub static OPTIONS: &[Known] = &[
    identity("driver", Text("sql")),
    identity("list_limit", Unset),
    ldap("url", Text("ldap://localhost")),
    ldap("user", Unset),
    ldap("password", Secret),
    ldap("suffix", Text("cn=example,cn=com")),
    ldap("query_scope", Text("one")),
    ldap("page_size", Number(0)),
    ldap("alias_dereferencing", Text("default")),
    ldap("debug_level", Unset),
    ldap("chase_referrals", Unset),
    ldap("user_tree_dn", Unset),
    ldap("user_filter", Unset),
    ldap("user_objectclass", Text("inetOrgPerson")),
    ldap("user_id_attribute", Text("cn")),
    ldap("user_name_attribute", Text("sn")),
    ldap("user_mail_attribute", Text("mail")),
    ldap("user_description_attribute", Text("description")),
    ldap("user_pass_attribute", Text("userPassword")),
    ldap("user_enabled_attribute", Text("enabled")),
    ldap("user_enabled_invert", Flag(false)),
    ldap("user_enabled_mask", Number(0)),
    ldap("user_enabled_default", Text("True")),
    ldap("user_attribute_ignore", List(&["default_project_id"])),
    ldap("user_default_project_id_attribute", Unset),
    ldap("user_enabled_emulation", Flag(false)),
    ldap("user_enabled_emulation_dn", Unset),
    ldap("user_enabled_emulation_use_group_config", Flag(false)),
    ldap("user_additional_attribute_mapping", List(&[])),
    ldap("group_tree_dn", Unset),
    ldap("group_filter", Unset),
    ldap("group_objectclass", Text("groupOfNames")),
    ldap("group_id_attribute", Text("cn")),
    ldap("group_name_attribute", Text("ou")),
    ldap("group_members_are_ids", Flag(false)),
    ldap("group_member_attribute", Text("member")),
    ldap("group_desc_attribute", Text("description")),
    ldap("group_attribute_ignore", List(&[])),
    ldap("group_additional_attribute_mapping", List(&[])),
    ldap("tls_cacertfile", Unset),
    ldap("tls_cacertdir", Unset),
    ldap("use_tls", Flag(false)),
    ldap("tls_req_cert", Text("demand")),
    ldap("use_pool", Flag(true)),
    ldap("pool_size", Number(10)),
    ldap("pool_retry_max", Number(3)),
    ldap("pool_retry_delay", Seconds(0.1)),
    ldap("pool_connection_timeout", Number(-1)),
    ldap("pool_connection_lifetime", Number(600)),
    ldap("use_auth_pool", Flag(true)),
    ldap("auth_pool_size", Number(100)),
    ldap("auth_pool_connection_lifetime", Number(60)),
];
