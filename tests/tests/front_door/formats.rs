//! Formats of uploads (dhub.md section 7): what is said, else the name, else the content type, else the first bytes; gzip around any.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use madang_tests::{Client, FilePart, fixture_bytes, on_every_hub, work};
use serde_json::json;

const ROWS: &str = r#"[[1,"강남대로",2.5],[2,"테헤란로",null]]"#;
const JSON: &str = r#"[{"n":1,"road":"강남대로","x":2.5},{"n":2,"road":"테헤란로"}]"#;
const LINES: &str = "{\"n\":1,\"road\":\"강남대로\",\"x\":2.5}\n{\"x\":null,\"n\":2,\"road\":\"테헤란로\"}\n";
const CSV: &str = "n,road,x\n1,강남대로,2.5\n2,테헤란로,\n";
const TSV: &str = "n\troad\tx\n1\t강남대로\t2.5\n2\t테헤란로\t\n";

fn file<'a>(name: &'a str, media: &'a str, bytes: &'a [u8]) -> FilePart<'a> {
    FilePart { part: "file", file: name, media, bytes }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).expect("memory");
    packer.finish().expect("memory")
}

/// The table in Parquet, as the hub itself writes it.
async fn parquet(admin: &Client) -> Vec<u8> {
    let dataset = work::dataset(admin).await;
    work::upload(admin, &dataset, CSV).await.is(200);
    admin.get(&format!("/api/v1/tables/{dataset}?format=parquet")).send().await.is(200).bytes
}

#[tokio::test]
async fn every_format_gives_the_same_table() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let parquet = parquet(&admin).await;
        let (json_gz, csv_gz, parquet_gz) = (gzip(JSON.as_bytes()), gzip(CSV.as_bytes()), gzip(&parquet));
        let cases = [
            ("", file("a.csv", "text/csv", CSV.as_bytes())),
            ("", file("a.json", "application/octet-stream", JSON.as_bytes())),
            ("", file("a.ndjson", "", LINES.as_bytes())),
            ("", file("a.tsv", "", TSV.as_bytes())),
            ("", file("a.parquet", "application/octet-stream", &parquet)),
            ("", file("a", "application/json", JSON.as_bytes())),
            ("", file("a", "application/vnd.apache.parquet", &parquet)),
            ("", file("a.bin", "application/octet-stream", &parquet)),
            ("", file("a.bin", "application/octet-stream", LINES.as_bytes())),
            ("?format=csv", file("a.json", "application/json", CSV.as_bytes())),
            ("?format=jsonl", file("a.csv", "text/csv", LINES.as_bytes())),
            ("?format=parquet", file("a.csv", "text/csv", &parquet)),
            ("?format=tsv", file("a", "", TSV.as_bytes())),
            ("", file("a.json.gz", "application/gzip", &json_gz)),
            ("", file("a.csv.gz", "application/x-gzip", &csv_gz)),
            ("", file("a.csv", "text/csv", &csv_gz)),
            ("?format=parquet", file("a", "application/gzip", &parquet_gz)),
        ];
        for (query, file) in cases {
            let dataset = work::dataset(&admin).await;
            let target = format!("/api/v1/datasets/{dataset}/upload{query}");
            let answer = admin.post(&target).form(&[file]).send().await;
            answer.is_exactly(200, r#"{"message":"Upload successful","rows":2,"columns":3}"#);
            assert_eq!(json!(work::rows(&admin, &dataset).await).to_string(), ROWS, "{query} {}", file.file);
            let schema = admin.post(&format!("/api/v1/tables/schema{query}")).form(&[file]).send().await.is(200).json();
            let kinds: Vec<_> = schema["fields"].as_array().expect("fields").iter().map(|field| field["type"].clone()).collect();
            assert_eq!(kinds, ["int64", "string", "double"], "{query} {}", file.file);
        }
    })
    .await;
}

