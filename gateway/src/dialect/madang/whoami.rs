//! `GET /madang/v1/whoami`: who the gateway takes the caller for.

use axum::{
    Extension, Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use madang_kit::Principal;
use serde_json::{Value, json};

use crate::{credential::Credential, identity::bootstrap::space_text};

/// Answers `{"scheme","user","space","roles"}`, or 401 `{"detail"}`.
pub(crate) async fn whoami(Extension(credential): Extension<Credential>) -> Response {
    match credential {
        Credential::Principal(principal) => Json(shape(&principal)).into_response(),
        Credential::Unavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"detail": "credentials can't be checked now"}))).into_response()
        }
        Credential::Anonymous | Credential::Refused(_) => {
            (StatusCode::UNAUTHORIZED, Json(json!({"detail": "Not authenticated"}))).into_response()
        }
    }
}

fn shape(principal: &Principal) -> Value {
    json!({"scheme": principal.scheme, "user": principal.name, "space": principal.space.map(space_text), "roles": principal.roles})
}
