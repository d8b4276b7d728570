//! Answers from files: which lines are taken, which are refused, and what a file that breaks off leaves behind.

use madang_tests::{Answer, Login, on_every_hub, raw};
use serde_json::{Value, json};

use super::{Space, short};

impl Space {
    async fn import(&self, survey: &str, query: &str, kind: &str, text: impl Into<String>) -> Answer {
        let target = self.path(&format!("/surveys/{survey}/responses/import{query}"));
        self.author.post(&target).body(kind, text.into()).send().await
    }

    async fn ndjson(&self, survey: &str, query: &str, lines: &[Value]) -> Value {
        let text: Vec<String> = lines.iter().map(Value::to_string).collect();
        self.import(survey, query, "application/x-ndjson", text.join("\n")).await.is(200).json()
    }
}

fn line(id: &str, value: u32) -> Value {
    json!({"answerSheetId": id, "submittedAt": "2023-11-15T00:00:00Z", "answers": [{"questionRank": 1, "value": value}]})
}

/// An id that nobody has.
fn fresh(space: &Space, last: char) -> String {
    let mut id = space.id.clone();
    id.pop();
    id.push(last);
    id
}

#[tokio::test]
async fn a_sheet_is_of_one_survey_and_a_target_holds() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let (one, other) = (space.survey(&short()).await, space.survey(&short()).await);
        let ids = ['0', '1', '2'].map(|last| fresh(&space, last));
        let lines: Vec<_> = ids.iter().map(|id| line(id, 5)).collect();
        let group = json!({"name": "g", "channel": "PUBLIC_LINK", "targetCnt": 2});
        let group = space.act("POST", &format!("/surveys/{one}/collect-groups"), &group).await.is(200).text_of("collectGroupId");
        let query = format!("?collectGroupId={group}");
        let report = space.ndjson(&one, &query, &lines).await;
        assert_eq!((&report["accepted"], &report["refused"]), (&json!(2), &json!(1)), "{report}");
        assert_eq!((&report["problems"][0]["row"], &report["problems"][0]["field"]), (&json!(3), &json!("collectGroupId")));
        let shown = space.key.get(&format!("/v1/collect-groups/{group}")).send().await.is(200).json();
        assert_eq!(shown["status"], "COMPLETED", "the target is reached");
        let again = space.ndjson(&one, &query, &lines[..2]).await;
        assert_eq!(again, json!({"accepted": 2, "refused": 0, "problems": []}), "they are there");
        let report = space.ndjson(&other, "", &lines).await;
        assert_eq!((&report["accepted"], &report["refused"]), (&json!(1), &json!(2)), "{report}");
        assert_eq!((&report["problems"][0]["row"], &report["problems"][0]["field"]), (&json!(1), &json!("answerSheetId")));
        assert_eq!(space.responses(&other).await["responses"].as_array().map(Vec::len), Some(1));
    })
    .await;
}

