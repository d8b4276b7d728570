//! `madang config`, and settings that can't be used.

use std::fs;

use crate::{
    hub::{Place, free_ports},
    program::{madang, run, text},
};

/// Value and origin of each setting.
async fn settings(place: &Place, arguments: &[&str], variables: &[(&str, &str)]) -> Vec<(String, String, String)> {
    let mut command = madang(&["config"]);
    let output = run(command.args(arguments).envs(variables.iter().copied()).current_dir(place.path("."))).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(columns).collect()
}

/// `key value origin`; a value may hold spaces.
fn columns(line: &str) -> (String, String, String) {
    let (key, rest) = line.split_once(' ').expect("a key");
    let (value, origin) = rest.trim().rsplit_once(' ').expect("an origin");
    (key.to_owned(), value.trim().to_owned(), origin.to_owned())
}

fn find<'a>(settings: &'a [(String, String, String)], key: &str) -> (&'a str, &'a str) {
    let found = settings.iter().find(|(name, ..)| name == key);
    found.map(|(_, value, origin)| (value.as_str(), origin.as_str())).unwrap_or_default()
}

#[tokio::test]
async fn every_setting_is_shown_with_its_origin() {
    let place = Place::new();
    let file = place.path("madang.toml");
    fs::write(&file, "upload_bytes = 1000\ndurability = \"fast\"\n[tokens]\naccess_seconds = 60\n").expect("a file");
    let file = file.display().to_string();
    let arguments = ["--config", &file, "--http", "127.0.0.1:1234"];
    let variables = [("MADANG_HTTP", "127.0.0.1:1"), ("MADANG_DURABILITY", "full"), ("MADANG_PIPELINE_URL", "http://127.0.0.1:5")];
    let settings = settings(&place, &arguments, &variables).await;
    for (key, value, origin) in [
        ("http", "127.0.0.1:1234", "flag"),
        ("durability", "full", "environment"),
        ("pipeline.url", "http://127.0.0.1:5", "environment"),
        ("upload_bytes", "1000", "file"),
        ("tokens.access_seconds", "60", "file"),
        ("tokens.refresh_seconds", "604800", "default"),
        ("https", "127.0.0.1:8443", "default"),
        ("data_dir", "data", "default"),
        ("replay", "on", "default"),
    ] {
        assert_eq!(find(&settings, key), (value, origin), "{key}");
    }
    assert!(!place.path("data").exists(), "looking makes nothing");
}

#[tokio::test]
async fn passwords_are_masked() {
    let place = Place::new();
    let urls = [
        ("MADANG_GATEWAY_DATABASE_URL", "postgres://hub:hunter2@db.example/hub"),
        ("MADANG_CATALOG_DATABASE_URL", "postgres://hub:hunter%402@db.example:5432/hub?sslmode=require"),
        ("MADANG_PIPELINE_DATABASE_URL", "postgresql://db.example/hub?user=hub&password=hunter2"),
    ];
    let settings = settings(&place, &[], &urls).await;
    let whole = format!("{settings:?}");
    assert!(!whole.contains("hunter"), "{whole}");
    assert_eq!(find(&settings, "gateway.database_url"), ("postgres://hub:***@db.example/hub", "environment"));
}

#[tokio::test]
async fn a_wrong_setting_is_named() {
    for (variable, value, named) in [
        ("MADANG_HTTP", "everywhere", "http"),
        ("MADANG_HTTP", "0.0.0.0:8080", "http"),
        ("MADANG_HTTPS", "127.0.0.1", "https"),
        ("MADANG_UPLOAD_BYTES", "many", "upload_bytes"),
        ("MADANG_UPLOAD_BYTES", "-1", "upload_bytes"),
        ("MADANG_DURABILITY", "perhaps", "durability"),
        ("MADANG_REPLAY", "sometimes", "replay"),
        ("MADANG_ENVIRONMENT", "staging", "environment"),
        ("MADANG_TRUSTED_PROXIES", "[\"nowhere\"]", "trusted_proxies"),
        ("MADANG_OBJECT_STORE_URL", "ftp://host/x", "object_store_url"),
        ("MADANG_TOKENS_ACCESS_SECONDS", "soon", "access_seconds"),
        ("MADANG_CATALOG_LISTEN", "here", "listen"),
    ] {
        refused(&[], &[(variable, value)], named).await;
    }
}

#[tokio::test]
async fn a_wrong_file_or_flag_is_named() {
    let place = Place::new();
    let write = |name: &str, content: &str| {
        fs::write(place.path(name), content).expect("a file");
        place.path(name).display().to_string()
    };
    let unknown = write("unknown.toml", "uplaod_bytes = 5\n");
    let wrong = write("wrong.toml", "[tokens]\naccess_seconds = \"soon\"\n");
    let broken = write("broken.toml", "http = \n");
    let absent = place.path("absent.toml").display().to_string();
    for (arguments, named) in [
        (["--config", unknown.as_str()], "uplaod_bytes"),
        (["--config", &wrong], "access_seconds"),
        (["--config", &broken], "broken.toml"),
        (["--config", &absent], "absent.toml"),
        (["--http", "nowhere"], "http"),
        (["--https", "70000"], "https"),
    ] {
        refused(&arguments, &[], named).await;
    }
}

/// Production refuses test switches and makes no keys by itself.
#[tokio::test]
async fn production_is_strict() {
    refused(&[], &[("MADANG_ENVIRONMENT", "production"), ("MADANG_CLOCK_OFFSET_FILE", "/tmp/offset")], "clock_offset_file").await;
    refused(&[], &[("MADANG_ENVIRONMENT", "production")], "secrets.toml").await;
}

/// A database that is away is told, and its password is not.
#[tokio::test]
async fn a_database_that_is_away_is_told_without_its_password() {
    let told = refused(&[], &[("MADANG_GATEWAY_DATABASE_URL", "postgres://hub:hunter2@127.0.0.1:1/hub")], "").await;
    assert!(!told.contains("hunter2"), "{told}");
}

/// `madang up` does not start with these settings, and its one line says why.
async fn refused(arguments: &[&str], variables: &[(&str, &str)], named: &str) -> String {
    let place = Place::new();
    let mut command = madang(&["up"]);
    let doors = if variables.iter().any(|(name, _)| name.starts_with("MADANG_HTTP")) { Vec::new() } else { free_ports(arguments) };
    let output = run(command.args(arguments).args(doors).envs(variables.iter().copied()).current_dir(place.path("."))).await;
    let told = text(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code != 0), "{variables:?} {arguments:?}: {:?}", output.status);
    assert!(told.to_lowercase().contains(named) && !told.contains("panicked"), "{variables:?} {arguments:?}: {told}");
    assert!(output.stdout.is_empty(), "it is not ready");
    assert!(!place.path("data/credentials.json").exists(), "nothing was begun");
    told
}
