//! Pipelines as graphs (dhub.md section 8): edges between steps, the order, the built-in commands, parameters.

use madang_tests::{Client, on_every_hub, work};
use serde_json::{Value, json};

const FLIGHTS: &str = "flight,carrier,delay\nF1,KE,10\nF2,OZ,-5\nF3,KE,50\nF4,7C,\nF5,OZ,25\nF6,XX,40\n";
const AIRLINES: &str = "carrier,name\nKE,대한항공\nOZ,아시아나\n7C,제주항공\n";

/// A step in the making.
fn step(name: &str, script: &str, inputs: &Value, outputs: &Value, options: &Value) -> Value {
    json!({"name": name, "script": script, "inputs": inputs, "outputs": outputs, "options": options})
}

async fn loaded(client: &Client, text: &str) -> String {
    let dataset = work::dataset(client).await;
    work::upload(client, &dataset, text).await.is(200);
    dataset
}

/// Filter, join and aggregate, in the wrong order and connected by steps alone: nothing in between is published.
#[tokio::test]
async fn rows_flow_from_step_to_step() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (flights, airlines, result) = (loaded(&admin, FLIGHTS).await, loaded(&admin, AIRLINES).await, work::dataset(&admin).await);
        let steps = json!([
            step("sum", "aggregate", &json!({"in": {"step": "named", "output": "out"}}), &json!({"out": result}), &json!({
                "group_by": ["name"], "write_mode": "overwrite",
                "aggregates": [{"function": "count"}, {"function": "max", "column": "delay", "as": "worst"}, {"function": "avg", "column": "delay"}],
            })),
            step("named", "join", &json!({"left": {"step": "late", "output": "rows"}, "right": airlines}), &json!({}), &json!({"on": ["carrier"]})),
            step("late", "filter", &json!({"flights": {"dataset": flights}}), &json!({"rows": {}}), &json!({
                "conditions": [{"column": "delay", "op": "gt", "value": 0}, {"column": "carrier", "op": "in", "values": ["KE", "OZ", "XX"]}],
            })),
        ]);
        let pipeline = work::pipeline(&admin, steps).await;
        let batch = work::run_well(&admin, &pipeline).await;
        let page = work::page(&admin, &result, 1, 10).await.json();
        assert_eq!(page["columns"], json!(["name", "count", "worst", "avg_delay"]));
        assert_eq!(page["data"], json!([["대한항공", 2, 50, 30.0], ["아시아나", 1, 25, 25.0]]));
        let trace = work::trace(&admin, &batch).await;
        let steps = trace["state"]["steps"].as_object().expect("steps");
        assert_eq!(steps.keys().collect::<Vec<_>>(), ["sum", "named", "late"], "as they were defined");
        let records = |name: &str| steps[name]["offsets"]["records"].clone();
        assert_eq!([records("late"), records("named"), records("sum")], [json!(4), json!(3), json!(2)]);
        let started = |name: &str| steps[name]["start_time"].as_i64().expect("a time");
        assert!(started("late") <= started("named") && started("named") <= started("sum"), "{trace}");
        let lines: Vec<_> = trace["logs"].as_array().expect("logs").iter().filter_map(|line| line["message"].as_str()).collect();
        assert_eq!(lines, ["6 rows in, 4 rows out", "7 rows in, 3 rows out", "3 rows in, 2 rows out", "completed"]);
    })
    .await;
}

#[tokio::test]
async fn every_command_does_what_it_says() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (flights, airlines) = (loaded(&admin, FLIGHTS).await, loaded(&admin, AIRLINES).await);
        let one = json!({"in": flights});
        let both = json!({"l": flights, "r": airlines});
        let join = |kind: &str| json!({"left": "l", "right": "r", "type": kind, "on": [{"left": "carrier", "right": "carrier"}]});
        for (script, inputs, options, columns, rows) in [
            ("copy", &one, json!({}), json!(["flight", "carrier", "delay"]), 6),
            ("select", &one, json!({"columns": ["delay", {"column": "flight", "as": "편명"}]}), json!(["delay", "편명"]), 6),
            (
                "filter",
                &one,
                json!({"conditions": [{"column": "delay", "op": "isnull", "value": true}]}),
                json!(["flight", "carrier", "delay"]),
                1,
            ),
            (
                "filter",
                &one,
                json!({"conditions": [{"column": "flight", "op": "like", "value": "F%"}]}),
                json!(["flight", "carrier", "delay"]),
                6,
            ),
            (
                "aggregate",
                &one,
                json!({"aggregates": [{"function": "count_distinct", "column": "carrier"}]}),
                json!(["count_distinct_carrier"]),
                1,
            ),
            ("join", &both, join("inner"), json!(["flight", "carrier", "delay", "name"]), 5),
            ("join", &both, join("left"), json!(["flight", "carrier", "delay", "name"]), 6),
            ("join", &both, join("full"), json!(["flight", "carrier", "delay", "name"]), 6),
            ("read_csv", &json!({}), json!({"text": "a;b\n01;2\n", "delimiter": ";"}), json!(["a", "b"]), 1),
        ] {
            let result = work::dataset(&admin).await;
            let pipeline = work::pipeline(&admin, json!([step("s", script, inputs, &json!({"out": result}), &options)])).await;
            work::run_well(&admin, &pipeline).await;
            let page = work::page(&admin, &result, 1, 10).await.json();
            assert_eq!((&page["columns"], &page["total_rows"]), (&columns, &json!(rows)), "{script} {options}");
        }
    })
    .await;
}

