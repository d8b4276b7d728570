//! The loader (ckan.md 6.9): resources become tables by themselves, whatever is wrong with some of their rows.

use std::{env, fmt::Write as _, time::Duration};

use madang_tests::{
    Client,
    ckan::{Cast, act, result},
    on_every_hub, work,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::files::{dataset, path, send};

/// How long a load may take.
const WITHIN: Duration = Duration::from_mins(4);

/// Waits until a load has ended and gives what is told of it.
async fn ended(client: &Client, resource: &str) -> Value {
    let until = tokio::time::Instant::now() + WITHIN;
    loop {
        let status = result(client, "xloader_status", &json!({"resource_id": resource})).await;
        if ["complete", "error"].contains(&status["status"].as_str().unwrap_or_default()) {
            return status;
        }
        assert!(tokio::time::Instant::now() < until, "{status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Uploads a file as a new resource of a new dataset and waits for its load; gives dataset, resource and state.
pub(crate) async fn load(client: &Client, name: &str, bytes: &[u8]) -> (String, String, Value) {
    let package = dataset(client, false).await;
    let made = send(client, "resource_create", &[("package_id", &package)], "upload", name, bytes).await.is(200).json();
    let id = made["result"]["id"].as_str().expect("an id").to_owned();
    let state = ended(client, &id).await;
    (package, id, state)
}

/// The name that D.Hub has for a dataset.
async fn dhub(admin: &Client, package: &str) -> String {
    let listed = admin.get(&format!("/api/v1/datasets?q={package}")).send().await.is(200).json();
    listed[0]["id"].as_str().expect("a dataset").to_owned()
}

async fn title(client: &Client, package: &str) -> String {
    let title = work::unique("t");
    result(client, "package_patch", &json!({"id": package, "title": title})).await;
    title
}

#[tokio::test]
async fn the_file_that_kills_loaders_is_served() {
    on_every_hub(|hub| async move {
        let (admin, client) = (hub.admin().await, hub.visitor().with(hub.ckan_token()));
        let mut text = "id,value,day\n".to_owned();
        for number in 1..=300_000 {
            writeln!(text, "{number},{number}.5,2024-01-0{}", number % 9 + 1).expect("a text");
        }
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(b"300001,n.a.,2024-01-01\n300002,1.5\n300003,1.\xFF5,2024-01-01\n300004,2.5,2024-01-01\n");
        let (package, id, state) = load(&client, "big.csv", &bytes).await;
        assert_eq!(state["status"], "complete", "{state}");
        assert_eq!((&state["task_info"]["rows"], &state["task_info"]["bad_rows"]), (&json!(300_001), &json!(3)), "{state}");
        let list = client.get(&path(state["task_info"]["bad_rows_url"].as_str().expect("a list"))).send().await.is(200);
        assert_eq!(list.header("content-type"), Some("text/csv"));
        let lines: Vec<&str> = list.text.lines().collect();
        assert_eq!(lines.len(), 4, "{list}");
        assert_eq!((lines[0], &lines[1][..15]), ("line,column,reason,row", "300002,\"value\","));
        // The good ones are there, in the other dialect too.
        let shown = result(&client, "resource_show", &json!({"id": id})).await;
        assert_eq!((&shown["datastore_active"], &shown["url_type"]), (&json!(true), &json!("upload")));
        let table = dhub(&admin, &title(&client, &package).await).await;
        assert_eq!(work::total_rows(&admin, &table).await, 300_001);
        let found = admin.get(&format!("/api/v1/tables/{table}?filter=id:eq:300004")).send().await.is(200).json();
        assert_eq!(found["data"], json!([[300_004, 2.5, "2024-01-01"]]));
        // The task says the same.
        let task = json!({"entity_id": id, "task_type": "xloader", "key": "xloader"});
        let task = result(&client, "task_status_show", &task).await;
        assert_eq!((&task["state"], &task["entity_type"], &task["error"]), (&json!("complete"), &json!("resource"), &json!("{}")));
    })
    .await;
}

#[tokio::test]
async fn every_format_becomes_a_table() {
    on_every_hub(|hub| async move {
        let (admin, client) = (hub.admin().await, hub.visitor().with(hub.ckan_token()));
        let parquet = madang_tests::fixture_bytes("parquet/types.parquet");
        let files: [(&str, &[u8], Option<u64>); 6] = [
            ("a.csv", b"a;b\n1;x\n2;y\n", Some(2)),
            ("a.tsv", b"a\tb\n1\tx\n", Some(1)),
            ("a.json", b"[{\"a\": 1}, {\"a\": 2}, {\"b\": [1]}]", Some(3)),
            ("a.jsonl", b"{\"a\": 1}\n{\"a\": 2}\n", Some(2)),
            ("a.parquet", &parquet, None),
            ("seattle-weather.csv", &madang_tests::fixture_bytes("seattle-weather.csv"), Some(1_461)),
        ];
        for (name, bytes, rows) in files {
            let (package, _, state) = load(&client, name, bytes).await;
            assert_eq!(state["status"], "complete", "{name}: {state}");
            let table = dhub(&admin, &title(&client, &package).await).await;
            let found = work::total_rows(&admin, &table).await;
            assert!(rows.is_none_or(|rows| rows == found) && found > 0, "{name}: {found}");
        }
        // What is none of these is left alone.
        let package = dataset(&client, false).await;
        let made = send(&client, "resource_create", &[("package_id", &package)], "upload", "a.pdf", b"%PDF").await.is(200).json();
        let pdf = made["result"]["id"].clone();
        act(&client, "xloader_status", &json!({"resource_id": pdf})).await.is(404);
        assert_eq!(result(&client, "xloader_submit", &json!({"resource_id": pdf})).await, json!(false));
    })
    .await;
}

#[tokio::test]
async fn what_can_not_be_loaded_says_why() {
    on_every_hub(|hub| async move {
        let client = hub.visitor().with(hub.ckan_token());
        let bomb = {
            use std::io::Write;
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(b"a,b\n").expect("a file");
            encoder.write_all(&vec![b','; 1 << 20]).expect("a file");
            encoder.finish().expect("a file")
        };
        let deep = [&b"[{\"a\":"[..], &vec![b'['; 10_000]].concat();
        for (name, bytes, reason) in [
            ("a.csv", &b""[..], "empty"),
            ("a.xlsx", b"no zip", "no ZIP archive"),
            ("a.ods", b"PK\x05\x06", "damaged"),
            ("a.json", &deep, "nested deeper"),
            ("a.json", b"nonsense", "array of objects"),
            ("a.parquet", b"PAR1nothing", ""),
            ("a.csv", b"a,b\n1\n2\n3\n", "3 of 3 rows are bad"),
            ("a.csv", &bomb, "bad"),
        ] {
            let (_, id, state) = load(&client, name, bytes).await;
            assert_eq!(state["status"], "error", "{name}: {state}");
            assert!(state["error"]["message"].as_str().is_some_and(|message| message.contains(reason)), "{name}: {state}");
            assert!(state["task_info"]["logs"].as_array().is_some_and(|logs| logs.iter().any(|line| line["level"] == "ERROR")), "{state}");
            assert_eq!(result(&client, "resource_show", &json!({"id": id})).await["datastore_active"], json!(false));
        }
    })
    .await;
}

#[tokio::test]
async fn a_newer_file_takes_the_place_of_an_older_one() {
    on_every_hub(|hub| async move {
        let (admin, client) = (hub.admin().await, hub.visitor().with(hub.ckan_token()));
        let (package, id, _) = load(&client, "a.csv", b"a,b\n1,x\n").await;
        let table = dhub(&admin, &title(&client, &package).await).await;
        // Replaced many times at once: the last one stays.
        for number in 0..10 {
            let text = format!("c\n{}", format!("{number}\n").repeat(number + 1));
            send(&client, "resource_patch", &[("id", &id)], "upload", "a.csv", text.as_bytes()).await.is(200);
        }
        let state = ended(&client, &id).await;
        assert_eq!((&state["status"], &state["task_info"]["rows"]), (&json!("complete"), &json!(10)), "{state}");
        assert_eq!(work::rows(&admin, &table).await, vec![vec![json!(9)]; 10]);
        // The same again is not loaded again, unless somebody wants it.
        assert_eq!(result(&client, "xloader_submit", &json!({"resource_id": id})).await, json!(true));
        let state = ended(&client, &id).await;
        assert!(state["task_info"]["logs"].to_string().contains("loaded before"), "{state}");
        assert_eq!(result(&client, "datapusher_submit", &json!({"resource_id": id, "ignore_hash": true})).await, json!(true));
        let state = ended(&client, &id).await;
        assert!(!state["task_info"]["logs"].to_string().contains("loaded before"), "{state}");
        assert_eq!(result(&client, "datapusher_status", &json!({"resource_id": id})).await["status"], "complete");
        let task = json!({"entity_id": id, "task_type": "datapusher", "key": "datapusher"});
        assert_eq!(result(&client, "task_status_show", &task).await["state"], "complete");
        // Chosen types stay over later loads.
        let wrong = act(&client, "xloader_submit", &json!({"resource_id": id, "types": {"c": "shape"}})).await.is(409).json();
        assert_eq!(wrong["error"]["types"], json!(["\"shape\" is not a valid field type of \"c\""]));
        result(&client, "xloader_submit", &json!({"resource_id": id, "types": {"c": "text"}})).await;
        ended(&client, &id).await;
        assert_eq!(work::rows(&admin, &table).await[0], [json!("9")]);
        send(&client, "resource_patch", &[("id", &id)], "upload", "a.csv", b"c\n7\n").await.is(200);
        ended(&client, &id).await;
        assert_eq!(work::rows(&admin, &table).await, [[json!("7")]]);
    })
    .await;
}

/// A dataset's second table does not change what its first one shows.
#[tokio::test]
async fn each_resource_has_its_own_table() {
    on_every_hub(|hub| async move {
        let (admin, client) = (hub.admin().await, hub.visitor().with(hub.ckan_token()));
        let (package, _, _) = load(&client, "first.csv", b"a\n1\n").await;
        let made = send(&client, "resource_create", &[("package_id", &package)], "upload", "second.csv", b"b\nx\ny\n").await.is(200).json();
        let second = made["result"]["id"].as_str().expect("an id").to_owned();
        assert_eq!(ended(&client, &second).await["status"], "complete");
        let table = dhub(&admin, &title(&client, &package).await).await;
        assert_eq!(work::rows(&admin, &table).await, [[json!(1)]]);
        let shown = admin.get(&format!("/api/v1/datasets/{table}")).send().await.is(200).json();
        assert_eq!(shown["schema"]["fields"][0]["name"], "a", "{shown}");
        let package = result(&client, "package_show", &json!({"id": package})).await;
        assert_eq!(
            (&package["resources"][0]["datastore_active"], &package["resources"][1]["datastore_active"]),
            (&json!(true), &json!(true))
        );
    })
    .await;
}

#[tokio::test]
async fn a_loader_elsewhere_may_tell_of_its_work() {
    on_every_hub(|hub| async move {
        let client = hub.visitor().with(hub.ckan_token());
        let (_, id, _) = load(&client, "a.csv", b"a\n1\n").await;
        let told = json!({"metadata": {"resource_id": id}, "status": "error", "error": {"message": "away"}});
        assert_eq!(result(&client, "xloader_hook", &told).await, Value::Null);
        let task = json!({"entity_id": id, "task_type": "xloader", "key": "xloader"});
        let task = result(&client, "task_status_show", &task).await;
        assert_eq!((&task["state"], &task["error"]), (&json!("error"), &json!("{\"message\":\"away\"}")));
        act(&client, "xloader_hook", &json!({"status": "complete"})).await.is(409);
        act(&client, "xloader_hook", &json!({"metadata": {"resource_id": "x"}, "status": "complete"})).await.is(404);
        let stranger = Cast::new(&hub).person("stranger").await;
        act(&stranger, "xloader_status", &json!({"resource_id": id})).await.is(403);
        act(&stranger, "xloader_submit", &json!({"resource_id": id})).await.is(403);
    })
    .await;
}

/// Serves files at the one private address that the hubs may fetch from.
async fn serve() -> String {
    let address = env::var("MADANG_TEST_FILE_SERVER").expect("an address (MADANG_TEST_FILE_SERVER); run `cargo xtask test`");
    let listener = TcpListener::bind(&address).await.expect("the address is free");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = vec![0; 4_096];
                let read = stream.read(&mut head).await.unwrap_or_default();
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let answer = match path.as_str() {
                    "/a.csv" => "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\na,b\n1,2\n".to_owned(),
                    "/moved.csv" => "HTTP/1.1 302 Found\r\nlocation: /a.csv\r\nconnection: close\r\n\r\n".to_owned(),
                    "/inside.csv" => "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/x.csv\r\nconnection: close\r\n\r\n".to_owned(),
                    "/file.csv" => "HTTP/1.1 302 Found\r\nlocation: file:///etc/passwd\r\nconnection: close\r\n\r\n".to_owned(),
                    "/loop.csv" => "HTTP/1.1 302 Found\r\nlocation: /loop.csv\r\nconnection: close\r\n\r\n".to_owned(),
                    _ => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
                };
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn linked_files_are_fetched_from_where_that_is_allowed() {
    let address = serve().await;
    on_every_hub(move |hub| {
        let address = address.clone();
        async move {
            let client = hub.visitor().with(hub.ckan_token());
            let package = dataset(&client, false).await;
            for (link, wanted) in [
                (format!("http://{address}/a.csv"), "complete"),
                (format!("http://{address}/moved.csv"), "complete"),
                (format!("http://{address}/none.csv"), "answered 404"),
                (format!("http://{address}/inside.csv"), "private address"),
                (format!("http://{address}/file.csv"), "only http and https"),
                (format!("http://{address}/loop.csv"), "too often"),
                ("http://127.0.0.1:9/a.csv".to_owned(), "private address"),
                ("http://[::1]/a.csv".to_owned(), "private address"),
                ("http://169.254.169.254/latest/a.csv".to_owned(), "private address"),
                (format!("http://user:word@{address}/a.csv"), "a user or a password"),
            ] {
                let made = result(&client, "resource_create", &json!({"package_id": package, "url": link})).await;
                let state = ended(&client, made["id"].as_str().expect("an id")).await;
                let message = state["error"]["message"].as_str().unwrap_or("complete");
                assert!(message.contains(wanted), "{link}: {state}");
            }
        }
    })
    .await;
}
