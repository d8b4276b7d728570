//! The viewer at `/docs`: Swagger UI from the binary itself. The page may load nothing from elsewhere.

use axum::{
    Router,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    response::{IntoResponse, Redirect},
    routing::get,
};

const PAGE: &str = include_str!("viewer.html");
const START: &str = include_str!("viewer.js");
const BUNDLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/viewer/swagger-ui-bundle.js"));
const STYLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/viewer/swagger-ui.css"));
const ICON: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/viewer/favicon-32x32.png"));

/// The viewer styles its elements in place and draws its signs from data URLs; everything else is a file of ours.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

pub(super) fn routes() -> Router {
    Router::new()
        .route("/docs", get(|| async { Redirect::permanent("/docs/") }))
        .route("/docs/", get(|| async { file("text/html; charset=utf-8", PAGE.as_bytes()) }))
        .route("/docs/start.js", get(|| async { file("text/javascript; charset=utf-8", START.as_bytes()) }))
        .route("/docs/swagger-ui-bundle.js", get(|| async { file("text/javascript; charset=utf-8", BUNDLE) }))
        .route("/docs/swagger-ui.css", get(|| async { file("text/css; charset=utf-8", STYLE) }))
        .route("/docs/favicon-32x32.png", get(|| async { file("image/png", ICON) }))
}

fn file(kind: &'static str, bytes: &'static [u8]) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, POLICY), (CACHE_CONTROL, "max-age=3600")], bytes)
}
