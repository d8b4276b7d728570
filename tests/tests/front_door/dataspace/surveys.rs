//! Surveys, collect groups and links through `/v1`.

use base64::{Engine, engine::general_purpose::STANDARD};
use madang_tests::{Login, on_every_hub};
use serde_json::{Value, json};

use super::{Space, nine, short};

#[tokio::test]
async fn what_was_authored_is_read_in_the_contracts_form() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let body = json!({"title": "생활 관련 조사", "parameters": [{"key": "uid"}, {"key": "store", "name": "매장"}], "questions": [
            {"type": "SingleChoice", "text": "<p onclick='x()'>주로 이용하는 매장은?</p><script>x()</script>", "required": true,
             "options": [{"text": "<p>강남점</p>"}, {"text": "<p>홍대점</p>"}]},
            {"type": "LongText", "text": "왜?", "showIf": {"questionRank": 1, "optionRank": 2}}]});
        let survey = space.survey(&body).await;
        assert!(survey.len() == 27 && survey.starts_with('a') && survey == survey.to_lowercase(), "{survey}");
        let detail = space.key.get(&format!("/v1/surveys/{survey}")).send().await.is(200);
        assert_eq!(detail.keys(), ["surveyId", "title", "questions", "parameters", "createdAt", "updatedAt"]);
        let detail = detail.json();
        let first = json!({"rank": 1, "type": "SingleChoice", "text": "<p>주로 이용하는 매장은?</p>",
            "options": [{"rank": 1, "text": "<p>강남점</p>"}, {"rank": 2, "text": "<p>홍대점</p>"}]});
        assert_eq!(detail["questions"][0], first);
        assert_eq!(detail["questions"][1], json!({"rank": 2, "type": "LongText", "text": "왜?"}));
        assert_eq!(detail["createdAt"].as_str().map(str::len), Some("2023-10-02T00:00:00".len()));
        let (group, serial) = space.running(&survey, json!({"targetCnt": 100})).await;
        assert!(serial.len() == 13 && serial.starts_with('a'), "{serial}");
        let shown = space.key.get(&format!("/v1/collect-groups/{group}")).send().await.is(200);
        let keys = [
            "collectGroupId",
            "surveyId",
            "name",
            "channel",
            "status",
            "targetCnt",
            "startedAt",
            "completedAt",
            "isUsingHmac",
            "createdAt",
            "updatedAt",
        ];
        assert_eq!(shown.keys(), keys);
        let listed = space.key.get(&format!("/v1/surveys/{survey}/collect-groups")).send().await.is(200).json();
        assert_eq!(listed, json!([shown.json()]));
        space.key.get(&format!("/v1/collect-groups/{group}/serial")).send().await.is_exactly(200, &format!("\"{serial}\""));
        space.act("PUT", &format!("/surveys/{survey}"), &json!({"title": ""})).await.is(409);
    })
    .await;
}

#[tokio::test]
async fn the_header_may_lack_its_padding() {
    on_every_hub(|hub| async move {
        let credentials = hub.credentials();
        for more in ["", "x", "xx"] {
            let text = STANDARD.encode(format!("{}:{}{more}", credentials.space_id, credentials.api_key));
            for text in [text.clone(), text.trim_end_matches('=').to_owned()] {
                let answer = hub.visitor().with(Login::header("authorization", format!("Basic {text}"))).get("/v1/surveys").send().await;
                assert_eq!(answer.status, if more.is_empty() { 200 } else { 401 }, "{answer}");
            }
        }
        hub.signed().get("/v1/surveys").send().await.is(200);
    })
    .await;
}

