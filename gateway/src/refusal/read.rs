//! Reading a refusal: who may, and what it says.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta};
use madang_kit::{Error, Principal, Result};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{KEPT_FOR, Record, Refusals, bound_to};
use crate::{
    explain::{self, Explanation, Key, KeyHalves},
    identity::{AccessKey, key_store},
};

/// Secrets that are kept out of what strangers' requests show; more keys than that are not looked at.
const SECRETS: i64 = 10_000;

/// The explanation of a refusal for who may read it: the owner of the key that the request names; administrators, if it names none.
///
/// # Errors
/// [`madang_kit::Code::NotFound`] for everybody else, and if it is not kept any more.
pub(crate) async fn explained(refusals: &Refusals, principal: &Principal, id: &str) -> Result<Value> {
    let unknown = || Error::not_found("refusal", id.escape_debug());
    let Some(sealed) = refusals.shared.kept(id).await else { return Err(unknown()) };
    let text = refusals.identity.keyring.open(&sealed, &bound_to(id)).map_err(Error::internal)?;
    let record: Record = serde_json::from_str(text.expose_secret()).map_err(Error::internal)?;
    let key = match &record.key {
        Some(name) => refusals.identity.access_key(name).await?.filter(|key| key.name == *name),
        None => None,
    };
    let may = key.as_ref().map_or_else(|| principal.is_admin(), |key| key.principal.user == principal.user);
    if !may {
        return Err(unknown());
    }
    let secrets = if key.is_some() { Vec::new() } else { all_secrets(refusals).await? };
    let (at, name) = (record.request.received_ms, key.as_ref().map(|key| key.name.clone()));
    let explanation = searched(refusals, record, key, secrets).await?;
    shape(id, at, name.as_deref(), &explanation)
}

/// Searches on a thread of its own: it computes for some milliseconds.
async fn searched(refusals: &Refusals, record: Record, key: Option<Arc<AccessKey>>, secrets: Vec<SecretString>) -> Result<Explanation> {
    let _permit = refusals.searches.acquire().await.map_err(Error::internal)?;
    let now = refusals.identity.clock.now();
    let search = move || {
        let secrets: Vec<&str> = secrets.iter().map(ExposeSecret::expose_secret).collect();
        let halves =
            key.as_ref().map(|key| KeyHalves { access_key: &key.name, secret: key.secret.expose_secret(), standing: key.standing(now) });
        let named = record.request.names_key();
        let key = match halves {
            None => Key::Unknown,
            Some(halves) if named => Key::Named(halves),
            Some(halves) => Key::NamedBySecret(halves),
        };
        explain::explain(&record.request, key, record.replayed, &secrets)
    };
    tokio::task::spawn_blocking(search).await.map_err(Error::internal)
}

async fn all_secrets(refusals: &Refusals) -> Result<Vec<SecretString>> {
    let rows = key_store::secrets(&refusals.identity.db, SECRETS).await?;
    let open = |(name, sealed): (String, String)| refusals.identity.keyring.open(&sealed, &crate::identity::bound_to("access_key", &name));
    rows.into_iter().map(open).collect::<std::result::Result<_, _>>().map_err(Error::internal)
}

fn shape(id: &str, received_ms: i64, access_key: Option<&str>, explanation: &Explanation) -> Result<Value> {
    let at = DateTime::from_timestamp_millis(received_ms).unwrap_or_default();
    let until = at + TimeDelta::from_std(KEPT_FOR).unwrap_or_default();
    let iso = |time: DateTime<chrono::Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut shape = json!({"id": id, "at": iso(at), "expires_at": iso(until), "access_key": access_key});
    if let (Value::Object(shape), Value::Object(told)) = (&mut shape, serde_json::to_value(explanation).map_err(Error::internal)?) {
        shape.extend(told);
    }
    Ok(shape)
}
