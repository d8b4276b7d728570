//! Answers on their way in and out.

use std::collections::HashSet;

use futures::future::join_all;
use madang_tests::{ckan::result, on_every_hub};
use serde_json::{Value, json};

use super::{Space, nine, short};
use crate::ckan::loader::load;

/// A question of every kind.
pub(super) fn everything() -> Value {
    let options = json!([{"text": "가"}, {"text": "나"}, {"text": "기타", "isOther": true}]);
    json!({"title": "모든 문항", "parameters": [{"key": "store"}], "questions": [
        {"type": "SingleChoice", "text": "하나", "options": options, "required": true},
        {"type": "MultipleChoice", "text": "여럿", "options": options, "maxSelection": 2},
        {"type": "Dropdown", "text": "목록", "options": options},
        {"type": "Ranking", "text": "순위", "options": options},
        {"type": "Scale", "text": "척도", "minValue": 1, "maxValue": 7, "minLabel": "나쁨", "maxLabel": "좋음"},
        {"type": "Nps", "text": "추천", "showIf": {"questionRank": 1, "optionRank": 2}},
        {"type": "MatrixSingle", "text": "표", "rows": [{"text": "행"}, {"text": "열"}], "options": [{"text": "1"}, {"text": "2"}]},
        {"type": "MatrixMultiple", "text": "표들", "rows": [{"text": "행"}], "options": [{"text": "1"}, {"text": "2"}]},
        {"type": "ShortText", "text": "짧게", "maxLength": 5},
        {"type": "LongText", "text": "길게"},
        {"type": "Number", "text": "수", "minValue": 0.5, "unit": "원"},
        {"type": "Date", "text": "날"},
        {"type": "PersonalInfo", "text": "연락처", "fields": ["name", "cellphone", "email"], "consent": "<p>동의</p>"},
        {"type": "Description", "text": "끝"}]})
}

/// Its answers, but for personal information.
pub(super) fn all_answers() -> Value {
    json!([
        {"questionRank": 1, "type": "SingleChoice", "options": [{"rank": 2, "text": null}]},
        {"questionRank": 2, "type": "MultipleChoice", "options": [{"rank": 1, "text": null}, {"rank": 3, "text": "직접 입력한 내용"}]},
        {"questionRank": 3, "type": "Dropdown", "options": [{"rank": 1, "text": null}]},
        {"questionRank": 4, "type": "Ranking", "options": [{"rank": 3, "text": "셋"}, {"rank": 1, "text": null}]},
        {"questionRank": 5, "type": "Scale", "value": 7},
        {"questionRank": 6, "type": "Nps", "value": 9},
        {"questionRank": 7, "type": "MatrixSingle", "rows": [{"rank": 1, "options": [{"rank": 2, "text": null}]}]},
        {"questionRank": 8, "type": "MatrixMultiple", "rows": [{"rank": 1, "options": [{"rank": 1, "text": null}, {"rank": 2, "text": null}]}]},
        {"questionRank": 9, "type": "ShortText", "text": "다섯글자임"},
        {"questionRank": 10, "type": "LongText", "text": "직원이 친절했어요"},
        {"questionRank": 11, "type": "Number", "value": 12.5},
        {"questionRank": 12, "type": "Date", "value": "2023-10-05"},
    ])
}