/// The documents' own sample: `read_csv` without a text stands for what was uploaded.
#[tokio::test]
async fn what_was_uploaded_can_stand_as_a_step() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (uploaded, result) = (loaded(&admin, FLIGHTS).await, work::dataset(&admin).await);
        let agg = json!({"query": "SELECT count(*) AS n FROM t", "write_mode": "overwrite"});
        let steps = json!([
            {"name": "read", "script": "read_csv", "outputs": {"out": {"dataset": uploaded}}},
            step("agg", "sql", &json!({"t": {"dataset": uploaded}}), &json!({"result": {"dataset": result}}), &agg),
        ]);
        let pipeline = work::pipeline(&admin, steps).await;
        work::run_well(&admin, &pipeline).await;
        assert_eq!(work::rows(&admin, &result).await, [[json!(6)]]);
        assert_eq!(work::total_rows(&admin, &uploaded).await, 6);
    })
    .await;
}

/// Whatever can't work is refused when it is saved, with the step and the option.
#[tokio::test]
async fn wrong_graphs_and_options_are_refused() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (a, b) = (loaded(&admin, FLIGHTS).await, work::dataset(&admin).await);
        let sql =
            |name: &str, inputs: Value, outputs: Value| step(name, "sql", &inputs, &outputs, &json!({"query": "SELECT 1 AS n FROM t"}));
        let built = |script: &str, options: Value| step("s", script, &json!({"t": a}), &json!({"o": b}), &options);
        let at = |path: &str| {
            json!(
                std::iter::once(json!("body"))
                    .chain(path.split('.').map(|part| part.parse::<u64>().map_or(json!(part), |n| json!(n))))
                    .collect::<Vec<_>>()
            )
        };
        for (steps, loc) in [
            (
                json!([
                    sql("x", json!({"t": {"step": "y", "output": "o"}}), json!({"o": {}})),
                    sql("y", json!({"t": {"step": "x", "output": "o"}}), json!({"o": b}))
                ]),
                "steps.0.inputs",
            ),
            (json!([sql("x", json!({"t": a}), json!({"o": b})), sql("y", json!({"t": b}), json!({"o": a}))]), "steps.0.inputs"),
            (json!([sql("x", json!({"t": {"step": "x", "output": "o"}}), json!({"o": b}))]), "steps.0.inputs"),
            (json!([sql("x", json!({"t": {"step": "nobody", "output": "o"}}), json!({"o": b}))]), "steps.0.inputs.t"),
            (json!([sql("x", json!({"t": {"step": "x"}}), json!({"o": b}))]), "steps.0.inputs.t"),
            (json!([sql("x", json!({"t": {"dataset": a, "step": "x"}}), json!({"o": b}))]), "steps.0.inputs.t"),
            (json!([sql("x", json!({"t": a}), json!({"o": {}}))]), "steps.0.outputs"),
            (json!([sql("x", json!({"u": a}), json!({"o": b}))]), "steps.0.options.query"),
            (json!([built("sql", json!({"query": "SELEKT"}))]), "steps.0.options.query"),
            (json!([built("sql", json!({"query": "SELECT 1 AS n FROM t", "queri": 1}))]), "steps.0.options.queri"),
            (json!([built("copy", json!({"write_mode": "sometimes"}))]), "steps.0.options.write_mode"),
            (json!([built("copy", json!({"write_mode": "merge"}))]), "steps.0.options.merge_keys"),
            (json!([built("copy", json!({"merge_keys": ["a"]}))]), "steps.0.options.merge_keys"),
            (json!([built("filter", json!({}))]), "steps.0.options.conditions"),
            (
                json!([built("filter", json!({"conditions": [{"column": "delay", "op": "near", "value": 1}]}))]),
                "steps.0.options.conditions.0.op",
            ),
            (json!([built("filter", json!({"conditions": [{"column": "delay", "op": "eq"}]}))]), "steps.0.options.conditions.0.value"),
            (
                json!([built("filter", json!({"conditions": [{"column": "delay", "op": "eq", "value": {}}]}))]),
                "steps.0.options.conditions.0.value",
            ),
            (json!([built("select", json!({"columns": ["a", "A"]}))]), "steps.0.options.columns.1"),
            (
                json!([built("aggregate", json!({"aggregates": [{"function": "median", "column": "delay"}]}))]),
                "steps.0.options.aggregates.0.function",
            ),
            (json!([built("aggregate", json!({"aggregates": [{"function": "sum"}]}))]), "steps.0.options.aggregates.0.column"),
            (json!([built("join", json!({"on": ["carrier"]}))]), "steps.0.inputs"),
            (json!([step("s", "read_csv", &json!({"t": a}), &json!({"o": b}), &json!({"text": "a\n1\n"}))]), "steps.0.inputs"),
            (
                json!([step("s", "read_csv", &json!({}), &json!({"o": b}), &json!({"text": "a\n1\n", "delimiter": "::"}))]),
                "steps.0.options.delimiter",
            ),
            (json!([step("s", "copy", &json!({"t": a, "u": b}), &json!({"o": b}), &json!({}))]), "steps.0.inputs"),
            (
                json!([
                    step("all", "copy", &json!({"t": a}), &json!({"o": {}}), &json!({"read_mode": "cdc"})),
                    step("w1", "copy", &json!({"t": {"step": "all", "output": "o"}}), &json!({"o": b}), &json!({})),
                    step("w2", "copy", &json!({"t": {"step": "all", "output": "o"}}), &json!({"o": b}), &json!({})),
                ]),
                "steps.0.options.read_mode",
            ),
        ] {
            let refused = admin.post("/api/v1/pipelines").json(&json!({"name": "p", "steps": steps})).send().await.is(422);
            assert_eq!(refused.json()["detail"][0]["loc"], at(loc), "{refused}");
        }
    })
    .await;
}

