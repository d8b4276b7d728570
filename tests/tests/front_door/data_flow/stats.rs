//! The dashboard: buckets of days and of two hours, in the time of Seoul.

use madang_tests::on_every_hub;
use serde_json::{Value, json};

use super::demand_problem;

#[tokio::test]
async fn days_and_hours_are_labelled_as_the_dashboard_does() {
    on_every_hub(|hub| async move {
        let client = hub.signed();
        let span = "startDate=2020-03-01T09%3A30%3A00&endDate=2020-03-03T23%3A59%3A59";
        let total = client.get(&format!("/api/v1/stats/executions?{span}")).send().await;
        total.is_exactly(200, r#"{"totalCount":0,"completedCount":0,"failedCount":0}"#);
        let days = client.get(&format!("/api/v1/stats/executions-interval?{span}")).send().await.is(200).json();
        let day = |from: &str, to: &str| json!({"totalCount": 0, "startDate": from, "endDate": to});
        let expected = [
            day("2020-03-01T00:00:01", "2020-03-02T00:00:00"),
            day("2020-03-02T00:00:01", "2020-03-03T00:00:00"),
            day("2020-03-03T00:00:01", "2020-03-04T00:00:00"),
        ];
        assert_eq!(days, json!({"result": expected}));
        for path in ["executions-times", "execution-times"] {
            let parts = client.get(&format!("/api/v1/stats/{path}?{span}")).send().await.is(200).json();
            let parts = parts["result"].as_array().expect("a list").clone();
            let first = 1_583_017_200_000_i64; // 2020-03-01T08:00:00+09:00
            let expected: Vec<Value> = (0..32).map(|at| json!({"time": first + at * 7_200_000, "value": 0})).collect();
            assert_eq!(parts, expected);
        }
    })
    .await;
}

#[tokio::test]
async fn times_that_are_none_are_refused() {
    on_every_hub(|hub| async move {
        let client = hub.signed();
        for path in ["executions", "executions-interval", "executions-times"] {
            for (query, word) in [
                ("", "startDate"),
                ("startDate=2020-03-01T00:00:00", "endDate"),
                ("startDate=today&endDate=2020-03-02T00:00:00", "startDate"),
                ("startDate=2020-03-02T00:00:00&endDate=2020-03-01T00:00:00", "startDate"),
                ("startDate=2020-03-01T00:00:00&endDate=2021-03-03T00:00:00", "366"),
                ("startDate=-262000-01-01T00:00:00&endDate=2020-03-01T00:00:00", ""),
            ] {
                demand_problem(&client.get(&format!("/api/v1/stats/{path}?{query}")).send().await, 400, "bad-parameter", word);
            }
        }
    })
    .await;
}
