//! The operations of D.Hub, in the order of its route table (docs/dhub.md says what each does).

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{bytes, count, epoch_ms, list, map, named, nullable, object, one_of, text, truth, whole},
};

pub(super) fn operations() -> Vec<Operation> {
    let groups = [sessions(), collections(), datasets(), users(), tables(), pipelines(), batches(), traces(), codes(), events(), absent()];
    groups.into_iter().flatten().collect()
}

fn sessions() -> Vec<Operation> {
    let new = |method, path: &str, summary| Operation::new("Sessions", method, &format!("/api/v1/auth/{path}"), summary);
    vec![
        new("post", "login", "Log in by user name or e-mail").open().json("Login").gives(named("Tokens")).may(429),
        new("post", "refresh", "A new access token for a refresh token, from the cookie or the body")
            .open()
            .json("RefreshToken")
            .gives(named("AccessToken")),
        new("post", "logout", "End a refresh token").json("RefreshToken").gives(named("Message")),
        new("get", "me", "The signed-in user").gives(named("Me")),
    ]
}

fn collections() -> Vec<Operation> {
    let new = |method, path: &str, summary| Operation::new("Collections", method, &format!("/api/v1/collections{path}"), summary);
    vec![
        listed(new("get", "", "The collections that the caller may see")).gives(list(&named("Collection"))),
        new("post", "", "A new collection")
            .json("NewCollection")
            .gives(named("CreatedCollection"))
            .leads_to(&["/api/v1/collections/{id}"], "id"),
        enveloped(new("get", "/", "The same in pages")).gives(named("Envelope")),
        new("post", "/", "A new collection whose name no other has").json("NewCollection").gives(named("Item")),
        version_of(new("get", "/{id}", "One collection"), "collection").gives(named("Collection")),
        new("put", "/{id}", "Change what is given").json("CollectionChange").gives(named("Collection")),
        new("delete", "/{id}", "Delete a collection; with force also its datasets").query("force", truth(), "").gives(named("Message")),
        new("get", "/{id}/versions", "Its versions, newest first").gives(list(&named("Version"))),
    ]
}

fn datasets() -> Vec<Operation> {
    let new = |method, path: &str, summary| Operation::new("Datasets", method, &format!("/api/v1/datasets{path}"), summary);
    vec![
        listed(new("get", "", "The datasets that the caller may see"))
            .query("collection_id", text(), "Only those of this collection")
            .gives(list(&named("Dataset"))),
        new("post", "", "A new dataset")
            .json("NewDataset")
            .gives(named("Dataset"))
            .leads_to(&["/api/v1/datasets/{id}", "/api/v1/tables/{id}"], "id"),
        enveloped(new("get", "/", "The same in pages")).query("collection_id", text(), "").gives(named("Envelope")),
        new("post", "/", "A new dataset whose name no other has").json("NewDataset").gives(named("Item")),
        version_of(new("get", "/{id}", "One dataset"), "dataset").gives(named("Dataset")),
        new("put", "/{id}", "Change what is given; columns may only grow").json("DatasetChange").gives(named("Dataset")),
        new("delete", "/{id}", "Delete a dataset with its table").gives(named("Message")),
        new("get", "/{id}/versions", "Its versions, newest first").gives(list(&named("Version"))),
        uploads(new("post", "/{id}/upload", "Upload files into its table")),
    ]
}

fn users() -> Vec<Operation> {
    let new = |method, path: &str, summary| Operation::new("Users", method, &format!("/api/v1/users{path}"), summary).may(403);
    vec![
        new("get", "/", "All users, in pages")
            .query("limit", whole(1, 1_000), "")
            .query("token", text(), "From the page before")
            .gives(named("Envelope")),
        listed(new("get", "", "All users")).gives(list(&named("User"))),
        new("post", "", "A new user").json("NewUser").gives(named("User")).leads_to(&["/api/v1/users/{id}"], "id"),
        new("post", "/", "A new user").json("NewUser").gives(named("Item")),
        version_of(new("get", "/{id}", "One user"), "user").gives(named("User")),
        new("put", "/{id}", "Change what is given").json("UserChange").gives(named("User")),
        new("delete", "/{id}", "Delete a user").gives(named("Message")),
        new("get", "/{id}/versions", "His versions, newest first").gives(list(&named("Version"))),
    ]
}