/// Values are bound, never spliced into the text; none is ignored and none is missing.
#[tokio::test]
async fn parameters_reach_the_query() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (flights, result) = (loaded(&admin, FLIGHTS).await, work::dataset(&admin).await);
        let query = "SELECT flight FROM t WHERE delay >= $least AND carrier <> $not ORDER BY flight";
        let options = json!({"query": query, "write_mode": "overwrite"});
        let steps = json!([step("s", "sql", &json!({"t": flights}), &json!({"o": result}), &options)]);
        let body = json!({"name": "p", "steps": steps, "options": {"parameters": {"not": "ZZ"}}});
        let pipeline = admin.post("/api/v1/pipelines").json(&body).send().await.is(200).text_of("id");
        let start =
            |parameters: Value| admin.post(&format!("/api/v1/pipelines/{pipeline}/run")).json(&json!({"parameters": parameters})).send();
        for (parameters, expected) in [
            (json!({"least": 25}), json!([["F3"], ["F5"], ["F6"]])),
            (json!({"least": 25, "not": "KE"}), json!([["F5"], ["F6"]])),
            (json!({"least": 24.5, "not": "x' OR '1'='1"}), json!([["F3"], ["F5"], ["F6"]])),
            (json!({"least": 0, "not": null}), json!([])),
        ] {
            let batch = start(parameters.clone()).await.is(200).text_of("batch_id");
            assert_eq!(work::ended(&admin, &batch).await.text_of("status"), "completed", "{parameters}");
            assert_eq!(json!(work::rows(&admin, &result).await), expected, "{parameters}");
        }
        for (parameters, loc) in [
            (json!({"least": 1, "most": 2}), json!(["body", "parameters", "most"])),
            (json!({}), json!(["body", "parameters", "least"])),
            (json!({"least": [1]}), json!(["body", "parameters", "least"])),
            (json!([1]), json!(["body", "parameters"])),
        ] {
            let refused = start(parameters).await.is(422).json();
            assert_eq!(refused["detail"][0]["loc"], loc);
        }
        let no_values = json!({"options": {"schedule": {"cron": "0 0 1 1 *"}}});
        let refused = admin.call("PUT", &format!("/api/v1/pipelines/{pipeline}")).json(&no_values).send().await.is(422).json();
        assert!(refused["detail"][0]["msg"].as_str().is_some_and(|text| text.contains("least") || text.contains("not")), "{refused}");
    })
    .await;
}
