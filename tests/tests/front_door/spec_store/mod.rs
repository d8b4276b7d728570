//! The Spec Store through the front door, its flows worked on by the hub. What it answers to bad input stands in `tests/scenarios`, what it
//! does with a runner elsewhere in `madang/tests/command/spec`.

mod authorization;
mod dataset;
mod files;
mod flow;
mod metastore;

pub(crate) use authorization::ROUTES;

use base64::{Engine, engine::general_purpose::STANDARD};
use madang_tests::{Client, FilePart, Hub, work};
use md5::{Digest, Md5};
use serde_json::{Value, json};

/// The administrator with his service token.
fn owner(hub: &Hub) -> (String, Client) {
    (hub.credentials().owner_id, hub.visitor().with(hub.auth_token()))
}

/// Another owner, with a token of his own.
async fn another(hub: &Hub) -> (String, Client) {
    let (_, _, person) = work::person(&hub.admin().await, &[]).await;
    let issued = person.get("/auth/authorize?service=source").send().await.is(200);
    let token = issued.text_of("token");
    (issued.text_of("userid"), hub.visitor().with(madang_tests::Login::header("auth-token", token)))
}

/// A spec of one table whose rows are at an address.
fn spec(owner_id: &str, dataset: &str, url: &str) -> Value {
    let schema = json!({"fields": [{"name": "name", "type": "string"}, {"name": "length_km", "type": "number"}]});
    let resource = json!({"name": "rivers", "path": "data/rivers.csv", "format": "csv", "schema": schema});
    json!({
        "meta": {"version": 1, "owner": "mina", "ownerid": owner_id, "dataset": dataset, "findability": "published"},
        "inputs": [{"kind": "datapackage", "url": "http://example.invalid/datapackage.json", "parameters": {
            "resource-mapping": {"data/rivers.csv": url},
            "descriptor": {"name": dataset, "title": "Rivers", "resources": [resource]}}}],
    })
}

/// A dataset's name that no other test uses.
fn name(of: &str) -> String {
    format!("{of}-{}", std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos())
}

/// The revision once it has ended.
async fn ended(client: &Client, flow: &str) -> Value {
    for _ in 0..4 {
        let read = client.get(&format!("/source/{flow}?wait=30")).send().await.is(200).json();
        if !matches!(read["state"].as_str(), Some("QUEUED" | "INPROGRESS")) {
            return read;
        }
    }
    unreachable!("{flow} does not end")
}

/// Stores rows as a file and gives its address.
async fn stored(hub: &Hub, own: &Client, owner: &str, dataset: &str, rows: &str) -> String {
    let wanted = json!({
        "metadata": {"owner": owner, "dataset": dataset, "findability": "published"},
        "filedata": {"data/rivers.csv": {"length": rows.len(), "md5": STANDARD.encode(Md5::digest(rows))}},
    });
    let offered = own.post("/rawstore/authorize").json(&wanted).send().await.is(200).json()["filedata"]["data/rivers.csv"].clone();
    let text = |name: &str| offered["upload_query"][name].as_str().expect("a text").as_bytes();
    let field = |part, bytes| FilePart { part, file: "", media: "text/plain", bytes };
    let file = FilePart { part: "file", file: "rivers.csv", media: "text/csv", bytes: rows.as_bytes() };
    let parts = [field("policy", text("policy")), field("x-madang-signature", text("x-madang-signature")), file];
    hub.visitor().post("/rawstore/objects").form(&parts).send().await.is(204);
    format!("{}/{}", offered["upload_url"].as_str().expect("an address"), offered["upload_query"]["key"].as_str().expect("a key"))
}
