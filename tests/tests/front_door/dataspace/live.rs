//! A survey's answers as a table of the catalogue: what is answered, erased and stopped shows on every face within seconds.

use std::time::Duration;

use madang_tests::{
    Answer, Client, Hub,
    ckan::{act, result},
    on_every_hub, work,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Space,
    responses::{all_answers, everything},
};

/// How long a change may take to show.
const WITHIN: Duration = Duration::from_secs(30);

/// A live table.
struct Live {
    space: Space,
    survey: String,
    collection: String,
    /// D.Hub's id of its dataset.
    dataset: String,
    /// CKAN's id of its resource.
    resource: String,
    ckan: Client,
}

impl Live {
    async fn new(hub: &Hub, definition: &Value) -> Self {
        let space = Space::new(hub).await;
        let survey = space.survey(definition).await;
        let collection = work::collection(&space.author).await;
        let made = put(&space, &survey, &collection).await.is(200);
        let (dataset, resource) = (made.text_of("datasetId"), made.text_of("resourceId"));
        Self { ckan: hub.visitor().with(hub.ckan_token()), space, survey, collection, dataset, resource }
    }

    /// Its rows as CKAN shows them.
    async fn records(&self) -> Vec<Value> {
        let found =
            result(&self.ckan, "datastore_search", &json!({"resource_id": self.resource, "sort": "submittedAt, answerSheetId"})).await;
        found["records"].as_array().expect("records").clone()
    }

    /// Waits until the rows are as wanted.
    async fn shows(&self, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let patience = Patience::new();
        loop {
            let records = self.records().await;
            if wanted(&records) {
                return records;
            }
            patience.wait(what, &json!(records)).await;
        }
    }

    /// Waits until nothing waits.
    async fn settles(&self) {
        let patience = Patience::new();
        loop {
            let seen = self.look().await;
            if seen["status"] == "LIVE" && seen["waitingCnt"] == 0 {
                return;
            }
            patience.wait("all is written", &seen).await;
        }
    }

    async fn query(&self, sql: &str) -> Value {
        let target = format!("/api/v1/tables/{}/query", self.dataset);
        self.space.author.post(&target).json(&json!({"query": sql})).send().await.is(200).json()["data"].clone()
    }

    async fn look(&self) -> Value {
        self.space.act("GET", &format!("/surveys/{}/dataset", self.survey), &json!({})).await.is(200).json()
    }

    /// Answers the survey; gives the sheet's id.
    async fn answer(&self, serial: &str, query: &str, answers: &Value) -> String {
        let token = self.space.open(serial, query).await;
        self.space.submit(serial, &token, answers).await.is(200).text_of("answerSheetId")
    }
}

async fn put(space: &Space, survey: &str, collection: &str) -> Answer {
    space.act("PUT", &format!("/surveys/{survey}/dataset"), &json!({"collectionId": collection})).await
}

/// Looks again for a while.
struct Patience(Instant);

impl Patience {
    fn new() -> Self {
        Self(Instant::now() + WITHIN)
    }

