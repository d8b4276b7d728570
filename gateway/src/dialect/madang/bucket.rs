//! `/madang/v1/buckets`: buckets of Object Storage and the spaces that they are granted to.

use axum::{Json, extract::State};
use madang_kit::{Id, rpc};
use madang_proto::pipeline::v1::{Bucket, CreateBucketRequest, DeleteBucketRequest, Grant, GrantBucketRequest, ListBucketsRequest};
use serde_json::{Value, json};

use super::{
    Refusal,
    call::{Call, JsonCall, Path},
};
use crate::{
    Gateway,
    dialect::{dhub::wire::iso, fields::Fields},
    identity::bootstrap::space_text,
};

/// Grants of one bucket.
const MAX_GRANTS: usize = 1_000;

/// The buckets that the caller's space may read.
pub(crate) async fn list(State(gateway): State<Gateway>, call: Call) -> Result<Json<Value>, Refusal> {
    let found = gateway.buckets.clone().list_buckets(rpc::request(&call.context, ListBucketsRequest {})).await?.into_inner();
    Ok(Json(json!({"buckets": found.buckets.iter().map(shape).collect::<Vec<_>>()})))
}

/// A new bucket of the caller's space.
pub(crate) async fn create(State(gateway): State<Gateway>, call: JsonCall) -> Result<Json<Value>, Refusal> {
    let JsonCall { context, mut fields } = call;
    let request = CreateBucketRequest { name: fields.text("name") };
    fields.no_others();
    fields.finish()?;
    let made = gateway.buckets.clone().create_bucket(rpc::request(&context, request)).await?.into_inner();
    Ok(Json(shape(&made)))
}

/// Removes an empty bucket.
pub(crate) async fn delete(State(gateway): State<Gateway>, Path(name): Path<String>, call: Call) -> Result<Json<Value>, Refusal> {
    gateway.buckets.clone().delete_bucket(rpc::request(&call.context, DeleteBucketRequest { name })).await?;
    Ok(Json(json!({"deleted": true})))
}

/// Says anew which spaces have a bucket.
pub(crate) async fn grant(State(gateway): State<Gateway>, Path(name): Path<String>, call: JsonCall) -> Result<Json<Value>, Refusal> {
    let JsonCall { context, mut fields } = call;
    let mut grants = Vec::new();
    for (at, value) in fields.list("grants", MAX_GRANTS).into_iter().enumerate() {
        let mut entry = Fields::nested(&format!("grants.{at}"), value);
        grants.push(read_grant(&mut entry));
        fields.absorb(entry);
    }
    fields.no_others();
    fields.finish()?;
    let request = GrantBucketRequest { name, grants };
    let granted = gateway.buckets.clone().grant_bucket(rpc::request(&context, request)).await?.into_inner();
    Ok(Json(shape(&granted)))
}

fn read_grant(entry: &mut Fields) -> Grant {
    let (space, access) = (entry.text("space"), entry.text("access"));
    entry.no_others();
    let id = space.strip_prefix('a').and_then(|ulid| Id::parse_prefixed("a", &format!("a-{ulid}")).ok());
    if id.is_none() {
        entry.problem("space", "id", "must be a Space ID");
    }
    if !["read", "write"].contains(&access.as_str()) {
        entry.problem("access", "choice", "must be read or write");
    }
    Grant { space_id: id.map(|id| id.to_string()).unwrap_or_default(), write: access == "write" }
}

fn shape(bucket: &Bucket) -> Value {
    let space = |id: &str| id.parse().map_or_else(|_| id.to_owned(), space_text);
    let grant = |grant: &Grant| json!({"space": space(&grant.space_id), "access": if grant.write { "write" } else { "read" }});
    json!({
        "name": bucket.name,
        "grants": bucket.grants.iter().map(grant).collect::<Vec<_>>(),
        "created_at": iso(bucket.created_at),
    })
}
