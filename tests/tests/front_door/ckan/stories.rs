//! The stories of `tests/ckan`: behaviours of the reference, one by one.

use madang_tests::{ckan::Story, on_every_hub};

/// What the issue asks for.
const BEHAVIOURS: usize = 400;

#[tokio::test]
async fn every_story_holds() {
    let all = Story::all();
    assert!(all.iter().map(Story::steps).sum::<usize>() >= BEHAVIOURS);
    on_every_hub(|hub| async move {
        let walks = Story::all().into_iter().map(|story| story.problems(hub.clone()));
        let problems: Vec<String> = futures::future::join_all(walks).await.concat();
        assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
    })
    .await;
}
