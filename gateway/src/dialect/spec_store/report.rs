//! `POST /source/update` (spec-store.md 1.2): a runner elsewhere says what became of a pipeline.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
};
use madang_kit::{Error, Result, rpc};
use madang_proto::spec_store::v1::ReportRequest;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{call::Caller, error};
use crate::{
    Gateway,
    dialect::{fields::without_mark, request},
};

/// Keeps an event.
pub(crate) async fn report(State(gateway): State<Gateway>, caller: Caller, headers: HeaderMap, body: Body) -> Response {
    if !knows_secret(gateway.config.spec_store.update_secret.expose_secret(), &headers) {
        return refused(StatusCode::UNAUTHORIZED, "the secret of updates is needed");
    }
    match take(&gateway, &caller, body).await {
        Ok(answer) => answer.into_response(),
        Err(failed) => refused(error::status(failed.code), &failed.message),
    }
}

/// Whether a request shows the secret, if there is one. Comparing digests takes the same time whatever the lengths.
fn knows_secret(secret: &str, headers: &HeaderMap) -> bool {
    if secret.is_empty() {
        return true;
    }
    let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
    let shown = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map_or("", |(_, shown)| shown.trim());
    Sha256::digest(secret.as_bytes()).ct_eq(&Sha256::digest(shown.as_bytes())).into()
}

async fn take(gateway: &Gateway, caller: &Caller, body: Body) -> Result<Json<Value>> {
    let body = request::body(body, gateway.config.body_bytes).await?;
    let fields = match serde_json::from_slice(without_mark(&body)) {
        Ok(Value::Object(fields)) => fields,
        _ => return Err(Error::invalid("body", "json", "the body must be a JSON object")),
    };
    let given = fields.get("errors").cloned().unwrap_or_default();
    let request = read(&fields)?;
    let answer = gateway.spec_store.clone().report(rpc::request(&caller.context, request)).await.map_err(Error::from)?.into_inner();
    let Some(state) = answer.state else { return Ok(shape(None, None, &json!(["pipeline not found"]))) };
    Ok(shape(Some(&state), answer.flow_id.as_deref(), &given))
}

fn read(fields: &Map<String, Value>) -> Result<ReportRequest> {
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| fields.get(*name));
        let text = found.and_then(Value::as_str).filter(|text| !text.is_empty() && !text.contains('\0'));
        let name = names.first().copied().unwrap_or_default();
        text.map(str::to_owned).ok_or_else(|| Error::invalid(name, "missing", format!("{} must be a text", names.join(" or "))))
    };
    let lines = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(lines)) => {
            let texts: Option<Vec<String>> = lines.iter().map(|line| line.as_str().map(str::to_owned)).collect();
            texts.ok_or_else(|| Error::invalid(name, "list_of_texts", format!("{name} must be a list of texts")))
        }
        Some(_) => Err(Error::invalid(name, "list_of_texts", format!("{name} must be a list of texts"))),
    };
    let stats = match fields.get("stats") {
        None | Some(Value::Null) => String::new(),
        Some(Value::Object(stats)) => serde_json::to_string(stats).map_err(Error::internal)?,
        Some(_) => return Err(Error::invalid("stats", "object", "stats must be an object")),
    };
    let success = match fields.get("success") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(success)) => *success,
        Some(_) => return Err(Error::invalid("success", "bool", "success must be true or false")),
    };
    Ok(ReportRequest {
        pipeline_id: text(&["pipeline", "pipeline_id"])?,
        event: text(&["event"])?,
        success,
        errors: lines("errors")?,
        stats,
        log: lines("log")?,
    })
}

/// Both shapes at once: `status` as it was implemented, `success` as it was documented.
fn shape(state: Option<&str>, flow_id: Option<&str>, errors: &Value) -> Json<Value> {
    let success = state.map(|state| match state {
        "success" => "success",
        "failed" => "fail",
        _ => "pending",
    });
    Json(json!({"status": state, "success": success, "id": flow_id, "errors": errors}))
}

fn refused(status: StatusCode, message: &str) -> Response {
    (status, shape(None, None, &json!([message]))).into_response()
}
