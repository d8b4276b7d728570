//! The five credentials: each proves its holder, each is refused when it is wrong, and none opens what it should not.

use base64::{Engine, engine::general_purpose::STANDARD};
use madang_tests::{Client, Hub, Login, on_every_hub, token};
use serde_json::{Value, json};

const WHOAMI: &str = "/madang/v1/whoami";

async fn who(client: &Client, login: Login) -> madang_tests::Answer {
    client.with(login).get(WHOAMI).send().await
}

#[tokio::test]
async fn whoami_knows_all_five() {
    on_every_hub(|hub| async move {
        let (credentials, admin) = (hub.credentials(), hub.admin().await);
        let service = format!("space-{}", credentials.space_id.trim_start_matches('a'));
        let (person, roles): (&str, &[&str]) = (&credentials.username, &["admin", "user"]);
        let cases: [(&str, Login, &str, &[&str]); 8] = [
            ("bearer-jwt", admin.get_login(), person, roles),
            ("ncp-signature-v2", hub.signature(), person, roles),
            ("space-basic", hub.space_basic(), &service, &["user"]),
            ("space-basic", unpadded(&hub.space_basic()), &service, &["user"]),
            ("ckan-token", hub.ckan_token(), person, roles),
            ("ckan-token", Login::header("x-ckan-api-key", credentials.ckan_api_token.clone()), person, roles),
            ("ckan-token", Login::bearer(&credentials.ckan_api_token), person, roles),
            ("auth-token", hub.auth_token(), person, roles),
        ];
        for (scheme, login, user, roles) in cases {
            let expected = json!({"scheme": scheme, "user": user, "space": credentials.space_id, "roles": roles});
            who(&admin, login).await.is_exactly(200, &expected.to_string());
        }
    })
    .await;
}

fn unpadded(login: &Login) -> Login {
    match login {
        Login::Header(name, value) => Login::header(name, value.trim_end_matches('=')),
        _ => unreachable!("Basic is one header"),
    }
}

#[tokio::test]
async fn whoami_refuses_everybody_else_in_the_same_words() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let nobody = who(&admin, Login::Nobody).await;
        nobody.is_exactly(401, r#"{"detail":"Not authenticated"}"#);
        for (about, login) in wrong(&hub, &admin).await {
            let refused = who(&admin, login).await;
            assert_eq!(refused.without_its_moment(), nobody.without_its_moment(), "{about}");
        }
    })
    .await;
}

#[tokio::test]
async fn dhub_refuses_what_is_wrong_in_its_own_shape() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        for (about, login) in wrong(&hub, &admin).await {
            let refused = admin.with(login).get("/api/v1/auth/me").send().await;
            assert_eq!(refused.status, 401, "{about}");
            refused.is_unauthenticated();
        }
    })
    .await;
}

/// Credentials that are none.
async fn wrong(hub: &Hub, admin: &Client) -> Vec<(&'static str, Login)> {
    let credentials = hub.credentials();
    let access = admin.access_token();
    let login = json!({"username": credentials.username, "password": credentials.password});
    let refresh = admin.post("/api/v1/auth/login").json(&login).send().await.is(200).text_of("refresh_token");
    let raw = |text: String| Login::header("authorization", text);
    let unknown_key = Login::Signature { access_key: "nobody".to_owned(), secret_key: credentials.secret_key.clone(), shift_ms: 0 };
    let wrong_secret = Login::Signature { access_key: credentials.access_key.clone(), secret_key: "wrong".to_owned(), shift_ms: 0 };
    vec![
        ("an unknown access key", unknown_key),
        ("a wrong secret key", wrong_secret),
        ("an unknown space", Login::basic("a01h00000000000000000000000", &credentials.api_key)),
        ("no space id", Login::basic("nobody", &credentials.api_key)),
        ("a wrong API key", Login::basic(&credentials.space_id, "wrong")),
        ("an empty API key", Login::basic(&credentials.space_id, "")),
        ("user name and password are no space", Login::basic(&credentials.username, &credentials.password)),
        ("garbled base64", raw("Basic !!!not-base64!!!".to_owned())),
        ("base64 without a colon", raw(format!("Basic {}", STANDARD.encode("nocolon")))),
        ("base64 that is no text", raw(format!("Basic {}", STANDARD.encode([0xFF, 0xFE, b':', 0xFF])))),
        ("nothing after Basic", raw("Basic ".to_owned())),
        ("nothing after Bearer", raw("Bearer ".to_owned())),
        ("an unknown scheme", raw(format!("Digest {access}"))),
        ("an empty header", raw(String::new())),
        ("a refresh token as bearer", Login::bearer(&refresh)),
        ("an access token without Bearer", raw(access.clone())),
        ("an access token as CKAN key", Login::header("x-ckan-api-key", access.clone())),
        ("an access token via Basic", raw(format!("Basic {access}"))),
        ("an access token as Auth-Token", Login::header("auth-token", access)),
        ("a CKAN token as Auth-Token", Login::header("auth-token", credentials.ckan_api_token.clone())),
        ("a Spec Store token as bearer", Login::bearer(&credentials.spec_store_token)),
        ("a Spec Store token as CKAN token", raw(credentials.spec_store_token.clone())),
        ("a changed CKAN token", raw(changed(&credentials.ckan_api_token))),
        ("a CKAN token that was never issued", raw(never_issued(hub))),
        ("a changed Spec Store token", Login::header("auth-token", changed(&credentials.spec_store_token))),
    ]
}

/// The token with another signature.
fn changed(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').expect("three parts");
    let first = if signature.starts_with('A') { "B" } else { "A" };
    format!("{message}.{first}{}", &signature[1..])
}

/// A CKAN token with a good signature and an id that is in no table.
fn never_issued(hub: &Hub) -> String {
    let mut claims: Value = token::claims(&hub.credentials().ckan_api_token);
    claims["jti"] = "never-issued".into();
    token::hs256(&hub.keys().ckan(), token::HS256, &claims)
}

/// D.Hub takes its own tokens and signatures; the other schemes are good, but not there (design, section 2).
#[tokio::test]
async fn only_two_schemes_open_dhub() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let token = hub.credentials().ckan_api_token;
        let others = [hub.space_basic(), hub.ckan_token(), Login::bearer(&token), hub.auth_token()];
        for login in others {
            who(&admin, login.clone()).await.is(200);
            admin.with(login).get("/api/v1/auth/me").send().await.is_unauthenticated();
        }
        for login in [admin.get_login(), hub.signature()] {
            admin.with(login).get("/api/v1/auth/me").send().await.is(200);
        }
    })
    .await;
}
