//! Which scripts of other origins may read an answer (ckan.md 1.7).

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, ORIGIN, VARY},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::Gateway;

/// Adds the headers where the request has an origin; answers a browser's question beforehand.
pub(super) async fn answer(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let allowed = allowed(&gateway, request.headers());
    let mut response = if request.method() == Method::OPTIONS {
        (StatusCode::OK, [(ALLOW, "GET, HEAD, OPTIONS, POST")]).into_response()
    } else {
        next.run(request).await
    };
    if let Some(origin) = allowed {
        let headers = response.headers_mut();
        if origin != "*" {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, PUT, GET, DELETE, OPTIONS"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("X-CKAN-API-KEY, Authorization, Content-Type"));
    }
    response
}

fn allowed(gateway: &Gateway, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    if gateway.site.cors_allow_all {
        return Some(HeaderValue::from_static("*"));
    }
    let listed = gateway.site.cors_whitelist.iter().any(|known| origin == known.as_str());
    listed.then(|| origin.clone())
}
