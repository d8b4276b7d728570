//! Panels and profiles.

use futures::future::join_all;
use madang_tests::on_every_hub;
use serde_json::{Value, json};

use super::Space;

const BY: &str = "email=operator@example.com";

#[tokio::test]
async fn a_panel_lives_as_the_contract_says() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let variable = space.key.post("/v1/profile-variables").json(&json!({"name": "지역"})).send().await.is(200);
        assert_eq!(variable.keys(), ["profileVariableId", "name"]);
        let variable = variable.text_of("profileVariableId");
        assert!(variable.len() == 26 && variable == variable.to_uppercase(), "{variable}");
        let options = format!("/v1/profile-variables/{variable}/options");
        let option = space.key.post(&options).json(&json!({"name": "서울"})).send().await.is(200);
        assert_eq!(option.keys(), ["profileVariableOptionId", "profileVariableId", "name"]);
        let option = option.text_of("profileVariableOptionId");
        space.key.post("/v1/profile-variables").json(&json!({"name": "지역"})).send().await.is(409);
        space.key.post(&options).json(&json!({"name": " "})).send().await.is(400);

        let body = json!({"uid": "A-001", "name": "김패널", "countryCode": "82", "cellphone": "01000000000", "email": "panel@example.com",
            "isSmsOptOut": true, "profileMaps": {"지역": "서울"}, "unknown": 1});
        let made = space.key.post(&format!("/v1/panels?{BY}")).json(&body).send().await.is(200);
        let keys = ["panelId", "uid", "name", "countryCode", "cellphone", "email", "isSmsOptOut", "isEmailOptOut", "profileMaps"];
        assert_eq!(made.keys(), keys);
        let made = made.json();
        assert_eq!((&made["countryCode"], &made["isSmsOptOut"], &made["name"]), (&json!(82), &json!(false), &json!("김패널")));
        let panel = format!("/v1/panels/{}", made["panelId"].as_str().expect("an id"));
        let answer = space.key.post(&format!("/v1/panels?{BY}")).json(&json!({"uid": "A-001"})).send().await.is(409);
        assert_eq!(answer.json()["code"], "DUPLICATE");

        let option_path = format!("{options}/{option}");
        space.key.call("PUT", &option_path).json(&json!({"name": "서울시"})).send().await.is(200);
        let changed = space
            .key
            .call("PUT", &format!("{panel}?{BY}"))
            .json(&json!({"email": null, "isEmailOptOut": true}))
            .send()
            .await
            .is(200)
            .json();
        assert_eq!((&changed["email"], &changed["name"], &changed["isEmailOptOut"]), (&Value::Null, &json!("김패널"), &json!(true)));
        assert_eq!(changed["profileMaps"], json!({"지역": "서울시"}), "a new name shows");
        let listed = space.key.get(&format!("/v1/panels?{BY}&remark=%ED%99%95%EC%9D%B8")).send().await.is(200).json();
        assert_eq!(listed, json!({"panels": [changed], "nextPanelId": null}));
        let masked = space.act("GET", "/panels", &json!({})).await.is(200).json();
        assert_eq!((&masked["panels"][0]["name"], &masked["panels"][0]["cellphone"]), (&json!("김*널"), &json!("010****0000")));
        space.key.call("DELETE", &option_path).send().await.is_exactly(200, &format!("\"{option}\""));
        let bare = space.key.call("PATCH", &format!("{panel}?{BY}")).json(&json!({})).send().await.is(200).json();
        assert_eq!(bare["profileMaps"], json!({}));
        space.key.call("DELETE", &format!("{panel}?{BY}")).send().await.is_exactly(200, &made["panelId"].to_string());
        let gone = space.key.call("PUT", &format!("{panel}?{BY}")).json(&json!({})).send().await.is(404);
        assert_eq!(gone.json()["code"], "PANEL_NOT_FOUND");
        let audit = space.act("GET", "/audit", &json!({})).await.is(200).json();
        let actions: Vec<_> = audit["records"].as_array().expect("records").iter().map(|record| record["action"].clone()).collect();
        assert_eq!(json!(actions), json!(["panel.delete", "panel.update", "panel.list", "panel.list", "panel.update", "panel.create"]));
        assert_eq!(audit["records"][3]["remark"], "확인");
        assert_eq!(audit["records"][3]["operatorEmail"], "operator@example.com");
    })
    .await;
}

