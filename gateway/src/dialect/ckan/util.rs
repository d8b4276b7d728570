//! What the API has beside its actions: its version, translations, lists for whoever is typing (ckan.md 1.1).

use axum::{
    extract::{Path, Request, State},
    http::StatusCode,
    response::Response,
};
use madang_kit::{
    Context,
    ckan::{Dict, Outcome},
};
use serde_json::{Value, json};

use super::{
    answer, body,
    call::{Call, principal},
};
use crate::{
    Gateway,
    credential::{Credential, ncp_signature},
    dialect::request,
};

/// Languages that CKAN has; what it says in them is its web pages', which are not here.
const LANGUAGES: [&str; 16] =
    ["en", "en_AU", "en_GB", "ko", "ko_KR", "ja", "zh_CN", "zh_Hans_CN", "zh_Hant_TW", "zh_TW", "de", "fr", "es", "it", "pt_BR", "ru"];

/// `GET /api`, `GET /api/1`
pub(super) async fn version_1() -> Response {
    version(1)
}

/// `GET /api/2`
pub(super) async fn version_2() -> Response {
    version(2)
}

/// `GET /api/3`
pub(super) async fn version_3() -> Response {
    version(3)
}

fn version(number: u8) -> Response {
    answer::bare(StatusCode::OK, &json!({"version": number}))
}

/// `GET /api/i18n/{language}`
pub(super) async fn translations(Path(language): Path<String>) -> Response {
    if LANGUAGES.contains(&language.as_str()) {
        return answer::bare(StatusCode::OK, &json!({}));
    }
    answer::bad_request(&format!("Unknown locale: {language}"))
}

/// `GET /api/util/dataset/autocomplete`
pub(super) async fn datasets(State(gateway): State<Gateway>, request: Request) -> Response {
    let asked = ask(&gateway, request, "package_autocomplete", "incomplete", "10").await;
    shown(asked.map(|found| json!({"ResultSet": {"Result": found}})))
}

/// `GET /api/util/tag/autocomplete`
pub(super) async fn tags(State(gateway): State<Gateway>, request: Request) -> Response {
    named(ask(&gateway, request, "tag_autocomplete", "incomplete", "10").await, "Name")
}

/// `GET /api/util/resource/format_autocomplete`
pub(super) async fn formats(State(gateway): State<Gateway>, request: Request) -> Response {
    named(ask(&gateway, request, "format_autocomplete", "incomplete", "5").await, "Format")
}

/// `GET /api/util/user/autocomplete`
pub(super) async fn users(State(gateway): State<Gateway>, request: Request) -> Response {
    shown(ask(&gateway, request, "user_autocomplete", "q", "20").await)
}

/// `GET /api/util/group/autocomplete`
pub(super) async fn groups(State(gateway): State<Gateway>, request: Request) -> Response {
    shown(ask(&gateway, request, "group_autocomplete", "q", "20").await)
}

/// `GET /api/util/organization/autocomplete`
pub(super) async fn organizations(State(gateway): State<Gateway>, request: Request) -> Response {
    shown(ask(&gateway, request, "organization_autocomplete", "q", "20").await)
}

/// Each word under a name.
fn named(asked: Outcome, name: &str) -> Response {
    let rows = |found: Value| found.as_array().into_iter().flatten().map(|word| json!({name: word})).collect::<Vec<_>>();
    shown(asked.map(|found| json!({"ResultSet": {"Result": rows(found)}})))
}

fn shown(asked: Outcome) -> Response {
    match asked {
        Ok(found) => answer::bare(StatusCode::OK, &found),
        Err(refusal) => answer::refused_bare(refusal),
    }
}

/// What an action finds for the word that is being typed; nothing while it is empty.
async fn ask(gateway: &Gateway, request: Request, action: &'static str, word: &str, limit: &str) -> Outcome {
    let given = body::query(request.uri().query().unwrap_or_default());
    let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (extensions, headers, _) = request::split(request);
    let principal = principal(extensions.get::<Credential>(), ncp_signature::is_present(&headers), false)?;
    if text(word).is_empty() {
        return Ok(Value::Array(Vec::new()));
    }
    let limit = Some(text("limit")).filter(|limit| !limit.is_empty()).unwrap_or_else(|| limit.to_owned());
    let mut dict = Dict::from_iter([("q".to_owned(), text(word).into()), ("limit".to_owned(), limit.into())]);
    if !text("vocabulary_id").is_empty() {
        dict.insert("vocabulary_id".to_owned(), text("vocabulary_id").into());
    }
    let context: Context = request::context(&extensions, principal);
    Call { gateway, context, action, dict: dict.clone() }.ask(action, dict).await
}
