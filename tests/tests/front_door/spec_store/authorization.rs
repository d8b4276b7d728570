//! The authorization matrix: every route of the Spec Store, with every kind of caller that is not the owner.

use std::collections::BTreeSet;

use madang_tests::{Login, on_every_hub};
use serde_json::json;

use super::{another, name, owner, spec};
use crate::authorization::routes;

/// The route table of the gateway itself, so that a new route can't be forgotten here.
const WRITTEN: &str = include_str!("../../../../gateway/src/dialect/spec_store/routes.rs");

/// Every route.
pub(crate) const ROUTES: [(&str, &str); 23] = [
    ("POST", "/source/upload"),
    ("POST", "/source/update"),
    ("GET", "/source/{owner}"),
    ("GET", "/source/{owner}/{dataset}"),
    ("DELETE", "/source/{owner}/{dataset}"),
    ("GET", "/source/{owner}/{dataset}/{revision}"),
    ("POST", "/source/{owner}/{dataset}/{revision}"),
    ("POST", "/source/{owner}/{dataset}/{revision}/cancel"),
    ("GET", "/auth/public-key"),
    ("GET", "/auth/check"),
    ("GET", "/auth/authorize"),
    ("GET", "/auth/resolve"),
    ("GET", "/auth/get_profile"),
    ("GET", "/resolver/resolve"),
    ("POST", "/rawstore/authorize"),
    ("GET", "/rawstore/presign"),
    ("POST", "/rawstore/objects"),
    ("GET", "/rawstore/objects/{*key}"),
    ("GET", "/metastore/search"),
    ("GET", "/metastore/search/events"),
    ("GET", "/storage/owner/{owner}"),
    ("GET", "/storage/dataset_id/{owner}/{dataset}"),
    ("GET", "/storage/flow_id/{owner}/{dataset}/{revision}"),
];

#[test]
fn the_matrix_has_every_route() {
    let written: BTreeSet<_> = WRITTEN.split(".route(").skip(1).flat_map(routes).collect();
    let tested: BTreeSet<_> = ROUTES.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(tested, written);
}

/// A signature that does not hold decides alone, on every route.
#[tokio::test]
async fn a_wrong_signature_opens_nothing() {
    on_every_hub(|hub| async move {
        let wrong = Login::Signature { access_key: hub.credentials().access_key, secret_key: "wrong".to_owned(), shift_ms: 0 };
        for (method, path) in ROUTES {
            let target = path.replace("{owner}", "o").replace("{dataset}", "d").replace("{revision}", "1").replace("{*key}", "o/k");
            let answer = hub.visitor().with(wrong.clone()).call(method, &target).json(&json!({})).send().await;
            answer.is_exactly(401, r#"{"error":{"message":"the signature does not hold"}}"#);
        }
    })
    .await;
}

/// What only an owner may: nobody, good credentials of other dialects, and other owners may not, and they change nothing.
#[tokio::test]
async fn only_the_owner_changes_his_datasets() {
    on_every_hub(|hub| async move {
        let ((id, own), (other_id, other)) = (owner(&hub), another(&hub).await);
        let dataset = name("guarded");
        let mut spec = spec(&id, &dataset, "http://example.invalid/rivers.csv");
        spec["meta"]["findability"] = "private".into();
        let flow = own.post("/source/upload").json(&spec).send().await.is(200).text_of("flow_id");
        let target = format!("/source/{id}/{dataset}");
        let calls = [("DELETE", target.clone()), ("POST", format!("{target}/rerun")), ("POST", format!("{target}/1/cancel"))];
        let nobody = [Login::Nobody, hub.space_basic(), hub.ckan_token(), Login::header("auth-token", "a.b.c")];
        for (method, path) in &calls {
            for login in nobody.clone() {
                hub.visitor().with(login).call(method, path).json(&json!({})).send().await.is(401);
            }
            other.call(method, path).json(&json!({})).send().await.is(403);
        }
        for reader in nobody.into_iter().map(|login| hub.visitor().with(login)).chain([other.clone()]) {
            for path in [format!("/source/{flow}"), target.clone(), format!("{target}/latest")] {
                reader.get(&path).send().await.is(404);
            }
            assert_eq!(reader.get(&format!("/source/{id}?limit=1000")).send().await.is(200).text.matches(&dataset).count(), 0);
        }
        let refused = other.post("/source/upload").json(&spec).send().await.is(200).json();
        assert_eq!(refused["errors"], json!(["No token or token not authorised for owner"]));
        spec["meta"]["ownerid"] = other_id.into();
        assert_eq!(other.post("/source/upload").json(&spec).send().await.is(200).json()["success"], true, "his own of that name");
        // Signed requests need no token.
        for path in [format!("/source/{flow}"), target] {
            hub.signed().get(&path).send().await.is(200);
        }
    })
    .await;
}

/// Scripts of other origins may read every answer.
#[tokio::test]
async fn every_origin_may_read() {
    on_every_hub(|hub| async move {
        let origin = "https://page.example.org";
        for path in ["/source/nobody-at-all", "/source/a/b/1", "/auth/check", "/rawstore/objects/a/b", "/metastore/search"] {
            let answer = hub.visitor().get(path).header("origin", origin).send().await;
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "{answer}");
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"), "{answer}");
            let asked = hub.visitor().call("OPTIONS", path).header("origin", origin).header("access-control-request-method", "POST");
            let answer = asked.send().await.is(200);
            assert!(answer.header("access-control-allow-headers").is_some_and(|names| names.contains("Auth-Token")), "{answer}");
        }
    })
    .await;
}

/// A token for source files is good for them alone; no service token administers the hub.
#[tokio::test]
async fn a_token_of_one_service_opens_no_other() {
    on_every_hub(|hub| async move {
        let (_, own) = owner(&hub);
        own.get("/madang/v1/admin/keys").send().await.is(403);
        let files = own.get("/auth/authorize?service=rawstore").send().await.is(200).text_of("token");
        let files = hub.visitor().with(Login::header("auth-token", files));
        files.get("/auth/authorize?service=source").send().await.is_exactly(200, r#"{"permissions":{}}"#);
        files.get("/auth/authorize?service=rawstore").send().await.is(200).text_of("token");
        files.get("/madang/v1/whoami").send().await.is(401);
    })
    .await;
}
