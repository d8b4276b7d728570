//! What a space's webhook is told.

use madang_tests::on_every_hub;
use serde_json::json;

use super::{Space, nine, short};

#[tokio::test]
async fn addresses_are_checked_and_events_are_kept() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let secret = "a secret of some length";
        for (body, field) in [
            (json!({"url": "http://example.com/hook", "secret": secret}), "url"),
            (json!({"url": "https://127.0.0.1:1/hook", "secret": secret}), "url"),
            (json!({"url": "https://10.0.0.1/hook", "secret": secret}), "url"),
            (json!({"url": "file:///etc/passwd", "secret": secret}), "url"),
            (json!({"url": "https://user:pw@192.0.2.1/hook", "secret": secret}), "url"),
            (json!({"url": "https://hook.invalid/", "secret": "short"}), "secret"),
        ] {
            let answer = space.act("PUT", "/webhook", &body).await.is(400).json();
            assert_eq!(answer["field"], field, "{answer}");
        }
        space.act("POST", "/webhook/test", &json!({})).await.is(409);
        space.act("PUT", "/webhook", &json!({"url": "https://hook.invalid/", "secret": secret})).await.is(200);
        let survey = space.survey(&short()).await;
        let (group, serial) = space.running(&survey, json!({})).await;
        let token = space.open(&serial, "?uid=U-1").await;
        let sheet = space.submit(&serial, &token, &nine()).await.is(200).text_of("answerSheetId");
        let listed = space.act("GET", "/webhook/deliveries", &json!({})).await.is(200).json();
        let delivery = listed["deliveries"][0].clone();
        assert_eq!(listed["next"], json!(null));
        assert_eq!((&delivery["event"], &delivery["state"]), (&json!("response.submitted"), &json!("waiting")));
        let body: serde_json::Value = serde_json::from_str(delivery["body"].as_str().expect("a body")).expect("JSON");
        assert_eq!(body["data"], json!({"surveyId": survey, "collectGroupId": group, "answerSheetId": sheet}), "ids only");
        let id = delivery["deliveryId"].as_str().expect("an id");
        space.act("POST", &format!("/webhook/deliveries/{id}/redeliver"), &json!({})).await.is(200);
        space.act("POST", "/webhook/test", &json!({})).await.is(200);
        let listed = space.act("GET", "/webhook/deliveries", &json!({})).await.is(200).json();
        let (newest, oldest) =
            (listed["deliveries"][0]["deliveryId"].as_str().expect("an id"), listed["deliveries"][1]["deliveryId"].clone());
        let behind = space.act("GET", &format!("/webhook/deliveries?next={newest}"), &json!({})).await.is(200).json();
        assert_eq!((behind["deliveries"].as_array().map(Vec::len), &behind["deliveries"][0]["deliveryId"]), (Some(1), &oldest));
        space.act("GET", "/webhook/deliveries?next=x", &json!({})).await.is(400);
        assert_eq!(space.act("GET", "/webhook", &json!({})).await.is(200).json(), json!({"url": "https://hook.invalid/"}));
        space.act("PUT", "/webhook", &json!({})).await.is(200);
        let listed = space.act("GET", "/webhook/deliveries", &json!({})).await.is(200).json();
        assert!(listed["deliveries"].as_array().expect("a list").iter().all(|delivery| delivery["state"] == "failed"), "{listed}");
    })
    .await;
}
