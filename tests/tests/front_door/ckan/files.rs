//! Uploaded files (ckan.md section 7): in by forms, out whole or in part, to those who may.

use madang_tests::{
    Answer, Client, FilePart,
    ckan::{Cast, act, result},
    on_every_hub, work,
};
use serde_json::{Value, json};

const BOUNDARY: &str = "madang-form";

/// A form of texts and one file.
pub(super) fn form(fields: &[(&str, &str)], file: Option<FilePart<'_>>) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").into_bytes());
    }
    if let Some(FilePart { part, file, media, bytes }) = file {
        let head = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{part}\"; filename=\"{file}\"\r\n");
        body.extend(format!("{head}content-type: {media}\r\n\r\n").into_bytes());
        body.extend(bytes);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    (format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

/// Calls an action with a file.
pub(super) async fn send(client: &Client, action: &str, fields: &[(&str, &str)], part: &str, file: &str, bytes: &[u8]) -> Answer {
    let (kind, body) = form(fields, Some(FilePart { part, file, media: "application/octet-stream", bytes }));
    client.post(&format!("/api/3/action/{action}")).body(&kind, body).send().await
}

/// A dataset of an organization of its own; gives its id.
pub(super) async fn dataset(client: &Client, private: bool) -> String {
    let organization = result(client, "organization_create", &json!({"name": work::unique("org")})).await;
    let made = json!({"name": work::unique("p"), "owner_org": organization["id"], "private": private});
    result(client, "package_create", &made).await["id"].as_str().expect("an id").to_owned()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The path of an absolute address of this hub.
pub(super) fn path(url: &str) -> String {
    url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default()
}

#[tokio::test]
async fn a_file_goes_in_and_comes_out() {
    on_every_hub(|hub| async move {
        let (client, visitor) = (hub.visitor().with(hub.ckan_token()), hub.visitor());
        let package = dataset(&client, false).await;
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let fields = [("package_id", package.as_str()), ("name", "자료"), ("size", "12")];
        let made = send(&client, "resource_create", &fields, "upload", "교통 자료 2024.BIN", &bytes).await.is(200).json()["result"].clone();
        let (id, url) = (text(&made, "id").to_owned(), text(&made, "url").to_owned());
        assert_eq!(url, format!("{}/dataset/{package}/resource/{id}/download/-2024.bin", hub.http));
        assert_eq!(
            (text(&made, "url_type"), text(&made, "mimetype"), &made["size"]),
            ("upload", "application/octet-stream", &json!(400_000))
        );
        assert!(text(&made, "hash").len() == 64 && !text(&made, "last_modified").is_empty(), "{made}");
        assert_eq!(result(&client, "resource_show", &json!({"id": id})).await, made);
        // All of it, and what is told of it.
        let whole = visitor.get(&path(&url)).send().await.is(200);
        assert_eq!(whole.bytes, bytes);
        assert_eq!(whole.header("content-length"), Some("400000"));
        assert_eq!(whole.header("accept-ranges"), Some("bytes"));
        assert_eq!(whole.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(whole.header("content-security-policy"), Some("default-src 'none'; sandbox"));
        let disposition = whole.header("content-disposition").unwrap_or_default();
        assert!(
            disposition.starts_with("attachment; filename=\"") && disposition.contains("filename*=UTF-8''%EA%B5%90%ED%86%B5"),
            "{disposition}"
        );
        let tag = whole.header("etag").expect("a tag").to_owned();
        assert_eq!(tag, format!("\"{}\"", text(&made, "hash")));
        let modified = whole.header("last-modified").expect("a date").to_owned();
        // Without a name, under another one, its head alone.
        let (base, _) = url.rsplit_once('/').expect("a path");
        for path in [path(base), path(&format!("{base}/other.txt"))] {
            assert_eq!(visitor.get(&path).send().await.is(200).bytes.len(), bytes.len());
        }
        let head = visitor.call("HEAD", &path(&url)).send().await.is(200);
        assert_eq!((head.bytes.len(), head.header("content-length")), (0, Some("400000")));
        // Parts of it.
        let part = |range: &str| visitor.get(&path(&url)).header("range", range).send();
        for (range, from, to) in [
            ("bytes=0-0", 0, 1),
            ("bytes=1000-1999", 1_000, 2_000),
            ("bytes=399990-", 399_990, 400_000),
            ("bytes=-5", 399_995, 400_000),
            ("bytes=5-999999999", 5, 400_000),
        ] {
            let found = part(range).await.is(206);
            assert_eq!(found.bytes, bytes[from..to], "{range}");
            assert_eq!(found.header("content-range"), Some(format!("bytes {from}-{}/400000", to - 1).as_str()));
        }
        for range in ["bytes=400000-", "bytes=-0"] {
            assert_eq!(part(range).await.is(416).header("content-range"), Some("bytes */400000"), "{range}");
        }
        for range in ["bytes=9-1", "bytes=0-1,5-6", "lines=1-2", "bytes=x-"] {
            assert_eq!(part(range).await.is(200).bytes.len(), bytes.len(), "{range}");
        }
        // What the caller has already is not sent again.
        let ask = |name: &str, value: &str| visitor.get(&path(&url)).header(name, value).send();
        for value in [tag.as_str(), "*", &format!("\"x\", W/{tag}")] {
            assert!(ask("if-none-match", value).await.is(304).bytes.is_empty());
        }
        ask("if-none-match", "\"x\"").await.is(200);
        ask("if-modified-since", &modified).await.is(304);
        ask("if-modified-since", "Sat, 01 Jan 2000 00:00:00 GMT").await.is(200);
        let of = |tag: &str| visitor.get(&path(&url)).header("range", "bytes=0-9").header("if-range", tag).send();
        assert_eq!(of(&tag).await.is(206).bytes.len(), 10);
        assert_eq!(of("\"x\"").await.is(200).bytes.len(), bytes.len());
    })
    .await;
}

#[tokio::test]
async fn files_are_replaced_kept_and_cleared() {
    on_every_hub(|hub| async move {
        let client = hub.visitor().with(hub.ckan_token());
        let package = dataset(&client, false).await;
        let made =
            send(&client, "resource_create", &[("package_id", &package)], "upload", "a.txt", b"one").await.is(200).json()["result"].clone();
        let id = text(&made, "id").to_owned();
        assert_eq!((text(&made, "format"), text(&made, "mimetype")), ("TXT", "text/plain"));
        let get = |url: String| {
            let client = client.clone();
            async move { client.get(&path(&url)).send().await }
        };
        // Sent back as it is shown, it stays.
        let mut back = made.clone();
        back["description"] = "changed".into();
        let kept = result(&client, "resource_update", &back).await;
        assert_eq!((&kept["url"], &kept["hash"], &kept["size"]), (&made["url"], &made["hash"], &made["size"]));
        assert_eq!(get(text(&kept, "url").to_owned()).await.is(200).text, "one");
        let patched = result(&client, "resource_patch", &json!({"id": id, "name": "x"})).await;
        assert_eq!(patched["url"], made["url"]);
        // A whole package sent back keeps it too.
        let mut whole = result(&client, "package_show", &json!({"id": package})).await;
        whole["title"] = "Title".into();
        let whole = result(&client, "package_update", &whole).await;
        assert_eq!(whole["resources"][0]["url"], made["url"]);
        // Replaced.
        let new = send(&client, "resource_update", &[("id", &id)], "upload", "b.csv", b"a\n1\n").await.is(200).json()["result"].clone();
        assert!(text(&new, "url").ends_with("/download/b.csv") && new["hash"] != made["hash"] && new["size"] == json!(4), "{new}");
        assert_eq!(get(text(&new, "url").to_owned()).await.is(200).text, "a\n1\n");
        let new = send(&client, "resource_patch", &[("id", &id)], "upload", "c.html", b"<script>1</script>").await.is(200).json()["result"]
            .clone();
        let page = get(text(&new, "url").to_owned()).await.is(200);
        assert_eq!(page.header("content-disposition"), Some("attachment; filename=\"c.html\""));
        assert_eq!(page.header("content-type"), Some("text/html"));
        // By a revision.
        let field = format!("update__resources__{}__upload", &id[..8]);
        let revised =
            send(&client, "package_revise", &[("match__id", &package)], &field, "d.txt", b"four").await.is(200).json()["result"].clone();
        let url = text(&revised["package"]["resources"][0], "url").to_owned();
        assert!(url.ends_with("/download/d.txt"), "{revised}");
        assert_eq!(get(url.clone()).await.is(200).text, "four");
        // Turned into a link, the file is gone.
        let linked = json!({"id": id, "clear_upload": true, "url": "http://example.com/표.txt"});
        let linked = result(&client, "resource_patch", &linked).await;
        assert_eq!((&linked["url"], &linked["url_type"]), (&json!("http://example.com/표.txt"), &Value::Null));
        let direct = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().expect("a client");
        let answer = direct.get(&url).send().await.expect("an answer");
        assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().ok()), (302, Some("http://example.com/%ED%91%9C.txt")));
        // A deleted one is not found.
        result(&client, "resource_delete", &json!({"id": id})).await;
        get(url).await.is(404).is_exactly(404, "Resource not found");
    })
    .await;
}

#[tokio::test]
async fn files_are_for_those_who_may() {
    on_every_hub(|hub| async move {
        let client = hub.visitor().with(hub.ckan_token());
        let mut cast = Cast::new(&hub);
        let (stranger, visitor) = (cast.person("stranger").await, hub.visitor());
        let (package, other) = (dataset(&client, true).await, dataset(&client, false).await);
        let made =
            send(&client, "resource_create", &[("package_id", &package)], "upload", "a.txt", b"secret").await.is(200).json()["result"]
                .clone();
        let (id, url) = (text(&made, "id").to_owned(), path(text(&made, "url")));
        for who in [&stranger, &visitor] {
            who.get(&url).send().await.is_exactly(403, "Not authorized to download resource");
            for action in ["resource_create", "resource_update", "resource_patch"] {
                send(who, action, &[("package_id", &package), ("id", &id)], "upload", "a.txt", b"mine").await.is(403);
            }
            who.get(&format!("/dataset/{package}/resource/{id}/bad-rows.csv")).send().await.is(403);
        }
        assert_eq!(client.get(&url).send().await.is(200).text, "secret");
        for path in [
            format!("/dataset/{other}/resource/{id}/download/a.txt"),
            format!("/dataset/{package}/resource/{package}/download"),
            format!("/dataset/{package}/resource/x%27y/download"),
            format!("/dataset/{package}/resource/{id}/bad-rows.csv"),
            "/uploads/group/nothing.png".to_owned(),
            "/uploads/group/..%2F..%2Fcatalog.db".to_owned(),
        ] {
            client.get(&path).send().await.is_exactly(404, "Resource not found");
        }
        // Nothing came of the refused ones.
        assert_eq!(result(&client, "package_show", &json!({"id": package})).await["resources"].as_array().map(Vec::len), Some(1));
    })
    .await;
}

#[tokio::test]
async fn bad_forms_change_nothing() {
    on_every_hub(|hub| async move {
        let client = hub.visitor().with(hub.ckan_token());
        let package = dataset(&client, false).await;
        let large = vec![b'x'; (10 << 20) + 1];
        let refused = send(&client, "resource_create", &[("package_id", &package)], "upload", "a.txt", &large).await.is(409).json();
        assert_eq!(refused["error"], json!({"upload": ["File upload too large"], "__type": "Validation Error"}));
        let refused =
            send(&client, "resource_create", &[("package_id", &package), ("size", "x")], "logo", "a.txt", b"1").await.is(409).json();
        assert_eq!(refused["error"]["logo"], json!(["Files are taken as upload or image_upload"]));
        send(&client, "resource_create", &[], "upload", "a.txt", b"1").await.is(409);
        send(&client, "resource_create", &[("package_id", "nothing")], "upload", "a.txt", b"1").await.is(404);
        send(&client, "resource_patch", &[("id", "nothing")], "upload", "a.txt", b"1").await.is(404);
        // A form that breaks off
        let (kind, body) =
            form(&[("package_id", &package)], Some(FilePart { part: "upload", file: "a.txt", media: "text/plain", bytes: b"12345" }));
        client.post("/api/3/action/resource_create").body(&kind, body[..body.len() - 20].to_vec()).send().await.is(409);
        // The key of somebody's file is no file.
        let pretended = json!({"package_id": package, "upload": "01900000-0000-7000-8000-000000000000", "url": "http://a/b"});
        let made = result(&client, "resource_create", &pretended).await;
        assert_eq!((&made["url_type"], made.get("upload")), (&Value::Null, None));
        assert_eq!(result(&client, "package_show", &json!({"id": package})).await["resources"].as_array().map(Vec::len), Some(1));
        // A form without a file, and one whose file was not chosen
        let (kind, body) = form(&[("id", &package)], None);
        client.post("/api/3/action/package_show").body(&kind, body).send().await.is(200);
        let nothing =
            send(&client, "resource_create", &[("package_id", &package), ("url", "http://a/c")], "upload", "", b"").await.is(200).json();
        assert_eq!(nothing["result"]["url"], json!("http://a/c"));
    })
    .await;
}

#[tokio::test]
async fn groups_have_pictures() {
    on_every_hub(|hub| async move {
        let client = hub.visitor().with(hub.ckan_token());
        let name = work::unique("grp");
        let made =
            send(&client, "group_create", &[("name", &name)], "image_upload", "Logo.PNG", b"\x89PNG...").await.is(200).json()["result"]
                .clone();
        let url = text(&made, "image_display_url").to_owned();
        assert!(url.starts_with(&format!("{}/uploads/group/", hub.http)) && url.ends_with("logo.png"), "{made}");
        let shown = hub.visitor().get(&path(&url)).send().await.is(200);
        assert_eq!(
            (shown.header("content-type"), shown.header("content-disposition")),
            (Some("image/png"), shown.header("content-disposition"))
        );
        let refused = send(&client, "group_patch", &[("id", &name)], "image_upload", "a.svg", b"<svg/>").await.is(409).json();
        assert_eq!(refused["error"]["image_upload"], json!(["Unsupported upload type: image/svg+xml"]));
        let large = vec![0; (2 << 20) + 1];
        let refused = send(&client, "group_patch", &[("id", &name)], "image_upload", "a.png", &large).await.is(409).json();
        assert_eq!(refused["error"]["image_upload"], json!(["File upload too large"]));
        let cleared = act(&client, "group_patch", &json!({"id": name, "clear_upload": true, "image_url": ""})).await.is(200).json();
        assert_eq!(cleared["result"]["image_url"], json!(""));
        hub.visitor().get(&path(&url)).send().await.is(404);
    })
    .await;
}
