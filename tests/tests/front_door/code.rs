//! Codes (dhub.md section 10): metadata, scripts in versions, SQL scripts as steps.

use madang_tests::{Client, FilePart, on_every_hub, work};
use serde_json::{Value, json};

async fn code(client: &Client, kind: &str) -> String {
    client.post("/api/v1/codes/").json(&json!({"name": work::unique("코드"), "type": kind})).send().await.is(200).text_of("item")
}

async fn put(client: &Client, code: &str, text: &str) -> String {
    let call = client.call("PUT", &format!("/api/v1/codes/{code}/file")).body("application/octet-stream", text.to_owned());
    call.send().await.is(200).text_of("version")
}

#[tokio::test]
async fn metadata_in_both_forms() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let name = work::unique("정제");
        let body = json!({"name": name, "type": "python", "options": {"memory": "1g"}, "tags": ["매출"]});
        let made = admin.post("/api/v1/codes").json(&body).send().await.is(200);
        assert!(made.text_of("id").starts_with("code-"), "{made}");
        assert_eq!((&made.json()["options"], &made.json()["tags"]), (&body["options"], &body["tags"]));
        admin.post("/api/v1/codes/").json(&body).send().await.is(409);
        let place = format!("/api/v1/codes/{}", made.text_of("id"));
        assert_eq!(admin.get(&place).send().await.is(200).text, made.text);
        let changed = admin.call("PUT", &place).json(&json!({"tags": ["a", "b"], "type": "sql"})).send().await.is(200).json();
        assert_eq!((&changed["tags"], &changed["type"], &changed["name"]), (&json!(["a", "b"]), &json!("sql"), &json!(name)));
        let listed = admin.get("/api/v1/codes?tag=b&limit=1000").send().await.is(200).json();
        assert!(listed.as_array().expect("an array").contains(&changed), "{listed}");
        let envelope = admin.get("/api/v1/codes/?tag=b&limit=1000").send().await.is(200).json();
        assert!(envelope["items"][made.text_of("id")].is_string(), "{envelope}");
        assert_eq!(admin.get(&format!("{place}/versions")).send().await.is(200).json().as_array().map(Vec::len), Some(2));
        let bare = admin.post("/api/v1/codes").json(&json!({"name": work::unique("이름만")})).send().await.is(200);
        assert_eq!(bare.text_of("type"), "python");
        admin.call("DELETE", &place).send().await.is(200);
        admin.get(&place).send().await.is(404);
        for (body, field) in [
            (json!({"type": "sql"}), "name"),
            (json!({"name": "x", "type": "scala"}), "type"),
            (json!({"name": "x", "type": "sql", "options": []}), "options"),
            (json!({"name": "x", "type": "sql", "file": "SELECT 1"}), "file"),
        ] {
            let refused = admin.post("/api/v1/codes").json(&body).send().await.is(422).json();
            assert_eq!(refused["detail"][0]["loc"], json!(["body", field]), "{body}");
        }
    })
    .await;
}

#[tokio::test]
async fn scripts_come_back_byte_for_byte_in_every_version() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let code = code(&admin, "python").await;
        let place = format!("/api/v1/codes/{code}/file");
        admin.get(&place).send().await.is(404);
        assert_eq!(admin.get(&format!("{place}/versions")).send().await.is(200).json(), json!([]));
        let texts = ["def run(t, options):\n    return {'out': t}\n", "# 한글\r\n\tprint('그대로')\n"];
        for (number, text) in texts.iter().enumerate() {
            assert_eq!(put(&admin, &code, text).await, format!("v{}", number + 1));
        }
        let newest = admin.get(&place).send().await.is(200);
        assert_eq!((newest.text.as_str(), newest.header("content-type")), (texts[1], Some("application/octet-stream")));
        assert_eq!(admin.get(&format!("{place}?code_version=v1")).send().await.is(200).text, texts[0]);
        admin.get(&format!("{place}?code_version=v3")).send().await.is(404);
        let versions = admin.get(&format!("{place}/versions")).send().await.is(200).json();
        let told: Vec<_> = versions.as_array().expect("an array").iter().map(|v| (v["version"].clone(), v["is_latest"].clone())).collect();
        assert_eq!(told, [(json!("v1"), json!(false)), (json!("v2"), json!(true))]);
        assert!(versions[0]["last_modified"].is_i64(), "{versions}");
        let sql = self::code(&admin, "sql").await;
        for (code, bytes) in [
            (&code, b"".to_vec()),
            (&code, vec![0xff, 0xfe]),
            (&code, b"a\0b".to_vec()),
            (&sql, b"DROP TABLE x".to_vec()),
            (&sql, b"SELEKT".to_vec()),
        ] {
            admin.call("PUT", &format!("/api/v1/codes/{code}/file")).body("text/plain", bytes).send().await.is(422);
        }
        admin.call("PUT", &format!("/api/v1/codes/{code}")).json(&json!({"type": "sql"})).send().await.is(409);
    })
    .await;
}