/// Files of several formats in one upload are one version.
#[tokio::test]
async fn formats_may_be_mixed() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (dataset, parquet) = (work::dataset(&admin).await, parquet(&admin).await);
        let files = [file("a.json", "", br#"[{"n":0}]"#), file("b.csv", "", b"n,road\n-1,x\n"), file("c.parquet", "", &parquet)];
        work::upload_files(&admin, &dataset, &files).await.is_exactly(200, r#"{"message":"Upload successful","rows":4,"columns":3}"#);
        let rows = json!(work::rows(&admin, &dataset).await);
        assert_eq!(rows.to_string(), r#"[[0,null,null],[-1,"x",null],[1,"강남대로",2.5],[2,"테헤란로",null]]"#);
        let versions = admin.get(&format!("/api/v1/tables/{dataset}/versions")).send().await.is(200).json();
        assert_eq!(versions.as_array().map(Vec::len), Some(2), "{versions}");
    })
    .await;
}

/// A file that others wrote, with every type that a table can hold.
#[tokio::test]
async fn parquet_of_others_is_read() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (dataset, bytes) = (work::dataset(&admin).await, fixture_bytes("parquet/types.parquet"));
        work::upload_files(&admin, &dataset, &[file("types.parquet", "", &bytes)])
            .await
            .is_exactly(200, r#"{"message":"Upload successful","rows":3,"columns":17}"#);
        let page = work::page(&admin, &dataset, 1, 1).await.json();
        assert_eq!(page["data"][0][0], json!(1));
        assert_eq!(page["data"][0][9], json!("강남대로, \"북\""));
        assert_eq!(page["data"][0][16], json!(12_345_678_901.25));
    })
    .await;
}

#[tokio::test]
async fn what_is_no_table_is_refused_and_changes_nothing() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        work::upload(&admin, &dataset, CSV).await.is(200);
        let (nested, damaged, truncated) = (fixture_bytes("parquet/nested.parquet"), b"PAR1 no PAR1".to_vec(), gzip(CSV.as_bytes()));
        let fixture = |name: &str| fixture_bytes(&format!("parquet/{name}.parquet"));
        let (page, cell) = (fixture("bomb-page"), fixture("bomb-cell"));
        let deep = format!("{{\"n\":{}", "[".repeat(200));
        let cases: [(&str, FilePart<'_>, &str, &str); 13] = [
            ("", file("a.xlsx", "application/vnd.ms-excel", b"PK\x03\x04"), "format", "first bytes"),
            ("", file("a.json", "", b"{\"n\":1}{\"n\":\"x\"}"), "row", "row 2, column 'n'"),
            ("", file("a.json", "", b"[[1,2]]"), "row", "row 1: it is not an object"),
            ("", file("a.json", "", b"[{\"unknown\":1}]"), "row", "row 1, column 'unknown': the table has no such column"),
            ("", file("a.json", "", b"3"), "content", "an array of objects"),
            ("", file("a.json", "", b""), "content", "empty"),
            ("", file("a.parquet", "", &nested), "content", "nested"),
            ("", file("a.parquet", "", &damaged), "content", "valid Parquet file"),
            ("", file("a.parquet", "", &page), "limit", "a page is larger"),
            ("", file("a.parquet", "", &cell), "content", "column 't', the table has none"),
            ("", file("a.csv.gz", "", &truncated[..truncated.len() - 9]), "gzip", "damaged gzip"),
            ("?format=parquet", file("a.csv", "", CSV.as_bytes()), "content", "no Parquet file"),
            ("", file("a.json", "", deep.as_bytes()), "limit", "nested deeper than 64"),
        ];
        for (query, file, rule, words) in cases {
            let target = format!("/api/v1/tables/{dataset}/upload{query}");
            let answer = admin.post(&target).form(&[file]).send().await.is(422);
            let problem = &answer.json()["detail"][0];
            assert_eq!((&problem["loc"], &problem["type"]), (&json!(["body", "file"]), &json!(rule)), "{answer}");
            assert!(problem["msg"].as_str().is_some_and(|text| text.contains(words)), "{answer}");
        }
        let unknown = admin.post(&format!("/api/v1/tables/{dataset}/upload?format=xml")).form(&[]).send().await.is(422).json();
        assert_eq!(unknown["detail"][0]["loc"], json!(["query", "format"]), "{unknown}");
        assert_eq!(json!(work::rows(&admin, &dataset).await).to_string(), ROWS);
        let versions = admin.get(&format!("/api/v1/tables/{dataset}/versions")).send().await.is(200).json();
        assert_eq!(versions.as_array().map(Vec::len), Some(2), "no version more: {versions}");
    })
    .await;
}
