//! The bodies of D.Hub (dhub.md sections 3 to 11).

use serde_json::{Map, Value, json};

use super::schema::{anything, count, epoch_ms, filled, list, map, named, nullable, object, one_of, request, text, time, truth};

pub(super) fn all() -> Map<String, Value> {
    let schemas = [common(), sessions(), catalogue(), users(), tables(), pipelines(), batches(), traces(), codes()].into_iter().flatten();
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
        vec![
            ("collection_id", nullable(&text())),
            ("type", text()),
            ("schema", nullable(&named("Schema"))),
            ("options", map()),
            ("tables", list(&named("DatasetTable"))),
        ],
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
        ("DatasetTable", object(&[("id", text()), ("name", nullable(&text()))])),
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

/// What a caller may say of a pipeline or a code.
fn card() -> Named {
    [about(), vec![("collection_id", nullable(&text())), ("options", map()), ("metadata", map())]].concat()
}

/// What a pipeline or a code shows.
fn shown_card() -> Named {
    vec![
        ("id", text()),
        ("name", text()),
        ("description", nullable(&text())),
        ("collection_id", nullable(&text())),
        ("created_at", nullable(&anything())),
    ]
}

fn pipelines() -> Named {
    let kind = one_of(&["batch", "event"]);
    let said = [card(), vec![("type", kind.clone()), ("steps", list(&named("Step")))]].concat();
    let shown = [shown_card(), vec![("type", kind), ("steps", list(&map())), ("options", map()), ("metadata", map())]].concat();
    let edges = json!({"type": "object", "additionalProperties": {"anyOf": [text(), map()]}});
    let step = [("name", filled()), ("script", filled()), ("inputs", edges.clone()), ("outputs", edges), ("options", map())];
    vec![
        ("NewPipeline", request(&["name"], &said)),
        ("PipelineChange", request(&[], &said)),
        ("Pipeline", object(&shown)),
        ("Step", request(&["name", "script"], &step)),
        ("NewRun", request(&[], &[("parameters", map()), ("pipeline_version", text())])),
        ("Nothing", request(&[], &[])),
        ("NewBatch", object(&[("batch_id", text()), ("status", text()), ("started_at", nullable(&time()))])),
    ]
}

fn batches() -> Named {
    let status = one_of(&["running", "completed", "failed"]);
    let batch = [("id", text()), ("pipeline_id", text()), ("status", status), ("started_at", nullable(&time()))];
    let batch = [&batch[..], &[("finished_at", nullable(&time()))]].concat();
    let state = object(&[("state", one_of(&["pending", "scheduled", "running", "stop"])), ("steps", map())]);
    vec![("Batch", object(&batch)), ("BatchState", object(&[("id", text()), ("name", text()), ("deployment", text()), ("state", state)]))]
}

fn traces() -> Named {
    let states = one_of(&["none", "pending", "running", "completed", "failed", "cancelled"]);
    let step = [("state", states.clone()), ("offsets", map()), ("comment", nullable(&text())), ("stacktrace", nullable(&text()))];
    let times = [("start_time", nullable(&epoch_ms())), ("end_time", nullable(&epoch_ms()))];
    let state = object(&[("state", states), ("steps", json!({"type": "object", "additionalProperties": named("TraceStep")}))]);
    let trace = [&[("id", text()), ("name", text()), ("deployment", text()), ("state", state)][..], &times].concat();
    let more = [("pipeline_id", text()), ("batch_id", text()), ("trigger", text()), ("logs", list(&map()))];
    vec![
        ("TraceStep", object(&[&step[..], &times].concat())),
        ("Trace", object(&trace)),
        ("FullTrace", object(&[&trace[..], &more].concat())),
    ]
}

fn codes() -> Named {
    let kind = one_of(&["python", "sql"]);
    let said = [card(), vec![("type", kind.clone())]].concat();
    vec![
        ("NewCode", request(&["name", "type"], &said)),
        ("CodeChange", request(&[], &said)),
        ("Code", object(&[shown_card(), vec![("type", kind), ("options", map())]].concat())),
    ]
}
