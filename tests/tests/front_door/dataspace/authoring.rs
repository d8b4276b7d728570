//! Spaces, keys, surveys and groups as authors handle them.

use madang_tests::{Login, on_every_hub};
use serde_json::json;

use super::{Space, short};

#[tokio::test]
async fn keys_are_rotated() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        space.key.get("/v1/surveys").send().await.is(200);
        let new = space.act("POST", "/api-key", &json!({})).await.is(200).text_of("apiKey");
        assert_eq!(space.act("GET", "/api-key", &json!({})).await.is(200).text_of("apiKey"), new);
        space.key.get("/v1/surveys").send().await.is(401);
        hub.visitor().with(Login::basic(&space.id, &new)).get("/v1/surveys").send().await.is(200);
        let old = space.act("GET", "/hmac-key", &json!({})).await.is(200).text_of("hmacKey");
        let new = space.act("POST", "/hmac-key", &json!({})).await.is(200).text_of("hmacKey");
        assert!(old != new && new.len() == 40);
    })
    .await;
}

#[tokio::test]
async fn a_space_has_settings_and_a_plan() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        for bad in [json!({"name": ""}), json!({"responseDomain": "A b"}), json!({"zone": "Mars/Base"}), json!({"apiAccess": 1})] {
            space.act("PUT", "", &bad).await.is(400);
        }
        let survey = space.survey(&short()).await;
        let at = |hub_zone: &str, text: String| (hub_zone.to_owned(), text);
        let created = |space: &Space, survey: &str| {
            let call = space.key.get(&format!("/v1/surveys/{survey}"));
            async move { call.send().await.is(200).text_of("createdAt") }
        };
        let seoul = at("Asia/Seoul", created(&space, &survey).await);
        space.act("PUT", "", &json!({"zone": "UTC", "responseDomain": "my-shop"})).await.is(200);
        let utc = at("UTC", created(&space, &survey).await);
        let read = |text: &str| chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").expect("a local time");
        assert_eq!((read(&seoul.1) - read(&utc.1)).num_hours(), 9);
        space.act("PUT", "", &json!({"apiAccess": false})).await.is(200);
        let answer = space.key.get("/v1/surveys").send().await.is(402);
        assert_eq!(answer.json()["code"], "PLAN_REQUIRED");
    })
    .await;
}

#[tokio::test]
async fn surveys_come_from_files() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let csv = "rank,type,text,option1,option2\n1,SingleChoice,매장은?,강남점,홍대점\n2,LongText,\"왜, 그렇게?\"\n";
        let target = space.path("/surveys/import?title=%EC%A1%B0%EC%82%AC");
        let made = space.author.post(&target).body("text/csv", csv).send().await.is(200).json();
        assert_eq!((&made["title"], &made["questions"][0]["options"][1]["text"]), (&json!("조사"), &json!("홍대점")));
        let export =
            space.act("GET", &format!("/surveys/{}/export", made["surveyId"].as_str().expect("an id")), &json!({})).await.is(200).json();
        let again = space.author.post(&space.path("/surveys/import")).json(&export).send().await.is(200).json();
        assert_eq!(again["questions"], made["questions"]);
        space.author.post(&target).body("text/csv", "a,b\n").send().await.is(400);
        let survey = again["surveyId"].as_str().expect("an id").to_owned();
        let id = format!("/surveys/{survey}");
        space.act("PUT", &id, &short()).await.is(200);
        space.author.call("DELETE", &space.path(&id)).send().await.is_exactly(200, &format!("\"{survey}\""));
        space.act("GET", &id, &json!({})).await.is(404);
    })
    .await;
}

/// A body of a megabyte must not become a page of hundreds.
#[tokio::test]
async fn a_survey_has_an_end() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let options = vec![json!({"text": "o"}); 200];
        let ranking = json!({"type": "Ranking", "text": "r", "options": options});
        let answer = space.act("POST", "/surveys", &json!({"title": "t", "questions": vec![ranking; 200]})).await.is(400).json();
        assert_eq!(answer["field"], "questions.0", "{answer}");
        let short = json!({"type": "Ranking", "text": "r", "options": options, "maxSelection": 5});
        space.act("POST", "/surveys", &json!({"title": "t", "questions": vec![short; 20]})).await.is(200);
    })
    .await;
}

#[tokio::test]
async fn groups_start_by_their_schedule() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey = space.survey(&short()).await;
        let groups = format!("/surveys/{survey}/collect-groups");
        for bad in [
            json!({"name": "", "channel": "PUBLIC_LINK"}),
            json!({"name": "g", "channel": "PIGEON"}),
            json!({"name": "g", "targetCnt": 0}),
            json!({"name": "g", "startedAt": "2023-10-04T00:00:00Z"}),
            json!({"name": "g", "startedAt": "2030-10-04T00:00:00", "completedAt": "2030-10-04T00:00:00"}),
        ] {
            space.act("POST", &groups, &bad).await.is(400);
        }
        let made = space
            .act("POST", &groups, &json!({"name": "g", "startedAt": "2023-10-04T00:00:00", "completedAt": "2023-10-05T00:00:00"}))
            .await
            .is(200);
        let id = made.text_of("collectGroupId");
        for _ in 0..100 {
            let shown = space.key.get(&format!("/v1/collect-groups/{id}")).send().await.is(200).json();
            if shown["status"] == "COMPLETED" {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let shown = space.key.get(&format!("/v1/collect-groups/{id}")).send().await.is(200).json();
        assert_eq!(shown["status"], "COMPLETED", "both of its times were over");
        space.act("PUT", &format!("/collect-groups/{id}"), &json!({"name": "h"})).await.is(409);
        space.act("PUT", &format!("/collect-groups/{id}"), &json!({})).await.is(409); // the state comes first
        let ready = space.act("POST", &groups, &json!({"name": "g"})).await.is(200).text_of("collectGroupId");
        let answer = space.act("PUT", &format!("/collect-groups/{ready}"), &json!({})).await.is(400).json();
        assert_eq!(answer["field"], "name");
        let picture = space.act("GET", &format!("/collect-groups/{id}/qr"), &json!({})).await.is(200);
        assert!(picture.text.contains("<svg") && picture.header("content-type") == Some("image/svg+xml"));
        let path = space.path(&format!("/collect-groups/{id}/qr"));
        for call in [space.author.get(&path).header("accept", "image/png"), space.author.get(&format!("{path}?format=png"))] {
            let picture = call.send().await.is(200);
            assert_eq!(picture.header("content-type"), Some("image/png"));
            assert!(picture.bytes.starts_with(b"\x89PNG\r\n\x1a\n") && picture.bytes.ends_with(b"IEND\xaeB`\x82"));
        }
        assert_eq!(space.author.get(&format!("{path}?format=gif")).send().await.is(400).json()["field"], "format");
    })
    .await;
}
