//! Buckets: who may read and write them. A folder that was put below `objects/` by hand is a bucket at once, of the first space, until
//! somebody grants it.

use std::collections::HashMap;

use madang_kit::{
    Code, Context, Db, Error, Id, Principal, Result,
    audit::{self, Record},
    check,
    idempotency::{self, Claim},
    time,
};
use madang_lake::{Objects, check_new_bucket};
use madang_proto::pipeline::v1::{
    Bucket, CreateBucketRequest, DeleteBucketRequest, DeleteBucketResponse, Grant, GrantBucketRequest, IntroduceRequest, IntroduceResponse,
    ListBucketsRequest, ListBucketsResponse,
};
use serde_json::json;

use super::lake_error;
use crate::{Pipelines, connection::space_of, store::bucket as store};

/// Spaces that one bucket is granted to.
const MAX_GRANTS: usize = 1_000;

/// Makes a bucket for the caller's space.
pub(crate) async fn create(pipelines: &Pipelines, context: &Context, request: CreateBucketRequest) -> Result<Bucket> {
    let space = space_of(context)?;
    check_new_bucket(&request.name).map_err(|error| Error::invalid("name", "pattern", error.to_string()))?;
    let row = store::Bucket { name: request.name, created_by: context.principal.user.to_string(), created_at: pipelines.clock.now() };
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "CreateBucket").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    if !pipelines.objects.make_bucket(&row.name).await.map_err(lake_error)? {
        return Err(Error::new(Code::AlreadyExists, format!("there is a bucket '{}' already", row.name)));
    }
    store::insert(&mut tx, &row).await?;
    store::set_grants(&mut tx, &row.name, &[(space, true)]).await?;
    let record = Record { action: "bucket.create", thing: row.name.clone(), detail: json!({"space": space}) };
    audit::write(&mut tx, &pipelines.clock, context, record).await?;
    let answer = wire(row.name.clone(), Some(&row), &[granted(&row.name, space, true)]);
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// The buckets that the caller may read.
pub(crate) async fn list(pipelines: &Pipelines, context: &Context, _: ListBucketsRequest) -> Result<ListBucketsResponse> {
    let names = pipelines.objects.buckets().await.map_err(lake_error)?;
    let rows: HashMap<String, store::Bucket> = store::all(&pipelines.db).await?.into_iter().map(|row| (row.name.clone(), row)).collect();
    let mut granted: HashMap<String, Vec<store::Grant>> = HashMap::new();
    for grant in store::all_grants(&pipelines.db).await? {
        granted.entry(grant.bucket.clone()).or_default().push(grant);
    }
    let first = store::first_space(&pipelines.db).await?;
    let mut buckets = Vec::new();
    for name in names {
        let row = rows.get(&name);
        let grants = effective(row.is_some(), granted.remove(&name).unwrap_or_default(), first.as_deref(), &name);
        if access(&context.principal, &grants).is_some() {
            buckets.push(wire(name, row, &grants));
        }
    }
    Ok(ListBucketsResponse { buckets })
}

/// Removes an empty bucket.
pub(crate) async fn delete(pipelines: &Pipelines, context: &Context, request: DeleteBucketRequest) -> Result<DeleteBucketResponse> {
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "DeleteBucket").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    demand(pipelines, context, &request.name, true).await?;
    if !pipelines.objects.remove_bucket(&request.name).await.map_err(lake_error)? {
        return Err(Error::new(Code::Conflict, "the bucket holds objects; delete them first"));
    }
    store::delete(&mut tx, &request.name).await?;
    audit::write(&mut tx, &pipelines.clock, context, Record { action: "bucket.delete", thing: request.name, detail: json!({}) }).await?;
    ticket.record(&mut tx, &DeleteBucketResponse {}).await?;
    tx.commit().await?;
    Ok(DeleteBucketResponse {})
}

