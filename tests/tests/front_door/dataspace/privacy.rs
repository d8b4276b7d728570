//! Personal values: where they may be read, and that they are gone after an erasure.

use std::{fs, path::Path};

use madang_tests::{Hub, on_every_hub, work};
use serde_json::json;

use super::Space;

/// Whether a text stands in any file of the hub's data folder.
fn stands_in(folder: &Path, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(stands_in(&path, needle));
        } else if fs::read(&path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle.as_bytes())) {
            found.push(path.display().to_string());
        }
    }
    found
}

pub(super) async fn nowhere(hub: &Hub, needles: &[&str]) {
    let metrics = hub.visitor().get("/metrics").send().await.text;
    for needle in needles {
        assert_eq!(stands_in(&hub.data_dir, needle), Vec::<String>::new(), "{needle} stands in a file");
        assert!(!metrics.contains(needle), "{needle} stands in the metrics");
    }
}

#[tokio::test]
async fn a_canary_is_nowhere_but_where_it_may_be() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let canary = work::unique("canary").replace(' ', "");
        let (name, phone, email) = (format!("이름{canary}"), "01098765432", format!("{canary}@x.kr"));
        let panel_email = format!("{}@x.kr", canary.chars().take(30).collect::<String>());
        let body = json!({"uid": "P-1", "name": name, "cellphone": phone, "email": panel_email});
        let panel = space.key.post("/v1/panels?email=op@example.com").json(&body).send().await.is(200).text_of("panelId");
        let survey = space
            .survey(&json!({"title": "t", "parameters": [{"key": "uid"}], "questions": [
                {"type": "PersonalInfo", "text": "연락처", "fields": ["name", "cellphone", "email"], "consent": "동의"},
                {"type": "LongText", "text": "의견"}]}))
            .await;
        let (_, serial) = space.running(&survey, json!({})).await;
        let token = space.open(&serial, "?uid=P-1").await;
        let fields = json!({"name": name, "cellphone": phone, "email": email});
        let answers = json!([{"questionRank": 1, "consent": true, "fields": fields}, {"questionRank": 2, "text": "좋았어요"}]);
        let sheet = space.submit(&serial, &token, &answers).await.is(200).text_of("answerSheetId");
        space.submit(&serial, "wrong", &answers).await.is(400);
        let shown = space.key.get(&format!("/v1/responses?surveyId={survey}")).send().await.is(200).text;
        let sheets = space.key.get(&format!("/v1/answer-sheets?surveyId={survey}")).send().await.is(200).json();
        assert_eq!(sheets["answerSheets"][0]["panelId"], json!(panel), "the uid leads to its panel");
        let export = format!("/surveys/{survey}/responses/export?format=json");
        let masked = space.act("GET", &export, &json!({})).await.is(200).text;
        for text in [&shown, &masked] {
            assert!(!text.contains(&canary) && !text.contains(phone), "{text}");
        }
        space.act("GET", &format!("{export}&includePersonal=true"), &json!({})).await.is(400);
        let originals = space.act("GET", &format!("{export}&includePersonal=true&remark=why"), &json!({})).await.is(200).text;
        assert!(originals.contains(&name) && originals.contains(&email), "{originals}");
        nowhere(&hub, &[&canary, phone]).await;

        space.act("POST", "/erasures", &json!({"panelId": panel})).await.is(400);
        space.act("POST", "/erasures", &json!({"panelId": panel, "uid": "P-1", "remark": "r"})).await.is(400);
        let done = space.act("POST", "/erasures", &json!({"panelId": panel, "remark": "본인 요청"})).await.is(200).json();
        let count = |place: &str| {
            let places = done["places"].as_array().expect("places");
            places.iter().find(|found| found["place"] == place).map(|found| found["count"].as_i64().expect("a count"))
        };
        assert_eq!((count("panel"), count("answer_sheet"), count("subject_key")), (Some(1), Some(1), Some(2)), "{done}");
        let after = space.act("GET", &format!("{export}&includePersonal=true&remark=why"), &json!({})).await.is(200).text;
        assert!(after.contains(&sheet), "the sheet stays: {after}");
        assert!(!after.contains(&canary) && !after.contains("P-1") && !after.contains("좋았어요"), "{after}");
        let listed = space.key.get("/v1/panels?email=op@example.com&remark=x").send().await.is(200).json();
        assert_eq!(listed["panels"], json!([]));
        space.act("POST", "/erasures", &json!({"uid": "P-1", "remark": "again"})).await.is(404);
        let audit = space.act("GET", &format!("/audit?panelId={panel}"), &json!({})).await.is(200).json();
        assert_eq!(audit["records"][0]["action"], "subject.erase");
        nowhere(&hub, &[&canary, phone]).await;
    })
    .await;
}

