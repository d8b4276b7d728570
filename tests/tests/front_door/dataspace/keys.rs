//! What a person's access key opens of `/v1`.

use madang_tests::{Login, on_every_hub, signature, work};
use serde_json::{Value, json};

use super::Space;

const BY: &str = "email=operator@example.com";
const CREATE: &str = "/v1/panels?email=operator@example.com";

/// The same request again gets the panel as it is now; what is kept for that is no copy of the person.
#[tokio::test]
async fn a_signed_creation_is_remembered_by_its_id() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let key = work::access_key(&space.author, None, &json!({"space": space.id})).await;
        let Login::Signature { access_key, secret_key, .. } = key else { unreachable!("a signature") };
        let headers = signature::headers("POST", CREATE, &access_key, &secret_key, 0);
        let name = work::unique("비밀이름");
        let body = json!({"uid": "S-1", "name": name, "cellphone": "01055554444"});
        let send = || space.visitor.post(CREATE).headers(headers.clone()).json(&body).send();
        let first = send().await.is(200);
        let id = first.text_of("panelId");
        send().await.is_exactly(200, &first.text);
        super::privacy::nowhere(&hub, &[&name]).await;
        space.key.call("PUT", &format!("/v1/panels/{id}?{BY}")).json(&json!({"name": "새 이름"})).send().await.is(200);
        assert_eq!(send().await.is(200).text_of("name"), "새 이름");
        space.act("POST", "/erasures", &json!({"panelId": id, "remark": "본인 요청"})).await.is(200);
        assert_eq!(send().await.is(404).json()["code"], "PANEL_NOT_FOUND");
        let audit = space.act("GET", "/audit", &json!({})).await.is(200).json();
        let records = audit["records"].as_array().expect("records").iter();
        let noted: Vec<_> =
            records.map(|record| (record["action"].as_str().expect("text"), record["detail"]["repeated"] == true)).collect();
        let create = "panel.create";
        assert_eq!(noted, [("subject.erase", false), (create, true), ("panel.update", false), (create, true), (create, false)]);
    })
    .await;
}

/// A change that comes again undoes nothing that came after it.
#[tokio::test]
async fn a_signed_change_is_done_once() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let key = work::access_key(&space.author, None, &json!({"space": space.id})).await;
        let Login::Signature { access_key, secret_key, .. } = key else { unreachable!("a signature") };
        let id = space.key.post(CREATE).json(&json!({"name": "하나"})).send().await.is(200).text_of("panelId");
        let target = format!("/v1/panels/{id}?{BY}");
        let headers = signature::headers("PUT", &target, &access_key, &secret_key, 0);
        let send = || space.visitor.call("PUT", &target).headers(headers.clone()).json(&json!({"name": "둘"})).send();
        assert_eq!(send().await.is(200).text_of("name"), "둘");
        space.key.call("PUT", &target).json(&json!({"name": "셋"})).send().await.is(200);
        assert_eq!(send().await.is(200).text_of("name"), "셋");
    })
    .await;
}

/// A key opens what its owner may see in the space now, and nothing once he has left it.
#[tokio::test]
async fn a_key_goes_as_far_as_its_owner() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let (_, email, _) = work::person(&space.author, &[]).await;
        let panel = space.key.post(CREATE).json(&json!({"name": "김패널"})).send().await.is(200).text_of("panelId");
        let own = hub.credentials().username;
        let signed = hub.visitor().with(work::access_key(&space.author, Some(&email), &json!({"space": space.id})).await);
        let (list, change) = (format!("/v1/panels?{BY}&remark=x"), format!("/v1/panels/{panel}?{BY}"));
        for (role, status) in [("member", 403), ("privacy", 200), ("developer", 200), ("admin", 200)] {
            let members = json!({"members": [{"user": own, "roles": ["admin"]}, {"user": email, "roles": [role]}]});
            space.act("PUT", "/members", &members).await.is(200);
            signed.get("/v1/surveys").send().await.is(200);
            assert_eq!(signed.get(&list).send().await.status, status, "{role}");
            assert_eq!(signed.call("PUT", &change).json(&json!({})).send().await.status, status, "{role}");
            signed.get(&space.path("/panels")).send().await.is(200);
        }
        space.act("PUT", "/members", &json!({"members": [{"user": own, "roles": ["admin"]}]})).await.is(200);
        for target in [&list, "/v1/surveys", &space.path("/panels")] {
            let answer = signed.get(target).send().await.is(403);
            assert_eq!(answer.json()["code"], "FORBIDDEN", "{answer}");
        }
        signed.call("PUT", &change).json(&json!({})).send().await.is(403);
        assert_eq!(signed.get("/madang/v1/whoami").send().await.is(200).json()["space"], Value::Null);
    })
    .await;
}