/// Says anew which spaces have a bucket: for who made it and administrators.
pub(crate) async fn grant(pipelines: &Pipelines, context: &Context, request: GrantBucketRequest) -> Result<Bucket> {
    demand(pipelines, context, &request.name, false).await?;
    let row = store::find(&pipelines.db, &request.name).await?;
    let user = context.principal.user.to_string();
    if !context.principal.is_admin() && row.as_ref().is_none_or(|row| row.created_by != user) {
        return Err(Error::new(Code::Denied, "only who made the bucket and administrators grant it"));
    }
    if request.grants.len() > MAX_GRANTS {
        return Err(Error::invalid("grants", "too_many", format!("grants has at most {MAX_GRANTS} entries")));
    }
    let mut grants: Vec<(Id, bool)> = Vec::with_capacity(request.grants.len());
    for (at, grant) in request.grants.iter().enumerate() {
        let field = format!("grants.{at}.space");
        let space = check::id(&field, &grant.space_id)?;
        if grants.iter().any(|(other, _)| *other == space) {
            return Err(Error::invalid(field, "repeated", "a space is named twice"));
        }
        grants.push((space, grant.write));
    }
    let mut tx = pipelines.db.begin().await?;
    let ticket = match idempotency::claim(&mut tx, &pipelines.clock, context, "GrantBucket").await? {
        Claim::Done(answer) => return Ok(answer),
        Claim::New(ticket) => ticket,
    };
    let new = store::Bucket { name: request.name.clone(), created_by: user, created_at: pipelines.clock.now() };
    store::insert(&mut tx, &new).await?;
    store::set_grants(&mut tx, &request.name, &grants).await?;
    let detail = json!({"spaces": grants.iter().map(|(space, write)| json!({"space": space, "write": write})).collect::<Vec<_>>()});
    audit::write(&mut tx, &pipelines.clock, context, Record { action: "bucket.grant", thing: request.name.clone(), detail }).await?;
    let grants: Vec<store::Grant> = grants.iter().map(|(space, write)| granted(&request.name, *space, *write)).collect();
    let answer = wire(request.name.clone(), Some(row.as_ref().unwrap_or(&new)), &grants);
    ticket.record(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Notes the space that has what nobody granted.
pub(crate) async fn introduce(pipelines: &Pipelines, request: IntroduceRequest) -> Result<IntroduceResponse> {
    let space = check::id("space_id", &request.space_id)?;
    let mut tx = pipelines.db.begin().await?;
    store::set_first_space(&mut tx, space).await?;
    tx.commit().await?;
    Ok(IntroduceResponse {})
}

/// Refuses unless the bucket is there and the caller may read it, or write it.
///
/// # Errors
/// [`Code::NotFound`] for an absent bucket and for one that is hidden, [`Code::Denied`] for one that may be read alone.
pub(crate) async fn demand(pipelines: &Pipelines, context: &Context, bucket: &str, write: bool) -> Result<()> {
    demand_in(&pipelines.db, pipelines.objects.as_ref(), &context.principal, bucket, write).await
}

/// The same for the engine, which has no service around it.
pub(crate) async fn demand_in(db: &Db, objects: &dyn Objects, principal: &Principal, bucket: &str, write: bool) -> Result<()> {
    let absent = || Error::not_found("bucket", bucket.escape_debug());
    if !objects.has_bucket(bucket).await.map_err(lake_error)? {
        return Err(absent());
    }
    let row = store::find(db, bucket).await?;
    let first = store::first_space(db).await?;
    let grants = effective(row.is_some(), store::grants(db, bucket).await?, first.as_deref(), bucket);
    match access(principal, &grants) {
        None => Err(absent()),
        Some(false) if write => Err(Error::new(Code::Denied, format!("the bucket '{bucket}' may be read alone"))),
        Some(_) => Ok(()),
    }
}

/// What is granted; of a bucket without a row, everything to the first space.
fn effective(has_row: bool, granted: Vec<store::Grant>, first: Option<&str>, bucket: &str) -> Vec<store::Grant> {
    match first {
        Some(first) if !has_row => {
            vec![store::Grant { bucket: bucket.to_owned(), space_id: first.to_owned(), access: "write".to_owned() }]
        }
        _ => granted,
    }
}

/// Whether a principal may write, or read alone; none if neither.
fn access(principal: &Principal, grants: &[store::Grant]) -> Option<bool> {
    let space = principal.space?.to_string();
    grants.iter().find(|grant| grant.space_id == space).map(|grant| grant.access == "write")
}

fn granted(bucket: &str, space: Id, write: bool) -> store::Grant {
    store::Grant { bucket: bucket.to_owned(), space_id: space.to_string(), access: if write { "write" } else { "read" }.to_owned() }
}

fn wire(name: String, row: Option<&store::Bucket>, grants: &[store::Grant]) -> Bucket {
    let grant = |grant: &store::Grant| Grant { space_id: grant.space_id.clone(), write: grant.access == "write" };
    Bucket { name, grants: grants.iter().map(grant).collect(), created_at: row.map(|row| time::wire(row.created_at)) }
}
