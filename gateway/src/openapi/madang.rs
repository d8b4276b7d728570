//! Madang's own API and the edge.

use super::{
    operation::Operation,
    schema::{count, epoch_ms, list, map, nullable, object, one_of, request, text, time, truth, whole},
};

pub(super) fn operations() -> Vec<Operation> {
    let new = |path: &str, summary| Operation::new("Madang", "get", path, summary);
    let schemes = one_of(&["ncp-signature-v2", "space-basic", "bearer-jwt", "ckan-token", "auth-token"]);
    let who = object(&[("scheme", schemes), ("user", text()), ("space", nullable(&text())), ("roles", list(&text()))]);
    let ready = object(&[("ready", truth()), ("parts", map())]);
    let mut operations = keys();
    operations.extend([
        new("/madang/v1/refusals/{id}", "Why a signed request was refused, for the owner of its key").any_scheme().gives(refusal()),
        new("/madang/v1/whoami", "Who the gateway takes the caller for").any_scheme().gives(who),
        new("/healthz", "The process runs").open().gives(object(&[("status", text())])),
        new("/readyz", "What is ready, part by part").open().gives(ready).may(503),
        new("/metrics", "Counts in Prometheus' text format").open().gives_types(&[("text/plain", text())]),
        new("/openapi.json", "This document").open().gives(map()),
        new("/api/v1/openapi.json", "This document").open().gives(map()),
    ]);
    operations
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
