//! CKAN's API: one operation per action and method, made from the table of actions; and what is beside the actions.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{map, named, text, whole},
};
use crate::dialect::ckan::action::{self, Action};

pub(super) fn operations() -> Vec<Operation> {
    let beside = [
        ("/api", "What speaks here"),
        ("/api/3", "The same by its number"),
        ("/api/i18n/{language}", "Translations of the web pages, which are not here"),
    ];
    let beside = beside.into_iter().map(|(path, summary)| Operation::ckan("CKAN", "get", path, summary).gives(map()));
    let bytes = || json!({"type": "string", "contentMediaType": "application/octet-stream"});
    let file = |path, summary| {
        let file = Operation::ckan("CKAN files", "get", path, summary).refuses_in_words().gives_types(&[("*/*", bytes())]);
        let file = file.also(206, "The part that Range names.").also(302, "The file is elsewhere.");
        file.also(304, "The caller has it.").also(416, "The file has no such bytes.")
    };
    let files = [
        file("/dataset/{id}/resource/{resource}/download", "A resource's file, or a part of it; 302 to a linked one"),
        file("/dataset/{id}/resource/{resource}/download/{filename}", "The same; the name is for people"),
        file("/dataset/{id}/resource/{resource}/bad-rows.csv", "The rows that a resource's table lacks, with line, column and reason"),
        file("/uploads/group/{name}", "A picture of a group or an organization"),
    ];
    let typing = [("dataset", "incomplete"), ("tag", "incomplete"), ("user", "q"), ("group", "q"), ("organization", "q")];
    let typing = typing.into_iter().map(|(kind, word)| {
        let path = format!("/api/util/{kind}/autocomplete");
        Operation::ckan("CKAN", "get", &path, "For whoever is typing").query(word, text(), "What has been typed").gives(json!({}))
    });
    let feeds = [
        ("dataset.atom", "The datasets that changed last"),
        ("custom.atom", "Those of a query"),
        ("tag/{name}", "Those with a tag; the name ends in .atom"),
        ("group/{name}", "Those in a group; the name ends in .atom"),
        ("organization/{name}", "Those of an organization; the name ends in .atom"),
    ];
    let feeds = feeds.into_iter().map(|(path, summary)| {
        let operation = Operation::ckan("CKAN", "get", &format!("/feeds/{path}"), summary).query("page", whole(1, 1_000_000), "");
        let operation = if path == "custom.atom" { operation.query("q", text(), "A query, as package_search takes it") } else { operation };
        operation.gives_types(&[("application/atom+xml", text())])
    });
    let actions = action::all().flat_map(|action| {
        let get = action.reads.then(|| described(action, "get"));
        get.into_iter().chain([described(action, "post")])
    });
    beside.chain(files).chain(typing).chain(feeds).chain([dump()]).chain(actions).collect()
}

/// A whole table as a file.
fn dump() -> Operation {
    let operation = Operation::ckan("CKAN", "get", "/datastore/dump/{id}", "A whole table as CSV, TSV, JSON or XML").refuses_in_words();
    let parameters = [
        ("format", "csv, tsv, json or xml"),
        ("bom", "Whether a mark for UTF-8 comes first"),
        ("offset", "Rows to leave out from the start"),
        ("limit", "Rows at most"),
        ("filters", "As in datastore_search"),
        ("q", "As in datastore_search"),
        ("fields", "Columns, with commas between them"),
        ("sort", "As in datastore_search"),
    ];
    parameters.into_iter().fold(operation, |operation, (name, meaning)| operation.query(name, text(), meaning)).gives(json!({}))
}

fn described(action: &Action, method: &'static str) -> Operation {
    let path = format!("/api/3/action/{}", action.name);
    let operation = Operation::ckan("CKAN actions", method, &path, action.summary()).extension("x-permission", action.who.name());
    let operation = if method == "get" {
        action.parameters().fold(operation, |operation, (name, meaning)| operation.query(name, text(), meaning))
    } else {
        operation.json_of(body(action))
    };
    operation.gives(named("CkanSuccess"))
}

/// Values may be of any kind: CKAN takes texts for truths and numbers.
fn body(action: &Action) -> Value {
    let properties: serde_json::Map<String, Value> =
        action.parameters().map(|(name, meaning)| (name.to_owned(), json!({"description": meaning}))).collect();
    json!({"type": "object", "properties": properties})
}

/// The envelope.
pub(super) fn schemas() -> Vec<(String, Value)> {
    let refused = json!({
        "type": "object",
        "required": ["success", "error"], // `help` is an action's
        "properties": {"help": text(), "success": {"const": false}, "error": {"type": "object", "required": ["__type"]}},
    });
    let success = json!({
        "type": "object",
        "required": ["help", "success", "result"],
        "properties": {"help": text(), "success": {"const": true}, "result": {}},
    });
    let bad_request = json!({"type": "string", "description": "Where there is no action, or no dictionary for it."});
    let refused = json!({"anyOf": [refused, bad_request]});
    vec![("CkanSuccess".to_owned(), success), ("CkanRefusal".to_owned(), refused)]
}
