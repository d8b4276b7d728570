//! Administering access keys, for the routes below `/madang/v1/admin/keys` and for `madang key` on a database that nobody serves.

use std::sync::Arc;

use chrono::SecondsFormat;
use madang_kit::{Clock, Context, Db, Error, Principal, Result, secrets::Secrets};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{
    admission,
    identity::{
        Identity,
        access_key::{self, Change, Wanted},
        bootstrap::space_text,
        key_store::{self, AccessKeyRow},
    },
    shared_state::{Memory, SharedState},
};

/// Keys of one page.
pub(crate) const PAGE: u32 = 100;
/// The largest page.
pub const MAX_PAGE: u32 = 1_000;

/// The access keys of an installation.
#[derive(Clone)]
pub struct Keys {
    identity: Identity,
    shared: Arc<dyn SharedState>,
}

impl Keys {
    pub(crate) fn new(identity: Identity, shared: Arc<dyn SharedState>) -> Self {
        Self { identity, shared }
    }

    /// The keys in a database that no gateway serves now, and the context to act in.
    pub async fn open(database: &Db, secrets: &Secrets, clock: Clock) -> Result<(Self, Context)> {
        let (identity, _) = crate::open(database, secrets, clock).await?;
        access_key::mark_secrets(&identity).await?;
        let shared = Arc::new(Memory::new(database));
        Ok((Self { identity, shared }, Context::new(Principal::service("madang"))))
    }

    /// `{"keys": […], "next": …}`: keys by name, after one.
    pub async fn list(&self, after: &str, limit: u32) -> Result<Value> {
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(Error::invalid("limit", "range", format!("limit must be a whole number from 1 to {MAX_PAGE}")));
        }
        if after.contains('\0') {
            return Err(Error::invalid("after", "control_character", "after must not contain NUL"));
        }
        let mut rows = key_store::keys(&self.identity.db, after, i64::from(limit) + 1).await?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > wanted;
        rows.truncate(wanted);
        let next = rows.last().filter(|_| more).map(|row| row.access_key.clone());
        Ok(json!({"keys": self.shapes(&rows).await?, "next": next}))
    }

    /// One key, and what it has used of its quotas.
    pub async fn show(&self, access_key: &str) -> Result<Value> {
        self.shape(access_key::show(&self.identity, access_key).await?).await
    }

    /// Makes a key from the body `{"user", "space", "access_key", "secret_key", "expires_at", "plan": {"per_second", "per_day",
    /// "per_month"}}`, all optional; its secret is shown this once.
    pub async fn create(&self, context: &Context, body: &[u8]) -> Result<Value> {
        let wanted = Wanted::read(body)?;
        let (row, secret) = access_key::create(&self.identity, context, wanted).await?;
        let mut shape = self.shape(row).await?;
        shape["secret_key"] = secret.expose_secret().into();
        Ok(shape)
    }

    /// Changes what the body gives of `{"state", "expires_at", "plan": {…}}`; null = no limit.
    pub async fn change(&self, context: &Context, access_key: &str, body: &[u8]) -> Result<Value> {
        let change = Change::read(body)?;
        self.shape(access_key::change(&self.identity, context, access_key, change).await?).await
    }

    /// Removes a key.
    pub async fn delete(&self, context: &Context, access_key: &str) -> Result<Value> {
        access_key::delete(&self.identity, context, access_key).await?;
        Ok(json!({"deleted": access_key}))
    }

    async fn shape(&self, row: AccessKeyRow) -> Result<Value> {
        Ok(self.shapes(&[row]).await?.swap_remove(0))
    }

    /// Keys as they are shown; the secret never is.
    async fn shapes(&self, rows: &[AccessKeyRow]) -> Result<Vec<Value>> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
        let [day, month] = admission::periods(self.identity.clock.now());
        let used = key_store::usage(&self.identity.db, &first.access_key, &last.access_key, &day, &month).await?;
        let used: std::collections::HashMap<_, _> = used.into_iter().map(|(key, period, used)| ((key, period), used)).collect();
        let of = |row: &AccessKeyRow, period: &str| {
            let counted = used.get(&(row.access_key.clone(), period.to_owned())).copied().unwrap_or_default();
            (counted - self.shared.unspent(&row.access_key, period)).max(0)
        };
        let iso = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let shape = |row: &AccessKeyRow| {
            json!({
                "access_key": row.access_key, "user": row.user_name, "space": row.space_id.parse().map(space_text).ok(), "state": row.state,
                "created_at": iso(row.created_at), "expires_at": row.expires_at.map(iso),
                "plan": {"per_second": row.per_second, "per_day": row.per_day, "per_month": row.per_month},
                "used": {"day": of(row, &day), "month": of(row, &month)},
            })
        };
        Ok(rows.iter().map(shape).collect())
    }
}