#[tokio::test]
async fn every_kind_of_answer_is_read_back_exactly() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey = space.survey(&everything()).await;
        let (_, serial) = space.running(&survey, json!({})).await;
        let token = space.open(&serial, "").await;
        let mut given = all_answers();
        let personal = json!({"questionRank": 13, "type": "PersonalInfo", "consent": true,
            "fields": {"name": "김패널", "cellphone": "01000000000", "email": "panel@example.com"}});
        given.as_array_mut().expect("a list").push(personal);
        let first = space.submit(&serial, &token, &given).await.is(200);
        let again = space.submit(&serial, &token, &given).await.is(200);
        assert_eq!(first.text, again.text, "the same sheet again is the first one");
        let other = space.submit(&serial, &token, &json!([{"questionRank": 1, "options": [{"rank": 9}]}])).await.is(200);
        assert_eq!(first.text, other.text, "whatever it brings");
        let shown = space.responses(&survey).await;
        assert_eq!(shown["responses"].as_array().map(Vec::len), Some(1));
        let answers = shown["responses"][0]["answers"].as_array().expect("answers").clone();
        assert_eq!(json!(answers[..12]), all_answers());
        assert_eq!(answers[12]["fields"], json!({"name": "김*널", "cellphone": "010****0000", "email": "pa***@example.com"}));
        assert_eq!(shown["responses"][0]["answerSheetId"], first.json()["answerSheetId"]);

        for (bad, field) in [
            (json!([]), "answers.questionRank=1"),
            (json!([{"questionRank": 1, "options": [{"rank": 4}]}]), "answers.0.options.0.rank"),
            (json!([{"questionRank": 1, "options": [{"rank": 1}]}, {"questionRank": 6, "value": 1}]), "answers.1.questionRank"),
            (json!([{"questionRank": 1, "options": [{"rank": 1}]}, {"questionRank": 9, "text": "여섯글자이다"}]), "answers.1.text"),
        ] {
            let token = space.open(&serial, "").await;
            let answer = space.submit(&serial, &token, &bad).await.is(400).json();
            assert_eq!(answer["field"], field, "{answer}");
        }
        for token in ["", "x", &format!("{token}x")] {
            space.submit(&serial, token, &nine()).await.is(400);
        }
        assert_eq!(space.responses(&survey).await["responses"].as_array().map(Vec::len), Some(1), "a refused sheet leaves nothing");
    })
    .await;
}

/// 200 people at once on a group that wants 100.
#[tokio::test]
async fn a_target_is_never_exceeded() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey = space.survey(&short()).await;
        let (group, serial) = space.running(&survey, json!({"targetCnt": 100})).await;
        let tokens = join_all((0..200).map(|_| space.open(&serial, ""))).await;
        let answer = nine();
        let answers = join_all(tokens.iter().map(|token| space.submit(&serial, token, &answer))).await;
        let (accepted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!((accepted.len(), refused.len()), (100, 100));
        assert!(refused.iter().all(|answer| answer.status == 410 && answer.json()["code"] == "FULL"), "{}", refused[0]);
        let shown = space.key.get(&format!("/v1/collect-groups/{group}")).send().await.is(200).json();
        assert_eq!((&shown["status"], shown["completedAt"].is_string()), (&json!("COMPLETED"), true));
        assert_eq!(space.responses(&survey).await["responses"].as_array().map(Vec::len), Some(100));
        space.visitor.get(&format!("/r/{serial}/form")).send().await.is(410);
    })
    .await;
}

#[tokio::test]
async fn a_link_says_why_it_is_closed() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey = space.survey(&short()).await;
        let body = json!({"name": "g", "channel": "PUBLIC_LINK"});
        let made = space.act("POST", &format!("/surveys/{survey}/collect-groups"), &body).await.is(200);
        let (group, serial) = (made.text_of("collectGroupId"), made.text_of("serial"));
        let form = format!("/r/{serial}/form");
        let code = |answer: madang_tests::Answer| (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned());
        assert_eq!(code(space.visitor.get(&form).send().await), (404, "NOT_STARTED".to_owned()));
        for (step, status) in [("pause", 409), ("complete", 409), ("start", 200), ("start", 409), ("pause", 200)] {
            space.act("POST", &format!("/collect-groups/{group}/{step}"), &json!({})).await.is(status);
        }
        assert_eq!(code(space.visitor.get(&form).send().await), (403, "PAUSED".to_owned()));
        space.act("POST", &format!("/collect-groups/{group}/start"), &json!({})).await.is(200);
        let token = space.open(&serial, "").await;
        space.act("POST", &format!("/collect-groups/{group}/complete"), &json!({})).await.is(200);
        assert_eq!(code(space.visitor.get(&form).send().await), (410, "COMPLETED".to_owned()));
        assert_eq!(code(space.submit(&serial, &token, &nine()).await), (410, "COMPLETED".to_owned()));
        space.act("POST", &format!("/collect-groups/{group}/start"), &json!({})).await.is(409);
        space.visitor.get("/r/aNoSuchThing0/form").send().await.is(404);
    })
    .await;
}

