//! Sessions (dhub.md section 3): refresh by cookie and by body, logout, me, wrong passwords, and too many of them.

use madang_tests::{Answer, Client, Hub, Login, Transport, on_every_hub, signature, token};
use serde_json::{Value, json};

const LOGIN: &str = "/api/v1/auth/login";
const REFRESH: &str = "/api/v1/auth/refresh";
const LOGOUT: &str = "/api/v1/auth/logout";

async fn log_in(hub: &Hub, client: &Client) -> Answer {
    let credentials = hub.credentials();
    client.post(LOGIN).json(&json!({"username": credentials.username, "password": credentials.password})).send().await.is(200)
}

async fn refresh_by_body(client: &Client, token: &str) -> Answer {
    client.post(REFRESH).json(&json!({"refresh_token": token})).send().await
}

async fn refresh_by_cookie(client: &Client, token: &str) -> Answer {
    client.post(REFRESH).header("cookie", &format!("theme=dark; refresh_token={token}; x=y")).send().await
}

async fn assert_opens(client: &Client, token: &str) {
    client.with(Login::bearer(token)).get("/api/v1/auth/me").send().await.is(200);
}

/// The token and the attributes of the cookie that an answer sets.
fn cookie(answer: &Answer) -> (String, Vec<String>) {
    let text = answer.header("set-cookie").expect("a cookie");
    let mut parts = text.split("; ").map(str::to_owned);
    let token = parts.next().and_then(|pair| pair.strip_prefix("refresh_token=").map(str::to_owned));
    (token.expect("the refresh token"), parts.collect())
}

#[tokio::test]
async fn the_cookie_is_kept_from_scripts_and_from_plain_http() {
    on_every_hub(|hub| async move {
        let plain = log_in(&hub, &hub.visitor()).await;
        let (token, attributes) = cookie(&plain);
        assert_eq!(token, plain.text_of("refresh_token"));
        assert_eq!(attributes, ["HttpOnly", "Path=/api/v1/auth", "SameSite=Lax", "Max-Age=604800"]);
        let (_, attributes) = cookie(&log_in(&hub, &Client::new(&hub, Transport::Https)).await);
        assert!(attributes.contains(&"Secure".to_owned()), "{attributes:?}");
    })
    .await;
}

