//! Text that nobody is to read by the way.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A secret: a passphrase or a key as text. It does not show itself in logs or messages; serialized it is the text
/// itself, so what is written with it is secret too.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text, for whoever must have it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
