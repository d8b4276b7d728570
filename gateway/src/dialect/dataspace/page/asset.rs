//! Stylesheet and script of the pages. Their addresses change with them, so browsers may keep them.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    response::IntoResponse,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Where the stylesheet is.
pub(super) static STYLE_PATH: LazyLock<String> = LazyLock::new(|| versioned("/r/page/style.css", STYLE));
/// Where the script is.
pub(super) static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| versioned("/r/page/script.js", SCRIPT));

/// `GET /r/page/style.css`
pub(crate) async fn style() -> impl IntoResponse {
    file("text/css; charset=utf-8", STYLE)
}

/// `GET /r/page/script.js`
pub(crate) async fn script() -> impl IntoResponse {
    file("text/javascript; charset=utf-8", SCRIPT)
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=604800"), (X_CONTENT_TYPE_OPTIONS, "nosniff")], text)
}

fn versioned(path: &str, text: &str) -> String {
    let mark: String = URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes())).chars().take(8).collect();
    format!("{path}?v={mark}")
}