#[tokio::test]
async fn a_foreign_space_sees_nothing() {
    on_every_hub(|hub| async move {
        let (mine, other) = (Space::new(&hub).await, Space::new(&hub).await);
        let survey = mine.survey(&short()).await;
        let (group, _) = mine.running(&survey, json!({})).await;
        for path in [
            format!("/v1/surveys/{survey}"),
            format!("/v1/surveys/{survey}/collect-groups"),
            format!("/v1/collect-groups/{group}"),
            format!("/v1/collect-groups/{group}/serial"),
            format!("/v1/responses?surveyId={survey}"),
            format!("/v1/responses/metadata?surveyId={survey}"),
        ] {
            let answer = other.key.get(&path).send().await.is(403);
            assert_eq!(answer.json()["code"], "FORBIDDEN", "{answer}");
        }
        for (path, code) in [
            ("/v1/surveys/a01hb7vt01vpahrwjyxgd28sf3a", "SURVEY_NOT_FOUND"),
            ("/v1/surveys/nonsense", "SURVEY_NOT_FOUND"),
            ("/v1/collect-groups/a01hb7vt01vpahrwjyxgd28sf3a", "COLLECT_GROUP_NOT_FOUND"),
            ("/v1/profile-variables/01H8NN0C49ZHDTKG8N6B7CF9E1/options", "PROFILE_VARIABLE_NOT_FOUND"),
        ] {
            let answer = mine.key.get(path).send().await.is(404);
            assert_eq!(answer.json()["code"], code, "{answer}");
        }
        assert_eq!(other.key.get("/v1/surveys").send().await.is(200).json()["surveys"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn running_surveys_and_bad_queries() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let (first, second) = (space.survey(&short()).await, space.survey(&short()).await);
        space.running(&first, json!({})).await;
        let ids = |page: Value| -> Vec<String> {
            page["surveys"]
                .as_array()
                .expect("surveys")
                .iter()
                .map(|survey| survey["surveyId"].as_str().expect("an id").to_owned())
                .collect()
        };
        let all = space.key.get("/v1/surveys").send().await.is(200).json();
        assert_eq!(all["nextSurveyId"], Value::Null);
        assert_eq!(ids(all), [second.clone(), first.clone()]);
        let running = space.key.get("/v1/surveys?collectGroupsStatus=RUNNING").send().await.is(200).json();
        assert_eq!(ids(running), std::slice::from_ref(&first));
        let from = space.key.get(&format!("/v1/surveys?nextSurveyId={first}")).send().await.is(200).json();
        assert_eq!(ids(from), std::slice::from_ref(&first), "the cursor is the first element");
        for (query, field) in [
            ("surveys?collectGroupsStatus=READY".to_owned(), "collectGroupsStatus"),
            ("surveys?nextSurveyId=x".to_owned(), "nextSurveyId"),
            ("responses".to_owned(), "surveyId"),
            (format!("responses?surveyId={first}&startDateTime=2023-10-02T00:00:00Z"), "startDateTime"),
            (format!("responses?surveyId={first}&endDateTime=yesterday"), "endDateTime"),
            (format!("responses?surveyId={first}&pageToken=ZjJrdXJyeWo="), "pageToken"),
        ] {
            let answer = space.key.get(&format!("/v1/{query}")).send().await.is(400).json();
            assert_eq!((answer["code"].as_str(), answer["field"].as_str()), (Some("INVALID_PARAMETER"), Some(field)), "{answer}");
        }
    })
    .await;
}

#[tokio::test]
async fn links_carry_values_and_are_signed() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey = space.survey(&short()).await;
        let (group, serial) = space.running(&survey, json!({"isUsingHmac": true})).await;
        let target = format!("/v1/collect-groups/{group}/response-urls");
        let wanted = json!([{"parameters": [{"key": "uid", "value": "A-001"}, {"key": "store", "value": "강남점"}]}, {"parameters": []}]);
        let links = space.key.post(&target).json(&wanted).send().await.is(200).json();
        let link = links[0].as_str().expect("a link").to_owned();
        let (_, query) = link.split_once(&format!("/r/{serial}?")).expect("a query");
        assert!(query.starts_with("store=%EA%B0%95%EB%82%A8%EC%A0%90&uid=A-001&hmac="), "{link}");
        let form = space.visitor.get(&format!("/r/{serial}/form?{query}")).send().await.is(200);
        space.submit(&serial, &form.text_of("sheetToken"), &nine()).await.is(200);
        let sheets = space.key.get(&format!("/v1/answer-sheets?surveyId={survey}")).send().await.is(200).json();
        let kept = json!([{"key": "store", "value": "강남점"}, {"key": "uid", "value": "A-001"}]);
        assert_eq!((&sheets["answerSheets"][0]["parameters"], &sheets["answerSheets"][0]["uid"]), (&kept, &json!("A-001")));
        for tampered in [query.replace("A-001", "A-002"), query.replace("&hmac=", "&hmac=x"), "uid=A-001".to_owned(), String::new()] {
            let answer = space.visitor.get(&format!("/r/{serial}/form?{tampered}")).send().await.is(403);
            assert_eq!(answer.json()["code"], "FORBIDDEN", "{answer}");
        }
        let bare = space.key.post(&target).json(&json!([{}, {"parameters": null}])).send().await.is(200).json();
        assert_eq!((&bare[0], &bare[1]), (&links[1], &links[1]), "parameters are not required");
        for bad in [
            json!({}),
            json!([1]),
            json!([{"parameters": [{"key": "tier", "value": "x"}]}]),
            json!([{"parameters": [{"key": "hmac", "value": "x"}]}]),
            json!([{"parameters": [{"key": "uid", "value": "x"}, {"key": "uid", "value": "y"}]}]),
            json!(vec![json!({"parameters": []}); 1001]),
        ] {
            space.key.post(&target).json(&bad).send().await.is(400);
        }
        space.key.post(&target).body("text/plain", "[]").send().await.is(415);
        let private = json!({"name": "개별", "channel": "EMAIL"});
        let private = space.act("POST", &format!("/surveys/{survey}/collect-groups"), &private).await.is(200).text_of("collectGroupId");
        let answer = space.key.get(&format!("/v1/collect-groups/{private}/serial")).send().await.is(400);
        assert_eq!(answer.json()["code"], "UNSUPPORTED_CHANNEL", "{answer}");
    })
    .await;
}
