//! Revisions and who may read them; snapshots, limits, lists; running again, cancelling, deleting.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::{Owner, finished, on_both, seven, tell};
use crate::hub::{json_of, status_of};

#[tokio::test]
async fn every_revision_keeps_its_own_spec() {
    on_both(&[], async |hub| {
        let owner = Owner::of(hub);
        let mut spec = owner.spec("rivers");
        let first = owner.flow(&spec).await;
        for pipeline in seven("rivers") {
            tell(hub, &first, &pipeline, finished()).await;
        }
        spec["inputs"][0]["parameters"]["descriptor"]["title"] = json!("Streams");
        spec["unheard-of"] = json!({"kept": true});
        let second = owner.flow(&spec).await;
        let title = async |revision: &str| {
            let read = owner.read(&format!("{}/rivers/{revision}", owner.id)).await;
            (read["id"].clone(), read["spec_contents"]["inputs"][0]["parameters"]["descriptor"]["title"].clone())
        };
        assert_eq!(title("1").await, (json!(first), json!("Rivers")));
        assert_eq!(title("latest").await, (json!(second), json!("Streams")));
        assert_eq!(title("successful").await, (json!(first), json!("Rivers")));
        let read = owner.read(&second).await;
        assert_eq!(read["spec_contents"]["unheard-of"], json!({"kept": true}), "unknown keys are kept");
        assert!(read["spec_contents"]["meta"]["update_time"].is_string(), "{read}");
        for unknown in ["3", "0", "-1", "status", "info", "1.0"] {
            let target = format!("/source/{}/rivers/{unknown}", owner.id);
            assert_eq!(status_of(hub.get(&target)).await, 404, "{unknown}");
        }
    })
    .await;
}