#[tokio::test]
async fn bad_panels_are_refused_by_field() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        for (body, field) in [
            (json!({"uid": "가".repeat(128)}), "uid"),
            (json!({"uid": "a".repeat(129)}), "uid"),
            (json!({"name": "가".repeat(65)}), "name"),
            (json!({"name": 7}), "name"),
            (json!({"countryCode": 8282}), "countryCode"),
            (json!({"cellphone": "010-0000-0000"}), "cellphone"),
            (json!({"email": "nobody"}), "email"),
            (json!({"email": format!("{}@example.com", "a".repeat(40))}), "email"),
            (json!({"profileMaps": {"지역": "서울"}}), "profileMaps"),
            (json!({"profileMaps": [1]}), "profileMaps"),
            (json!([]), "body"),
        ] {
            let answer = space.key.post(&format!("/v1/panels?{BY}")).json(&body).send().await.is(400).json();
            assert_eq!(answer["field"], field, "{answer}");
        }
        space.key.post(&format!("/v1/panels?{BY}")).json(&json!({"name": "가".repeat(64), "uid": "a".repeat(128)})).send().await.is(200);
        for (target, field) in [
            ("/v1/panels", "email"),
            ("/v1/panels?email=x&remark=y", "email"),
            (&format!("/v1/panels?{BY}"), "remark"),
            (&format!("/v1/panels?{BY}&remark=%20"), "remark"),
            (&format!("/v1/panels?{BY}&remark=x&panelId=x"), "panelId"),
        ] {
            let answer = space.key.get(target).send().await.is(400).json();
            assert_eq!(answer["field"], field, "{target}: {answer}");
        }
        space.key.post("/v1/panels").json(&json!({})).send().await.is(400);
        let twice = space.author.post(&space.path("/panels/import")).body("text/csv", "uid,지역,지역\nu,서울,부산\n").send().await;
        assert_eq!(twice.is(400).json()["field"], "header");
        // The contract's texts may be empty: then there is nothing.
        let empty = json!({"uid": "", "countryCode": "", "cellphone": "", "email": ""});
        let made = space.key.post(&format!("/v1/panels?{BY}")).json(&empty).send().await.is(200).json();
        space.key.post(&format!("/v1/panels?{BY}")).json(&empty).send().await.is(200);
        let panel = format!("/v1/panels/{}?{BY}", made["panelId"].as_str().expect("an id"));
        space.key.call("PUT", &panel).json(&json!({"cellphone": "01012345678", "countryCode": 82})).send().await.is(200);
        let cleared = space.key.call("PUT", &panel).json(&empty).send().await.is(200).json();
        for field in ["uid", "countryCode", "cellphone", "email"] {
            assert_eq!((&made[field], &cleared[field]), (&Value::Null, &Value::Null), "{field}");
        }
    })
    .await;
}

/// 1,001 panels from a file: a page of 1,000, and the cursor is the first element of the next one.
#[tokio::test]
async fn pages_begin_with_their_cursor() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let rows: Vec<String> = (0..1_001).map(|number| format!("u{number},이름,01012345678")).collect();
        let file = format!("uid,name,cellphone\n{}\nu0,중복,01012345678\n", rows.join("\n"));
        let report = space.author.post(&space.path("/panels/import")).body("text/csv", file).send().await.is(200).json();
        assert_eq!((&report["accepted"], &report["refused"], &report["problems"][0]["row"]), (&json!(1001), &json!(1), &json!(1002)));
        let target = format!("/v1/panels?{BY}&remark=x");
        let first = space.key.get(&target).send().await.is(200).json();
        let panels = first["panels"].as_array().expect("panels");
        assert_eq!((panels.len(), &panels[0]["uid"]), (1000, &json!("u1000")));
        let next = first["nextPanelId"].as_str().expect("a cursor");
        let second = space.key.get(&format!("{target}&panelId={next}")).send().await.is(200).json();
        assert_eq!(
            (&second["panels"][0]["panelId"], &second["panels"][0]["uid"], &second["nextPanelId"]),
            (&json!(next), &json!("u0"), &Value::Null)
        );
    })
    .await;
}

/// 1,001 of each: a page of 1,000, newest first, and the cursor is the first element of the next one.
#[tokio::test]
async fn every_list_has_pages() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let variable = space.key.post("/v1/profile-variables").json(&json!({"name": "0"})).send().await.is(200);
        let options = format!("/v1/profile-variables/{}/options", variable.text_of("profileVariableId"));
        let surveys = space.path("/surveys");
        for (client, target, list, made, id, cursor) in [
            (&space.key, "/v1/profile-variables", "/v1/profile-variables", 1_000, "profileVariableId", "profileVariableId"),
            (&space.key, &options, &options, 1_001, "profileVariableOptionId", "profileVariableOptionId"),
            (&space.author, &surveys, "/v1/surveys", 1_001, "surveyId", "nextSurveyId"),
        ] {
            for some in (1..=made).collect::<Vec<_>>().chunks(25) {
                let bodies: Vec<_> = some.iter().map(|number| json!({"name": number.to_string(), "title": "t"})).collect();
                for answer in join_all(bodies.iter().map(|body| client.post(target).json(body).send())).await {
                    answer.is(200);
                }
            }
            let page = |query: String| space.key.get(&format!("{list}{query}")).send();
            let (first, items) = listed(&page(String::new()).await.is(200).json(), id);
            assert!(items.len() == 1_000 && items.is_sorted_by(|newer, older| newer > older), "{list}");
            let next = first.expect("a cursor");
            let (end, rest) = listed(&page(format!("?{cursor}={next}")).await.is(200).json(), id);
            assert_eq!((end, rest), (None, vec![next]), "{list}");
        }
    })
    .await;
}

/// The cursor of a page and the ids on it.
fn listed(page: &Value, id: &str) -> (Option<String>, Vec<String>) {
    let object = page.as_object().expect("a page");
    let items = object.values().find_map(Value::as_array).expect("a list");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    (object.values().find_map(text), items.iter().filter_map(|item| text(&item[id])).collect())
}
