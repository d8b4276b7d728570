//! Triggers: every rule in its normal form, and what is refused.

use madang_tests::on_every_hub;
use serde_json::{Value, json};

use super::{demand_problem, name};

#[tokio::test]
async fn rules_are_kept_in_their_normal_form() {
    on_every_hub(|hub| async move {
        let client = hub.signed();
        let recurring = |rule: Value| {
            let mut full = json!({"type": "RECURRING"});
            full.as_object_mut().expect("an object").extend(rule.as_object().cloned().expect("an object"));
            full
        };
        for (kind, given, kept) in [
            ("NONE", json!({"type": "NONE", "time": "06:30"}), json!({"type": "NONE"})),
            ("EVENT", json!({"type": "NONE"}), json!({"type": "NONE"})),
            ("SCHEDULED", recurring(json!({"interval": "HOUR", "time": "5"})), recurring(json!({"interval": "HOUR", "time": "05"}))),
            ("SCHEDULED", recurring(json!({"interval": "HOUR", "time": "00:05"})), recurring(json!({"interval": "HOUR", "time": "05"}))),
            (
                "SCHEDULED",
                recurring(json!({"interval": "DAY", "time": "06:30", "dayOfWeek": ["MONDAY"], "dateOfMonth": "3"})),
                recurring(json!({"interval": "DAY", "time": "06:30"})),
            ),
            (
                "SCHEDULED",
                recurring(json!({"interval": "WEEK", "time": "23:59", "dayOfWeek": ["THURSDAY", "MONDAY", "THURSDAY"]})),
                recurring(json!({"interval": "WEEK", "time": "23:59", "dayOfWeek": ["MONDAY", "THURSDAY"]})),
            ),
            (
                "SCHEDULED",
                recurring(json!({"interval": "WEEK", "time": "00:00", "dayOfWeek": "SUNDAY"})),
                recurring(json!({"interval": "WEEK", "time": "00:00", "dayOfWeek": ["SUNDAY"]})),
            ),
            (
                "SCHEDULED",
                recurring(json!({"interval": "MONTH", "time": "10:00", "dateOfMonth": 31})),
                recurring(json!({"interval": "MONTH", "time": "10:00", "dateOfMonth": "31"})),
            ),
            (
                "SCHEDULED",
                recurring(json!({"interval": "MONTH", "time": "10:00", "dateOfMonth": "-1"})),
                recurring(json!({"interval": "MONTH", "time": "10:00", "dateOfMonth": "-1"})),
            ),
            (
                "SCHEDULED",
                json!({"type": "ONE_TIME", "executionDate": "2099-03-01T10:00:00"}),
                json!({"type": "ONE_TIME", "executionDate": "2099-03-01T10:00:00.000+09:00"}),
            ),
        ] {
            let name = name("rule");
            let made =
                client.post("/api/v1/triggers").json(&json!({"name": name, "type": kind, "triggerRule": given})).send().await.is(201);
            assert_eq!(made.keys(), ["triggerId", "name", "type", "triggerRule", "createdDate", "updatedDate"]);
            assert_eq!((&made.json()["triggerRule"], &made.json()["type"]), (&kept, &json!(kind)), "{given}");
            let id = made.text_of("triggerId");
            assert_eq!(client.get(&format!("/api/v1/triggers/{id}")).send().await.is(200).json(), made.json());
            let listed = client.get(&format!("/api/v1/triggers?name={name}")).send().await.is(200).json();
            assert_eq!((&listed["count"], &listed["list"][0]["resourceId"]), (&json!(1), &json!(id)));
            client.call("DELETE", &format!("/api/v1/triggers/{id}")).send().await.is_exactly(200, "true");
            demand_problem(&client.get(&format!("/api/v1/triggers/{id}")).send().await, 404, "resource-not-found/TRIGGER", &id);
        }
    })
    .await;
}

#[tokio::test]
async fn rules_that_do_not_fit_are_refused() {
    on_every_hub(|hub| async move {
        let client = hub.signed();
        for (kind, rule, word) in [
            ("SCHEDULED", json!({"type": "NONE"}), "triggerRule.type"),
            ("NONE", json!({"type": "ONE_TIME", "executionDate": "2099-03-01T10:00:00"}), "triggerRule.type"),
            ("EVENT", json!({"type": "RECURRING", "interval": "HOUR", "time": "00"}), "triggerRule.type"),
            ("CRON", json!({"type": "NONE"}), "type"),
            ("SCHEDULED", json!({"type": "RECURRING"}), "interval"),
            ("SCHEDULED", json!({"type": "RECURRING", "interval": "YEAR", "time": "00"}), "interval"),
            ("SCHEDULED", json!({"type": "RECURRING", "interval": "HOUR", "time": "60"}), "time"),
            ("SCHEDULED", json!({"type": "RECURRING", "interval": "DAY", "time": "24:00"}), "time"),
            ("SCHEDULED", json!({"type": "RECURRING", "interval": "DAY"}), "time"),
            ("SCHEDULED", json!({"type": "RECURRING", "interval": "WEEK", "time": "06:30"}), "dayOfWeek"),
            ("SCHEDULED", json!({"type": "RECURRING", "interval": "WEEK", "time": "06:30", "dayOfWeek": []}), "dayOfWeek"),
            ("SCHEDULED", json!({"type": "RECURRING", "interval": "WEEK", "time": "06:30", "dayOfWeek": ["FUNDAY"]}), "dayOfWeek"),
            ("SCHEDULED", json!({"type": "RECURRING", "interval": "MONTH", "time": "06:30", "dateOfMonth": "32"}), "dateOfMonth"),
            ("SCHEDULED", json!({"type": "RECURRING", "interval": "MONTH", "time": "06:30", "dateOfMonth": "0"}), "dateOfMonth"),
            ("SCHEDULED", json!({"type": "RECURRING", "interval": "MONTH", "time": "06:30"}), "dateOfMonth"),
            ("SCHEDULED", json!({"type": "ONE_TIME"}), "executionDate"),
            ("SCHEDULED", json!({"type": "ONE_TIME", "executionDate": "soon"}), "executionDate"),
            ("SCHEDULED", json!({"type": "ONE_TIME", "executionDate": "2020-03-01T10:00:00"}), "executionDate"),
        ] {
            let body = json!({"name": name("rule"), "type": kind, "triggerRule": rule});
            let answer = client.post("/api/v1/triggers").json(&body).send().await;
            demand_problem(&answer, 400, "bad-parameter", "");
            let told = answer.json();
            let named = told["detail"].to_string() + &told["errors"].to_string();
            assert!(named.contains(word), "{word}: {told}");
        }
        let answer = client.post("/api/v1/triggers").json(&json!({"name": "abc", "type": "NONE"})).send().await;
        demand_problem(&answer, 400, "bad-parameter", "triggerRule");
    })
    .await;
}
