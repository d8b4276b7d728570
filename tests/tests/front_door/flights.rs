//! The 336,776 flights that left New York in 2013: uploaded, paged to the last row in order, every value compared with the file;
//! then summed up by a SQL step and here. `cargo xtask data` brings the file.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use bytes::Bytes;
use futures::stream;
use madang_tests::{Client, FilePart, delimited, form, hubs, note, work};
use reqwest::Body;
use serde_json::{Value, json};

const ROWS: usize = 336_776;
const PAGE: usize = 10_000;
/// The type of each column. Five columns of numbers also hold the word NA, which makes them text; the last one is a time.
const KINDS: [&str; 19] = [
    "int64", "int64", "int64", "text", "int64", "text", "text", "int64", "text", "text", "int64", "text", "text", "text", "text", "int64",
    "int64", "int64", "text",
];
const BY_CARRIER: &str = "SELECT origin, carrier, count(*) AS flights, sum(distance) AS miles, count(delay) AS departed,
    avg(delay) AS mean_delay, max(time_hour) AS last
    FROM (SELECT *, CAST(NULLIF(dep_delay, 'NA') AS BIGINT) AS delay FROM daily) GROUP BY origin, carrier ORDER BY origin, carrier";

#[tokio::test]
async fn every_flight_arrives() {
    let Some(folder) = env::var_os("MADANG_TEST_DATA") else {
        return note("MADANG_TEST_DATA is not set: the flights were not tried; `cargo xtask data` brings them");
    };
    let text = fs::read_to_string(PathBuf::from(folder).join("flights.csv")).expect("flights.csv");
    // One hub is enough for the slowest test; the others differ in their databases, which hold no rows of tables.
    let hub = hubs().into_iter().find(|hub| hub.name == "sqlite").expect("the hub 'sqlite'");
    let admin = hub.admin().await;
    let dataset = work::dataset(&admin).await;
    upload(&admin, &dataset, &text).await;
    compare(&admin, &dataset, &text).await;
    sum_up(&admin, &dataset, &text).await;
}

async fn upload(client: &Client, dataset: &str, text: &str) {
    let (content_type, body) = form(&[FilePart::csv("flights.csv", text)]);
    let pieces: Vec<_> = body.chunks(64 * 1024).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
    let call = client.post(&format!("/api/v1/tables/{dataset}/upload")).body(&content_type, Body::wrap_stream(stream::iter(pieces)));
    call.send().await.is_exactly(200, &format!(r#"{{"message":"Upload successful","rows":{ROWS},"columns":19}}"#));
}

async fn compare(client: &Client, dataset: &str, text: &str) {
    let mut source = text.lines();
    let header: Vec<&str> = source.next().expect("a header").split(',').collect();
    let mut read = 0;
    for number in 1..=ROWS.div_ceil(PAGE) {
        let body = work::page(client, dataset, number, PAGE).await.json();
        assert_eq!((&body["columns"], &body["total_rows"]), (&json!(header), &json!(ROWS)));
        for row in body["data"].as_array().expect("rows") {
            let expected: Vec<Value> =
                source.next().expect("as many lines").split(',').zip(KINDS).map(|(cell, kind)| delimited::value(cell, kind)).collect();
            assert_eq!(row.as_array(), Some(&expected), "row {read}");
            read += 1;
        }
    }
    assert_eq!((read, source.next()), (ROWS, None));
}

/// What is told of the flights of one carrier from one airport.
#[derive(Default)]
struct Group {
    flights: i64,
    miles: i64,
    departed: i64,
    delay: i64,
    last: String,
}

async fn sum_up(client: &Client, dataset: &str, text: &str) {
    let output = work::dataset(client).await;
    let step = work::sql_step("carriers", BY_CARRIER, dataset, &[&output], "overwrite");
    work::run_well(client, &work::pipeline(client, json!([step])).await).await;
    let rows = work::rows(client, &output).await;
    let expected = groups(text);
    assert_eq!(rows.len(), expected.len());
    for (row, ((origin, carrier), group)) in rows.iter().zip(expected) {
        let exact = json!([origin, carrier, group.flights, group.miles, group.departed]);
        assert_eq!((json!(row[..5]), &row[6]), (exact, &json!(group.last)));
        let mean = row[5].as_f64().expect("a mean");
        #[expect(clippy::cast_precision_loss, reason = "sums of minutes are far below 2^53")]
        let wanted = group.delay as f64 / group.departed as f64;
        assert!((mean - wanted).abs() < 1e-9, "{origin} {carrier}: {mean} is not {wanted}");
    }
}

fn groups(text: &str) -> BTreeMap<(String, String), Group> {
    let mut groups: BTreeMap<_, Group> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |at: usize| cells[at].parse::<i64>();
        let group = groups.entry((cells[12].to_owned(), cells[9].to_owned())).or_default();
        group.flights += 1;
        group.miles += number(15).expect("distance");
        if let Ok(delay) = number(5) {
            group.departed += 1;
            group.delay += delay;
        }
        group.last = std::mem::take(&mut group.last).max(cells[18].to_owned());
    }
    groups
}
