//! The OpenAPI document describes every route, and nothing else; the viewer loads nothing from elsewhere.

use std::collections::BTreeSet;

use madang_tests::on_every_hub;
use serde_json::Value;

use crate::{
    authorization::{CLOSED, FOR_ADMINISTRATORS, OPEN, OWN},
    data_flow, dataspace,
};

/// What the paths of D.Hub, Data Flow and Dataspace begin with.
const BASES: [&str; 4] = ["/api/v1/", "/v1/", "/dataspace/v1/", "/r/"];

/// Methods and paths of D.Hub that the document describes.
fn described(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().expect("paths");
    let of = |path: &String, operations: &Value| {
        let methods: Vec<_> = operations.as_object().expect("operations").keys().map(|method| method.to_uppercase()).collect();
        methods.into_iter().map(|method| (method, path.clone())).collect::<Vec<_>>()
    };
    let all = paths.iter().flat_map(|(path, operations)| of(path, operations));
    all.filter(|(_, path)| path != "/api/v1/openapi.json" && BASES.iter().any(|base| path.starts_with(base))).collect()
}

/// CKAN's actions that the document describes.
fn actions(document: &Value) -> Vec<(&str, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let actions: Vec<_> = paths.iter().filter_map(|(path, operations)| Some((path.strip_prefix("/api/3/action/")?, operations))).collect();
    assert!(actions.len() > 130, "{}", actions.len());
    actions
}

#[tokio::test]
async fn every_route_is_described() {
    on_every_hub(|hub| async move {
        let answer = hub.visitor().get("/openapi.json").send().await.is(200);
        let document = answer.json();
        assert_eq!(document["openapi"], "3.1.0");
        let routes = CLOSED
            .iter()
            .chain(&OPEN)
            .chain(&data_flow::CLOSED)
            .chain(&dataspace::KEYS)
            .chain(&dataspace::PEOPLE)
            .chain(&dataspace::OPEN)
            .map(|(method, path)| ((*method).to_owned(), path.replace('*', "")))
            .collect();
        assert_eq!(described(&document), routes);
        for (method, path) in OWN.iter().chain(&FOR_ADMINISTRATORS).chain(&[("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")]) {
            let operation = &document["paths"][path.replace('*', "")][method.to_lowercase()];
            assert!(operation.is_object(), "{method} {path}");
        }
        for (name, operations) in actions(&document) {
            let reads = operations["get"].is_object();
            let unknown = hub.visitor().get(&format!("/api/3/action/{name}")).send().await;
            assert_eq!(unknown.status == 400, !reads, "{unknown}"); // a known action that GET will do for, or one that wants POST
            assert!(!unknown.text.contains("not known"), "{unknown}");
            let help = hub.visitor().get(&format!("/api/3/action/help_show?name={name}")).send().await.is(200).json();
            assert!(help["result"].as_str().is_some_and(|help| help.contains(":returns:")), "{help}");
        }
        assert_eq!(hub.visitor().get("/api/v1/openapi.json").send().await.is(200).text, answer.text);
    })
    .await;
}

#[tokio::test]
async fn the_viewer_is_served_from_here() {
    on_every_hub(|hub| async move {
        let visitor = hub.visitor();
        let page = visitor.get("/docs").send().await.is(200);
        assert!(page.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'self'")), "{page}");
        assert!(!page.text.contains("//"), "nothing from elsewhere: {page}");
        let kinds = ["js", "css", "png"];
        let is_file = |part: &&str| part.rsplit_once('.').is_some_and(|(_, kind)| kinds.contains(&kind));
        let files = page.text.split('"').filter(is_file);
        for file in files {
            let answer = visitor.get(&format!("/docs/{file}")).send().await.is(200);
            assert!(!answer.bytes.is_empty(), "{file}");
        }
    })
    .await;
}