#[tokio::test]
async fn tokens_have_the_documented_claims_and_lifetimes() {
    on_every_hub(|hub| async move {
        let answer = log_in(&hub, &hub.visitor()).await;
        for (name, kind, lifetime) in [("access_token", "access", 1_800), ("refresh_token", "refresh", 604_800)] {
            let claims = token::claims(&answer.text_of(name));
            let keys: Vec<_> = claims.as_object().expect("claims").keys().cloned().collect();
            assert_eq!(keys, ["sub", "email", "roles", "type", "iat", "exp", "jti"]);
            assert_eq!((&claims["type"], &claims["email"]), (&kind.into(), &hub.credentials().email.into()));
            assert_eq!(claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat), Some(lifetime));
            let age = signature::now_ms() / 1_000 - claims["iat"].as_i64().expect("iat");
            assert!((-1..60).contains(&age), "{age}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_in_the_body_is_good_for_one_use() {
    on_every_hub(|hub| async move {
        let visitor = hub.visitor();
        let first = log_in(&hub, &visitor).await.text_of("refresh_token");
        let answer = refresh_by_body(&visitor, &first).await.is(200);
        assert_eq!(answer.keys(), ["access_token", "token_type", "refresh_token"]);
        assert_eq!(answer.text_of("token_type"), "bearer");
        assert_opens(&visitor, &answer.text_of("access_token")).await;
        let second = answer.text_of("refresh_token");
        assert_ne!(first, second);
        refresh_by_body(&visitor, &first).await.is_unauthenticated();
        refresh_by_cookie(&visitor, &first).await.is_unauthenticated();
        refresh_by_body(&visitor, &second).await.is(200);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_in_the_cookie_is_good_for_one_use() {
    on_every_hub(|hub| async move {
        let visitor = hub.visitor();
        let (first, _) = cookie(&log_in(&hub, &visitor).await);
        let answer = refresh_by_cookie(&visitor, &first).await.is(200);
        assert_eq!(answer.keys(), ["access_token", "token_type"], "the new one comes in the cookie");
        let (second, attributes) = cookie(&answer);
        assert!(attributes.contains(&"HttpOnly".to_owned()), "{attributes:?}");
        assert_opens(&visitor, &answer.text_of("access_token")).await;
        refresh_by_cookie(&visitor, &first).await.is_unauthenticated();
        refresh_by_cookie(&visitor, &second).await.is(200);
    })
    .await;
}

/// Of many who come with the same token at once, one gets a new one.
#[tokio::test]
async fn a_refresh_token_is_not_used_twice_at_once() {
    on_every_hub(|hub| async move {
        let visitor = hub.visitor();
        let token = log_in(&hub, &visitor).await.text_of("refresh_token");
        let answers = futures::future::join_all((0..8).map(|_| refresh_by_body(&visitor, &token))).await;
        let good = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!((good, answers.iter().filter(|answer| answer.status == 401).count()), (1, 7));
    })
    .await;
}

#[tokio::test]
async fn only_a_refresh_token_refreshes() {
    on_every_hub(|hub| async move {
        let visitor = hub.visitor();
        let tokens = log_in(&hub, &visitor).await;
        let claims = token::claims(&tokens.text_of("refresh_token"));
        let mut expired = claims.clone();
        expired["exp"] = (signature::now_ms() / 1_000 - 1).into();
        let key = hub.keys().dhub();
        let wrong = [
            tokens.text_of("access_token"),
            hub.credentials().ckan_api_token,
            token::hs256(&key, token::HS256, &expired),
            token::hs256(b"another key", token::HS256, &claims),
            token::unsigned(r#"{"alg":"none"}"#, &claims),
            String::new(),
            "x".to_owned(),
        ];
        for token in wrong {
            refresh_by_body(&visitor, &token).await.is_unauthenticated();
            refresh_by_cookie(&visitor, &token).await.is_unauthenticated();
        }
        visitor.post(REFRESH).send().await.is_unauthenticated();
        refresh_by_body(&visitor, &tokens.text_of("refresh_token")).await.is(200);
    })
    .await;
}

#[tokio::test]
async fn logout_ends_the_refresh_token() {
    on_every_hub(|hub| async move {
        let visitor = hub.visitor();
        for in_body in [true, false] {
            let tokens = log_in(&hub, &visitor).await;
            let token = tokens.text_of("refresh_token");
            let call = visitor.with(Login::bearer(&tokens.text_of("access_token"))).post(LOGOUT);
            let call = if in_body {
                call.json(&json!({"refresh_token": token}))
            } else {
                call.header("cookie", &format!("refresh_token={token}"))
            };
            let answer = call.send().await;
            answer.is_exactly(200, r#"{"message":"Logged out successfully"}"#);
            let (gone, attributes) = cookie(&answer);
            assert!(gone.is_empty() && attributes.contains(&"Max-Age=0".to_owned()), "{attributes:?}");
            refresh_by_body(&visitor, &token).await.is_unauthenticated();
            refresh_by_cookie(&visitor, &token).await.is_unauthenticated();
        }
        hub.admin().await.post(LOGOUT).send().await.is_exactly(200, r#"{"message":"Logged out successfully"}"#);
    })
    .await;
}

#[tokio::test]
async fn me_has_the_documented_keys() {
    on_every_hub(|hub| async move {
        for client in [hub.admin().await, hub.signed()] {
            let me = client.get("/api/v1/auth/me").send().await.is(200);
            assert_eq!(me.keys(), ["id", "email", "name", "is_active", "provider", "roles", "created_at"]);
            let body = me.json();
            assert!(me.text_of("id").starts_with("user-") && me.text_of("created_at").ends_with('Z'), "{me}");
            assert_eq!(body["email"], hub.credentials().email);
            assert_eq!((&body["is_active"], &body["provider"]), (&Value::Bool(true), &"local".into()));
            assert_eq!(body["roles"], json!(["admin", "user"]));
        }
    })
    .await;
}

/// A wrong password and an unknown user look the same.
#[tokio::test]
async fn a_wrong_login_tells_nothing() {
    on_every_hub(|hub| async move {
        let visitor = hub.visitor();
        let credentials = hub.credentials();
        let attempt = |body: Value| visitor.post(LOGIN).json(&body).send();
        let wrong = attempt(json!({"username": credentials.username, "password": "wrong"})).await;
        wrong.is_exactly(401, r#"{"detail":"Incorrect username or password"}"#);
        let others = [
            json!({"email": credentials.email, "password": credentials.password.to_lowercase()}),
            json!({"username": "아무도", "password": credentials.password}),
            json!({"username": "", "password": ""}),
            json!({"username": "' OR 1=1 --", "password": "' OR 1=1 --"}),
            json!({"username": format!("space-{}", credentials.space_id.trim_start_matches('a')), "password": credentials.api_key}),
        ];
        for body in others {
            assert_eq!(attempt(body.clone()).await.without_its_moment(), wrong.without_its_moment(), "{body}");
        }
        log_in(&hub, &visitor).await;
    })
    .await;
}

/// Ten failures for a name from an address; then even that name must wait, and no other.
#[tokio::test]
async fn too_many_failures_must_wait() {
    on_every_hub(|hub| async move {
        let visitor = hub.visitor();
        let name = format!("nobody-{}", signature::now_ms());
        let attempt = |name: String| visitor.post(LOGIN).json(&json!({"username": name, "password": "wrong"})).send();
        for _ in 0..10 {
            assert_eq!(attempt(name.clone()).await.status, 401);
        }
        for spelling in [name.clone(), name.to_uppercase()] {
            let answer = attempt(spelling).await.is(429);
            let seconds = answer.header("retry-after").and_then(|text| text.parse::<u32>().ok());
            assert!(seconds.is_some_and(|seconds| seconds > 0), "{:?}", answer.headers);
            assert_eq!(answer.keys(), ["detail"]);
        }
        assert_eq!(attempt(format!("{name}-other")).await.status, 401);
        log_in(&hub, &visitor).await;
    })
    .await;
}

/// Guessing with many hands at once is no way around it.
#[tokio::test]
async fn failures_at_the_same_time_are_counted_too() {
    on_every_hub(|hub| async move {
        let visitor = hub.visitor();
        let name = format!("nobody-at-once-{}", signature::now_ms());
        let attempt = |_| visitor.post(LOGIN).json(&json!({"username": name, "password": "wrong"})).send();
        let answers = futures::future::join_all((0..30).map(attempt)).await;
        let checked = answers.iter().filter(|answer| answer.status == 401).count();
        assert!(answers.iter().all(|answer| matches!(answer.status, 401 | 429)) && checked <= 10, "{checked} passwords were tried");
    })
    .await;
}
