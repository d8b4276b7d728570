//! Buckets and connections: `/madang/v1`.

use madang_tests::{Client, Hub, on_every_hub, work};
use serde_json::json;

/// A new bucket's name.
pub(super) async fn bucket(client: &Client) -> String {
    let name = work::unique("b");
    client.post("/madang/v1/buckets").json(&json!({"name": name})).send().await.is(200);
    name
}

pub(super) async fn put(client: &Client, bucket: &str, key: &str, bytes: impl Into<Vec<u8>>) {
    client.call("PUT", &object(bucket, key)).body("application/octet-stream", bytes.into()).send().await.is(200);
}

pub(super) async fn keys(client: &Client, bucket: &str, prefix: &str) -> Vec<String> {
    let found = client.get(&format!("/madang/v1/buckets/{bucket}/objects?prefix={prefix}")).send().await.is(200).json();
    found["objects"].as_array().expect("objects").iter().map(|object| object["key"].as_str().expect("a key").to_owned()).collect()
}

/// All objects under a prefix, one after the other.
pub(super) async fn text(client: &Client, bucket: &str, prefix: &str) -> String {
    let mut all = String::new();
    for key in keys(client, bucket, prefix).await {
        all += &client.get(&object(bucket, &key)).send().await.is(200).text;
    }
    all
}

fn object(bucket: &str, key: &str) -> String {
    let escaped: String =
        key.bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
            })
            .collect();
    format!("/madang/v1/buckets/{bucket}/objects/{escaped}")
}

#[tokio::test]
async fn objects_go_in_and_come_out() {
    on_every_hub(|hub| async move {
        let client = hub.signed();
        let bucket = bucket(&client).await;
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
        for (key, bytes) in
            [("원본/주문 1.csv", b"a,b\n".to_vec()), ("large.bin", bytes), ("empty", Vec::new()), ("a#b%20?c", b"x".to_vec())]
        {
            put(&client, &bucket, key, bytes.clone()).await;
            let answer = client.get(&object(&bucket, key)).send().await.is(200);
            assert!(answer.bytes == bytes, "{key}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        }
        assert_eq!(keys(&client, &bucket, "").await, ["a#b%20?c", "empty", "large.bin", "원본/주문 1.csv"]);
        assert_eq!(keys(&client, &bucket, "l").await, ["large.bin"]);
        let page = client.get(&format!("/madang/v1/buckets/{bucket}/objects?limit=2")).send().await.is(200).json();
        assert_eq!(page["next"], "empty");
        client.call("DELETE", &format!("/madang/v1/buckets/{bucket}")).send().await.is(409);
        for key in keys(&client, &bucket, "").await {
            client.call("DELETE", &object(&bucket, &key)).send().await.is(200);
            client.get(&object(&bucket, &key)).send().await.is(404);
        }
        client.call("DELETE", &format!("/madang/v1/buckets/{bucket}")).send().await.is(200);
        client.get(&format!("/madang/v1/buckets/{bucket}/objects")).send().await.is(404);
    })
    .await;
}

#[tokio::test]
async fn nothing_leads_out_of_a_bucket() {
    on_every_hub(|hub| async move {
        let client = hub.signed();
        let bucket = bucket(&client).await;
        for key in ["..%2F..%2Fsecrets.toml", "%2e%2e/secrets.toml", "a%2F..%2F..%2Fx", "a%00b", "a%5Cb", "a//b", "a%0Ab"] {
            for method in ["GET", "PUT", "DELETE"] {
                let answer =
                    client.call(method, &format!("/madang/v1/buckets/{bucket}/objects/{key}")).body("text/plain", "x").send().await;
                assert!(matches!(answer.status, 404 | 422), "{method} {key}: {answer}");
            }
        }
        for name in ["..", "lake", "files", "%2e%2e", "..%2Flake", ".", "staging"] {
            let answer = client.get(&format!("/madang/v1/buckets/{name}/objects")).send().await;
            assert!(matches!(answer.status, 404 | 405), "{name}: {answer}");
        }
        for name in ["", "ab", "Upper", "a/b", "..", "a..b", "버킷"] {
            client.post("/madang/v1/buckets").json(&json!({"name": name})).send().await.is(422);
        }
        client.post("/madang/v1/buckets").json(&json!({"name": bucket})).send().await.is(409);
    })
    .await;
}

/// A folder that somebody put there is a bucket of the first space; a link is none.
#[tokio::test]
async fn a_folder_is_a_bucket_at_once() {
    on_every_hub(|hub: Hub| async move {
        let client = hub.signed();
        let name = work::unique("dropped");
        let folder = hub.data_dir.join("objects").join(&name);
        std::fs::create_dir_all(folder.join("raw")).expect("a folder");
        std::fs::write(folder.join("raw/1.csv"), "n\n1\n").expect("a file");
        std::os::unix::fs::symlink(hub.data_dir.join("secrets.toml"), folder.join("raw/link")).expect("a link");
        assert_eq!(keys(&client, &name, "").await, ["raw/1.csv"]);
        client.get(&object(&name, "raw/link")).send().await.is(404);
        put(&client, &name, "raw/2.csv", "n\n2\n").await;
        let listed = client.get("/madang/v1/buckets").send().await.is(200).json();
        assert!(listed["buckets"].as_array().expect("buckets").iter().any(|bucket| bucket["name"] == name), "{listed}");

        let space = hub.credentials().space_id;
        let read_only = json!({"grants": [{"space": space, "access": "read"}]});
        client.call("PUT", &format!("/madang/v1/buckets/{name}/grants")).json(&read_only).send().await.is(200);
        client.call("PUT", &object(&name, "raw/3.csv")).body("text/plain", "x").send().await.is(403);
        assert_eq!(keys(&client, &name, "").await.len(), 2);
        client.call("PUT", &format!("/madang/v1/buckets/{name}/grants")).json(&json!({"grants": []})).send().await.is(200);
        client.get(&format!("/madang/v1/buckets/{name}/objects")).send().await.is(404);
    })
    .await;
}

#[tokio::test]
async fn a_password_goes_in_and_never_comes_out() {
    on_every_hub(|hub| async move {
        let client = hub.signed();
        let name = work::unique("c");
        let secret = "아주-비밀-hunter2";
        let body = json!({"name": name, "kind": "postgresql", "host": "db.example.com", "port": 5432, "database": "d", "username": "u",
                          "password": secret});
        let made = client.post("/madang/v1/connections").json(&body).send().await.is(200);
        let id = made.text_of("id");
        client.post("/madang/v1/connections").json(&body).send().await.is(409);
        let one = client.get(&format!("/madang/v1/connections/{name}")).send().await.is(200);
        let all = client.get("/madang/v1/connections").send().await.is(200);
        assert!(all.text.contains(&id));
        for answer in [made, one, all] {
            assert!(!answer.text.contains("hunter2") && !answer.text.contains("password"), "{answer}");
        }
        for (member, value, status) in [
            ("host", json!("127.0.0.1"), 422),
            ("host", json!("169.254.169.254"), 422),
            ("host", json!("localhost"), 422),
            ("port", json!(0), 422),
            ("kind", json!("oracle"), 422),
            ("name", json!("이름"), 422),
            ("tls", json!("maybe"), 422),
        ] {
            let mut wrong = body.clone();
            wrong["name"] = work::unique("c").into();
            wrong[member] = value;
            client.post("/madang/v1/connections").json(&wrong).send().await.is(status);
        }
        client.call("DELETE", &format!("/madang/v1/connections/{id}")).send().await.is(200);
        client.get(&format!("/madang/v1/connections/{id}")).send().await.is(404);
    })
    .await;
}