#[tokio::test]
async fn lines_are_checked_as_links_are() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey =
            json!({"title": "t", "parameters": [{"key": "UID"}, {"key": "store"}], "questions": [{"type": "LongText", "text": "x"}]});
        let survey = space.survey(&survey).await;
        space.key.post("/v1/panels?email=op@example.com").json(&json!({"uid": "U-1"})).send().await.is(200);
        let header = "submittedAt,param:UID,param:store,Q1";
        let at = "2023-11-15T00:00:00Z";
        let long = "가".repeat(501);
        let file = format!("{header}\n{at},U-1,강남점,좋음\n{at},,,\n{at},a\0b,,x\n{at},,{long},x\n{at},,,a\0b\n{at},,\"a\nb\",x\n");
        let report = space.import(&survey, "", "text/csv", file).await.is(200).json();
        assert_eq!((&report["accepted"], &report["refused"]), (&json!(2), &json!(4)), "{report}");
        let fields: Vec<_> = report["problems"].as_array().expect("problems").iter().map(|problem| problem["field"].clone()).collect();
        assert_eq!(json!(fields), json!(["line", "parameters", "line", "parameters"]), "{report}");
        let sheets = space.key.get(&format!("/v1/answer-sheets?surveyId={survey}")).send().await.is(200).json();
        let mut uids: Vec<_> = sheets["answerSheets"].as_array().expect("sheets").iter().map(|sheet| sheet["uid"].to_string()).collect();
        uids.sort();
        assert_eq!(uids, ["\"U-1\"", "null"], "a parameter in any case, and none if it is empty");
        for (file, field) in [("submittedAt,Q1,Q1\n".to_owned(), "header"), ("Q1\n".to_owned(), "header"), ("x".repeat(600 << 10), "")] {
            let answer = space.import(&survey, "", "text/csv", file).await;
            let expected = if field.is_empty() { (413, Value::Null) } else { (400, json!(field)) };
            assert_eq!((answer.status, answer.json()["field"].clone()), expected, "{answer}");
        }
        let cut = format!("{}\n{}", json!({"submittedAt": at, "answers": []}), "x".repeat(600 << 10));
        let answer = space.import(&survey, "", "application/x-ndjson", cut).await.is(413).json();
        assert!(answer["message"].as_str().is_some_and(|text| text.contains("1 were taken and 0 refused")), "{answer}");
    })
    .await;
}

/// From its beginning on, an import holds the definition that it judges by; and it is noted, if it may bring personal information.
#[tokio::test]
async fn an_import_freezes_its_survey_and_is_noted() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey = json!({"title": "t", "questions": [{"type": "Nps", "text": "x"},
            {"type": "PersonalInfo", "text": "연락처", "fields": ["name"], "consent": "동의"}]});
        let survey = space.survey(&survey).await;
        let group = json!({"name": "g", "channel": "PUBLIC_LINK"});
        let group = space.act("POST", &format!("/surveys/{survey}/collect-groups"), &group).await.is(200).text_of("collectGroupId");
        let report = space.ndjson(&survey, &format!("?collectGroupId={group}"), &[json!({"submittedAt": "nonsense", "answers": []})]).await;
        assert_eq!(report["refused"], 1);
        space.act("PUT", &format!("/surveys/{survey}"), &short()).await.is(409);
        let audit = space.act("GET", "/audit", &json!({})).await.is(200).json();
        let record = &audit["records"][0];
        assert_eq!((&record["action"], &record["detail"]["survey"].is_string()), (&json!("response.import"), &true), "{audit}");
        assert_eq!(record["operatorEmail"], json!(hub.credentials().email));
        let plain = space.survey(&short()).await;
        space.ndjson(&plain, "", &[line(&fresh(&space, '3'), 1)]).await;
        let audit = space.act("GET", "/audit", &json!({})).await.is(200).json();
        assert_eq!(audit["records"].as_array().map(Vec::len), Some(1), "without personal information there is nothing to note");
    })
    .await;
}

/// The last line of a file that breaks off may lack its end, and says another thing then.
#[tokio::test]
async fn a_cut_line_is_dropped() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey = space.survey(&short()).await;
        let Login::Header(_, token) = space.author.get_login() else { unreachable!("a bearer token") };
        let call = format!("POST {}", space.path(&format!("/surveys/{survey}/responses/import")));
        let whole = "submittedAt,Q1\n2023-11-15T00:00:00Z,9\n2023-11-15T00:00:01Z,10";
        let mut bytes = raw::request(&call, &[("content-type", "text/csv"), ("authorization", &token)], whole.as_bytes());
        bytes.pop();
        raw::break_off(&hub, &bytes).await;
        for _ in 0..10 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let kept = space.responses(&survey).await;
            let values: Vec<_> = kept["responses"].as_array().expect("a list").iter().map(|sheet| &sheet["answers"][0]["value"]).collect();
            assert!(values.iter().all(|value| **value == json!(9)), "{kept}");
        }
        let report = space.import(&survey, "", "text/csv", whole).await.is(200).json();
        assert_eq!(report["accepted"], 2, "a whole file has no need of a last line break");
    })
    .await;
}
