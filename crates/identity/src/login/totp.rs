//! One-time passcodes that change with time (RFC 6238), as authenticator apps compute them.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// How long a passcode is shown.
const STEP_SECONDS: i64 = 30;
/// How many past passcodes still count, for slow fingers and clocks: Keystone's `[totp] included_previous_windows`.
const PAST_STEPS: i64 = 1;
const DIGITS: usize = 6;

/// The time step whose passcode this is, if it is of now or just past and later than `used`: each counts once.
pub(crate) fn step_of(secret: &str, passcode: &str, seconds: i64, used: Option<i64>) -> Option<i64> {
    let key = base32(secret)?;
    let now = seconds.div_euclid(STEP_SECONDS);
    let fits = |step: &i64| bool::from(self::passcode(&key, *step).as_bytes().ct_eq(passcode.as_bytes()));
    let found: Vec<i64> = (now - PAST_STEPS..=now).filter(fits).collect();
    found.into_iter().rev().find(|step| used.is_none_or(|used| *step > used))
}

/// RFC 4226 with SHA-1 over the number of the step.
fn passcode(key: &[u8], step: i64) -> String {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key) else { return String::new() };
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let at = usize::from(digest[digest.len() - 1] & 0x0f);
    let word = u32::from_be_bytes([digest[at], digest[at + 1], digest[at + 2], digest[at + 3]]) & 0x7fff_ffff;
    format!("{:0DIGITS$}", word % 1_000_000)
}

/// The bytes that RFC 4648's base32 spells, with or without its padding, in either case.
fn base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => letter - b'A',
            digit @ b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        bits = (bits << 5) | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    (!bytes.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{base32, passcode, step_of};

    /// The secret of RFC 6238's test vectors, `12345678901234567890`.
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn passcodes_are_those_of_the_rfc() {
        let key = base32(SECRET).unwrap();
        assert_eq!(key, b"12345678901234567890");
        // The RFC shows eight digits; the last six of them are ours.
        for (seconds, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(passcode(&key, seconds / 30), expected, "{seconds}");
        }
    }

    #[test]
    fn a_passcode_counts_for_a_while_and_once() {
        assert_eq!(step_of(SECRET, "287082", 59, None), Some(1));
        assert_eq!(step_of(SECRET, "287082", 89, None), Some(1), "just past");
        assert_eq!(step_of(SECRET, "287082", 90, None), None, "past");
        assert_eq!(step_of(SECRET, "287082", 29, None), None, "to come");
        assert_eq!(step_of(SECRET, "287082", 59, Some(1)), None, "used");
        assert_eq!(step_of(SECRET, "287082", 59, Some(0)), Some(1));
        assert_eq!(step_of(SECRET, "", 59, None), None);
        for secret in ["", "1", "no base32!"] {
            assert_eq!(step_of(secret, "287082", 59, None), None, "{secret}");
        }
    }
}