fn tables() -> Vec<Operation> {
    let new = |method, path: &str, summary| Operation::new("Tables", method, &format!("/api/v1/tables{path}"), summary);
    let fields = object(&[("fields", list(&named("Field")))]);
    vec![
        with_files(new("post", "/schema", "The columns that files would get, without keeping them")).gives(fields),
        rows(new("get", "/{id}", "Rows: a page, or with format the whole table as a file"))
            .query("page", whole(1, u64::from(u32::MAX)), "From 1")
            .query("page_size", whole(1, 10_000), "")
            .query("version", json!({"type": "integer"}), "An older version")
            .query("format", formats(), "")
            .gives_types(&row_types())
            .may(408),
        new("delete", "/{id}", "Delete the rows that meet every filter")
            .query("filter", list(&text()), "column:op:value; at least one")
            .gives(object(&[("message", text()), ("rows", count())])),
        uploads(new("post", "/{id}/upload", "Upload files into the table")),
        new("get", "/{id}/versions", "The table's versions, newest first")
            .query("limit", whole(1, 10_000), "All if not given; of more than 10,000 a part has to be asked for")
            .query("before", whole(0, u64::from(u32::MAX)), "Only versions below this one")
            .gives(list(&named("TableVersion"))),
        new("post", "/{id}/query", "Run one SELECT")
            .query("format", formats(), "")
            .query("limit", whole(1, 10_000), "Rows; more are refused")
            .body(&[("application/json", named("Statement")), ("text/plain", text())])
            .gives_types(&row_types())
            .may(400),
    ]
}

fn pipelines() -> Vec<Operation> {
    let new = |method, path: &str, summary| Operation::new("Pipelines", method, &format!("/api/v1/pipelines{path}"), summary);
    vec![
        listed(new("get", "", "The pipelines that the caller may see")).gives(list(&named("Pipeline"))),
        new("post", "", "A new pipeline").json("NewPipeline").gives(named("Pipeline")).leads_to(&["/api/v1/pipelines/{id}"], "id"),
        enveloped(new("get", "/", "The same in pages")).gives(named("Envelope")),
        new("post", "/", "A new pipeline whose name no other has").json("NewPipeline").gives(named("Item")),
        version_of(new("get", "/{id}", "One pipeline"), "pipeline").gives(named("Pipeline")),
        new("put", "/{id}", "Change what is given; steps are replaced whole").json("PipelineChange").gives(named("Pipeline")),
        new("delete", "/{id}", "Delete a pipeline that is not running").gives(named("Message")),
        new("get", "/{id}/versions", "Its versions, newest first").gives(list(&named("Version"))),
        new("get", "/{id}/schedule", "When it runs next, and what became of its slots").gives(map()),
        new("post", "/{id}/run", "Start a run").json("NewRun").gives(named("NewBatch")).leads_to(&["/api/v1/batches/{id}"], "batch_id"),
    ]
}

fn batches() -> Vec<Operation> {
    let new = |method, path: &str, summary| Operation::new("Batches", method, &format!("/api/v1/batches{path}"), summary);
    let state_or_batch = json!({"anyOf": [named("Batch"), named("BatchState")]});
    vec![
        new("get", "/{id}", "How a batch stands; of a pipeline's id, the state of its latest").gives(state_or_batch),
        version_of(new("post", "/{id}", "Start a run of a pipeline"), "pipeline").json("NewRun").gives(named("Item")),
        new("get", "/{id}/", "A pipeline's batches, newest first")
            .query("limit", whole(1, 1_000), "")
            .query("token", text(), "From the page before")
            .gives(named("Envelope")),
        new("post", "/{id}/cancel", "Stop a batch").json("Nothing").gives(named("Batch")),
        new("get", "/{id}/{batch}", "The state of one batch of a pipeline").gives(named("BatchState")),
        new("delete", "/{id}/{batch}", "Stop a batch").gives(named("Batch")),
    ]
}

fn traces() -> Vec<Operation> {
    let new = |path: &str, summary| Operation::new("Traces", "get", &format!("/api/v1/traces{path}"), summary);
    let items = |of: &str| object(&[("items", json!({"type": "object", "additionalProperties": named(of)}))]);
    vec![
        new("", "Runs with their steps and logs, newest first")
            .query("pipeline_id", text(), "")
            .query("batch_id", text(), "")
            .query("limit", whole(1, 1_000), "100 if not given; the header Link leads to the next")
            .query("offset", whole(0, u64::from(u32::MAX)), "")
            .gives(list(&named("FullTrace")))
            .may(413),
        new("/pipelines/{id}", "A pipeline's latest trace").gives(named("Trace")),
        new("/pipelines/{id}/", "A pipeline's traces, newest first")
            .query("limit", whole(1, 1_000), "100 if not given; the header Link leads to the next")
            .query("token", text(), "From the header Link")
            .gives(items("Trace")),
        new("/pipelines/{id}/{batch}", "The trace of one batch").gives(named("Trace")),
        new("/steps/{batch}", "The steps of one batch").gives(items("TraceStep")),
    ]
}

