//! The authorization matrix: every route of D.Hub, with every kind of wrong caller.

use std::collections::BTreeSet;

use madang_tests::{Client, Login, on_every_hub};

/// The route table of the gateway itself, so that a new route can't be forgotten here.
const ROUTES: &str = include_str!("../../../gateway/src/dialect/dhub/routes.rs");

/// Every route that needs a credential. An id that exists nowhere: the credential is looked at first.
const CLOSED: [(&str, &str); 10] = [
    ("POST", "/api/v1/auth/logout"),
    ("GET", "/api/v1/auth/me"),
    ("POST", "/api/v1/collections"),
    ("POST", "/api/v1/datasets"),
    ("GET", "/api/v1/tables/{id}"),
    ("POST", "/api/v1/tables/{id}/upload"),
    ("POST", "/api/v1/pipelines"),
    ("POST", "/api/v1/pipelines/{id}/run"),
    ("GET", "/api/v1/batches/{id}"),
    ("GET", "/api/v1/traces"),
];

/// Routes that hand credentials out.
const OPEN: [(&str, &str); 2] = [("POST", "/api/v1/auth/login"), ("POST", "/api/v1/auth/refresh")];

/// Bodies that a route may look at before it looks at the caller, if it is made wrongly.
const BODIES: [(&str, &str); 4] = [
    ("application/json", "{}"),
    ("application/json", r#"{"name": "#),
    ("application/json", r#"{"name":"훔친 것"}"#),
    (
        "multipart/form-data; boundary=x",
        "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\na\n1\n\r\n--x--\r\n",
    ),
];

#[test]
fn the_matrix_has_every_route() {
    let written: BTreeSet<_> = ROUTES.lines().filter_map(route).collect();
    let tested: BTreeSet<_> = CLOSED.iter().chain(&OPEN).map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(tested, written);
}

/// `.route("/api/v1/auth/login", post(auth::login))` → `("POST", "/api/v1/auth/login")`
fn route(line: &str) -> Option<(String, String)> {
    let (path, rest) = line.trim().strip_prefix(".route(\"")?.split_once("\", ")?;
    Some((rest.split('(').next()?.to_uppercase(), path.to_owned()))
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
        let target = path.replace("{id}", "ds-01h00000000000000000000000");
        client.with(login.clone()).call(method, &target).send().await.is_unauthenticated();
        for (content_type, body) in BODIES.iter().filter(|_| method == "POST") {
            client.with(login.clone()).call(method, &target).body(content_type, *body).send().await.is_unauthenticated();
        }
    }
}
