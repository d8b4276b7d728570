//! The catalogues of `tests/search`: what queries find in them.

use madang_tests::{on_every_hub, search::Catalogue};

/// What the issue asks for.
const SEARCHES: usize = 150;

#[tokio::test]
async fn every_search_finds_what_it_should() {
    let all = Catalogue::all();
    assert!(all.iter().map(Catalogue::searches).sum::<usize>() >= SEARCHES);
    on_every_hub(|hub| async move {
        let problems = futures::future::join_all(Catalogue::all().into_iter().map(|catalogue| catalogue.problems(hub.clone()))).await;
        let problems = problems.concat();
        assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
    })
    .await;
}
