//! `POST /source/upload` (spec-store.md 1.1) and `POST /source/{owner}/{dataset}/rerun` (7). Whatever is wrong with an upload, it is
//! HTTP 200 with `success: false`, but for a body that is no JSON.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use madang_kit::{Error, Result, rpc};
use madang_proto::spec_store::v1::{RerunRequest, UploadRequest};
use serde_json::{Value, json};

use super::{
    call::{Caller, Path},
    error::SpecError,
    permissions, wire,
};
use crate::{
    Gateway,
    dialect::{family::Family, fields::without_mark, request},
};

/// Bytes of a spec.
const SPEC_BYTES: usize = 4 << 20;

const EMPTY: &str = "Received empty contents (make sure your content-type is correct)";
const NO_OWNER: &str = "Missing owner in spec";
const NOT_AUTHORISED: &str = "No token or token not authorised for owner";

/// Keeps a spec.
pub(crate) async fn upload(State(gateway): State<Gateway>, caller: Caller, parts: Parts, body: Body) -> Result<Json<Value>, SpecError> {
    let body = request::body(body, SPEC_BYTES).await?;
    let Some(spec) = read(&parts.headers, &body)? else { return Ok(wire::not_uploaded(EMPTY)) };
    let owner = match spec.get("meta").and_then(|meta| meta.get("ownerid")) {
        None | Some(Value::Null) => return Ok(wire::not_uploaded(NO_OWNER)),
        Some(owner) => owner,
    };
    let Some(caller_owner_id) = caller.owner_id.clone().filter(|id| owner == id.as_str()) else {
        return Ok(wire::not_uploaded(NOT_AUTHORISED));
    };
    let request = UploadRequest {
        caller_owner_id,
        spec: spec.to_string(),
        limits: Some(permissions::limits(&caller.permissions)),
        files_url: gateway.files_url(),
    };
    let context = caller.writing(&parts, &body, gateway.remembers_writes());
    let answer = gateway.spec_store.clone().upload(rpc::request(&context, request)).await?.into_inner();
    Ok(wire::uploaded(answer))
}

/// The body as JSON; none if there is nothing, or if it does not say that it is JSON.
fn read(headers: &HeaderMap, body: &Bytes) -> Result<Option<Value>> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_json = kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"));
    let body = without_mark(body);
    if !is_json || body.trim_ascii().is_empty() {
        return Ok(None);
    }
    match serde_json::from_slice(body) {
        Ok(Value::Null) => Ok(None),
        Ok(spec) => Ok(Some(spec)),
        Err(error) => Err(Error::invalid("body", "json", format!("the body is not JSON: {error}"))),
    }
}

/// Runs a spec again: `{"from": N, "force": bool}`, both optional. Any other word in this place takes no POST.
pub(crate) async fn rerun(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path((owner_id, dataset, word)): Path<(String, String, String)>,
    parts: Parts,
    body: Body,
) -> Result<Response, SpecError> {
    if word != "rerun" {
        return Ok((StatusCode::METHOD_NOT_ALLOWED, Json(Family::SpecStore.wrong_method())).into_response());
    }
    let caller_owner_id = caller.demand(&owner_id)?;
    let body = request::body(body, gateway.config.body_bytes).await?;
    let (from, forced) = read_rerun(&body)?;
    let request = RerunRequest {
        caller_owner_id,
        owner_id,
        dataset,
        from,
        forced,
        limits: Some(permissions::limits(&caller.permissions)),
        files_url: gateway.files_url(),
    };
    let context = caller.writing(&parts, &body, gateway.remembers_writes());
    let answer = gateway.spec_store.clone().rerun(rpc::request(&context, request)).await?.into_inner();
    Ok(wire::uploaded(answer).into_response())
}

fn read_rerun(body: &[u8]) -> Result<(Option<u32>, bool)> {
    let body = if body.trim_ascii().is_empty() { json!({}) } else { serde_json::from_slice(without_mark(body)).unwrap_or_default() };
    let Value::Object(fields) = body else { return Err(Error::invalid("body", "json", "the body must be a JSON object")) };
    let from = match fields.get("from") {
        None | Some(Value::Null) => None,
        Some(number) => {
            let number = number.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
            Some(number.ok_or_else(|| Error::invalid("from", "range", "from must be the number of a revision"))?)
        }
    };
    match fields.get("force") {
        None | Some(Value::Null) => Ok((from, false)),
        Some(Value::Bool(forced)) => Ok((from, *forced)),
        Some(_) => Err(Error::invalid("force", "bool", "force must be true or false")),
    }
}
