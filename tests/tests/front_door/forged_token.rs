//! Tokens that look right: made with the hub's own keys but outside their time, or with the wrong algorithm.
//!
//! Each test first shows that its forger's hand is good: the same token without the flaw is accepted.

use std::time::{SystemTime, UNIX_EPOCH};

use madang_tests::{
    Client, Hub, Login, on_every_hub,
    token::{self, HS256, Rsa},
};
use serde_json::{Value, json};

const WHOAMI: &str = "/madang/v1/whoami";
const HOUR: i64 = 3_600;

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(since.as_secs()).expect("seconds")
}

/// The claims with some of them changed; a null removes one.
fn with(claims: &Value, changes: &Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in changes.as_object().expect("changes") {
        match value {
            Value::Null => drop(claims.as_object_mut().expect("claims").remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

async fn assert_opens(client: &Client, login: Login, status: u16, about: &str) {
    let answer = client.with(login).get(WHOAMI).send().await;
    assert_eq!(answer.status, status, "{about}: {answer}");
}

#[tokio::test]
async fn access_tokens_hold_in_their_time_only() {
    on_every_hub(|hub| async move {
        let (admin, key) = (hub.admin().await, hub.keys().dhub());
        let claims = token::claims(&admin.access_token());
        let cases = [
            (200, "the same claims again", json!({})),
            (401, "expired a second ago", json!({"iat": now() - HOUR, "exp": now() - 1})),
            (401, "issued in an hour", json!({"iat": now() + HOUR, "exp": now() + 2 * HOUR})),
            (401, "a refresh token", json!({"type": "refresh"})),
            (401, "no type", json!({"type": null})),
            (401, "no expiry", json!({"exp": null})),
            (401, "an expiry in words", json!({"exp": "tomorrow"})),
            (401, "nobody", json!({"sub": "01890000-0000-7000-8000-000000000000"})),
            (401, "no subject", json!({"sub": null})),
        ];
        for (status, about, changes) in cases {
            let forged = token::hs256(&key, HS256, &with(&claims, &changes));
            assert_opens(&admin, Login::bearer(&forged), status, about).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_algorithm_is_never_read_from_the_token() {
    on_every_hub(|hub| async move {
        let (admin, keys) = (hub.admin().await, hub.keys());
        let claims = token::claims(&admin.access_token());
        let mut forged = vec![
            ("another key", token::hs256(b"secret", HS256, &claims)),
            ("an empty key", token::hs256(b"", HS256, &claims)),
            ("CKAN's key", token::hs256(&keys.ckan(), HS256, &claims)),
            ("the Spec Store's key", keys.spec_store().rs256(&claims)),
            ("HS384 in the header", token::hs256(&keys.dhub(), r#"{"alg":"HS384","typ":"JWT"}"#, &claims)),
            ("no algorithm", token::hs256(&keys.dhub(), r#"{"typ":"JWT"}"#, &claims)),
        ];
        for header in [r#"{"alg":"none","typ":"JWT"}"#, r#"{"alg":"None"}"#, r#"{"alg":"nOnE"}"#, r#"{"alg":""}"#, HS256] {
            forged.push((header, token::unsigned(header, &claims)));
        }
        for (about, token) in forged {
            assert_opens(&admin, Login::bearer(&token), 401, about).await;
            admin.with(Login::bearer(&token)).get("/api/v1/auth/me").send().await.is_unauthenticated();
        }
    })
    .await;
}

/// A changed claim under the old signature, and texts that are hardly tokens.
#[tokio::test]
async fn every_part_of_a_token_counts() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let good = admin.access_token();
        let parts: Vec<&str> = good.split('.').collect();
        let other = token::unsigned(HS256, &with(&token::claims(&good), &json!({"roles": ["admin", "user", "god"]})));
        let stolen = format!("{}{}", other, parts[2]);
        let texts = [
            stolen,
            parts[..2].join("."),
            format!("{good}."),
            format!("{good}.x"),
            "a.b.c".to_owned(),
            "..".to_owned(),
            "x".repeat(20_000),
        ];
        for text in texts {
            assert_opens(&admin, Login::bearer(&text), 401, &text[..text.len().min(60)]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn ckan_tokens_hold_in_their_time_only() {
    on_every_hub(|hub| async move {
        let (visitor, key) = (hub.visitor(), hub.keys().ckan());
        let claims = token::claims(&hub.credentials().ckan_api_token);
        let cases = [
            (200, "the same claims again", json!({})),
            (200, "expires in an hour", json!({"exp": now() + HOUR})),
            (401, "expired a second ago", json!({"exp": now() - 1})),
            (401, "issued in an hour", json!({"iat": now() + HOUR})),
            (401, "no id", json!({"jti": null})),
        ];
        for (status, about, changes) in cases {
            let forged = token::hs256(&key, HS256, &with(&claims, &changes));
            assert_opens(&visitor, Login::header("authorization", forged), status, about).await;
        }
        let unsigned = token::unsigned(r#"{"alg":"none"}"#, &claims);
        assert_opens(&visitor, Login::header("x-ckan-api-key", unsigned), 401, "no signature").await;
    })
    .await;
}

#[tokio::test]
async fn spec_store_tokens_are_rs256_in_their_time() {
    on_every_hub(|hub| async move {
        let (visitor, key) = (hub.visitor(), hub.keys().spec_store());
        let claims = token::claims(&hub.credentials().spec_store_token);
        let cases = [
            (200, "the same claims again", json!({})),
            (200, "expires in an hour", json!({"exp": now() + HOUR, "nbf": now() - HOUR})),
            (401, "expired a second ago", json!({"exp": now() - 1})),
            (401, "valid in an hour", json!({"nbf": now() + HOUR})),
            (401, "for an audience", json!({"aud": "source"})),
            (401, "nobody", json!({"userid": "00000000000000000000000000000000"})),
            (401, "no user", json!({"userid": null})),
        ];
        for (status, about, changes) in cases {
            assert_opens(&visitor, auth_token(key.rs256(&with(&claims, &changes))), status, about).await;
        }
        assert_opens(&visitor, auth_token(Rsa::foreign().rs256(&claims)), 401, "another key").await;
        assert_opens(&visitor, auth_token(token::unsigned(r#"{"alg":"none"}"#, &claims)), 401, "no signature").await;
        confuse(&visitor, &hub, &key, &claims).await;
    })
    .await;
}

/// HS256 with the public key as its secret: everybody knows that key.
async fn confuse(visitor: &Client, hub: &Hub, key: &Rsa, claims: &Value) {
    let secrets = key.public_spellings().into_iter().chain([hub.keys().dhub(), Vec::new()]);
    for (number, secret) in secrets.enumerate() {
        for header in [HS256, r#"{"alg":"RS256","typ":"JWT"}"#] {
            let forged = token::hs256(&secret, header, claims);
            assert_opens(visitor, auth_token(forged), 401, &format!("secret {number} under {header}")).await;
        }
    }
}

fn auth_token(token: String) -> Login {
    Login::header("auth-token", token)
}
