//! Access keys through the administration: made, shown, changed, removed, brought along.

use madang_tests::{Login, on_every_hub, work};
use serde_json::{Value, json};

const KEYS: &str = "/madang/v1/admin/keys";

#[tokio::test]
async fn a_key_lives_from_its_making_to_its_end() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (_, email, _) = work::person(&admin, &[]).await;
        let body = json!({"user": email, "expires_at": "2099-01-01T00:00:00+09:00", "plan": {"per_second": 50, "per_month": 1_000_000}});
        let made = admin.post(KEYS).json(&body).send().await.is(201);
        let keys = ["access_key", "user", "space", "state", "created_at", "expires_at", "plan", "used", "secret_key"];
        assert_eq!(made.keys(), keys);
        let (access_key, secret_key) = (made.text_of("access_key"), made.text_of("secret_key"));
        let key = format!("{KEYS}/{access_key}");
        let shown = admin.get(&key).send().await.is(200);
        assert!(!shown.text.contains(&secret_key) && shown.object().get("secret_key").is_none(), "{shown}");
        assert_eq!(shown.json()["plan"], json!({"per_second": 50, "per_day": null, "per_month": 1_000_000}));
        assert_eq!(shown.json()["expires_at"], "2098-12-31T15:00:00.000Z");
        let login = Login::Signature { access_key: access_key.clone(), secret_key, shift_ms: 0 };
        let signed = hub.visitor().with(login);
        let me = signed.get("/api/v1/auth/me").send().await.is(200);
        assert_eq!(me.text_of("email"), email);

        let changed =
            admin.call("PATCH", &key).json(&json!({"state": "disabled", "plan": {"per_second": null}})).send().await.is(200).json();
        assert_eq!(
            (&changed["state"], &changed["plan"]),
            (&json!("disabled"), &json!({"per_second": null, "per_day": null, "per_month": 1_000_000}))
        );
        signed.get("/api/v1/auth/me").send().await.is(401);
        admin.call("DELETE", &key).send().await.is(200);
        admin.get(&key).send().await.is_exactly(404, &format!(r#"{{"detail":"access key '{access_key}' not found"}}"#));
        admin.call("DELETE", &key).send().await.is(404);
    })
    .await;
}

#[tokio::test]
async fn keys_that_clients_have_can_be_brought_along() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (access_key, secret_key) = (work::unique("OLD-KEY"), format!("{}+/=", work::unique("old-secret")));
        let body = json!({"access_key": access_key, "secret_key": secret_key});
        let made = admin.post(KEYS).json(&body).send().await.is(201);
        assert_eq!((made.text_of("access_key"), made.text_of("secret_key")), (access_key.clone(), secret_key.clone()));
        let signed = hub.visitor().with(Login::Signature { access_key, secret_key, shift_ms: 0 });
        assert_eq!(signed.get("/madang/v1/whoami").send().await.is(200).text_of("user"), hub.credentials().username);
        let again = admin.post(KEYS).json(&body).send().await;
        again.is_exactly(409, r#"{"detail":"there is an access key of that name"}"#);
    })
    .await;
}

#[tokio::test]
async fn keys_are_listed_page_by_page() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        for _ in 0..3 {
            work::access_key(&admin, None, &json!({})).await;
        }
        let (mut after, mut names) = (String::new(), Vec::new());
        loop {
            let page = admin.get(&format!("{KEYS}?limit=2&after={after}")).send().await.is(200);
            assert!(!page.text.contains("secret"), "{page}");
            let page = page.json();
            let keys = page["keys"].as_array().expect("keys");
            assert!(keys.len() <= 2);
            names.extend(keys.iter().map(|key| key["access_key"].as_str().expect("a name").to_owned()));
            match page["next"].as_str() {
                Some(next) => next.clone_into(&mut after),
                None => break,
            }
        }
        assert!(names.len() >= 4 && names.is_sorted() && names.contains(&hub.credentials().access_key), "{names:?}");
        for query in ["limit=x", "limit=-1", "limit=0", "limit=1001", "after=%00"] {
            admin.get(&format!("{KEYS}?{query}")).send().await.is(422);
        }
        for name in ["%00", "%FF", "a%2Fb"] {
            admin.get(&format!("{KEYS}/{name}")).send().await.is(404);
        }
    })
    .await;
}

#[tokio::test]
async fn wrong_wishes_name_the_field() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let cases: [(Value, &str); 12] = [
            (json!({"user": "nobody@example.com"}), "user"),
            (json!({"user": 5}), "user"),
            (json!({"space": "a01h00000000000000000000000"}), "space"),
            (json!({"access_key": "abcdefghij"}), "secret_key"),
            (json!({"secret_key": "abcdefghijabcdefghij"}), "access_key"),
            (json!({"access_key": "has blanks", "secret_key": "abcdefghijabcdefghij"}), "access_key"),
            (json!({"access_key": "abcdefghij", "secret_key": "짧다"}), "secret_key"),
            (json!({"expires_at": "tomorrow"}), "expires_at"),
            (json!({"plan": {"per_second": 0}}), "plan.per_second"),
            (json!({"plan": {"per_day": "many"}}), "plan.per_day"),
            (json!({"plan": {"per_hour": 5}}), "plan.per_hour"),
            (json!({"plans": {}}), "plans"),
        ];
        for (body, field) in cases {
            let answer = admin.post(KEYS).json(&body).send().await.is(422);
            let loc = &answer.json()["detail"][0]["loc"];
            let parts: Vec<_> = loc.as_array().into_iter().flatten().skip(1).filter_map(Value::as_str).collect();
            assert_eq!(parts.join("."), field, "{body}: {answer}");
        }
        admin.call("PATCH", &format!("{KEYS}/nobody")).json(&json!({"state": "active"})).send().await.is(404);
        let own = format!("{KEYS}/{}", hub.credentials().access_key);
        admin.call("PATCH", &own).json(&json!({"state": "asleep"})).send().await.is(422);
        assert_eq!(admin.get(&own).send().await.is(200).text_of("state"), "active");
    })
    .await;
}

/// No service is behind these routes that would know a repetition.
#[tokio::test]
async fn the_same_signed_wish_makes_one_key() {
    on_every_hub(|hub| async move {
        let madang_tests::Credentials { access_key, secret_key, .. } = hub.credentials();
        let headers = madang_tests::signature::headers("POST", KEYS, &access_key, &secret_key, 0);
        let make = || hub.visitor().post(KEYS).headers(headers.clone()).json(&json!({})).send();
        let answers = futures::future::join_all((0..6).map(|_| make())).await;
        let first = &answers[0];
        for answer in &answers {
            assert_eq!(answer.without_its_moment(), first.without_its_moment());
        }
        assert_eq!(make().await.is(201).text, first.text);
        let key = format!("{KEYS}/{}", first.text_of("access_key"));
        let headers = madang_tests::signature::headers("DELETE", &key, &access_key, &secret_key, 0);
        for _ in 0..3 {
            hub.visitor().call("DELETE", &key).headers(headers.clone()).send().await.is(200);
        }
        hub.signed().call("DELETE", &key).send().await.is(404);
    })
    .await;
}
