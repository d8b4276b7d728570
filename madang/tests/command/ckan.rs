//! Options of CKAN's face (ckan.md 11): from the configuration's table and from a file of their own.

use std::fs;

use serde_json::{Value, json};

use crate::hub::{Hub, Place};

async fn act(hub: &Hub, token: &str, action: &str, dict: &Value) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    let request = client.post(format!("{}/api/3/action/{action}", hub.http)).header("authorization", token).json(dict);
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

fn token(hub: &Hub) -> String {
    let text = fs::read_to_string(hub.data.join("credentials.json")).expect("credentials");
    let credentials: Value = serde_json::from_str(&text).expect("JSON");
    credentials["ckan_api_token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn without_options_the_defaults_hold() {
    let place = Place::new();
    let hub = place.up().await;
    let token = token(&hub);
    let (status, answer) = act(&hub, &token, "package_collaborator_list", &json!({"id": "x"})).await;
    assert_eq!((status, &answer["error"]["message"]), (409, &json!("Dataset collaborators not enabled")));
    let (status, answer) = act(&hub, &token, "package_create", &json!({"name": "unowned"})).await;
    assert_eq!((status, &answer["error"]["owner_org"][0]), (409, &json!("An organization must be provided")));
    let (_, answer) = act(&hub, "", "status_show", &json!({})).await;
    assert_eq!((&answer["result"]["site_title"], &answer["result"]["site_url"]), (&json!("CKAN"), &json!(hub.http)));
    assert!(answer["help"].as_str().is_some_and(|help| help.starts_with(&hub.http)), "{answer}");
    hub.stop().await;
}

#[tokio::test]
async fn options_come_from_the_table_and_the_file_and_unknown_ones_are_warnings() {
    let place = Place::new();
    let (table, file) = (place.path("madang.toml"), place.path("ckan.json"));
    let options = "[ckan]\n\"ckan.site_title\" = \"포털\"\n\"ckan.hide_version\" = \"true\"\n\"ckan.auth.create_unowned_dataset\" = true\n";
    fs::write(&table, options).expect("a file");
    let options = json!({"ckan.site_url": "https://data.example.org/", "ckan.hide_version": false, "ckan.unheard_of": 1, "ckan.auth.public_user_details": "no"});
    fs::write(&file, options.to_string()).expect("a file");
    let (table, file) = (table.display().to_string(), file.display().to_string());
    let hub = place.up_with(&["--config", &table, "--ckan-config", &file], &[]).await;
    let token = token(&hub);
    let (_, answer) = act(&hub, "", "status_show", &json!({})).await;
    assert_eq!(answer["help"], json!("https://data.example.org/api/3/action/help_show?name=status_show"));
    assert_eq!((&answer["result"]["site_title"], &answer["result"]["ckan_version"]), (&json!("포털"), &json!("2.11.5")));
    let (status, answer) = act(&hub, &token, "package_create", &json!({"name": "unowned"})).await;
    assert_eq!((status, &answer["result"]["owner_org"]), (200, &Value::Null), "{answer}");
    let (status, _) = act(&hub, "", "user_list", &json!({})).await;
    assert_eq!(status, 403);
    let log = fs::read_to_string(&hub.log).expect("the log");
    assert!(log.contains("ckan.unheard_of"), "{log}");
    hub.stop().await;
}
