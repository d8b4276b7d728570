//! Every route of Dataspace with every kind of wrong caller.

use std::collections::BTreeSet;

use madang_tests::{Login, on_every_hub, work};
use serde_json::json;

use super::Space;

/// The route table of the gateway itself.
const ROUTES: &str = include_str!("../../../../gateway/src/dialect/dataspace/routes.rs");

/// Routes that a space's key opens.
pub(crate) const KEYS: [(&str, &str); 24] = [
    ("GET", "/v1/surveys"),
    ("GET", "/v1/surveys/{surveyId}"),
    ("GET", "/v1/surveys/{surveyId}/collect-groups"),
    ("GET", "/v1/collect-groups/{collectGroupId}"),
    ("POST", "/v1/collect-groups/{collectGroupId}/response-urls"),
    ("GET", "/v1/collect-groups/{collectGroupId}/serial"),
    ("GET", "/v1/panels"),
    ("POST", "/v1/panels"),
    ("PUT", "/v1/panels/{panelId}"),
    ("PATCH", "/v1/panels/{panelId}"),
    ("DELETE", "/v1/panels/{panelId}"),
    ("GET", "/v1/profile-variables"),
    ("POST", "/v1/profile-variables"),
    ("PUT", "/v1/profile-variables/{profileVariableId}"),
    ("PATCH", "/v1/profile-variables/{profileVariableId}"),
    ("DELETE", "/v1/profile-variables/{profileVariableId}"),
    ("GET", "/v1/profile-variables/{profileVariableId}/options"),
    ("POST", "/v1/profile-variables/{profileVariableId}/options"),
    ("PUT", "/v1/profile-variables/{profileVariableId}/options/{profileVariableOptionId}"),
    ("PATCH", "/v1/profile-variables/{profileVariableId}/options/{profileVariableOptionId}"),
    ("DELETE", "/v1/profile-variables/{profileVariableId}/options/{profileVariableOptionId}"),
    ("GET", "/v1/responses"),
    ("GET", "/v1/responses/metadata"),
    ("GET", "/v1/answer-sheets"),
];

/// Routes that a person's credential opens.
pub(crate) const PEOPLE: [(&str, &str); 40] = [
    ("GET", "/dataspace/v1/spaces"),
    ("POST", "/dataspace/v1/spaces"),
    ("GET", "/dataspace/v1/spaces/{spaceId}"),
    ("PUT", "/dataspace/v1/spaces/{spaceId}"),
    ("GET", "/dataspace/v1/spaces/{spaceId}/members"),
    ("PUT", "/dataspace/v1/spaces/{spaceId}/members"),
    ("GET", "/dataspace/v1/spaces/{spaceId}/api-key"),
    ("POST", "/dataspace/v1/spaces/{spaceId}/api-key"),
    ("GET", "/dataspace/v1/spaces/{spaceId}/hmac-key"),
    ("POST", "/dataspace/v1/spaces/{spaceId}/hmac-key"),
    ("GET", "/dataspace/v1/spaces/{spaceId}/surveys"),
    ("POST", "/dataspace/v1/spaces/{spaceId}/surveys"),
    ("POST", "/dataspace/v1/spaces/{spaceId}/surveys/import"),
    ("GET", "/dataspace/v1/spaces/{spaceId}/surveys/{surveyId}"),
    ("PUT", "/dataspace/v1/spaces/{spaceId}/surveys/{surveyId}"),
    ("DELETE", "/dataspace/v1/spaces/{spaceId}/surveys/{surveyId}"),
    ("GET", "/dataspace/v1/spaces/{spaceId}/surveys/{surveyId}/export"),
    ("GET", "/dataspace/v1/spaces/{spaceId}/surveys/{surveyId}/collect-groups"),
    ("POST", "/dataspace/v1/spaces/{spaceId}/surveys/{surveyId}/collect-groups"),
    ("POST", "/dataspace/v1/spaces/{spaceId}/surveys/{surveyId}/responses/import"),
    ("GET", "/dataspace/v1/spaces/{spaceId}/surveys/{surveyId}/responses/export"),
    ("GET", "/dataspace/v1/spaces/{spaceId}/surveys/{surveyId}/dataset"),
    ("PUT", "/dataspace/v1/spaces/{spaceId}/surveys/{surveyId}/dataset"),
    ("DELETE", "/dataspace/v1/spaces/{spaceId}/surveys/{surveyId}/dataset"),
    ("PUT", "/dataspace/v1/spaces/{spaceId}/collect-groups/{collectGroupId}"),
    ("POST", "/dataspace/v1/spaces/{spaceId}/collect-groups/{collectGroupId}/start"),
    ("POST", "/dataspace/v1/spaces/{spaceId}/collect-groups/{collectGroupId}/pause"),
    ("POST", "/dataspace/v1/spaces/{spaceId}/collect-groups/{collectGroupId}/complete"),
    ("GET", "/dataspace/v1/spaces/{spaceId}/collect-groups/{collectGroupId}/qr"),
    ("GET", "/dataspace/v1/spaces/{spaceId}/panels"),
    ("POST", "/dataspace/v1/spaces/{spaceId}/panels/import"),
    ("POST", "/dataspace/v1/spaces/{spaceId}/erasures"),
    ("GET", "/dataspace/v1/spaces/{spaceId}/retention"),
    ("PUT", "/dataspace/v1/spaces/{spaceId}/retention"),
    ("GET", "/dataspace/v1/spaces/{spaceId}/audit"),
    ("GET", "/dataspace/v1/spaces/{spaceId}/webhook"),
    ("PUT", "/dataspace/v1/spaces/{spaceId}/webhook"),
    ("GET", "/dataspace/v1/spaces/{spaceId}/webhook/deliveries"),
    ("POST", "/dataspace/v1/spaces/{spaceId}/webhook/deliveries/{deliveryId}/redeliver"),
    ("POST", "/dataspace/v1/spaces/{spaceId}/webhook/test"),
];