/// A script is the body itself. A form is refused: with its boundaries it would be no script.
#[tokio::test]
async fn a_form_is_no_script() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let code = code(&admin, "python").await;
        let place = format!("/api/v1/codes/{code}/file");
        for part in ["file", "files", "script"] {
            let file = FilePart { part, file: "run.py", media: "text/x-python", bytes: b"def run(options): pass\n" };
            let refused = admin.call("PUT", &place).form(&[file]).send().await.is(422).json();
            assert_eq!(refused["detail"][0]["loc"], json!(["header", "content-type"]), "{refused}");
        }
        admin.call("PUT", &place).body("Multipart/Mixed; boundary=x", "--x--").send().await.is(422);
        admin.get(&place).send().await.is(404);
        // what `curl --data-binary @run.py` says of it
        admin.call("PUT", &place).body("application/x-www-form-urlencoded", "x = 1\n").send().await.is(200);
        assert_eq!(admin.get(&place).send().await.is(200).text, "x = 1\n");
    })
    .await;
}

fn step(code: &str, from: &str, to: &str, options: &Value) -> Value {
    json!([{"name": "s", "script": code, "inputs": {"t": from}, "outputs": {"o": to}, "options": options}])
}

/// A run takes the script that is the newest when it starts, unless the step names a version.
#[tokio::test]
async fn a_step_runs_a_sql_script() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (source, target, code) = (work::dataset(&admin).await, work::dataset(&admin).await, code(&admin, "sql").await);
        work::upload(&admin, &source, "n\n1\n2\n").await.is(200);
        let overwrite = json!({"write_mode": "overwrite"});
        let pipeline = work::pipeline(&admin, step(&code, &source, &target, &overwrite)).await;
        let run = format!("/api/v1/pipelines/{pipeline}/run");
        admin.post(&run).send().await.is(409); // no script yet
        for (script, expected) in [("SELECT sum(n) AS n FROM t", 3), ("SELECT max(n) AS n FROM t", 2)] {
            put(&admin, &code, script).await;
            work::run_well(&admin, &pipeline).await;
            assert_eq!(work::rows(&admin, &target).await, [[json!(expected)]]);
        }
        let first = json!({"steps": step(&code, &source, &target, &json!({"write_mode": "overwrite", "code_version": "v1"}))});
        let shown = admin.call("PUT", &format!("/api/v1/pipelines/{pipeline}")).json(&first).send().await.is(200).json();
        assert_eq!(shown["steps"][0]["options"]["code_version"], "v1");
        work::run_well(&admin, &pipeline).await;
        assert_eq!(work::rows(&admin, &target).await, [[json!(3)]]);

        put(&admin, &code, "SELECT n FROM t WHERE n > $least").await;
        let unpinned = json!({"steps": step(&code, &source, &target, &overwrite)});
        admin.call("PUT", &format!("/api/v1/pipelines/{pipeline}")).json(&unpinned).send().await.is(200);
        admin.post(&run).send().await.is(422);
        let batch = admin.post(&run).json(&json!({"parameters": {"least": 1}})).send().await.is(200).text_of("batch_id");
        work::ended(&admin, &batch).await;
        assert_eq!(work::rows(&admin, &target).await, [[json!(2)]]);

        let unread = json!({"name": "p", "steps": step(&code, &source, &target, &json!({"speed": 1}))});
        let refused = admin.post("/api/v1/pipelines").json(&unread).send().await.is(422).json();
        assert_eq!(refused["detail"][0]["loc"], json!(["body", "steps", 0, "options", "speed"]));
        let unknown = json!({"name": "p", "steps": step("code-01h00000000000000000000000", &source, &target, &overwrite)});
        admin.post("/api/v1/pipelines").json(&unknown).send().await.is(404);
    })
    .await;
}

/// These hubs have no interpreter: the step fails and says who has to do what.
#[tokio::test]
async fn python_needs_an_interpreter() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (source, target, code) = (work::dataset(&admin).await, work::dataset(&admin).await, code(&admin, "python").await);
        work::upload(&admin, &source, "n\n1\n").await.is(200);
        put(&admin, &code, "def run(t, options):\n    return {'o': t}\n").await;
        let pipeline = work::pipeline(&admin, step(&code, &source, &target, &json!({}))).await;
        let (batch, ended) = work::run(&admin, &pipeline).await;
        assert_eq!(ended.text_of("status"), "failed");
        let comment = work::trace(&admin, &batch).await["state"]["steps"]["s"]["comment"].clone();
        assert_eq!(comment, "Python is not set up here: the operator has to set pipeline.python");
    })
    .await;
}
