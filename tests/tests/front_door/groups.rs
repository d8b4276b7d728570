//! `groups=a,b` narrows every list to what names one of them (dhub.md section 11), in both slash forms.

use std::collections::BTreeSet;

use madang_tests::{Client, on_every_hub, work};
use serde_json::{Value, json};

/// The lists, without the slash.
const LISTS: [&str; 5] = ["collections", "datasets", "pipelines", "codes", "users"];

/// The ids in a list of either form.
async fn ids(client: &Client, target: &str) -> BTreeSet<String> {
    let list = client.get(&format!("/api/v1/{target}")).send().await.is(200).json();
    match list {
        Value::Array(list) => list.iter().map(|entry| entry["id"].as_str().expect("an id").to_owned()).collect(),
        _ => list["items"].as_object().expect("items").keys().cloned().collect(),
    }
}

async fn made(client: &Client, kind: &str, tag: &str, groups: &[&str]) -> String {
    let mut body = json!({"name": work::unique("목록"), "tags": [tag], "groups": groups});
    if kind == "users" {
        body["email"] = json!(format!("{}@example.com", work::unique("group")));
        body["password"] = json!(work::PASSWORD);
    }
    client.post(&format!("/api/v1/{kind}")).json(&body).send().await.is(200).text_of("id")
}

#[tokio::test]
async fn every_list_is_narrowed() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let (first, second, tag) = (work::unique("모임"), work::unique("다른"), work::unique("표식"));
        let (_, _, inside) = work::person(&admin, &[&first]).await;
        for kind in LISTS {
            let open = made(&admin, kind, &tag, &[]).await;
            let one = made(&admin, kind, &tag, &[&first]).await;
            let both = made(&admin, kind, &tag, &[&first, &second]).await;
            let other = made(&admin, kind, &tag, &[&second]).await;
            let set = |ids: &[&String]| ids.iter().map(|id| (*id).clone()).collect::<BTreeSet<_>>();
            for slash in ["", "/"] {
                let list = |groups: &str| format!("{kind}{slash}?tag={tag}{groups}");
                let cases = [
                    (String::new(), set(&[&open, &one, &both, &other])),
                    ("&groups=".to_owned(), set(&[&open, &one, &both, &other])),
                    (format!("&groups={first}"), set(&[&one, &both])),
                    (format!("&groups={first},{second}"), set(&[&one, &both, &other])),
                    (format!("&groups=none,{second}"), set(&[&both, &other])),
                    ("&groups=none".to_owned(), set(&[])),
                ];
                for (groups, wanted) in cases {
                    assert_eq!(ids(&admin, &list(&groups)).await, wanted, "{}", list(&groups));
                }
                for wrong in ["&groups=,", &format!("&groups={first},,{second}")] {
                    let refused = admin.get(&format!("/api/v1/{}", list(wrong))).send().await.is(422).json();
                    assert_eq!(refused["detail"][0]["loc"], json!(["query", "groups"]), "{wrong}");
                }
                if kind != "users" {
                    assert_eq!(ids(&inside, &list(&format!("&groups={second}"))).await, set(&[&both]), "what he may see, of those");
                }
            }
        }
    })
    .await;
}
