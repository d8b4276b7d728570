//! Identity: users, spaces, keys and tokens. They live in the gateway's database and nowhere else.
//!
//! [`Identity`] answers the credential stage. Lookups are cached for a short time and dropped at once when this process changes
//! something.

pub(crate) mod bootstrap;
pub(crate) mod outbox;
pub(crate) mod password;
pub(crate) mod store;
pub(crate) mod token;
pub(crate) mod user;

use std::{sync::Arc, time::Duration};

use madang_kit::{
    Clock, Db, Error, Id, Principal, Result,
    keyring::Keyring,
    principal::{ADMIN, Scheme, USER},
};
use moka::future::Cache;
use secrecy::SecretString;

use store::User;

/// How long another replica's change may go unnoticed.
const CACHED_FOR: Duration = Duration::from_secs(15);
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

/// An access key that opens.
pub(crate) struct AccessKey {
    pub(crate) secret: SecretString,
    pub(crate) principal: Principal,
}

/// A space whose API key opens.
pub(crate) struct Space {
    pub(crate) api_key: SecretString,
    pub(crate) principal: Principal,
}

impl Identity {
    pub(crate) fn new(db: Db, keyring: Keyring, clock: Clock) -> Self {
        let used_tokens = Cache::builder().max_capacity(CACHED).time_to_live(USE_NOTED_FOR).build();
        Self { db, keyring: Arc::new(keyring), clock, access_keys: cache(), spaces: cache(), accounts: cache(), used_tokens }
    }

    /// An access key by its public half; `None` if it is unknown, disabled or its user is not active.
    pub(crate) async fn access_key(&self, access_key: &str) -> Result<Option<Arc<AccessKey>>> {
        let load = async { self.load_access_key(access_key).await.map(|key| key.map(Arc::new)) };
        self.access_keys.try_get_with(access_key.to_owned(), load).await.map_err(shared)
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

    async fn load_access_key(&self, access_key: &str) -> Result<Option<AccessKey>> {
        let Some(row) = store::access_key(&self.db, access_key).await? else { return Ok(None) };
        let Some(user) = store::user(&self.db, &row.user_id).await?.filter(User::is_active) else { return Ok(None) };
        let secret = self.keyring.open(&row.secret, &bound_to("access_key", access_key)).map_err(Error::internal)?;
        let space = Some(row.space_id.parse().map_err(Error::internal)?);
        Ok(Some(AccessKey { secret, principal: principal(&user, space, Scheme::NcpSignature)? }))
    }

    async fn load_space(&self, id: Id) -> Result<Option<Space>> {
        let Some(row) = store::space(&self.db, id).await? else { return Ok(None) };
        let Some(user) = store::user(&self.db, &row.service_user_id).await?.filter(User::is_active) else { return Ok(None) };
        let api_key = self.keyring.open(&row.api_key, &bound_to("space.api_key", &row.id)).map_err(Error::internal)?;
        Ok(Some(Space { api_key, principal: principal(&user, Some(id), Scheme::SpaceBasic)? }))
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
    let roles = if user.sysadmin { vec![ADMIN.to_owned(), USER.to_owned()] } else { vec![USER.to_owned()] };
    Ok(Principal { user: user.id.parse().map_err(Error::internal)?, name: user.name.clone(), space, roles, scheme })
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