/// What somebody wrote, and the values of his link, are no longer in the files of the hub either: not in free pages, not in the log.
#[tokio::test]
async fn what_was_erased_is_in_no_file() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let canary = work::unique("canary").replace(' ', "");
        let survey = space
            .survey(
                &json!({"title": "t", "parameters": [{"key": "uid"}, {"key": "store"}], "questions": [{"type": "LongText", "text": "의견"},
                {"type": "SingleChoice", "text": "하나", "options": [{"text": "기타", "isOther": true}]}]}),
            )
            .await;
        let (_, serial) = space.running(&survey, json!({})).await;
        let long = format!("{canary} ").repeat(140); // more than a page of the database holds
        let answers = json!([{"questionRank": 1, "text": long}, {"questionRank": 2, "options": [{"rank": 1, "text": canary}]}]);
        for number in 0..3 {
            let token = space.open(&serial, &format!("?uid=U-{number}&store={canary}")).await;
            space.submit(&serial, &token, &answers).await.is(200);
        }
        let shown = space.responses(&survey).await.to_string();
        assert!(shown.contains(&canary), "{shown}");
        for number in 0..3 {
            space.act("POST", "/erasures", &json!({"uid": format!("U-{number}"), "remark": "본인 요청"})).await.is(200);
        }
        assert!(!space.responses(&survey).await.to_string().contains(&canary));
        nowhere(&hub, &[&canary]).await;
    })
    .await;
}

#[tokio::test]
async fn retention_is_said_in_days() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        assert_eq!(space.act("GET", "/retention", &json!({})).await.is(200).json(), json!({"personalInfoDays": 300}));
        for days in [json!(0), json!(301), json!(-1), json!("x"), json!(null)] {
            space.act("PUT", "/retention", &json!({"personalInfoDays": days})).await.is(400);
        }
        space.act("PUT", "/retention", &json!({"personalInfoDays": 30})).await.is(200);
        assert_eq!(space.act("GET", "/retention", &json!({})).await.is(200).json(), json!({"personalInfoDays": 30}));
    })
    .await;
}

/// What was written and not submitted is somebody's too.
#[tokio::test]
async fn an_erasure_reaches_drafts() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey = json!({"title": "t", "parameters": [{"key": "uid"}], "questions": [
            {"type": "PersonalInfo", "text": "연락처", "fields": ["name"], "consent": "동의"}]});
        let survey = space.survey(&survey).await;
        let (_, serial) = space.running(&survey, json!({})).await;
        let form = |token: &str, go: &str| {
            let fields =
                [("sheet", token), ("step", "all"), ("go", go), ("q1.name", "김초안")].map(|(key, value)| format!("{key}={value}"));
            space.visitor.post(&format!("/r/{serial}")).body("application/x-www-form-urlencoded", fields.join("&")).send()
        };
        let drafts = |erasure: serde_json::Value| {
            let places = erasure["places"].as_array().expect("places").clone();
            places.iter().find(|found| found["place"] == "draft").map(|found| found["count"].clone())
        };
        let erase = |whom: serde_json::Value| {
            let mut body = whom;
            body["remark"] = json!("본인 요청");
            let space = &space;
            async move { space.act("POST", "/erasures", &body).await }
        };
        let token = space.open(&serial, "?uid=D-1").await;
        form(&token, "save").await.is(204);
        assert_eq!(drafts(erase(json!({"uid": "D-1"})).await.is(200).json()), Some(json!(1)));
        erase(json!({"uid": "D-1"})).await.is(404);

        let body = json!({"uid": "D-2"});
        let panel = space.key.post("/v1/panels?email=op@example.com").json(&body).send().await.is(200).text_of("panelId");
        let token = space.open(&serial, "?uid=D-2").await;
        form(&token, "save").await.is(204);
        let changed = space.key.call("PUT", &format!("/v1/panels/{panel}?email=op@example.com")).json(&json!({"uid": "D-3"}));
        changed.send().await.is(200);
        assert_eq!(drafts(erase(json!({"panelId": panel})).await.is(200).json()), Some(json!(1)), "also under an earlier uid");

        let token = space.open(&serial, "?uid=").await;
        let answers = json!([{"questionRank": 1, "consent": true, "fields": {"name": "김널"}}]);
        space.submit(&serial, &token, &answers).await.is(200);
        let sheets = space.key.get(&format!("/v1/answer-sheets?surveyId={survey}")).send().await.is(200).json();
        assert_eq!(sheets["answerSheets"][0]["uid"], json!(null), "an empty uid is nobody's");
    })
    .await;
}

