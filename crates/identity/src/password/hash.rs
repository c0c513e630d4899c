//! The forms of password hashes that Keystone writes and reads, and how much work each comparison is.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

use crate::Error;

/// bcrypt reads no further; Keystone cuts a password here before it hashes it.
const BCRYPT_BYTES_MAX: usize = 72;
/// More than these would be a way to exhaust memory and time, not a hash that Keystone wrote: 1 GiB at the most.
const SCRYPT_LOG_N_MAX: u8 = 20;
const SCRYPT_BLOCK_MAX: u32 = 8;
const SCRYPT_PARALLEL_MAX: u32 = 16;
const PBKDF2_ROUNDS_MAX: u32 = 10_000_000;

/// The hash of a new password, computed here and now: plain bcrypt, as Keystone's default.
pub(crate) fn make(password: &str, cost: u32) -> Result<String, Error> {
    let mut salt = [0; 16];
    runtime::fill_random(&mut salt);
    let parts = bcrypt::hash_with_salt(cut(password), cost, salt)
        .map_err(|e| Error::Internal(format!("cannot hash a password: {e}")))?;
    Ok(parts.to_string())
}

/// The same hash in a form that says how it was made, if it is of the first version of this service: bcrypt over a
/// digest, as passlib's first bcrypt-sha256, and spelled like plain bcrypt.
pub(crate) fn of_first_version(stored: &str) -> Option<String> {
    let rest = stored.strip_prefix("$2b$")?;
    let (cost, both) = rest.split_once('$')?;
    let (salt, digest) = both.split_at_checked(22)?;
    Some(format!("$bcrypt-sha256$2b,{cost}${salt}${digest}"))
}

/// Whether this is the password of that hash. No hash, a cheap one and one of the given cost are the same work, so that
/// time does not tell which users there are.
pub(super) fn verify(password: &str, stored: Option<&str>, cost: u32) -> bool {
    let same = stored.is_some_and(|stored| is_of(password, stored));
    for cost in padding(stored, cost) {
        // The work is what counts, not its result.
        let _ = std::hint::black_box(bcrypt::hash_with_salt(cut(password), cost, [0; 16]));
    }
    same
}

/// The costs of the bcrypt hashes to compute beside the comparison. A step of cost doubles the work, so a hash of
/// cost 10 and one each of 10 and 11 are as much as one of cost 12. A hash that is dearer, or of another kind, takes
/// the time that it takes.
pub(super) fn padding(stored: Option<&str>, cost: u32) -> Range<u32> {
    match stored {
        None => cost..cost + 1,
        Some(stored) => match Form::of(stored) {
            Some(Form::Bcrypt { cost: own }) => own.min(cost)..cost,
            Some(Form::BcryptSha256(parts)) => parts.cost.min(cost)..cost,
            Some(Form::Scrypt(_) | Form::Pbkdf2Sha512(_)) => 0..0,
            // It is compared with nothing.
            None => cost..cost + 1,
        },
    }
}

/// Whether this is the password of that hash. A hash in an unknown form is nobody's.
pub(super) fn is_of(password: &str, stored: &str) -> bool {
    match Form::of(stored) {
        None => false,
        Some(Form::Bcrypt { .. }) => bcrypt::verify(cut(password), stored).unwrap_or(false),
        Some(Form::BcryptSha256(parts)) => parts.is_of(password),
        Some(Form::Scrypt(parts)) => parts.is_of(password),
        Some(Form::Pbkdf2Sha512(parts)) => parts.is_of(password),
    }
}

fn cut(password: &str) -> &[u8] {
    let bytes = password.as_bytes();
    &bytes[..bytes.len().min(BCRYPT_BYTES_MAX)]
}

/// A stored hash, taken apart as far as its comparison needs.
enum Form<'h> {
    /// `$2b$12$SALT+DIGEST`
    Bcrypt { cost: u32 },
    /// `$bcrypt-sha256$v=2,t=2b,r=12$SALT$DIGEST`, and without `v=2` as passlib once wrote it: `2b,12`.
    BcryptSha256(BcryptSha256<'h>),
    /// `$scrypt$ln=16,r=8,p=1$SALT$DIGEST`
    Scrypt(Scrypt),
    /// `$pbkdf2-sha512$25000$SALT$DIGEST`
    Pbkdf2Sha512(Pbkdf2),
}

