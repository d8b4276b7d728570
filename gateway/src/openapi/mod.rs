//! What the hub's HTTP APIs are, as OpenAPI 3.1: `GET /openapi.json` (and `/api/v1/openapi.json`, where D.Hub's clients look), with a
//! viewer at `/docs`. The operations stand in one list per API, beside the schemas of their bodies; a test walks the route tables and
//! demands that each route is described and each description is a route.

mod ckan;
mod dataflow;
mod dataflow_schemas;
mod dataspace;
mod dhub;
mod dhub_schemas;
mod madang;
mod operation;
mod schema;
mod viewer;

use std::sync::LazyLock;

use self::operation::Operation;
use axum::{Router, http::header::CONTENT_TYPE, response::IntoResponse, routing::get};
use serde_json::{Map, Value, json};

static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

/// Document and viewer; they need no credential.
pub(crate) fn routes() -> Router {
    Router::new().route("/openapi.json", get(show)).route("/api/v1/openapi.json", get(show)).merge(viewer::routes())
}

async fn show() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let operations: Vec<_> = dhub::operations()
        .into_iter()
        .chain(dataflow::operations())
        .chain(ckan::operations())
        .chain(dataspace::operations())
        .chain(madang::operations())
        .collect();
    for operation in &operations {
        paths.entry(&operation.path).or_insert_with(|| json!({}))[operation.method] = operation.describe(&operations);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Madang",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "One self-hostable data hub behind one signing gateway",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": dhub_schemas::all().into_iter().chain(dataflow_schemas::all()).chain(ckan::schemas()).chain(dataspace::schemas()).collect::<Map<_, _>>(),
            "responses": Operation::refusals(),
            "securitySchemes": security(),
        },
    })
}

fn security() -> Value {
    let header = |name: &str, about: &str| json!({"type": "apiKey", "in": "header", "name": name, "description": about});
    json!({
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "The access token of POST /api/v1/auth/login."},
        "ncpTimestamp": header("x-ncp-apigw-timestamp", "Milliseconds since 1970, at most five minutes off."),
        "ncpAccessKey": header("x-ncp-iam-access-key", "The access key."),
        "ncpSignature": header("x-ncp-apigw-signature-v2", "Base64 of HMAC-SHA256 over method, target, timestamp and access key."),
        "basic": {"type": "http", "scheme": "basic", "description": "Space ID and API key."},
        "ckanToken": header("authorization", "CKAN's API token, alone."),
        "authToken": header("auth-token", "The Spec Store's token."),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Every `$ref` and every link leads somewhere, and every operation has its own id.
    #[test]
    fn the_document_holds_together() {
        let document = document();
        let paths = document["paths"].as_object().expect("paths");
        let operations = paths.values().flat_map(|path| path.as_object().expect("operations").values());
        let ids: Vec<&str> = operations.filter_map(|operation| operation["operationId"].as_str()).collect();
        let different: HashSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), different.len());
        let mut open = vec![&document];
        while let Some(value) = open.pop() {
            if let Some(target) = value["$ref"].as_str() {
                assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
            }
            if let Some(target) = value["operationId"].as_str() {
                assert!(different.contains(target), "{target}");
            }
            match value {
                Value::Object(object) => open.extend(object.values()),
                Value::Array(list) => open.extend(list),
                _ => {}
            }
        }
    }
}
