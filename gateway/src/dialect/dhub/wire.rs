//! D.Hub's JSON. The order of keys is part of the contract (dhub.md, SEED).

use chrono::{DateTime, SecondsFormat, Utc};
use madang_kit::{
    Error, Id, Result,
    principal::{ADMIN, USER},
    time,
};
use madang_proto::catalog::v1::Texts;
use prost_types::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{dialect::fields::Fields, identity::store::User};

/// A new collection: exactly four keys.
#[derive(Debug, Serialize)]
pub(crate) struct NewCollection {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) created_at: Option<String>,
}

/// What an upload brought.
#[derive(Debug, Serialize)]
pub(crate) struct Upload {
    pub(crate) message: &'static str,
    pub(crate) rows: u64,
    pub(crate) columns: u32,
}

/// A run that was just queued.
#[derive(Debug, Serialize)]
pub(crate) struct NewBatch {
    pub(crate) batch_id: String,
    pub(crate) status: &'static str,
    pub(crate) started_at: Option<String>,
}

/// An id from a service in D.Hub's spelling.
pub(crate) fn id(prefix: &str, uuid: &str) -> Result<String> {
    Ok(uuid.parse::<Id>().map_err(Error::internal)?.prefixed(prefix))
}

/// `collection_id` of a change: what is in a collection stays there, so it may only be said where that is.
pub(crate) fn keep_collection(fields: &mut Fields, collection: Option<&str>) -> Result<()> {
    let Some(said) = fields.take("collection_id") else { return Ok(()) };
    if said != Value::from(collection.map(|own| id("col", own)).transpose()?) {
        fields.problem("collection_id", "read_only", "it stays in the collection that it was made in");
    }
    Ok(())
}

/// ISO 8601 in UTC with `Z` and without fraction.
pub(crate) fn iso(time: Option<Timestamp>) -> Option<String> {
    Some(time::read(time?)?.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// How a body writes times: bodies of routes with a trailing slash count milliseconds (dhub.md section 1).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Times {
    Iso,
    EpochMs,
}

impl Times {
    pub(crate) fn show(self, time: Option<Timestamp>) -> Value {
        match self {
            Self::Iso => iso(time).into(),
            Self::EpochMs => epoch_ms(time).into(),
        }
    }
}

/// A list that may be absent.
pub(crate) fn texts(values: Option<Vec<String>>) -> Option<Texts> {
    values.map(|values| Texts { values })
}

/// The same for a time of ours.
pub(crate) fn iso_text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A user's roles.
pub(crate) fn roles(user: &User) -> Vec<String> {
    if user.sysadmin { vec![ADMIN.to_owned(), USER.to_owned()] } else { vec![USER.to_owned()] }
}

/// Milliseconds since 1970.
pub(crate) fn epoch_ms(time: Option<Timestamp>) -> Option<i64> {
    Some(time::read(time?)?.timestamp_millis())
}