/// Routes for respondents.
pub(crate) const OPEN: [(&str, &str); 7] = [
    ("GET", "/r/{serial}"),
    ("POST", "/r/{serial}"),
    ("GET", "/r/{serial}/thanks"),
    ("GET", "/r/{serial}/form"),
    ("POST", "/r/{serial}/answers"),
    ("GET", "/r/page/style.css"),
    ("GET", "/r/page/script.js"),
];

#[test]
fn the_matrix_has_every_route() {
    let written: BTreeSet<(String, String)> = ROUTES
        .split(".route(")
        .skip(1)
        .flat_map(|route| {
            let mut parts = route.splitn(3, '"').skip(1);
            let (path, handlers) = (parts.next().expect("a path").to_owned(), parts.next().expect("handlers"));
            let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter();
            let named = methods.filter(|method| {
                let call = format!("{}(", method.to_lowercase());
                handlers.contains(&format!(" {call}")) || handlers.contains(&format!(".{call}"))
            });
            named.map(|method| (method.to_owned(), path.clone())).collect::<Vec<_>>()
        })
        .collect();
    let tested = KEYS.iter().chain(&PEOPLE).chain(&OPEN).map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(written, tested);
}

/// Every place of a path with what names nothing.
fn filled(path: &str, space: &str) -> String {
    let part = |part: &str| match part {
        "{spaceId}" => space.to_owned(),
        "{panelId}" | "{profileVariableId}" | "{profileVariableOptionId}" => "01H8NN0C49ZHDTKG8N6B7CF9E1".to_owned(),
        part if part.starts_with('{') => "a01hb7vt01vpahrwjyxgd28sf3a".to_owned(),
        part => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn wrong_callers_learn_nothing() {
    on_every_hub(|hub| async move {
        let credentials = hub.credentials();
        let wrong = Login::Signature { access_key: credentials.access_key.clone(), secret_key: "wrong".to_owned(), shift_ms: 0 };
        let known = [
            Login::Nobody,
            Login::bearer("forged.forged.forged"),
            wrong,
            Login::basic(&credentials.space_id, "wrong"),
            Login::basic("a01h00000000000000000000000", &credentials.api_key),
            hub.ckan_token(),
            hub.auth_token(),
        ];
        let callers = [
            (&KEYS[..], hub.admin().await.get_login(), r#"Basic realm="dataspace""#),
            (&PEOPLE[..], hub.space_basic(), r#"Bearer realm="dataspace""#),
        ];
        for (routes, other, challenge) in callers {
            for (method, path) in routes {
                for login in known.iter().chain([&other]) {
                    let target = filled(path, &credentials.space_id);
                    let answer = hub.visitor().with(login.clone()).call(method, &target).json(&json!({})).send().await.is(401);
                    assert_eq!(answer.header("www-authenticate"), Some(challenge), "{answer}");
                    assert_eq!(answer.json()["code"], "UNAUTHORIZED", "{answer}");
                }
            }
        }
    })
    .await;
}

/// Who is no member of a space gets nowhere in it, and whoever is one gets as far as his roles go.
#[tokio::test]
async fn members_get_as_far_as_their_roles() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let (_, email, person) = work::person(&space.author, &[]).await;
        for (method, path) in PEOPLE.iter().filter(|(_, path)| path.contains("{spaceId}")) {
            let answer = person.call(method, &filled(path, &space.id)).json(&json!({})).send().await;
            assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("FORBIDDEN")), "{answer}");
        }
        let own = hub.credentials().username;
        let members = |roles: serde_json::Value| json!({"members": [{"user": own, "roles": ["admin"]}, {"user": email, "roles": roles}]});
        let cases = [
            ("member", [200, 403, 403, 403, 403]),
            ("developer", [200, 200, 200, 403, 403]),
            ("privacy", [200, 403, 403, 200, 403]),
            ("admin", [200, 200, 200, 403, 200]),
        ];
        let survey = space.survey(&super::short()).await;
        let originals = format!("/surveys/{survey}/responses/export?includePersonal=true&remark=why");
        let calls = ["/surveys", "/api-key", "/webhook", &originals, "/audit"];
        for (role, statuses) in cases {
            space.act("PUT", "/members", &members(json!([role]))).await.is(200);
            for (call, status) in calls.iter().zip(statuses) {
                let answer = person.get(&space.path(call)).send().await;
                assert_eq!(answer.status, status, "{role}: {answer}");
            }
        }
        space.act("PUT", "/members", &members(json!(["owner"]))).await.is(400);
        space.act("PUT", "/members", &json!({"members": [{"user": own, "roles": ["member"]}]})).await.is(400);
    })
    .await;
}
