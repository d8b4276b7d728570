//! Madang's own API and the edge.

use super::{
    operation::Operation,
    schema::{bytes, count, list, map, nullable, object, one_of, text, time, truth, whole},
};

pub(super) fn operations() -> Vec<Operation> {
    let new = |path: &str, summary| Operation::new("Madang", "get", path, summary);
    let schemes = one_of(&["ncp-signature", "space-basic", "bearer-jwt", "ckan-token", "auth-token"]);
    let who = object(&[("scheme", schemes), ("user", text()), ("space", nullable(&text())), ("roles", list(&text()))]);
    let ready = object(&[("ready", truth()), ("parts", map())]);
    let edge = vec![
        new("/madang/v1/whoami", "Who the gateway takes the caller for").any_scheme().gives(who),
        new("/healthz", "The process runs").open().gives(object(&[("status", text())])),
        new("/readyz", "What is ready, part by part").open().gives(ready).may(503),
        new("/metrics", "Counts in Prometheus' text format").open().gives_types(&[("text/plain", text())]),
        new("/openapi.json", "This document").open().gives(map()),
        new("/api/v1/openapi.json", "This document").open().gives(map()),
    ];
    edge.into_iter().chain(storage()).chain(connections()).collect()
}

/// Object Storage.
fn storage() -> Vec<Operation> {
    let new = |method, path: &str, summary| {
        Operation::new("Buckets", method, &format!("/madang/v1/buckets{path}"), summary).any_scheme().may(403)
    };
    let grant = object(&[("space", text()), ("access", one_of(&["read", "write"]))]);
    let bucket = object(&[("name", text()), ("grants", list(&grant)), ("created_at", nullable(&time()))]);
    let found = object(&[("key", text()), ("bytes", count()), ("modified_at", nullable(&time()))]);
    let deleted = || object(&[("deleted", truth())]);
    vec![
        new("get", "", "The buckets that the caller's space may read").gives(object(&[("buckets", list(&bucket))])),
        new("post", "", "A new bucket").body(&[("application/json", object(&[("name", text())]))]).gives(bucket.clone()),
        new("delete", "/{bucket}", "Remove an empty bucket").gives(deleted()),
        new("put", "/{bucket}/grants", "Say which spaces have the bucket")
            .body(&[("application/json", object(&[("grants", list(&grant))]))])
            .gives(bucket),
        new("get", "/{bucket}/objects", "A page of its objects, by key")
            .query("prefix", text(), "Only keys that begin with it")
            .query("after", text(), "Only keys after this one")
            .query("limit", whole(1, 1_000), "")
            .gives(object(&[("objects", list(&found)), ("next", nullable(&text()))])),
        new("get", "/{bucket}/objects/{key}", "The bytes of an object").gives_types(&[("application/octet-stream", bytes())]),
        new("put", "/{bucket}/objects/{key}", "Store an object").body(&[("application/octet-stream", bytes())]).gives(found),
        new("delete", "/{bucket}/objects/{key}", "Remove an object").gives(deleted()),
    ]
}

/// Databases that jobs read and write.
fn connections() -> Vec<Operation> {
    let new = |method, path: &str, summary| {
        Operation::new("Connections", method, &format!("/madang/v1/connections{path}"), summary).any_scheme().may(403)
    };
    let kinds = || one_of(&["postgresql", "mysql"]);
    let tls = || one_of(&["prefer", "require", "off"]);
    let shown = [
        ("id", text()),
        ("name", text()),
        ("kind", kinds()),
        ("host", text()),
        ("port", whole(1, 65_535)),
        ("database", text()),
        ("username", text()),
        ("tls", tls()),
        ("created_at", nullable(&time())),
    ];
    let given = [
        ("name", text()),
        ("kind", kinds()),
        ("host", text()),
        ("port", whole(1, 65_535)),
        ("database", text()),
        ("username", text()),
        ("password", text()),
        ("tls", tls()),
    ];
    vec![
        new("get", "", "The connections of the caller's space").gives(object(&[("connections", list(&object(&shown)))])),
        new("post", "", "A new connection; its password is never shown again")
            .body(&[("application/json", object(&given))])
            .gives(object(&shown)),
        new("get", "/{id}", "One connection, by id or name").gives(object(&shown)),
        new("delete", "/{id}", "Remove a connection").gives(object(&[("deleted", truth())])),
    ]
}
