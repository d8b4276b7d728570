//! SQL steps are really executed: what they write is compared with what this file computes from the same rows.

use std::collections::BTreeMap;

use madang_tests::{Client, Hub, delimited, fixture, on_every_hub, work};
use serde_json::{Value, json};

/// The types of the columns of `seattle-weather.csv`.
const WEATHER: [&str; 6] = ["text", "double", "double", "double", "double", "text"];
const BY_WEATHER: &str = "SELECT weather, count(*) AS days, max(temp_max) AS hottest, min(temp_min) AS coldest, sum(precipitation) AS rain
    FROM daily GROUP BY weather ORDER BY weather";

/// One group, computed here.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Group {
    days: u64,
    hottest: f64,
    coldest: f64,
    rain: f64,
}

#[tokio::test]
async fn both_outputs_hold_the_rows_that_the_query_gives() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let source = weather(&admin).await;
        let outputs = [work::dataset(&admin).await, work::dataset(&admin).await];
        let step = work::sql_step("요약", BY_WEATHER, &source, &[&outputs[0], &outputs[1]], "overwrite");
        let pipeline = work::pipeline(&admin, json!([step])).await;
        let expected = expected();
        for _ in 0..2 {
            let batch = work::run_well(&admin, &pipeline).await;
            let step = &work::trace(&admin, &batch).await["state"]["steps"]["요약"];
            assert_eq!((&step["state"], &step["offsets"], &step["comment"]), (&"completed".into(), &json!({"records": 5}), &Value::Null));
            assert_eq!(groups(&work::rows(&admin, &outputs[0]).await), expected, "overwritten, not added");
            assert_eq!(work::rows(&admin, &outputs[1]).await, work::rows(&admin, &outputs[0]).await);
        }
    })
    .await;
}

#[tokio::test]
async fn appending_adds_the_rows_again() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (source, output) = (weather(&admin).await, work::dataset(&admin).await);
        let query = "SELECT weather, count(*) AS days FROM daily GROUP BY weather ORDER BY weather";
        let pipeline = work::pipeline(&admin, json!([work::sql_step("s", query, &source, &[&output], "append")])).await;
        let once: Vec<Vec<Value>> = expected().into_iter().map(|(weather, group)| vec![weather.into(), group.days.into()]).collect();
        for times in 1..=2 {
            work::run_well(&admin, &pipeline).await;
            assert_eq!(work::rows(&admin, &output).await, vec![once.clone(); times].concat());
        }
        assert_eq!(work::total_rows(&admin, &source).await, 1_461, "the source stays");
    })
    .await;
}

/// Steps run in the order in which they stand; a later one reads what an earlier one wrote.
#[tokio::test]
async fn a_step_reads_what_the_one_before_wrote() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (source, middle, last) = (weather(&admin).await, work::dataset(&admin).await, work::dataset(&admin).await);
        let first = work::sql_step("a", "SELECT date, temp_max FROM daily WHERE weather = 'snow'", &source, &[&middle], "overwrite");
        let second = work::sql_step("b", "SELECT count(*) AS days FROM daily", &middle, &[&last], "overwrite");
        let pipeline = work::pipeline(&admin, json!([first, second])).await;
        work::run_well(&admin, &pipeline).await;
        assert_eq!(work::rows(&admin, &last).await, [[json!(expected()["snow"].days)]]);
    })
    .await;
}

/// A failed step ends the batch as `failed`, says why without naming the house's files, and writes nothing.
#[tokio::test]
async fn a_failing_step_fails_the_batch_and_writes_nothing() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let source = weather(&admin).await;
        for query in [
            "SELECT no_such_column FROM daily",
            "SELECT * FROM no_such_table",
            "SELECT CAST(weather AS BIGINT) AS n FROM daily",
            "SELECT count(*) / 0 AS n FROM daily",
            "SELEKT 1",
            "DROP TABLE daily",
            "INSERT INTO daily VALUES (1)",
            "COPY daily TO '/tmp/stolen.csv'",
            "SELECT * FROM '/etc/passwd'",
            "SELECT * FROM information_schema.tables",
            "SELECT [1, 2] AS list FROM daily",
            "SELECT 1 AS a; SELECT 2 AS a",
        ] {
            fails(&hub, &admin, &source, query).await;
        }
    })
    .await;
}

async fn fails(hub: &Hub, admin: &Client, source: &str, query: &str) {
    let (output, never) = (work::dataset(admin).await, work::dataset(admin).await);
    work::upload(admin, &output, "kept\n1\n").await.is(200);
    let bad = work::sql_step("bad", query, source, &[&output], "overwrite");
    let after = work::sql_step("after", "SELECT 1 AS n", source, &[&never], "overwrite");
    let body = json!({"name": "틀린 질의", "steps": [bad, after]});
    let made = admin.post("/api/v1/pipelines").json(&body).send().await;
    if made.status == 422 {
        return; // refused when saved: as good
    }
    let (batch, ended) = work::run(admin, &made.is(200).text_of("id")).await;
    assert_eq!(ended.text_of("status"), "failed", "{query}");
    let trace = work::trace(admin, &batch).await;
    assert_eq!(trace["state"]["state"], "failed", "{query}");
    let steps = &trace["state"]["steps"];
    assert_eq!((&steps["bad"]["state"], steps["after"]["state"] == "completed"), (&"failed".into(), false), "{trace}");
    let comment = steps["bad"]["comment"].as_str().unwrap_or_default();
    assert!(!comment.is_empty(), "{query}: {trace}");
    assert_says_nothing_internal(hub, &trace.to_string(), query);
    assert_eq!(work::rows(admin, &output).await, [[json!(1)]], "{query}");
    assert_eq!(work::total_rows(admin, &never).await, 0, "{query}");
}