#[tokio::test]
async fn private_specs_are_their_owners_and_links_are_cut() {
    on_both(&[], async |hub| {
        let owner = Owner::of(hub);
        let open = owner.flow(&owner.spec("open")).await;
        let inputs = |read: &Value| read["spec_contents"]["inputs"][0].clone();
        let own = inputs(&owner.read(&open).await);
        assert_eq!(own["url"], "https://raw.example.org/ab12/datapackage.json?sig=1");
        let public = inputs(&json_of(hub.get(&format!("/source/{open}"))).await);
        assert_eq!(public["url"], "https://raw.example.org/ab12/datapackage.json");
        assert_eq!(public["parameters"]["resource-mapping"]["data/rivers.csv"], "https://raw.example.org/cd34.csv");

        for (findability, dataset, status) in [("private", "hidden", 404), ("unlisted", "quiet", 200)] {
            let mut spec = owner.spec(dataset);
            spec["meta"]["findability"] = findability.into();
            let flow = owner.flow(&spec).await;
            assert_eq!(status_of(hub.get(&format!("/source/{flow}"))).await, status, "{findability}");
            assert_eq!(status_of(hub.get(&format!("/source/{}/{dataset}", owner.id))).await, status, "{findability}");
            assert_eq!(owner.read(&flow).await["state"], "QUEUED");
            let by_query = format!("/source/{flow}?jwt={}", owner.token);
            assert_eq!(status_of(hub.get(&by_query)).await, 200, "the token may stand in the query");
        }
        let names = |list: &Value| -> Vec<String> {
            let datasets = list["datasets"].as_array().expect("a list").iter();
            datasets.map(|dataset| dataset["id"].as_str().expect("an id").rsplit('/').next().unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(names(&owner.read(&owner.id).await), ["hidden", "open", "quiet"]);
        assert_eq!(names(&json_of(hub.get(&format!("/source/{}", owner.id))).await), ["open"], "the others are not listed");
        let page = owner.read(&format!("{}?limit=2", owner.id)).await;
        assert_eq!((names(&page), &page["next"]), (vec!["hidden".to_owned(), "open".to_owned()], &json!("open")));
        assert_eq!(names(&owner.read(&format!("{}?after=open", owner.id)).await), ["quiet"]);
    })
    .await;
}

#[tokio::test]
async fn an_open_hub_shows_what_the_original_showed() {
    on_both(&[("MADANG_SPEC_STORE_OPEN_INFO", "true")], async |hub| {
        let owner = Owner::of(hub);
        let mut spec = owner.spec("hidden");
        spec["meta"]["findability"] = "private".into();
        let flow = owner.flow(&spec).await;
        let read = json_of(hub.get(&format!("/source/{flow}"))).await;
        assert_eq!(read["spec_contents"]["inputs"][0]["url"], "https://raw.example.org/ab12/datapackage.json?sig=1");
    })
    .await;
}

/// The limit counts datasets, under a crowd too.
#[tokio::test]
async fn no_owner_has_more_datasets_than_his_token_permits() {
    on_both(&[], async |hub| {
        let owner = Owner::of(hub);
        let keys = keys_of(hub);
        let claims = |number: Value| json!({"userid": owner.id, "service": "source", "permissions": {"max_dataset_num": number}});
        let upload = async |token: &str, dataset: &str| {
            json_of(hub.post("/source/upload").header("auth-token", token).json(&owner.spec(dataset))).await
        };
        let three = keys.rs256(&claims(json!(3)));
        let names: Vec<String> = (0..10).map(|number| format!("d{number}")).collect();
        let answers = futures::future::join_all(names.iter().map(async |name| upload(&three, name).await)).await;
        let good: Vec<_> = answers.iter().filter(|answer| answer["success"] == true).collect();
        assert_eq!(good.len(), 3);
        let refused = answers.iter().find(|answer| answer["success"] == false).expect("one");
        assert_eq!(refused["errors"], json!(["Max datasets for user exceeded plan limit (3)"]));
        assert!(refused["dataset_id"].is_string() && refused["flow_id"].is_null(), "{refused}");
        let there = good[0]["dataset_id"].as_str().and_then(|id| id.rsplit('/').next()).expect("a name");
        for token in [three, keys.rs256(&claims(json!(0))), keys.rs256(&claims(json!("many"))), keys.rs256(&json!({"userid": owner.id}))] {
            assert_eq!(upload(&token, there).await["success"], true, "new revisions pass");
            let refused = upload(&token, "one-more").await;
            assert!(refused["errors"][0].as_str().is_some_and(|text| text.starts_with("Max datasets")), "{refused}");
        }
    })
    .await;
}

fn keys_of(hub: &crate::hub::Hub) -> super::issuer::Rsa {
    super::issuer::Rsa::of_hub(&hub.read("secrets.toml"))
}

#[tokio::test]
async fn revisions_are_run_again_cancelled_and_deleted() {
    on_both(&[], async |hub| {
        let owner = Owner::of(hub);
        let mut spec = owner.spec("rivers");
        let first = owner.flow(&spec).await;
        spec["inputs"][0]["parameters"]["descriptor"]["title"] = json!("Streams");
        owner.flow(&spec).await;
        let target = |more: &str| format!("/source/{}/rivers{more}", owner.id);
        let act = async |method: Method, more: &str, body: Value| {
            json_of(hub.call(method, &target(more)).header("auth-token", &owner.token).json(&body)).await
        };
        let again = act(Method::POST, "/rerun", json!({"from": 1, "force": true})).await;
        assert_eq!(again, json!({"success": true, "dataset_id": format!("{}/rivers", owner.id), "flow_id": format!("{}/rivers/3", owner.id), "errors": []}));
        assert_eq!(owner.read(&format!("{}/rivers/3", owner.id)).await["spec_contents"]["inputs"][0]["parameters"]["descriptor"]["title"], "Rivers");
        assert_eq!(status_of(hub.post(&target("/rerun"))).await, 401);

        tell(hub, &first, "rivers_csv", finished()).await;
        let cancelled = act(Method::POST, "/1/cancel", json!({})).await;
        assert_eq!((&cancelled["state"], &cancelled["error_log"]), (&json!("FAILED"), &json!(["Cancelled"])), "{cancelled}");
        assert_eq!(cancelled["pipelines"][format!("{first}/rivers_csv")]["status"], "SUCCEEDED");
        assert_eq!(act(Method::POST, "/1/cancel", json!({})).await, cancelled, "once more changes nothing");
        let list = owner.read(&format!("{}/rivers", owner.id)).await;
        let lines: Vec<_> = list["revisions"].as_array().expect("a list").iter().map(|line| (line["revision"].clone(), line["state"].clone(), line["trigger"].clone())).collect();
        assert_eq!(
            lines,
            [
                (json!(3), json!("QUEUED"), json!("rerun")),
                (json!(2), json!("QUEUED"), json!("upload")),
                (json!(1), json!("FAILED"), json!("upload"))
            ]
        );

        assert_eq!(status_of(hub.call(Method::DELETE, &target(""))).await, 401);
        assert_eq!(act(Method::DELETE, "", json!({})).await["success"], true);
        for more in ["", "/1", "/latest"] {
            assert_eq!(status_of(hub.get(&target(more)).header("auth-token", &owner.token)).await, 404, "{more}");
        }
        let told = tell(hub, &format!("{}/rivers/2", owner.id), "rivers", finished()).await;
        assert_eq!(told["errors"], json!(["pipeline not found"]));
        assert_eq!(owner.flow(&spec).await, format!("{}/rivers/4", owner.id), "numbers are not used again");
    })
    .await;
}

#[tokio::test]
async fn a_reader_may_wait_for_the_end() {
    on_both(&[], async |hub| {
        let owner = Owner::of(hub);
        let flow = owner.flow(&owner.spec("rivers")).await;
        let began = Instant::now();
        let target = format!("{flow}?wait=30");
        let waiting = owner.read(&target);
        let telling = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            for pipeline in seven("rivers") {
                tell(hub, &flow, &pipeline, finished()).await;
            }
        };
        let (read, ()) = tokio::join!(waiting, telling);
        assert_eq!(read["state"], "SUCCEEDED");
        assert!((Duration::from_millis(300)..Duration::from_secs(20)).contains(&began.elapsed()));
        let other = owner.flow(&owner.spec("other")).await;
        assert_eq!(owner.read(&format!("{other}?wait=1")).await["state"], "QUEUED");
    })
    .await;
}

/// The same upload sent again under its key is one revision.
#[tokio::test]
async fn an_upload_with_a_key_counts_once() {
    on_both(&[], async |hub| {
        let owner = Owner::of(hub);
        let upload = async || {
            let request = hub.post("/source/upload").header("auth-token", &owner.token).header("idempotency-key", "k1");
            json_of(request.json(&owner.spec("rivers"))).await
        };
        let answers = futures::future::join_all((0..5).map(async |_| upload().await)).await;
        assert!(answers.iter().all(|answer| *answer == answers[0] && answer["success"] == true), "{answers:?}");
        assert_eq!(owner.flow(&owner.spec("rivers")).await, format!("{}/rivers/2", owner.id));
    })
    .await;
}
