//! Passwords: Argon2id, off the request threads, a bounded number at a time.

use std::{
    num::NonZeroU32,
    sync::{Arc, LazyLock},
};

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use aws_lc_rs::pbkdf2;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use madang_kit::{Code, Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longer passwords are refused before they are hashed.
pub(crate) const MAX_BYTES: usize = 1_024;
/// Hashes at a time: each takes some 20 MB and tens of milliseconds of a core.
const AT_A_TIME: usize = 2;
/// Logins that may wait for their turn, those at work included.
const WAITING: usize = 512;

static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(AT_A_TIME)));
static QUEUE: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(WAITING)));
/// What the password of an unknown user is compared with, so that it takes as long as a known one's.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash_now("nobody has this password").ok());

/// The hash of a new password.
pub(crate) async fn hash(password: String) -> Result<String> {
    turn().await?.work(move || hash_now(&password)).await?
}

/// Whether a text is the hash of a password that can be verified here: our own, or one of CKAN's.
pub(crate) fn is_hash(text: &str) -> bool {
    PasswordHash::new(text).is_ok_and(|hash| hash.algorithm.as_str().starts_with("argon2")) || Pbkdf2::parse(text).is_some()
}

fn is_behind(password: &str, hash: &str) -> bool {
    if let Some(theirs) = Pbkdf2::parse(hash) {
        return theirs.verifies(password);
    }
    PasswordHash::new(hash).is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
}

/// The hash that CKAN keeps, so that its users come over with their passwords: `$pbkdf2-sha512$rounds$salt$hash`.
struct Pbkdf2 {
    rounds: NonZeroU32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Pbkdf2 {
    /// More rounds would hold a core for seconds.
    const ROUNDS_MAX: u32 = 1_000_000;

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("$pbkdf2-sha512$")?.split('$');
        let rounds: NonZeroU32 = parts.next()?.parse().ok()?;
        let mut bytes = || STANDARD_NO_PAD.decode(parts.next()?.replace('.', "+")).ok();
        let (salt, hash) = (bytes()?, bytes()?);
        (rounds.get() <= Self::ROUNDS_MAX && !hash.is_empty()).then_some(Self { rounds, salt, hash })
    }

    fn verifies(&self, password: &str) -> bool {
        pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA512, self.rounds, &self.salt, password.as_bytes(), &self.hash).is_ok()
    }
}

/// The permission to hash once. It goes with the work: a caller who gives up does not make room while his hash is still computed.
pub(crate) struct Turn {
    _place: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

/// Waits for a turn.
pub(crate) async fn turn() -> Result<Turn> {
    let busy = |_| Error::new(Code::RateLimited, "too many logins at once; try again");
    let place = QUEUE.clone().try_acquire_owned().map_err(|_| Error::new(Code::RateLimited, "too many logins at once; try again"))?;
    Ok(Turn { _turn: TURNS.clone().acquire_owned().await.map_err(busy)?, _place: place })
}

impl Turn {
    /// Whether a password is the one behind a hash. Without a hash the answer is no, after the same work.
    pub(crate) async fn verify(self, password: String, hash: Option<String>) -> Result<bool> {
        self.work(move || {
            let known = hash.is_some();
            let Some(hash) = hash.or_else(|| NOBODY.clone()) else { return false };
            is_behind(&password, &hash) && known
        })
        .await
    }

    async fn work<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(self);
            done
        });
        done.await.map_err(Error::internal)
    }
}

fn hash_now(password: &str) -> Result<String> {
    Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()).map_err(|error| Error::internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by passlib: `pbkdf2_sha512.using(rounds=1000, salt=b"0123456789abcdef").hash("12345678")`.
    #[test]
    fn a_password_of_ckan_is_verified() {
        let hash = "$pbkdf2-sha512$1000$MDEyMzQ1Njc4OWFiY2RlZg$dSK3w3tWJRMxePAXZziCPtmuDbGHUNE2po6lB.WGq3xaapCsEXjVO7NP2xQ/ivRfdTr0AgtfRgfa84k8JPgfrQ";
        assert!(is_hash(hash) && is_behind("12345678", hash) && !is_behind("12345679", hash));
        for wrong in ["", "$pbkdf2-sha512$0$a$b", "$pbkdf2-sha512$9999999999$a$b", "$pbkdf2-sha512$1000$a", "plain"] {
            assert!(!is_hash(wrong), "{wrong}");
        }
    }
}
