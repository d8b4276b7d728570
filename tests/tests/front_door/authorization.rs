//! The authorization matrix: every route of D.Hub, with every kind of wrong caller.

use std::collections::BTreeSet;

use madang_tests::{Client, Login, on_every_hub, work};
use serde_json::json;

/// The route table of the gateway itself, so that a new route can't be forgotten here.
const ROUTES: &str = include_str!("../../../gateway/src/dialect/dhub/routes.rs");

/// Every route that needs a credential. An id that exists nowhere: the credential is looked at first.
pub(crate) const CLOSED: [(&str, &str); 97] = [
    ("POST", "/api/v1/auth/logout"),
    ("GET", "/api/v1/auth/me"),
    ("GET", "/api/v1/collections"),
    ("POST", "/api/v1/collections"),
    ("GET", "/api/v1/collections/"),
    ("POST", "/api/v1/collections/"),
    ("GET", "/api/v1/collections/{id}"),
    ("PUT", "/api/v1/collections/{id}"),
    ("DELETE", "/api/v1/collections/{id}"),
    ("GET", "/api/v1/collections/{id}/versions"),
    ("GET", "/api/v1/datasets"),
    ("POST", "/api/v1/datasets"),
    ("GET", "/api/v1/datasets/"),
    ("POST", "/api/v1/datasets/"),
    ("GET", "/api/v1/datasets/{id}"),
    ("PUT", "/api/v1/datasets/{id}"),
    ("DELETE", "/api/v1/datasets/{id}"),
    ("GET", "/api/v1/datasets/{id}/versions"),
    ("POST", "/api/v1/datasets/{id}/upload"),
    ("GET", "/api/v1/users"),
    ("POST", "/api/v1/users"),
    ("GET", "/api/v1/users/"),
    ("POST", "/api/v1/users/"),
    ("GET", "/api/v1/users/{id}"),
    ("PUT", "/api/v1/users/{id}"),
    ("DELETE", "/api/v1/users/{id}"),
    ("GET", "/api/v1/users/{id}/versions"),
    ("POST", "/api/v1/tables/schema"),
    ("GET", "/api/v1/tables/{id}"),
    ("DELETE", "/api/v1/tables/{id}"),
    ("POST", "/api/v1/tables/{id}/upload"),
    ("GET", "/api/v1/tables/{id}/versions"),
    ("POST", "/api/v1/tables/{id}/query"),
    ("GET", "/api/v1/pipelines"),
    ("POST", "/api/v1/pipelines"),
    ("GET", "/api/v1/pipelines/"),
    ("POST", "/api/v1/pipelines/"),
    ("GET", "/api/v1/pipelines/{id}"),
    ("PUT", "/api/v1/pipelines/{id}"),
    ("DELETE", "/api/v1/pipelines/{id}"),
    ("GET", "/api/v1/pipelines/{id}/versions"),
    ("GET", "/api/v1/pipelines/{id}/schedule"),
    ("POST", "/api/v1/pipelines/{id}/run"),
    ("GET", "/api/v1/batches/{id}"),
    ("POST", "/api/v1/batches/{id}"),
    ("GET", "/api/v1/batches/{id}/"),
    ("POST", "/api/v1/batches/{id}/cancel"),
    ("GET", "/api/v1/batches/{id}/{batch}"),
    ("DELETE", "/api/v1/batches/{id}/{batch}"),
    ("GET", "/api/v1/traces"),
    ("GET", "/api/v1/traces/pipelines/{id}"),
    ("GET", "/api/v1/traces/pipelines/{id}/"),
    ("GET", "/api/v1/traces/pipelines/{id}/{batch}"),
    ("GET", "/api/v1/traces/steps/{batch}"),
    ("GET", "/api/v1/codes"),
    ("POST", "/api/v1/codes"),
    ("GET", "/api/v1/codes/"),
    ("POST", "/api/v1/codes/"),
    ("GET", "/api/v1/codes/{id}"),
    ("PUT", "/api/v1/codes/{id}"),
    ("DELETE", "/api/v1/codes/{id}"),
    ("GET", "/api/v1/codes/{id}/versions"),
    ("GET", "/api/v1/codes/{id}/file"),
    ("PUT", "/api/v1/codes/{id}/file"),
    ("GET", "/api/v1/codes/{id}/file/versions"),
    ("GET", "/api/v1/events/{id}"),
    ("POST", "/api/v1/events/{id}"),
    ("DELETE", "/api/v1/events/{id}"),
    ("POST", "/api/v1/events/topics/{topic}/messages"),
    ("GET", "/api/v1/knowledges"),
    ("POST", "/api/v1/knowledges"),
    ("GET", "/api/v1/knowledges/"),
    ("POST", "/api/v1/knowledges/"),
    ("GET", "/api/v1/knowledges/{*rest}"),
    ("POST", "/api/v1/knowledges/{*rest}"),
    ("PUT", "/api/v1/knowledges/{*rest}"),
    ("DELETE", "/api/v1/knowledges/{*rest}"),
    ("GET", "/api/v1/knowledger"),
    ("POST", "/api/v1/knowledger"),
    ("GET", "/api/v1/knowledger/"),
    ("POST", "/api/v1/knowledger/"),
    ("GET", "/api/v1/knowledger/{*rest}"),
    ("POST", "/api/v1/knowledger/{*rest}"),
    ("PUT", "/api/v1/knowledger/{*rest}"),
    ("DELETE", "/api/v1/knowledger/{*rest}"),
    ("GET", "/api/v1/ontologies"),
    ("POST", "/api/v1/ontologies"),
    ("GET", "/api/v1/ontologies/"),
    ("POST", "/api/v1/ontologies/"),
    ("GET", "/api/v1/ontologies/{*rest}"),
    ("POST", "/api/v1/ontologies/{*rest}"),
    ("PUT", "/api/v1/ontologies/{*rest}"),
    ("DELETE", "/api/v1/ontologies/{*rest}"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/chat/completions/"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/"),
];

