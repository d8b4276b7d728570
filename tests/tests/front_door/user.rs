//! People (dhub.md section 11): for administrators, and at once in force.

use madang_tests::{Login, on_every_hub, work};
use serde_json::{Value, json};

const ALL: &str = "/api/v1/users/";
const KEYS: [&str; 12] =
    ["id", "email", "name", "alias", "type", "groups", "tags", "provider", "is_active", "roles", "created_at", "updated_at"];

#[tokio::test]
async fn only_an_administrator_deals_with_people() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (other, _, _) = work::person(&admin, &[]).await;
        let (own, _, person) = work::person(&admin, &["admin", "sysadmin"]).await;
        let body = json!({"email": "x@example.com", "name": "x", "password": "password1"});
        for id in [other.as_str(), &own, "user-01h00000000000000000000000", "x"] {
            let calls = [("GET", ""), ("GET", "?user_version=v1"), ("GET", "/versions"), ("PUT", ""), ("DELETE", "")];
            for (method, end) in calls {
                person.call(method, &format!("{ALL}{id}{end}")).json(&body).send().await.is(403);
            }
        }
        person.get(ALL).send().await.is(403);
        person.post(ALL).json(&body).send().await.is(403);
        person.post(ALL).body("application/json", "{").send().await; // any refusal, but no fault
        admin.get(&format!("{ALL}{other}")).send().await.is(200);
    })
    .await;
}

/// The user name, the role and whether one may come in at all are an administrator's to say.
#[tokio::test]
async fn names_roles_and_activity() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let name = work::unique("park");
        let body = json!({"email": format!("{name}@example.com"), "name": "박", "password": work::PASSWORD, "username": name, "roles": ["admin", "user"]});
        let id = admin.post(ALL).json(&body).send().await.is(200).text_of("item");
        let place = format!("{ALL}{id}");
        let login = json!({"username": name, "email": "", "password": work::PASSWORD});
        let enter = || admin.with(Login::Nobody).post("/api/v1/auth/login").json(&login).send();
        let own = admin.with(Login::bearer(&enter().await.is(200).text_of("access_token")));
        own.get(ALL).send().await.is(200);
        for loses in [json!({"roles": ["user"]}), json!({"is_active": false})] {
            own.call("PUT", &place).json(&loses).send().await.is(409);
        }
        let changed = admin.call("PUT", &place).json(&json!({"roles": []})).send().await.is(200);
        assert_eq!(changed.json()["roles"], json!(["user"]));
        own.get(ALL).send().await.is(403);
        let changed = admin.call("PUT", &place).json(&json!({"is_active": false})).send().await.is(200);
        assert_eq!(changed.json()["is_active"], false);
        own.get("/api/v1/datasets").send().await.is(401);
        enter().await.is(401);
        admin.call("PUT", &place).json(&json!({"is_active": true})).send().await.is(200);
        enter().await.is(200);
        let wrong = [json!({"username": "대문"}), json!({"username": "A"}), json!({"roles": ["root"]}), json!({"roles": "admin"}), json!({"is_active": 1})];
        for wrong in wrong {
            admin.call("PUT", &place).json(&wrong).send().await.is(422);
        }
        let taken = json!({"email": "other@example.com", "name": "x", "password": work::PASSWORD, "username": name});
        admin.post(ALL).json(&taken).send().await.is(409);
    })
    .await;
}

#[tokio::test]
async fn a_person_reads_as_written_and_never_shows_the_password() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let email = format!("{}@example.com", work::unique("lee"));
        let body = json!({"email": email, "name": "이분석", "password": work::PASSWORD, "alias": "lee", "groups": ["가"], "tags": ["나"]});
        let made = admin.post(ALL).json(&body).send().await.is(200);
        assert_eq!(made.keys(), ["item"]);
        let id = made.text_of("item");
        let found = admin.get(&format!("{ALL}{id}")).send().await.is(200);
        assert_eq!(found.keys(), KEYS);
        let mut wanted = json!({"id": id, "email": email, "name": "이분석", "alias": "lee", "type": "user", "groups": ["가"], "tags": ["나"],
                                "provider": "local", "is_active": true, "roles": ["user"]});
        for key in ["created_at", "updated_at"] {
            assert!(found.text_of(key).ends_with('Z'));
            wanted[key] = json!(found.text_of(key));
        }
        assert_eq!(found.json(), wanted);
        for path in ["", "?user_version=v1", "/versions"] {
            let text = admin.get(&format!("{ALL}{id}{path}")).send().await.is(200).text;
            assert!(!text.contains("password") && !text.contains("argon2"), "{text}");
        }
        for taken in [email.clone(), email.to_uppercase()] {
            let body = json!({"email": taken, "name": "x", "password": work::PASSWORD});
            admin.post(ALL).json(&body).send().await.is(409);
        }
    })
    .await;
}

