//! The raw store (spec-store.md 1.5 and 1.6): says where a file may be put, and signs links to private ones. A file is then sent as a
//! form ([`super::form`]) and read at its address ([`super::object`]).

use axum::{Json, body::Body, extract::State};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::TimeDelta;
use madang_kit::{Code, Error, Result, hex, rpc};
use madang_proto::pipeline::v1::FindSourceFilesRequest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    call::{Caller, Query},
    error::SpecError,
    object,
    permissions::{self, MB},
};
use crate::{
    Gateway,
    dialect::{fields::without_mark, request},
};

/// Bytes of the question.
const BODY_BYTES: usize = 1 << 20;
/// Files of one question.
const FILES: usize = 1_000;
/// Characters of a path, and of a type.
const MAX_PATH: usize = 500;
const MAX_TYPE: usize = 100;
/// Characters of an owner's id and a dataset's name.
const MAX_NAME: usize = 100;
/// How long a permission to send a file lasts.
const SEND_WITHIN: TimeDelta = TimeDelta::hours(24);
/// How long a signed link lasts.
const LINK_LIFE: TimeDelta = TimeDelta::hours(24);

/// A permission to send one file; it is signed and travels with the form.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Policy {
    pub(super) owner: String,
    pub(super) key: String,
    pub(super) bytes: u64,
    /// In base64.
    pub(super) md5: String,
    pub(super) content_type: String,
    pub(super) private: bool,
    /// Bytes that all files of the owner may have together which are as private.
    pub(super) owner_bytes: u64,
    /// Seconds since 1970.
    pub(super) exp: i64,
}

/// A file that a client wants to send.
struct Wanted {
    path: String,
    policy: Policy,
}

impl Gateway {
    /// What stands before a file's key in its address.
    pub(super) fn files_url(&self) -> String {
        format!("{}/rawstore/objects/", self.site_url)
    }
}

/// Where each file may be put, and whether it is there already.
pub(crate) async fn authorize(State(gateway): State<Gateway>, caller: Caller, body: Body) -> Result<Json<Value>, SpecError> {
    let body = request::body(body, BODY_BYTES).await?;
    let Ok(Value::Object(fields)) = serde_json::from_slice(without_mark(&body)) else {
        return Err(Error::invalid("body", "json", "the body must be a JSON object").into());
    };
    let metadata = fields.get("metadata").and_then(Value::as_object).ok_or_else(|| missing("metadata"))?;
    let owner = metadata.get("owner").and_then(Value::as_str).filter(|owner| is_name(owner)).ok_or_else(|| missing("metadata.owner"))?;
    if caller.owner_id.as_deref() != Some(owner) {
        return Err(Error::new(Code::Unauthenticated, "no token, or one of another owner").into());
    }
    let private = metadata.get("findability").and_then(Value::as_str) == Some("private");
    let dataset = metadata.get("dataset").and_then(Value::as_str).filter(|name| is_name(name)).unwrap_or("rawstore");
    let exp = (gateway.identity.clock.now() + SEND_WITHIN).timestamp();
    let room = Room::of(&caller, private);
    let folder = format!("{owner}/{dataset}");
    let terms = Terms { folder: &folder, owner, private, owner_bytes: room.megabytes.saturating_mul(MB), exp };
    let wanted = read(fields.get("filedata"), &terms)?;
    let keys = wanted.iter().map(|one| one.policy.key.clone()).collect();
    let question = FindSourceFilesRequest { keys, owner_id: owner.to_owned(), private: Some(private) };
    let found = gateway.flows.clone().find_source_files(rpc::request(&caller.context, question)).await?.into_inner();
    let is_there = |one: &Wanted| found.keys.contains(&one.policy.key);
    let new = wanted.iter().filter(|one| !is_there(one)).map(|one| one.policy.bytes).fold(0, u64::saturating_add);
    room.demand(if private { found.private_bytes } else { found.public_bytes }, new)?;
    let mut filedata = Map::new();
    for one in &wanted {
        filedata.insert(one.path.clone(), offer(&gateway, one, is_there(one))?);
    }
    Ok(Json(json!({"filedata": filedata})))
}

fn missing(field: &str) -> Error {
    Error::invalid(field, "missing", format!("{field} is missing or of another form"))
}

fn is_name(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte));
    plain && (1..=MAX_NAME).contains(&text.len()) && text.bytes().any(|byte| byte != b'.')
}

fn read(filedata: Option<&Value>, terms: &Terms<'_>) -> Result<Vec<Wanted>> {
    let Terms { folder, owner, private, owner_bytes, exp } = *terms;
    let files = filedata.and_then(Value::as_object).ok_or_else(|| missing("filedata"))?;
    if files.len() > FILES {
        return Err(Error::invalid("filedata", "too_many", format!("at most {FILES} files at once")));
    }
    let one = |(path, file): (&String, &Value)| {
        let field = |name: &str| missing(&format!("filedata.{path}.{name}"));
        let bytes = file.get("length").and_then(Value::as_u64).ok_or_else(|| field("length"))?;
        let md5 = file.get("md5").and_then(Value::as_str).ok_or_else(|| field("md5"))?;
        let digest = STANDARD.decode(md5).ok().filter(|digest| digest.len() == 16).ok_or_else(|| field("md5"))?;
        let content_type = file.get("type").and_then(Value::as_str).filter(|kind| kind.len() <= MAX_TYPE && kind.is_ascii());
        let key = key(folder, path, &digest)
            .ok_or_else(|| Error::invalid("filedata", "path", "a path leads out of its folder or is too long"))?;
        let policy = Policy {
            owner: owner.to_owned(),
            key,
            bytes,
            md5: md5.to_owned(),
            content_type: content_type.unwrap_or("application/octet-stream").to_owned(),
            private,
            owner_bytes,
            exp,
        };
        Ok(Wanted { path: path.clone(), policy })
    };
    files.iter().map(one).collect()
}