impl<'h> Form<'h> {
    fn of(stored: &'h str) -> Option<Form<'h>> {
        let parts: Vec<&str> = stored.split('$').collect();
        match parts.as_slice() {
            ["", "2a" | "2b" | "2x" | "2y", cost, _] => cost.parse().ok().map(|cost| Form::Bcrypt { cost }),
            ["", "bcrypt-sha256", params, salt, digest] => {
                BcryptSha256::of(params, salt, digest).map(Form::BcryptSha256)
            }
            ["", "scrypt", params, salt, digest] => Scrypt::of(params, salt, digest).map(Form::Scrypt),
            ["", "pbkdf2-sha512", rounds, salt, digest] => {
                Pbkdf2::of(rounds, salt, digest).map(Form::Pbkdf2Sha512)
            }
            _ => None,
        }
    }
}

struct BcryptSha256<'h> {
    keyed: bool,
    cost: u32,
    salt: &'h str,
    digest: &'h str,
}

impl<'h> BcryptSha256<'h> {
    fn of(params: &str, salt: &'h str, digest: &'h str) -> Option<BcryptSha256<'h>> {
        let keyed = params.split(',').any(|param| param == "v=2");
        let cost =
            params.split(',').find_map(|param| param.strip_prefix("r=").unwrap_or(param).parse().ok())?;
        Some(BcryptSha256 { keyed, cost, salt, digest })
    }

    fn is_of(&self, password: &str) -> bool {
        let digest = if self.keyed {
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.salt.as_bytes()) else { return false };
            mac.update(password.as_bytes());
            mac.finalize().into_bytes()
        } else {
            Sha256::digest(password.as_bytes())
        };
        let plain = format!("$2b${:02}${}{}", self.cost, self.salt, self.digest);
        bcrypt::verify(STANDARD.encode(digest), &plain).unwrap_or(false)
    }
}

struct Scrypt {
    params: scrypt::Params,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

impl Scrypt {
    fn of(params: &str, salt: &str, digest: &str) -> Option<Scrypt> {
        let param = |name: &str| params.split(',').find_map(|param| param.strip_prefix(name));
        let log_n: u8 = param("ln=")?.parse().ok()?;
        let block: u32 = param("r=")?.parse().ok()?;
        let parallel: u32 = param("p=")?.parse().ok()?;
        if log_n > SCRYPT_LOG_N_MAX || block > SCRYPT_BLOCK_MAX || parallel > SCRYPT_PARALLEL_MAX {
            return None;
        }
        let params = scrypt::Params::new(log_n, block, parallel).ok()?;
        Some(Scrypt { params, salt: bytes(salt)?, digest: bytes(digest)? })
    }

    fn is_of(&self, password: &str) -> bool {
        let mut digest = [0; 32];
        let computed = scrypt::scrypt(password.as_bytes(), &self.salt, &self.params, &mut digest);
        computed.is_ok() && bool::from(digest.as_slice().ct_eq(&self.digest))
    }
}

struct Pbkdf2 {
    rounds: u32,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

impl Pbkdf2 {
    fn of(rounds: &str, salt: &str, digest: &str) -> Option<Pbkdf2> {
        let rounds = rounds.parse().ok().filter(|rounds| (1..=PBKDF2_ROUNDS_MAX).contains(rounds))?;
        Some(Pbkdf2 { rounds, salt: bytes(salt)?, digest: bytes(digest)? })
    }

    fn is_of(&self, password: &str) -> bool {
        let mut digest = [0; 64];
        pbkdf2::pbkdf2_hmac::<Sha512>(password.as_bytes(), &self.salt, self.rounds, &mut digest);
        bool::from(digest.as_slice().ct_eq(&self.digest))
    }
}

/// passlib's base64: without padding, and with a dot for the plus in some of its forms.
fn bytes(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.replace('.', "+")).ok()
}
