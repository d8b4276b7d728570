//! What a space's webhook is told.

use std::{
    collections::HashMap,
    env,
    sync::{Arc, Mutex},
    time::Duration,
};

use madang_tests::{on_every_hub, signature};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

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

/// What came, by path.
type Heard = Arc<Mutex<HashMap<String, Vec<Event>>>>;

#[derive(Clone, Debug)]
struct Event {
    headers: HashMap<String, String>,
    body: String,
}

impl Event {
    /// Whether it was signed under a secret, a moment ago.
    fn is_signed(&self, secret: &str) -> bool {
        let said = self.headers["x-madang-signature"].clone();
        let (at, sum) = said.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")).expect("a signature");
        let ours = signature::hmac(secret.as_bytes(), format!("{at}.{}", self.body).as_bytes());
        signature::hex(&ours) == sum
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// Is a webhook at the one private address that the hubs may call: it fails the first time, on each path.
async fn listen() -> (String, Heard) {
    let address = env::var("MADANG_TEST_HOOK_SERVER").expect("an address (MADANG_TEST_HOOK_SERVER); run `cargo xtask test`");
    let listener = TcpListener::bind(&address).await.expect("the address is free");
    let heard = Heard::default();
    let hearing = heard.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, hearing.clone()));
        }
    });
    (address, heard)
}

async fn answer(mut stream: TcpStream, heard: Heard) {
    let mut bytes = Vec::new();
    let (path, event) = loop {
        let mut some = [0; 4_096];
        let read = stream.read(&mut some).await.unwrap_or_default();
        bytes.extend_from_slice(&some[..read]);
        if let Some(request) = request(&String::from_utf8_lossy(&bytes)) {
            break request;
        }
        if read == 0 {
            return;
        }
    };
    let first = {
        let mut heard = heard.lock().expect("a lock");
        let events = heard.entry(path).or_default();
        events.push(event);
        events.len() == 1
    };
    let status = if first { "500 Internal Server Error" } else { "204 No Content" };
    let _ = stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes()).await;
}

/// The path and what came with it, once it is there as a whole.
fn request(text: &str) -> Option<(String, Event)> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: HashMap<_, _> =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let whole = headers.get("content-length").is_none_or(|length| length.parse() == Ok(body.len()));
    whole.then(|| (path, Event { headers, body: body.to_owned() }))
}

#[tokio::test]
async fn events_arrive_signed_and_again_after_a_failure() {
    let (address, heard) = listen().await;
    on_every_hub(move |hub| {
        let (address, heard) = (address.clone(), heard.clone());
        async move {
            let space = Space::new(&hub).await;
            let (secret, path) = ("a secret of some length", format!("/{}", space.id));
            let arrived = async |count: usize| {
                for _ in 0..300 {
                    let events = heard.lock().expect("a lock").get(&path).cloned().unwrap_or_default();
                    if events.len() >= count {
                        return events;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                panic!("{count} events did not arrive");
            };
            let delivery = async || space.act("GET", "/webhook/deliveries", &json!({})).await.is(200).json()["deliveries"][0].clone();
            space.act("PUT", "/webhook", &json!({"url": format!("http://{address}{path}"), "secret": secret})).await.is(200);
            let survey = space.survey(&short()).await;
            let (group, serial) = space.running(&survey, json!({})).await;
            let token = space.open(&serial, "?uid=U-1").await;
            let sheet = space.submit(&serial, &token, &nine()).await.is(200).text_of("answerSheetId");
            let events = arrived(2).await;
            assert_eq!(events[0].body, events[1].body, "what failed comes again");
            assert!(events.iter().all(|event| event.is_signed(secret) && !event.is_signed("another secret")), "{events:?}");
            assert_eq!(events[1].headers["x-madang-event"], "response.submitted");
            let ids = json!({"surveyId": survey, "collectGroupId": group, "answerSheetId": sheet});
            assert_eq!((&events[1].json()["event"], &events[1].json()["data"]), (&json!("response.submitted"), &ids));
            for _ in 0..50 {
                if delivery().await["state"] == "delivered" {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let told = delivery().await;
            assert_eq!((&told["state"], &told["attempts"], &told["status"]), (&json!("delivered"), &json!(2), &json!(204)), "{told}");

            let id = told["deliveryId"].as_str().expect("an id");
            space.act("POST", &format!("/webhook/deliveries/{id}/redeliver"), &json!({})).await.is(200);
            assert_eq!(arrived(3).await[2].body, events[0].body, "the same event once more");
            space.act("POST", "/webhook/test", &json!({})).await.is(200);
            let test = arrived(4).await[3].clone();
            assert!(test.is_signed(secret) && test.json()["event"] == "webhook.test" && test.json()["data"] == json!({}), "{test:?}");
        }
    })
    .await;
}
