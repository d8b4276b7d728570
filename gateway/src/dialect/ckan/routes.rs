//! CKAN's routes (ckan.md 1.1). Which actions there are stands in [`super::action`].

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{any, get},
};

use super::{call, cors, download, dump, feed, util};
use crate::{Gateway, dialect::unknown};

pub(crate) fn routes(gateway: &Gateway) -> Router<Gateway> {
    let mut router = Router::new()
        .route("/api/action/{name}", any(call::action))
        .route("/api/3/action/{name}", any(call::action))
        // uploaded files
        .route("/dataset/{id}/resource/{resource}/download", get(download::resource))
        .route("/dataset/{id}/resource/{resource}/download/{filename}", get(download::resource))
        .route("/dataset/{id}/resource/{resource}/bad-rows.csv", get(download::bad_rows))
        .route("/uploads/group/{name}", get(download::image))
        .route("/datastore/dump/{id}", get(dump::dump))
        // what speaks here
        .route("/api", get(util::version_1))
        .route("/api/", get(util::version_1))
        .route("/api/1", get(util::version_1))
        .route("/api/1/", get(util::version_1))
        .route("/api/2", get(util::version_2))
        .route("/api/2/", get(util::version_2))
        .route("/api/3", get(util::version_3))
        .route("/api/3/", get(util::version_3));
    for start in ["/api", "/api/1", "/api/2", "/api/3"] {
        router = router.route(&format!("{start}/i18n/{{language}}"), get(util::translations));
    }
    // for whoever is typing
    for start in ["/api/util", "/api/1/util", "/api/2/util"] {
        router = router
            .route(&format!("{start}/dataset/autocomplete"), get(util::datasets))
            .route(&format!("{start}/tag/autocomplete"), get(util::tags))
            .route(&format!("{start}/resource/format_autocomplete"), get(util::formats))
            .route(&format!("{start}/user/autocomplete"), get(util::users))
            .route(&format!("{start}/group/autocomplete"), get(util::groups))
            .route(&format!("{start}/organization/autocomplete"), get(util::organizations));
    }
    router
        .route("/feeds/dataset.atom", get(feed::datasets))
        .route("/feeds/custom.atom", get(feed::custom))
        .route("/feeds/tag/{name}", get(feed::tag))
        .route("/feeds/group/{name}", get(feed::group))
        .route("/feeds/organization/{name}", get(feed::organization))
        // here, so that the layers below see browsers ask for methods
        .method_not_allowed_fallback(unknown::wrong_method)
        .layer(middleware::from_fn_with_state(gateway.clone(), cors::answer))
        // bodies are bounded where they are read
        .layer(DefaultBodyLimit::disable())
}
