//! A signed JSON web token: taking it apart, and whether a key signed it. Only RS256 and ES256, by public keys alone.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::Value as Json;

use super::Claims;

/// A token taken apart. Nothing in it is to be believed before its signature is.
pub(super) struct Jwt<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    algorithm: String,
    key_id: Option<String>,
    pub(super) claims: Claims,
}

impl<'a> Jwt<'a> {
    /// The token, if it is three parts of which the first two are JSON objects.
    pub(super) fn parse(token: &'a str) -> Option<Jwt<'a>> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header = object(header)?;
        let text = |name: &str| header.get(name).and_then(Json::as_str).map(str::to_owned);
        Some(Jwt {
            signed,
            signature: bytes(signature)?,
            algorithm: text("alg").unwrap_or_default(),
            key_id: text("kid"),
            claims: object(claims)?,
        })
    }

    /// Whether the key is one that this token may be signed by: of the kind that its algorithm wants, and the one named.
    pub(super) fn may_be_of(&self, key: &Key) -> bool {
        let fits = matches!(
            (self.algorithm.as_str(), &key.public),
            ("RS256", Public::Rsa { .. }) | ("ES256", Public::P256(_))
        );
        fits && (self.key_id.is_none() || self.key_id == key.id)
    }

    /// Whether the key signed it.
    pub(super) fn is_signed_by(&self, key: &Key) -> bool {
        let (message, signature) = (self.signed.as_bytes(), self.signature.as_slice());
        let verified = match &key.public {
            Public::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            Public::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
        };
        verified.is_ok()
    }
}

/// A provider's public key.
pub(super) struct Key {
    id: Option<String>,
    public: Public,
}

enum Public {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
}

impl Key {
    /// The key that a JSON web key spells, if it is one that we can use.
    pub(super) fn read(key: &Json) -> Option<Key> {
        let text = |name: &str| key.get(name).and_then(Json::as_str);
        let number = |name: &str| bytes(text(name)?);
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let public = match (text("kty")?, text("crv")) {
            ("RSA", _) => Public::Rsa { n: number("n")?, e: number("e")? },
            ("EC", Some("P-256")) => Public::P256([vec![4], number("x")?, number("y")?].concat()),
            _ => return None,
        };
        Some(Key { id: text("kid").map(str::to_owned), public })
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn object(text: &str) -> Option<Claims> {
    match serde_json::from_slice(&bytes(text)?).ok()? {
        Json::Object(object) => Some(object),
        _ => None,
    }
}
