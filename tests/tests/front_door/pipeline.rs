//! Pipelines in both slash forms (dhub.md sections 1, 4 and 8): saving, lists, versions, options, deleting.

use madang_tests::{Client, on_every_hub, work};
use serde_json::{Value, json};

/// The keys of a pipeline, the tutorial's first.
const KEYS: [&str; 13] = [
    "id",
    "name",
    "description",
    "collection_id",
    "created_at",
    "type",
    "steps",
    "options",
    "metadata",
    "tags",
    "alias",
    "groups",
    "updated_at",
];

#[tokio::test]
async fn both_forms_make_and_show_a_pipeline() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let collection = work::collection(&admin).await;
        let body = json!({"name": "일별 집계", "description": "매일", "collection_id": collection});
        let made = admin.post("/api/v1/pipelines").json(&body).send().await.is(200);
        assert_eq!(made.keys(), KEYS);
        let shown = admin.get(&format!("/api/v1/pipelines/{}", made.text_of("id"))).send().await.is(200);
        assert_eq!(shown.text, made.text);
        assert!(made.text_of("created_at").ends_with('Z'), "{made}");

        let name = work::unique("유일한 이름");
        let item = admin.post("/api/v1/pipelines/").json(&json!({"name": name})).send().await.is(200);
        assert_eq!(item.keys(), ["item"]);
        assert!(item.text_of("item").starts_with("pl-"));
        admin.post("/api/v1/pipelines/").json(&json!({"name": name})).send().await.is(409);
        admin.post("/api/v1/pipelines").json(&json!({"name": name})).send().await.is(200);
    })
    .await;
}

/// Null means "unchanged", the steps included; a topic makes an event pipeline; modes are words in any case.
#[tokio::test]
async fn what_is_not_said_is_guessed_well() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (from, to) = (work::dataset(&admin).await, work::dataset(&admin).await);
        let options = json!({"query": "SELECT * FROM t", "read_mode": "everything", "write_mode": "Overwrite"});
        let step = json!({"name": "s", "script": "sql", "inputs": {"t": from}, "outputs": {"out": to}, "options": options});
        let body = json!({"name": "집계", "steps": [step], "options": {"event": "주문"}});
        let made = admin.post("/api/v1/pipelines").json(&body).send().await.is(200).json();
        assert_eq!(made["type"], "event");
        assert_eq!(made["steps"][0]["options"], json!({"query": "SELECT * FROM t", "write_mode": "overwrite"}));
        let place = format!("/api/v1/pipelines/{}", made["id"].as_str().expect("an id"));
        let kept = admin.call("PUT", &place).json(&json!({"steps": null, "tags": ["a"]})).send().await.is(200).json();
        assert_eq!((&kept["steps"], &kept["tags"]), (&made["steps"], &json!(["a"])));
    })
    .await;
}

/// Without a slash an array, with one an envelope whose values are texts; a token leads to the next page.
#[tokio::test]
async fn both_lists_show_the_same_pipelines() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (collection, tag) = (work::collection(&admin).await, work::unique("tag"));
        let mut ids = Vec::new();
        for number in 0..5 {
            let body = json!({"name": format!("목록 {number}"), "collection_id": collection, "tags": [tag]});
            ids.push(admin.post("/api/v1/pipelines").json(&body).send().await.is(200).text_of("id"));
        }
        for filter in [format!("collection_id={collection}"), format!("tag={tag}")] {
            let listed = admin.get(&format!("/api/v1/pipelines?{filter}")).send().await.is(200).json();
            assert_eq!(field(&listed, "id"), ids);
            let page = admin.get(&format!("/api/v1/pipelines?{filter}&limit=2&offset=3")).send().await.is(200).json();
            assert_eq!(field(&page, "id"), ids[3..]);
            assert_eq!(paged(&admin, &format!("/api/v1/pipelines/?{filter}&limit=2")).await, ids);
        }
        let named =
            admin.get(&format!("/api/v1/pipelines?collection_id={collection}&q=%EB%AA%A9%EB%A1%9D%203")).send().await.is(200).json();
        assert_eq!(field(&named, "id"), [ids[3].clone()]);
        admin.get("/api/v1/pipelines?limit=0").send().await.is(422);
        admin.get("/api/v1/pipelines/?token=next-x").send().await.is(422);
    })
    .await;
}

