//! What is in the blob of a credential of type `ec2`.

use crate::api::Extra;

/// An EC2 key, which is a JSON object in the credential's blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ec2Key {
    /// Its public half.
    pub access: String,
    /// Its secret half; some clients store keys without.
    pub secret: Option<String>,
    /// Whether a trust, an application credential or an OAuth token is named in it, whose rights it then has.
    pub is_delegated: bool,
}

/// Why a blob is no EC2 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoEc2Key {
    /// It is no JSON.
    Malformed,
    /// It is no object with something in it.
    Empty,
    /// It has no access key.
    NoAccess,
}

/// What in a blob names a delegation and stays as it is.
pub(crate) const DELEGATIONS: [&str; 4] = ["trust_id", "app_cred_id", "access_token_id", "access_id"];

/// The object in a blob.
pub(crate) fn ec2_fields(blob: &str) -> Result<Extra, NoEc2Key> {
    match serde_json::from_str(blob) {
        Ok(serde_json::Value::Object(fields)) if !fields.is_empty() => Ok(fields),
        Ok(_) => Err(NoEc2Key::Empty),
        Err(_) => Err(NoEc2Key::Malformed),
    }
}

impl Ec2Key {
    /// Reads a blob.
    pub fn parse(blob: &str) -> Result<Ec2Key, NoEc2Key> {
        let fields = ec2_fields(blob)?;
        let text = |name: &str| fields.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        Ok(Ec2Key {
            access: text("access").ok_or(NoEc2Key::NoAccess)?,
            secret: text("secret"),
            is_delegated: DELEGATIONS.iter().any(|name| fields.get(*name).is_some_and(|v| !v.is_null())),
        })
    }
}
