//! Tokens of another server (`AUTH_SERVER`): its key is fetched, kept, and fetched again once it was changed.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{Owner, on_both};
use crate::hub::{Hub, json_of, status_of};

/// A key pair that signs tokens.
pub(super) struct Rsa(KeyPair);

impl Rsa {
    fn new() -> Self {
        Self(KeyPair::generate(KeySize::Rsa2048).expect("a key"))
    }

    /// The one of a hub, from its secrets.toml.
    pub(super) fn of_hub(secrets: &str) -> Self {
        let secrets: toml::Value = toml::from_str(secrets).expect("TOML");
        let pem = secrets["spec_store_key"].as_str().expect("a key");
        let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        Self(KeyPair::from_pkcs8(&STANDARD.decode(text).expect("PEM")).expect("an RSA key"))
    }

    pub(super) fn rs256(&self, claims: &Value) -> String {
        let part = |text: String| URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", part(r#"{"typ":"JWT","alg":"RS256"}"#.to_owned()), part(claims.to_string()));
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).expect("a signature");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn public_pem(&self) -> String {
        let der: aws_lc_rs::encoding::PublicKeyX509Der<'_> = self.0.public_key().as_der().expect("a public key");
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref()))
    }
}

/// A token server: answers everything with its key, and counts.
struct Server {
    address: String,
    pem: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    async fn start(key: &Rsa) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (pem, asked) = (Arc::new(Mutex::new(key.public_pem())), Arc::new(AtomicUsize::new(0)));
        let (served, counted) = (pem.clone(), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0_u8; 2_048];
                let read = socket.read(&mut request).await.unwrap_or_default();
                assert!(request[..read].starts_with(b"GET /auth/public-key HTTP/1.1"));
                counted.fetch_add(1, Ordering::SeqCst);
                let body = served.lock().expect("no panic").clone();
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
                let _ = socket.write_all(answer.as_bytes()).await; // the hub may have gone
            }
        });
        Self { address, pem, asked }
    }
}

async fn upload(hub: &Hub, owner_id: &str, token: &str) -> Value {
    let mut spec = Owner::of(hub).spec("rivers");
    spec["meta"]["ownerid"] = owner_id.into();
    json_of(hub.post("/source/upload").header("auth-token", token).json(&spec)).await
}

#[tokio::test]
async fn another_servers_tokens_decide_who_the_owner_is() {
    let (first, second) = (Rsa::new(), Rsa::new());
    let server = Server::start(&first).await;
    let claims = json!({"userid": "core", "service": "source", "permissions": {"max_dataset_num": 5}});
    let one_server = &server;
    on_both(&[("AUTH_SERVER", &server.address)], async |hub| {
        *one_server.pem.lock().expect("no panic") = first.public_pem();
        one_server.asked.store(0, Ordering::SeqCst);
        let refused = json!(["No token or token not authorised for owner"]);
        let answer = upload(hub, "core", &first.rs256(&claims)).await;
        assert_eq!(answer, json!({"success": true, "dataset_id": "core/rivers", "flow_id": "core/rivers/1", "errors": []}));
        assert_eq!(upload(hub, "other", &first.rs256(&claims)).await["errors"], refused);
        let own = Owner::of(hub);
        assert_eq!(upload(hub, &own.id, &own.token).await["errors"], refused, "the hub's own tokens are none");
        assert_eq!(one_server.asked.load(Ordering::SeqCst), 1, "the key is kept, and forged tokens do not make it asked for again");
        assert_eq!(status_of(hub.get("/auth/public-key")).await, 404, "the other server issues");
        let who = |token: String| hub.get("/madang/v1/whoami").header("auth-token", token);
        assert_eq!(status_of(who(first.rs256(&claims))).await, 401, "an owner is no user");
        assert_eq!(
            status_of(who(first.rs256(&json!({"userid": own.id})))).await,
            401,
            "what another server says opens the Spec Store alone"
        );

        *one_server.pem.lock().expect("no panic") = second.public_pem();
        super::until(async || upload(hub, "core", &second.rs256(&claims)).await["success"] == true).await;
        assert_eq!(upload(hub, "core", &first.rs256(&claims)).await["errors"], refused, "the old key is gone");
        assert!(one_server.asked.load(Ordering::SeqCst) <= 3);
    })
    .await;
}

/// The hub's own issuer: a user's credential becomes a token that uploads.
#[tokio::test]
async fn the_hub_issues_tokens_by_itself() {
    on_both(&[], async |hub| {
        let owner = Owner::of(hub);
        let key = hub.get("/auth/public-key").send().await.expect("an answer").text().await.expect("PEM");
        assert_eq!(key.replace('\n', ""), Rsa::of_hub(&hub.read("secrets.toml")).public_pem().replace('\n', ""));
        let access = hub.log_in().await["access_token"].as_str().expect("a token").to_owned();
        let ckan = hub.credentials()["ckan_api_token"].as_str().expect("a token").to_owned();
        for user_token in [access, ckan, owner.token.clone()] {
            let issued = json_of(hub.get("/auth/authorize?service=source").header("auth-token", &user_token)).await;
            let token = issued["token"].as_str().expect("a token");
            assert_eq!(upload(hub, &owner.id, token).await["success"], true);
            let again = json_of(hub.get(&format!("/auth/authorize?service=rawstore&jwt={user_token}"))).await;
            assert_eq!(again["permissions"]["max_public_storage_mb"], 100_000, "{again}");
            assert_eq!(
                upload(hub, &owner.id, again["token"].as_str().expect("a token")).await["success"],
                true,
                "of another service it still makes revisions"
            );
        }
    })
    .await;
}