fn field(list: &Value, name: &str) -> Vec<String> {
    let list = list.as_array().expect("an array");
    list.iter().map(|entry| entry[name].as_str().expect("a text").to_owned()).collect()
}

/// All ids of an envelope's pages, in order.
async fn paged(client: &Client, target: &str) -> Vec<String> {
    let (mut ids, mut token) = (Vec::new(), None);
    loop {
        let more = token.map_or_else(String::new, |token: String| format!("&token={token}"));
        let page = client.get(&format!("{target}{more}")).send().await.is(200).object();
        for (id, text) in page["items"].as_object().expect("items") {
            let item: Value = serde_json::from_str(text.as_str().expect("a text")).expect("JSON");
            assert_eq!(item["id"], *id);
            ids.push(id.clone());
        }
        match page["token"].as_str() {
            Some(next) => token = Some(next.to_owned()),
            None => return ids,
        }
    }
}

#[tokio::test]
async fn every_change_is_a_version() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (source, target) = (work::dataset(&admin).await, work::dataset(&admin).await);
        work::upload(&admin, &source, "n\n1\n").await.is(200);
        let step = |query: &str| json!([work::sql_step("s", query, &source, &[&target], "overwrite")]);
        let pipeline = work::pipeline(&admin, step("SELECT 1 AS n FROM daily")).await;
        let place = format!("/api/v1/pipelines/{pipeline}");
        let changed = json!({
            "steps": step("SELECT 2 AS n FROM daily"), "metadata": {"nodes": [{"id": "s", "x": 1.5}]}, "name": "새 이름",
            "options": {"timeout": 60, "image": "python:3.12"},
        });
        let answer = admin.call("PUT", &place).json(&changed).send().await.is(200).json();
        assert_eq!((&answer["metadata"], &answer["name"]), (&changed["metadata"], &changed["name"]));
        assert_eq!(answer["options"], json!({"image": "python:3.12", "timeout": 60}));
        let steps = answer["steps"].clone();
        admin.call("PUT", &place).json(&answer).send().await.is(200); // what it shows can be sent back

        let versions = admin.get(&format!("{place}/versions")).send().await.is(200).json();
        assert_eq!(field(&versions, "version_id"), ["v3", "v2", "v1"]);
        let old = admin.get(&format!("{place}?pipeline_version=v1")).send().await.is(200).json();
        assert_eq!(old["steps"][0]["options"]["query"], "SELECT 1 AS n FROM daily");
        let new = admin.get(&place).send().await.is(200).json();
        assert_eq!(new["steps"], steps);
        admin.get(&format!("{place}?pipeline_version=v9")).send().await.is(404);
        admin.get(&format!("{place}?pipeline_version=x")).send().await.is(422);

        for (body, expected) in [(json!({"pipeline_version": "v1"}), 1), (json!({}), 2)] {
            let run = admin.post(&format!("{place}/run")).json(&body).send().await.is(200);
            assert_eq!(work::ended(&admin, &run.text_of("batch_id")).await.text_of("status"), "completed");
            assert_eq!(work::rows(&admin, &target).await, [[json!(expected)]]);
        }
    })
    .await;
}

/// Sunday is 0 and 7, as in many a crontab; there is no 8.
#[tokio::test]
async fn sunday_has_two_numbers() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let pipeline = work::pipeline(&admin, json!([])).await;
        let place = format!("/api/v1/pipelines/{pipeline}");
        let next = async |weekdays: &str| {
            let cron = format!("30 3 * * {weekdays}");
            let options = json!({"options": {"schedule": {"cron": cron}}});
            admin.call("PUT", &place).json(&options).send().await.is(200);
            let schedule = admin.get(&format!("{place}/schedule")).send().await.is(200);
            assert_eq!(schedule.text_of("cron"), cron, "as it was written");
            schedule.text_of("next")
        };
        assert_eq!(next("7").await, next("0").await);
        assert_eq!(next("5-7").await, next("0,5,6").await);
        assert_eq!(next("0-7").await, next("*").await);
        for wrong in ["8", "6-8", "-1"] {
            let options = json!({"options": {"schedule": {"cron": format!("30 3 * * {wrong}")}}});
            let refused = admin.call("PUT", &place).json(&options).send().await.is(422).json();
            assert_eq!(refused["detail"][0]["loc"], json!(["body", "options", "schedule", "cron"]), "{wrong}");
        }
    })
    .await;
}

