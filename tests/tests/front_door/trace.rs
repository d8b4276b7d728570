//! Lists of traces (dhub.md sections 4 and 9) end where they are told to, and say where they go on.

use madang_tests::{Answer, Client, on_every_hub, work};
use serde_json::{Value, json};

/// More than a list has that does not say how many.
const RUNS: usize = 105;

async fn runs(client: &Client, pipeline: &str, count: usize) -> Vec<String> {
    let mut batches = Vec::new();
    for _ in 0..count {
        let started = client.post(&format!("/api/v1/pipelines/{pipeline}/run")).send().await.is(200);
        batches.insert(0, started.text_of("batch_id"));
    }
    batches
}

/// The batches of an answer of either list.
fn batches(answer: &Answer) -> Vec<String> {
    match answer.json() {
        Value::Array(traces) => traces.iter().map(|trace| trace["batch_id"].as_str().expect("an id").to_owned()).collect(),
        body => body["items"].as_object().expect("items").keys().cloned().collect(),
    }
}

/// Where the header `Link` leads.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    let target = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
    assert!(target.is_some(), "{link}");
    target.map(str::to_owned)
}

/// All pages of a list, by their sizes and as one.
async fn pages(client: &Client, first: String) -> (Vec<usize>, Vec<String>) {
    let (mut sizes, mut all, mut target) = (Vec::new(), Vec::new(), Some(first));
    while let Some(page) = target {
        let answer = client.get(&page).send().await.is(200);
        sizes.push(batches(&answer).len());
        all.extend(batches(&answer));
        target = next(&answer);
    }
    (sizes, all)
}

#[tokio::test]
async fn none_is_cut_in_silence() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let pipeline = work::pipeline(&admin, json!([])).await;
        let made = runs(&admin, &pipeline, RUNS).await;
        let (all, history) = (format!("/api/v1/traces?pipeline_id={pipeline}"), format!("/api/v1/traces/pipelines/{pipeline}/"));
        for (first, sizes) in [
            (all.clone(), vec![100, 5]),
            (format!("{all}&limit=1000"), vec![RUNS]),
            (format!("{all}&limit={RUNS}"), vec![RUNS]),
            (format!("{all}&limit=60"), vec![60, 45]),
            (history.clone(), vec![100, 5]),
            (format!("{history}?limit=52"), vec![52, 52, 1]),
        ] {
            assert_eq!(pages(&admin, first.clone()).await, (sizes, made.clone()), "{first}");
        }
        let part = admin.get(&format!("{all}&offset=103&limit=1")).send().await.is(200);
        assert_eq!(batches(&part), made[103..104]);
        let one = admin.get(&format!("/api/v1/traces?batch_id={}", made[7])).send().await.is(200);
        assert_eq!((batches(&one), next(&one)), (made[7..8].to_vec(), None));
        assert_eq!(admin.get(&format!("{all}&offset=1000")).send().await.is(200).text, "[]");
        for (wrong, parameter) in [("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"), ("offset=-1", "offset")] {
            let refused = admin.get(&format!("{all}&{wrong}")).send().await.is(422).json();
            assert_eq!(refused["detail"][0]["loc"], json!(["query", parameter]), "{wrong}");
        }
    })
    .await;
}