fn codes() -> Vec<Operation> {
    let new = |method, path: &str, summary| Operation::new("Codes", method, &format!("/api/v1/codes{path}"), summary);
    let script = [("application/octet-stream", bytes()), ("text/plain", text())];
    let saved = object(&[("message", text()), ("version", text())]);
    let version = object(&[("version", text()), ("is_latest", truth()), ("last_modified", nullable(&epoch_ms()))]);
    vec![
        listed(new("get", "", "The codes that the caller may see")).gives(list(&named("Code"))),
        new("post", "", "A new code").json("NewCode").gives(named("Code")).leads_to(&["/api/v1/codes/{id}"], "id"),
        enveloped(new("get", "/", "The same in pages")).gives(named("Envelope")),
        new("post", "/", "A new code whose name no other has").json("NewCode").gives(named("Item")),
        version_of(new("get", "/{id}", "One code"), "code").gives(named("Code")),
        new("put", "/{id}", "Change what is given").json("CodeChange").gives(named("Code")),
        new("delete", "/{id}", "Delete a code").gives(named("Message")),
        new("get", "/{id}/versions", "Its versions, newest first").gives(list(&named("Version"))),
        version_of(new("get", "/{id}/file", "The script"), "code").gives_types(&script[..1]),
        new("put", "/{id}/file", "A new version of the script").body(&script).gives(saved),
        new("get", "/{id}/file/versions", "The script's versions, oldest first").gives(list(&version)),
    ]
}

fn events() -> Vec<Operation> {
    let new = |method, path: &str, summary| Operation::new("Events", method, &format!("/api/v1/events{path}"), summary);
    let refused = object(&[("pipeline_id", text()), ("detail", text())]);
    let accepted = object(&[("message", text()), ("batches", list(&text())), ("refused", list(&refused))]);
    vec![
        new("get", "/{id}", "Whether a pipeline listens to its topic").gives(object(&[("ready", truth())])),
        version_of(new("post", "/{id}", "Let a pipeline listen to its topic"), "pipeline").gives(named("Message")),
        new("delete", "/{id}", "Stop listening").gives(named("Message")),
        new("post", "/topics/{topic}/messages", "A message, a JSON object: it starts the pipelines that listen")
            .body(&[("application/json", map())])
            .gives(accepted),
    ]
}

/// Documented by the original and not served here.
fn absent() -> Vec<Operation> {
    let new = |method, path: &'static str| Operation::new("Not served", method, path, "Not served here: 501").only(501);
    let roots = [
        "/api/v1/knowledges",
        "/api/v1/knowledges/",
        "/api/v1/knowledger",
        "/api/v1/knowledger/",
        "/api/v1/ontologies",
        "/api/v1/ontologies/",
    ];
    let below = ["/api/v1/knowledges/{rest}", "/api/v1/knowledger/{rest}", "/api/v1/ontologies/{rest}"];
    let mut operations = Vec::new();
    operations.extend(roots.iter().flat_map(|path| ["get", "post"].map(|method| new(method, path))));
    operations.extend(below.iter().flat_map(|path| ["get", "post", "put", "delete"].map(|method| new(method, path))));
    operations.extend(["/v1/chat/completions", "/v1/chat/completions/"].map(|path| new("post", path)));
    operations.extend(["/v1/models", "/v1/models/"].map(|path| new("get", path)));
    operations
}

/// The query of a list without a trailing slash.
fn listed(operation: Operation) -> Operation {
    found(operation).query("offset", whole(0, u64::from(u32::MAX)), "")
}

/// The query of a list with one.
fn enveloped(operation: Operation) -> Operation {
    found(operation).query("token", text(), "From the page before").query("groups", text(), "Names with commas between")
}

fn found(operation: Operation) -> Operation {
    operation.query("limit", whole(1, 1_000), "100 if not given").query("q", text(), "Part of the name").query("tag", text(), "")
}

fn version_of(operation: Operation, kind: &str) -> Operation {
    operation.query(&format!("{kind}_version"), text(), "An older version: v2")
}

fn uploads(operation: Operation) -> Operation {
    with_files(operation)
        .query("mode", one_of(&["append", "overwrite", "merge"]), "append if not given")
        .query("keys", text(), "Of a merge: names of columns with commas between")
        .gives(object(&[("message", text()), ("rows", count()), ("columns", count())]))
}

fn with_files(operation: Operation) -> Operation {
    let file = json!({"type": "object", "properties": {"file": bytes(), "files": list(&bytes())}});
    operation
        .query("format", one_of(&["csv", "tsv", "json", "ndjson", "jsonl", "parquet"]), "By the file if not given")
        .query("delimiter", one_of(&[",", ";", "\t", "|"]), "Of a CSV file; sniffed if not given")
        .body(&[("multipart/form-data", file)])
}

fn rows(operation: Operation) -> Operation {
    operation
        .query("columns", text(), "Names with commas between")
        .query("sort", text(), "Names with commas between; - for the greatest first")
        .query("filter", list(&text()), "column:op:value, op being eq ne lt le gt ge like in or isnull")
}

fn formats() -> Value {
    one_of(&["csv", "json", "parquet", "arrow"])
}

fn row_types() -> [(&'static str, Value); 4] {
    [
        ("application/json", json!({"anyOf": [named("Rows"), list(&json!({"type": "object"}))]})),
        ("text/csv", text()),
        ("application/vnd.apache.parquet", bytes()),
        ("application/vnd.apache.arrow.stream", bytes()),
    ]
}
