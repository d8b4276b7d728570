//! The authorization matrix: every route of Data Flow, with every kind of wrong caller.

use std::collections::BTreeSet;

use madang_tests::{Client, Login, on_every_hub};

/// The route table of the gateway itself, so that a new route can't be forgotten here.
const WRITTEN: &str = include_str!("../../../../gateway/src/dialect/dataflow/routes.rs");

/// Every route needs a signature.
pub(crate) const ROUTES: [(&str, &str); 27] = [
    ("GET", "/api/v1/stats/executions"),
    ("GET", "/api/v1/stats/executions-interval"),
    ("GET", "/api/v1/stats/executions-times"),
    ("GET", "/api/v1/stats/execution-times"),
    ("GET", "/api/v1/workflows"),
    ("POST", "/api/v1/workflows"),
    ("GET", "/api/v1/workflows/{id}"),
    ("PUT", "/api/v1/workflows/{id}"),
    ("DELETE", "/api/v1/workflows/{id}"),
    ("GET", "/api/v1/workflows/{id}/executions"),
    ("POST", "/api/v1/workflows/{id}/executions"),
    ("GET", "/api/v1/jobs"),
    ("POST", "/api/v1/jobs"),
    ("POST", "/api/v1/jobs/verify"),
    ("GET", "/api/v1/jobs/{id}"),
    ("PUT", "/api/v1/jobs/{id}"),
    ("PATCH", "/api/v1/jobs/{id}"),
    ("DELETE", "/api/v1/jobs/{id}"),
    ("GET", "/api/v1/jobs/{id}/executions"),
    ("POST", "/api/v1/jobs/{id}/executions"),
    ("PUT", "/api/v1/jobs/{id}/executions"),
    ("GET", "/api/v1/jobs/{id}/executions/{execution}"),
    ("POST", "/api/v1/jobs/{id}/executions/{execution}/cancel"),
    ("GET", "/api/v1/triggers"),
    ("POST", "/api/v1/triggers"),
    ("GET", "/api/v1/triggers/{id}"),
    ("DELETE", "/api/v1/triggers/{id}"),
];

/// What every one of them is told.
const REFUSAL: &str = r#"{"error":{"errorCode":"200","message":"Authentication Failed","details":"Invalid authentication information."}}"#;

/// Bodies that a route may look at before it looks at the caller, if it is made wrongly.
const BODIES: [&str; 3] = ["{}", r#"{"name": "#, r#"{"name":"stolen","nodes":[]}"#];

#[test]
fn the_matrix_has_every_route() {
    let written: BTreeSet<_> = WRITTEN.split(".route(").skip(1).flat_map(routes).collect();
    let tested: BTreeSet<_> = ROUTES.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(tested, written);
}

fn routes(written: &str) -> Vec<(String, String)> {
    let (path, handlers) = written.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"')).expect("a path");
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter();
    let named = methods.filter(|method| handlers.contains(&format!("{}(", method.to_lowercase())));
    named.map(|method| (method.to_owned(), path.to_owned())).collect()
}

#[tokio::test]
async fn nobody_gets_in() {
    on_every_hub(|hub| async move { every_route(&hub.visitor(), &Login::Nobody).await }).await;
}

#[tokio::test]
async fn a_wrong_or_stale_signature_does_not_get_in() {
    on_every_hub(|hub| async move {
        let credentials = hub.credentials();
        let login = |access_key: &str, secret_key: &str, shift_ms: i64| Login::Signature {
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            shift_ms,
        };
        for login in [
            login(&credentials.access_key, "wrong", 0),
            login("unknown", &credentials.secret_key, 0),
            login(&credentials.access_key, &credentials.secret_key, 330_000),
            login(&credentials.access_key, &credentials.secret_key, -330_000),
        ] {
            every_route(&hub.visitor(), &login).await;
        }
    })
    .await;
}

/// Good credentials of the other dialects are no key to this one.
#[tokio::test]
async fn other_schemes_do_not_get_in() {
    on_every_hub(|hub| async move {
        for login in [hub.space_basic(), hub.ckan_token(), hub.auth_token()] {
            every_route(&hub.visitor(), &login).await;
        }
        let admin = hub.admin().await;
        for (method, path) in ROUTES {
            admin.call(method, &filled(path)).send().await.is_exactly(401, REFUSAL);
        }
    })
    .await;
}

async fn every_route(client: &Client, login: &Login) {
    for (method, path) in ROUTES {
        let target = filled(path);
        client.with(login.clone()).call(method, &target).send().await.is_exactly(401, REFUSAL);
        for body in BODIES.iter().filter(|_| matches!(method, "POST" | "PUT" | "PATCH")) {
            client.with(login.clone()).call(method, &target).body("application/json", *body).send().await.is_exactly(401, REFUSAL);
        }
    }
}

/// The path with an id that exists nowhere in each of its places.
fn filled(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "zzzzzzzzzzzz".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}
