//! Uploads: the part `files`, several files at once, large ones, and those that break off.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use madang_tests::{Client, FilePart, form, on_every_hub, raw, work};
use reqwest::Body;
use serde_json::json;

const MIB: usize = 1 << 20;

#[tokio::test]
async fn the_part_may_be_named_files() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        let file = FilePart { part: "files", ..FilePart::csv("rows.csv", "a,b\n1,가\n") };
        work::upload_files(&admin, &dataset, &[file]).await.is_exactly(200, r#"{"message":"Upload successful","rows":1,"columns":2}"#);
        assert_eq!(work::rows(&admin, &dataset).await, [[json!(1), json!("가")]]);
    })
    .await;
}

/// Other fields of the form are not looked at; columns are found by name and missing ones are null.
#[tokio::test]
async fn several_files_become_one_table() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        let comment = FilePart { part: "comment", media: "text/plain", ..FilePart::csv("comment.txt", "this is no table, \"") };
        let files = [
            FilePart::csv("one.csv", "a,b\n1,x\n"),
            comment,
            FilePart { part: "files", ..FilePart::csv("two.csv", "b,a\ny,2\nz,3\n") },
            FilePart::csv("three.csv", "a,c\n4,2.5\n"),
        ];
        work::upload_files(&admin, &dataset, &files).await.is_exactly(200, r#"{"message":"Upload successful","rows":4,"columns":2}"#);
        let expected = json!([[1, "x", null], [2, "y", null], [3, "z", null], [4, null, 2.5]]);
        assert_eq!(json!(work::rows(&admin, &dataset).await), expected);
    })
    .await;
}

/// One bad file among good ones: none of them is kept.
#[tokio::test]
async fn all_files_of_an_upload_or_none() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        let files = [FilePart::csv("good.csv", "a,b\n1,2\n"), FilePart::csv("bad.csv", "a,b\n3\n")];
        work::upload_files(&admin, &dataset, &files).await.is(422);
        work::page(&admin, &dataset, 1, 10).await.is_exactly(200, r#"{"columns":[],"data":[],"total_rows":0}"#);
        work::upload_files(&admin, &dataset, &files[..1]).await.is(200);
        work::upload_files(&admin, &dataset, &files).await.is(422);
        assert_eq!(work::rows(&admin, &dataset).await, [[json!(1), json!(2)]]);
    })
    .await;
}

#[tokio::test]
async fn an_overwrite_replaces_the_rows() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        work::upload(&admin, &dataset, "a\n1\n2\n").await.is(200);
        let target = format!("/api/v1/tables/{dataset}/upload?mode=overwrite");
        admin.post(&target).form(&[FilePart::csv("rows.csv", "a\n3\n")]).send().await.is(200);
        assert_eq!(work::rows(&admin, &dataset).await, [[json!(3)]]);
    })
    .await;
}

/// Rows of about a kilobyte, each with its number.
fn wide_rows(from: usize, to: usize) -> String {
    let filling = "가나다라마바사아자차카타파하 ".repeat(25);
    let mut text = String::with_capacity((to - from) * 1_100);
    for number in from..to {
        text.extend([number.to_string().as_str(), ",", &filling, "\n"]);
    }
    text
}

#[tokio::test]
async fn thirty_megabytes_are_streamed_in() {
    const ROWS: usize = 30_000;
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        let text = format!("number,filling\n{}", wide_rows(0, ROWS));
        assert!(text.len() > 30 * MIB, "{}", text.len());
        let (content_type, body) = form(&[FilePart::csv("wide.csv", &text)]);
        let pieces: Vec<_> = body.chunks(64 * 1024).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
        let call = admin.post(&format!("/api/v1/tables/{dataset}/upload"));
        let answer = call.body(&content_type, Body::wrap_stream(stream::iter(pieces))).send().await;
        answer.is_exactly(200, &format!(r#"{{"message":"Upload successful","rows":{ROWS},"columns":2}}"#));
        let last = work::page(&admin, &dataset, ROWS / 10, 10).await.json();
        assert_eq!((&last["total_rows"], &last["data"][9][0]), (&json!(ROWS), &json!(ROWS - 1)));
    })
    .await;
}

/// A sender who goes away in the middle, with or without the first megabyte: nothing of it is kept.
#[tokio::test]
async fn an_upload_that_breaks_off_changes_nothing() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (filled, empty) = (work::dataset(&admin).await, work::dataset(&admin).await);
        work::upload(&admin, &filled, "number,filling\n0,x\n").await.is(200);
        for dataset in [&filled, &empty] {
            let before = work::page(&admin, dataset, 1, 100).await.text;
            for size in [0, 1, 4 * MIB] {
                break_off(&admin, dataset, size).await;
            }
            assert_eq!(work::page(&admin, dataset, 1, 100).await.text, before);
        }
        work::upload(&admin, &empty, "a\n1\n").await.is(200);
    })
    .await;
}

/// Sends a good form without its last line, at least `size` bytes of it, and then an error instead of the rest.
async fn break_off(client: &Client, dataset: &str, size: usize) {
    let rows = wide_rows(1, size / 1_000 + 2);
    let (content_type, mut body) = form(&[FilePart::csv("rows.csv", &format!("number,filling\n{rows}"))]);
    body.truncate(body.len() - 10);
    let sent = stream::iter([Ok(Bytes::from(body))]).chain(stream::once(async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(std::io::Error::other("the sender is gone"))
    }));
    let call = client.post(&format!("/api/v1/tables/{dataset}/upload")).body(&content_type, Body::wrap_stream(sent));
    if let Ok(answer) = call.try_send().await {
        assert!((400..500).contains(&answer.status), "{answer}");
    }
}

/// A whole request whose form lacks its end is refused.
#[tokio::test]
async fn a_form_without_its_end_changes_nothing() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let dataset = work::dataset(&admin).await;
        let (content_type, body) = form(&[FilePart::csv("rows.csv", "a\n1\n2\n")]);
        for missing in [4, 10, 30] {
            let cut = body[..body.len() - missing].to_vec();
            let answer = admin.post(&format!("/api/v1/tables/{dataset}/upload")).body(&content_type, cut).send().await;
            assert!(matches!(answer.status, 400 | 422), "{missing} bytes missing: {answer}");
        }
        assert_eq!(work::total_rows(&admin, &dataset).await, 0);
    })
    .await;
}

/// A sender with much to say still hears why nobody listens.
#[tokio::test]
async fn a_large_upload_that_is_refused_at_once_gets_its_answer() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let text = format!("number,filling\n{}", wide_rows(0, 8_000));
        let (content_type, body) = form(&[FilePart::csv("rows.csv", &text)]);
        let token = format!("Bearer {}", admin.access_token());
        let (good, nobody) = (("authorization", token.as_str()), ("x-nobody", "1"));
        let (unknown, known) = ("ds-01h00000000000000000000000", work::dataset(&admin).await);
        for (status, target, who) in [
            (404, format!("{unknown}/upload"), good),
            (401, format!("{unknown}/upload"), nobody),
            (401, format!("{known}/upload"), nobody),
            (422, format!("{known}/upload?mode=whatever"), good),
        ] {
            let call = format!("POST /api/v1/tables/{target}");
            let reply = raw::exchange(&hub, &raw::request(&call, &[who, ("content-type", &content_type)], &body)).await;
            assert!(reply.status == status && reply.body.starts_with("{\"detail\":"), "{call}: {reply:?}");
        }
    })
    .await;
}
