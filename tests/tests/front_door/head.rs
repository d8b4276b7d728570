//! HEAD is GET without the body (RFC 9110), on every route that has a GET.

use madang_tests::{Client, on_every_hub, work};
use serde_json::json;

use crate::authorization::CLOSED;

/// One thing of each kind.
struct Things {
    collection: String,
    dataset: String,
    user: String,
    pipeline: String,
    batch: String,
    code: String,
}

impl Things {
    async fn new(admin: &Client) -> Self {
        let dataset = work::dataset(admin).await;
        work::upload(admin, &dataset, "n\n1\n2\n").await.is(200);
        let pipeline = work::pipeline(admin, json!([])).await;
        let batch = work::run_well(admin, &pipeline).await;
        let code = admin.post("/api/v1/codes").json(&json!({"name": "코드"})).send().await.is(200).text_of("id");
        admin.call("PUT", &format!("/api/v1/codes/{code}/file")).body("text/plain", "def run(options): pass").send().await.is(200);
        let (user, ..) = work::person(admin, &[]).await;
        Self { collection: work::collection(admin).await, dataset, user, pipeline, batch, code }
    }

    /// The path of a route with an id that is there in each of its places.
    fn fill(&self, path: &str) -> String {
        let id = match path.trim_start_matches("/api/v1/").split('/').next() {
            Some("collections") => &self.collection,
            Some("datasets" | "tables") => &self.dataset,
            Some("users") => &self.user,
            Some("codes") => &self.code,
            _ => &self.pipeline,
        };
        path.replace("{id}", id).replace("{batch}", &self.batch).replace("{*rest}", "x")
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let things = Things::new(&admin).await;
        let mut targets: Vec<_> = CLOSED.iter().filter(|(method, _)| *method == "GET").map(|(_, path)| things.fill(path)).collect();
        let table = format!("/api/v1/tables/{}", things.dataset);
        targets.extend(["csv", "json", "parquet", "arrow"].map(|format| format!("{table}?format={format}")));
        targets.extend(["/healthz", "/openapi.json", "/madang/v1/whoami", "/api/v1/nothing", "/api/v1/datasets/x"].map(str::to_owned));
        for target in targets {
            let get = admin.get(&target).try_send().await.expect("an answer");
            let head = admin.call("HEAD", &target).try_send().await.expect("an answer");
            assert!(matches!(get.status, 200 | 404 | 501), "{get}");
            assert_eq!((head.status, head.header("content-type")), (get.status, get.header("content-type")), "{target}");
            assert_eq!(head.text, "", "{target}");
            assert!(head.header("x-request-id").is_some(), "{target}");
            if target.starts_with("/api/v1/") && get.status == 200 && !target.ends_with("openapi.json") {
                assert_eq!(hub.visitor().call("HEAD", &target).send().await.status, 401, "{target}");
            }
        }
    })
    .await;
}
