//! The Spec Store while somebody else works on its flows (`external`): only `/source/update` moves a state (spec-store.md 2).

mod events;
mod issuer;
mod reading;
mod schedule;

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    databases::Databases,
    hub::{Hub, Place, json_of},
};

/// What makes a hub an external one.
const EXTERNAL: (&str, &str) = ("MADANG_SPEC_STORE_EXECUTION", "external");

/// The first administrator as an owner.
struct Owner<'h> {
    hub: &'h Hub,
    id: String,
    token: String,
}

impl<'h> Owner<'h> {
    fn of(hub: &'h Hub) -> Self {
        let credentials = hub.credentials();
        let key = |name: &str| credentials[name].as_str().expect("a credential").to_owned();
        Self { hub, id: key("owner_id"), token: key("spec_store_token") }
    }

    /// A spec of one table.
    fn spec(&self, dataset: &str) -> Value {
        let schema = json!({"fields": [{"name": "name", "type": "string"}, {"name": "length_km", "type": "number"}]});
        let resource = json!({"name": "rivers", "path": "data/rivers.csv", "format": "csv", "schema": schema});
        json!({
            "meta": {"version": 1, "owner": "mina", "ownerid": self.id, "dataset": dataset, "findability": "published"},
            "inputs": [{"kind": "datapackage", "url": "https://raw.example.org/ab12/datapackage.json?sig=1", "parameters": {
                "resource-mapping": {"data/rivers.csv": "https://raw.example.org/cd34.csv?sig=2"},
                "descriptor": {"name": "rivers", "title": "Rivers", "resources": [resource]}}}],
        })
    }

    async fn upload(&self, spec: &Value) -> Value {
        json_of(self.hub.post("/source/upload").header("auth-token", &self.token).json(spec)).await
    }

    /// Uploads a spec that holds; gives the flow's id.
    async fn flow(&self, spec: &Value) -> String {
        let answer = self.upload(spec).await;
        assert_eq!((&answer["success"], &answer["errors"]), (&json!(true), &json!([])), "{answer}");
        answer["flow_id"].as_str().expect("an id").to_owned()
    }

    /// What the owner reads below `/source`.
    async fn read(&self, target: &str) -> Value {
        json_of(self.hub.get(&format!("/source/{target}")).header("auth-token", &self.token)).await
    }
}

/// Tells of a pipeline of a flow; the package's own has no name.
async fn tell(hub: &Hub, flow: &str, pipeline: &str, mut event: Value) -> Value {
    event["pipeline_id"] = if pipeline.is_empty() { format!("./{flow}") } else { format!("./{flow}/{pipeline}") }.into();
    json_of(hub.post("/source/update").json(&event)).await
}

/// The pipelines of one table.
const SEVEN: [&str; 7] = ["validation_report", "rivers_csv", "rivers_json", "DATASET_zip", "rivers_csv_preview", "rivers", ""];

/// The same for a dataset.
fn seven(dataset: &str) -> Vec<String> {
    SEVEN.iter().map(|name| name.replace("DATASET", &dataset.replace('.', "_"))).collect()
}

fn finished() -> Value {
    json!({"event": "finish", "success": true})
}

/// A hub on each database; the story ends before it does.
async fn on_both(variables: &[(&str, &str)], story: impl AsyncFn(&Hub)) {
    let variables: Vec<_> = [EXTERNAL].iter().chain(variables).copied().collect();
    let hub = Place::new();
    story(&hub.up_with(&[], &variables).await).await;
    let Some(databases) = Databases::new().await else { return };
    {
        let hub = Place::with(databases.variables());
        let hub = hub.up_with(&[], &variables).await;
        story(&hub).await;
        hub.stop().await;
    }
    databases.remove().await;
}

/// Waits until something is so.
async fn until(what: impl AsyncFn() -> bool) {
    for _ in 0..800 {
        if what().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    unreachable!("it never came");
}