#[tokio::test]
async fn pages_and_windows_lose_nothing() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey = space.survey(&short()).await;
        let line = |number: usize| {
            let at = chrono::DateTime::from_timestamp(1_700_000_000 + i64::try_from(number / 3).expect("small"), 0).expect("a time");
            format!(r#"{{"submittedAt": "{}", "answers": [{{"questionRank": 1, "value": {}}}]}}"#, at.to_rfc3339(), number % 11)
        };
        let file: Vec<String> = (0..2_500).map(line).chain(["nonsense".to_owned()]).collect();
        let target = space.path(&format!("/surveys/{survey}/responses/import"));
        let report = space.author.post(&target).body("application/x-ndjson", file.join("\n")).send().await.is(200).json();
        assert_eq!((&report["accepted"], &report["refused"], &report["problems"][0]["row"]), (&json!(2500), &json!(1), &json!(2501)));
        let (_, serial) = space.running(&survey, json!({})).await;

        let mut seen = Vec::new();
        let mut query = format!("surveyId={survey}");
        for page in 0..3 {
            let responses = space.key.get(&format!("/v1/responses?{query}")).send().await.is(200).json();
            let sheets = space.key.get(&format!("/v1/responses/metadata?{query}")).send().await.is(200).json();
            let ids = |list: &Value| -> Vec<Value> {
                list.as_array().expect("a list").iter().map(|item| item["answerSheetId"].clone()).collect()
            };
            assert_eq!(ids(&responses["responses"]), ids(&sheets["answerSheets"]));
            assert_eq!(responses["responses"].as_array().map(Vec::len), Some(if page < 2 { 1000 } else { 500 }));
            seen.extend(ids(&responses["responses"]));
            let token = space.open(&serial, "").await;
            space.submit(&serial, &token, &nine()).await.is(200); // newer ones come meanwhile
            match responses["pageToken"].as_str() {
                Some(token) => query = format!("surveyId={survey}&pageToken={}", token.replace('=', "%3D")),
                None => assert_eq!(page, 2),
            }
        }
        let different: HashSet<String> = seen.iter().map(ToString::to_string).collect();
        assert_eq!((seen.len(), different.len()), (2500, 2500));
        let hour = format!("surveyId={survey}&startDateTime=2023-11-15T07:13:19&endDateTime=2023-11-15T08:13:19");
        assert_eq!(walk(&space, &hour).await, seen, "a window that holds them all");

        // 1,700,000,000 is 2023-11-15T07:13:20 in Seoul; three sheets a second.
        let window =
            |from: u32, to: u32| format!("surveyId={survey}&startDateTime=2023-11-15T07:13:{from}&endDateTime=2023-11-15T07:13:{to}");
        for (from, to, count) in [(20, 21, 3), (21, 23, 6), (20, 23, 9), (23, 23, 0), (24, 23, 0)] {
            let page = space.key.get(&format!("/v1/responses?{}", window(from, to))).send().await.is(200).json();
            assert_eq!(page["responses"].as_array().map(Vec::len), Some(count), "({from}, {to}]");
        }
        let first = space.key.get(&format!("/v1/responses?{}", window(19, 20))).send().await.is(200).json();
        assert_eq!(first["responses"][0]["submittedAt"], "2023-11-15T07:13:20");
    })
    .await;
}

/// The ids of all sheets of a query, page by page.
async fn walk(space: &Space, query: &str) -> Vec<Value> {
    let (mut seen, mut target) = (Vec::new(), format!("/v1/responses?{query}"));
    loop {
        let page = space.key.get(&target).send().await.is(200).json();
        seen.extend(page["responses"].as_array().expect("responses").iter().map(|sheet| sheet["answerSheetId"].clone()));
        let Some(token) = page["pageToken"].as_str() else { return seen };
        target = format!("/v1/responses?{query}&pageToken={}", token.replace('=', "%3D"));
    }
}

/// Windows that end by now, one behind the other, see every sheet once, whenever it is submitted.
#[tokio::test]
async fn windows_up_to_now_lose_nothing() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        space.act("PUT", "", &json!({"zone": "UTC"})).await.is(200);
        let survey = space.survey(&short()).await;
        let (_, serial) = space.running(&survey, json!({})).await;
        let now = || chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S").to_string();
        let (mut from, mut seen, mut sent) = (now(), Vec::new(), HashSet::new());
        let until = std::time::Instant::now() + std::time::Duration::from_millis(3_500);
        let mut last = false;
        while !last {
            last = std::time::Instant::now() > until;
            if last {
                tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
            } else {
                let token = space.open(&serial, "").await;
                sent.insert(space.submit(&serial, &token, &nine()).await.is(200).text_of("answerSheetId"));
            }
            let to = now();
            let query = format!("surveyId={survey}&startDateTime={from}&endDateTime={to}");
            let page = space.key.get(&format!("/v1/responses?{query}")).send().await.is(200).json();
            let ids = page["responses"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|sheet| sheet["answerSheetId"].as_str().expect("an id").to_owned());
            seen.extend(ids);
            from = to;
        }
        assert_eq!(seen.len(), sent.len(), "each one once");
        assert_eq!(seen.into_iter().collect::<HashSet<_>>(), sent);
    })
    .await;
}

