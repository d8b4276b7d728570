//! Identity: users, spaces, keys and tokens. They live in the gateway's database and nowhere else.
//!
//! [`Identity`] answers the credential stage. Lookups are cached until something changes: here at once, through another gateway
//! within [`LOOK_EVERY`].

pub(crate) mod access_key;
pub(crate) mod bootstrap;
pub(crate) mod issuer;
mod key_body;
pub(crate) mod key_store;
pub(crate) mod outbox;
pub(crate) mod password;
pub(crate) mod space;
pub(crate) mod space_store;
pub(crate) mod store;
pub(crate) mod token;
pub(crate) mod user;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use hmac::{Hmac, KeyInit, digest::array::Array};
use madang_kit::{
    Clock, Db, Drain, Error, Id, Principal, Result, housekeeping,
    keyring::Keyring,
    principal::{ADMIN, Scheme, USER},
};
use moka::future::Cache;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use self::{access_key::Plan, key_store::AccessKeyRow, store::User};

/// How often a gateway looks whether another one changed something.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks that may fail before nothing cached is believed any more.
const LOOKS_MISSED: i64 = 15;
const CACHED_FOR: Duration = Duration::from_mins(10);
/// How long the use of an API token counts as noted.
const USE_NOTED_FOR: Duration = Duration::from_mins(5);
const CACHED: u64 = 100_000;

/// The identity store with its caches.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) db: Db,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) clock: Clock,
    access_keys: Cache<String, Option<Arc<AccessKey>>>,
    spaces: Cache<Id, Option<Arc<Space>>>,
    accounts: Cache<Account, Option<Arc<Known>>>,
    used_tokens: Cache<String, ()>,
    seen: Arc<Seen>,
}

/// What the cached lookups rest on.
#[derive(Default)]
struct Seen {
    revision: AtomicI64,
    missed: AtomicI64,
}

/// How a user is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Account {
    /// By id.
    Id(Id),
    /// By the Spec Store's user id.
    OwnerId(String),
    /// By an API token's `jti`.
    ApiToken(String),
}

/// An active user with the space that it works in.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) user: User,
    /// The user's first space.
    pub(crate) space: Option<Id>,
}

/// An access key, in whatever state.
pub(crate) struct AccessKey {
    pub(crate) name: String,
    pub(crate) secret: SecretString,
    /// HMAC-SHA256 with the secret's pads worked in already.
    pub(crate) mac: Hmac<Sha256>,
    pub(crate) principal: Principal,
    pub(crate) plan: Plan,
    disabled: bool,
    expires_at: Option<DateTime<Utc>>,
}

/// Whether a key may open anything now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It opens.
    Good,
    /// Disabled, or its user is not active.
    Disabled,
    /// Its time is over.
    Expired,
}

impl AccessKey {
    /// Whether it may open anything at this time.
    pub(crate) fn standing(&self, now: DateTime<Utc>) -> Standing {
        match self.expires_at {
            _ if self.disabled => Standing::Disabled,
            Some(at) if at <= now => Standing::Expired,
            _ => Standing::Good,
        }
    }
}

/// An active space.
pub(crate) struct Space {
    pub(crate) api_key: SecretString,
    /// Signs links for respondents.
    pub(crate) hmac_key: SecretString,
    /// `ds` in `https://ds.example/r/…`.
    pub(crate) response_domain: String,
    pub(crate) zone: Tz,
    /// Whether its plan has access to the API.
    pub(crate) api_access: bool,
    pub(crate) principal: Principal,
}

impl Identity {
    pub(crate) fn new(db: Db, keyring: Keyring, clock: Clock) -> Self {
        let used_tokens = Cache::builder().max_capacity(CACHED).time_to_live(USE_NOTED_FOR).build();
        let (access_keys, spaces, accounts) = (cache(), cache(), cache());
        Self { db, keyring: Arc::new(keyring), clock, access_keys, spaces, accounts, used_tokens, seen: Arc::default() }
    }

    /// The access key that is named so, or whose *secret* was sent in place of its name: then [`AccessKey::name`] is another text, and
    /// the key must not open anything.
    pub(crate) async fn access_key(&self, access_key: &str) -> Result<Option<Arc<AccessKey>>> {
        if let Some(known) = self.access_keys.get(access_key).await {
            return Ok(known);
        }
        let load = async { self.load_access_key(access_key).await.map(|key| key.map(Arc::new)) };
        self.access_keys.try_get_with_by_ref(access_key, load).await.map_err(shared)
    }

    /// A space by its id; `None` if it is unknown or closed.
    pub(crate) async fn space(&self, id: Id) -> Result<Option<Arc<Space>>> {
        let load = async { self.load_space(id).await.map(|space| space.map(Arc::new)) };
        self.spaces.try_get_with(id, load).await.map_err(shared)
    }

    /// An active user.
    pub(crate) async fn known(&self, account: Account) -> Result<Option<Arc<Known>>> {
        let load = async { self.load_known(&account).await.map(|known| known.map(Arc::new)) };
        self.accounts.try_get_with(account.clone(), load).await.map_err(shared)
    }

