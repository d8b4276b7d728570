//! Every action with every kind of caller. Who may is what the hub says of each action (`x-permission` in its OpenAPI document, which comes
//! from the table that dispatches); how each is called stands in `tests/ckan/permission/actions.toml`.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use madang_tests::{
    Hub,
    ckan::{Cast, act, result},
    on_every_hub, work,
};
use serde::Deserialize;
use serde_json::{Value, json};

const TABLE: &str = include_str!("../../../ckan/permission/actions.toml");

/// In the order in which they call: whoever may change the thing comes last.
const ROLES: [&str; 7] = ["nobody", "other", "member", "collaborator", "editor", "admin", "sysadmin"];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    json: String,
    allowed: Option<Vec<String>>,
}

#[tokio::test]
async fn every_action_knows_its_callers() {
    let table: BTreeMap<String, Row> = toml::from_str(TABLE).expect("the table");
    on_every_hub(move |hub| {
        let table = table.clone();
        async move {
            let told = permissions(&hub).await;
            let called: BTreeSet<&String> = table.keys().collect();
            assert_eq!(called, told.keys().collect(), "every action is called");
            let (mut problems, mut cast) = (Vec::new(), Cast::new(&hub));
            for (action, row) in &table {
                problems.extend(problems_of(&mut cast, action, row, &told[action]).await);
            }
            assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
        }
    })
    .await;
}

/// Who may call each action, as the hub tells.
async fn permissions(hub: &Hub) -> BTreeMap<String, String> {
    let document = hub.visitor().get("/openapi.json").send().await.is(200).json();
    let paths = document["paths"].as_object().expect("paths");
    let actions = paths.iter().filter_map(|(path, operations)| Some((path.strip_prefix("/api/3/action/")?, operations)));
    let who = |operations: &Value| operations["post"]["x-permission"].as_str().expect("a permission").to_owned();
    actions.map(|(name, operations)| (name.to_owned(), who(operations))).collect()
}

fn allowed(who: &str) -> &'static [&'static str] {
    match who {
        "anyone" => &ROLES,
        "user" => &["other", "member", "collaborator", "editor", "admin", "sysadmin"],
        "reader" => &["member", "collaborator", "editor", "admin", "sysadmin"],
        "editor" => &["collaborator", "editor", "admin", "sysadmin"],
        "group-admin" | "manager" => &["admin", "sysadmin"],
        "oneself" => &["other", "sysadmin"],
        "sysadmin" => &["sysadmin"],
        other => unreachable!("nobody is called {other}"),
    }
}

/// Each action has a house of its own, so that what one does to it is nothing to the next; the people are the same.
async fn problems_of(house: &mut Cast, action: &str, row: &Row, who: &str) -> Vec<String> {
    build(house).await;
    let may = |role: &str| match &row.allowed {
        Some(allowed) => allowed.iter().any(|allowed| allowed == role),
        None => allowed(who).contains(&role),
    };
    let mut problems = Vec::new();
    for role in ROLES {
        house.put("n", &work::unique("n"));
        let client = house.person(role).await;
        let dict: Value = serde_json::from_str(&house.filled(&row.json)).expect("JSON");
        let answer = act(&client, action, &dict).await;
        if (answer.status != 403) != may(role) {
            problems.push(format!("{action} ({who}) by {role}: {answer}"));
        }
        if answer.status == 403 && answer.json()["error"]["__type"] != "Authorization Error" {
            problems.push(format!("{action} by {role} is refused in another shape: {answer}"));
        }
    }
    problems
}

/// An organization and a group with people of every role, private datasets with a resource and a view.
async fn build(cast: &mut Cast) {
    let sysadmin = cast.person("sysadmin").await;
    for role in ["other", "member", "collaborator", "editor", "admin", "victim"] {
        cast.person(role).await;
    }
    let users = ["member", "editor", "admin"].map(|role| json!({"name": cast.filled(&format!("{{{role}}}")), "capacity": role}));
    let name = work::unique("house");
    let organization = result(&sysadmin, "organization_create", &json!({"name": format!("o-{name}"), "users": users})).await;
    let group = result(&sysadmin, "group_create", &json!({"name": format!("g-{name}"), "users": users})).await;
    let package = |which: &str| {
        let resources = json!([{"name": "r", "url": "http://example.com/a.csv"}]);
        json!({"name": format!("{which}-{name}"), "owner_org": organization["id"], "private": true, "resources": resources})
    };
    let editor = cast.person("editor").await;
    let made = [package("p"), package("q")].map(|dict| {
        let editor = editor.clone();
        async move { result(&editor, "package_create", &dict).await }
    });
    let made = join_all(made).await;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    cast.put("org", &text(&organization["id"]));
    cast.put("group", &text(&group["id"]));
    cast.put("private", &text(&made[0]["id"]));
    cast.put("second", &text(&made[1]["id"]));
    cast.put("resource", &text(&made[0]["resources"][0]["id"]));
    for which in ["private", "second"] {
        let dict = json!({"id": cast.filled(&format!("{{{which}}}")), "user_id": cast.filled("{collaborator}"), "capacity": "editor"});
        result(&sysadmin, "package_collaborator_create", &dict).await;
    }
    let view = json!({"resource_id": made[0]["resources"][0]["id"], "title": "t", "view_type": "text_view"});
    cast.put("view", &text(&result(&sysadmin, "resource_view_create", &view).await["id"]));
    let activities = result(&sysadmin, "package_activity_list", &json!({"id": made[0]["id"]})).await;
    cast.put("activity", &text(&activities[0]["id"]));
    let tokens = result(&sysadmin, "api_token_list", &json!({"user_id": cast.filled("{other}")})).await;
    let other = cast.person("other").await;
    result(&other, "api_token_create", &json!({"user": cast.filled("{other}"), "name": "second"})).await;
    let second = result(&sysadmin, "api_token_list", &json!({"user_id": cast.filled("{other}")})).await;
    let is_new = |token: &&Value| tokens.as_array().is_some_and(|old| old.iter().all(|old| old["id"] != token["id"]));
    let new = second.as_array().and_then(|tokens| tokens.iter().find(is_new)).expect("a second token");
    cast.put("jti", &text(&new["id"]));
}