    /// Waits a moment; what was seen last is told once it takes too long.
    async fn wait(&self, what: &str, seen: &Value) {
        assert!(Instant::now() < self.0, "{what}: {seen}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn an_answer_is_a_row_with_words_on_every_face() {
    on_every_hub(|hub| async move {
        let live = Live::new(&hub, &everything()).await;
        assert_eq!(live.records().await, Vec::<Value>::new(), "the table is there before the first answer");
        let (_, serial) = live.space.running(&live.survey, json!({"name": "매장 링크"})).await;
        let mut answers = all_answers();
        let personal = json!({"questionRank": 13, "consent": true, "fields": {"name": "김패널", "cellphone": "01000000000", "email": "panel@example.com"}});
        answers.as_array_mut().expect("a list").push(personal);
        let sheet = live.answer(&serial, "?store=%EA%B0%95%EB%82%A8%EC%A0%90", &answers).await;
        let records = live.shows("the answer", |records| records.len() == 1).await;
        let row = &records[0];
        for (column, wanted) in [
            ("answerSheetId", json!(sheet)),
            ("collectGroup", json!("매장 링크")),
            ("param_store", json!("강남점")),
            ("Q1", json!("나")),
            ("Q2", json!("가; 기타: 직접 입력한 내용")),
            ("Q3", json!("가")),
            ("Q4", json!("기타: 셋 > 가")),
            ("Q5", json!(7)),
            ("Q6", json!(9)),
            ("Q7_R1", json!("2")),
            ("Q7_R2", Value::Null),
            ("Q8_R1", json!("1; 2")),
            ("Q9", json!("다섯글자임")),
            ("Q10", json!("직원이 친절했어요")),
            ("Q11", json!(12.5)),
            ("Q12", json!("2023-10-05")),
        ] {
            assert_eq!(row[column], wanted, "{column}: {row}");
        }
        let names: Vec<&String> = row.as_object().expect("a row").keys().collect();
        assert!(!names.iter().any(|name| name.starts_with("Q13") || name.starts_with("Q14") || name.contains("uid")), "{names:?}");
        assert!(!row.to_string().contains("김") && !row.to_string().contains("010****"), "no personal value, masked or not: {row}");
        let info = result(&live.ckan, "datastore_info", &json!({"id": live.resource})).await;
        let label = info["fields"].as_array().expect("fields").iter().find(|field| field["id"] == "Q7_R1").expect("a column");
        assert_eq!(label["info"]["label"], "표 — 행");

        let page = work::page(&live.space.author, &live.dataset, 1, 10).await.json();
        assert!(page["data"][0].to_string().contains(&sheet), "{page}");
        let sum = live.query(r#"SELECT "Q1", count(*) AS n, sum("Q5") AS s FROM "table" GROUP BY "Q1""#).await;
        assert_eq!(sum, json!([["나", 1, 7]]));
        let sql = format!(r#"SELECT "Q1", "Q11" FROM "{}""#, live.resource);
        let found = result(&live.ckan, "datastore_search_sql", &json!({"sql": sql})).await;
        assert_eq!(found["records"][0]["Q1"], "나", "{found}");
        let sums = work::dataset(&live.space.author).await;
        let step = work::sql_step("합", r#"SELECT "Q1" AS branch, avg("Q6") AS nps FROM daily GROUP BY "Q1""#, &live.dataset, &[&sums], "overwrite");
        work::run_well(&live.space.author, &work::pipeline(&live.space.author, json!([step])).await).await;
        assert_eq!(work::rows(&live.space.author, &sums).await, [vec![json!("나"), json!(9.0)]], "a pipeline aggregates it");
        live.settles().await;
    })
    .await;
}

fn store() -> Value {
    json!({"title": "매장", "parameters": [{"key": "uid"}, {"key": "store"}], "questions": [
        {"type": "SingleChoice", "text": "점수", "options": [{"text": "좋음"}, {"text": "나쁨"}]}, {"type": "LongText", "text": "의견"}]})
}

fn said(text: &str) -> Value {
    json!([{"questionRank": 1, "options": [{"rank": 1}]}, {"questionRank": 2, "text": text}])
}

#[tokio::test]
async fn an_erasure_reaches_the_table_even_when_it_was_stopped() {
    on_every_hub(|hub| async move {
        let live = Live::new(&hub, &store()).await;
        let (_, serial) = live.space.running(&live.survey, json!({})).await;
        let (first, second) = (
            live.answer(&serial, "?uid=A-1&store=gn", &said("저는 김아무개")).await,
            live.answer(&serial, "?uid=A-2&store=hd", &said("친절")).await,
        );
        live.shows("both answers", |records| records.len() == 2).await;
        let done = live.space.act("POST", "/erasures", &json!({"uid": "A-1", "remark": "본인 요청"})).await.is(200).json();
        let place = done["places"].as_array().expect("places").iter().find(|place| place["place"] == "live_table_row").expect("a place");
        assert_eq!((&place["count"], &place["ids"]), (&json!(1), &json!([first])), "{done}");
        let of = |records: &[Value], sheet: &str| records.iter().find(|row| row["answerSheetId"] == sheet).cloned().expect("a row");
        let records = live.shows("the erasure", |records| of(records, &first)["Q2"].is_null()).await;
        let (erased, other) = (of(&records, &first), of(&records, &second));
        assert_eq!((&erased["Q1"], &erased["param_store"]), (&json!("좋음"), &Value::Null), "what was chosen stays");
        assert_eq!((&other["Q2"], &other["param_store"]), (&json!("친절"), &json!("hd")));

        let stopped = live.space.act("DELETE", &format!("/surveys/{}/dataset", live.survey), &json!({})).await.is(200).json();
        assert_eq!(stopped["status"], "STOPPED");
        let third = live.answer(&serial, "?uid=A-3", &said("늦은 답")).await;
        live.space.act("POST", "/erasures", &json!({"uid": "A-2", "remark": "본인 요청"})).await.is(200);
        let records = live.shows("the second erasure", |records| of(records, &second)["Q2"].is_null()).await;
        assert!(records.iter().all(|row| row["answerSheetId"] != third), "a stopped table gets no new answers: {records:?}");

        let again = put(&live.space, &live.survey, &live.collection).await.is(200);
        assert_eq!(again.text_of("datasetId"), live.dataset, "it goes on where it was");
        live.shows("what came meanwhile", |records| records.len() == 3).await;
        for text in
            [&live.query(r#"SELECT * FROM "table""#).await.to_string(), &work::page(&live.space.author, &live.dataset, 1, 10).await.text]
        {
            assert!(!text.contains("김아무개") && !text.contains("친절") && text.contains("늦은 답"), "{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn it_follows_its_questions_and_moves() {
    on_every_hub(|hub| async move {
        let live = Live::new(&hub, &store()).await;
        let mut changed = store();
        changed["questions"][1] = json!({"type": "Number", "text": "얼마?"});
        changed["questions"].as_array_mut().expect("a list").push(json!({"type": "Nps", "text": "추천?"}));
        live.space.act("PUT", &format!("/surveys/{}", live.survey), &changed).await.is(200);
        let lines = (0..1_200).map(|n| {
            json!({"submittedAt": format!("2023-10-{:02}T04:20:11Z", n % 28 + 1), "answers": [{"questionRank": 2, "value": n}, {"questionRank": 3, "value": n % 11}]})
        });
        let body = lines.map(|line| line.to_string() + "\n").collect::<String>();
        let target = live.space.path(&format!("/surveys/{}/responses/import", live.survey));
        let report = live.space.author.post(&target).body("application/x-ndjson", body).send().await.is(200);
        assert_eq!(report.json()["accepted"], 1_200, "{report}");
        let all = json!([[1_200, 719_400.0, 10]]);
        let patience = Patience::new();
        loop {
            let target = format!("/api/v1/tables/{}/query", live.dataset);
            let query = json!({"query": r#"SELECT count(*) AS n, sum("Q2") AS s, max("Q3") AS m FROM "table""#});
            let seen = live.space.author.post(&target).json(&query).send().await.json();
            if seen["data"] == all {
                break;
            }
            patience.wait("all imported answers", &seen).await;
        }

        let other = work::collection(&live.space.author).await;
        let moved = put(&live.space, &live.survey, &other).await.is(200);
        assert_eq!((moved.text_of("datasetId"), moved.text_of("collectionId")), (live.dataset.clone(), other.clone()));
        let dataset = live.space.author.get(&format!("/api/v1/datasets/{}", live.dataset)).send().await.is(200);
        assert_eq!(dataset.text_of("collection_id"), other);
        assert_eq!(dataset.json()["options"]["deleted_file_retention_duration"], "interval 0 days", "earlier versions go: {dataset}");

        // Whoever removes the dataset from the catalogue ends it; starting it again makes another one.
        let package = result(&live.ckan, "resource_show", &json!({"id": live.resource})).await["package_id"].clone();
        act(&live.ckan, "package_delete", &json!({"id": package})).await.is(200);
        let again = put(&live.space, &live.survey, &other).await.is(200);
        assert_ne!(again.text_of("datasetId"), live.dataset);
        let patience = Patience::new();
        loop {
            let seen = work::page(&live.space.author, &again.text_of("datasetId"), 1, 1).await.json();
            if seen["total_rows"] == 1_200 {
                break;
            }
            patience.wait("the rows of the new table", &seen).await;
        }
    })
    .await;
}

#[tokio::test]
async fn only_admins_who_edit_the_collection_start_it() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey = space.survey(&store()).await;
        let collection = work::collection(&space.author).await;
        let path = format!("/surveys/{survey}/dataset");
        for method in ["GET", "DELETE"] {
            let answer = space.act(method, &path, &json!({})).await.is(404).json();
            assert_eq!(answer["code"], "DATASET_NOT_FOUND");
        }
        for (body, field) in [
            (json!({}), "collectionId"),
            (json!({"collectionId": 7}), "collectionId"),
            (json!({"collectionId": "ds-01h00000000000000000000000"}), "collectionId"),
            (json!({"collectionId": "col-01h00000000000000000000000"}), "collectionId"),
            (json!([]), "body"),
        ] {
            assert_eq!(space.act("PUT", &path, &body).await.is(400).json()["field"], field, "{body}");
        }
        let wide = json!({"title": "t", "questions": (0..17).map(|_| json!({"type": "MatrixSingle", "text": "m",
            "rows": (0..100).map(|_| json!({"text": "r"})).collect::<Vec<_>>(), "options": [{"text": "o"}]})).collect::<Vec<_>>()});
        let wide = space.survey(&wide).await;
        put(&space, &wide, &collection).await.is(400);

        let (_, email, person) = work::person(&space.author, &[]).await;
        let own = hub.credentials().username;
        let as_role = async |role: &str| {
            let members = json!({"members": [{"user": own, "roles": ["admin"]}, {"user": email, "roles": [role]}]});
            space.act("PUT", "/members", &members).await.is(200);
        };
        for role in ["member", "developer", "privacy"] {
            as_role(role).await;
            let body = json!({"collectionId": collection});
            person.call("PUT", &space.path(&path)).json(&body).send().await.is(403);
            person.call("DELETE", &space.path(&path)).send().await.is(403);
            person.get(&space.path(&path)).send().await.is(404);
        }
        as_role("admin").await;
        let body = json!({"collectionId": collection});
        person.call("PUT", &space.path(&path)).json(&body).send().await.is(403); // an admin of the space, and nobody in the collection
        space.act("GET", &path, &json!({})).await.is(404);
        put(&space, &survey, &collection).await.is(200);
        let seen = person.get(&space.path(&path)).send().await.is(200);
        let hidden = person.get(&format!("/api/v1/tables/{}", seen.text_of("datasetId"))).send().await;
        assert!([403, 404].contains(&hidden.status), "the rows are for members of the collection: {hidden}");
        let gone = space.act("DELETE", &format!("/surveys/{survey}"), &json!({})).await.is(200);
        assert_eq!(gone.json(), json!(survey), "a survey that has a table can be removed as any other");
    })
    .await;
}
