//! Madang's own API and the edge.

use super::{
    operation::Operation,
    schema::{list, map, nullable, object, one_of, text, truth},
};

pub(super) fn operations() -> Vec<Operation> {
    let new = |path: &str, summary| Operation::new("Madang", "get", path, summary);
    let schemes = one_of(&["ncp-signature", "space-basic", "bearer-jwt", "ckan-token", "auth-token"]);
    let who = object(&[("scheme", schemes), ("user", text()), ("space", nullable(&text())), ("roles", list(&text()))]);
    let ready = object(&[("ready", truth()), ("parts", map())]);
    vec![
        new("/madang/v1/whoami", "Who the gateway takes the caller for").any_scheme().gives(who),
        new("/healthz", "The process runs").open().gives(object(&[("status", text())])),
        new("/readyz", "What is ready, part by part").open().gives(ready).may(503),
        new("/metrics", "Counts in Prometheus' text format").open().gives_types(&[("text/plain", text())]),
        new("/openapi.json", "This document").open().gives(map()),
        new("/api/v1/openapi.json", "This document").open().gives(map()),
    ]
}
