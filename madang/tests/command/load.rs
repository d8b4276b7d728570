//! Loads whose hub is killed: each ends once, with every good row.

use std::{fmt::Write as _, time::Duration};

use serde_json::{Value, json};

use crate::{
    dice::Dice,
    hub::{Hub, Place, json_of},
};

const ROUNDS: u64 = 6;
const ROWS: u64 = 60_000;
/// The longest time from an upload to its kill.
const KILLED_WITHIN: u64 = 900;
const ENDS_WITHIN: Duration = Duration::from_secs(90);

async fn act(hub: &Hub, token: &str, action: &str, dict: &Value) -> Value {
    let request = hub.post(&format!("/api/3/action/{action}")).header("authorization", token).json(dict);
    json_of(request).await["result"].clone()
}

async fn ended(hub: &Hub, token: &str, resource: &str) -> Value {
    let until = tokio::time::Instant::now() + ENDS_WITHIN;
    loop {
        let state = act(hub, token, "xloader_status", &json!({"resource_id": resource})).await;
        if state["status"] == "complete" || state["status"] == "error" {
            return state;
        }
        assert!(tokio::time::Instant::now() < until, "{state}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_load_survives_kills() {
    let mut text = "a,b\n".to_owned();
    for row in 0..ROWS {
        writeln!(text, "{row},{}", if row == 500 { "x".to_owned() } else { row.to_string() }).expect("a text");
    }
    let (place, dice) = (Place::new(), Dice::new("load"));
    let mut hub = place.up().await;
    let token = hub.credentials()["ckan_api_token"].as_str().expect("a token").to_owned();
    let organization = act(&hub, &token, "organization_create", &json!({"name": "org"})).await;
    let package = act(&hub, &token, "package_create", &json!({"name": "loads", "owner_org": organization["id"]})).await;
    let package = package["id"].as_str().expect("an id").to_owned();
    for round in 0..ROUNDS {
        let form = format!(
            "--x\r\ncontent-disposition: form-data; name=\"package_id\"\r\n\r\n{package}\r\n\
             --x\r\ncontent-disposition: form-data; name=\"upload\"; filename=\"r{round}.csv\"\r\n\r\n{text}\r\n--x--\r\n"
        );
        let request = hub.post("/api/3/action/resource_create").header("authorization", &token);
        let made = json_of(request.header("content-type", "multipart/form-data; boundary=x").body(form)).await;
        let id = made["result"]["id"].as_str().expect("an id").to_owned();
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(dice.below(KILLED_WITHIN))).await;
            hub.kill().await;
            hub = place.up().await;
        }
        let state = ended(&hub, &token, &id).await;
        assert_eq!(state["status"], "complete", "{state}");
        assert_eq!((&state["task_info"]["rows"], &state["task_info"]["bad_rows"]), (&json!(ROWS - 1), &json!(1)), "{state}");
        let shown = act(&hub, &token, "resource_show", &json!({"id": id})).await;
        assert_eq!(shown["datastore_active"], json!(true));
    }
    // The dataset's first table is the one of the first round: every good row once.
    let admin = hub.admin().await;
    let listed = json_of(hub.get("/api/v1/datasets").headers(admin.clone())).await;
    let dataset = listed[0]["id"].as_str().expect("a dataset").to_owned();
    let statement = "/api/v1/tables/{id}?page_size=1".replace("{id}", &dataset);
    assert_eq!(json_of(hub.get(&statement).headers(admin)).await["total_rows"], json!(ROWS - 1));
}
