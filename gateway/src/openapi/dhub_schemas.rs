//! The bodies of D.Hub (dhub.md sections 3 to 11).

use serde_json::{Map, Value, json};

use super::schema::{anything, count, epoch_ms, filled, list, map, named, nullable, object, one_of, request, text, time, truth};

pub(super) fn all() -> Map<String, Value> {
    let schemas = [common(), sessions(), catalogue(), users(), tables(), pipelines()].into_iter().flatten();
    schemas.map(|(name, schema)| (name.to_owned(), schema)).collect()
}

type Named = Vec<(&'static str, Value)>;

fn common() -> Named {
    let problem = object(&[("loc", list(&anything())), ("msg", text()), ("type", text())]);
    vec![
        ("Refusal", object(&[("detail", json!({"anyOf": [text(), list(&problem)]}))])),
        ("Message", object(&[("message", text())])),
        ("Item", object(&[("item", text())])),
        ("Envelope", object(&[("items", json!({"type": "object", "additionalProperties": text()})), ("token", nullable(&text()))])),
        ("Version", object(&[("version_id", text()), ("last_modified", time()), ("size", count())])),
    ]
}

fn sessions() -> Named {
    let me = [("id", text()), ("email", text()), ("name", text()), ("is_active", truth()), ("provider", text())];
    let me = [&me[..], &[("roles", list(&text())), ("created_at", time())]].concat();
    vec![
        ("Login", request(&["password"], &[("username", text()), ("email", text()), ("password", text())])),
        ("Tokens", object(&[("access_token", text()), ("refresh_token", text()), ("token_type", text())])),
        ("RefreshToken", request(&[], &[("refresh_token", text())])),
        (
            "AccessToken",
            request(&["access_token", "token_type"], &[("access_token", text()), ("token_type", text()), ("refresh_token", text())]),
        ),
        ("Me", object(&me)),
    ]
}

/// What a caller may say of a collection or a dataset.
fn about() -> Named {
    vec![
        ("name", filled()),
        ("description", nullable(&text())),
        ("comment", nullable(&text())),
        ("alias", nullable(&text())),
        ("groups", list(&text())),
        ("tags", list(&text())),
    ]
}

fn catalogue() -> Named {
    let collection = [about(), vec![("type", nullable(&text()))]].concat();
    let dataset = [
        about(),
        vec![
            ("collection_id", nullable(&text())),
            ("type", one_of(&["table", "delta", "stream", "kafka"])),
            ("schema", nullable(&named("Schema"))),
            ("options", map()),
        ],
    ]
    .concat();
    let created = vec![("id", text()), ("name", text()), ("description", nullable(&text())), ("created_at", nullable(&time()))];
    let shown = vec![("alias", nullable(&text())), ("groups", list(&text())), ("tags", list(&text())), ("updated_at", nullable(&time()))];
    let whole_collection = [created.clone(), shown.clone(), vec![("type", nullable(&text())), ("category", text())]].concat();
    let whole_dataset = [
        created.clone(),
        shown,
        vec![("collection_id", nullable(&text())), ("type", text()), ("schema", nullable(&named("Schema"))), ("options", map())],
    ]
    .concat();
    let column = [("name", filled()), ("type", text()), ("nullable", truth()), ("metadata", map())];
    vec![
        ("NewCollection", request(&["name"], &collection)),
        ("CollectionChange", request(&[], &collection)),
        ("CreatedCollection", object(&created)),
        ("Collection", object(&whole_collection)),
        ("NewDataset", request(&["name"], &dataset)),
        ("DatasetChange", request(&[], &dataset)),
        ("Dataset", object(&whole_dataset)),
        ("Schema", request(&["fields"], &[("type", text()), ("fields", list(&named("Column")))])),
        ("Column", request(&["name", "type"], &column)),
    ]
}

fn users() -> Named {
    let said = vec![
        ("email", filled()),
        ("name", filled()),
        ("password", filled()),
        ("alias", nullable(&text())),
        ("groups", list(&text())),
        ("tags", list(&text())),
    ];
    let user = [
        ("id", text()),
        ("email", text()),
        ("name", text()),
        ("alias", nullable(&text())),
        ("type", text()),
        ("groups", list(&text())),
        ("tags", list(&text())),
        ("provider", text()),
        ("is_active", truth()),
        ("roles", list(&text())),
        ("created_at", time()),
        ("updated_at", time()),
    ];
    vec![("NewUser", request(&["email", "name", "password"], &said)), ("UserChange", request(&[], &said)), ("User", object(&user))]
}

fn tables() -> Named {
    let version = [("version", count()), ("timestamp", nullable(&time())), ("operation", text())];
    let version = [&version[..], &[("operationParameters", map()), ("readVersion", nullable(&json!({"type": "integer"})))]].concat();
    vec![
        ("Field", object(&[("name", text()), ("type", text()), ("nullable", truth())])),
        ("Rows", object(&[("columns", list(&text())), ("data", list(&list(&anything()))), ("total_rows", count())])),
        ("TableVersion", object(&version)),
        ("Statement", request(&[], &[("query", text()), ("sql", text())])),
    ]
}

fn pipelines() -> Named {
    let said = [("name", filled()), ("description", nullable(&text())), ("collection_id", nullable(&text())), ("steps", list(&map()))];
    let pipeline = [("id", text()), ("name", text()), ("description", nullable(&text())), ("collection_id", nullable(&text()))];
    let pipeline = [&pipeline[..], &[("created_at", nullable(&time())), ("steps", list(&map()))]].concat();
    let status = one_of(&["running", "completed", "failed"]);
    let batch = [("id", text()), ("pipeline_id", text()), ("status", status), ("started_at", nullable(&time()))];
    let batch = [&batch[..], &[("finished_at", nullable(&time()))]].concat();
    let trace = [("id", text()), ("pipeline_id", text()), ("batch_id", text()), ("name", text()), ("deployment", text())];
    let trace = [
        &trace[..],
        &[("state", map()), ("start_time", nullable(&epoch_ms())), ("end_time", nullable(&epoch_ms())), ("trigger", text())],
        &[("logs", list(&map()))],
    ]
    .concat();
    vec![
        ("NewPipeline", request(&["name"], &said)),
        ("Pipeline", object(&pipeline)),
        ("NewRun", request(&[], &[])),
        ("NewBatch", object(&[("batch_id", text()), ("status", text()), ("started_at", nullable(&time()))])),
        ("Batch", object(&batch)),
        ("Trace", object(&trace)),
    ]
}
