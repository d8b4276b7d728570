//! Versions of metadata (dhub.md section 4), and the small queries of reads and deletes.

use axum::{Json, extract::State};
use madang_kit::{Error, Id, Result, rpc};
use madang_proto::{
    catalog::v1::{ListObjectVersionsRequest, ObjectKind},
    pipeline::v1 as pipeline,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    call::{Call, Path, path_id},
    error::DhubError,
    wire,
};
use crate::Gateway;

/// `?collection_version=v2`, `?dataset_version=v2`
#[derive(Debug, Deserialize)]
#[expect(clippy::struct_field_names, reason = "they are the parameters' names")]
pub(crate) struct VersionQuery {
    collection_version: Option<String>,
    dataset_version: Option<String>,
    user_version: Option<String>,
    pipeline_version: Option<String>,
    code_version: Option<String>,
}

impl VersionQuery {
    pub(crate) fn collection(self) -> Result<Option<i64>, DhubError> {
        read("collection_version", self.collection_version)
    }

    pub(crate) fn user(self) -> Result<Option<i64>, DhubError> {
        read("user_version", self.user_version)
    }

    pub(crate) fn pipeline(self) -> Result<Option<i64>, DhubError> {
        read("pipeline_version", self.pipeline_version)
    }

    pub(crate) fn code(self) -> Result<Option<i64>, DhubError> {
        read("code_version", self.code_version)
    }

    pub(crate) fn dataset(self) -> Result<Option<i64>, DhubError> {
        read("dataset_version", self.dataset_version)
    }
}

fn read(name: &str, text: Option<String>) -> Result<Option<i64>, DhubError> {
    let Some(text) = text else { return Ok(None) };
    let wrong = || DhubError::in_query(Error::invalid(name, "version", format!("{name} must read like v2")));
    number(&text).map(Some).ok_or_else(wrong)
}

/// `v2` or `2` → 2
pub(crate) fn number(text: &str) -> Option<i64> {
    text.strip_prefix('v').unwrap_or(text).parse().ok().filter(|number: &i64| *number > 0)
}

/// `?force=true`
#[derive(Debug, Deserialize)]
pub(crate) struct DeleteQuery {
    force: Option<String>,
}

impl DeleteQuery {
    pub(crate) fn force(self) -> Result<bool, DhubError> {
        match self.force.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(DhubError::in_query(Error::invalid("force", "choice", "force must be true or false"))),
        }
    }
}

/// `GET /collections/{id}/versions`
pub(crate) async fn of_collection(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<Vec<Value>>, DhubError> {
    versions(&gateway, &call, ObjectKind::Organization, path_id("collection", "col", &id)?).await
}

/// `GET /datasets/{id}/versions`
pub(crate) async fn of_dataset(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<Vec<Value>>, DhubError> {
    versions(&gateway, &call, ObjectKind::Dataset, path_id("dataset", "ds", &id)?).await
}

/// `GET /pipelines/{id}/versions`
pub(crate) async fn of_pipeline(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<Vec<Value>>, DhubError> {
    let request = pipeline::ListVersionsRequest { id: path_id("pipeline", "pl", &id)?.to_string() };
    let answer = gateway.pipelines.clone().list_pipeline_versions(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(answer.versions.into_iter().map(|version| shape(version.revision, version.at, version.size)).collect()))
}

/// `GET /codes/{id}/versions`
pub(crate) async fn of_code(State(gateway): State<Gateway>, Path(id): Path<String>, call: Call) -> Result<Json<Vec<Value>>, DhubError> {
    let request = pipeline::ListVersionsRequest { id: path_id("code", "code", &id)?.to_string() };
    let answer = gateway.codes.clone().list_code_versions(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(answer.versions.into_iter().map(|version| shape(version.revision, version.at, version.size)).collect()))
}

async fn versions(gateway: &Gateway, call: &Call, kind: ObjectKind, id: Id) -> Result<Json<Vec<Value>>, DhubError> {
    let request = ListObjectVersionsRequest { id: id.to_string(), kind: kind.into() };
    let answer = gateway.catalog.clone().list_object_versions(rpc::request(&call.context, request)).await?.into_inner();
    Ok(Json(answer.versions.into_iter().map(|version| shape(version.revision, version.at, version.size)).collect()))
}

fn shape(revision: i64, at: Option<prost_types::Timestamp>, size: u64) -> Value {
    json!({"version_id": format!("v{revision}"), "last_modified": wire::iso(at), "size": size})
}