/// The route table of Madang's own API.
const OWN_ROUTES: &str = include_str!("../../../gateway/src/dialect/madang/routes.rs");

/// Madang's own routes that any of the five schemes opens.
pub(crate) const OWN: [(&str, &str); 15] = [
    ("GET", "/madang/v1/whoami"),
    ("GET", "/madang/v1/refusals/{id}"),
    ("GET", "/madang/v1/buckets"),
    ("POST", "/madang/v1/buckets"),
    ("DELETE", "/madang/v1/buckets/{bucket}"),
    ("PUT", "/madang/v1/buckets/{bucket}/grants"),
    ("GET", "/madang/v1/buckets/{bucket}/objects"),
    ("GET", "/madang/v1/buckets/{bucket}/objects/{*key}"),
    ("PUT", "/madang/v1/buckets/{bucket}/objects/{*key}"),
    ("DELETE", "/madang/v1/buckets/{bucket}/objects/{*key}"),
    ("GET", "/madang/v1/connections"),
    ("POST", "/madang/v1/connections"),
    ("GET", "/madang/v1/connections/{id}"),
    ("DELETE", "/madang/v1/connections/{id}"),
    ("GET", "/madang/v1/search"),
];

/// Madang's own routes for administrators.
pub(crate) const FOR_ADMINISTRATORS: [(&str, &str); 6] = [
    ("POST", "/madang/v1/admin/search/rebuild"),
    ("GET", "/madang/v1/admin/keys"),
    ("POST", "/madang/v1/admin/keys"),
    ("GET", "/madang/v1/admin/keys/{access_key}"),
    ("PATCH", "/madang/v1/admin/keys/{access_key}"),
    ("DELETE", "/madang/v1/admin/keys/{access_key}"),
];

/// Routes that hand credentials out.
pub(crate) const OPEN: [(&str, &str); 2] = [("POST", "/api/v1/auth/login"), ("POST", "/api/v1/auth/refresh")];

