//! Madang's own API and the edge.

use super::{
    operation::Operation,
    schema::{bytes, count, epoch_ms, list, map, nullable, object, one_of, request, text, time, truth, whole},
};

pub(super) fn operations() -> Vec<Operation> {
    let new = |path: &str, summary| Operation::new("Madang", "get", path, summary);
    let schemes = one_of(&["ncp-signature-v2", "space-basic", "bearer-jwt", "ckan-token", "auth-token"]);
    let who = object(&[("scheme", schemes), ("user", text()), ("space", nullable(&text())), ("roles", list(&text()))]);
    let ready = object(&[("ready", truth()), ("parts", map())]);
    let edge = vec![
        new("/madang/v1/refusals/{id}", "Why a signed request was refused, for the owner of its key").any_scheme().gives(refusal()),
        new("/madang/v1/whoami", "Who the gateway takes the caller for").any_scheme().gives(who),
        new("/healthz", "The process runs").open().gives(object(&[("status", text())])),
        new("/readyz", "What is ready, part by part").open().gives(ready).may(503),
        new("/metrics", "Counts in Prometheus' text format").open().gives_types(&[("text/plain", text())]),
        new("/openapi.json", "This document").open().gives(map()),
        new("/api/v1/openapi.json", "This document").open().gives(map()),
    ];
    edge.into_iter().chain(storage()).chain(connections()).chain(search()).chain(keys()).collect()
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

/// One search over everything.
fn search() -> Vec<Operation> {
    let found = |item: serde_json::Value| object(&[("count", count()), ("items", list(&item))]);
    let dataset =
        [("id", text()), ("name", text()), ("title", text()), ("description", nullable(&text())), ("organization_id", nullable(&text()))];
    let table = object(&[&dataset[..], &[("columns", list(&text()))]].concat());
    let job = object(&[("id", text()), ("name", text()), ("description", nullable(&text()))]);
    let kinds =
        request(&[], &[("datasets", found(object(&dataset))), ("tables", found(table)), ("jobs", found(job)), ("surveys", found(map()))]);
    vec![
        Operation::new("Search", "get", "/madang/v1/search", "Search datasets, tables' columns, jobs and surveys that the caller may see")
            .any_scheme()
            .query("q", text(), "Words; without any, everything")
            .query("kind", text(), "Some of datasets,tables,jobs,surveys")
            .query("limit", whole(0, 100), "Hits of each kind")
            .query("start", whole(0, 1_000_000), "Hits that are left out from the start")
            .gives(object(&[("q", text()), ("results", kinds)])),
        Operation::new("Search", "post", "/madang/v1/admin/search/rebuild", "Build the search index anew, beside the one that serves")
            .any_scheme()
            .may(403)
            .gives(object(&[("datasets", count())])),
    ]
}

/// Access keys, for administrators.
fn keys() -> Vec<Operation> {
    const ALL: &str = "/madang/v1/admin/keys";
    const ONE: &str = "/madang/v1/admin/keys/{access_key}";
    let new = |method, path: &str, summary| Operation::new("Madang", method, path, summary).any_scheme().may(403);
    vec![
        new("get", ALL, "Access keys by name")
            .query("after", text(), "Only those after this one.")
            .query("limit", whole(1, 1_000), "Keys of one page.")
            .gives(object(&[("keys", list(&key())), ("next", nullable(&text()))])),
        new("post", ALL, "Make an access key; its secret is shown this once")
            .json_of(wish(&[
                ("user", nullable(&text())),
                ("space", nullable(&text())),
                ("access_key", nullable(&text())),
                ("secret_key", nullable(&text())),
            ]))
            .gives_as(201, key()),
        new("get", ONE, "One access key").gives(key()),
        new("patch", ONE, "Enable, disable or limit an access key")
            .json_of(wish(&[("state", nullable(&one_of(&["active", "disabled"])))]))
            .gives(key()),
        new("delete", ONE, "Remove an access key").gives(object(&[("deleted", text())])),
    ]
}

fn wish(keys: &[(&str, serde_json::Value)]) -> serde_json::Value {
    let number = || nullable(&whole(1, u64::from(u32::MAX)));
    let plan = request(&[], &[("per_second", number()), ("per_day", number()), ("per_month", number())]);
    let common = [("expires_at", nullable(&time())), ("plan", nullable(&plan))];
    request(&[], &[keys, &common].concat())
}

fn key() -> serde_json::Value {
    let number = || nullable(&count());
    object(&[
        ("access_key", text()),
        ("user", text()),
        ("space", nullable(&text())),
        ("state", one_of(&["active", "disabled"])),
        ("created_at", time()),
        ("expires_at", nullable(&time())),
        ("plan", object(&[("per_second", number()), ("per_day", number()), ("per_month", number())])),
        ("used", object(&[("day", count()), ("month", count())])),
    ])
}

fn refusal() -> serde_json::Value {
    let verdict = object(&[("mistake", text()), ("explanation", text())]);
    object(&[
        ("id", text()),
        ("at", time()),
        ("expires_at", time()),
        ("access_key", nullable(&text())),
        ("verdict", text()),
        ("verdicts", list(&verdict)),
        ("string_to_sign", text()),
        ("clock_off_ms", nullable(&epoch_ms())),
        ("body", text()),
    ])
}
