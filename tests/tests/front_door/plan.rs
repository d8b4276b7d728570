//! Usage plans: requests a second, a day, a month; 429 in the shape of the API, with the time to wait (dataflow.md 1.5).

use madang_tests::{Answer, Client, on_every_hub, work};
use serde_json::{Value, json};

const ME: &str = "/api/v1/auth/me";

fn wait(answer: &Answer) -> u64 {
    answer.header("retry-after").and_then(|text| text.parse().ok()).expect("Retry-After in seconds")
}

async fn used(admin: &Client, login: &madang_tests::Login) -> Value {
    let madang_tests::Login::Signature { access_key, .. } = login else { unreachable!("a key") };
    admin.get(&format!("/madang/v1/admin/keys/{access_key}")).send().await.is(200).json()["used"].clone()
}

#[tokio::test]
async fn requests_a_second_come_back_by_themselves() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let login = work::access_key(&admin, None, &json!({"plan": {"per_second": 2}})).await;
        let client = hub.visitor().with(login);
        let answers = futures::future::join_all((0..12).map(|_| client.get(ME).send())).await;
        let (good, limited): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert!(good.len() >= 2 && limited.len() >= 4, "{} passed", good.len());
        for answer in limited {
            answer.is_exactly(429, r#"{"detail":"The usage plan's requests a second are used up."}"#);
            assert_eq!(wait(answer), 1);
        }
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        client.get(ME).send().await.is(200);
    })
    .await;
}

#[tokio::test]
async fn requests_of_a_day_and_a_month_are_counted_one_by_one() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        for (period, longest) in [("day", 86_401), ("month", 31 * 86_400 + 1)] {
            let login = work::access_key(&admin, None, &json!({"plan": {format!("per_{period}"): 5}})).await;
            let client = hub.visitor().with(login.clone());
            let answers = futures::future::join_all((0..9).map(|_| client.get(ME).send())).await;
            assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 5, "{period}");
            for answer in answers.iter().filter(|answer| answer.status != 200) {
                answer.is_exactly(429, &format!(r#"{{"detail":"The usage plan's requests of this {period} are used up."}}"#));
                assert!((1..=longest).contains(&wait(answer)), "{period}: {}", wait(answer));
            }
            assert_eq!(used(&admin, &login).await[period], 5);
        }
    })
    .await;
}

#[tokio::test]
async fn a_plan_counts_for_its_own_key_and_can_be_widened() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let login = work::access_key(&admin, None, &json!({"plan": {"per_day": 1}})).await;
        let client = hub.visitor().with(login.clone());
        client.get(ME).send().await.is(200);
        client.get(ME).send().await.is(429);
        hub.signed().get(ME).send().await.is(200);
        admin.get(ME).send().await.is(200);
        let madang_tests::Login::Signature { access_key, .. } = &login else { unreachable!("a key") };
        let key = format!("/madang/v1/admin/keys/{access_key}");
        admin.call("PATCH", &key).json(&json!({"plan": {"per_day": 1_000}})).send().await.is(200);
        for _ in 0..20 {
            client.get(ME).send().await.is(200);
        }
        assert_eq!(used(&admin, &login).await["day"], 21, "what is taken in blocks is not shown as used");
        admin.call("PATCH", &key).json(&json!({"plan": {"per_day": null}})).send().await.is(200);
        client.get(ME).send().await.is(200);
        assert_eq!(used(&admin, &login).await["day"], 21, "nothing is counted without a quota");
    })
    .await;
}

/// What is refused, or leads nowhere, uses nothing up.
#[tokio::test]
async fn only_requests_that_come_in_are_counted() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let login = work::access_key(&admin, None, &json!({"plan": {"per_day": 3}})).await;
        let madang_tests::Login::Signature { access_key, .. } = login.clone() else { unreachable!("a key") };
        let client = hub.visitor().with(login.clone());
        let wrong = client.with(madang_tests::Login::Signature { access_key, secret_key: "wrong".to_owned(), shift_ms: 0 });
        for _ in 0..5 {
            wrong.get(ME).send().await.is(401);
            client.get("/api/v1/nowhere").send().await.is(404);
        }
        assert_eq!(used(&admin, &login).await["day"], 0);
        client.get(ME).send().await.is(200);
    })
    .await;
}

/// Dataspace has its own code.
#[tokio::test]
async fn dataspace_is_told_in_its_own_shape() {
    on_every_hub(|hub| async move {
        let client = hub.visitor().with(work::access_key(&hub.admin().await, None, &json!({"plan": {"per_day": 1}})).await);
        client.get("/v1/surveys").send().await.is(200);
        assert_eq!(client.get("/v1/surveys").send().await.is(429).json()["code"], "TOO_MANY_REQUESTS");
    })
    .await;
}

/// Data Flow has the gateway's envelope, with a code for each limit.
#[tokio::test]
async fn data_flow_is_told_in_its_own_shape() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let cases = [
            ("per_second", "420", "Rate Limited", "The usage plan's requests a second are used up."),
            ("per_day", "400", "Quota Exceeded", "The usage plan's requests of this day are used up."),
            ("per_month", "400", "Quota Exceeded", "The usage plan's requests of this month are used up."),
        ];
        for (plan, code, message, details) in cases {
            let client = hub.visitor().with(work::access_key(&admin, None, &json!({"plan": {plan: 1}})).await);
            let answers = futures::future::join_all((0..6).map(|_| client.get("/api/v1/jobs?limit=1").send())).await;
            assert!(answers.iter().any(|answer| answer.status == 200), "{plan}: {}", answers[0]);
            let limited = answers.iter().find(|answer| answer.status == 429).expect(plan);
            let body = json!({"error": {"errorCode": code, "message": message, "details": details}});
            limited.is_exactly(429, &body.to_string());
            assert!(wait(limited) >= 1);
        }
    })
    .await;
}