/// Bodies that a route may look at before it looks at the caller, if it is made wrongly.
const BODIES: [(&str, &str); 5] = [
    ("application/json", "{}"),
    ("application/json", r#"{"name": "#),
    ("application/json", r#"{"name":"훔친 것"}"#),
    ("text/plain", "SELECT 1"),
    (
        "multipart/form-data; boundary=x",
        "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\na\n1\n\r\n--x--\r\n",
    ),
];

#[test]
fn the_matrix_has_every_route() {
    let written: BTreeSet<_> = ROUTES.split(".route(").skip(1).flat_map(routes).collect();
    let tested: BTreeSet<_> = CLOSED.iter().chain(&OPEN).map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(tested, written);
    let written: BTreeSet<_> = OWN_ROUTES.split(".route(").skip(1).flat_map(routes).collect();
    let tested: BTreeSet<_> =
        OWN.iter().chain(&FOR_ADMINISTRATORS).map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(tested, written);
}

/// Madang's own routes: nobody without a credential, and only administrators where it says so.
#[tokio::test]
async fn the_hubs_own_routes_know_their_callers() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (_, email, person) = work::person(&admin, &[]).await;
        let signed = hub.visitor().with(work::access_key(&admin, Some(&email), &json!({})).await);
        let wrong = Login::Signature { access_key: hub.credentials().access_key, secret_key: "wrong".to_owned(), shift_ms: 0 };
        for (method, path) in OWN.iter().chain(&FOR_ADMINISTRATORS) {
            for login in [Login::Nobody, Login::bearer("forged.forged.forged"), wrong.clone()] {
                let answer = hub.visitor().with(login).call(method, &filled(path)).json(&json!({})).send().await.is(401);
                assert_eq!(answer.keys(), ["detail"], "{answer}");
            }
        }
        for (method, path) in FOR_ADMINISTRATORS {
            for client in [&person, &signed, &hub.visitor().with(hub.space_basic())] {
                let answer = client.call(method, &filled(path)).json(&json!({"per_second": "?"})).send().await;
                answer.is_exactly(403, r#"{"detail":"only an administrator may do this"}"#);
            }
        }
    })
    .await;
}

/// `"/api/v1/collections", get(collection::list).post(collection::create))` → two of them
pub(crate) fn routes(written: &str) -> Vec<(String, String)> {
    let (path, handlers) = written.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"')).expect("a path");
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter();
    let named = methods.filter(|method| handlers.contains(&format!("{}(", method.to_lowercase())));
    named.map(|method| (method.to_owned(), path.to_owned())).collect()
}

#[tokio::test]
async fn nobody_gets_in() {
    on_every_hub(|hub| async move { every_closed_route(&hub.visitor(), &Login::Nobody).await }).await;
}

#[tokio::test]
async fn a_wrong_token_or_signature_does_not_get_in() {
    on_every_hub(|hub| async move {
        let wrong = Login::Signature { access_key: hub.credentials().access_key, secret_key: "wrong".to_owned(), shift_ms: 0 };
        for login in [Login::bearer("forged.forged.forged"), wrong] {
            every_closed_route(&hub.visitor(), &login).await;
        }
    })
    .await;
}

/// Good credentials of the other dialects are no key to this one.
#[tokio::test]
async fn other_schemes_do_not_get_in() {
    on_every_hub(|hub| async move {
        for login in [hub.space_basic(), hub.ckan_token(), hub.auth_token()] {
            every_closed_route(&hub.visitor(), &login).await;
        }
    })
    .await;
}

async fn every_closed_route(client: &Client, login: &Login) {
    for (method, path) in CLOSED {
        let target = filled(path);
        client.with(login.clone()).call(method, &target).send().await.is_unauthenticated();
        for (content_type, body) in BODIES.iter().filter(|_| matches!(method, "POST" | "PUT")) {
            client.with(login.clone()).call(method, &target).body(content_type, *body).send().await.is_unauthenticated();
        }
    }
}

/// The path with an id that exists nowhere in each of its places.
fn filled(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "ds-01h00000000000000000000000".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}