    /// Whether this is the first use of an API token for a while, so that its use should be noted.
    pub(crate) async fn first_use_since(&self, jti: &str) -> bool {
        self.used_tokens.entry_by_ref(jti).or_insert(()).await.is_fresh()
    }

    /// Forgets what is cached, because a user, a space or a key changed.
    pub(crate) fn forget(&self) {
        self.access_keys.invalidate_all();
        self.spaces.invalidate_all();
        self.accounts.invalidate_all();
    }

    /// Forgets what is cached whenever another gateway changed something; if that can't be seen for a while, too.
    pub(crate) fn watch(&self, drain: &Drain) {
        let identity = self.clone();
        housekeeping::every(LOOK_EVERY, drain, "changes of other gateways not seen yet", move || {
            let identity = identity.clone();
            async move { identity.look().await }
        });
    }

    async fn look(&self) -> Result<()> {
        let revision = key_store::revision(&self.db).await;
        let missed = if revision.is_ok() { 0 } else { self.seen.missed.load(Ordering::Relaxed) + 1 };
        self.seen.missed.store(missed, Ordering::Relaxed);
        if missed > LOOKS_MISSED || revision.as_ref().is_ok_and(|number| self.seen.revision.swap(*number, Ordering::Relaxed) != *number) {
            self.forget();
        }
        revision.map(|_| ())
    }

    async fn load_access_key(&self, access_key: &str) -> Result<Option<AccessKey>> {
        let found = key_store::find(&self.db, access_key, self.keyring.mark(access_key)).await?;
        found.map(|row| self.opened(&row)).transpose()
    }

    fn opened(&self, row: &AccessKeyRow) -> Result<AccessKey> {
        let secret = self.keyring.open(&row.secret, &bound_to("access_key", &row.access_key)).map_err(Error::internal)?;
        // Who is a member no more acts in no space, also with an older key.
        let space = row.member_role.as_ref().map(|_| row.space_id.parse());
        let principal = Principal {
            user: row.user_id.parse().map_err(Error::internal)?,
            name: row.user_name.clone(),
            space: space.transpose().map_err(Error::internal)?,
            roles: roles(row.sysadmin),
            scheme: Scheme::NcpSignature,
        };
        Ok(AccessKey {
            name: row.access_key.clone(),
            mac: keyed(secret.expose_secret()),
            secret,
            principal,
            plan: Plan::of(row),
            disabled: row.state != "active" || row.user_state != "active",
            expires_at: row.expires_at,
        })
    }

    async fn load_space(&self, id: Id) -> Result<Option<Space>> {
        let Some(row) = store::space(&self.db, id).await? else { return Ok(None) };
        let Some(user) = store::user(&self.db, &row.service_user_id).await?.filter(User::is_active) else { return Ok(None) };
        let api_key = self.keyring.open(&row.api_key, &bound_to("space.api_key", &row.id)).map_err(Error::internal)?;
        let hmac_key = self.keyring.open(&row.hmac_key, &bound_to("space.hmac_key", &row.id)).map_err(Error::internal)?;
        Ok(Some(Space {
            api_key,
            hmac_key,
            response_domain: row.response_domain,
            zone: row.zone.parse().unwrap_or(space::ZONE),
            api_access: row.api_access,
            principal: principal(&user, Some(id), Scheme::SpaceBasic)?,
        }))
    }

    async fn load_known(&self, account: &Account) -> Result<Option<Known>> {
        let user = match account {
            Account::Id(id) => store::user(&self.db, &id.to_string()).await?,
            Account::OwnerId(id) => store::user_by_owner_id(&self.db, id).await?,
            Account::ApiToken(jti) => store::user_by_api_token(&self.db, jti, self.clock.now()).await?,
        };
        let Some(user) = user.filter(User::is_active) else { return Ok(None) };
        let space = store::first_space(&self.db, &user.id).await?;
        Ok(Some(Known { user, space }))
    }
}

impl Known {
    /// The user as a principal.
    pub(crate) fn principal(&self, scheme: Scheme) -> Result<Principal> {
        principal(&self.user, self.space, scheme)
    }
}

/// What binds an encrypted secret to its row.
pub(crate) fn bound_to(column: &str, row: &str) -> String {
    format!("{column}:{row}")
}

fn principal(user: &User, space: Option<Id>, scheme: Scheme) -> Result<Principal> {
    let roles = roles(user.sysadmin);
    Ok(Principal { user: user.id.parse().map_err(Error::internal)?, name: user.name.clone(), space, roles, scheme })
}

fn roles(sysadmin: bool) -> Vec<String> {
    if sysadmin { vec![ADMIN.to_owned(), USER.to_owned()] } else { vec![USER.to_owned()] }
}

/// HMAC-SHA256 under this key.
pub(crate) fn keyed(secret: &str) -> Hmac<Sha256> {
    // HMAC takes keys of any length, so the fallback is never used.
    Hmac::new_from_slice(secret.as_bytes()).unwrap_or_else(|_| Hmac::new(&Array::default()))
}

fn cache<K, V>() -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(CACHED).time_to_live(CACHED_FOR).build()
}

/// A failed lookup that several requests waited for.
fn shared(error: Arc<Error>) -> Error {
    Error { code: error.code, message: error.message.clone(), fields: Vec::new(), cause: Some(Box::new(error)) }
}
