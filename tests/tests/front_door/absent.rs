//! What D.Hub documents and the hub does not have is told to signed-in callers (dhub.md section 12).

use madang_tests::on_every_hub;

#[tokio::test]
async fn knowledge_chat_and_ontologies_answer_501() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        for (method, path) in [
            ("GET", "/api/v1/knowledges"),
            ("POST", "/api/v1/knowledges"),
            ("GET", "/api/v1/knowledges/knowledge-abc123"),
            ("PUT", "/api/v1/knowledges/knowledge-abc123/documents/x"),
            ("GET", "/api/v1/knowledger"),
            ("POST", "/api/v1/knowledger/knowledges/k/search"),
            ("DELETE", "/api/v1/knowledger/knowledges/k"),
            ("GET", "/api/v1/ontologies"),
            ("POST", "/api/v1/ontologies/entities"),
            ("POST", "/api/v1/ontologies/relations/r/sink/execute"),
            ("POST", "/v1/chat/completions"),
            ("GET", "/v1/models"),
        ] {
            for end in ["", "/"] {
                let target = format!("{path}{end}");
                let answer = admin.call(method, &target).try_send().await.expect("an answer");
                answer.is_exactly(501, r#"{"detail":"Not Implemented"}"#);
                hub.visitor().call(method, &target).send().await.is_unauthenticated();
            }
        }
    })
    .await;
}