#[tokio::test]
async fn no_masked_value_is_the_original() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey = json!({"title": "t", "questions": [
            {"type": "PersonalInfo", "text": "연락처", "fields": ["email", "address"], "consent": "동의"}]});
        let survey = space.survey(&survey).await;
        let (_, serial) = space.running(&survey, json!({})).await;
        let filled =
            |email: &str| json!([{"questionRank": 1, "consent": true, "fields": {"email": email, "address": "강남구테헤란로123"}}]);
        for email in ["kim@x.kr 010-1234-5678", "kim@x.kr@y.kr"] {
            let token = space.open(&serial, "").await;
            let answer = space.submit(&serial, &token, &filled(email)).await.is(400).json();
            assert_eq!(answer["field"], "answers.0.fields.email", "{answer}");
        }
        let token = space.open(&serial, "").await;
        space.submit(&serial, &token, &filled("kim@x.kr")).await.is(200);
        let shown = space.responses(&survey).await;
        assert_eq!(shown["responses"][0]["answers"][0]["fields"], json!({"email": "ki***@x.kr", "address": "강남***"}));
    })
    .await;
}

/// Panels, profiles and erasures of one space are nothing to another.
#[tokio::test]
async fn people_are_of_one_space() {
    on_every_hub(|hub| async move {
        let (mine, other) = (Space::new(&hub).await, Space::new(&hub).await);
        let by = "email=op@example.com";
        let panel = mine.key.post(&format!("/v1/panels?{by}")).json(&json!({"uid": "F-1"})).send().await.is(200).text_of("panelId");
        let variable = mine.key.post("/v1/profile-variables").json(&json!({"name": "지역"})).send().await.is(200);
        let variable = format!("/v1/profile-variables/{}", variable.text_of("profileVariableId"));
        let option = mine.key.post(&format!("{variable}/options")).json(&json!({"name": "서울"})).send().await.is(200);
        let option = format!("{variable}/options/{}", option.text_of("profileVariableOptionId"));
        for (method, target) in [
            ("PUT", format!("/v1/panels/{panel}?{by}")),
            ("DELETE", format!("/v1/panels/{panel}?{by}")),
            ("PUT", variable.clone()),
            ("DELETE", variable.clone()),
            ("GET", format!("{variable}/options")),
            ("POST", format!("{variable}/options")),
            ("PUT", option.clone()),
            ("DELETE", option.clone()),
        ] {
            let answer = other.key.call(method, &target).json(&json!({"name": "x"})).send().await.is(403);
            assert_eq!(answer.json()["code"], "FORBIDDEN", "{method} {target}: {answer}");
        }
        other.act("POST", "/erasures", &json!({"panelId": panel, "remark": "r"})).await.is(403);
        other.act("POST", "/erasures", &json!({"uid": "F-1", "remark": "r"})).await.is(404);
        let listed = other.key.get(&format!("/v1/panels?{by}&remark=x&panelId={panel}")).send().await.is(200).json();
        assert_eq!(listed["panels"], json!([]), "a cursor shows nothing of another space");
        let listed = mine.key.get(&format!("/v1/panels?{by}&remark=x")).send().await.is(200).json();
        assert_eq!(listed["panels"][0]["panelId"], json!(panel));
    })
    .await;
}
