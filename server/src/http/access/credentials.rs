//! The password and the token. The password is kept as its argon2 hash, the token as a SHA-256 digest. Neither is logged.

use anyhow::{Context, Result, anyhow, bail};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use sha2::{Digest, Sha256};
use std::{fmt, fs, path::Path, str::FromStr};
use subtle::ConstantTimeEq;

/// Minimum length of a password. The server checks about one per second and address.
const PASSWORD_CHARS: usize = 8;
/// Minimum length of a token. Longer, because tokens are checked without delay, at the rate of requests.
const TOKEN_CHARS: usize = 16;

/// A command-line argument that must not appear in logs or panics.
#[derive(Clone)]
pub struct Secret(String);

impl FromStr for Secret {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The password's hash, the token's digest, or both.
pub struct Credentials {
    password: Option<PasswordHash>,
    token: Option<[u8; 32]>,
    /// The password as it was typed, until [`Credentials::take_typed`].
    typed: Option<Secret>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials {{ password: {}, token: {} }}", self.password.is_some(), self.token.is_some())
    }
}

impl Credentials {
    /// From `--password` or `--password-file`, and `--token`. `None` if none of them is given.
    ///
    /// # Errors
    /// The file cannot be read, the password is shorter than 8 characters, or the token is shorter than 16.
    pub fn new(password: Option<Secret>, file: Option<&Path>, token: Option<Secret>) -> Result<Option<Self>> {
        let (option, typed) = match (password, file) {
            (Some(typed), _) => ("--password", Some(typed)),
            (None, Some(path)) => {
                let text = fs::read_to_string(path).with_context(|| format!("--password-file {}", path.display()))?;
                warn_if_shared(path);
                ("--password-file", Some(Secret(text.trim_end_matches(['\r', '\n']).to_owned())))
            }
            (None, None) => ("", None),
        };
        let password = typed.as_ref().map(|Secret(text)| hashed(option, text)).transpose()?;
        let token = token.map(|Secret(text)| digest_of_long(&text)).transpose()?;
        Ok((password.is_some() || token.is_some()).then_some(Self { password, token, typed }))
    }

    /// The password as it was typed, which is forgotten here.
    pub(super) fn take_typed(&mut self) -> Option<Secret> {
        self.typed.take()
    }

    /// A name for the password and the token: the same on all servers that have both and the salt. It is as hard to guess a password
    /// from it as from its argon2 hash.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn name(&self, typed: Option<Secret>, salt: &str) -> Result<String> {
        let Secret(text) = typed.unwrap_or_else(|| Secret(String::new()));
        let mut name = [0; 32];
        Argon2::default()
            .hash_password_into(text.as_bytes(), &digest(salt), &mut name)
            .map_err(|error| anyhow!("the password cannot be hashed: {error}"))?;
        let token = self.token.unwrap_or_default();
        Ok(hex(&Sha256::new().chain_update(name).chain_update(token).finalize()))
    }

    /// Whether this is the token. Compares digests in constant time.
    pub fn is_token(&self, text: &str) -> bool {
        self.token.is_some_and(|token| token.ct_eq(&digest(text)).into())
    }

    /// Whether this is the password, or the token entered in its place. Uses a core for tens of milliseconds and 19 MiB, so it
    /// must not run on a thread of the async runtime.
    pub fn is_password(&self, text: &str) -> bool {
        let known = |hash: &PasswordHash| Argon2::default().verify_password(text.as_bytes(), hash).is_ok();
        self.password.as_ref().is_some_and(known) | self.is_token(text)
    }
}

/// Logs a warning if other users of the machine can read the file.
fn warn_if_shared(path: &Path) {
    #[cfg(unix)]
    if let Ok(mode) = fs::metadata(path).map(|file| std::os::unix::fs::PermissionsExt::mode(&file.permissions()))
        && mode & 0o077 != 0
    {
        let mode = format!("{:o}", mode & 0o777);
        tracing::warn!(file = %path.display(), mode, "other users of this machine can read the password file; chmod 600 it");
    }
}

/// Hashes a password with argon2id and a random salt. A text that is such a hash already is used as it is.
fn hashed(option: &str, text: &str) -> Result<PasswordHash> {
    if text.starts_with("$argon2") {
        return PasswordHash::new(text).map_err(|error| anyhow!("{option}: not a readable argon2 hash: {error}"));
    }
    if text.chars().count() < PASSWORD_CHARS {
        bail!("{option}: a password has at least {PASSWORD_CHARS} characters");
    }
    Argon2::default().hash_password(text.as_bytes()).map_err(|error| anyhow!("{option}: cannot be hashed: {error}"))
}

fn digest_of_long(token: &str) -> Result<[u8; 32]> {
    if token.chars().count() < TOKEN_CHARS {
        bail!("--token: a token has at least {TOKEN_CHARS} characters");
    }
    if !token.chars().all(|c| c.is_ascii_graphic()) {
        bail!("--token: a token is sent in a header: ASCII letters, digits and signs only, no spaces");
    }
    Ok(digest(token))
}

pub(super) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Two hexadecimal digits for each byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Option<Secret> {
        Some(Secret(text.to_owned()))
    }

    #[test]
    fn a_password_and_a_token_are_known_again() {
        let both = Credentials::new(secret("correct horse"), None, secret("0123456789abcdef")).expect("long enough");
        let both = both.expect("something was set");
        assert!(both.is_password("correct horse") && both.is_password("0123456789abcdef"));
        assert!(!both.is_password("correct hors") && !both.is_password(""));
        assert!(both.is_token("0123456789abcdef") && !both.is_token("correct horse") && !both.is_token(""));
    }

    #[test]
    fn the_name_is_that_of_password_token_and_salt() {
        let name = |password: &str, token: Option<&str>, salt: &str| {
            let made = Credentials::new(secret(password), None, token.and_then(secret)).expect("valid").expect("set");
            let mut made = made;
            let typed = made.take_typed();
            assert!(made.take_typed().is_none(), "it is forgotten");
            made.name(typed, salt).expect("hashed")
        };
        let first = name("correct horse", None, "a");
        assert_eq!((first.len(), &first), (64, &name("correct horse", None, "a")), "on another server");
        for other in [
            name("correct horsf", None, "a"),
            name("correct horse", Some("0123456789abcdef"), "a"),
            name("correct horse", None, "b"),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn a_hash_in_place_of_the_password_is_taken_as_one() {
        let hash = hashed("--password", "correct horse").expect("hashed").to_string();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        let made = Credentials::new(secret(&hash), None, None).expect("a hash").expect("set");
        assert!(made.is_password("correct horse") && !made.is_password(&hash));
    }

    #[test]
    fn what_is_soon_guessed_is_refused_and_nothing_shows_a_secret() {
        Credentials::new(secret("1234567"), None, None).expect_err("7 characters");
        Credentials::new(secret(""), None, None).expect_err("empty");
        Credentials::new(None, None, secret("0123456789abcde")).expect_err("15 characters");
        Credentials::new(None, None, secret("0123456789 abcdef")).expect_err("a blank");
        Credentials::new(secret("$argon2id$nonsense"), None, None).expect_err("no hash");
        assert!(Credentials::new(None, None, None).expect("nothing is wrong").is_none());
        assert!(!format!("{:?}", secret("correct horse")).contains("horse"));
    }
}