#[tokio::test]
async fn everybody_is_on_the_list() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let mut made = Vec::new();
        for _ in 0..3 {
            made.push(work::person(&admin, &[]).await.0);
        }
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let page = admin.get(&format!("{ALL}?limit=2{token}")).send().await.is(200).json();
            let items = page["items"].as_object().expect("a map");
            assert!(items.len() <= 2);
            for (id, text) in items {
                let text = text.as_str().expect("a text that holds JSON");
                assert!(!text.contains("password"), "{text}");
                let value: Value = serde_json::from_str(text).expect("JSON");
                assert_eq!(value["id"], id.as_str());
                seen.push(id.clone());
            }
            match page["token"].as_str() {
                Some(next) => token = format!("&token={next}"),
                None => break,
            }
        }
        assert!(seen.is_sorted() && made.iter().all(|id| seen.contains(id)), "{made:?} {seen:?}");
    })
    .await;
}

#[tokio::test]
async fn changes_are_kept_as_versions() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (id, email, _) = work::person(&admin, &["가"]).await;
        let one = format!("{ALL}{id}");
        let changed = admin.call("PUT", &one).json(&json!({"name": "새 이름", "groups": ["나", "다"]})).send().await.is(200);
        assert_eq!(changed.keys(), KEYS);
        assert_eq!(changed.text_of("email"), email);
        for (version, name, groups) in [("v1", "김데이터", json!(["가"])), ("v2", "새 이름", json!(["나", "다"]))] {
            let old = admin.get(&format!("{one}?user_version={version}")).send().await.is(200).json();
            assert_eq!((&old["name"], &old["groups"]), (&json!(name), &groups), "{version}");
        }
        admin.get(&format!("{one}?user_version=v3")).send().await.is(404);
        let versions = admin.get(&format!("{one}/versions")).send().await.is(200).json();
        assert_eq!(versions.as_array().map(Vec::len), Some(2));
    })
    .await;
}

#[tokio::test]
async fn groups_open_and_close_at_once() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let group = work::unique("모임");
        let body = json!({"name": "닫힌 것", "groups": [group]});
        let mut closed = Vec::new();
        for kind in ["collections", "datasets"] {
            let id = admin.post(&format!("/api/v1/{kind}")).json(&body).send().await.is(200).text_of("id");
            closed.push(format!("/api/v1/{kind}/{id}"));
        }
        let (id, _, person) = work::person(&admin, &[]).await;
        for (groups, status) in
            [(json!([]), 404), (json!([group]), 200), (json!(["다른"]), 404), (json!(["다른", group]), 200), (json!([]), 404)]
        {
            admin.call("PUT", &format!("{ALL}{id}")).json(&json!({"groups": groups})).send().await.is(200);
            for path in &closed {
                person.get(path).send().await.is(status);
                person.get(&path.replace("datasets", "tables")).send().await.is(status);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_deleted_are_out_at_once() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (id, email, person) = work::person(&admin, &[]).await;
        let login = json!({"email": email, "password": work::PASSWORD});
        let visitor = hub.visitor();
        let refresh = visitor.post("/api/v1/auth/login").json(&login).send().await.is(200).text_of("refresh_token");
        person.get("/api/v1/collections").send().await.is(200);
        admin.call("DELETE", &format!("{ALL}{id}")).send().await.is(200);
        for path in ["auth/me", "collections", "users/"] {
            person.get(&format!("/api/v1/{path}")).send().await.is_unauthenticated();
        }
        person.post("/api/v1/datasets").json(&json!({"name": "x"})).send().await.is_unauthenticated();
        visitor.post("/api/v1/auth/refresh").json(&json!({"refresh_token": refresh})).send().await.is_unauthenticated();
        visitor.post("/api/v1/auth/login").json(&login).send().await.is_unauthenticated();
        for (method, end) in [("GET", ""), ("GET", "/versions"), ("PUT", ""), ("DELETE", "")] {
            admin.call(method, &format!("{ALL}{id}{end}")).json(&json!({})).send().await.is(404);
        }
        let again = json!({"email": email, "name": "또", "password": work::PASSWORD});
        let other = admin.post(ALL).json(&again).send().await.is(200).text_of("item");
        assert_ne!(other, id, "the address is free, the id is not");
        person.get("/api/v1/auth/me").send().await.is_unauthenticated();
    })
    .await;
}

/// Whoever had the old password is out.
#[tokio::test]
async fn a_new_password_replaces_the_old_one() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (id, email, _) = work::person(&admin, &[]).await;
        admin.call("PUT", &format!("{ALL}{id}")).json(&json!({"password": "아주 새로운 비밀번호"})).send().await.is(200);
        let old = json!({"email": email, "password": work::PASSWORD});
        admin.with(Login::Nobody).post("/api/v1/auth/login").json(&old).send().await.is_unauthenticated();
        work::enter(&admin, &email, "아주 새로운 비밀번호").await.get("/api/v1/auth/me").send().await.is(200);
    })
    .await;
}

#[tokio::test]
async fn the_administrator_cannot_delete_himself() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let own = admin.get("/api/v1/auth/me").send().await.is(200).text_of("id");
        admin.call("DELETE", &format!("{ALL}{own}")).send().await.is(409);
        admin.get("/api/v1/auth/me").send().await.is(200);
    })
    .await;
}
