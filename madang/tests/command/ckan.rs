//! Options of CKAN's face (ckan.md 11), from the configuration's table and from a file of their own; and another site brought over.

use std::fs;

use serde_json::{Value, json};

use crate::{
    hub::{Hub, Place},
    program::{madang, run, text},
};

async fn act(hub: &Hub, token: &str, action: &str, dict: &Value) -> (u16, Value) {
    let request = hub.post(&format!("/api/3/action/{action}")).header("authorization", token).json(dict);
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// The result of the administrator's action, which must succeed.
async fn result(hub: &Hub, action: &str, dict: &Value) -> Value {
    let (status, answer) = act(hub, &token(hub), action, dict).await;
    assert_eq!(status, 200, "{action} {dict}: {answer}");
    answer["result"].clone()
}

fn token(hub: &Hub) -> String {
    hub.credentials()["ckan_api_token"].as_str().expect("a token").to_owned()
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
    let options = json!({
        "ckan.site_url": "https://data.example.org/", "ckan.hide_version": false, "ckan.unheard_of": 1,
        "ckan.auth.public_user_details": "no", "apikey_header_name": "X-Portal-Key", "ckan.cors.origin_allow_all": false,
        "ckan.cors.origin_whitelist": "https://a.example https://b.example",
    });
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
    let own = hub.get("/api/3/action/config_option_list").header("x-portal-key", &token).send().await.expect("an answer");
    assert_eq!(own.status(), 200);
    for (origin, allowed) in [("https://a.example", true), ("https://c.example", false)] {
        let answer = hub.get("/api/3/action/site_read").header("origin", origin).send().await.expect("an answer");
        assert_eq!(answer.headers().contains_key("access-control-allow-origin"), allowed, "{origin}");
    }
    let log = fs::read_to_string(&hub.log).expect("the log");
    assert!(log.contains("ckan.unheard_of"), "{log}");
    hub.stop().await;
}

/// Ids are kept, what hangs together stays together, a repeated run brings only what is new, and passwords come with an
/// administrator's token.
#[tokio::test]
async fn another_site_is_brought_over() {
    let (place, other) = (Place::new(), Place::new());
    let (hub, theirs) = (place.up().await, other.up().await);
    let parent = result(&theirs, "organization_create", &json!({"name": "parent", "title": "위"})).await;
    let user = json!({"name": "anna", "email": "anna@example.com", "password": "12345678", "fullname": "안나"});
    let user = result(&theirs, "user_create", &user).await;
    let users = json!([{"name": "anna", "capacity": "editor"}]);
    let organization = json!({"name": "below", "groups": [{"name": "parent"}], "users": users, "extras": [{"key": "k", "value": "v"}]});
    let organization = result(&theirs, "organization_create", &organization).await;
    let group = result(&theirs, "group_create", &json!({"name": "grp"})).await;
    for number in 0..30 {
        let resources = json!([{"url": "http://example.com/a.csv", "name": "one", "own": [1]}, {"url": "http://example.com/b"}]);
        let dict = json!({
            "name": format!("p-{number}"), "title": "자료", "owner_org": organization["id"], "groups": [{"id": group["id"]}],
            "tags": [{"name": "water"}], "extras": [{"key": "a", "value": "b"}], "resources": resources, "private": number == 7,
        });
        result(&theirs, "package_create", &dict).await;
    }
    let allow = theirs.http.replace("http://", "");
    let import = async |arguments: &[&str], allow: &str| {
        let mut command = madang(&["import", "ckan", &theirs.http, "--to", &hub.http]);
        command.args(arguments).arg("--data-dir").arg(place.path("data")).env("MADANG_FETCH_ALLOW", allow);
        run(&mut command).await
    };
    let refused = import(&[], "").await;
    assert!(!refused.status.success() && text(&refused.stderr).contains("MADANG_FETCH_ALLOW"), "{}", text(&refused.stderr));
    let token = token(&theirs);
    let done = import(&["--from-token", &token], &allow).await;
    assert!(done.status.success(), "{}", text(&done.stderr));
    let report: Value = serde_json::from_str(&text(&done.stdout)).expect("JSON");
    assert_eq!((&report["datasets"], &report["organizations"], &report["failed"]), (&json!(29), &json!(2), &json!(0)), "{report}");

    for name in ["p-0", "p-29"] {
        let mut both =
            [result(&theirs, "package_show", &json!({"id": name})).await, result(&hub, "package_show", &json!({"id": name})).await];
        for package in &mut both {
            for moment in ["metadata_created", "creator_user_id", "organization"] {
                package[moment] = Value::Null;
            }
            for resource in package["resources"].as_array_mut().expect("resources") {
                resource["metadata_modified"] = Value::Null;
            }
        }
        assert_eq!(both[0], both[1]);
    }
    let here = result(&hub, "organization_show", &json!({"id": organization["id"]})).await;
    assert_eq!((&here["name"], &here["groups"][0]["id"], &here["package_count"]), (&json!("below"), &parent["id"], &json!(29)));
    let members = here["users"].as_array().expect("users");
    assert!(members.iter().any(|member| member["id"] == user["id"] && member["capacity"] == "editor"), "{here}");
    let login = json!({"username": "anna", "password": "12345678"});
    assert_eq!(hub.post("/api/v1/auth/login").json(&login).send().await.expect("an answer").status(), 200);

    result(&theirs, "package_create", &json!({"name": "late", "owner_org": organization["id"]})).await;
    let again = import(&["--from-token", &token], &allow).await;
    let report: Value = serde_json::from_str(&text(&again.stdout)).expect("JSON");
    assert_eq!((&report["datasets"], &report["users"]), (&json!(1), &json!(0)), "{report}");
    theirs.stop().await;
    hub.stop().await;
}
