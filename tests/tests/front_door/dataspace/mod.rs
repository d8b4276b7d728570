//! Dataspace: surveys authored, answered and read; panels; spaces (dataspace.md section 12).

mod authoring;
mod imports;
mod keys;
mod live;
mod matrix;
mod pages;
mod panels;
mod privacy;
mod responses;
mod surveys;
mod webhook;

pub(crate) use matrix::{KEYS, OPEN, PEOPLE};

use madang_tests::{Answer, Client, Hub, Login, work};
use serde_json::{Value, json};

/// A space of one's own, with an author and a key.
pub(crate) struct Space {
    pub(crate) id: String,
    pub(crate) author: Client,
    pub(crate) key: Client,
    pub(crate) visitor: Client,
}

impl Space {
    /// Makes a space.
    pub(crate) async fn new(hub: &Hub) -> Self {
        let author = hub.admin().await;
        let made = author.post("/dataspace/v1/spaces").json(&json!({"name": work::unique("조사실")})).send().await.is(200);
        let id = made.text_of("spaceId");
        let key = author.get(&format!("/dataspace/v1/spaces/{id}/api-key")).send().await.is(200).text_of("apiKey");
        Self { key: hub.visitor().with(Login::basic(&id, &key)), visitor: hub.visitor(), id, author }
    }

    /// A path below the space.
    pub(crate) fn path(&self, below: &str) -> String {
        format!("/dataspace/v1/spaces/{}{below}", self.id)
    }

    /// Does something as the author.
    pub(crate) async fn act(&self, method: &str, below: &str, body: &Value) -> Answer {
        self.author.call(method, &self.path(below)).json(body).send().await
    }

    /// A survey's id.
    pub(crate) async fn survey(&self, body: &Value) -> String {
        self.act("POST", "/surveys", body).await.is(200).text_of("surveyId")
    }

    /// A group that runs: its id and serial.
    pub(crate) async fn running(&self, survey: &str, fields: Value) -> (String, String) {
        let mut body = json!({"name": "기본 링크 수집그룹", "channel": "PUBLIC_LINK"});
        fields.as_object().into_iter().flatten().for_each(|(key, value)| body[key] = value.clone());
        let made = self.act("POST", &format!("/surveys/{survey}/collect-groups"), &body).await.is(200);
        let id = made.text_of("collectGroupId");
        self.act("POST", &format!("/collect-groups/{id}/start"), &json!({})).await.is(200);
        (id, made.text_of("serial"))
    }

    /// Opens a sheet; gives its token.
    pub(crate) async fn open(&self, serial: &str, query: &str) -> String {
        self.visitor.get(&format!("/r/{serial}/form{query}")).send().await.is(200).text_of("sheetToken")
    }

    /// Submits a sheet.
    pub(crate) async fn submit(&self, serial: &str, token: &str, answers: &Value) -> Answer {
        let body = json!({"sheetToken": token, "answers": answers});
        self.visitor.post(&format!("/r/{serial}/answers")).json(&body).send().await
    }

    /// All responses of a survey, first page.
    pub(crate) async fn responses(&self, survey: &str) -> Value {
        self.key.get(&format!("/v1/responses?surveyId={survey}")).send().await.is(200).json()
    }
}

/// A survey of one question.
pub(crate) fn short() -> Value {
    json!({"title": "추천", "parameters": [{"key": "uid"}, {"key": "store"}], "questions": [{"type": "Nps", "text": "<p>추천하시겠어요?</p>"}]})
}

/// Its answer.
pub(crate) fn nine() -> Value {
    json!([{"questionRank": 1, "value": 9}])
}
