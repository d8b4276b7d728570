//! The versions of a table (dhub.md section 7).

use axum::{Json, extract::State};
use madang_kit::{Error, rpc};
use madang_proto::catalog::v1::{ListTableVersionsRequest, TableVersion};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    call::{Call, Path, Query, path_id},
    error::DhubError,
    list::{MAX_OFFSET, number},
    wire,
};
use crate::Gateway;

/// Versions in one answer.
const MAX_VERSIONS: u64 = 10_000;
/// Versions that are asked for at once; each is a small file that the catalogue reads.
const AT_ONCE: u64 = 200;

/// Query of a history; without `limit` all is wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct HistoryQuery {
    limit: Option<String>,
    before: Option<String>,
}

/// `GET /tables/{id}/versions?limit&before`: newest first, all of them or the wanted part.
pub(crate) async fn versions(
    State(gateway): State<Gateway>,
    call: Call,
    Path(id): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<Vec<Value>>, DhubError> {
    let dataset = path_id("dataset", "ds", &id)?;
    let limit = number("limit", query.limit.as_deref(), 1, MAX_VERSIONS).map_err(DhubError::in_query)?;
    let before = number("before", query.before.as_deref(), 0, MAX_OFFSET).map_err(DhubError::in_query)?;
    let before = before.map(|version| i64::try_from(version).unwrap_or(i64::MAX));
    let mut request = ListTableVersionsRequest { dataset_id: dataset.to_string(), before, limit: 0 };
    let (mut versions, mut left) = (Vec::new(), limit.unwrap_or(MAX_VERSIONS));
    while left > 0 {
        request.limit = u32::try_from(left.min(AT_ONCE)).unwrap_or_default();
        let answer = gateway.catalog.clone().list_table_versions(rpc::request(&call.context, request.clone())).await?.into_inner();
        let (Some(newest), Some(oldest)) = (answer.versions.first(), answer.versions.last()) else { break };
        if limit.is_none() && newest.version.unsigned_abs() >= left {
            return Err(DhubError::in_query(too_many()));
        }
        left = left.saturating_sub(answer.versions.len() as u64);
        if oldest.version == 0 {
            left = 0;
        }
        request.before = Some(oldest.version);
        versions.extend(answer.versions.iter().map(shape));
    }
    Ok(Json(versions))
}

fn too_many() -> Error {
    let why = format!("the table has more than {MAX_VERSIONS} versions; ask for a part of them with limit and before");
    Error::invalid("limit", "missing", why)
}

fn shape(version: &TableVersion) -> Value {
    let parameters: Value = serde_json::from_str(&version.parameters).unwrap_or_default();
    json!({
        "version": version.version, "timestamp": wire::iso(version.at), "operation": version.operation,
        "operationParameters": parameters, "readVersion": version.read_version,
    })
}