#[tokio::test]
async fn wrong_fields_are_named() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        for (body, loc) in [
            (json!({"name": "p", "colour": "red"}), json!(["body", "colour"])),
            (json!({"name": "p", "type": "stream"}), json!(["body", "type"])),
            (json!({"name": "p", "options": {"schedule": {"cron": "61 * * * *"}}}), json!(["body", "options", "schedule", "cron"])),
            (json!({"name": "p", "options": {"schedule": {"cron": "0 0 30 2 *"}}}), json!(["body", "options", "schedule", "cron"])),
            (
                json!({"name": "p", "options": {"schedule": {"cron": "* * * * *", "zone": "KST"}}}),
                json!(["body", "options", "schedule", "zone"]),
            ),
            (json!({"name": "p", "options": {"schedule": {}}}), json!(["body", "options", "schedule", "cron"])),
            (json!({"name": "p", "options": {"timeout": 0}}), json!(["body", "options", "timeout"])),
            (json!({"name": "p", "options": {"timeout": 100_000}}), json!(["body", "options", "timeout"])),
            (json!({"name": "p", "options": {"retries": 3}}), json!(["body", "options", "retries"])),
            (json!({"name": "p", "type": "batch", "options": {"event": "주제"}}), json!(["body", "options", "event"])),
            (json!({"name": "p", "type": "event", "options": {"event": "a b"}}), json!(["body", "options", "event"])),
            (json!({"name": "p", "type": "event", "options": {"schedule": {"cron": "* * * * *"}}}), json!(["body", "options", "schedule"])),
            (json!({"name": "p", "options": {"parameters": {"a": [1]}}}), json!(["body", "options", "parameters", "a"])),
            (json!({"name": "p", "metadata": 1}), json!(["body", "metadata"])),
        ] {
            let refused = admin.post("/api/v1/pipelines").json(&body).send().await.is(422).json();
            assert_eq!(refused["detail"][0]["loc"], loc, "{body}");
        }
    })
    .await;
}

/// Groups narrow who sees a pipeline, in single reads and in lists; who may not change it is told so.
#[tokio::test]
async fn pipelines_are_seen_and_changed_by_those_who_may() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let group = work::unique("analysts");
        let (_, _, inside) = work::person(&admin, &[&group]).await;
        let (_, _, outside) = work::person(&admin, &[]).await;
        let open = work::pipeline(&admin, json!([])).await;
        let body = json!({"name": "숨은 것", "groups": [group]});
        let closed = admin.post("/api/v1/pipelines").json(&body).send().await.is(200).text_of("id");
        for (client, status) in [(&admin, 200), (&inside, 200), (&outside, 404)] {
            client.get(&format!("/api/v1/pipelines/{closed}")).send().await.is(status);
            let listed = client.get(&format!("/api/v1/pipelines/?groups={group},other")).send().await.is(200).json();
            assert_eq!(listed["items"].as_object().map(serde_json::Map::len), Some(usize::from(status == 200)));
        }
        for client in [&inside, &outside] {
            client.get(&format!("/api/v1/pipelines/{open}")).send().await.is(200);
            client.call("PUT", &format!("/api/v1/pipelines/{open}")).json(&json!({"name": "x"})).send().await.is(403);
            client.post(&format!("/api/v1/pipelines/{open}/run")).send().await.is(403);
            client.call("DELETE", &format!("/api/v1/pipelines/{open}")).send().await.is(403);
        }
        outside.call("PUT", &format!("/api/v1/pipelines/{closed}")).json(&json!({"name": "x"})).send().await.is(404);
        let batch = work::run_well(&admin, &closed).await;
        for (client, status, traces) in [(&inside, 200, 1), (&outside, 404, 0)] {
            client.get(&format!("/api/v1/batches/{batch}")).send().await.is(status);
            let seen = client.get(&format!("/api/v1/traces?batch_id={batch}")).send().await.is(200).json();
            assert_eq!(seen.as_array().map(Vec::len), Some(traces));
        }
        let own = work::pipeline(&outside, json!([])).await;
        work::run_well(&outside, &own).await;
        outside.call("DELETE", &format!("/api/v1/pipelines/{own}")).send().await.is(200);
        outside.get(&format!("/api/v1/pipelines/{own}")).send().await.is(404);
        outside.call("DELETE", &format!("/api/v1/pipelines/{own}")).send().await.is(404);
    })
    .await;
}