/// `<ownerid>/<dataset>/<path>/<md5>/<file>`, of letters that need no escape in an address.
fn key(folder: &str, path: &str, md5: &[u8]) -> Option<String> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' };
    let segments: Vec<String> =
        path.split('/').filter(|part| !part.is_empty() && *part != ".").map(|part| part.chars().map(plain).collect()).collect();
    let file = segments.last()?;
    if path.len() > MAX_PATH || segments.iter().any(|segment| segment.bytes().all(|byte| byte == b'.')) {
        return None;
    }
    Some(format!("{folder}/{}/{}/{file}", segments.join("/"), hex(md5)))
}

/// What holds for all files of one question.
struct Terms<'a> {
    folder: &'a str,
    owner: &'a str,
    private: bool,
    owner_bytes: u64,
    exp: i64,
}

/// The limit of the owner's storage. A token of another service permits none.
struct Room {
    /// As the refusal calls it.
    word: &'static str,
    megabytes: u64,
}

impl Room {
    fn of(caller: &Caller, private: bool) -> Self {
        let (name, word) = if private { ("max_private_storage_mb", "private storage") } else { ("max_public_storage_mb", "storage") };
        Self { word, megabytes: permissions::number(&caller.permissions, name) }
    }

    fn demand(&self, used: u64, new: u64) -> Result<()> {
        let Self { word, megabytes } = self;
        if new == 0 || used.saturating_add(new) <= megabytes.saturating_mul(MB) {
            return Ok(());
        }
        Err(Error::new(Code::Denied, format!("Max {word} for user exceeded plan limit ({megabytes}MB)")))
    }
}

fn offer(gateway: &Gateway, wanted: &Wanted, exists: bool) -> Result<Value> {
    let policy = STANDARD.encode(serde_json::to_vec(&wanted.policy).map_err(Error::internal)?);
    let signature = gateway.tokens.sign_file(&to_send(&policy))?;
    let query = json!({
        "key": wanted.policy.key,
        "Content-Type": wanted.policy.content_type,
        "policy": policy,
        "x-madang-signature": signature,
    });
    let url = gateway.files_url();
    Ok(json!({
        "upload_url": url.trim_end_matches('/'),
        "upload_query": query,
        "exists": exists,
        "type": wanted.policy.content_type,
    }))
}

/// What is signed of a permission.
fn to_send(policy: &str) -> String {
    format!("send:{policy}")
}

/// The permission in a form, if it is genuine and in its time.
pub(super) fn opened(gateway: &Gateway, policy: &str, signature: &str) -> Option<Policy> {
    if !gateway.tokens.is_file_signature(&to_send(policy), signature) {
        return None;
    }
    let policy: Policy = serde_json::from_slice(&STANDARD.decode(policy).ok()?).ok()?;
    (gateway.identity.clock.now().timestamp() < policy.exp).then_some(policy)
}

/// A link to a file that everybody may follow for a day, if it needs one.
pub(crate) async fn presign(State(gateway): State<Gateway>, caller: Caller, query: Query) -> Result<Json<Value>, SpecError> {
    let (owner, url) = (query.get("ownerid"), query.get("url"));
    if owner.is_empty() {
        return Err(Error::new(Code::Unauthenticated, "ownerid is missing").into());
    }
    if caller.owner_id.as_deref() != Some(owner) {
        return Err(Error::new(Code::Denied, "no token, or one of another owner").into());
    }
    if url.is_empty() {
        return Err(missing("url").into());
    }
    let Some(key) = url.strip_prefix(&gateway.files_url()) else { return Ok(Json(json!({"url": url}))) };
    let key = key.split(['?', '#']).next().unwrap_or_default();
    if !object::is_of(key, owner) || object::is_public(&gateway, key).await? {
        return Ok(Json(json!({"url": url})));
    }
    let exp = (gateway.identity.clock.now() + LINK_LIFE).timestamp();
    let signature = gateway.tokens.sign_file(&to_read(key, exp))?;
    Ok(Json(json!({"url": format!("{}{key}?exp={exp}&sig={signature}", gateway.files_url())})))
}

/// What is signed of a link.
pub(super) fn to_read(key: &str, exp: i64) -> String {
    format!("read:{exp}:{key}")
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn keys_stay_in_their_folder() {
        let md5 = [0xab; 16];
        let digest = "ab".repeat(16);
        assert_eq!(key("o/d", "data/a b.csv", &md5), Some(format!("o/d/data/a_b.csv/{digest}/a_b.csv")));
        assert_eq!(key("o/d", "강.csv", &md5), Some(format!("o/d/_.csv/{digest}/_.csv")));
        for bad in ["", "/", "../x", "a/../../x", &"x".repeat(501)] {
            assert_eq!(key("o/d", bad, &md5), None, "{bad}");
        }
    }
}
