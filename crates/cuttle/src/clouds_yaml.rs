//! What clients need to find the cloud: `clouds.yaml` and `openrc`.

use crate::data_dir::{DataDir, write_private};

/// Writes both files for a cloud at `endpoint`.
pub fn write(dir: &DataDir, endpoint: &str) -> anyhow::Result<()> {
    let identity = dir.identity();
    let demo = entry("cuttle", "demo", "demo", &identity.demo_password, endpoint);
    let admin = entry("cuttle-admin", "admin", "admin", &identity.admin_password, endpoint);
    write_private(&dir.clouds_yaml(), format!("clouds:\n{demo}{admin}").as_bytes())?;
    write_private(&dir.root().join("openrc"), openrc(&identity.demo_password, endpoint).as_bytes())
}

fn entry(cloud: &str, user: &str, project: &str, password: &str, endpoint: &str) -> String {
    format!(
        "  {cloud}:\n    region_name: RegionOne\n    identity_api_version: 3\n    auth:\n      auth_url: {endpoint}/identity/v3\n      \
         username: {user}\n      password: {password}\n      project_name: {project}\n      \
         user_domain_name: Default\n      project_domain_name: Default\n"
    )
}

fn openrc(password: &str, endpoint: &str) -> String {
    format!(
        "export OS_AUTH_URL={endpoint}/identity/v3\nexport OS_IDENTITY_API_VERSION=3\nexport OS_REGION_NAME=RegionOne\n\
         export OS_USERNAME=demo\nexport OS_PASSWORD={password}\nexport OS_PROJECT_NAME=demo\n\
         export OS_USER_DOMAIN_NAME=Default\nexport OS_PROJECT_DOMAIN_NAME=Default\nunset OS_CLOUD\n"
    )
}
