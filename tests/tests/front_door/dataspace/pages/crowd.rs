//! Many respondents at once.

use std::collections::HashSet;

use futures::future::{join, join_all};
use madang_tests::{Answer, on_every_hub};
use serde_json::json;

use super::{
    super::{Space, short},
    is_thanks, refuses, send, token,
};

const PEOPLE: usize = 200;
const PLACES: usize = 100;

/// 200 people, each of whom opens the page, answers and presses twice, on a group that wants 100.
#[tokio::test]
async fn a_crowd_gets_the_places_there_are() {
    on_every_hub(|hub| async move {
        let space = Space::new(&hub).await;
        let survey = space.survey(&short()).await;
        let (group, _) = space.running(&survey, json!({"targetCnt": PLACES})).await;
        let link = space.link(&group, &[]).await;
        let outcomes = join_all((0..PEOPLE).map(|_| come(&space, &link))).await;
        let (accepted, refused): (Vec<_>, Vec<_>) = outcomes.iter().partition(|page| page.status == 200);
        assert_eq!((accepted.len(), refused.len()), (PLACES, PEOPLE - PLACES));
        accepted.into_iter().for_each(is_thanks);
        for page in refused {
            refuses(page, 410, "설문이 마감되었습니다");
        }

        let sheets = space.sheets(&survey).await;
        let different: HashSet<_> = sheets.iter().map(|sheet| sheet["answerSheetId"].to_string()).collect();
        assert_eq!((sheets.len(), different.len()), (PLACES, PLACES));
        let shown = space.key.get(&format!("/v1/collect-groups/{group}")).send().await.is(200).json();
        assert_eq!(shown["status"], "COMPLETED");
        refuses(&space.visitor.get(&link).send().await, 410, "설문이 마감되었습니다");
    })
    .await;
}

/// What one of them sees in the end.
async fn come(space: &Space, link: &str) -> Answer {
    let page = space.visitor.get(link).send().await;
    if page.status != 200 {
        return page; // too late to be let in
    }
    let sheet = token(&page);
    let fields = [("sheet", sheet.as_str()), ("step", "0"), ("go", "next"), ("q1", "9")];
    let (once, twice) = join(send(&space.visitor, link, &fields), send(&space.visitor, link, &fields)).await;
    assert_eq!(once.status, twice.status, "pressed twice is pressed once: {once} {twice}");
    once
}
