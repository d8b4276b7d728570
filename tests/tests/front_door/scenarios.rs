//! The numbered scenarios of `tests/scenarios`: bad input of every kind, each with its documented answer.

use madang_tests::{on_every_hub, scenario::Scenario};

#[tokio::test]
async fn every_scenario_holds() {
    on_every_hub(|hub| async move {
        let admin = hub.admin().await;
        let walks = Scenario::all().into_iter().map(|scenario| scenario.problems(hub.clone(), admin.clone()));
        let problems: Vec<String> = futures::future::join_all(walks).await.concat();
        assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
    })
    .await;
}