/// Neither files nor code nor the engine's own words.
fn assert_says_nothing_internal(hub: &Hub, text: &str, about: &str) {
    let folder = hub.data_dir.display().to_string();
    for internal in
        [folder.as_str(), ".parquet", ".rs", "_delta_log", "panicked", "DataFusion", "datafusion", "backtrace", "internal error"]
    {
        assert!(!text.contains(internal), "{about}: '{internal}' in {text}");
    }
}

/// What JSON can't say is null; what a double can't hold is refused or kept whole.
#[tokio::test]
async fn values_come_out_as_they_are() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (source, output) = (work::dataset(&admin).await, work::dataset(&admin).await);
        work::upload(&admin, &source, "n\n9223372036854775807\n").await.is(200);
        let query = "SELECT n, n - 1 AS less, CAST('NaN' AS DOUBLE) AS nan, CAST('-Infinity' AS DOUBLE) AS infinite, 0.1 + 0.2 AS sum,
            NULL AS nothing, n > 0 AS yes, DATE '2026-03-01' AS day, '한글 \"따옴표\"' AS text FROM daily";
        let step = work::sql_step("s", query, &source, &[&output], "overwrite");
        work::run_well(&admin, &work::pipeline(&admin, json!([step])).await).await;
        let page = work::page(&admin, &output, 1, 10).await;
        let values = r#"[9223372036854775807,9223372036854775806,null,null,0.30000000000000004,null,true,"2026-03-01","한글 \"따옴표\""]"#;
        assert!(page.text.contains(values), "{page}");
    })
    .await;
}

/// A table may be changed by what is read from it.
#[tokio::test]
async fn a_step_may_overwrite_its_own_input() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let table = work::dataset(&admin).await;
        work::upload(&admin, &table, "n\n1\n2\n3\n").await.is(200);
        let step = work::sql_step("s", "SELECT n * 10 AS n FROM daily WHERE n > 1 ORDER BY n", &table, &[&table], "overwrite");
        let pipeline = work::pipeline(&admin, json!([step])).await;
        for expected in [json!([[20], [30]]), json!([[200], [300]])] {
            work::run_well(&admin, &pipeline).await;
            assert_eq!(json!(work::rows(&admin, &table).await), expected);
        }
    })
    .await;
}

/// An input without rows is told as such.
#[tokio::test]
async fn an_input_without_data_fails_the_batch() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (empty, output) = (work::dataset(&admin).await, work::dataset(&admin).await);
        let step = work::sql_step("s", "SELECT 1 AS n FROM daily", &empty, &[&output], "append");
        let (batch, ended) = work::run(&admin, &work::pipeline(&admin, json!([step])).await).await;
        assert_eq!(ended.text_of("status"), "failed");
        let comment = work::trace(&admin, &batch).await["state"]["steps"]["s"]["comment"].as_str().unwrap_or_default().to_owned();
        assert!(comment.contains(&empty), "names the dataset: {comment}");
    })
    .await;
}

async fn weather(client: &Client) -> String {
    let dataset = work::dataset(client).await;
    work::upload(client, &dataset, &fixture("seattle-weather.csv")).await.is(200);
    dataset
}

fn expected() -> BTreeMap<String, Group> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for row in delimited::rows(&fixture("seattle-weather.csv"), &WEATHER) {
        let number = |at: usize| row[at].as_f64().expect("a number");
        let nobody = Group { hottest: f64::NEG_INFINITY, coldest: f64::INFINITY, ..Group::default() };
        let group = groups.entry(row[5].as_str().expect("weather").to_owned()).or_insert(nobody);
        group.days += 1;
        group.rain += number(1);
        group.hottest = group.hottest.max(number(2));
        group.coldest = group.coldest.min(number(3));
    }
    groups.into_iter().map(|(name, group)| (name, rounded(group))).collect()
}

/// The same from a table's rows.
fn groups(rows: &[Vec<Value>]) -> BTreeMap<String, Group> {
    let group = |row: &Vec<Value>| {
        let number = |at: usize| row[at].as_f64().expect("a number");
        let group = Group { days: row[1].as_u64().expect("days"), hottest: number(2), coldest: number(3), rain: number(4) };
        (row[0].as_str().expect("weather").to_owned(), rounded(group))
    };
    rows.iter().map(group).collect()
}

/// Sums of fractions depend on the order of adding in their last digits.
fn rounded(group: Group) -> Group {
    Group { rain: (group.rain * 1e6).round() / 1e6, ..group }
}
