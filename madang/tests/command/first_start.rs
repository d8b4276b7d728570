//! What a first start leaves behind (design, section 8), and that a second one keeps it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use crate::hub::{Place, json_of, status_of, value};

const CREDENTIALS: [&str; 11] = [
    "username",
    "password",
    "email",
    "access_key",
    "secret_key",
    "space_id",
    "api_key",
    "hmac_key",
    "ckan_api_token",
    "owner_id",
    "spec_store_token",
];

#[tokio::test]
async fn it_leaves_credentials_keys_and_an_authority() {
    let place = Place::new();
    let hub = place.up().await;
    let credentials = hub.credentials();
    let keys: Vec<_> = credentials.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, CREDENTIALS);
    for key in CREDENTIALS {
        assert!(credentials[key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
    }
    for (file, mode) in [("credentials.json", 0o600), ("secrets.toml", 0o600), ("tls/ca.key", 0o600), ("tls/ca.pem", 0o644)] {
        assert_eq!(mode_of(&hub.data.join(file)), mode, "{file}");
    }
    assert_eq!(mode_of(&hub.data), 0o700, "nobody else looks into the data folder");
    assert!(hub.read("tls/ca.pem").starts_with("-----BEGIN CERTIFICATE-----"));
    for database in ["gateway.db", "catalog.db", "pipeline.db", "survey.db"] {
        assert!(hub.data.join(database).is_file(), "{database}");
    }
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

/// `madang ready http=http://127.0.0.1:8080 https=https://127.0.0.1:8443`; port 0 picks one.
#[tokio::test]
async fn the_ready_line_names_the_addresses() {
    let place = Place::new();
    let hub = place.up().await;
    let port = |key: &str| value(&hub.ready, key).rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).unwrap_or_default();
    let (http, https) = (port("http"), port("https"));
    assert_eq!(hub.ready, format!("madang ready http=http://127.0.0.1:{http} https=https://127.0.0.1:{https}"));
    assert!(http > 0 && https > 0);
    assert_eq!(fs::read_to_string(&hub.output).expect("output").lines().count(), 1, "one line and no more");
    assert_eq!(status_of(hub.get("/readyz")).await, 200, "who reads the line may come in");
    let only_http = Place::new();
    let hub = only_http.up_with(&["--https", "off"], &[]).await;
    assert_eq!(hub.ready, format!("madang ready http={}", hub.http));
}

#[tokio::test]
async fn it_is_quick() {
    let place = Place::new();
    let first = place.up().await;
    assert!(first.ready_after < Duration::from_secs(5), "the first start took {:?}", first.ready_after);
    first.stop().await;
    let second = place.up().await;
    assert!(second.ready_after < Duration::from_secs(5), "the second start took {:?}", second.ready_after);
}

#[tokio::test]
async fn a_second_start_keeps_everything() {
    let place = Place::new();
    let first = place.up().await;
    let files = ["credentials.json", "secrets.toml", "tls/ca.pem", "tls/ca.key"];
    let before = files.map(|file| first.read(file));
    let tokens = first.log_in().await;
    let admin = crate::hub::bearer(&tokens["access_token"]);
    let dataset = first.dataset(&admin).await;
    json_of(first.upload(&admin, &dataset, "a\n1\n")).await;
    first.stop().await;

    let second = place.up().await;
    assert_eq!(files.map(|file| second.read(file)), before);
    assert_eq!(status_of(second.get("/api/v1/auth/me").headers(admin.clone())).await, 200, "the old token works");
    let by_key =
        second.get("/madang/v1/whoami").header("x-ckan-api-key", second.credentials()["ckan_api_token"].as_str().unwrap_or_default());
    assert_eq!(json_of(by_key).await["scheme"], "ckan-token");
    assert_eq!(second.rows(&second.admin().await, &dataset).await, [[1]]);
}

/// Two first starts have nothing in common.
#[tokio::test]
async fn every_installation_has_its_own_secrets() {
    let (one, other) = (Place::new(), Place::new());
    let (one, other) = (one.up().await, other.up().await);
    let (mine, yours) = (one.credentials(), other.credentials());
    for key in CREDENTIALS.iter().filter(|key| !["username", "email", "owner_id"].contains(key)) {
        assert_ne!(mine[key], yours[key], "{key}");
    }
    assert_ne!(one.read("tls/ca.pem"), other.read("tls/ca.pem"));
    let foreign = crate::hub::bearer(&one.log_in().await["access_token"]);
    assert_eq!(status_of(other.get("/api/v1/auth/me").headers(foreign)).await, 401);
}

/// `madang init` makes the same without serving; `up` then finds it.
#[tokio::test]
async fn init_prepares_what_up_uses() {
    let place = Place::new();
    let data = place.path("data");
    let output = crate::program::run(crate::program::madang(&["init", "--data-dir"]).arg(&data)).await;
    assert!(output.status.success(), "{}", crate::program::text(&output.stderr));
    let credentials = fs::read_to_string(data.join("credentials.json")).expect("credentials.json");
    let hub = place.up().await;
    assert_eq!(hub.read("credentials.json"), credentials);
    hub.log_in().await;
}
