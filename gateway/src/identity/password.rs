//! Passwords: Argon2id, off the request threads, a bounded number at a time.

use std::sync::{Arc, LazyLock};

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
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

/// Whether a text is the hash of a password, as they are kept here.
pub(crate) fn is_hash(text: &str) -> bool {
    PasswordHash::new(text).is_ok_and(|hash| hash.algorithm.as_str().starts_with("argon2"))
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
            let Ok(parsed) = PasswordHash::new(&hash) else { return false };
            Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && known
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
