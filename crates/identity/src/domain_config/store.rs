//! The table of domains' options: a row for each domain that has some.

use store::Table;

use super::model::DomainConfig;

pub(crate) static DOMAIN_CONFIGS: Table<DomainConfig> =
    Table { name: "identity_domain_configs", id: |c| (&c.domain_id).into(), columns: &[], unique: &[] };