/// What an export writes, an import reads.
#[tokio::test]
async fn exports_are_imports() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey = space.survey(&everything()).await;
        let (_, serial) = space.running(&survey, json!({})).await;
        let token = space.open(&serial, "?store=%EA%B0%95%EB%82%A8%EC%A0%90").await;
        space.submit(&serial, &token, &all_answers()).await.is(200);
        for (format, kind) in [("csv", "text/csv"), ("json", "application/x-ndjson")] {
            let file = space.author.get(&space.path(&format!("/surveys/{survey}/responses/export?format={format}"))).send().await.is(200);
            let copy = space.survey(&everything()).await;
            // The same sheet can't be in two surveys.
            let id = space.responses(&survey).await["responses"][0]["answerSheetId"].as_str().expect("an id").to_owned();
            let text = file.text.replace(&format!("\"{id}\""), "null").replace(&id, "");
            let target = space.path(&format!("/surveys/{copy}/responses/import"));
            let report = space.author.post(&target).body(kind, text).send().await.is(200);
            assert_eq!(report.json()["accepted"], 1, "{report}");
            let (ours, theirs) = (space.responses(&survey).await, space.responses(&copy).await);
            assert_eq!(ours["responses"][0]["answers"], theirs["responses"][0]["answers"], "{format}");
            assert_eq!(ours["responses"][0]["submittedAt"], theirs["responses"][0]["submittedAt"], "{format}");
        }
        space.author.get(&space.path(&format!("/surveys/{survey}/responses/export?format=xml"))).send().await.is(400);
    })
    .await;
}

/// A spreadsheet is read by our own loader: texts stay texts whatever they begin with, numbers are numbers.
#[tokio::test]
async fn an_export_is_a_spreadsheet() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey = space.survey(&everything()).await;
        let (_, serial) = space.running(&survey, json!({})).await;
        let formula = "=HYPERLINK(\"http://x\",\"<&>\")";
        let texts = [formula, "+1", "-1+1", "@x", " 앞뒤 "];
        for text in texts {
            let mut answers = all_answers();
            answers[9]["text"] = json!(text);
            let token = space.open(&serial, "?store=%3D1%2B1").await;
            space.submit(&serial, &token, &answers).await.is(200);
        }
        let file = space.author.get(&space.path(&format!("/surveys/{survey}/responses/export?format=xlsx"))).send().await.is(200);
        assert_eq!(file.header("content-type"), Some("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"));
        assert!(file.header("content-disposition").is_some_and(|value| value.contains("responses.xlsx")));
        let client = hub.visitor().with(hub.ckan_token());
        let (_, resource, state) = load(&client, "responses.xlsx", &file.bytes).await;
        assert_eq!(state["status"], "complete", "{state}");
        let found = result(&client, "datastore_search", &json!({"resource_id": resource})).await;
        let records = found["records"].as_array().expect("records");
        let mut read: Vec<&str> = records.iter().filter_map(|row| row["Q10"].as_str()).map(str::trim).collect();
        read.sort_unstable();
        let mut wanted: Vec<&str> = texts.iter().map(|text| text.trim()).collect();
        wanted.sort_unstable();
        assert_eq!(read, wanted);
        let row = &records[0];
        assert_eq!((&row["Q2"], &row["Q5"], &row["param:store"]), (&json!("1;3:직접 입력한 내용"), &json!(7), &json!("=1+1")), "{row}");
        assert_eq!(row["Q11"], json!(12.5), "{row}");
        let csv = space.author.get(&space.path(&format!("/surveys/{survey}/responses/export"))).send().await.is(200).text;
        assert!(csv.contains("'+1") && csv.contains("'@x") && csv.contains("'=1+1") && csv.contains("\"'=HYPERLINK"), "{csv}");
        let empty = space.survey(&short()).await;
        let file = space.author.get(&space.path(&format!("/surveys/{empty}/responses/export?format=xlsx"))).send().await.is(200);
        assert!(file.bytes.starts_with(b"PK\x03\x04"));
    })
    .await;
}
