//! Files that are small on the wire and large when they are unpacked, on a hub that allows little.

use std::{fs, io::Write};

use flate2::{Compression, write::GzEncoder};
use reqwest::header::HeaderMap;

use crate::hub::{Hub, Place};

const LIMIT: &str = "8000000";

async fn upload(hub: &Hub, admin: &HeaderMap, dataset: &str, name: &str, bytes: &[u8]) -> (u16, String) {
    let mut body = format!("--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n").into_bytes();
    body.extend_from_slice(bytes);
    body.extend_from_slice(b"\r\n--x--\r\n");
    let request = hub.post(&format!("/api/v1/tables/{dataset}/upload")).headers(admin.clone());
    let answer = request.header("content-type", "multipart/form-data; boundary=x").body(body).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a body"))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(text.as_bytes()).expect("memory");
    packer.finish().expect("memory")
}

#[tokio::test]
async fn what_unpacks_to_too_much_is_refused() {
    let place = Place::new();
    let hub = place.up_with(&[], &[("MADANG_UNPACKED_BYTES", LIMIT)]).await;
    let admin = hub.admin().await;
    let dataset = hub.dataset(&admin).await;
    let rows = "1\n".repeat(3_900_000);
    assert_eq!(upload(&hub, &admin, &dataset, "a.csv.gz", &gzip(&format!("n\n{}", "1\n".repeat(100_000)))).await.0, 200);
    let (status, text) = upload(&hub, &admin, &dataset, "a.csv.gz", &gzip(&format!("n\n{rows}{rows}"))).await;
    assert_eq!((status, text.as_str()), (413, r#"{"detail":"an unpacked upload may have at most 8000000 bytes"}"#));
    let fixture = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/parquet/bomb-text.parquet")).expect("a fixture");
    let bomb = hub.dataset(&admin).await;
    let (status, text) = upload(&hub, &admin, &bomb, "a.parquet", &fixture).await;
    assert_eq!(status, 422, "{text}");
    assert!(text.contains("unpacks to more than 8000000 bytes"), "{text}");
    assert_eq!(hub.rows(&admin, &bomb).await.len(), 0);
    let left = fs::read_dir(hub.data.join("tmp/uploads")).expect("the spool").count();
    assert_eq!(left, 0, "spooled files are gone");
}
