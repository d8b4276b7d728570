//! Source files: permitted, sent as a form, found again, read in parts, private ones by token or signed link.

use base64::{Engine, engine::general_purpose::STANDARD};
use madang_tests::{Client, FilePart, on_every_hub};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::{another, name, owner};

async fn offer(client: &Client, owner_id: &str, findability: &str, path: &str, bytes: &[u8]) -> Value {
    let md5 = STANDARD.encode(Md5::digest(bytes));
    let body = json!({
        "metadata": {"owner": owner_id, "findability": findability},
        "filedata": {path: {"length": bytes.len(), "md5": md5, "name": "rows"}},
    });
    client.post("/rawstore/authorize").json(&body).send().await.is(200).json()["filedata"][path].clone()
}

/// Sends a file as an object store's client does: every field of the offer, then the file.
async fn send(client: &Client, offer: &Value, bytes: &[u8]) -> madang_tests::Answer {
    let fields = offer["upload_query"].as_object().expect("fields");
    let texts: Vec<(&str, Vec<u8>)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str().expect("a text").as_bytes().to_vec())).collect();
    let mut parts: Vec<FilePart<'_>> =
        texts.iter().map(|(name, value)| FilePart { part: name, file: "", media: "text/plain", bytes: value }).collect();
    parts.push(FilePart { part: "file", file: "rows.csv", media: "text/csv", bytes });
    client.post("/rawstore/objects").form(&parts).send().await
}

fn path_of(offer: &Value) -> String {
    format!("/rawstore/objects/{}", offer["upload_query"]["key"].as_str().expect("a key"))
}

#[tokio::test]
async fn files_come_and_are_read_in_parts() {
    on_every_hub(|hub| async move {
        let ((id, own), visitor) = (owner(&hub), hub.visitor());
        let text = format!("name,length_km\n{},1\n", name("river"));
        let offered = offer(&own, &id, "published", "data/rows.csv", text.as_bytes()).await;
        assert_eq!(offered["exists"], false, "{offered}");
        assert_eq!(offered["upload_url"], format!("{}/rawstore/objects", hub.http));
        send(&visitor, &offered, text.as_bytes()).await.is(204);
        assert_eq!(offer(&own, &id, "published", "data/rows.csv", text.as_bytes()).await["exists"], true);
        let path = path_of(&offered);
        let whole = visitor.get(&path).send().await.is(200);
        assert_eq!((whole.text.as_str(), whole.header("x-content-type-options")), (text.as_str(), Some("nosniff")));
        let etag = whole.header("etag").expect("an etag").to_owned();
        let asked = visitor.get(&format!("{path}?callback=f")).send().await.is(200);
        assert_eq!(asked.text, text, "files are never scripts");
        visitor.get(&path).header("if-none-match", &etag).send().await.is(304);
        for (range, wanted, of) in [("bytes=0-3", "name", "0-3"), ("bytes=-3", ",1\n", "")] {
            let part = visitor.get(&path).header("range", range).send().await.is(206);
            assert_eq!(part.text, wanted);
            assert!(
                part.header("content-range")
                    .is_some_and(|told| told.starts_with(&format!("bytes {of}")) && told.ends_with(&format!("/{}", text.len()))),
                "{part}"
            );
        }
        visitor.get(&path).header("range", "bytes=1000-").send().await.is(416);
        assert_eq!(visitor.get(&path).header("range", "bytes=0-3").header("if-range", "\"other\"").send().await.is(200).text, text);
        let link = own.get(&format!("/rawstore/presign?ownerid={id}&url={}{path}", hub.http)).send().await.is(200).text_of("url");
        assert_eq!(link, format!("{}{path}", hub.http), "a public file needs no link");
    })
    .await;
}

#[tokio::test]
async fn private_files_are_their_owners() {
    on_every_hub(|hub| async move {
        let ((id, own), (_, other), visitor) = (owner(&hub), another(&hub).await, hub.visitor());
        let text = name("secret");
        let offered = offer(&own, &id, "private", "rows.csv", text.as_bytes()).await;
        send(&visitor, &offered, text.as_bytes()).await.is(204);
        let path = path_of(&offered);
        visitor.get(&path).send().await.is(403);
        other.get(&path).send().await.is(403);
        assert_eq!(own.get(&path).send().await.is(200).text, text);
        let presign = format!("/rawstore/presign?ownerid={id}&url={}{path}", hub.http);
        other.get(&presign).send().await.is(403);
        let link = own.get(&presign).send().await.is(200).text_of("url");
        let target = link.strip_prefix(&hub.http).expect("an address of the hub").to_owned();
        assert_eq!(visitor.get(&target).send().await.is(200).text, text);
        for wrong in [target.replace("exp=", "exp=1"), target.replace("rows.csv?", "other.csv?"), format!("{target}0")] {
            assert!(matches!(visitor.get(&wrong).send().await.status, 403 | 404), "{wrong}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_form_needs_its_permission_and_its_file() {
    on_every_hub(|hub| async move {
        let ((id, own), visitor) = (owner(&hub), hub.visitor());
        let text = name("rows");
        let offered = offer(&own, &id, "published", "rows.csv", text.as_bytes()).await;
        let changed = |field: &str, value: &str| {
            let mut offer = offered.clone();
            offer["upload_query"][field] = value.into();
            offer
        };
        let policy: Value =
            serde_json::from_slice(&STANDARD.decode(offered["upload_query"]["policy"].as_str().expect("a text")).expect("base64"))
                .expect("JSON");
        let mut other = policy.clone();
        other["key"] = format!("{id}/rawstore/other.csv/00/other.csv").into();
        for wrong in [changed("x-madang-signature", "00"), changed("policy", ""), changed("policy", &STANDARD.encode(other.to_string()))] {
            send(&visitor, &wrong, text.as_bytes()).await.is(403);
        }
        let same_length = "x".repeat(text.len());
        for bytes in [&text[1..], &format!("{text}!"), &same_length] {
            send(&visitor, &offered, bytes.as_bytes()).await.is(400);
        }
        visitor.get(&path_of(&offered)).send().await.is(404);
        send(&visitor, &offered, text.as_bytes()).await.is(204);
    })
    .await;
}

/// A file that is asked for otherwise than it is kept has to be sent again; then it is as was asked for.
#[tokio::test]
async fn a_file_is_as_private_as_was_asked_for_last() {
    on_every_hub(|hub| async move {
        let ((id, own), visitor) = (owner(&hub), hub.visitor());
        let text = name("rows");
        let exists = async |findability: &str| offer(&own, &id, findability, "again.csv", text.as_bytes()).await["exists"].clone();
        let offered = offer(&own, &id, "published", "again.csv", text.as_bytes()).await;
        send(&visitor, &offered, text.as_bytes()).await.is(204);
        visitor.get(&path_of(&offered)).send().await.is(200);
        assert_eq!((exists("published").await, exists("private").await), (json!(true), json!(false)));
        let offered = offer(&own, &id, "private", "again.csv", text.as_bytes()).await;
        send(&visitor, &offered, text.as_bytes()).await.is(204);
        visitor.get(&path_of(&offered)).send().await.is(403);
        assert_eq!((exists("published").await, exists("private").await), (json!(false), json!(true)));
    })
    .await;
}
